"""Who sends a request, or whom a job acts for, and what IAM lets them do: moto keeps the policies."""

import json
import threading
from typing import Any, Dict, List, NamedTuple, Optional

from moto.iam.exceptions import NotFoundException
from moto.iam.models import iam_backends

from iam import decide

from .account import ACCESS_KEY, ACCOUNT_ID, USER_ARN


class Principal(NamedTuple):
    arn: str
    policies: Optional[List[Dict[str, Any]]]  # None: an administrator, or a role of which a test says nothing
    context: Dict[str, str]  # its own policy variables

    def may(self, action: str, resource: str, context: Dict[str, str]) -> bool:
        return self.policies is None or decide(self.policies, action, resource, dict(self.context, **context))


ADMINISTRATOR = Principal(USER_ARN, None, {})

_current = threading.local()  # a thread serves one request at a time


def current() -> Principal:
    """Who sent the request that this thread serves."""
    return getattr(_current, "principal", ADMINISTRATOR)


def identify(access_key: str) -> bool:
    """Remembers who sent this thread's request; whether there is such a key."""
    if access_key == ACCESS_KEY:
        _current.principal = ADMINISTRATOR
        return True
    for user in iam_backends[ACCOUNT_ID]["aws"].users.values():
        if access_key in [key.access_key_id for key in user.access_keys]:
            _current.principal = Principal(user.arn, _policies(user), {"aws:username": user.name})
            return True
    return False


def find_role(arn: str) -> Any:
    """moto's role; None if there is none of that name."""
    try:
        return iam_backends[ACCOUNT_ID]["aws"].get_role(arn.rsplit("/", 1)[-1])
    except NotFoundException:
        return None


def act_as(role_arn: str) -> None:
    """From now on this thread is a job's, and SageMaker acts for it in that role."""
    role = find_role(role_arn)
    tags = {each["Key"]: each["Value"] for each in role.tags or []}
    context = {"aws:PrincipalTag/" + key: value for key, value in tags.items()}
    _current.principal = Principal(role_arn, _policies(role) or None, context)


def _policies(holder: Any) -> List[Dict[str, Any]]:
    attached = [
        version.document
        for policy in holder.managed_policies.values()
        for version in policy.versions
        if version.is_default
    ]
    return [json.loads(text) for text in [*holder.policies.values(), *attached]]
