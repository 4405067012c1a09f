"""The request that starts a tuning, and the names of its trials."""

import json

from donkey_sagemaker.cloud.images import Image
from donkey_sagemaker.cloud.prices import Price
from donkey_sagemaker.cloud.request import JobKeys, make_job_name, make_request
from donkey_sagemaker.cloud.tuning import TUNING_PREFIX, TunedTrial, make_tuning_name, tuning_of
from donkey_sagemaker.cloud.tuning_request import TuningLimits, make_tuning_request, runtime_within
from donkey_sagemaker.contract import decode_hyperparameters
from donkey_sagemaker.settings import make_settings
from donkey_sagemaker.tuning import make_parameter

NAME = "donkey-tune--261129-101112-123"
SPACE = {
    "LEARNING_RATE": (0.0003, 0.01),
    "DROPOUT": (0.1, 0.5),
    "LAYERS": (1, 5),
    "AUGMENTATIONS": [[], ["BLUR"]],
    "recipe": ["donkeycar", "robust"],
}
OWN = Image("123456789012.dkr.ecr.eu-west-1.amazonaws.com/donkey-sagemaker:dk53-cpu", stock=False)
STOCK = Image(
    "763104351884.dkr.ecr.eu-west-1.amazonaws.com/tensorflow-training:2.21.0-cpu-py312-amzn2023-sagemaker",
    stock=True,
)


TWELVE = TuningLimits(12, 2)


def make(image=OWN, limits=TWELVE, stops_early=True, **settings):
    keys = JobKeys("tubs", "donkeycar", NAME, "blue")
    training = make_request(
        keys,
        make_settings(dict(settings, region="eu-west-1", seed=2**32 - 1), {}, {}),
        instance_type="ml.m5.xlarge",
        image=image,
        role_arn="arn:aws:iam::123456789012:role/donkey",
        code_prefix=keys.code("0" * 64),
        tags={"car": "blue"},
    )
    parameters = {name: make_parameter(choices) for name, choices in SPACE.items()}
    return training, make_tuning_request(
        training, parameters, limits=limits, stops_early=stops_early, seed=2**32 - 1
    )


def test_a_tuning_has_the_training_of_its_trials():
    """The same inputs, outputs, role, image, limits and tags; what is tuned is not static as well."""
    training, request = make(spot=True, keep_alive_s=0)
    definition = request["TrainingJobDefinition"]
    for name in ("RoleArn", "InputDataConfig", "OutputDataConfig", "StoppingCondition", "CheckpointConfig"):
        assert definition[name] == training[name]
    assert definition["EnableManagedSpotTraining"] and definition["Environment"] == training["Environment"]
    assert request["Tags"] == training["Tags"] and "Tags" not in definition
    static = definition["StaticHyperParameters"]
    assert set(training["HyperParameters"]) - set(static) == {"recipe"}
    metrics = definition["AlgorithmSpecification"]["MetricDefinitions"]
    assert metrics[:-1] == training["AlgorithmSpecification"]["MetricDefinitions"]
    assert request["HyperParameterTuningJobName"] == NAME
    config = request["HyperParameterTuningJobConfig"]
    assert config["HyperParameterTuningJobObjective"] == {
        "Type": "Minimize",
        "MetricName": metrics[-1]["Name"],
    }
    assert config["ResourceLimits"] == {"MaxNumberOfTrainingJobs": 12, "MaxParallelTrainingJobs": 2}
    assert config["RandomSeed"] == 2**31 - 1 and config["TrainingJobEarlyStoppingType"] == "Auto"


def test_the_ranges():
    """Texts that decode as JSON; numbers are spread by magnitude where their range is wide."""
    _training, request = make(stops_early=False)
    config = request["HyperParameterTuningJobConfig"]
    assert config["TrainingJobEarlyStoppingType"] == "Off"
    ranges = config["ParameterRanges"]
    rate, dropout = ranges["ContinuousParameterRanges"]
    (layers,) = ranges["IntegerParameterRanges"]
    assert rate == {
        "Name": "LEARNING_RATE",
        "MinValue": "0.0003",
        "MaxValue": "0.01",
        "ScalingType": "Logarithmic",
    }
    assert dropout["ScalingType"] == "Linear"
    assert (layers["MinValue"], layers["MaxValue"]) == ("1", "5")
    for each in ranges["CategoricalParameterRanges"]:
        texts = dict(enumerate(each["Values"]))
        assert list(decode_hyperparameters(texts).values()) == SPACE[each["Name"]]


def test_an_image_of_aws():
    """A tuning cannot set an entry point, so AWS's own script starts the trainer of the `code` channel."""
    training, request = make(STOCK)
    assert "ContainerEntrypoint" in training["AlgorithmSpecification"]
    definition = request["TrainingJobDefinition"]
    assert "ContainerEntrypoint" not in definition["AlgorithmSpecification"]
    static = decode_hyperparameters(definition["StaticHyperParameters"])
    assert static["sagemaker_program"] == "start.py"
    assert static["sagemaker_submit_directory"] == "/opt/ml/input/data/code"
    assert "sagemaker_program" not in make(OWN)[1]["TrainingJobDefinition"]["StaticHyperParameters"]


def test_instances_are_not_kept():
    """SageMaker reuses those of a tuning by itself, and rejects the setting."""
    training, request = make(keep_alive_s=600)
    assert "KeepAlivePeriodInSeconds" in training["ResourceConfig"]
    assert "KeepAlivePeriodInSeconds" not in json.dumps(request)


def test_a_limit_of_time():
    """By which SageMaker ends the tuning; trials that are stopping are still paid for."""
    _training, request = make(limits=TuningLimits(3, 9, 7200))
    assert request["HyperParameterTuningJobConfig"]["ResourceLimits"] == {
        "MaxNumberOfTrainingJobs": 3,
        "MaxParallelTrainingJobs": 3,
        "MaxRuntimeInSeconds": 7200,
    }
    price = Price(0.36, "a table")
    assert runtime_within(0.36, price=price, machines=1) == 3600 - 300
    assert runtime_within(0.36, price=price, machines=4) == 900 - 300
    assert runtime_within(1e6, price=price, machines=1) == 15768000


def test_names():
    """Of at most 32 characters, never those of a job, and a trial's says which tuning it is of."""
    name = make_tuning_name(now=1796000000.5)
    assert len(name) <= 32 and name.startswith(TUNING_PREFIX)
    for model in ("tune", "tune-", "tune--", "--", "donkey-tune--1"):
        assert not make_job_name(model, now=1796000000.5).startswith(TUNING_PREFIX)
    trial = TunedTrial(f"{name}-007-0a1b2c3d", "Completed", 0.0, {})
    assert tuning_of(trial.name) == name and trial.number == 7
    assert tuning_of(name) is None and tuning_of("donkey-tune-261129-101112-123") is None
