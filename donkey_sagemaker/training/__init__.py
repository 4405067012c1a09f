"""The steps of sagemaker-train, in order: plan, estimate, upload, launch, watch, check, install, report."""
