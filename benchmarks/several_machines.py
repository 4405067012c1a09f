#!/usr/bin/env python3
"""Two workers on two cores against one on both, at the same batch: images per second and losses.

    .environments/dk53/bin/python benchmarks/several_machines.py [--records N] [--epochs N] [--rounds N]

Each worker of a pair is a trainer with one core of its own, connected over the loopback; the single one has
both cores. They take turns, and the first epoch, most of which is preparation, does not count. The results
are in docs/several-machines.md.
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

BATCH_SIZE = 128
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
    parser.add_argument("--records", type=int, default=3000)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=BATCH_SIZE)
    arguments = parser.parse_args()
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
