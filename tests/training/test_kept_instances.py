"""Instances that ended jobs have kept: what is printed, and that a refusal ends nothing."""

import pytest

from donkey_sagemaker.cloud.job import JobState
from donkey_sagemaker.errors import CloudRefused
from donkey_sagemaker.training.kept_instances import release_all, report_kept
from donkey_sagemaker.ui import PlainUi
from job_factory import make_job


class KeepingCloud:
    """Where these jobs have kept their instances."""

    def __init__(self, *names):
        self.names = list(names)
        self.asked = []

    def release_instances(self, name):
        self.asked.append(name)
        if name == "denied":
            raise CloudRefused("Not allowed.", "Run setup again.")
        return name in self.names


def job(name, *, kept_s=600):
    resources = {"InstanceType": "ml.m5.xlarge"}
    if kept_s:
        resources["KeepAlivePeriodInSeconds"] = kept_s
    return make_job(name=name, requests=[{"ResourceConfig": resources}])


def test_all_jobs_of_a_tuning(capsys):
    """A warning for the one that is refused, and the next one is given back all the same."""
    cloud = KeepingCloud("last")
    jobs = [job("reused"), job("denied"), job("last"), job("other", kept_s=0), job("attached")]
    release_all(cloud, PlainUi(), [*jobs[:-1], jobs[-1]._replace(requests=[])])
    assert cloud.asked == ["reused", "denied", "last"]  # the others keep nothing
    assert capsys.readouterr().out == (
        "Warning: Not allowed. The instance of denied is kept, and billed, until its time is over.\n"
        "Gave back the instance that last has kept\n"
    )


@pytest.mark.parametrize("keeps, kept_s", [(False, 600), (True, 0)])
def test_nothing_is_kept(capsys, keeps, kept_s):
    """Then nothing is said, such as without a quota for it."""
    state = JobState("job", "Completed", keeps_instances=keeps)
    report_kept(PlainUi(), job("job", kept_s=kept_s), state)
    assert capsys.readouterr().out == ""
