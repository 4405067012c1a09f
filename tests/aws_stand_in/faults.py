"""Faults on demand, and the speed of the network."""

import threading
import time
from fnmatch import fnmatchcase
from typing import Any, Dict, List, NamedTuple, Optional

from .aws_request import AwsRequest

KINDS = (
    "refuse",  # the connection is reset after the request's headers
    "cut_request",  # the connection is reset in the middle of the request's body
    "hang",  # there is never a response; nothing is done
    "error",  # an answer with `status`, `code` and `message`; nothing is done
    "foreign",  # another server answers with `status`, the content type `code` and the body `message`
    "lose_response",  # the request is carried out, but the connection is reset
    "cut_response",  # half of the response's body, then the connection ends
    "corrupt_response",  # one byte of the response's body is changed
)


class Fault(NamedTuple):
    kind: str
    status: int = 500
    code: str = "InternalError"
    message: str = "We encountered an internal error. Please try again."


class Rule:
    """A fault, the requests that match it, and how many of them pass first and are then disturbed."""

    def __init__(
        self,
        *,
        kind: str,
        service: str = "*",
        operation: str = "*",
        path: str = "*",
        skip: int = 0,
        times: Optional[int] = 1,
        **response: Any,
    ) -> None:
        if kind not in KINDS:
            raise ValueError("no fault is named {}: {}".format(kind, ", ".join(KINDS)))
        self.fault = Fault(kind=kind, **response)
        self.patterns = (service, operation, path)
        self.skip = skip
        self.left = times

    def strikes(self, request: AwsRequest) -> bool:
        names = (request.service, request.operation, request.path)
        if self.left == 0 or not all(map(fnmatchcase, names, self.patterns)):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.left is not None:
            self.left -= 1
        return True


class Faults:
    """The current rules; the first that applies counts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: List[Rule] = []

    def add(self, rule: Dict[str, Any]) -> None:
        with self._lock:
            self._rules.append(Rule(**rule))

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()

    def find(self, request: AwsRequest) -> Optional[Fault]:
        with self._lock:
            return next((rule.fault for rule in self._rules if rule.strikes(request)), None)


class Link:
    """One direction of the network, shared by all connections."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free_at = 0.0

    def carry(self, size: int, *, bytes_per_s: Optional[float]) -> None:
        """Waits for as long as that many bytes need."""
        if not bytes_per_s:
            return
        with self._lock:
            self._free_at = max(self._free_at, time.monotonic()) + size / bytes_per_s
            wait = self._free_at - time.monotonic()
        time.sleep(max(0.0, wait))
