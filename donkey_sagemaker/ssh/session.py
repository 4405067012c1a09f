"""One ssh process, and the program on the host that it talks to."""

import os
import select
import subprocess
import tempfile
from typing import IO, Any, Dict, Mapping, NamedTuple, Tuple, Union, cast

from ..errors import DonkeySagemakerError
from .address import Host
from .boot import SEND, Program
from .errors import HostUnreachable, NoSsh, explain_ssh
from .messages import MAX_LINE_BYTES, SIZE, decode, encode

GREETING_BYTES = 2**16  # that a host may print before the program starts
_OPTIONS = (
    "-T",
    "-oBatchMode=yes",  # a question would never be answered
    "-oConnectTimeout=10",
    "-oServerAliveInterval=10",
    "-oServerAliveCountMax=3",
    "-oClearAllForwardings=yes",
)
_BLOCK_BYTES = 2**16
_END_S = 5.0  # until an ssh process that should end is killed


class SessionLost(Exception):
    """The connection does not work any more. The text says why, without a full stop."""


class SessionClosed(SessionLost):
    """The other side ended it, and ssh knows why."""

    def __init__(self) -> None:
        super().__init__("the connection was closed")


class Answer(NamedTuple):
    fields: Dict[str, Any]
    body: bytes


class Session:
    """
    Args:
        word: starts each line of this session; chosen at random.
        quiet_s: how long the host may leave a request without a sign of life.
    Raises:
        NoSsh
    """

    def __init__(self, host: Host, program: Program, *, word: str, quiet_s: float) -> None:
        self._host = host
        self._word = word
        self._quiet_s = quiet_s
        self._received = bytearray()
        self._printed = tempfile.TemporaryFile()  # a pipe would not end with a shared connection of the user
        remote = program.remote_command(word)
        ssh = [*host.words("ssh")[:-1], *_OPTIONS, "--", host.address, remote]
        try:
            self._process = subprocess.Popen(
                ssh,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._printed,
                bufsize=0,
                start_new_session=True,  # Ctrl-C in the terminal must not cut a request off
            )
        except OSError as error:
            self._printed.close()
            raise NoSsh() from error
        self._in = cast(IO[bytes], self._process.stdin).fileno()
        self._out = cast(IO[bytes], self._process.stdout).fileno()
        os.set_blocking(self._in, False)
        os.set_blocking(self._out, False)
        self._program = program
        self.is_new = True

    def begin(self) -> None:
        """Waits until the program runs there, and sends it first if the host does not have it.

        Raises:
            SessionLost
        """
        start, skipped = self._word.encode("ascii") + b" ", 0
        while True:
            line = self._read_line()
            if line == start + SEND.encode("ascii") + b"\n":
                self._send(self._program.body)
            elif line.startswith(start):
                self._received[:0] = line
                self.is_new = False
                self._read_answer()
                return
            skipped += len(line)
            if skipped > GREETING_BYTES:
                raise SessionLost("another program answers there")

    def ask(self, fields: Mapping[str, Any], body: Union[bytes, bytearray] = b"") -> Answer:
        """Sends a request and waits for its answer. After an exception the session cannot be used any more.

        Raises:
            SessionLost
        """
        self._send(encode(self._word, fields, body))
        self._send(body)
        return self._read_answer()

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._end()

    def explain(self, lost: SessionLost) -> DonkeySagemakerError:
        """Ends the process; what to raise."""
        if isinstance(lost, SessionClosed):
            code, printed = self._end()
            return explain_ssh(self._host, code, printed, str(lost))
        self.close()
        return HostUnreachable(self._host, str(lost))

    def _end(self) -> Tuple[int, str]:
        """(exit code, what ssh or the program there has printed)"""
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()
        try:
            code = self._process.wait(timeout=_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            code = 255
        with self._printed:
            self._printed.seek(0)
            return code, self._printed.read(_BLOCK_BYTES).decode("utf-8", "replace")

    def _read_answer(self) -> Answer:
        try:
            fields = decode(self._word, self._read_line())
        except (ValueError, RecursionError) as error:
            raise SessionLost("the answer is not one of this program") from error
        size = fields.pop(SIZE)
        while len(self._received) < size:
            self._receive()
        body = bytes(self._received[:size])
        del self._received[:size]
        return Answer(fields, body)

    def _read_line(self) -> bytes:
        searched = 0
        while True:
            end = self._received.find(b"\n", searched) + 1
            if end:
                line = bytes(self._received[:end])
                del self._received[:end]
                return line
            searched = len(self._received)
            if searched > MAX_LINE_BYTES:
                raise SessionLost("the answer has no end")
            self._receive()

    def _receive(self) -> None:
        readable, _, _ = select.select([self._out], [], [], self._quiet_s)
        if not readable:
            raise SessionLost(f"no answer for {self._quiet_s:.0f} s")
        block = os.read(self._out, _BLOCK_BYTES)
        if not block:
            raise SessionClosed()
        self._received += block

    def _send(self, data: Union[bytes, bytearray]) -> None:
        rest = memoryview(data)
        while rest:
            _, writable, _ = select.select([], [self._in], [], self._quiet_s)
            if not writable:
                raise SessionLost(f"nothing could be sent for {self._quiet_s:.0f} s")
            try:
                rest = rest[os.write(self._in, rest[:_BLOCK_BYTES]) :]
            except BrokenPipeError as error:
                raise SessionClosed() from error
