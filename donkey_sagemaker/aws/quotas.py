"""Service Quotas: how many instances of each type the account may run at the same time."""

from typing import Any, Dict, Optional

from ..cloud.errors import NotAllowed, Unreachable
from ..cloud.prices import list_price
from ..errors import CloudRefused
from ..findings import CannotCheck
from .connection import Connection
from .errors import AwsError, make_no_quota, quotas_page


class Quotas:
    """The quotas of one account, requested when they are first needed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._values: Dict[str, float] = {}

    def check(self, request: Dict[str, Any]) -> str:
        """
        Raises:
            NoQuota: too few for this request.
            CannotCheck
        """
        name, count = _quota_name(request), request["ResourceConfig"]["InstanceCount"]
        value = self.read(name)
        if value < count:
            raise make_no_quota(
                name,
                values=f"is {value:.0f}, but this job needs {count}",
                region=self._connection.region,
                alternative=self.find_alternative(request),
            )
        return f"{name} is {value:.0f}"

    def read(self, name: str) -> float:
        """
        Raises:
            CannotCheck
        """
        values = self._get_values()
        if name not in values:
            raise CannotCheck("Service Quotas has no value for " + name)
        return values[name]

    def find_alternative(self, request: Dict[str, Any]) -> Optional[str]:
        """The cheapest instance type with a known price whose quota is large enough for the request."""
        try:
            values = self._get_values()
        except (CannotCheck, CloudRefused):
            return None  # a suggestion is not worth an error
        resources = request["ResourceConfig"]
        suffix = _quota_name(request)[len(resources["InstanceType"]) :]
        prices = {}
        for name, value in values.items():
            instance_type = name[: -len(suffix)]
            price = list_price(instance_type, self._connection.region)
            if name.endswith(suffix) and price and value >= resources["InstanceCount"]:
                prices[instance_type] = price.usd_per_hour
        return min(prices, key=prices.__getitem__) if prices else None

    def _get_values(self) -> Dict[str, float]:
        """Value by name; AWS's defaults if the account has no values of its own."""
        for operation in ("ListServiceQuotas", "ListAWSDefaultServiceQuotas"):
            if not self._values:
                try:
                    pages = list(
                        self._connection.pages("service-quotas", operation, {"ServiceCode": "sagemaker"})
                    )
                except (NotAllowed, AwsError, Unreachable) as error:  # no job depends on this answer
                    raise CannotCheck(error.what) from error
                self._values = {
                    quota["QuotaName"]: quota["Value"]
                    for page in pages
                    for quota in page["Quotas"]
                    if "QuotaName" in quota and "Value" in quota
                }
        return self._values


def _quota_name(request: Dict[str, Any]) -> str:
    spot = bool(request.get("EnableManagedSpotTraining"))
    return quota_name(request["ResourceConfig"]["InstanceType"], spot=spot)


def quota_name(instance_type: str, *, spot: bool) -> str:
    """Its name in Service Quotas and in SageMaker's errors."""
    return f"{instance_type} for {'spot ' if spot else ''}training job usage"


def describe_small_quota(name: str, quota: int, instances: int, region: str) -> str:
    """The warning about a job queue that starts more jobs than the quota allows."""
    return (
        f"the queue starts {instances} trainings at the same time, but this account's quota for {name} in"
        f" {region} is {quota}: the others will fail. Request a higher one, by that name, at"
        f" {quotas_page(region)}" + (f", or run setup with --job-queue={quota}" if quota else "")
    )
