"""The jobs of an account: whose they are, and what they cost."""

import calendar

from donkey_sagemaker.cloud.fleet import Use, group_by, read_fleet_job, start_of_month, sum_up
from donkey_sagemaker.cloud.prices import Price

PRICES = {"ml.m5.xlarge": Price(0.36, "here")}
ENDED = {
    "TrainingJobName": "donkey-pilot-1",
    "TrainingJobStatus": "Completed",
    "BillableTimeInSeconds": 600,
    "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 2, "KeepAlivePeriodInSeconds": 100},
    "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/donkeycar/cars/blue/models"},
    "Tags": [
        {"Key": "car", "Value": "mycar"},
        {"Key": "team", "Value": "red"},
        {"Key": "model", "Value": "pilot"},
    ],
    "FinalMetricDataList": [{"MetricName": "epoch", "Value": 7.0}],
}


def test_a_job_of_a_car_with_a_folder():
    """The folder says which car it is: every donkeycar is called mycar."""
    job = read_fleet_job(ENDED)
    assert (job.car, job.team, job.model, job.metrics) == ("blue", "red", "pilot", {"epoch": 7.0})
    assert job.billed_s == 1200 and job.cost(PRICES.get) == 0.12


def test_a_job_that_says_little():
    """As of a car without a folder or a team, started by an earlier version."""
    bare = {name: ENDED[name] for name in ("TrainingJobName", "TrainingJobStatus")}
    job = read_fleet_job(bare)
    assert (job.car, job.team, job.model, job.billed_s, job.cost(PRICES.get)) == ("", "", "", 0, None)
    assert read_fleet_job(dict(bare, Tags=ENDED["Tags"])).car == "mycar"


def test_a_running_job_counts_with_the_most():
    """Its time limit, and the time for which its machines are kept."""
    assert read_fleet_job(dict(ENDED, TrainingJobStatus="InProgress")).billed_s == 2 * 3700


def test_sums():
    """A job without a price counts as one whose cost is not known."""
    jobs = [read_fleet_job(ENDED), read_fleet_job(dict(ENDED, ResourceConfig={"InstanceType": "ml.x"}))]
    assert sum_up(jobs, PRICES.get) == Use(jobs=2, billed_s=1800, usd=0.12, unknown=1)
    red, other = jobs[0], jobs[1]._replace(team="amber")
    assert group_by([red, other], lambda job: job.team) == {"amber": [other], "red": [red]}
    assert list(group_by([red, other], lambda job: job.team)) == ["amber", "red"]


def test_the_month_begins_at_midnight_in_utc():
    """On its first and its last second, too."""
    first, last = (2026, 2, 1, 0, 0, 0), (2026, 2, 28, 23, 59, 59)
    for moment in (first, last):
        assert start_of_month(calendar.timegm(moment)) == calendar.timegm(first)
