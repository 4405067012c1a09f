"""Checks of credentials, clock, bucket, role, image and quota before a job starts. Nothing is changed."""

import datetime
from functools import partial
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ..cloud.cloud import blocks_other_checks
from ..cloud.errors import NotAllowed, Unreachable
from ..cloud.images import is_stock
from ..cloud.request import car_folder
from ..findings import CannotCheck, Finding, run_check
from .connection import Connection
from .errors import AwsError, BadRole, NoBucket, NoRole, OtherOwner, WrongClock, WrongFolder, WrongRegion
from .quotas import Quotas

# AWS rejects a request whose signature is off by five minutes; S3 allows fifteen.
LARGEST_SKEW_S = 4 * 60


def check_account(
    connection: Connection,
    requests: Sequence[Dict[str, Any]],
    *,
    bucket: Optional[str],
    prefix: str,
    folder: Optional[str],
    role_arn: Optional[str],
    quotas: Quotas,
) -> Iterator[Finding]:
    """A finding for everything that the jobs of these requests need, the cheapest check first."""
    checks: List[Tuple[str, Callable[[], str]]] = [
        ("credentials", partial(_check_credentials, connection)),
        ("clock", partial(_check_clock, connection)),
        ("bucket", partial(_check_bucket, connection, bucket, prefix=prefix, folder=folder)),
        ("role", partial(_check_role, connection, role_arn)),
    ]
    for uri in sorted({request["AlgorithmSpecification"]["TrainingImage"] for request in requests}):
        checks.append(("image", partial(_check_image, connection, uri)))
    for request in requests:
        checks.append(("quota", partial(quotas.check, request)))
    not_set = [name for name, value in (("bucket", bucket), ("role", role_arn)) if value is None]
    is_blocked = False
    for subject, check in checks:
        if is_blocked and subject not in not_set:  # a missing setting is known without AWS
            continue
        finding = run_check(subject, check)
        yield finding
        is_blocked = is_blocked or blocks_other_checks(finding)


def _call_if_allowed(
    connection: Connection, service: str, operation: str, parameters: Dict[str, Any]
) -> Dict[str, Any]:
    """A request for something that a job does not need, so it may be forbidden or without an answer.

    Raises:
        CannotCheck
    """
    try:
        return connection.call(service, operation, parameters)
    except (NotAllowed, Unreachable, AwsError) as error:
        raise CannotCheck(error.what) from error


def _check_credentials(connection: Connection) -> str:
    arn = connection.identity()["Arn"]
    credentials = connection.credentials()
    expiry = getattr(credentials, "_expiry_time", None)  # botocore has it nowhere else
    if expiry:
        return f"{arn}, valid until {expiry.astimezone(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC"
    return f"{arn}, temporary" if credentials and credentials.token else f"{arn}, does not expire"


def _check_clock(connection: Connection) -> str:
    # Requested again, because the response with the caller's identity may be old by now
    aws = connection.server_time()
    if aws is None:
        raise CannotCheck("AWS did not send its time")
    local = connection.now()
    if abs(local - aws) > LARGEST_SKEW_S:
        raise WrongClock(local=local, aws=aws)
    return f"{abs(local - aws):.0f} s off the clock of AWS"


def _check_bucket(
    connection: Connection, bucket: Optional[str], *, prefix: str, folder: Optional[str]
) -> str:
    """Whether it exists, is the account's, is in the job's region, and may be listed, as an upload does."""
    if bucket is None:
        raise NoBucket(connection.region)
    parameters = {"Bucket": bucket, "ExpectedBucketOwner": connection.account_id()}
    try:
        location = connection.call("s3", "GetBucketLocation", parameters).get("LocationConstraint")
        # The two oldest regions have names of their own here.
        region = {None: "us-east-1", "": "us-east-1", "EU": "eu-west-1"}.get(location, location)
        if region != connection.region:
            raise WrongRegion(bucket, bucket_region=region, job_region=connection.region)
    except NotAllowed:
        region = "a region that you are not allowed to see"
    except (Unreachable, AwsError):  # if it is wrong, the next request fails
        region = "a region that AWS does not name at the moment"
    try:
        own = car_folder(prefix, folder)
        connection.call("s3", "ListObjectsV2", dict(parameters, Prefix=own + "/", MaxKeys=1))
    except NotAllowed as error:
        user = connection.user_name()
        if user and user != folder and _may_list(connection, parameters, car_folder(prefix, user)):
            raise WrongFolder(bucket, prefix=own, user=user, code=error.code) from error
        if error.is_explained:
            raise
        raise OtherOwner(bucket, account_id=connection.account_id(), code=error.code) from error
    return f"{bucket} in {region}"


def _may_list(connection: Connection, parameters: Dict[str, Any], folder: str) -> bool:
    try:
        connection.call("s3", "ListObjectsV2", dict(parameters, Prefix=folder + "/", MaxKeys=1))
    except NotAllowed:
        return False
    return True


def _check_role(connection: Connection, role_arn: Optional[str]) -> str:
    if role_arn is None:
        raise NoRole()
    if role_arn.split(":")[4] != connection.account_id():
        raise BadRole(role_arn, "does not belong to your account " + connection.account_id())
    name = role_arn.rpartition("/")[2]
    role = _call_if_allowed(connection, "iam", "GetRole", {"RoleName": name})["Role"]
    if role["Arn"] != role_arn:
        raise BadRole(role_arn, f"does not exist, but {role['Arn']} does")
    if not any(map(trusts_sagemaker, _as_list(role["AssumeRolePolicyDocument"].get("Statement")))):
        raise BadRole(role_arn, "does not trust SageMaker")
    return role_arn


def trusts_sagemaker(statement: Any) -> bool:
    principal = statement.get("Principal") if isinstance(statement, dict) else None
    return (
        isinstance(statement, dict)
        and statement.get("Effect") == "Allow"
        and any(action in ("sts:AssumeRole", "sts:*", "*") for action in _as_list(statement.get("Action")))
        and isinstance(principal, dict)
        and "sagemaker.amazonaws.com" in _as_list(principal.get("Service"))
    )


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _check_image(connection: Connection, uri: str) -> str:
    if is_stock(uri):
        return "AWS's own " + uri
    image = read_image_uri(uri)
    if image.registry != connection.account_id():
        raise CannotCheck(f"{uri} is in the registry of another account")
    parameters = {"registryId": image.registry, "repositoryName": image.repository, "imageIds": [image.id]}
    _call_if_allowed(connection, "ecr", "DescribeImages", parameters)
    return uri


class EcrImage(NamedTuple):
    """The parts of an image's URI."""

    registry: str  # the account that owns it
    repository: str
    id: Dict[str, str]  # imageTag or imageDigest, as ECR expects it


def read_image_uri(uri: str) -> EcrImage:
    """The parts of REGISTRY.dkr.ecr.REGION.amazonaws.com/REPOSITORY:TAG, or with @DIGEST."""
    host, _, path = uri.partition("/")
    name, _, digest = path.partition("@")
    repository, _, tag = name.partition(":")
    return EcrImage(
        registry=host.partition(".")[0],
        repository=repository,
        id={"imageDigest": digest} if digest else {"imageTag": tag or "latest"},
    )
