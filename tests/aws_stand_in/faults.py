"""Faults that tests ask for, and the speed of the link."""

import threading
import time
from fnmatch import fnmatchcase
from typing import Any, Dict, List, NamedTuple, Optional

from .aws_request import AwsRequest

KINDS = (
    "refuse",  # the connection is reset when the request's headers are in
    "cut_request",  # the connection is reset in the middle of the request's body
    "hang",  # no answer ever comes; nothing was done
    "error",  # an answer with `status`, `code` and `message`; nothing was done
    "lose_response",  # what was asked for is done, the connection is reset instead of an answer
    "cut_response",  # half of the answer's body, then the connection ends
    "corrupt_response",  # one byte of the answer's body is another
)


class Fault(NamedTuple):
    kind: str
    status: int = 500
    code: str = "InternalError"
    message: str = "We encountered an internal error. Please try again."


class Rule:
    """A fault, the requests that it is for, and how many of those it lets pass and strikes."""

    def __init__(
        self,
        *,
        kind: str,
        service: str = "*",
        operation: str = "*",
        path: str = "*",
        skip: int = 0,
        times: Optional[int] = 1,
        **answer: Any,
    ) -> None:
        if kind not in KINDS:
            raise ValueError("no fault is named {}: {}".format(kind, ", ".join(KINDS)))
        self.fault = Fault(kind=kind, **answer)
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
    """The rules in force; the first that strikes counts."""

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
    """One direction of the line, shared by all connections."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free_at = 0.0

    def carry(self, size: int, *, bytes_per_s: Optional[float]) -> None:
        """Takes as long as so many bytes need."""
        if not bytes_per_s:
            return
        with self._lock:
            self._free_at = max(self._free_at, time.monotonic()) + size / bytes_per_s
            wait = self._free_at - time.monotonic()
        time.sleep(max(0.0, wait))
