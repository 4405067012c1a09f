"""Explains why a job failed, from SageMaker's FailureReason and the end of the log. Pure."""

import re
from typing import List, NamedTuple, Tuple

_ROLE = "the role in SAGEMAKER_ROLE_ARN"
_BUILD = "Build it with `docker build --platform linux/amd64 --provenance=false` and push it again."


class Failure(NamedTuple):
    """One way in which jobs fail."""

    pattern: str  # in FailureReason, or in the log if the container gave no reason
    what: str
    fix: str


_CAPACITY = "CapacityError|[Ii]nsufficient capacity|requested ML compute capacity"

FAILURES: Tuple[Failure, ...] = (
    Failure(
        _CAPACITY,
        "AWS has no free instance of this type at the moment",
        "Train again later, or set SAGEMAKER_INSTANCE_TYPE to a list of types to try in turn.",
    ),
    Failure(
        "account-level service limit",
        "Jobs outside of the queue use the account's quota",
        "Train again when they have ended. If that happens often, give the queue fewer instances than the"
        " quota has, for example `python manage.py sagemaker-setup --job-queue=1`.",
    ),
    Failure(
        "sts:AssumeRole",
        "SageMaker is not allowed to assume " + _ROLE,
        "Allow sts:AssumeRole for the service sagemaker.amazonaws.com in the trust policy of that role.",
    ),
    Failure(
        r"manifest media type|vnd\.oci\.image",
        "The training image has an OCI manifest, which SageMaker does not support",
        _BUILD,
    ),
    Failure("exec format error", "The training image was built for another processor", _BUILD),
    Failure(
        '"train": executable file not found',
        "The training image has no `train` program",
        "Add an ENTRYPOINT to it, or an executable file named train on its PATH.",
    ),
    Failure(
        "Cannot pull algorithm container",
        "SageMaker could not pull the training image: it is too big for the disk or may not be read",
        f"Increase SAGEMAKER_VOLUME_GB; if that does not help, allow {_ROLE} to read the image.",
    ),
    Failure(
        r"Insufficient disk space|No space left on device",
        "The disk of the job was full",
        "Increase SAGEMAKER_VOLUME_GB.",
    ),
    Failure(
        r"[Ee]xit code:? 137|OutOfMemory|[Oo]ut of memory|ResourceExhaustedError",
        "The job ran out of memory",
        "Set SAGEMAKER_INSTANCE_TYPE to a larger type, or lower BATCH_SIZE in myconfig.py.",
    ),
    Failure(
        "illegal char sub-sequence '//'",
        "SageMaker cannot read a key with two slashes in a row",
        "Delete the objects with such keys below SAGEMAKER_PREFIX in the bucket.",
    ),
    Failure(
        "No S3 objects found under S3 URL|[Dd]ata download failed|Failed to download data",
        "The job could not read its data",
        f"Give {_ROLE} the permissions s3:ListBucket and s3:GetObject on the bucket.",
    ),
    Failure(
        "Artifact upload failed|Failed to upload",
        "The job could not write its model",
        f"Give {_ROLE} the permission s3:PutObject on the bucket.",
    ),
    Failure(
        "InternalServerError",
        "SageMaker failed, not the training",
        "Train again: what was uploaded is still there.",
    ),
)

DEFAULT_FIX = "Fix that and train again; nothing in the car has changed."


def explain_failure(reason: str, last_lines: List[str]) -> Tuple[str, str]:
    """Why a job failed, with SageMaker's own text in brackets, and the one thing to do.

    Args:
        reason: FailureReason; the container's own message is between "AlgorithmError: " and the exit code.
        last_lines: of the job's log.
    Returns:
        (what, fix); `what` has no full stop if it ends in SageMaker's text.
    """
    cause = reason.partition("\nTraceback (most recent call last):")[0].strip()  # the log has all of it
    own_message = re.sub(r"^AlgorithmError:? *|[,. ]*[Ee]xit code:? \d+$", "", cause)
    # Harmless lines of a log match as well, so it is the last resort.
    for text in [cause] if own_message else [cause] + last_lines[::-1]:
        for failure in FAILURES:
            if re.search(failure.pattern, text):
                return f"{failure.what} [{cause}]", failure.fix
    return own_message or cause or "It ended without a model", DEFAULT_FIX


def is_capacity_failure(reason: str) -> bool:
    """Whether no instance was available, so that another type may do."""
    return re.search(_CAPACITY, reason) is not None
