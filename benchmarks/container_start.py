#!/usr/bin/env python3
"""How long a training container takes from its start to its first training step, part by part.

    python3 benchmarks/container_start.py dk22 dk54

Builds missing images (tests/container_images.py lists what that needs), runs each on a drawn tub of 1,000
records without a network, and writes benchmarks/CONTAINER_START.md. Leave the machine idle meanwhile.
"""

import argparse
import datetime
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from typing import List

sys.path.insert(1, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(2, os.path.join(sys.path[1], "tests"))

import container_images
import environments
from donkey_sagemaker.atomic import write_text
from machine import describe_machine
from opt_ml_factory import make_opt_ml
from pythons import find_python
from report import make_table
from workbench import HERE, REPO

RESULTS = os.path.join(HERE, "CONTAINER_START.md")
RECORDS = 1000
TARGETS_S = {"dk22": 10.0, "dk50": 15.0, "dk53": 15.0, "dk54": 15.0}
# Each part ends with this text in the trainer's log
PARTS = (
    ("Python, TensorFlow and the devices", "Training on "),
    ("donkeycar, net, pictures and examples", "examples to train"),
    ("compiling and the first step", "First step done"),
)
PAGE = """\
# How fast a training container starts

Measured by `{command}` on {day}:
from the start of the container to the end of the first training step, on {records:,} records of 160x120
without a network. Medians of {rounds} runs after a warm-up run.

{results}

{machine}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures the start of training containers.")
    parser.add_argument("generations", nargs="+", metavar="GENERATION", choices=sorted(TARGETS_S))
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="number of runs (default: 3)")
    arguments = parser.parse_args()
    lines = []
    with tempfile.TemporaryDirectory(prefix="donkey-bench-") as folder:
        tub = os.path.join(folder, "tub")
        draw = os.path.join(REPO, "demo", "draw_tub.py")
        python = find_python(*environments.PICKS)
        subprocess.check_call([python, draw, "--out", tub, "--records", str(RECORDS)])
        for generation in arguments.generations:
            rounds = [
                measure(generation, os.path.join(folder, f"{generation}-{number}"), tub)
                for number in range(arguments.rounds + 1)
            ][1:]  # the first run reads the image's files from the disk
            parts = [statistics.median(times) for times in zip(*rounds)]
            whole = statistics.median(sum(times) for times in rounds)
            target_s = TARGETS_S[generation]
            met = "yes" if whole < target_s else "**no**"
            times = [f"{part:.1f} s" for part in [*parts, whole]]
            lines.append([f"{generation}-cpu", *times, f"under {target_s:.0f} s", met])
    page = PAGE.format(
        command=" ".join(["python3 benchmarks/container_start.py", *sys.argv[1:]]),
        day=f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d}",
        records=RECORDS,
        rounds=arguments.rounds,
        results=make_table(["image", *(name for name, _ in PARTS), "total", "target", "met"], lines),
        machine=make_table(("machine", ""), list(describe_machine({}, repo=REPO).items())),
    )
    print(page)
    write_text(RESULTS, page)


def measure(generation: str, base: str, tub: str) -> List[float]:
    """The seconds that each part of one start takes."""
    model_type, models = (
        ("categorical", [("pilot", "hdf5")]) if generation == "dk22" else ("linear", [("pilot.h5", "h5")])
    )
    make_opt_ml(base, tub, model_type=model_type, models=models, config="BATCH_SIZE = 128\n")
    with container_images.container_of(container_images.build(generation + "-cpu")) as container:
        command = ["unshare", "-n", "buildah", "run", "--isolation", "chroot", "--volume", base + ":/opt/ml"]
        return time_parts(command + [container, "--", "python3", "/opt/donkey/train", "train"])


def time_parts(command: List[str]) -> List[float]:
    times = [time.monotonic()]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    seen = []
    for line in iter(process.stdout.readline, b""):  # type: ignore[union-attr]
        seen.append(line.decode("utf-8", "replace"))
        if PARTS[len(times) - 1][1] in seen[-1]:
            times.append(time.monotonic())
            if len(times) > len(PARTS):
                break
    os.killpg(process.pid, signal.SIGKILL)  # all between us and the trainer
    process.wait()
    if len(times) <= len(PARTS):
        sys.exit("".join(seen))
    return [later - earlier for earlier, later in zip(times, times[1:])]


if __name__ == "__main__":
    main()
