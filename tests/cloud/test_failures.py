"""Why a job failed: each way that is known, with its whole message, and what is not known."""

import pytest

from donkey_sagemaker.cloud.failures import DEFAULT_FIX, FAILURES, explain_failure, is_capacity_failure
from troubleshooting import find_missing

ROLE = "the role in SAGEMAKER_ROLE_ARN"

BUILD_FIX = "Build it with `docker build --platform linux/amd64 --provenance=false` and push it again."

# FailureReason, the end of the log, what, fix
FAILED_JOBS = [
    (
        (
            "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different"
            " ML instance type."
        ),
        "",
        "AWS has no free instance of this type at the moment",
        "Train again later, or set SAGEMAKER_INSTANCE_TYPE to a list of types to try in turn.",
    ),
    (
        (
            "The account-level service limit 'ml.m5.xlarge for training job usage' is 1 Instances, with"
            " current utilization of 1 Instances and a request delta of 1 Instances."
        ),
        "",
        "Jobs outside of the queue use the account's quota",
        "Train again when they have ended. If that happens often, give the queue fewer instances than the"
        " quota has, for example `python manage.py sagemaker-setup --job-queue=1`.",
    ),
    (
        (
            "ClientError: TrainingHostAgent Initialization failed:InvalidInputException: SageMaker is unable"
            " to perform: sts:AssumeRole on the role."
        ),
        "",
        "SageMaker is not allowed to assume " + ROLE,
        "Allow sts:AssumeRole for the service sagemaker.amazonaws.com in the trust policy of that role.",
    ),
    (
        "ClientError: Unsupported manifest media type application/vnd.oci.image.manifest.v1+json",
        "",
        "The training image has an OCI manifest, which SageMaker does not support",
        BUILD_FIX,
    ),
    (
        "AlgorithmError: , exit code: 1",
        "exec /opt/program/train: exec format error",
        "The training image was built for another processor",
        BUILD_FIX,
    ),
    (
        'AlgorithmError: exec: "train": executable file not found in $PATH',
        "",
        "The training image has no `train` program",
        "Add an ENTRYPOINT to it, or an executable file named train on its PATH.",
    ),
    (
        (
            "ClientError: Cannot pull algorithm container. Either the image does not exist or its permissions"
            " are incorrect."
        ),
        "",
        "SageMaker could not pull the training image: it is too big for the disk or may not be read",
        f"Increase SAGEMAKER_VOLUME_GB; if that does not help, allow {ROLE} to read the image.",
    ),
    (
        "ClientError: Artifact upload failed:Insufficient disk space",
        "",
        "The disk of the job was full",
        "Increase SAGEMAKER_VOLUME_GB.",
    ),
    (
        "AlgorithmError: , exit code: 137",
        "epoch 3",
        "The job ran out of memory",
        "Set SAGEMAKER_INSTANCE_TYPE to a larger type, or lower BATCH_SIZE in myconfig.py.",
    ),
    (
        "ClientError: illegal char sub-sequence '//'",
        "",
        "SageMaker cannot read a key with two slashes in a row",
        "Delete the objects with such keys below SAGEMAKER_PREFIX in the bucket.",
    ),
    (
        "ClientError: Data download failed:Could not download s3://my-cars/x: insufficient permissions",
        "",
        "The job could not read its data",
        f"Give {ROLE} the permissions s3:ListBucket and s3:GetObject on the bucket.",
    ),
    (
        "ClientError: Artifact upload failed:Error 5: access denied",
        "",
        "The job could not write its model",
        f"Give {ROLE} the permission s3:PutObject on the bucket.",
    ),
    (
        "InternalServerError: We encountered an internal error. Please try again.",
        "",
        "SageMaker failed, not the training",
        "Train again: what was uploaded is still there.",
    ),
]


@pytest.mark.parametrize("reason, log, what, fix", FAILED_JOBS, ids=[each[2] for each in FAILED_JOBS])
def test_failed_job(reason: str, log: str, what: str, fix: str) -> None:
    """Each known failure is reported with SageMaker's own text."""
    assert explain_failure(reason, [log, "shutting down"]) == (f"{what} [{reason}]", fix)


def test_every_failure_has_an_example() -> None:
    """No failure is without a test and an entry in the documentation."""
    assert [failure.what for failure in FAILURES] == [what for _reason, _log, what, _fix in FAILED_JOBS]


def test_the_documentation_has_them_all(repo_path: str) -> None:
    """docs/troubleshooting.md has a heading for each failure, followed by what to do."""
    entries = [(f"{what} [{reason}]", fix) for reason, _log, what, fix in FAILED_JOBS]
    assert find_missing(repo_path, entries) == []


def test_message_of_the_trainer() -> None:
    """The trainer's own message is shown as it is, without SageMaker's additions and the traceback."""
    reason = (
        "AlgorithmError: No record can be trained on.\nTraceback (most recent call last):\n  File x\n"
        "ValueError: [Errno 28], exit code: 1"
    )
    assert explain_failure(reason, ["exec format error"]) == ("No record can be trained on.", DEFAULT_FIX)


def test_log_is_searched_without_a_message() -> None:
    """The last line with a known failure counts."""
    lines = ["out of memory, trying less", "OSError: No space left on device", "bye"]
    assert explain_failure("AlgorithmError: , exit code: 1", lines) == (
        "The disk of the job was full [AlgorithmError: , exit code: 1]",
        "Increase SAGEMAKER_VOLUME_GB.",
    )


def test_unknown_failure() -> None:
    """An unknown reason is shown as it is; a missing reason is reported too."""
    assert explain_failure("AlgorithmError: , exit code: 3", ["bye"]) == (
        "AlgorithmError: , exit code: 3",
        DEFAULT_FIX,
    )
    assert explain_failure("ClientError: strange", []) == ("ClientError: strange", DEFAULT_FIX)
    assert explain_failure("", []) == ("It ended without a model", DEFAULT_FIX)


def test_capacity_failure() -> None:
    """Without capacity another type may do; without memory the same request would fail again."""
    assert is_capacity_failure("CapacityError: Unable to provision requested ML compute capacity.")
    assert not is_capacity_failure("AlgorithmError: , exit code: 137")
