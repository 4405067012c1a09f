"""What AWS tells of credentials, clock, bucket, role, image and quota before a job is launched. Read-only.

A `connection` here is what `aws/connection.py` asks AWS through.
"""

from functools import partial
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ..cloud.images import is_stock
from ..cloud.prices import list_price
from ..errors import CloudRefused, DonkeySagemakerError
from ..findings import CannotCheck, Finding, run_check
from .errors import (
    BadRole,
    NoBucket,
    NoQuota,
    NoRole,
    NotAllowed,
    OtherOwner,
    Unreachable,
    WrongClock,
    WrongRegion,
)

# AWS refuses a request that was signed five minutes off its own time; S3 takes fifteen.
LARGEST_SKEW_S = 4 * 60


def look(
    connection: Any,
    requests: Sequence[Dict[str, Any]],
    *,
    bucket: Optional[str],
    prefix: str,
    role_arn: Optional[str],
    quotas: "Quotas",
) -> Iterator[Finding]:
    """A finding for each thing that the jobs of these requests need, the cheapest to look at first."""
    looks: List[Tuple[str, Callable[[], str]]] = [
        ("credentials", lambda: connection.who()["Arn"]),
        ("clock", partial(_look_at_clock, connection)),
        ("bucket", partial(_look_at_bucket, connection, bucket, prefix=prefix)),
        ("role", partial(_look_at_role, connection, role_arn)),
    ]
    for uri in sorted({request["AlgorithmSpecification"]["TrainingImage"] for request in requests}):
        looks.append(("image", partial(_look_at_image, connection, uri)))
    for request in requests:
        looks.append(("quota", partial(quotas.check, request)))
    for subject, step in looks:
        finding = run_check(subject, step)
        yield finding
        if finding.error and (subject in ("credentials", "clock") or isinstance(finding.error, Unreachable)):
            return  # it would go wrong with the rest in the same way


def _ask(connection: Any, service: str, operation: str, parameters: Dict[str, Any]) -> Dict[str, Any]:
    """Asks for what a job does not need, so that it may be forbidden."""
    try:
        return connection.ask(service, operation, parameters)
    except NotAllowed as refusal:
        raise CannotCheck(refusal.what) from refusal


def _look_at_clock(connection: Any) -> str:
    # Asked anew, as the answer about the credentials may be old by now
    theirs = connection.server_time()
    if theirs is None:
        raise CannotCheck("AWS did not tell its time")
    ours = connection.now()
    if abs(ours - theirs) > LARGEST_SKEW_S:
        raise WrongClock(ours=ours, theirs=theirs)
    return f"{abs(ours - theirs):.0f} s off that of AWS"


def _look_at_bucket(connection: Any, bucket: Optional[str], *, prefix: str) -> str:
    """Whether it is there, ours, in the job's region, and may be listed, which sending needs anyway."""
    if bucket is None:
        raise NoBucket(connection.region)
    parameters = {"Bucket": bucket, "ExpectedBucketOwner": connection.account()}
    try:
        location = connection.ask("s3", "GetBucketLocation", parameters).get("LocationConstraint")
        region = {None: "us-east-1", "": "us-east-1", "EU": "eu-west-1"}.get(
            location, location
        )  # the oldest two
        if region != connection.region:
            raise WrongRegion(bucket, there=region, here=connection.region)
    except NotAllowed:
        region = "a region that cannot be looked at"
    try:
        connection.ask("s3", "ListObjectsV2", dict(parameters, Prefix=prefix + "/", MaxKeys=1))
    except NotAllowed as refusal:
        if refusal.is_explained:
            raise
        raise OtherOwner(bucket, account=connection.account(), code=refusal.code) from refusal
    return f"{bucket} in {region}"


def _look_at_role(connection: Any, role_arn: Optional[str]) -> str:
    if role_arn is None:
        raise NoRole()
    if role_arn.split(":")[4] != connection.account():
        raise BadRole(role_arn, trouble="is not one of your account " + connection.account())
    role = _ask(connection, "iam", "GetRole", {"RoleName": role_arn.rpartition("/")[2]})["Role"]
    if role["Arn"] != role_arn:
        raise BadRole(role_arn, trouble="is not there; there is " + role["Arn"])
    if not any(map(_trusts_sagemaker, _as_list(role["AssumeRolePolicyDocument"].get("Statement")))):
        raise BadRole(role_arn, trouble="does not trust SageMaker")
    return role_arn


def _trusts_sagemaker(statement: Dict[str, Any]) -> bool:
    principal = statement.get("Principal")
    return (
        statement.get("Effect") == "Allow"
        and any(action in ("sts:AssumeRole", "sts:*", "*") for action in _as_list(statement.get("Action")))
        and isinstance(principal, dict)
        and "sagemaker.amazonaws.com" in _as_list(principal.get("Service"))
    )


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _look_at_image(connection: Any, uri: str) -> str:
    if is_stock(uri):
        return "AWS's own " + uri
    image = read_image_uri(uri)
    if image.registry != connection.account():
        raise CannotCheck(f"{uri} is in a registry that is not of your account")
    _ask(
        connection,
        "ecr",
        "DescribeImages",
        {"registryId": image.registry, "repositoryName": image.repository, "imageIds": [image.id]},
    )
    return uri


class EcrImage(NamedTuple):
    """What an image's URI says."""

    registry: str  # the account that it belongs to
    repository: str
    id: Dict[str, str]  # imageTag or imageDigest, as ECR asks for it


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


class Quotas:
    """How many machines of each type the account may have at once, as Service Quotas tells it."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._values: Dict[str, float] = {}

    def check(self, request: Dict[str, Any]) -> str:
        """
        Raises:
            NoQuota: too few for this request.
            CannotCheck
        """
        values = self._ask()
        name, count = _quota_name(request), request["ResourceConfig"]["InstanceCount"]
        if name not in values:
            raise CannotCheck("Service Quotas does not tell that for " + name)
        numbers = f"is {values[name]:.0f}"
        if values[name] < count:
            raise NoQuota(
                name,
                numbers=f"{numbers}, this job needs {count}",
                region=self._connection.region,
                instead=self.propose(request),
            )
        return f"{name} {numbers}"

    def propose(self, request: Dict[str, Any]) -> Optional[str]:
        """The cheapest type with a known price of which the account may have enough for the request."""
        try:
            values = self._ask()
        except (CannotCheck, CloudRefused):
            return None  # a proposal is a kindness
        resources = request["ResourceConfig"]
        suffix = _quota_name(request)[len(resources["InstanceType"]) :]
        prices = {}
        for name, value in values.items():
            instance_type = name[: -len(suffix)]
            price = list_price(instance_type, self._connection.region)
            if name.endswith(suffix) and price and value >= resources["InstanceCount"]:
                prices[instance_type] = price.usd_per_hour
        return min(prices, key=prices.__getitem__) if prices else None

    def _ask(self) -> Dict[str, float]:
        """Value by name; where the account has none of its own, AWS's defaults."""
        for operation in ("ListServiceQuotas", "ListAWSDefaultServiceQuotas"):
            if not self._values:
                try:
                    pages = list(
                        self._connection.pages("service-quotas", operation, {"ServiceCode": "sagemaker"})
                    )
                except NotAllowed as refusal:
                    raise CannotCheck(refusal.what) from refusal
                self._values = {
                    quota["QuotaName"]: quota["Value"] for page in pages for quota in page["Quotas"]
                }
        return self._values


def _quota_name(request: Dict[str, Any]) -> str:
    """As Service Quotas and SageMaker's refusals call it."""
    return "{} for {}training job usage".format(
        request["ResourceConfig"]["InstanceType"],
        "spot " if request.get("EnableManagedSpotTraining") else "",
    )
