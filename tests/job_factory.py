"""A job as the car launches it, for tests."""

from typing import Any

from donkey_sagemaker.car.archive import Artifact, ArtifactFile, ModelFile
from donkey_sagemaker.car.job import Job, Plan

_PLAN = Plan(
    model_type="linear",
    base="/car/models/pilot",
    models=[(".keras", "keras"), (".tflite", "tflite")],
    tubs=["/car/data", "/elsewhere/tub"],
    transfer=None,
    comment="wet",
)
_JOB = Job(
    name="donkey-pilot-1",
    backend="aws",
    bucket="bucket",
    prefix="donkeycar",
    started=1600000000.25,
    plan=_PLAN,
    requests=[{"TrainingJobName": "donkey-pilot-1", "ResourceConfig": {"InstanceType": "ml.m5.xlarge"}}],
    fingerprint="f",
    set_aside={"picture empty": 2},
)


def make_job(**changes: Any) -> Job:
    """
    Args:
        changes: fields of the job or of its plan.
    """
    of_plan = {name: changes.pop(name) for name in Plan._fields if name in changes}
    return _JOB._replace(plan=_PLAN._replace(**of_plan), **changes)


def artifact_of(*formats: str, **changes: Any) -> Artifact:
    """What an archive of a linear model named pilot lists, with a model of each format.

    Args:
        changes: fields of the artifact.
    """
    artifact = Artifact(
        models=[ModelFile(form, "/x/model." + form) for form in formats],
        name="pilot",
        type="linear",
        pilot=None,
        files=[ArtifactFile("/x/samples.npz", "samples", None, "0" * 64, 1)],
        versions={},
        tubs=[],
        records={},
        config={},
        metrics={},
        history={},
    )
    return artifact._replace(**changes)
