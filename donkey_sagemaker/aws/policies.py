"""IAM policies of cars, of training jobs, of the builder of images and of the bucket, made from names.

Pure. templates/aws.yaml has the same policies.

What a car may do with its key, and what its jobs may do, ends at its own folder in the bucket. Two things are
shared: shards, which a car may add but neither read nor replace, and what versions without folders stored.
"""

from typing import Any, Dict, List, NamedTuple, Optional, Union

from ..cloud.images import OWN_REPOSITORY
from ..cloud.request import car_folder

Document = Dict[str, Any]
_TextOrList = Union[str, List[str]]

CAR_TAG = "DonkeySagemakerCar"  # of the role of a car's jobs; its value is the car's folder
# IAM replaces these: the car's folder has the name of its IAM user.
USER = "${aws:username}"
USER_OF_ROLE = f"${{aws:PrincipalTag/{CAR_TAG}}}"


class Names(NamedTuple):
    """The names in the policies. Each may also be a placeholder."""

    partition: str  # "aws", except in China and GovCloud
    domain: str  # of the partition's services
    region: str
    account: str
    bucket: str
    prefix: str
    role_arn: str  # of the car's jobs; may be a pattern
    kms_key: Optional[str] = None  # the ARN of the key that encrypts the bucket and the disks of jobs
    is_vpc: bool = False  # jobs run in subnets of the owner
    has_queue: bool = False  # jobs may wait in the job queue

    @property
    def bucket_arn(self) -> str:
        return f"arn:{self.partition}:s3:::{self.bucket}"

    def objects(self, pattern: str, *, folder: Optional[str] = None) -> str:
        """The objects whose keys match a pattern below the prefix, or below the folder of a car."""
        return f"{self.bucket_arn}/{car_folder(self.prefix, folder)}/{pattern}"

    @property
    def job_logs(self) -> str:
        """The log group of all training jobs."""
        return self._arn("logs", "log-group:/aws/sagemaker/TrainingJobs*")

    @property
    def job_log_streams(self) -> List[str]:
        """Those of this program's jobs."""
        patterns = ["donkey-*"] + ["AWSBatchdonkey-*"] * self.has_queue
        group = "log-group:/aws/sagemaker/TrainingJobs:log-stream:"
        return [self._arn("logs", group + pattern) for pattern in patterns]

    @property
    def build_logs(self) -> str:
        return self._arn("logs", f"log-group:/aws/codebuild/{OWN_REPOSITORY}*")

    @property
    def repository(self) -> str:
        return self._arn("ecr", "repository/" + OWN_REPOSITORY)

    @property
    def stock_repository(self) -> str:
        """AWS's own TensorFlow images, which belong to a different account in each region."""
        return self._replace(account="*")._arn("ecr", "repository/tensorflow-training")

    @property
    def jobs(self) -> List[str]:
        """Also those that AWS Batch starts. SageMaker may write its ARNs in lowercase letters."""
        patterns = ["donkey-*"] + ["AWSBatchdonkey-*", "awsbatchdonkey-*"] * self.has_queue
        return [self._arn("sagemaker", "training-job/" + pattern) for pattern in patterns]

    @property
    def queue(self) -> str:
        return self._arn("batch", "job-queue/" + OWN_REPOSITORY)

    @property
    def service_jobs(self) -> str:
        """AWS Batch numbers them at random."""
        return self._arn("batch", "service-job/*")

    @property
    def tunings(self) -> str:
        return self._arn("sagemaker", "hyper-parameter-tuning-job/donkey-*")

    @property
    def topic(self) -> str:
        """Of the e-mails about jobs, where it was created by hand."""
        return self._arn("sns", OWN_REPOSITORY)

    @property
    def rules(self) -> List[str]:
        """That publish there."""
        return [self._arn("events", f"rule/{OWN_REPOSITORY}-{name}") for name in ("ended", "failed", "tuned")]

    def network(self, *kinds: str) -> List[str]:
        return [self._arn("ec2", kind + "/*") for kind in kinds]

    def _arn(self, service: str, rest: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{rest}"


def car_role_path(user: str) -> str:
    """The IAM path of the role for the jobs of one car: the car's policy names it by this path."""
    return f"/{OWN_REPOSITORY}/{user}/"


def car_role_pattern(*, partition: str, account: str, user: str = USER) -> str:
    """The ARN of that role, whose name CloudFormation chooses."""
    return f"arn:{partition}:iam::{account}:role{car_role_path(user)}*"


def make_car_policy(names: Names, *, folder: str = USER) -> Document:
    """For the car's own IAM user. Whoever has the car's SD card has its key.

    Args:
        folder: of the car, SAGEMAKER_FOLDER; one policy serves all cars whose folders are named like their
            users.
    """
    # Versions without folders stored these two for all cars, and their jobs can still be attached to.
    earlier = ["jobs/*/launch.json", "models/*/output/model.tar.gz"]
    listed = ["shards/*", *earlier]
    return _document(
        _allow(
            [
                "sagemaker:AddTags",
                "sagemaker:CreateTrainingJob",
                "sagemaker:DescribeTrainingJob",
                "sagemaker:StopTrainingJob",
                "sagemaker:UpdateTrainingJob",
            ],
            names.jobs,
        ),
        _allow(
            [
                "sagemaker:AddTags",
                "sagemaker:CreateHyperParameterTuningJob",
                "sagemaker:DescribeHyperParameterTuningJob",
                "sagemaker:ListTrainingJobsForHyperParameterTuningJob",
                "sagemaker:StopHyperParameterTuningJob",
            ],
            names.tunings,
        ),
        _allow(
            "iam:PassRole",
            names.role_arn,
            StringEquals={"iam:PassedToService": "sagemaker.amazonaws.com"},
        ),
        _allow("iam:GetRole", names.role_arn),
        _allow_s3(names, "s3:GetBucketLocation", names.bucket_arn),
        _allow_s3(
            names,
            "s3:ListBucket",
            names.bucket_arn,
            StringLike={
                "s3:prefix": [
                    car_folder(names.prefix, folder) + "/*",
                    *(f"{names.prefix}/{pattern}" for pattern in listed),
                ]
            },
        ),
        _allow_s3(names, ["s3:GetObject", "s3:PutObject"], names.objects("*", folder=folder)),
        # Only new ones: a shard's key is its digest, so nobody has a reason to replace it.
        _allow_s3(names, "s3:PutObject", names.objects("shards/*"), Null={"s3:if-none-match": "false"}),
        _allow_s3(names, "s3:GetObject", [names.objects(pattern) for pattern in earlier]),
        _allow("logs:DescribeLogStreams", names.job_logs),
        _allow("logs:GetLogEvents", names.job_log_streams),
        _allow(["ecr:DescribeImages", "ecr:DescribeRepositories"], names.repository),
        # IAM has no resources for these.
        _allow(
            [
                "pricing:GetProducts",
                "sagemaker:ListTrainingJobs",
                "sagemaker:Search",
                "servicequotas:ListAWSDefaultServiceQuotas",
                "servicequotas:ListServiceQuotas",
            ],
            "*",
        ),
        *_allow_key(names, ["kms:Decrypt", "kms:GenerateDataKey"]),
        *_allow_queue(names, folder),
    )


def make_job_policy(names: Names, *, folder: Optional[str] = USER_OF_ROLE) -> Document:
    """For the role of training jobs.

    Args:
        folder: of the car; None for the jobs of an administrator, who has none.
    """
    checkpoints = names.objects("jobs/*/checkpoints/*", folder=folder)
    own = [names.objects(pattern, folder=folder) for pattern in ("code/*", "jobs/*")]
    return _document(
        _allow_s3(names, "s3:ListBucket", names.bucket_arn),
        _allow_s3(names, "s3:GetObject", [names.objects("shards/*")] + own),
        _allow_s3(names, "s3:PutObject", [names.objects("models/*", folder=folder), checkpoints]),
        _allow_s3(names, "s3:DeleteObject", checkpoints),
        _allow(["logs:CreateLogGroup", "logs:DescribeLogStreams"], names.job_logs),
        _allow(["logs:CreateLogStream", "logs:PutLogEvents"], names.job_log_streams),
        _allow("cloudwatch:PutMetricData", "*", StringLike={"cloudwatch:namespace": "/aws/sagemaker/*"}),
        _allow("ecr:GetAuthorizationToken", "*"),
        _allow(
            ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            [names.repository, names.stock_repository],
        ),
        *_allow_key(names, ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"]),
        *_allow_disks(names),
        *_allow_network(names),
    )


def make_build_policy(names: Names) -> Document:
    """For the role of CodeBuild."""
    return _document(
        _allow_s3(names, ["s3:GetBucketAcl", "s3:GetBucketLocation"], names.bucket_arn),
        _allow_s3(names, ["s3:GetObject", "s3:GetObjectVersion"], names.objects("images/*")),
        _allow(["logs:CreateLogStream", "logs:PutLogEvents"], names.build_logs),
        _allow("ecr:GetAuthorizationToken", "*"),
        _allow(
            [
                "ecr:BatchCheckLayerAvailability",
                "ecr:BatchGetImage",
                "ecr:CompleteLayerUpload",
                "ecr:GetDownloadUrlForLayer",
                "ecr:InitiateLayerUpload",
                "ecr:PutImage",
                "ecr:UploadLayerPart",
            ],
            names.repository,
        ),
        *_allow_key(names, ["kms:Decrypt"]),
    )


def make_bucket_policy(names: Names) -> Document:
    """For the bucket itself: TLS only, and nobody replaces a shard, not even with a policy made by hand."""
    return _document(
        _deny("s3:*", [names.bucket_arn, names.bucket_arn + "/*"], Bool={"aws:SecureTransport": "false"}),
        _deny("s3:PutObject", names.objects("shards/*"), Null={"s3:if-none-match": "true"}),
    )


def make_topic_policy(topic_arn: str, *, rule_arns: List[str], account: str) -> Document:
    """For the topic of the e-mails: only EventBridge publishes there, for these rules of that account."""
    return _document(
        {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sns:Publish",
            "Resource": topic_arn,
            "Condition": {
                "StringEquals": {"aws:SourceAccount": account},
                "ArnEquals": {"aws:SourceArn": rule_arns},
            },
        }
    )


def make_trust(service: str, account: str) -> Document:
    """A trust policy: only that service may assume the role, and only on behalf of that account."""
    return _document(
        {
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": account}},
        }
    )


def _allow_key(names: Names, actions: List[str]) -> List[Document]:
    """The use of the owner's key by S3."""
    if names.kms_key is None:
        return []
    service = f"s3.{names.region}.{names.domain}"
    return [_allow(actions, names.kms_key, StringEquals={"kms:ViaService": service})]


def _allow_disks(names: Names) -> List[Document]:
    """What SageMaker needs to encrypt the disk of an instance with the owner's key."""
    if names.kms_key is None:
        return []
    return [
        _allow("kms:CreateGrant", names.kms_key, Bool={"kms:GrantIsForAWSResource": "true"}),
        _allow("kms:DescribeKey", names.kms_key),
    ]


def _allow_network(names: Names) -> List[Document]:
    """What SageMaker needs to connect an instance to the owner's subnets."""
    if not names.is_vpc:
        return []
    return [
        _allow("ec2:CreateNetworkInterface", names.network("network-interface", "security-group", "subnet")),
        _allow(
            [
                "ec2:CreateNetworkInterfacePermission",
                "ec2:DeleteNetworkInterface",
                "ec2:DeleteNetworkInterfacePermission",
            ],
            names.network("network-interface"),
        ),
        _allow(
            [
                "ec2:DescribeDhcpOptions",
                "ec2:DescribeNetworkInterfaces",
                "ec2:DescribeSecurityGroups",
                "ec2:DescribeSubnets",
                "ec2:DescribeVpcs",
            ],
            "*",
        ),
    ]


def _allow_queue(names: Names, folder: str) -> List[Document]:
    """What a car needs to wait in the job queue; it can end the waiting of its own jobs only."""
    if not names.has_queue:
        return []
    return [
        _allow(
            ["batch:SubmitServiceJob", "batch:TagResource"],
            [names.queue, names.service_jobs],
            StringEquals={"aws:RequestTag/car": folder},
        ),
        _allow(
            "batch:TerminateServiceJob",
            names.service_jobs,
            StringEquals={"aws:ResourceTag/car": folder},
        ),
        _allow("batch:GetJobQueueSnapshot", names.queue),
        # IAM has no resources for these.
        _allow(["batch:DescribeJobQueues", "batch:DescribeServiceJob", "batch:ListServiceJobs"], "*"),
    ]


def _document(*statements: Dict[str, Any]) -> Document:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _allow(actions: _TextOrList, resources: _TextOrList, **condition: Any) -> Document:
    """
    Args:
        condition: by operator, as StringEquals={"aws:ResourceAccount": "123456789012"}.
    """
    statement = {"Effect": "Allow", "Action": actions, "Resource": resources}
    return dict(statement, Condition=condition) if condition else statement


def _allow_s3(names: Names, actions: _TextOrList, resources: _TextOrList, **condition: Any) -> Document:
    """Only in the owner's account: once a bucket is deleted, anybody can create one of its name."""
    return _allow(actions, resources, StringEquals={"aws:ResourceAccount": names.account}, **condition)


def _deny(actions: _TextOrList, resources: _TextOrList, **condition: Any) -> Document:
    statement = {"Effect": "Deny", "Principal": "*", "Action": actions, "Resource": resources}
    return dict(statement, Condition=condition)
