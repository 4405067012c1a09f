"""Refusals in the user's words, and the page of the documentation that lists them."""

import inspect
import os
from typing import List, NamedTuple

import pytest

from donkey_sagemaker.aws import errors as refusals
from donkey_sagemaker.aws.error_table import explain_refusal
from donkey_sagemaker.aws.errors import Answer
from donkey_sagemaker.cloud.failures import FAILURES, explain_failure
from donkey_sagemaker.errors import BadInput, CloudRefused

REGION = "eu-west-1"
USER = "arn:aws:iam::123456789012:user/donkey"
JOB = "arn:aws:sagemaker:eu-west-1:123456789012:training-job/donkey-pilot-1"
ROLE = "arn:aws:iam::123456789012:role/donkey"
OBJECT = "arn:aws:s3:::my-cars/donkeycar/models/donkey-pilot-1/output/model.tar.gz"
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/donkey-sagemaker:dk54-cpu"
NOON = 1767268800.0  # 2026-01-01 12:00:00 UTC
QUOTAS_PAGE = "https://eu-west-1.console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas"
TRUST = """{
  "Effect": "Allow",
  "Principal": {
    "Service": "sagemaker.amazonaws.com"
  },
  "Action": "sts:AssumeRole"
}"""


class Example(NamedTuple):
    error: Exception
    kind: type
    what: str
    fix: str


def answered(operation: str, code: str, text: str = "", **details) -> Exception:
    return explain_refusal(
        Answer(operation=operation, code=code, text=text, region=REGION, our_time=NOON, **details)
    )


EXAMPLES: List[Example] = [
    # Settings
    Example(
        refusals.NoRegion(),
        refusals.NoRegion,
        "No AWS region is set.",
        'Set SAGEMAKER_REGION in myconfig.py, such as "eu-west-1": that of your bucket, or one near you.',
    ),
    Example(
        refusals.NoBucket(REGION),
        refusals.NoBucket,
        "SAGEMAKER_BUCKET is not set: there is no place for tubs and models.",
        "Let `python manage.py sagemaker-setup` make it, or set SAGEMAKER_BUCKET in myconfig.py to a bucket "
        "in eu-west-1.",
    ),
    Example(
        refusals.NoRole(),
        refusals.NoRole,
        "SAGEMAKER_ROLE_ARN is not set: a job needs a role to read and write the bucket as.",
        "Let `python manage.py sagemaker-setup` make it, or set SAGEMAKER_ROLE_ARN in myconfig.py to the ARN "
        "of a role for SageMaker.",
    ),
    Example(
        answered("Session", "ProfileNotFound", "The config profile (racer) could not be found"),
        refusals.NoProfile,
        "There is no AWS profile named racer [ProfileNotFound].",
        "Make it with `aws configure --profile racer`; `aws configure list-profiles` shows the others.",
    ),
    Example(
        answered("Session", "ConfigParseError", "Unable to parse config file: /home/pi/.aws/config"),
        refusals.BadConfigFile,
        "The AWS settings of this machine cannot be used [ConfigParseError]: Unable to parse config file: "
        "/home/pi/.aws/config",
        "Mend ~/.aws/config and ~/.aws/credentials, or write them anew with `aws configure`.",
    ),
    # Credentials
    Example(
        answered("GetCallerIdentity", "NoCredentialsError", "Unable to locate credentials"),
        refusals.NoCredentials,
        "There are no AWS credentials on this machine [NoCredentialsError].",
        "Enter those of your IAM user: `aws configure`.",
    ),
    Example(
        answered("GetCallerIdentity", "PartialCredentialsError", profile="racer"),
        refusals.NoCredentials,
        "There are no AWS credentials in the profile racer [PartialCredentialsError].",
        "Enter those of your IAM user: `aws configure --profile racer`.",
    ),
    Example(
        answered("GetCallerIdentity", "InvalidClientTokenId", profile="racer"),
        refusals.BadCredentials,
        "AWS does not accept the credentials of the profile racer in eu-west-1 [InvalidClientTokenId].",
        "Make a new access key in the IAM console and enter it: `aws configure --profile racer`. (A region "
        "that "
        "is off by default must be enabled first.)",
    ),
    Example(
        answered(
            "GetCallerIdentity",
            "CredentialRetrievalError",
            "Error when retrieving credentials from custom-process: Your session has expired. Please "
            "reauthenticate using 'aws login'.",
            profile="racer",
        ),
        refusals.CredentialsFailed,
        "The AWS credentials of the profile racer cannot be had [CredentialRetrievalError]: Error when "
        "retrieving credentials from custom-process: Your session has expired. Please reauthenticate using "
        "'aws login'.",
        "Do what it says; where a login has ended, log in again: `aws login` or `aws sso login`.",
    ),
    Example(
        answered("DescribeTrainingJob", "UnauthorizedSSOTokenError", profile="racer"),
        refusals.LoginExpired,
        "Your AWS login has expired [UnauthorizedSSOTokenError]. A job that was started goes on.",
        "Log in again (`aws sso login --profile racer`, or enter new keys) and repeat the command; "
        "back to a job: `python manage.py sagemaker-train --attach`.",
    ),
    Example(
        answered("ListObjectsV2", "OptInRequired", "You are not subscribed to this service"),
        refusals.NotSignedUp,
        "This AWS account is not ready for use [OptInRequired]: You are not subscribed to this service",
        "Complete the sign-up at https://portal.aws.amazon.com/billing/signup and wait for its e-mail.",
    ),
    Example(
        answered(
            "CreateTrainingJob",
            "AccessDeniedException",
            f"User: {USER} is not authorized to perform: iam:PassRole on resource: {ROLE} because no"
            " identity-based policy allows the iam:PassRole action",
        ),
        refusals.NotAllowed,
        f"{USER} may not iam:PassRole on {ROLE} [AccessDeniedException]: no identity-based policy allows the "
        "iam:PassRole action.",
        'Add this statement to the policy of that user or role:\n{\n  "Effect": "Allow",\n'
        '  "Action": "iam:PassRole",\n  "Resource": "' + ROLE + '",\n  "Condition": {\n'
        '    "StringEquals": {\n      "iam:PassedToService": "sagemaker.amazonaws.com"\n    }\n  }\n}',
    ),
    Example(
        answered("PutObject", "AccessDenied", "Access Denied", action="s3:PutObject", resource=OBJECT),
        refusals.NotAllowed,
        f"Your AWS user may not s3:PutObject on {OBJECT} [AccessDenied].",
        'Add this statement to the policy of that user or role:\n{\n  "Effect": "Allow",\n'
        '  "Action": "s3:PutObject",\n  "Resource": "arn:aws:s3:::my-cars/donkeycar/*"\n}',
    ),
    Example(
        answered(
            "CreateTrainingJob",
            "AccessDeniedException",
            f"User: {USER} is not authorized to perform: sagemaker:CreateTrainingJob on resource: {JOB} with"
            " an explicit deny in a service control policy",
        ),
        refusals.NotAllowed,
        f"{USER} may not sagemaker:CreateTrainingJob on {JOB} [AccessDeniedException]: an explicit deny in a"
        " service control policy.",
        "Have the deny taken away by whoever manages this AWS account.",
    ),
    # Clock
    Example(
        answered("PutObject", "RequestTimeTooSkewed", their_time=NOON + 1200),
        refusals.WrongClock,
        "The clock of this machine says 2026-01-01 12:00:00 UTC, that of AWS 2026-01-01 12:20:00 UTC; AWS "
        "refuses what is signed at the wrong time [RequestTimeTooSkewed].",
        "Set the clock: `sudo timedatectl set-ntp true` (a Raspberry Pi forgets the time without power).",
    ),
    Example(
        answered("GetCallerIdentity", "SignatureDoesNotMatch", "Signature not yet current: 20260101T120000Z"),
        refusals.WrongClock,
        "The clock of this machine says 2026-01-01 12:00:00 UTC; AWS refuses what is signed at the wrong "
        "time "
        "[SignatureDoesNotMatch].",
        "Set the clock: `sudo timedatectl set-ntp true` (a Raspberry Pi forgets the time without power).",
    ),
    Example(
        answered("GetCallerIdentity", "SSLError", "certificate verify failed: certificate is not yet valid"),
        refusals.UntrustedServer,
        "At 2026-01-01 12:00:00 UTC, this machine's time, the certificate of AWS cannot be verified "
        "[SSLError]: "
        "certificate verify failed: certificate is not yet valid",
        "If that time is wrong, set the clock: `sudo timedatectl set-ntp true`. If not, something in the "
        "network "
        "opens TLS: set AWS_CA_BUNDLE to its certificate.",
    ),
    # Network
    Example(
        answered("PutObject", "EndpointConnectionError", "Could not connect to the endpoint URL"),
        refusals.Unreachable,
        "AWS cannot be reached [EndpointConnectionError]: Could not connect to the endpoint URL",
        "Check the network and SAGEMAKER_REGION, then run the command again: it goes on where it was.",
    ),
    Example(
        answered("CreateTrainingJob", "ThrottlingException", "Rate exceeded"),
        refusals.Busy,
        "AWS put CreateTrainingJob off again and again [ThrottlingException]: Rate exceeded",
        "Wait some minutes, then run the command again: it goes on where it was.",
    ),
    # Bucket
    Example(
        answered("ListObjectsV2", "NoSuchBucket", resource="arn:aws:s3:::my-cars"),
        refusals.NoSuchBucket,
        "There is no bucket named my-cars [NoSuchBucket].",
        "Correct SAGEMAKER_BUCKET, or make the bucket: `aws s3 mb s3://my-cars --region eu-west-1`.",
    ),
    Example(
        refusals.OtherOwner("my-cars", account="123456789012", code="AccessDenied"),
        refusals.OtherOwner,
        "The bucket my-cars is none that your account 123456789012 may use [AccessDenied].",
        "Set SAGEMAKER_BUCKET to a bucket of this account, or SAGEMAKER_PROFILE to one of its owner's.",
    ),
    Example(
        answered(
            "ListObjectsV2",
            "AuthorizationHeaderMalformed",
            "The authorization header is malformed; the region 'eu-west-1' is wrong; expecting 'us-east-1'",
            resource="arn:aws:s3:::my-cars",
        ),
        refusals.WrongRegion,
        "The bucket my-cars is in us-east-1, the job would be in eu-west-1 [AuthorizationHeaderMalformed]: "
        "SageMaker wants both in one region.",
        'Set SAGEMAKER_REGION to "us-east-1", or SAGEMAKER_BUCKET to a bucket in eu-west-1.',
    ),
    Example(
        answered("PutObject", "PermanentRedirect", "Use the specified endpoint.", resource=OBJECT),
        refusals.WrongRegion,
        "The bucket my-cars is in another region, the job would be in eu-west-1 [PermanentRedirect]: "
        "SageMaker "
        "wants both in one region.",
        "Set SAGEMAKER_REGION to that of the bucket, or SAGEMAKER_BUCKET to a bucket in eu-west-1.",
    ),
    Example(
        answered("GetObject", "NoSuchKey", resource=OBJECT),
        refusals.NoSuchObject,
        "s3://my-cars/donkeycar/models/donkey-pilot-1/output/model.tar.gz is not there [NoSuchKey].",
        "Train again: `python manage.py sagemaker-train`.",
    ),
    Example(
        answered("GetObject", "PreconditionFailed", resource=OBJECT),
        refusals.ObjectChanged,
        "s3://my-cars/donkeycar/models/donkey-pilot-1/output/model.tar.gz changed again and again while it "
        "was "
        "fetched [PreconditionFailed].",
        "Leave it alone and fetch it again: `python manage.py sagemaker-train --attach`.",
    ),
    Example(
        refusals.ObjectDamaged("s3://my-cars/model.tar.gz"),
        refusals.ObjectDamaged,
        "s3://my-cars/model.tar.gz arrives with another checksum than the bucket has for it, each time.",
        "Fetch it over another network: `python manage.py sagemaker-train --attach`.",
    ),
    # Starting a job
    Example(
        answered(
            "CreateTrainingJob",
            "ResourceLimitExceeded",
            "The account-level service limit 'ml.g4dn.xlarge for training job usage' is 0 Instances, with "
            "current utilization of 0 Instances and a request delta of 1 Instances. Please use AWS Service "
            "Quotas to request an increase for this quota.",
        ).with_instead("ml.m5.xlarge"),  # type: ignore[attr-defined]
        refusals.NoQuota,
        "This account's quota for ml.g4dn.xlarge for training job usage in eu-west-1 is 0, with 0 in use "
        "[ResourceLimitExceeded].",
        'Set SAGEMAKER_INSTANCE_TYPE = "ml.m5.xlarge", which has quota, or ask for a higher one, by that '
        "name, "
        "at " + QUOTAS_PAGE,
    ),
    Example(
        answered(
            "CreateTrainingJob",
            "ResourceLimitExceeded",
            "The requested resource training-job/ml.p2.xlarge is not available in this region",
        ),
        refusals.NotInRegion,
        "There are no ml.p2.xlarge machines in eu-west-1 [ResourceLimitExceeded].",
        "Set SAGEMAKER_INSTANCE_TYPE to another type, such as a newer one of its size.",
    ),
    Example(
        answered("CreateTrainingJob", "ValidationException", "Unsupported instance type ml.t2.medium"),
        refusals.UnsupportedType,
        "SageMaker does not train on this type of machine [ValidationException]: Unsupported instance type "
        "ml.t2.medium",
        'Set SAGEMAKER_INSTANCE_TYPE to a type that it does, such as "ml.m5.xlarge".',
    ),
    Example(
        answered("CreateTrainingJob", "CapacityError", "Unable to provision requested ML compute capacity."),
        refusals.NoMachine,
        "AWS has no machine for this job [CapacityError]: Unable to provision requested ML compute capacity.",
        "Set SAGEMAKER_INSTANCE_TYPE to a list of types to try in turn.",
    ),
    Example(
        answered("CreateTrainingJob", "ResourceInUse", "Training job names must be unique", resource=JOB),
        refusals.NameTaken,
        "There is another job named donkey-pilot-1 already [ResourceInUse].",
        "Train again: `python manage.py sagemaker-train` gives the job a new name.",
    ),
    Example(
        answered("DescribeTrainingJob", "ValidationException", "Requested resource not found.", resource=JOB),
        refusals.NoSuchJob,
        "There is no job named donkey-pilot-1 on AWS in eu-west-1.",
        "`python manage.py sagemaker-jobs` lists those that there are.",
    ),
    Example(
        answered("GetRole", "NoSuchEntity", resource=ROLE),
        refusals.BadRole,
        f"The role {ROLE} is not there [NoSuchEntity].",
        "Set SAGEMAKER_ROLE_ARN to a role of this account whose trust policy has this statement:\n" + TRUST,
    ),
    Example(
        answered(
            "CreateTrainingJob",
            "ValidationException",
            f"Could not assume role {ROLE}. Please ensure that the role exists and allows principal "
            "'sagemaker.amazonaws.com' to assume the role.",
        ),
        refusals.BadRole,
        f"The role {ROLE} cannot be assumed by SageMaker [ValidationException].",
        "Set SAGEMAKER_ROLE_ARN to a role of this account whose trust policy has this statement:\n" + TRUST,
    ),
    Example(
        answered(
            "CreateTrainingJob",
            "ValidationException",
            'No S3 objects found under S3 URL "s3://my-cars/x" given in input data source. Please ensure '
            "that "
            "the bucket exists in the selected region (eu-west-1).",
        ),
        refusals.NoInput,
        "SageMaker finds nothing at s3://my-cars/x [ValidationException].",
        "Give the role of SAGEMAKER_ROLE_ARN s3:ListBucket and s3:GetObject on that bucket.",
    ),
    Example(
        answered(
            "CreateTrainingJob",
            "ValidationException",
            f"Cannot find the requested image: {IMAGE}. Please check if your ECR image exists.",
        ),
        refusals.NoSuchImage,
        f"There is no image {IMAGE} [ValidationException].",
        'Correct SAGEMAKER_IMAGE in myconfig.py, or set it to "auto".',
    ),
    Example(
        answered(
            "StartBuild",
            "ResourceNotFoundException",
            "Project cannot be found: arn:aws:codebuild:eu-west-1:123456789012:project/donkey-sagemaker",
        ),
        refusals.NoBuilder,
        "There is no CodeBuild project for training images in eu-west-1 [ResourceNotFoundException]: Project "
        "cannot be found: arn:aws:codebuild:eu-west-1:123456789012:project/donkey-sagemaker",
        "Run `python manage.py sagemaker-setup` as an administrator of the AWS account: it makes it.",
    ),
    Example(
        answered(
            "DescribeRepositories",
            "RepositoryNotFoundException",
            "The repository with name 'donkey-sagemaker' does not exist in the registry with id "
            "'123456789012'",
        ),
        refusals.NoRepository,
        "There is no registry for training images in eu-west-1 [RepositoryNotFoundException]: The repository "
        "with name 'donkey-sagemaker' does not exist in the registry with id '123456789012'",
        "Run `python manage.py sagemaker-setup` as an administrator of the AWS account: it makes it.",
    ),
    Example(
        answered(
            "CreateTrainingJob",
            "ValidationException",
            "Access denied for repository: x in registry ID: 999999999999.",
        ),
        refusals.ImageDenied,
        "SageMaker may not read the training image [ValidationException]: Access denied for repository: x in "
        "registry ID: 999999999999.",
        "Give the role of SAGEMAKER_ROLE_ARN ecr:BatchGetImage and ecr:GetDownloadUrlForLayer on it.",
    ),
    Example(
        answered(
            "CreateTrainingJob",
            "ValidationException",
            "Invalid training image. Please provide a valid Amazon Elastic Container Registry path",
        ),
        refusals.BadImage,
        "SageMaker cannot use this training image [ValidationException]: Invalid training image. Please "
        "provide "
        "a valid Amazon Elastic Container Registry path",
        "Push it to a private ECR repository in eu-west-1 and set SAGEMAKER_IMAGE to that.",
    ),
    Example(
        answered(
            "CreateTrainingJob",
            "ValidationException",
            "Invalid MaxWaitTimeInSeconds. It is only supported when EnableManagedSpotTraining is set to "
            "true",
        ),
        refusals.BadTimeLimit,
        "AWS does not accept the time limits of this job [ValidationException]: Invalid "
        "MaxWaitTimeInSeconds. It "
        "is only supported when EnableManagedSpotTraining is set to true",
        "Leave SAGEMAKER_SPOT and SAGEMAKER_MAX_RUNTIME_S at their defaults.",
    ),
    Example(
        answered(
            "CreateTrainingJob", "ValidationException", "1 validation error detected: Value 'x' at 'tags'"
        ),
        refusals.BadRequest,
        "AWS does not accept this job [ValidationException]: 1 validation error detected: Value 'x' at "
        "'tags'",
        "Look with `python manage.py sagemaker-train --dry-run` at what is sent, and change the setting "
        "behind it.",
    ),
    Example(
        answered("ListTrainingJobs", "Strange", "So it is."),
        refusals.Refused,
        "AWS refused ListTrainingJobs [Strange]: So it is.",
        "If that does not say what to change, run it again with --debug and report what it prints.",
    ),
]

ROLE_WORDS = "the role of SAGEMAKER_ROLE_ARN"
DOCKER_WORDS = "Build it with `docker build --platform linux/amd64 --provenance=false` and push it again."
# FailureReason, the end of the log, what, fix
FAILED_JOBS = [
    (
        (
            "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different"
            " ML instance type."
        ),
        "",
        "AWS has no free machine of this type at the moment",
        "Train again later, or set SAGEMAKER_INSTANCE_TYPE to a list of types to try in turn.",
    ),
    (
        (
            "ClientError: TrainingHostAgent Initialization failed:InvalidInputException: SageMaker is unable"
            " to perform: sts:AssumeRole on the role."
        ),
        "",
        "SageMaker may not assume " + ROLE_WORDS,
        "Let the trust policy of that role allow sts:AssumeRole to the service sagemaker.amazonaws.com.",
    ),
    (
        "ClientError: Unsupported manifest media type application/vnd.oci.image.manifest.v1+json",
        "",
        "The training image has an OCI manifest, which SageMaker does not read",
        DOCKER_WORDS,
    ),
    (
        "AlgorithmError: , exit code: 1",
        "exec /opt/program/train: exec format error",
        "The training image is built for another processor",
        DOCKER_WORDS,
    ),
    (
        'AlgorithmError: exec: "train": executable file not found in $PATH',
        "",
        "The training image does not answer to `train`",
        "Give it an ENTRYPOINT, or a file named train on its PATH that may be executed.",
    ),
    (
        (
            "ClientError: Cannot pull algorithm container. Either the image does not exist or its permissions"
            " are incorrect."
        ),
        "",
        "SageMaker could not fetch the training image: too big for the disk, or not to be read",
        f"Set SAGEMAKER_VOLUME_GB higher; where that does not help, let {ROLE_WORDS} read the image.",
    ),
    (
        "ClientError: Artifact upload failed:Insufficient disk space",
        "",
        "The disk of the job was full",
        "Set SAGEMAKER_VOLUME_GB higher.",
    ),
    (
        "AlgorithmError: , exit code: 137",
        "epoch 3",
        "The job ran out of memory",
        "Set SAGEMAKER_INSTANCE_TYPE to a larger type, or BATCH_SIZE in myconfig.py to a smaller number.",
    ),
    (
        "ClientError: illegal char sub-sequence '//'",
        "",
        "SageMaker does not read a key with two slashes in a row",
        "Remove what has such a key below SAGEMAKER_PREFIX in the bucket.",
    ),
    (
        "ClientError: Data download failed:Could not download s3://my-cars/x: insufficient permissions",
        "",
        "The job could not read its data",
        f"Give {ROLE_WORDS} s3:ListBucket and s3:GetObject on the bucket.",
    ),
    (
        "ClientError: Artifact upload failed:Error 5: access denied",
        "",
        "The job could not write its model",
        f"Give {ROLE_WORDS} s3:PutObject on the bucket.",
    ),
    (
        "InternalServerError: We encountered an internal error. Please try again.",
        "",
        "SageMaker failed, not the training",
        "Train again: what it was sent is kept.",
    ),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.kind.__name__)
def test_refusal(example: Example) -> None:
    """Each refusal says what was refused, with AWS's code, and the one thing to do."""
    assert type(example.error) is example.kind
    assert (example.error.what, example.error.fix) == (example.what, example.fix)  # type: ignore[attr-defined]


def test_every_refusal_has_its_example() -> None:
    """No refusal is without a test and an entry in the documentation."""
    kinds = {
        kind
        for _name, kind in inspect.getmembers(refusals, inspect.isclass)
        if kind.__module__ == refusals.__name__ and issubclass(kind, (CloudRefused, BadInput))
    }
    assert kinds - {refusals.NoCapacity} == {example.kind for example in EXAMPLES}


@pytest.mark.parametrize("reason, log, what, fix", FAILED_JOBS, ids=[each[2] for each in FAILED_JOBS])
def test_failed_job(reason: str, log: str, what: str, fix: str) -> None:
    """Each known way in which a job fails is told with SageMaker's own words."""
    assert explain_failure(reason, [log, "shutting down"]) == (f"{what} [{reason}]", fix)


def test_every_failure_has_its_example() -> None:
    """No way of failing is without a test and an entry in the documentation."""
    assert [failure.what for failure in FAILURES] == [what for _reason, _log, what, _fix in FAILED_JOBS]


def test_the_documentation_has_them_all(repo_path: str) -> None:
    """docs/troubleshooting.md has a heading for each message, and below it what to do."""
    with open(os.path.join(repo_path, "docs", "troubleshooting.md"), encoding="utf-8") as file:
        page = file.read()
    entries = [(example.what, example.fix) for example in EXAMPLES]
    entries += [(f"{what} [{reason}]", fix) for reason, _log, what, fix in FAILED_JOBS]
    missing = [make_entry(what, fix) for what, fix in entries if make_entry(what, fix) not in page]
    assert not missing, "docs/troubleshooting.md lacks:\n" + "\n".join(missing)


def make_entry(what: str, fix: str) -> str:
    """A heading and its first paragraph; a policy statement is set as code."""
    words, brace, statement = fix.partition("\n{")
    entry = f"### {what}\n\n{words}\n"
    return entry + f"\n```json\n{{{statement}\n```\n" if brace else entry
