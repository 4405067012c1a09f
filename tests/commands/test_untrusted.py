"""A model that is refused is not lost: once its owner trusts it, the same job installs it."""

from aws_owner import TRAIN, is_installed, started_jobs


def test_a_refused_model_is_installed_once_it_is_trusted(owner, aws, image):
    """With the command that the message shows, and without another job."""
    image()
    owner.configures("SAGEMAKER_TRUST_MODEL = False")
    assert owner.types(*TRAIN) == 1
    assert "The new model was not installed: its " in owner.err and not is_installed(owner)
    assert "run `python manage.py sagemaker-train --attach`" in owner.err
    owner.configures("SAGEMAKER_TRUST_MODEL = True")
    assert owner.types("train", "--attach") == 0, owner.err
    assert is_installed(owner) and len(started_jobs(aws)) == 1
