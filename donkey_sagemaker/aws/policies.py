"""IAM policies of the car, of training jobs and of the builder of images, made from the names of resources.

Pure. templates/aws.yaml has the same policies.
"""

from typing import Any, Dict, List, NamedTuple, Union

from ..cloud.images import OWN_REPOSITORY

Document = Dict[str, Any]
_TextOrList = Union[str, List[str]]


class Names(NamedTuple):
    """The names in the policies. Each may also be a placeholder."""

    partition: str  # "aws", except in China and GovCloud
    region: str
    account: str
    bucket: str
    prefix: str
    role_arn: str  # of training jobs

    @property
    def bucket_arn(self) -> str:
        return f"arn:{self.partition}:s3:::{self.bucket}"

    def objects(self, pattern: str) -> str:
        """The objects whose keys match a pattern below the prefix."""
        return f"{self.bucket_arn}/{self.prefix}/{pattern}"

    @property
    def job_logs(self) -> str:
        """The log group of all training jobs, and its streams."""
        return self._arn("logs", "log-group:/aws/sagemaker/TrainingJobs*")

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
    def builds(self) -> str:
        return self._arn("codebuild", "project/" + OWN_REPOSITORY)

    @property
    def jobs(self) -> str:
        return self._arn("sagemaker", "training-job/donkey-*")

    def _arn(self, service: str, rest: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{rest}"


def make_car_policy(names: Names) -> Document:
    """For the car's own IAM user. Whoever has the car's SD card has its key."""
    return _document(
        _allow(
            [
                "sagemaker:AddTags",
                "sagemaker:CreateTrainingJob",
                "sagemaker:DescribeTrainingJob",
                "sagemaker:StopTrainingJob",
            ],
            names.jobs,
        ),
        dict(
            _allow("iam:PassRole", names.role_arn),
            Condition={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
        ),
        _allow("iam:GetRole", names.role_arn),
        # Without ListBucket, S3 answers "forbidden" when an object does not exist.
        _allow(["s3:GetBucketLocation", "s3:ListBucket"], names.bucket_arn),
        _allow(["s3:GetObject", "s3:PutObject"], names.objects("*")),
        _allow("logs:DescribeLogStreams", names.job_logs),
        _allow("logs:GetLogEvents", [names.job_logs, names.build_logs]),
        _allow(["codebuild:BatchGetBuilds", "codebuild:StartBuild", "codebuild:StopBuild"], names.builds),
        _allow(["ecr:DescribeImages", "ecr:DescribeRepositories"], names.repository),
        # IAM has no resources for these.
        _allow(
            [
                "pricing:GetProducts",
                "sagemaker:ListTrainingJobs",
                "servicequotas:ListAWSDefaultServiceQuotas",
                "servicequotas:ListServiceQuotas",
            ],
            "*",
        ),
    )


def make_job_policy(names: Names) -> Document:
    """For the role of training jobs."""
    checkpoints = names.objects("jobs/*/checkpoints/*")
    return _document(
        _allow("s3:ListBucket", names.bucket_arn),
        _allow("s3:GetObject", names.objects("*")),
        _allow("s3:PutObject", [names.objects("models/*"), checkpoints]),
        _allow("s3:DeleteObject", checkpoints),
        _allow(
            ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
            names.job_logs,
        ),
        _allow(["cloudwatch:PutMetricData", "ecr:GetAuthorizationToken"], "*"),
        _allow(
            ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            [names.repository, names.stock_repository],
        ),
    )


def make_build_policy(names: Names) -> Document:
    """For the role of CodeBuild."""
    return _document(
        _allow(["s3:GetBucketAcl", "s3:GetBucketLocation"], names.bucket_arn),
        _allow(["s3:GetObject", "s3:GetObjectVersion"], names.objects("images/*")),
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


def _document(*statements: Dict[str, Any]) -> Document:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _allow(actions: _TextOrList, resources: _TextOrList) -> Dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources}
