"""The training job as SageMaker's CreateTrainingJob takes it. Pure: settings and keys in, a dict out."""

import re
import time
from typing import Any, Dict, List, NamedTuple, Sequence

from .. import contract

CONTAINER_BASE = "/opt/ml"


class JobKeys(NamedTuple):
    """Where the parts of one job lie in the bucket."""

    bucket: str
    prefix: str
    job: str

    def shard(self, sha256: str) -> str:
        """Shared by all jobs: content-addressed, so that nothing is sent twice."""
        return "{}/shards/{}.zip".format(self.prefix, sha256)

    @property
    def shards(self) -> str:
        return "{}/shards/".format(self.prefix)

    def code(self, sha256: str) -> str:
        return "{}/code/{}/{}".format(self.prefix, sha256, contract.TRAINER_NAME)

    def car(self, name: str) -> str:
        return "{}/jobs/{}/car/{}".format(self.prefix, self.job, name)

    @property
    def manifest(self) -> str:
        return "{}/jobs/{}/train.manifest".format(self.prefix, self.job)

    @property
    def output(self) -> str:
        return "{}/models".format(self.prefix)

    @property
    def archive(self) -> str:
        return "{}/{}/output/model.tar.gz".format(self.output, self.job)

    def uri(self, key: str) -> str:
        return "s3://{}/{}".format(self.bucket, key)


def make_job_name(model_name: str, *, now: float) -> str:
    """donkey-<model>-<time>: unique in an account, within SageMaker's 63 characters of [a-zA-Z0-9-]."""
    stamp = time.strftime("%y%m%d-%H%M%S", time.gmtime(now)) + "-{:03d}".format(int(now * 1000) % 1000)
    middle = re.sub(r"[^a-zA-Z0-9]+", "-", model_name).strip("-")[: 63 - len("donkey--") - len(stamp)]
    return "-".join(part for part in ("donkey", middle.strip("-"), stamp) if part)


def make_manifest(keys: JobKeys, sha256s: Sequence[str]) -> List[Any]:
    """The shards of this job one by one, as S3DataType=ManifestFile reads them."""
    return [{"prefix": keys.uri(keys.shards)}] + [sha256 + ".zip" for sha256 in sha256s]


def make_request(
    keys: JobKeys, settings: Any, *, image: str, role_arn: str, trainer_sha256: str, tags: Dict[str, str]
) -> Dict[str, Any]:
    """CreateTrainingJob's arguments for a job that runs our trainer from its code channel."""
    hyperparameters = {
        "with_slide": settings.slide,
        "min_throttle": settings.min_throttle,
        "floor_throttle": settings.floor_throttle,
        "seed": settings.seed,
        "sagemaker_region": settings.region or "local",
    }
    hyperparameters.update(settings.hyperparameters)
    return {
        "TrainingJobName": keys.job,
        "AlgorithmSpecification": {
            "TrainingImage": image,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": [
                "python3",
                "{}/input/data/{}/{}".format(CONTAINER_BASE, contract.CODE_CHANNEL, contract.TRAINER_NAME),
            ],
        },
        "RoleArn": role_arn,
        "InputDataConfig": [
            _channel(contract.TRAIN_CHANNEL, "ManifestFile", keys.uri(keys.manifest)),
            _channel(contract.CAR_CHANNEL, "S3Prefix", keys.uri(keys.car(""))),
            _channel(
                contract.CODE_CHANNEL,
                "S3Prefix",
                keys.uri(keys.code(trainer_sha256))[: -len(contract.TRAINER_NAME)],
            ),
        ],
        "OutputDataConfig": {"S3OutputPath": keys.uri(keys.output)},
        "ResourceConfig": {
            "InstanceType": settings.instance_type[0],
            "InstanceCount": settings.instance_count,
            "VolumeSizeInGB": settings.volume_gb,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": settings.max_runtime_s},
        "HyperParameters": contract.encode_hyperparameters(hyperparameters),
        "Environment": {},
        "Tags": [{"Key": key, "Value": value} for key, value in sorted(tags.items())],
    }


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
