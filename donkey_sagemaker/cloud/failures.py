"""Why a job failed, from SageMaker's FailureReason and the end of the log. Pure."""

import re
from typing import List, NamedTuple, Tuple

_ROLE = "the role of SAGEMAKER_ROLE_ARN"
_BUILD = "Build it with `docker build --platform linux/amd64 --provenance=false` and push it again."


class Failure(NamedTuple):
    """A way in which jobs fail."""

    pattern: str  # found in FailureReason, or in the log where the container left no words of its own
    what: str
    fix: str


_CAPACITY = "CapacityError|[Ii]nsufficient capacity|requested ML compute capacity"

FAILURES: Tuple[Failure, ...] = (
    Failure(
        _CAPACITY,
        "AWS has no free machine of this type at the moment",
        "Train again later, or set SAGEMAKER_INSTANCE_TYPE to a list of types to try in turn.",
    ),
    Failure(
        "sts:AssumeRole",
        "SageMaker may not assume " + _ROLE,
        "Let the trust policy of that role allow sts:AssumeRole to the service sagemaker.amazonaws.com.",
    ),
    Failure(
        r"manifest media type|vnd\.oci\.image",
        "The training image has an OCI manifest, which SageMaker does not read",
        _BUILD,
    ),
    Failure("exec format error", "The training image is built for another processor", _BUILD),
    Failure(
        '"train": executable file not found',
        "The training image does not answer to `train`",
        "Give it an ENTRYPOINT, or a file named train on its PATH that may be executed.",
    ),
    Failure(
        "Cannot pull algorithm container",
        "SageMaker could not fetch the training image: too big for the disk, or not to be read",
        f"Set SAGEMAKER_VOLUME_GB higher; where that does not help, let {_ROLE} read the image.",
    ),
    Failure(
        r"Insufficient disk space|No space left on device",
        "The disk of the job was full",
        "Set SAGEMAKER_VOLUME_GB higher.",
    ),
    Failure(
        r"[Ee]xit code:? 137|OutOfMemory|[Oo]ut of memory|ResourceExhaustedError",
        "The job ran out of memory",
        "Set SAGEMAKER_INSTANCE_TYPE to a larger type, or BATCH_SIZE in myconfig.py to a smaller number.",
    ),
    Failure(
        "illegal char sub-sequence '//'",
        "SageMaker does not read a key with two slashes in a row",
        "Remove what has such a key below SAGEMAKER_PREFIX in the bucket.",
    ),
    Failure(
        "No S3 objects found under S3 URL|[Dd]ata download failed|Failed to download data",
        "The job could not read its data",
        f"Give {_ROLE} s3:ListBucket and s3:GetObject on the bucket.",
    ),
    Failure(
        "Artifact upload failed|Failed to upload",
        "The job could not write its model",
        f"Give {_ROLE} s3:PutObject on the bucket.",
    ),
    Failure(
        "InternalServerError", "SageMaker failed, not the training", "Train again: what it was sent is kept."
    ),
)

MEND = "Mend what it names and train again; nothing in the car has changed."


def explain_failure(reason: str, last_lines: List[str]) -> Tuple[str, str]:
    """What a job failed of, with SageMaker's words in brackets, and the one thing to do.

    Args:
        reason: FailureReason; what the container says itself stands between "AlgorithmError: " and the
            exit code.
        last_lines: of the job's log.
    Returns:
        (what, fix), what without a full stop where it ends in SageMaker's words.
    """
    cause = reason.partition("\nTraceback (most recent call last):")[0].strip()  # the log has it whole
    own_words = re.sub(r"^AlgorithmError:? *|[,. ]*[Ee]xit code:? \d+$", "", cause)
    # A log is full of words that mean nothing bad, so it is the last resort.
    for text in [cause] if own_words else [cause] + last_lines[::-1]:
        for failure in FAILURES:
            if re.search(failure.pattern, text):
                return f"{failure.what} [{cause}]", failure.fix
    return own_words or cause or "It ended without a model", MEND


def is_capacity_failure(reason: str) -> bool:
    """Whether it failed for want of a machine, so that another type may do."""
    return re.search(_CAPACITY, reason) is not None
