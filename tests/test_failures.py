"""Why a job failed: what no table foresees."""

from donkey_sagemaker.cloud.failures import MEND, explain_failure, is_capacity_failure


def test_the_trainers_own_words() -> None:
    """What the trainer says itself is told as it is, without SageMaker's wrapping and the traceback."""
    reason = (
        "AlgorithmError: No record can be trained on.\nTraceback (most recent call last):\n  File x\n"
        "ValueError: [Errno 28], exit code: 1"
    )
    assert explain_failure(reason, ["exec format error"]) == ("No record can be trained on.", MEND)


def test_the_log_is_read_where_nothing_was_said() -> None:
    """The newest line that means something counts."""
    lines = ["out of memory, trying less", "OSError: No space left on device", "bye"]
    assert explain_failure("AlgorithmError: , exit code: 1", lines) == (
        "The disk of the job was full [AlgorithmError: , exit code: 1]",
        "Set SAGEMAKER_VOLUME_GB higher.",
    )


def test_nothing_known() -> None:
    """A reason that nobody knows is told as it is; no reason at all is said too."""
    assert explain_failure("AlgorithmError: , exit code: 3", ["bye"]) == (
        "AlgorithmError: , exit code: 3",
        MEND,
    )
    assert explain_failure("ClientError: strange", []) == ("ClientError: strange", MEND)
    assert explain_failure("", []) == ("It ended without a model", MEND)


def test_capacity_is_told_apart() -> None:
    """For want of a machine another type may do; for want of memory the same request fails again."""
    assert is_capacity_failure("CapacityError: Unable to provision requested ML compute capacity.")
    assert not is_capacity_failure("AlgorithmError: , exit code: 137")
