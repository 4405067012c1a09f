"""Instances that ended jobs have kept: when that is printed."""

import pytest

from donkey_sagemaker.cloud.job import JobState
from donkey_sagemaker.training.kept_instances import report_kept
from donkey_sagemaker.ui import PlainUi
from job_factory import make_job


def job(name, *, kept_s=600):
    resources = {"InstanceType": "ml.m5.xlarge"}
    if kept_s:
        resources["KeepAlivePeriodInSeconds"] = kept_s
    return make_job(name=name, requests=[{"ResourceConfig": resources}])


@pytest.mark.parametrize("keeps, kept_s", [(False, 600), (True, 0)])
def test_nothing_is_kept(capsys, keeps, kept_s):
    """Then nothing is said, such as without a quota for it."""
    state = JobState("job", "Completed", keeps_instances=keeps)
    report_kept(PlainUi(), job("job", kept_s=kept_s), state)
    assert capsys.readouterr().out == ""
