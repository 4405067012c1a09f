"""Checks a request against botocore's service model, with AWS's messages."""

from functools import lru_cache
from typing import Any, Dict, Iterator, List

import botocore.session
import regex  # AWS's patterns are Java's; Python's own `re` does not know \\p{L}

from .aws_error import AwsError

# How AWS names the JSON type that it did not expect, and the class that it wanted
JSON_TYPES = {str: "STRING_VALUE", bool: "TRUE_VALUE", int: "NUMBER_VALUE", float: "DECIMAL_VALUE"}
JAVA_TYPES = {"string": "String", "integer": "Integer", "long": "Long", "boolean": "Boolean"}
PYTHON_TYPES: Dict[str, Any] = {
    "structure": dict,
    "map": dict,
    "list": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float),
}


@lru_cache(maxsize=None)
def service_model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def check_input(service: str, operation: str, value: Dict[str, Any], *, code: str) -> None:
    """Raises an AwsError of that code that lists everything the model forbids in an input."""
    shape = service_model(service).operation_model(operation).input_shape
    errors = list(_errors(shape, value, ""))
    if errors:
        many = "{} validation error{} detected: ".format(len(errors), "s" if len(errors) > 1 else "")
        raise AwsError(code, many + "; ".join(errors))


def _errors(shape: Any, value: Any, path: str) -> Iterator[str]:
    _check_type(shape, value)
    kind = shape.type_name
    if kind == "structure":
        yield from _structure_errors(shape, value, path)
        return
    for constraint in _broken(shape, value):
        yield _error(value, path, constraint)
    if kind == "list":
        for position, item in enumerate(value, 1):
            yield from _errors(shape.member, item, f"{path}.{position}.member")
    elif kind == "map":
        for part, shape_of_part, items in (
            ("keys", shape.key, value),
            ("value", shape.value, value.values()),
        ):
            if any(list(_broken(shape_of_part, item)) for item in items):
                rules = ", ".join(_rules(shape_of_part))
                yield _error(value, path, f"Map {part} must satisfy constraint: [{rules}]")


def _structure_errors(shape: Any, value: Dict[str, Any], path: str) -> Iterator[str]:
    for name in value:
        if name not in shape.members:
            # AWS itself would ignore it, and so hide a misspelt name.
            raise AwsError("SerializationException", f"The stand-in knows no {path}.{name}")
    for name in shape.required_members:
        if value.get(name) is None:
            yield _error(None, _join(path, name), "Member must not be null")
    for name, item in value.items():
        if item is not None:
            yield from _errors(shape.members[name], item, _join(path, name))


def _check_type(shape: Any, value: Any) -> None:
    wanted = PYTHON_TYPES[shape.type_name]
    if not isinstance(value, wanted) or (isinstance(value, bool) and shape.type_name != "boolean"):
        raise AwsError(
            "SerializationException",
            "{} can not be converted to {}".format(
                JSON_TYPES.get(type(value), "a structure"),
                "a " + JAVA_TYPES.get(shape.type_name, shape.type_name),
            ),
        )


def _broken(shape: Any, value: Any) -> Iterator[str]:
    """The rules of a shape that one value breaks."""
    for rule, holds in zip(_rules(shape), _tests(shape, value)):
        if not holds:
            yield rule


def _rules(shape: Any) -> List[str]:
    limits = shape.metadata
    what = "value" if shape.type_name in ("integer", "long", "float", "double") else "length"
    rules: List[str] = []
    if "max" in limits:
        rules.append("Member must have {} less than or equal to {}".format(what, limits["max"]))
    if "min" in limits:
        rules.append("Member must have {} greater than or equal to {}".format(what, limits["min"]))
    if "pattern" in limits:
        rules.append("Member must satisfy regular expression pattern: " + limits["pattern"])
    if "enum" in limits:
        rules.append("Member must satisfy enum value set: [{}]".format(", ".join(limits["enum"])))
    return rules


def _tests(shape: Any, value: Any) -> Iterator[bool]:
    """Whether each of `_rules` holds."""
    limits = shape.metadata
    size = value if isinstance(value, (int, float)) else len(value)
    if "max" in limits:
        yield size <= limits["max"]
    if "min" in limits:
        yield size >= limits["min"]
    if "pattern" in limits:
        yield regex.fullmatch(limits["pattern"], value) is not None
    if "enum" in limits:
        yield value in limits["enum"]


def _error(value: Any, path: str, constraint: str) -> str:
    result = "null" if value is None else f"'{value}'"
    return f"Value {result} at '{path}' failed to satisfy constraint: {constraint}"


def _join(path: str, name: str) -> str:
    name = name[0].lower() + name[1:]
    return f"{path}.{name}" if path else name
