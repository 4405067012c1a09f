"""Every error of settings, credentials, network and bucket, with its whole message."""

from typing import Any, List, NamedTuple

from donkey_sagemaker.aws.error_table import make_error
from donkey_sagemaker.aws.errors import (
    FailedRequest,
    NoBucket,
    NoRegion,
    NoRole,
    NoSuchBucket,
    ObjectChanged,
    ObjectDamaged,
    ObjectNotDeleted,
    OtherOwner,
    WrongClock,
    WrongFolder,
    WrongRegion,
)
from donkey_sagemaker.cloud.errors import (
    NoSuchObject,
    NotAllowed,
    Unreachable,
)
from donkey_sagemaker.errors import BadInput, CloudRefused, DonkeySagemakerError

REGION = "eu-west-1"
USER = "arn:aws:iam::123456789012:user/donkey"
JOB = "arn:aws:sagemaker:eu-west-1:123456789012:training-job/donkey-pilot-1"
ROLE = "arn:aws:iam::123456789012:role/donkey"
OBJECT = "arn:aws:s3:::my-cars/donkeycar/models/donkey-pilot-1/output/model.tar.gz"
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/donkey-sagemaker:dk54-cpu"
NOON = 1767268800.0  # 2026-01-01 12:00:00 UTC


class Example(NamedTuple):
    error: DonkeySagemakerError
    kind: type
    what: str
    fix: str


REQUESTS: List[FailedRequest] = []  # of all examples


def failed(operation: str, code: str, text: str = "", **details: Any) -> DonkeySagemakerError:
    """The error that the table makes of a failed request."""
    request = FailedRequest(
        operation=operation, code=code, text=text, region=REGION, local_time=NOON, **details
    )
    REQUESTS.append(request)
    return make_error(request)


ACCOUNT_ERRORS: List[Example] = [
    # Settings
    Example(
        NoRegion(),
        NoRegion,
        "No AWS region is set.",
        'Set SAGEMAKER_REGION in myconfig.py, for example to "eu-west-1", or add --local to train on '
        "this machine.",
    ),
    Example(
        NoBucket(REGION),
        NoBucket,
        "SAGEMAKER_BUCKET is not set, so there is nowhere to store tubs and models.",
        "Run `python manage.py sagemaker-setup` to create a bucket, or set SAGEMAKER_BUCKET in "
        "myconfig.py to a bucket in eu-west-1.",
    ),
    Example(
        NoRole(),
        NoRole,
        "SAGEMAKER_ROLE_ARN is not set: a job needs a role to read from and write to the bucket.",
        "Run `python manage.py sagemaker-setup` to create a role, or set SAGEMAKER_ROLE_ARN in "
        "myconfig.py to the ARN of a role for SageMaker.",
    ),
    Example(
        failed("Session", "ProfileNotFound", "The config profile (racer) could not be found"),
        BadInput,
        "There is no AWS profile named racer [ProfileNotFound].",
        "Create it with `aws configure --profile racer`; `aws configure list-profiles` lists the others.",
    ),
    Example(
        failed("Session", "ConfigParseError", "Unable to parse config file: /home/pi/.aws/config"),
        BadInput,
        "The AWS configuration of this machine is not valid [ConfigParseError]: Unable to parse "
        "config file: /home/pi/.aws/config",
        "Fix ~/.aws/config and ~/.aws/credentials, or write them again with `aws configure`.",
    ),
    # Credentials
    Example(
        failed("GetCallerIdentity", "NoCredentialsError", "Unable to locate credentials"),
        BadInput,
        "There are no AWS credentials on this machine [NoCredentialsError].",
        "Enter the access key of your IAM user: `aws configure`.",
    ),
    Example(
        failed("GetCallerIdentity", "PartialCredentialsError", profile="racer"),
        BadInput,
        "There are no AWS credentials in the profile racer [PartialCredentialsError].",
        "Enter the access key of your IAM user: `aws configure --profile racer`.",
    ),
    Example(
        failed("GetCallerIdentity", "InvalidClientTokenId", profile="racer"),
        CloudRefused,
        "AWS does not accept the credentials of the profile racer in eu-west-1 [InvalidClientTokenId].",
        "Create a new access key in the IAM console and enter it: `aws configure --profile racer`. "
        "(A region that is off by default must be enabled first.)",
    ),
    Example(
        failed(
            "GetCallerIdentity",
            "CredentialRetrievalError",
            "Error when retrieving credentials from custom-process: Your session has expired. Please "
            "reauthenticate using 'aws login'.",
            profile="racer",
        ),
        BadInput,
        "The AWS credentials of the profile racer could not be loaded [CredentialRetrievalError]: "
        "Error when retrieving credentials from custom-process: Your session has expired. Please "
        "reauthenticate using 'aws login'.",
        "Do what that says; if a login has expired, log in again: `aws login` or `aws sso login`.",
    ),
    Example(
        failed("DescribeTrainingJob", "UnauthorizedSSOTokenError", profile="racer"),
        CloudRefused,
        "Your AWS login has expired [UnauthorizedSSOTokenError]. A job that has started keeps running.",
        "Log in again (`aws sso login --profile racer`, or enter new keys) and repeat the command. "
        "To return to a job: `python manage.py sagemaker-train --attach`.",
    ),
    Example(
        failed("ListObjectsV2", "OptInRequired", "You are not subscribed to this service"),
        CloudRefused,
        "This AWS account is not ready for use [OptInRequired]: You are not subscribed to this service",
        "Complete the sign-up at https://portal.aws.amazon.com/billing/signup and wait for the "
        "confirmation e-mail.",
    ),
    Example(
        failed(
            "CreateTrainingJob",
            "AccessDeniedException",
            f"User: {USER} is not authorized to perform: iam:PassRole on resource: {ROLE} because no"
            " identity-based policy allows the iam:PassRole action",
        ),
        NotAllowed,
        "arn:aws:iam::123456789012:user/donkey is not allowed to use iam:PassRole on "
        "arn:aws:iam::123456789012:role/donkey [AccessDeniedException]: no identity-based policy "
        "allows the iam:PassRole action.",
        "Add this statement to the policy of that user or role:\n"
        '{\n  "Effect": "Allow",\n  "Action": "iam:PassRole",\n  "Resource": '
        '"arn:aws:iam::123456789012:role/donkey",\n  "Condition": {\n    "StringEquals": {\n      '
        '"iam:PassedToService": "sagemaker.amazonaws.com"\n    }\n  }\n'
        "}",
    ),
    Example(
        failed("PutObject", "AccessDenied", "Access Denied", action="s3:PutObject", resource=OBJECT),
        NotAllowed,
        "Your AWS user is not allowed to use s3:PutObject on "
        "arn:aws:s3:::my-cars/donkeycar/models/donkey-pilot-1/output/model.tar.gz [AccessDenied].",
        "Add this statement to the policy of that user or role:\n"
        '{\n  "Effect": "Allow",\n  "Action": "s3:PutObject",\n  "Resource": '
        '"arn:aws:s3:::my-cars/donkeycar/*"\n'
        "}",
    ),
    Example(
        failed(
            "CreateTrainingJob",
            "AccessDeniedException",
            f"User: {USER} is not authorized to perform: sagemaker:CreateTrainingJob on resource: {JOB} with"
            " an explicit deny in a service control policy",
        ),
        NotAllowed,
        "arn:aws:iam::123456789012:user/donkey is not allowed to use sagemaker:CreateTrainingJob on "
        "arn:aws:sagemaker:eu-west-1:123456789012:training-job/donkey-pilot-1 "
        "[AccessDeniedException]: an explicit deny in a service control policy.",
        "Ask the administrator of this AWS account to remove the deny.",
    ),
    Example(
        failed("GetCallerIdentity", "EOFError", profile="racer"),
        BadInput,
        "The credentials of the profile racer need an MFA code, but there is nobody to type it [EOFError].",
        "Run the command in a terminal, or set SAGEMAKER_PROFILE to a profile without mfa_serial.",
    ),
    Example(
        failed(
            "AssumeRole",
            "AccessDenied",
            "MultiFactorAuthentication failed with invalid MFA one time pass code.",
        ),
        BadInput,
        "AWS does not accept the MFA code [AccessDenied]: MultiFactorAuthentication failed with invalid MFA "
        "one time pass code.",
        "Run the command again, and type the six digits that the device shows then.",
    ),
    Example(
        failed(
            "GetCallerIdentity",
            "HTTPClientError",
            "An HTTP Client raised an unhandled exception: Invalid header value b'AWS4-HMAC-SHA256 "
            "Credential=AKIA\\n/20260101/eu-west-1/sts/aws4_request'",
            profile="racer",
        ),
        BadInput,
        "The AWS access key of the profile racer contains a line end or another character that no key has "
        "[HTTPClientError].",
        "Enter the key again: `aws configure --profile racer`. If AWS_ACCESS_KEY_ID or AWS_SESSION_TOKEN is "
        "set, correct that instead.",
    ),
    # Clock
    Example(
        failed("PutObject", "RequestTimeTooSkewed", aws_time=NOON + 1200),
        WrongClock,
        "The clock of this machine shows 2026-01-01 12:00:00 UTC, the clock of AWS 2026-01-01 "
        "12:20:00 UTC; AWS rejects requests that are signed at the wrong time [RequestTimeTooSkewed].",
        "Set the clock: `sudo timedatectl set-ntp true` (a Raspberry Pi loses the time when it is off).",
    ),
    Example(
        failed("GetCallerIdentity", "SignatureDoesNotMatch", "Signature not yet current: 20260101T120000Z"),
        WrongClock,
        "The clock of this machine shows 2026-01-01 12:00:00 UTC; AWS rejects requests that are "
        "signed at the wrong time [SignatureDoesNotMatch].",
        "Set the clock: `sudo timedatectl set-ntp true` (a Raspberry Pi loses the time when it is off).",
    ),
    Example(
        failed("GetCallerIdentity", "SSLError", "certificate verify failed: certificate is not yet valid"),
        CloudRefused,
        "The certificate of AWS could not be verified at 2026-01-01 12:00:00 UTC, by this machine's "
        "clock [SSLError]: certificate verify failed: certificate is not yet valid",
        "If that time is wrong, set the clock: `sudo timedatectl set-ntp true`. Otherwise something "
        "on the network intercepts TLS: set AWS_CA_BUNDLE to its certificate.",
    ),
    Example(
        failed(
            "GetCallerIdentity",
            "SSLError",
            "SSL validation failed for https://sts.eu-west-1.amazonaws.com/ [Errno 2] No such file or "
            "directory",
            ca_bundle="/home/pi/proxy.pem",
        ),
        BadInput,
        "/home/pi/proxy.pem has no certificates that can be loaded [SSLError]: SSL validation failed for "
        "https://sts.eu-west-1.amazonaws.com/ [Errno 2] No such file or directory",
        "Set AWS_CA_BUNDLE to a file of certificates in PEM format. If no proxy intercepts TLS here, remove "
        "it: `unset AWS_CA_BUNDLE`.",
    ),
    # Network
    Example(
        failed("PutObject", "ForeignAnswer", 'it is the web page "Hotel Wi-Fi".'),
        Unreachable,
        'The answer to PutObject is not from AWS [ForeignAnswer]: it is the web page "Hotel Wi-Fi". A '
        "captive "
        "portal or a proxy may have sent it.",
        "Open a web page in a browser on this network and log in, or use another network; then run the "
        "command again: it continues where it stopped.",
    ),
    Example(
        failed("PutObject", "EndpointConnectionError", "Could not connect to the endpoint URL"),
        Unreachable,
        "AWS cannot be reached [EndpointConnectionError]: Could not connect to the endpoint URL",
        "Check the network and SAGEMAKER_REGION, then run the command again: it continues where it stopped.",
    ),
    Example(
        failed("CreateTrainingJob", "ThrottlingException", "Rate exceeded"),
        Unreachable,
        "AWS could not handle CreateTrainingJob, even after several tries [ThrottlingException]: "
        "Rate exceeded",
        "Wait a few minutes, then run the command again: it continues where it stopped.",
    ),
    # Bucket
    Example(
        failed(
            "PutObject",
            "KMS.DisabledException",
            "arn:aws:kms:eu-west-1:123456789012:key/111 is disabled.",
            resource=OBJECT,
        ),
        CloudRefused,
        "The KMS key that encrypts the bucket my-cars cannot be used [KMS.DisabledException]: "
        "arn:aws:kms:eu-west-1:123456789012:key/111 is disabled.",
        "Enable that key at https://eu-west-1.console.aws.amazon.com/kms/home?region=eu-west-1, or let the "
        "bucket use another one.",
    ),
    Example(
        failed("ListObjectsV2", "NoSuchBucket", resource="arn:aws:s3:::my-cars"),
        NoSuchBucket,
        "There is no bucket named my-cars [NoSuchBucket].",
        "Correct SAGEMAKER_BUCKET, or create the bucket: `aws s3 mb s3://my-cars --region eu-west-1`.",
    ),
    Example(
        OtherOwner("my-cars", account_id="123456789012", code="AccessDenied"),
        OtherOwner,
        "Your account 123456789012 has no access to the bucket my-cars [AccessDenied].",
        "Set SAGEMAKER_BUCKET to a bucket of this account, or SAGEMAKER_PROFILE to a profile of the "
        "bucket's owner.",
    ),
    Example(
        WrongFolder("my-cars", prefix="donkeycar", user="donkey-car", code="AccessDenied"),
        WrongFolder,
        "The IAM user donkey-car has no access to donkeycar/ in the bucket my-cars, only to a folder of its "
        "own [AccessDenied].",
        'Set SAGEMAKER_FOLDER = "donkey-car" and the SAGEMAKER_ROLE_ARN of this car in myconfig.py; as an '
        "administrator, `python manage.py sagemaker-setup --user=donkey-car` prints both.",
    ),
    Example(
        failed(
            "ListObjectsV2",
            "AuthorizationHeaderMalformed",
            "The authorization header is malformed; the region 'eu-west-1' is wrong; expecting 'us-east-1'",
            resource="arn:aws:s3:::my-cars",
        ),
        WrongRegion,
        "The bucket my-cars is in us-east-1, but the job would run in eu-west-1 "
        "[AuthorizationHeaderMalformed]: SageMaker needs both in the same region.",
        'Set SAGEMAKER_REGION to "us-east-1", or SAGEMAKER_BUCKET to a bucket in eu-west-1.',
    ),
    Example(
        failed("PutObject", "PermanentRedirect", "Use the specified endpoint.", resource=OBJECT),
        WrongRegion,
        "The bucket my-cars is in another region, but the job would run in eu-west-1 "
        "[PermanentRedirect]: SageMaker needs both in the same region.",
        "Set SAGEMAKER_REGION to the bucket's region, or SAGEMAKER_BUCKET to a bucket in eu-west-1.",
    ),
    Example(
        failed("GetObject", "NoSuchKey", resource=OBJECT),
        NoSuchObject,
        "s3://my-cars/donkeycar/models/donkey-pilot-1/output/model.tar.gz does not exist [NoSuchKey].",
        "Train again: `python manage.py sagemaker-train`.",
    ),
    Example(
        failed("GetObject", "PreconditionFailed", resource=OBJECT),
        ObjectChanged,
        "s3://my-cars/donkeycar/models/donkey-pilot-1/output/model.tar.gz kept changing while it was "
        "being downloaded [PreconditionFailed].",
        "Wait until nothing writes to it and download it again: `python manage.py sagemaker-train --attach`.",
    ),
    Example(
        ObjectDamaged("s3://my-cars/model.tar.gz"),
        ObjectDamaged,
        "Each download of s3://my-cars/model.tar.gz had a wrong checksum.",
        "Use another network: `python manage.py sagemaker-train --attach`.",
    ),
    Example(
        ObjectNotDeleted(
            "my-cars", {"Key": "a/b", "Code": "AccessDenied", "Message": "Access Denied"}, region=REGION
        ),
        ObjectNotDeleted,
        "s3://my-cars/a/b cannot be deleted [AccessDenied]: Access Denied",
        "Delete it at https://eu-west-1.console.aws.amazon.com/s3/buckets/my-cars, then run the command "
        "again.",
    ),
]
