"""The machines of one training: they meet, decide the same, and end together.

TensorFlow moves the gradients from machine to machine, but a machine whose partner is gone may wait for it
forever, and nobody learns why it went. So each machine also keeps a connection to the first one of the job's
sorted hosts, which leads the training. Over it they compare what they start from, agree on when to stop, and
learn within SILENCE_S that one of them has ended, and why.

What arrives are numbers and JSON of a limited size, never code. On AWS, only the machines of the same job
reach these ports, unless the owner's own VPC allows more.
"""

import contextlib
import json
import os
import queue
import socket
import struct
import threading
import time
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple

from donkey_sagemaker.errors import JobFailed
from donkey_sagemaker.untrusted_json import parse_json

from .log import log

PORT = 7788  # of the leader; TensorFlow uses the next one, on every machine
ADDRESSES = "DONKEY_SAGEMAKER_ADDRESSES"  # in place of DNS, for several trainers on one machine

MEET_S = 900.0  # machines of a job start minutes apart, as each one downloads image and data by itself
BEAT_S = 5.0  # between two signs of life
SILENCE_S = 60.0  # without a sign of life, after which a machine counts as lost
_HELLO_S = 10.0
_LEAVE_S = 10.0
_RETRY_S = 0.5

_MOST_BYTES = 2**31  # of a message: a checkpoint is the largest
_MOST_HELLO_BYTES = 4096
_HEADER = struct.Struct(">cQ")
_HELLO, _BEAT, _PART, _RESULT, _FAILED, _DONE = (b"H", b"B", b"P", b"R", b"F", b"D")

OTHER_LOG = "The log of that machine shows more. Start the training again."


class MachineMissing(JobFailed):
    def __init__(self, hosts: List[str], seconds: float) -> None:
        super().__init__(
            f"{', '.join(hosts)} did not join the training within {seconds:.0f} s.",
            "Start the training again. In your own VPC, the security group must allow all traffic between the"
            " machines of a job.",
        )


class MachinesDiffer(JobFailed):
    def __init__(self, host: str, name: str) -> None:
        super().__init__(
            f"{host} starts from another {name} than the machine that leads the training.",
            "Start the training again.",
        )


class Place(NamedTuple):
    """This machine among those of the job."""

    here: str
    hosts: List[str]  # sorted; the first one leads

    @property
    def rank(self) -> int:
        return self.hosts.index(self.here)

    @property
    def leader(self) -> str:
        return self.hosts[0]


class _Broken(Exception):
    """A connection has ended or does not follow the protocol; the text says which."""


class _Connection:
    """Messages to and from one machine. Signs of life are sent and read on threads of their own."""

    def __init__(self, connected: socket.socket, host: str, *, silence_s: float, beat_s: float) -> None:
        self.host = host
        self._socket = connected
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(silence_s)
        self._silence_s = silence_s
        self._beat_s = beat_s
        self._sending = threading.Lock()
        self._closed = threading.Event()
        self.messages: "queue.Queue[bytes]" = queue.Queue()

    def start(self, on_end: Callable[["_Connection", bytes, str], None]) -> None:
        """
        Args:
            on_end: called once, with _DONE, with _FAILED and the cause, or with b"" and what is broken.
        """
        self._reader = threading.Thread(target=self._read, args=(on_end,), daemon=True)
        self._reader.start()
        threading.Thread(target=self._beat, daemon=True).start()

    def send(self, kind: bytes, payload: bytes = b"") -> None:
        """Raises OSError if the connection is broken; its reader then reports that as well."""
        with self._sending:
            self._socket.sendall(_HEADER.pack(kind, len(payload)) + payload)

    def wait_for_end(self, seconds: float) -> None:
        """Until the other side has closed it, or for so long."""
        self._reader.join(seconds)

    def close(self) -> None:
        self._closed.set()
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the other side was faster
        self._socket.close()

    def _read(self, on_end: Callable[["_Connection", bytes, str], None]) -> None:
        try:
            while True:
                kind, payload = receive(self._socket, most_bytes=_MOST_BYTES)
                if kind in (_DONE, _FAILED):
                    on_end(self, kind, payload.decode("utf-8", "replace"))
                    return
                if kind in (_PART, _RESULT):
                    self.messages.put(payload)
        except socket.timeout:
            on_end(self, b"", f"gave no sign of life for {self._silence_s:.0f} s")
        except (OSError, _Broken) as error:
            if not self._closed.is_set():
                on_end(self, b"", f"ended early ({error or type(error).__name__})")

    def _beat(self) -> None:
        try:
            while not self._closed.wait(self._beat_s):
                self.send(_BEAT)
        except OSError:
            pass  # the reader notices


def receive(connected: socket.socket, *, most_bytes: int) -> Tuple[bytes, bytes]:
    """The kind and the content of the next message.

    Raises:
        _Broken, OSError
    """
    kind, size = _HEADER.unpack(_receive_bytes(connected, _HEADER.size))
    if size > most_bytes:
        raise _Broken(f"a message of {size} bytes")
    return kind, _receive_bytes(connected, size)


def _receive_bytes(connected: socket.socket, size: int) -> bytes:
    parts = []
    while size:
        part = connected.recv(min(size, 1 << 20))
        if not part:
            raise _Broken("the connection was closed")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


class Crew:
    """The machines of a training of which none can go on without the others.

    Attributes:
        addresses: "address:port" of TensorFlow on each of the hosts, in their order.
    """

    def __init__(self, place: Place, connections: List[_Connection], on_lost: Callable[[str], None]) -> None:
        self.place = place
        self.addresses: List[str] = []
        self._connections = connections  # the leader has one to each other machine, they have one to it
        self._on_lost = on_lost
        self._ended = threading.Event()  # nobody is waited for any more
        self._done = threading.Event()
        for connection in connections:
            connection.start(self._on_end)

    @property
    def is_leader(self) -> bool:
        return self.place.rank == 0

    def exchange(self, part: bytes, combine: Callable[[List[bytes]], bytes]) -> bytes:
        """Gives every machine what the leader makes of all machines' parts. Each one must call it.

        Args:
            combine: makes one of the parts, which are in the order of the hosts.
        """
        if not self.is_leader:
            self._send(self._connections[0], _PART, part)
            return self._connections[0].messages.get()
        result = combine([part] + [connection.messages.get() for connection in self._connections])
        for connection in self._connections:
            self._send(connection, _RESULT, result)
        return result

    def broadcast(self, content: bytes) -> bytes:
        """What the leader passes, on every machine."""
        return self.exchange(content if self.is_leader else b"", lambda parts: parts[0])

    def any(self, flag: bool) -> bool:
        """Whether any of the machines passes True."""
        return self.exchange(b"1" if flag else b"0", max) == b"1"

    def check_same(self, facts: Mapping[str, Any]) -> None:
        """
        Args:
            facts: JSON values by the words for them.
        Raises:
            MachinesDiffer: the leader has others, and no good model could come of that.
        """
        expected = json.loads(self.broadcast(json.dumps(dict(facts)).encode("utf-8")).decode("utf-8"))
        for name, value in facts.items():
            if value != expected.get(name):
                raise MachinesDiffer(self.place.here, name)

    @contextlib.contextmanager
    def within(self, seconds: float, what: str) -> Iterator[None]:
        """Ends the training on all machines if the block takes longer, for which no machine need be lost.

        Args:
            what: the block does, to go on from "could not".
        """
        cause = (
            f"The machines could not {what} within {seconds:.0f} s. In your own VPC, the security group must"
            " allow all traffic between the machines of a job."
        )
        timer = threading.Timer(seconds, self._give_up, [cause])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _give_up(self, cause: str) -> None:
        if not self._ended.is_set():
            self.fail(cause)
            self._on_lost(cause)

    def part(self) -> None:
        """The net is trained: from here on the leader no longer needs the others."""
        if self.is_leader:
            self._ended.set()

    def end(self) -> None:
        """Lets the others end as soon as the leader has ended well. They wait for that here."""
        if self.is_leader:
            self._ended.set()
            for connection in self._connections:
                try:
                    connection.send(_DONE)
                except OSError:
                    pass  # it is not needed
            for connection in self._connections:
                connection.wait_for_end(_LEAVE_S)  # TensorFlow there complains if this machine goes first
        else:
            self._done.wait()

    def fail(self, cause: str) -> None:
        """Lets the others know why this machine ends."""
        self._ended.set()
        self._report(f"{self.place.here} failed: {cause}")

    def close(self) -> None:
        self._ended.set()
        for connection in self._connections:
            connection.close()

    def _send(self, connection: _Connection, kind: bytes, payload: bytes) -> None:
        try:
            connection.send(kind, payload)
        except OSError as error:
            self._on_end(connection, b"", f"ended early ({error})")

    def _on_end(self, connection: _Connection, kind: bytes, text: str) -> None:
        if kind == _DONE:
            self._ended.set()
            self._done.set()
            return
        if self._ended.is_set():
            return
        self._ended.set()
        cause = text if kind == _FAILED else f"{connection.host} {text}. {OTHER_LOG}"
        if self.is_leader:
            self._report(cause)
        self._on_lost(cause)

    def _report(self, cause: str) -> None:
        for connection in self._connections:
            try:
                connection.send(_FAILED, cause.encode("utf-8"))
            except OSError:
                pass  # it has ended, too


def find_place(hosts: List[str]) -> Optional[Place]:
    """This machine's place; None if the job has only one machine.

    Args:
        hosts: the job's machines, this one first.
    """
    return Place(hosts[0], sorted(hosts)) if len(hosts) > 1 else None


def meet(
    place: Place,
    on_lost: Callable[[str], None],
    *,
    environ: Mapping[str, str] = os.environ,
    meet_s: float = MEET_S,
    silence_s: float = SILENCE_S,
    beat_s: float = BEAT_S,
) -> Crew:
    """Connects this machine with the others of the job.

    Args:
        on_lost: called once, on another thread, with the cause, if a machine is lost that is still needed.
        environ: ADDRESSES in it has {host: "address:port"} as JSON.
    Raises:
        MachineMissing
    """
    known = json.loads(environ.get(ADDRESSES, "{}"))
    address, port = _split(known.get(place.leader, f"{place.leader}:{PORT}"))
    own_port = _split(known.get(place.here, f"{place.here}:{PORT}"))[1] + 1
    deadline = time.time() + meet_s
    log(f"{place.here} is machine {place.rank + 1} of {len(place.hosts)}; {place.leader} leads")
    if place.rank == 0:
        sockets, addresses = _accept_all(place, port, deadline=deadline, meet_s=meet_s)
        addresses[place.here] = f"{sockets[place.hosts[1]].getsockname()[0]}:{own_port}"
    else:
        sockets = {place.leader: _connect(place, address, port, deadline=deadline, meet_s=meet_s)}
        sockets[place.leader].sendall(_hello(place.here, own_port))
        addresses = {}
    connections = [
        _Connection(sockets[host], host, silence_s=silence_s, beat_s=beat_s)
        for host in place.hosts
        if host in sockets
    ]
    crew = Crew(place, connections, on_lost)
    table = crew.broadcast(json.dumps([addresses.get(host) for host in place.hosts]).encode("utf-8"))
    crew.addresses = [str(each) for each in parse_json(table)]
    return crew


def _hello(host: str, port: int) -> bytes:
    content = json.dumps({"host": host, "port": port}).encode("utf-8")
    return _HEADER.pack(_HELLO, len(content)) + content


def _split(address: str) -> Tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)


def _connect(place: Place, address: str, port: int, *, deadline: float, meet_s: float) -> socket.socket:
    while time.time() < deadline:
        try:
            return socket.create_connection((address, port), timeout=_HELLO_S)
        except OSError:  # its name is not known yet, or it has not started
            time.sleep(_RETRY_S)
    raise MachineMissing([place.leader], meet_s)


def _accept_all(
    place: Place, port: int, *, deadline: float, meet_s: float
) -> Tuple[Dict[str, socket.socket], Dict[str, str]]:
    """The connections to all other machines, and the addresses at which TensorFlow finds them."""
    sockets: Dict[str, socket.socket] = {}
    addresses: Dict[str, str] = {}
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("", port))
        server.listen(len(place.hosts))
        while len(sockets) < len(place.hosts) - 1:
            server.settimeout(max(0.001, deadline - time.time()))
            try:
                connected, (address, _) = server.accept()
            except socket.timeout:
                missing = [host for host in place.hosts[1:] if host not in sockets]
                raise MachineMissing(missing, meet_s) from None
            try:
                connected.settimeout(_HELLO_S)
                kind, content = receive(connected, most_bytes=_MOST_HELLO_BYTES)
                hello = parse_json(content)
                host, own_port = hello["host"], int(hello["port"])
                if kind != _HELLO or host not in place.hosts[1:] or host in sockets:
                    raise ValueError(host)
            except (OSError, _Broken, ValueError, KeyError, TypeError):
                connected.close()  # not a machine of this job
                continue
            sockets[host], addresses[host] = connected, f"{address}:{own_port}"
    finally:
        server.close()
    return sockets, addresses
