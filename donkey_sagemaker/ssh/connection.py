"""The connection to a host: opened when it is needed, and again when it was lost."""

import random
import threading
import time
import uuid
from typing import Any, Callable, NamedTuple, Optional, Sequence, Tuple, Union

from ..cloud.errors import Unreachable
from .address import Host
from .boot import Program, build_program
from .errors import HostFailed, clean
from .session import Answer, Session, SessionLost


class Timing(NamedTuple):
    """How long to wait for the host, in seconds."""

    quiet_s: float = 60.0  # for a sign of life after a request
    # Pauses between two tries. Whoever watches a job asks again anyway; an upload has only these.
    pauses_s: Tuple[float, ...] = (0.5, 1.0, 2.0, 4.0, 8.0)
    transfer_pauses_s: Tuple[float, ...] = (0.5, 1.0, 2.0, 4.0, 8.0) + (15.0,) * 4 + (30.0,) * 60


DEFAULT_TIMING = Timing()
# Until the host has answered once, it is more likely switched off or misspelled than lost.
_FIRST_TRIES = 2


class Refusal(Exception):
    """The program on the host could not do what it was asked for.

    Attributes:
        kind: one of those in host.py.
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text


class Connection:
    """
    Args:
        timing: DEFAULT_TIMING if None.
    """

    def __init__(
        self, host: Host, *, timing: Optional[Timing] = None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.host = host
        self.timing = timing or DEFAULT_TIMING
        self._has_answered = False
        self._sleep = sleep
        self._lock = threading.RLock()  # shards are uploaded by several threads
        self._session: Optional[Session] = None
        self._program: Optional[Program] = None

    @property
    def program(self) -> Program:
        with self._lock:
            if self._program is None:
                self._program = build_program()
            return self._program

    def ask(self, verb: str, *, body: Union[bytes, bytearray] = b"", **fields: Any) -> Answer:
        """Sends a request, again after each of `timing.pauses_s` while the host cannot be reached.

        Raises:
            Refusal, Unreachable, CloudRefused
        """
        return self.retry(lambda: self.ask_once(verb, body=body, **fields), pauses_s=self.timing.pauses_s)

    def retry(self, step: Callable[[], Any], *, pauses_s: Sequence[float]) -> Any:
        """Runs a step until it does not raise Unreachable or the pauses are used up."""
        for number, pause_s in enumerate(pauses_s):
            try:
                return step()
            except Unreachable:
                if number >= _FIRST_TRIES and not self._has_answered:
                    raise
                # A random part of it, so that the cars of a class do not all come back at the same moment
                self._sleep(pause_s * random.uniform(0.5, 1.0))
        return step()

    def ask_once(self, verb: str, *, body: Union[bytes, bytearray] = b"", **fields: Any) -> Answer:
        """Sends a request once, over the connection that is open or a new one.

        Raises:
            Refusal, Unreachable, CloudRefused
        """
        with self._lock:
            session = self._session or Session(
                self.host, self.program, word=uuid.uuid4().hex, quiet_s=self.timing.quiet_s
            )
            self._session = None  # an interrupt in the middle of an answer leaves nothing to go on with
            try:
                if session.is_new:
                    session.begin()
                    self._has_answered = True
                answer = session.ask(dict(fields, verb=verb), body)
            except SessionLost as lost:
                raise session.explain(lost) from lost
            except BaseException:
                session.close()
                raise
            self._session = session
        error = answer.fields.get("error")
        if error is None:
            return answer
        kind, text = str(error), clean(answer.fields.get("text"))
        if kind == "Failed":
            raise HostFailed(self.host, text)
        raise Refusal(kind, text)

    def close(self) -> None:
        with self._lock:
            if self._session is not None:
                self._session.close()
            self._session = None
