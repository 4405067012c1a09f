"""Under which name each format of a trained model is installed."""

import pytest

from donkey_sagemaker.training.install import ending_for
from job_factory import make_job

SAVED, LITE, HDF5 = (".savedmodel", "savedmodel"), (".tflite", "tflite"), (".h5", "h5")


@pytest.mark.parametrize(
    "models, form, ending",
    [
        ([SAVED, LITE], "savedmodel", ".savedmodel"),
        ([SAVED, LITE], "tflite", ".tflite"),
        ([HDF5], "h5", ".h5"),
        ([("", "hdf5")], "hdf5", ""),
        # What a job leaves that was killed during its epochs
        ([SAVED, LITE], "h5", ".h5"),
        ([LITE, SAVED], "h5", ".h5"),
        # The only model of an image that is not ours
        ([("", "hdf5")], "h5", ""),
        ([(".keras", "keras"), LITE], "h5", ".keras"),
    ],
)
def test_each_format_has_its_own_ending(models, form, ending):
    """As planned, as the trainer writes it after an epoch, or as it was asked for."""
    assert ending_for(form, make_job(models=models).plan) == ending
