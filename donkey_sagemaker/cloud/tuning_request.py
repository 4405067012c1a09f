"""The request that starts a tuning: CreateHyperParameterTuningJob's arguments. Pure."""

import json
from typing import Any, Dict, List, Mapping, NamedTuple, Optional

from .. import contract
from ..tuning import METRIC, METRIC_REGEX, Parameter, is_wide
from .prices import Price
from .request import CONTAINER_BASE

# How long trials that were asked to stop may still be billed: two minutes to save, then the upload
STOPPING_S = 300
SHORTEST_S, LONGEST_S = 120, 15768000  # of a tuning
_MOST_SEED = 2**31 - 1

# Of a training job's arguments; the others are those of a tuning's own, or a tuning has no such thing
_KEPT = (
    "RoleArn",
    "InputDataConfig",
    "OutputDataConfig",
    "VpcConfig",
    "StoppingCondition",
    "CheckpointConfig",
    "EnableManagedSpotTraining",
    "EnableNetworkIsolation",
    "Environment",
    "RetryStrategy",
)


class TuningLimits(NamedTuple):
    trials: int
    parallel: int
    max_runtime_s: Optional[int] = None  # of all of them together, by the clock


def make_tuning_request(
    training: Dict[str, Any],
    parameters: Mapping[str, Parameter],
    *,
    limits: TuningLimits,
    stops_early: bool,
    seed: int,
) -> Dict[str, Any]:
    """
    Args:
        training: CreateTrainingJob's arguments for one trial; its name is that of the tuning.
        parameters: by the trainer's names; its other hyperparameters are the same in all trials.
        stops_early: whether SageMaker may stop a trial whose losses are worse than those of others.
    """
    resources: Dict[str, Any] = {
        "MaxNumberOfTrainingJobs": limits.trials,
        "MaxParallelTrainingJobs": min(limits.parallel, limits.trials),
    }
    if limits.max_runtime_s is not None:
        resources["MaxRuntimeInSeconds"] = limits.max_runtime_s
    return {
        "HyperParameterTuningJobName": training["TrainingJobName"],
        "HyperParameterTuningJobConfig": {
            "Strategy": "Bayesian",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": METRIC},
            "ResourceLimits": resources,
            "ParameterRanges": _make_ranges(parameters),
            "TrainingJobEarlyStoppingType": "Auto" if stops_early else "Off",
            "RandomSeed": seed & _MOST_SEED,
        },
        "TrainingJobDefinition": _make_definition(training, parameters),
        "Tags": training["Tags"],
    }


def _make_definition(training: Dict[str, Any], parameters: Mapping[str, Parameter]) -> Dict[str, Any]:
    algorithm = dict(training["AlgorithmSpecification"])
    metric = {"Name": METRIC, "Regex": METRIC_REGEX}
    algorithm["MetricDefinitions"] = [*algorithm["MetricDefinitions"], metric]
    static = {name: text for name, text in training["HyperParameters"].items() if name not in parameters}
    if algorithm.pop("ContainerEntrypoint", None):  # which a tuning cannot have
        static.update(_make_script_mode())
    resources = dict(training["ResourceConfig"])
    resources.pop("KeepAlivePeriodInSeconds", None)  # SageMaker itself reuses the instances of a tuning
    definition = {name: training[name] for name in _KEPT if name in training}
    definition.update(
        AlgorithmSpecification=algorithm, StaticHyperParameters=static, ResourceConfig=resources
    )
    return definition


def _make_script_mode() -> Dict[str, str]:
    """What AWS's own images run if nobody sets their entry point: a script of the `code` channel."""
    return contract.encode_hyperparameters(
        {
            "sagemaker_program": contract.SCRIPT_NAME,
            "sagemaker_submit_directory": f"{CONTAINER_BASE}/input/data/{contract.CODE_CHANNEL}",
            "model_dir": f"{CONTAINER_BASE}/model",
        }
    )


def _make_ranges(parameters: Mapping[str, Parameter]) -> Dict[str, Any]:
    """Texts that decode as JSON, like all hyperparameters."""
    ranges: Dict[str, List[Dict[str, Any]]] = {}
    for name, parameter in parameters.items():
        if "values" in parameter:
            texts = [json.dumps(value, sort_keys=True) for value in parameter["values"]]
            ranges.setdefault("CategoricalParameterRanges", []).append({"Name": name, "Values": texts})
            continue
        low, high = parameter["low"], parameter["high"]
        are_whole = isinstance(low, int) and isinstance(high, int)
        ranges.setdefault(f"{'Integer' if are_whole else 'Continuous'}ParameterRanges", []).append(
            {
                "Name": name,
                "MinValue": json.dumps(low),
                "MaxValue": json.dumps(high),
                "ScalingType": "Logarithmic" if is_wide(low, high) else "Linear",
            }
        )
    return ranges


def runtime_within(limit_usd: float, *, price: Price, machines: int) -> int:
    """For how many seconds a tuning may run so that it costs at most so much.

    Args:
        machines: of all trials that run at the same time.
    """
    paid_s = limit_usd / (price.usd_per_hour * machines) * 3600
    return min(int(paid_s) - STOPPING_S, LONGEST_S)
