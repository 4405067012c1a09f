"""A job as the car launches it, for tests."""

from typing import Any

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
