"""Before a model is driven: an archive that was exchanged in the bucket is not this job's."""

import pytest

from donkey_sagemaker.car.check import Checked, ModelRejected
from donkey_sagemaker.training.check import check_planned, describe_slow, has_recipe
from job_factory import artifact_of, make_job

PLAN = make_job(
    model_type="tflite_linear", models=[(".tflite", "tflite"), (".savedmodel", "savedmodel")]
).plan


@pytest.mark.parametrize("formats", [("tflite", "savedmodel"), ("tflite",), ("h5",), ("tflite", "h5")])
def test_what_the_job_planned(formats):
    """Also what a job leaves that was killed."""
    check_planned(PLAN, artifact_of(*formats), archive_path="model.tar.gz")


def test_the_only_model_of_an_image_that_is_not_ours():
    """It has no name, no type and no samples."""
    check_planned(PLAN, artifact_of("keras", name=None, type=None, files=[]), archive_path="model.tar.gz")


@pytest.mark.parametrize(
    "artifact, why",
    [
        (
            artifact_of("tflite", name="other"),
            "the archive contains other (linear), but this job trains pilot (linear)",
        ),
        (
            artifact_of("tflite", type="rnn"),
            "the archive contains pilot (rnn), but this job trains pilot (linear)",
        ),
        (
            artifact_of("tflite", "keras"),
            "the archive contains the format keras, which this job does not make",
        ),
        (artifact_of("tflite", files=[]), "the archive contains no sample pictures to check it with"),
    ],
)
def test_what_the_job_did_not_plan(artifact, why):
    """Nothing of it is installed."""
    with pytest.raises(ModelRejected) as error:
        check_planned(PLAN, artifact, archive_path="model.tar.gz")
    assert error.value.what == f"The new model was not installed: {why}. Nothing in the car has changed."


@pytest.mark.parametrize(
    "artifact, recipe, has_it",
    [
        (artifact_of("h5", recipe="robust"), "robust", True),
        (artifact_of("h5", recipe="donkeycar"), "robust", False),
        (artifact_of("h5"), "robust", False),
        (artifact_of("h5"), "donkeycar", True),
        (artifact_of("h5", recipe="robust"), "donkeycar", False),
    ],
)
def test_the_recipe_of_a_model(artifact, recipe, has_it):
    """A trainer of an earlier version trains as donkeycar does and says nothing about it."""
    assert has_recipe(artifact, recipe) is has_it


@pytest.mark.parametrize("loop_hz", [None, 20, "fast", 0, True])
def test_a_model_that_is_too_slow_for_the_car(loop_hz):
    """The drive loop's time decides, donkeycar's own where the config has none."""
    slow, fast = Checked("keras", 0.0, 498.4), Checked("tflite", 0.0, 12.0)
    assert describe_slow([fast], loop_hz) is None
    assert describe_slow([slow, fast], loop_hz) == (
        "the keras takes 498 ms a picture, but the drive loop has only 50 ms (DRIVE_LOOP_HZ), so the car "
        "would steer late: drive the tflite"
    )
    assert describe_slow([slow], loop_hz).endswith("smaller pictures (IMAGE_W, IMAGE_H), or lower it")
    assert describe_slow([fast], 100).startswith(
        "the tflite takes 12 ms a picture, but the drive loop has only 10"
    )
