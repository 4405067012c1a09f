"""SageMaker emulated on this machine, behind the same interface as AWS."""
