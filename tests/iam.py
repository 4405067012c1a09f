"""What IAM policies allow: statements with patterns, variables and the conditions that this project uses."""

import re
from typing import Any, Dict, List, Mapping, Optional, Set

Context = Mapping[str, str]  # condition keys and variables of a request, as "aws:username"

_VARIABLE = re.compile(r"\$\{([^}]+)\}")


def is_allowed(policy: Dict[str, Any], action: str, resource: str, context: Optional[Context] = None) -> bool:
    return decide([policy], action, resource, context or {})


def is_allowed_service(
    policy: Dict[str, Any], service: str, action: str, resource: str, context: Context
) -> bool:
    """Whether the policy of a resource lets an AWS service do that."""
    statements = [
        each
        for each in policy["Statement"]
        if isinstance(each["Principal"], dict) and service in as_list(each["Principal"].get("Service", []))
    ]
    return is_allowed(dict(policy, Statement=statements), action, resource, context)


def decide(policies: List[Dict[str, Any]], action: str, resource: str, context: Context) -> bool:
    """Whether one of several policies allows it, and none denies it."""
    effects = {
        statement["Effect"]
        for policy in policies
        for statement in policy["Statement"]
        if _applies(statement, action, resource, context)
    }
    return effects == {"Allow"}


def is_denied(policy: Dict[str, Any], action: str, resource: str, context: Context) -> bool:
    """Whether the policy says so itself."""
    return any(
        statement["Effect"] == "Deny" and _applies(statement, action, resource, context)
        for statement in policy["Statement"]
    )


def _applies(statement: Dict[str, Any], action: str, resource: str, context: Context) -> bool:
    return (
        any(_matches(pattern, action, context) for pattern in as_list(statement["Action"]))
        and any(_matches(pattern, resource, context) for pattern in as_list(statement["Resource"]))
        and all(
            _holds(operator, key, [str(value) for value in as_list(values)], context)
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
    )


def _holds(operator: str, key: str, values: List[str], context: Context) -> bool:
    """A key that the request does not have satisfies no operator but Null."""
    if operator == "Null":
        return (key not in context) == (values == ["true"])
    found = context.get(key)
    if operator == "StringLike":
        return found is not None and any(_matches(value, found, context) for value in values)
    if operator in ("StringEquals", "ArnEquals", "Bool"):
        return found is not None and found in [_fill(value, context) for value in values]
    raise ValueError("an operator that is not known here: " + operator)


def _matches(pattern: str, text: str, context: Context) -> bool:
    """Only * and ? are special. A pattern with a variable that the request does not have matches nothing."""
    expression, end = "", 0
    for variable in _VARIABLE.finditer(pattern):
        if variable.group(1) not in context:
            return False
        expression += _translate(pattern[end : variable.start()]) + re.escape(context[variable.group(1)])
        end = variable.end()
    return re.fullmatch(expression + _translate(pattern[end:]), text, re.DOTALL) is not None


def _fill(value: str, context: Context) -> Optional[str]:
    """With the values of its variables; None if the request does not have one of them."""
    names = _VARIABLE.findall(value)
    if any(name not in context for name in names):
        return None
    return _VARIABLE.sub(lambda variable: context[variable.group(1)], value)


def _translate(pattern: str) -> str:
    return re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")


def actions_of(policy: Dict[str, Any]) -> Set[str]:
    return {action for statement in policy["Statement"] for action in as_list(statement["Action"])}


def as_list(value: Any) -> List[Any]:
    return value if isinstance(value, list) else [value]
