"""Before a model is driven: an archive that was exchanged in the bucket is not this job's."""

import pytest

from donkey_sagemaker.car.check import ModelRejected
from donkey_sagemaker.training.check import check_planned, has_recipe
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
    assert error.value.what == f"The new model was not installed: {why}. The car keeps its current model."


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
