"""A request as it arrives; botocore's service models give its service and operation."""

import re
from functools import lru_cache
from typing import Any, Dict, List, NamedTuple, Optional, Set, Tuple
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

import botocore.session

_CREDENTIAL = re.compile(r"Credential=([^/]+)/(\d+)/([^/]+)/([^/]+)/aws4_request")


class AwsRequest(NamedTuple):
    method: str
    target: str  # path and query as they stand in the request line
    headers: Any  # email.message.Message: names in any case
    service: str  # by its signing name, as "servicequotas"; "" for a request that is not signed
    region: str
    access_key: str
    operation: str
    bucket: str = ""
    key: str = ""
    body: bytes = b""

    @property
    def path(self) -> str:
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> Dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))


def read_head(method: str, target: str, headers: Any) -> AwsRequest:
    """What is known before the body has arrived; STS and IAM name their operation only in the body."""
    match = _CREDENTIAL.search(headers.get("Authorization", ""))
    access_key, _, region, service = match.groups() if match else ("", "", "", "")
    bucket = key = ""
    operation = headers.get("X-Amz-Target", "").rsplit(".", 1)[-1]
    if service == "batch":
        operation = _batch_operations().get(urlsplit(target).path, "")
    if service == "s3":
        bucket, _, key = unquote(urlsplit(target).path)[1:].partition("/")
        operation = _s3_operation(method, bool(bucket) + bool(key), target, headers)
    return AwsRequest(method, target, headers, service, region, access_key, operation, bucket, key)


def with_body(request: AwsRequest, body: bytes) -> AwsRequest:
    operation = request.operation
    if not operation and request.headers.get("Content-Type", "").startswith(
        "application/x-www-form-urlencoded"
    ):
        operation = parse_qs(body.decode()).get("Action", [""])[0]
    return request._replace(operation=operation, body=body)


@lru_cache(maxsize=None)
def _batch_operations() -> Dict[str, str]:
    """Batch's operations by the paths of their requests."""
    model = botocore.session.get_session().get_service_model("batch")
    return {model.operation_model(name).http["requestUri"]: name for name in model.operation_names}


class _Route(NamedTuple):
    """The features of the requests of one S3 operation."""

    operation: str
    method: str
    names: int  # 0: the service itself, 1: a bucket, 2: a key in one
    marks: Set[Tuple[str, Optional[str]]]  # query parameters and headers, with the value where it is fixed


def _s3_operation(method: str, names: int, target: str, headers: Any) -> str:
    given: Set[Tuple[str, Optional[str]]] = set()
    for name, value in parse_qsl(urlsplit(target).query, keep_blank_values=True):
        given |= {(name, value), (name, None)}
    given |= {(name.lower(), None) for name in headers.keys()}
    fits = [
        route
        for route in _s3_routes()
        if route.method == method and route.names == names and route.marks <= given
    ]
    return max(fits, key=lambda route: len(route.marks)).operation if fits else ""


@lru_cache(maxsize=None)
def _s3_routes() -> List[_Route]:
    model = botocore.session.get_session().get_service_model("s3")
    routes: List[_Route] = []
    for name in model.operation_names:
        operation = model.operation_model(name)
        if operation.deprecated:
            continue
        uri = urlsplit(operation.http["requestUri"])
        marks: Set[Tuple[str, Optional[str]]] = {
            (key, value or None) for key, value in parse_qsl(uri.query, keep_blank_values=True)
        }
        shape = operation.input_shape
        for member in shape.required_members if shape else []:
            place = shape.members[member].serialization
            if place.get("location") in ("querystring", "header"):
                marks.add((place["name"].lower() if place["location"] == "header" else place["name"], None))
        names = [part for part in uri.path.split("/") if part]
        routes.append(_Route(name, operation.http["method"], len(names), marks))
    return routes
