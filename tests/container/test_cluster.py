"""What the machines of a training tell each other, with all of them in this process."""

import contextlib
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from crew import free_ports
from trainer.cluster import (
    ADDRESSES,
    OTHER_LOG,
    MachineMissing,
    MachinesDiffer,
    Place,
    find_place,
    meet,
)

HOSTS = ["algo-1", "algo-2", "algo-3"]
LIMIT_S = 20  # of a test's own waits, far more than they take


class Lost:
    """Takes the cause where a trainer would end."""

    def __init__(self):
        self.cause = None
        self.event = threading.Event()

    def __call__(self, cause):
        assert self.cause is None, "reported twice"
        self.cause = cause
        self.event.set()

    def wait(self):
        assert self.event.wait(LIMIT_S), "nothing was reported"
        return self.cause


class Machines:
    """The crews of several machines, each with what it reports as lost."""

    def __init__(self, hosts=HOSTS, **options):
        self.hosts = hosts
        ports = free_ports(len(hosts))
        self.addresses = {host: f"127.0.0.1:{port}" for host, port in zip(hosts, ports)}
        environ = {ADDRESSES: json.dumps(self.addresses)}
        self.lost = [Lost() for _host in hosts]
        self.pool = ThreadPoolExecutor(len(hosts))
        joins = [
            self.pool.submit(meet, Place(host, hosts), lost, environ=environ, **options)
            for host, lost in zip(hosts, self.lost)
        ]
        self.crews = [join.result(LIMIT_S) for join in joins]

    def each(self, do):
        """What `do` returns on each machine, all at the same time."""
        return [future.result(LIMIT_S) for future in [self.pool.submit(do, crew) for crew in self.crews]]

    def close(self):
        for crew in self.crews:
            crew.close()
        self.pool.shutdown()


@pytest.fixture
def start():
    started = []

    def start_machines(**options):
        started.append(Machines(**options))
        return started[-1]

    yield start_machines
    for machines in started:
        machines.close()


def test_place():
    """The first of the sorted hosts leads; a job of one machine needs nobody."""
    assert find_place(["algo-1"]) is None
    place = find_place(["algo-2", "algo-10", "algo-1"])
    assert (place.rank, place.leader) == (2, "algo-1")


def test_machines_meet(start):
    """Each one learns the addresses of all, and only one leads."""
    machines = start()
    ports = [int(address.partition(":")[2]) + 1 for address in machines.addresses.values()]
    assert [crew.addresses for crew in machines.crews] == [[f"127.0.0.1:{port}" for port in ports]] * 3
    assert [crew.is_leader for crew in machines.crews] == [True, False, False]


def test_exchange(start):
    """All get the leader's content, and learn whether anyone wants to stop."""
    machines = start()
    content = bytes(range(256)) * 10000  # more than fits into a packet
    received = machines.each(lambda crew: crew.broadcast(content if crew.is_leader else b"something else"))
    assert received == [content] * 3
    assert machines.each(lambda crew: crew.any(False)) == [False] * 3
    assert machines.each(lambda crew: crew.any(crew.place.rank == 2)) == [True] * 3


def test_machines_that_differ(start):
    """A machine that starts from something else must not train with the others."""
    machines = start()

    def check(crew):
        try:
            crew.check_same({"epoch": 3, "number of examples": [10, 2 + (crew.place.rank == 1)]})
        except MachinesDiffer as error:
            return error.what
        return None

    assert machines.each(check) == [
        None,
        "algo-2 starts from another number of examples than the machine that leads the training.",
        None,
    ]


def test_cause_of_a_failure_reaches_all(start):
    """Through the leader, whichever machine fails."""
    machines = start()
    machines.crews[1].fail("The disk is full. Buy another one.")
    cause = "algo-2 failed: The disk is full. Buy another one."
    assert [machines.lost[0].wait(), machines.lost[2].wait()] == [cause] * 2
    assert machines.lost[1].cause is None


def test_leader_that_fails(start):
    """Its cause reaches the others as well."""
    machines = start()
    machines.crews[0].fail("No model.")
    assert [lost.wait() for lost in machines.lost[1:]] == ["algo-1 failed: No model."] * 2


def test_killed_machine(start):
    """Its connection ends without a word, which the others report at once."""
    machines = start()
    machines.crews[2]._connections[0]._socket.shutdown(socket.SHUT_RDWR)
    cause = f"algo-3 ended early (the connection was closed). {OTHER_LOG}"
    assert [machines.lost[0].wait(), machines.lost[1].wait()] == [cause] * 2


def test_silent_machine(start):
    """Of a machine that hangs, or whose network is gone, nothing arrives: after a while it counts as lost."""
    machines = start(hosts=HOSTS[:2], silence_s=0.5, beat_s=0.1)
    assert not machines.lost[0].event.wait(1.0)  # in which signs of life arrive
    machines.crews[1]._connections[0]._closed.set()  # so that no more of them are sent
    assert machines.lost[0].wait() == f"algo-2 gave no sign of life for 0 s. {OTHER_LOG}"


def test_machines_that_wait_for_each_other(start):
    """All are there, but what they do together takes too long: then all of them end."""
    machines = start()
    with machines.crews[1].within(LIMIT_S, "find a name"):
        pass  # in time
    with machines.crews[1].within(0.1, "finish a batch"):
        cause = machines.lost[1].wait()
    assert cause == (
        "The machines could not finish a batch within 0 s. In your own VPC, the security group must allow all"
        " traffic between the machines of a job."
    )
    assert [machines.lost[0].wait(), machines.lost[2].wait()] == [f"algo-2 failed: {cause}"] * 2


def test_end(start):
    """The others end when the leader has, and none of them reports anything."""
    machines = start()
    assert machines.each(lambda crew: (crew.part(), crew.end(), crew.close())) == [(None,) * 3] * 3
    assert [lost.cause for lost in machines.lost] == [None] * 3


def test_lost_machine_is_not_missed_after_the_training(start):
    """While the leader writes the model, it needs nobody."""
    machines = start()
    machines.crews[0].part()
    machines.crews[1]._connections[0]._socket.shutdown(socket.SHUT_RDWR)
    machines.crews[0]._connections[0].wait_for_end(LIMIT_S)
    assert machines.lost[0].cause is None


def test_missing_machine():
    """The error names it."""
    (port,) = free_ports(1)
    environ = {ADDRESSES: json.dumps(dict.fromkeys(HOSTS[:2], f"127.0.0.1:{port}"))}
    for here, missing in (HOSTS[:2], HOSTS[1::-1]):
        with pytest.raises(MachineMissing) as error:
            meet(Place(here, HOSTS[:2]), Lost(), environ=environ, meet_s=0.6)
        assert error.value.what.startswith(f"{missing} did not join the training within 1 s.")


@pytest.mark.parametrize(
    "content",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"H\0\0\0\0\xff\xff\xff\xff",
        b"H" + (2).to_bytes(8, "big") + b"{}",
        b"H" + (31).to_bytes(8, "big") + b'{"host": "algo-9", "port": 1}  ',
    ],
)
def test_stranger(content):
    """Somebody else who connects is turned away, and the machines still meet."""
    hosts = HOSTS[:2]
    ports = free_ports(2)
    environ = {ADDRESSES: json.dumps({host: f"127.0.0.1:{port}" for host, port in zip(hosts, ports)})}
    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(meet, Place(hosts[0], hosts), Lost(), environ=environ, meet_s=LIMIT_S)
        deadline = time.time() + LIMIT_S
        while True:
            try:
                stranger = socket.create_connection(("127.0.0.1", ports[0]), timeout=1)
                break
            except OSError:
                assert time.time() < deadline
                time.sleep(0.01)
        with stranger:
            with contextlib.suppress(OSError):  # it may have been turned away already
                stranger.sendall(content)
                stranger.shutdown(socket.SHUT_WR)
            other = pool.submit(meet, Place(hosts[1], hosts), Lost(), environ=environ, meet_s=LIMIT_S)
            crews = [leader.result(LIMIT_S), other.result(LIMIT_S)]
    assert len(crews[0].addresses) == 2
    for crew in crews:
        crew.close()
