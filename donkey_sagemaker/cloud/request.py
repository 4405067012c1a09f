"""The request that starts a training job: CreateTrainingJob's arguments. Pure."""

import re
import time
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from .. import contract
from ..settings import Settings
from .images import Image, region_of
from .job_queue import is_queued_name, make_queued_name, own_name, training_prefix
from .machines import has_fixed_disk

CONTAINER_BASE = "/opt/ml"
_ARCHIVE = "output/model.tar.gz"  # below the folder of a training job

# How long a spot job may wait for an instance, in addition to its time limit. Waiting costs nothing.
SPOT_WAIT_S = 6 * 3600
# After an InternalServerError of AWS. The time limit covers all attempts together.
RETRIES = 2

# The settings that the trainer reads, with its names for them; the images of 2018 know with_slide
HYPERPARAMETERS = {
    "slide": "with_slide",
    "min_throttle": "min_throttle",
    "floor_throttle": "floor_throttle",
    "autopilot": "autopilot",
    "takeover_weight": "takeover_weight",
    "validation": "validation",
    "recipe": "recipe",
    "camera": "camera",
    "turning_radius_m": "turning_radius_m",
    "driving_proof": "driving_proof",
    "lane_m": "lane_m",
    "seed": "seed",
}

# What CloudWatch extracts from the lines of contract.format_progress and format_driving, and plots.
_METRICS = (
    ("epoch", r"\[donkey\] epoch=(\d+)/"),
    ("loss", r"\[donkey\] epoch=.* loss=(\S+)"),
    ("val_loss", r"\[donkey\] epoch=.* val_loss=(\S+)"),
    ("best_val_loss", r"\[donkey\] epoch=.* best_val_loss=(\S+)"),
    ("seconds", r"\[donkey\] epoch=.* seconds=(\S+)"),
    ("times_off_per_100_m", r"times_off_per_100_m=(\S+) driving_loss="),
    ("driving_loss", r"times_off_per_100_m=\S+ driving_loss=(\S+)"),
)


def car_folder(prefix: str, folder: Optional[str]) -> str:
    """Where everything of one car is, except for shards; the prefix itself if the car has no folder."""
    return f"{prefix}/cars/{folder}" if folder else prefix


class JobKeys(NamedTuple):
    """The keys of one job's objects in the bucket."""

    bucket: str
    prefix: str
    job: str
    folder: Optional[str] = None  # of the car, SAGEMAKER_FOLDER

    def shard(self, sha256: str) -> str:
        """Shared by all cars: named by its content, so that nothing is uploaded twice."""
        return f"{self.prefix}/shards/{sha256}.zip"

    @property
    def shards(self) -> str:
        return f"{self.prefix}/shards/"

    def code(self, sha256: str) -> str:
        """The prefix of the `code` channel, shared by all jobs of the car and of one version of this program.

        Not by all cars: who writes there has his code run in every later job.
        """
        return f"{self._car}/code/{sha256}/"

    def car(self, name: str) -> str:
        return f"{self._job}/car/{name}"

    @property
    def manifest(self) -> str:
        return f"{self._job}/train.manifest"

    @property
    def launch(self) -> str:
        """What another machine needs to continue with the job."""
        return f"{self._job}/launch.json"

    @property
    def checkpoints(self) -> str:
        return f"{self._job}/checkpoints"

    @property
    def output(self) -> str:
        return f"{self._car}/models"

    @property
    def archive(self) -> str:
        """Where SageMaker stores the model, unless the job was queued."""
        return f"{self.output}/{self.job}/{_ARCHIVE}"

    @property
    def archives(self) -> str:
        """What the key of the model begins with; for a queued job, AWS Batch adds the rest of a name."""
        return f"{self.output}/{training_prefix(self.job)}" if is_queued_name(self.job) else self.archive

    def is_archive(self, key: str) -> bool:
        """Whether the model of this job is stored there."""
        training_job, _, rest = key[len(self.output) + 1 :].partition("/")
        is_own = key.startswith(self.output + "/") and own_name(training_job) == self.job
        return is_own and rest == _ARCHIVE

    def uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    @property
    def _car(self) -> str:
        return car_folder(self.prefix, self.folder)

    @property
    def _job(self) -> str:
        return f"{self._car}/jobs/{self.job}"


def make_job_name(model_name: str, *, now: float, is_queued: bool = False) -> str:
    """donkey-<model>-<time>: unique in an account, within SageMaker's 63 characters of [a-zA-Z0-9-].

    Args:
        is_queued: the job waits in a queue, so that its name has to be shorter.
    """
    if is_queued:
        return make_queued_name(model_name, now=now)
    stamp = time.strftime("%y%m%d-%H%M%S", time.gmtime(now)) + f"-{int(now * 1000) % 1000:03d}"
    middle = re.sub(r"[^a-zA-Z0-9]+", "-", model_name).strip("-")[: 63 - len("donkey--") - len(stamp)]
    return "-".join(part for part in ("donkey", middle.strip("-"), stamp) if part)


def make_manifest(keys: JobKeys, sha256s: Sequence[str]) -> List[Any]:
    """The list of this job's shards, as S3DataType=ManifestFile expects it."""
    return [{"prefix": keys.uri(keys.shards)}] + [sha256 + ".zip" for sha256 in sha256s]


def make_request(
    keys: JobKeys,
    settings: Settings,
    *,
    instance_type: str,
    image: Image,
    role_arn: str,
    code_prefix: Optional[str],
    tags: Dict[str, str],
) -> Dict[str, Any]:
    """CreateTrainingJob's arguments.

    Args:
        instance_type: one of settings.instance_type.
        code_prefix: prefix, ending in "/", of the `code` channel; only a stock image needs it.
        tags: of this program; SAGEMAKER_TAGS are added and take precedence.
    """
    request: Dict[str, Any] = {
        "TrainingJobName": keys.job,
        "AlgorithmSpecification": {
            "TrainingImage": image.uri,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": name, "Regex": regex} for name, regex in _METRICS],
        },
        "RoleArn": role_arn,
        "InputDataConfig": [
            _channel(contract.TRAIN_CHANNEL, "ManifestFile", keys.uri(keys.manifest)),
            _channel(contract.CAR_CHANNEL, "S3Prefix", keys.uri(keys.car(""))),
        ],
        "OutputDataConfig": {"S3OutputPath": keys.uri(keys.output)},
        "ResourceConfig": {"InstanceType": instance_type, "InstanceCount": settings.instance_count},
        "StoppingCondition": {"MaxRuntimeInSeconds": settings.max_runtime_s},
        "EnableManagedSpotTraining": settings.spot,
        "EnableNetworkIsolation": settings.network_isolation,
        "HyperParameters": _make_hyperparameters(settings, image),
        "Environment": {"PYTHONUNBUFFERED": "1"},  # so that no line is lost if the container dies
        "RetryStrategy": {"MaximumRetryAttempts": RETRIES},
        "Tags": _make_tags(dict(tags, **settings.tags)),
    }
    if image.stock:
        if code_prefix is None:
            raise ValueError("a stock image needs the trainer's code_prefix")
        request["InputDataConfig"].append(_channel(contract.CODE_CHANNEL, "S3Prefix", keys.uri(code_prefix)))
        trainer_path = f"{CONTAINER_BASE}/input/data/{contract.CODE_CHANNEL}/{contract.TRAINER_NAME}"
        starter = [image.starter] if image.starter else []
        request["AlgorithmSpecification"]["ContainerEntrypoint"] = starter + ["python3", trainer_path]
    if not has_fixed_disk(instance_type):
        request["ResourceConfig"]["VolumeSizeInGB"] = settings.volume_gb
    if settings.kms_key:
        request["OutputDataConfig"]["KmsKeyId"] = settings.kms_key
        if not has_fixed_disk(instance_type):  # which AWS encrypts with a key of its own
            request["ResourceConfig"]["VolumeKmsKeyId"] = settings.kms_key
    if settings.subnets:
        request["VpcConfig"] = {"SecurityGroupIds": settings.security_groups, "Subnets": settings.subnets}
    if settings.keep_alive_s:
        request["ResourceConfig"]["KeepAlivePeriodInSeconds"] = settings.keep_alive_s
    if settings.spot:
        request["StoppingCondition"]["MaxWaitTimeInSeconds"] = settings.max_runtime_s + SPOT_WAIT_S
    if settings.spot or settings.instance_count > 1:  # AWS starts all machines again if one breaks
        request["CheckpointConfig"] = {
            "S3Uri": keys.uri(keys.checkpoints),
            "LocalPath": CONTAINER_BASE + "/checkpoints",
        }
    return request


def _make_hyperparameters(settings: Settings, image: Image) -> Dict[str, str]:
    """As JSON texts. The images of 2018 expect the name sagemaker_region."""
    values = {name: getattr(settings, attribute) for attribute, name in HYPERPARAMETERS.items()}
    values["sagemaker_region"] = settings.region or region_of(image.uri) or "local"
    values.update(settings.hyperparameters)
    return contract.encode_hyperparameters(values)


def _make_tags(tags: Dict[str, str]) -> List[Dict[str, str]]:
    """Characters that a tag may not have become "_": a car's folder or a model can have any name."""
    return [
        {"Key": key, "Value": re.sub(r"[^\w .:/=+@-]", "_", value)[:256]}
        for key, value in sorted(tags.items())
    ]


def _channel(name: str, data_type: str, uri: str) -> Dict[str, Any]:
    return {
        "ChannelName": name,
        "InputMode": "File",
        "DataSource": {
            "S3DataSource": {
                "S3DataType": data_type,
                "S3Uri": uri,
                "S3DataDistributionType": "FullyReplicated",
            }
        },
    }
