"""What an IAM policy allows: only Allow statements and patterns are supported, no conditions."""

from fnmatch import fnmatchcase
from typing import Any, Dict, List, Set


def is_allowed(policy: Dict[str, Any], action: str, resource: str) -> bool:
    return any(
        any(fnmatchcase(action, pattern) for pattern in as_list(statement["Action"]))
        and any(fnmatchcase(resource, pattern) for pattern in as_list(statement["Resource"]))
        for statement in policy["Statement"]
        if statement["Effect"] == "Allow"
    )


def actions_of(policy: Dict[str, Any]) -> Set[str]:
    return {action for statement in policy["Statement"] for action in as_list(statement["Action"])}


def as_list(value: Any) -> List[Any]:
    return value if isinstance(value, list) else [value]
