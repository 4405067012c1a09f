"""Instances that are kept for the next job, and given back when nothing follows."""

import pytest

from stand_in_jobs import run_job

QUOTA = {"ml.m5.xlarge for training warm pool usage": 1, "ml.m5.large for training warm pool usage": 1}
KEPT = {
    "InstanceType": "ml.m5.large",
    "InstanceCount": 1,
    "VolumeSizeInGB": 30,
    "KeepAlivePeriodInSeconds": 600,
}


@pytest.fixture(autouse=True)
def with_quota(aws):
    if (
        "WarmPoolStatusEquals"
        not in aws.client("sagemaker")
        .meta.service_model.operation_model("ListTrainingJobs")
        .input_shape.members
    ):
        pytest.skip("this boto3 does not know warm pools")
    aws.set(quotas=QUOTA)


def test_a_job_that_keeps_its_instance(aws, cloud, container):
    """Until its time is over, or until it is given back."""
    container("pass")
    for name in ("donkey-1", "donkey-2"):
        run_job(aws, name, ResourceConfig=KEPT)
        assert cloud.describe_job(name).keeps_instances
    assert cloud.release_instances("donkey-1")
    assert not cloud.describe_job("donkey-1").keeps_instances and not cloud.release_instances("donkey-1")
    assert cloud.describe_job("donkey-2").keeps_instances  # the other one is left alone
    aws.advance(601)
    assert not cloud.release_instances("donkey-2")
    assert len(aws.requests("sagemaker", "UpdateTrainingJob")) == 1


def test_without_quota_nothing_is_kept(aws, cloud, container):
    """As AWS documents: the job runs all the same."""
    aws.set(quotas=dict.fromkeys(QUOTA, 0))
    container("pass")
    run_job(aws, "donkey-1", ResourceConfig=KEPT)
    assert not cloud.describe_job("donkey-1").keeps_instances


def test_teardown_gives_back_all(administrator, aws, container):
    """Those of this program's jobs, and of no others."""
    assert administrator.types("setup") == 0, administrator.err
    container("pass")
    for name in ("donkey-1", "their-donkey"):
        run_job(aws, name, ResourceConfig=KEPT)
    assert administrator.types("setup", "--teardown", "--yes") == 0, administrator.err
    assert "Gave back the instance that donkey-1 has kept\n" in administrator.out
    assert "their-donkey" not in administrator.out
    sagemaker = aws.client("sagemaker")
    states = {
        name: sagemaker.describe_training_job(TrainingJobName=name)["WarmPoolStatus"]["Status"]
        for name in ("donkey-1", "their-donkey")
    }
    assert states == {"donkey-1": "Terminated", "their-donkey": "Available"}
