"""Tunings through the AWS side of the program: started once, described, listed and stopped."""

import pytest

from donkey_sagemaker.aws.limits import RequestOutOfLimits
from donkey_sagemaker.cloud.errors import NoSuchJob, NotAllowed
from stand_in_jobs import make_tuning, wait_for_tuning

NAME = "donkey-tune--261129-101112-123"


@pytest.fixture
def tuner(cloud, container):
    container("print('objective=1')")
    return cloud.tuner


def test_a_tuning_is_started_once(aws, tuner, pauses):
    """A lost answer does not start a second one, whatever AWS says about its name then."""
    aws.fault("lose_response", service="sagemaker", operation="CreateHyperParameterTuningJob")
    tuner.start(make_tuning(aws, NAME))
    tuner.start(make_tuning(aws, NAME))
    answers = [each["status"] for each in aws.requests("sagemaker", "CreateHyperParameterTuningJob")]
    assert answers == [200, 400, 400] and len(pauses) == 1
    wait_for_tuning(aws, NAME)
    state = tuner.describe(NAME)
    assert (state.status, state.is_running, state.trials) == ("Completed", False, 2)
    first, second = tuner.list_trials(NAME)
    assert (first.number, second.number, first.status) == (1, 2, "Completed")
    assert list(first.texts) == ["RATE"] and first.created <= second.created
    tuner.stop(NAME)  # it has ended: nothing changes


def test_there_is_no_such_tuning(tuner):
    """Whatever is asked about it."""
    for ask in (tuner.describe, tuner.list_trials, tuner.stop):
        with pytest.raises(NoSuchJob) as error:
            ask(NAME)
        assert error.value.what == f"There is no job named {NAME} on AWS in eu-west-1."


def test_a_key_of_an_earlier_version(aws, tuner):
    """What is proposed ends at tunings of this program."""
    aws.set(denied=["sagemaker:CreateHyperParameterTuningJob"])
    with pytest.raises(NotAllowed) as error:
        tuner.start(make_tuning(aws, NAME))
    assert ":hyper-parameter-tuning-job/donkey-*" in error.value.fix


def test_what_aws_would_reject(aws, tuner):
    """All of it in one error, before anything is sent, each with the setting that changes it."""
    request = make_tuning(aws, NAME)
    tuner.check(request)
    config = request["HyperParameterTuningJobConfig"]
    config["ParameterRanges"]["CategoricalParameterRanges"] = [
        {"Name": "RECIPE", "Values": [f'"{number}"' for number in range(31)]},
        {"Name": "CROP", "Values": ["1", "1"]},
    ]
    config["ResourceLimits"]["MaxParallelTrainingJobs"] = 0
    request["TrainingJobDefinition"]["StaticHyperParameters"] = {"x" * 257: "1"}
    with pytest.raises(RequestOutOfLimits) as error:
        tuner.check(request)
    lines = error.value.what.splitlines()
    assert lines[0] == "AWS would reject this tuning:"
    ranges = "  SAGEMAKER_TUNE: HyperParameterTuningJobConfig.ParameterRanges"
    assert f"{ranges}.RECIPE has 31 values; the maximum is 30" in lines
    assert f"""{ranges}.CROP has a value twice: ["1", "1"]""" in lines
    assert any(line.startswith("  --trials, --parallel or --max-cost-usd: ") for line in lines)
    assert any(line.startswith("  SAGEMAKER_HYPERPARAMETERS: ") for line in lines)
    assert not aws.requests("sagemaker")
