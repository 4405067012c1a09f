"""Under which name each format of a trained model is installed."""

import pytest

from donkey_sagemaker.car.ledger import LAUNCHED, Launch
from donkey_sagemaker.training.install import ending_for

SAVED, LITE, HDF5 = (".savedmodel", "savedmodel"), (".tflite", "tflite"), (".h5", "h5")


def make_launch(*models):
    return Launch(
        job="donkey-pilot-1",
        state=LAUNCHED,
        backend="aws",
        bucket="bucket",
        prefix="donkeycar",
        started=0.0,
        model_type="linear",
        base="models/pilot",
        models=list(models),
        tubs=[],
        transfer=None,
        comment=None,
        val_loss=None,
    )


@pytest.mark.parametrize(
    "models, form, ending",
    [
        ([SAVED, LITE], "savedmodel", ".savedmodel"),
        ([SAVED, LITE], "tflite", ".tflite"),
        ([HDF5], "h5", ".h5"),
        ([("", "hdf5")], "hdf5", ""),
        # What a job leaves that was killed in the middle of its epochs
        ([SAVED, LITE], "h5", ".h5"),
        ([LITE, SAVED], "h5", ".h5"),
        # A foreign image's
        ([("", "hdf5")], "h5", ""),
        ([(".keras", "keras"), LITE], "h5", ".keras"),
    ],
)
def test_each_format_has_its_own_ending(models, form, ending):
    """As planned, as the trainer writes it after an epoch, or as it was asked for."""
    assert ending_for(form, make_launch(*models)) == ending
