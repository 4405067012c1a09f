"""How the trainer reports unexpected exceptions."""

import errno
import os
import traceback

import pytest

pytest.importorskip("numpy", reason="the trainer needs numpy")

from trainer.main import describe_cause, is_full_disk


def test_the_cause_comes_first_when_tensorflow_1_wraps_it():
    """TensorFlow's message begins with a traceback, and SageMaker keeps only the beginning."""
    try:
        try:
            raise ImportError("libgomp.so.1: cannot open shared object file")
        except ImportError:
            raise ImportError(f"{traceback.format_exc()}\nFailed to load the native runtime.")  # noqa: B904
    except ImportError as error:
        assert describe_cause(error) == "ImportError: libgomp.so.1: cannot open shared object file"


def test_any_other_exception_is_reported_as_it_is():
    """Even if another exception caused it."""
    try:
        try:
            raise KeyError("one")
        except KeyError as error:
            raise ValueError("two") from error
    except ValueError as error:
        assert describe_cause(error) == "ValueError: two"


def test_a_full_disk_is_recognized_by_number_or_message():
    """HDF5 and TensorFlow do not pass on the number."""
    assert is_full_disk(OSError(errno.ENOSPC, "full"))
    assert is_full_disk(RuntimeError("cannot write: " + os.strerror(errno.ENOSPC)))
    assert not is_full_disk(OSError(errno.EACCES, "denied"))
