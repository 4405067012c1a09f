"""One row of the error table: which requests it is about, and the error that they become. Pure."""

import time
from typing import Any, Callable, Dict, NamedTuple

from ..cloud.partitions import find_partition
from ..errors import DonkeySagemakerError
from .errors import FailedRequest

ANY = ".*"
ATTACH = "`python manage.py sagemaker-train --attach`"
AGAIN = "then run the command again: it continues where it stopped."


class Row(NamedTuple):
    """Operation and code must match as a whole, the text in any part; its named groups go into `matched`."""

    operation: str
    code: str
    text: str
    make: Callable[[FailedRequest], DonkeySagemakerError]


def says(kind: Callable[[str, str], DonkeySagemakerError], what: str, fix: str) -> Callable[..., Any]:
    """Makes an error of that class from two templates, whose fields are those of `_fields`."""

    def make(request: FailedRequest) -> DonkeySagemakerError:
        fields = _fields(request)
        return kind(what.format(**fields), fix.format(**fields))

    return make


def _fields(request: FailedRequest) -> Dict[str, Any]:
    return dict(
        request.matched,
        code=request.code,
        text=request.text,
        operation=request.operation,
        region=request.region,
        console=find_partition(request.region).console_url(request.region, "").rstrip("/"),
        name=request.name,
        bucket=request.bucket,
        image=request.matched.get("image") or request.name,
        now=time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(request.local_time)),
        of_profile=f"of the profile {request.profile}" if request.profile else "of this machine",
        in_profile=f"in the profile {request.profile}" if request.profile else "on this machine",
        ca_bundle=request.ca_bundle or "the file that ca_bundle in ~/.aws/config names",
        option=f" --profile {request.profile}" if request.profile else "",
    )
