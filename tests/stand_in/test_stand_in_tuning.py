"""Tunings on the stand-in run as they do on SageMaker, and are refused as there."""

import pytest

from aws_fixture import AwsStandIn
from stand_in_jobs import Container, aws_error, create_tuning, make_tuning, wait_for, wait_for_tuning

NAME = "donkey-tune--261129-101112-123"
RESULT = "FinalHyperParameterTuningJobObjectiveMetric"
TRIAL = """
values = json.load(open(os.path.join(base, "input/config/hyperparameters.json")))
assert values["_tuning_objective_metric"] == "objective"
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
{}
"""


def trials(aws: AwsStandIn, **options: str):
    return aws.client("sagemaker").list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=NAME, **options
    )


def test_a_tuning(aws: AwsStandIn, container: Container) -> None:
    """Its trials have names, values and results, and inherit its tags."""
    container(TRIAL.format("print('objective=' + values['RATE'])"))
    create_tuning(aws, NAME, trials=12, Tags=[{"Key": "car", "Value": "blue"}])
    assert wait_for_tuning(aws, NAME)["TrainingJobStatusCounters"]["Completed"] == 12
    page = trials(aws, SortBy="CreationTime")
    assert len(page["TrainingJobSummaries"]) == 10 and page["NextToken"]
    first = page["TrainingJobSummaries"][0]
    assert first["TrainingJobName"].startswith(NAME + "-001-")
    rate = float(first["TunedHyperParameters"]["RATE"])
    assert 1 <= rate <= 10
    assert first[RESULT]["Value"] == pytest.approx(rate, rel=1e-6)
    tags = aws.client("sagemaker").list_tags(ResourceArn=first["TrainingJobArn"])["Tags"]
    assert tags == [{"Key": "car", "Value": "blue"}]


def test_a_trial_that_is_worse_is_stopped(aws: AwsStandIn, container: Container) -> None:
    """Once there are others to compare it with."""
    container(
        TRIAL.format(
            "number = int(os.environ['TRAINING_JOB_NAME'].split('-')[-2])\n"
            "print(f'objective={9 if number == 4 else 1}', flush=True)\n"
            "time.sleep(60 if number == 4 else 0)"
        )
    )
    create_tuning(aws, NAME, trials=4, stops_early=True)
    counts = wait_for_tuning(aws, NAME)["TrainingJobStatusCounters"]
    assert (counts["Completed"], counts["Stopped"]) == (3, 1)


def test_its_time_is_over(aws: AwsStandIn, container: Container) -> None:
    """It ends, and its trials with it."""
    container(TRIAL.format("print('objective=1', flush=True); time.sleep(60)"))
    request = make_tuning(aws, NAME)
    request["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxRuntimeInSeconds"] = 120
    aws.client("sagemaker").create_hyper_parameter_tuning_job(**request)
    # Before a program listens to it, a signal has no effect
    wait_for(lambda: RESULT in str(trials(aws)))
    aws.advance(121)
    assert wait_for_tuning(aws, NAME)["HyperParameterTuningJobStatus"] == "Stopped"


def test_all_trials_fail(aws: AwsStandIn, container: Container) -> None:
    """Then the tuning has failed, too."""
    container(TRIAL.format("sys.exit(1)"))
    create_tuning(aws, NAME)
    found = wait_for_tuning(aws, NAME)
    assert found["HyperParameterTuningJobStatus"] == "Failed"
    assert found["FailureReason"].startswith("All training jobs failed.")


def test_requests_that_are_refused(aws: AwsStandIn, container: Container) -> None:
    """What the service model forbids, and what only AWS's documentation says."""
    container("pass")

    def refused(**config):
        request = make_tuning(aws, NAME)
        for name, value in config.pop("definition", {}).items():
            request["TrainingJobDefinition"][name] = value
        request["HyperParameterTuningJobConfig"].update(config)
        return aws_error(aws.client("sagemaker").create_hyper_parameter_tuning_job, **request)[1]

    rates = [{"Name": "RATE", "MinValue": "2", "MaxValue": "1"}]
    assert "from a smaller to a larger number" in refused(
        ParameterRanges={"ContinuousParameterRanges": rates}
    )
    twice = [{"Name": "RECIPE", "Values": ["1", "1"]}]
    assert "are not unique" in refused(ParameterRanges={"CategoricalParameterRanges": twice})
    assert "1 to 30 parameters" in refused(ParameterRanges={})
    assert "static or tuned" in refused(definition={"StaticHyperParameters": {"RATE": "1"}})
    limits = {"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 2}
    assert "must be at most MaxNumberOfTrainingJobs" in refused(ResourceLimits=limits)
    objective = {"Type": "Minimize", "MetricName": "loss"}
    assert "not one of the metric definitions" in refused(HyperParameterTuningJobObjective=objective)
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 30}
    assert "is 1 Instances" in refused(definition={"ResourceConfig": resources})
    create_tuning(aws, NAME)
    assert "already exists" in refused()
    wait_for_tuning(aws, NAME)
    stop = aws.client("sagemaker").stop_hyper_parameter_tuning_job
    assert "is in status" in aws_error(stop, HyperParameterTuningJobName=NAME)[1]
    assert aws_error(stop, HyperParameterTuningJobName="other")[0] == "ResourceNotFound"
