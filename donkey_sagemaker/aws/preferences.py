"""InstancePreferences: AWS itself takes the first of several instance types that has capacity."""

import itertools
from typing import Any, Dict, List, Sequence

from ..cloud.errors import NoQuota
from ..findings import CannotCheck
from .quotas import Quotas

MOST_TYPES = 5  # in a list of preferences


def are_known(shape: Any) -> bool:
    """Whether botocore knows them. An older one does not say which type AWS has taken, so what a job costs.

    Args:
        shape: botocore's input shape of CreateTrainingJob.
    """
    return "InstancePreferences" in shape.members["ResourceConfig"].members


def choose_preferences(
    request: Dict[str, Any], others: Sequence[Dict[str, Any]], quotas: Quotas
) -> List[Dict[str, Any]]:
    """The request with those of the others, in their order, among which AWS may choose.

    They differ only in the type. Spot jobs and kept instances have no preferences, and AWS rejects a list if
    the quota of one of its types is too small.
    """
    keeps = request["ResourceConfig"].get("KeepAlivePeriodInSeconds")
    if request.get("EnableManagedSpotTraining") or keeps:
        return [request]
    alike = itertools.takewhile(lambda other: _without_type(other) == _without_type(request), others)
    chosen = [request, *alike][:MOST_TYPES]
    return list(itertools.takewhile(lambda each: _has_quota(each, quotas), chosen)) or [request]


def merge(requests: Sequence[Dict[str, Any]]) -> Dict[str, Any]:
    """One request in place of several that differ only in the type."""
    merged = _without_type(requests[0])
    types = [{"InstanceType": each["ResourceConfig"]["InstanceType"]} for each in requests]
    merged["ResourceConfig"]["InstancePreferences"] = types
    return merged


def _without_type(request: Dict[str, Any]) -> Dict[str, Any]:
    resources = {name: value for name, value in request["ResourceConfig"].items() if name != "InstanceType"}
    return dict(request, ResourceConfig=resources)


def _has_quota(request: Dict[str, Any], quotas: Quotas) -> bool:
    try:
        quotas.check(request)
    except (CannotCheck, NoQuota):
        return False
    return True
