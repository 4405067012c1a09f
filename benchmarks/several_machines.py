#!/usr/bin/env python3
"""Two workers on two cores against one on both, at the same batch: images per second and losses.

    .environments/dk53/bin/python benchmarks/several_machines.py [--records N] [--epochs N] [--rounds N]
    .environments/dk53/bin/python benchmarks/several_machines.py --paper

Each worker of a pair is a trainer with one core of its own, connected over the loopback; the single one has
both cores. They take turns, and the first epoch, most of which is preparation, does not count. The results
are in docs/several-machines.md. `--paper` measures nothing: it computes what eight machines would reach.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any, Dict, List, NamedTuple

REPO = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(REPO, "tests"), REPO]

from crew import end_crew, make_bases, start_crew  # noqa: E402  (the path has to be set first)
from donkey_sagemaker.cloud.machines import SPEEDS  # noqa: E402

BATCH_SIZE = 128
WORK_GFLOP = 0.25  # to train a linear net on a record of 160x120 pixels once, as in cloud/forecast.py
WEIGHTS_BYTES = 4 * 817_028  # of a linear net for 160x120 pixels, and of its gradients
# Gbit/s: what a type may always use, and what a single connection outside a placement group may use at most
NETWORK = {"ml.m5.xlarge": (1.25, 5.0), "ml.c5.2xlarge": (2.5, 5.0), "ml.g5.xlarge": (2.5, 5.0)}
MACHINES = (1, 2, 4, 8)
CONFIG = "BATCH_SIZE = {batch}\nMAX_EPOCHS = {epochs}\n"


class Trained(NamedTuple):
    """One training."""

    images_per_s: float  # median of its epochs without the first one, training and validation together
    losses: List[float]
    val_losses: List[float]
    seconds: float  # of everything, from start to end


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=2500)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=BATCH_SIZE)
    parser.add_argument("--paper", action="store_true")
    arguments = parser.parse_args()
    if arguments.paper:
        print_paper(arguments.batch)
        return
    with tempfile.TemporaryDirectory(prefix="donkey-bench-") as folder:
        tub = os.path.join(folder, "tub")
        draw = os.path.join(REPO, "demo", "draw_tub.py")
        subprocess.check_call([sys.executable, draw, "--out", tub, "--records", str(arguments.records)])
        trained: Dict[int, List[Trained]] = {1: [], 2: []}
        for number in range(arguments.rounds):
            for count in (1, 2) if number % 2 else (2, 1):
                path = os.path.join(folder, f"{number}-{count}")
                trained[count].append(train(path, tub, count, arguments))
                report(count, trained[count][-1])
        for number, (one, two) in enumerate(zip(trained[1], trained[2]), start=1):
            print(f"round {number}: two workers / one = {two.images_per_s / one.images_per_s:.2f}")
        rates = [statistics.median(each.images_per_s for each in trained[count]) for count in (1, 2)]
        print(f"medians: {rates[0]:.0f} and {rates[1]:.0f} images per second, {rates[1] / rates[0]:.2f}")


def print_paper(batch: int) -> None:
    """A table row for each type: milliseconds for a batch, and the speedup, for each number of machines."""
    for instance_type, networks in NETWORK.items():
        for gbit_s in networks:
            times = [step_s(instance_type, batch=batch, machines=count, gbit_s=gbit_s) for count in MACHINES]
            cells = [f"{1000 * each:.0f} ms, {times[0] / each:.1f}" for each in times]
            print(f"| {instance_type} | {batch} | {gbit_s:g} | {' | '.join(cells)} |")


def step_s(instance_type: str, *, batch: int, machines: int, gbit_s: float) -> float:
    """Seconds for a batch: each machine's part of the work, then a ring all-reduce of the gradients.

    In a ring, each machine sends (and receives) the gradients 2 (n - 1) / n times.
    """
    work_s = batch * WORK_GFLOP / machines / SPEEDS[instance_type]
    sent_bytes = 2 * (machines - 1) / machines * WEIGHTS_BYTES
    return work_s + 8 * sent_bytes / (gbit_s * 1e9)


def train(folder: str, tub: str, count: int, arguments: Any) -> Trained:
    hosts = [f"algo-{number + 1}" for number in range(count)]
    config = CONFIG.format(batch=arguments.batch, epochs=arguments.epochs)
    bases = make_bases(folder, tub, hosts, models=[("pilot.h5", "h5")], config=config)
    started = time.time()
    crew = start_crew(sys.executable, bases, hosts)
    cores = sorted(os.sched_getaffinity(0))
    for number, each in enumerate(crew):
        mine = cores if count == 1 else cores[number::count]
        os.sched_setaffinity(each.process.pid, mine)  # before TensorFlow counts the cores
    codes = end_crew(crew)
    if any(codes):
        raise SystemExit("\n".join(line for each in crew for line in each.lines))
    epochs = crew[0].epochs()
    return Trained(
        statistics.median(each.images / each.seconds for each in epochs[1:]),
        [each.loss for each in epochs],
        [each.val_loss for each in epochs],
        time.time() - started,
    )


def report(count: int, result: Trained) -> None:
    def numbers(values: List[float]) -> str:
        return " ".join(f"{value:.4f}" for value in values)

    print(
        f"{count} worker{'s' * (count > 1)}: {result.images_per_s:.0f} images per second,"
        f" {result.seconds:.0f} s in all, loss {numbers(result.losses)}, val_loss"
        f" {numbers(result.val_losses)}; load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
