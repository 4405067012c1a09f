"""The queues of a host: what they print, and the order in which cars take turns."""

import itertools

import pytest

from donkey_sagemaker.ssh.queues import (
    Entry,
    make_label,
    overtaken,
    parse_slurm_list,
    parse_spooler_list,
    slurm_options,
)

A, B, C = ("a" * 12, "b" * 12, "c" * 12)

SPOOLER = f"""\
ID   State      Output               E-Level  Times(r/u/s)   Command [run=1/1]
3    queued     stdout                                       [donkey-{A}-donkey-x-1]sh -c echo "[x] y"
7    queued     (file)                                       make [donkey]
2    running    stdout                                       [donkey-{B}-donkey-y-1]python3 x
0    finished   stdout               0        0.09/0.00/0.00 [donkey-{A}-donkey-old-1]python3 x
"""
SLURM = f"""\
12 R donkey-{A}-donkey-x-1
15 PD a job of somebody else
14 PD donkey-{B}-donkey-y-1
11 CG donkey-{C}-donkey-z-1
"""


def test_what_task_spooler_lists():
    """Jobs that have not ended, in their order; others than ours take a turn as well."""
    assert parse_spooler_list(SPOOLER) == [
        Entry("2", make_label(B, "donkey-y-1"), True),
        Entry("3", make_label(A, "donkey-x-1"), False),
        Entry("7", "", False),
    ]


def test_what_slurm_lists():
    """The same of squeue."""
    assert parse_slurm_list(SLURM) == [
        Entry("12", make_label(A, "donkey-x-1"), True),
        Entry("11", make_label(C, "donkey-z-1"), True),
        Entry("15", "a job of somebody else", False),
        Entry("14", make_label(B, "donkey-y-1"), False),
    ]


def turns(arrivals, *, running=""):
    """The cars of the queue after these have come, by their first letters."""
    ids = itertools.count()
    now = [_entry(next(ids), car, True) for car in running]
    queue = []
    for car in arrivals:
        new = _entry(next(ids), car, False)
        queue.append(new)
        for other in overtaken(new, waiting=queue, running=now) if new.car else ():
            place = queue.index(new)
            assert queue[place - 1] is other, "task-spooler swaps neighbours"
            queue[place - 1 : place + 1] = [new, other]
    return "".join(entry.car[:1] or "?" for entry in queue)


def _entry(number, car, is_running):
    return Entry(str(number), make_label(car * 12, f"donkey-{number}") if car != "?" else "", is_running)


@pytest.mark.parametrize(
    "arrivals, running, order",
    [
        ("abc", "", "abc"),
        ("aaab", "", "abaa"),
        ("aabb", "", "abab"),
        ("aaabbbccc", "", "abcabcabc"),
        ("ab", "a", "ba"),  # the one that runs counts
        ("a?ab", "", "a?ba"),  # no job of another program is moved
        ("aa?b", "", "aa?b"),
    ],
)
def test_cars_take_turns(arrivals, running, order):
    """No car's second job comes before another one's first, and first come is first served otherwise."""
    assert turns(arrivals, running=running) == order


@pytest.mark.parametrize(
    "nodes, cores, gpus",
    [
        ("2 (null)\n", 2, False),
        ("64 (null)\n64 (null)\n", 8, False),
        ("16 gpu:4\n", 4, True),
        ("12 gpu:rtx4090:1(S:0-1)\n4 (null)\n", 8, True),  # only a node with a GPU trains
        ("96+ gpu:a100:8,gpu:t4:8\n", 6, True),
        ("1 gpu:2\n", 1, True),
    ],
)
def test_what_a_job_takes_of_a_cluster(nodes, cores, gpus):
    """A GPU and its share of the node's cores, or up to eight cores."""
    options = slurm_options("donkey-x", nodes, limit_s=3600, others=2)
    assert f"--cpus-per-task={cores}" in options
    assert ("--gres=gpu:1" in options) is gpus
    assert "--time=75" in options and "--nice=200" in options and "--requeue" in options
