#!/usr/bin/env python3
"""How long a training container takes from its start to its first training step, part by part.

    python3 benchmarks/container_start.py dk22 dk54

Builds the images where they are not there yet (tests/container_images.py tells what that needs), runs each
on a drawn tub of 1,000 records without a network, and writes benchmarks/CONTAINER_START.md. Let nothing else
run meanwhile.
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

from report import describe_machine, make_table
from workbench import HERE, REPO

import container_images
from donkey_sagemaker.atomic import write_text
from opt_ml_factory import make_opt_ml
from run import ENVIRONMENTS, find_python

RESULTS = os.path.join(HERE, "CONTAINER_START.md")
RECORDS = 1000
TARGETS_S = {"dk22": 10.0, "dk50": 15.0, "dk53": 15.0, "dk54": 15.0}
# What ends each part, in the trainer's own lines
PARTS = (
    ("Python, TensorFlow and the devices", "Training on "),
    ("donkeycar, the net, the pictures and the examples", "examples to train"),
    ("compiling and the first step", "First step done"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures the start of training containers.")
    parser.add_argument("generations", nargs="+", metavar="GENERATION", choices=sorted(TARGETS_S))
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="medians of so many (default: 3)")
    arguments = parser.parse_args()
    head = ["image"] + [name for name, _ in PARTS] + ["all", "target"]
    lines = []
    with tempfile.TemporaryDirectory(prefix="donkey-bench-") as folder:
        tub = os.path.join(folder, "tub")
        draw = os.path.join(REPO, "demo", "draw_tub.py")
        python = find_python(*ENVIRONMENTS["car"])
        subprocess.check_call([python, draw, "--out", tub, "--records", str(RECORDS)])
        for generation in arguments.generations:
            rounds = [
                measure(generation, os.path.join(folder, f"{generation}-{number}"), tub)
                for number in range(arguments.rounds + 1)
            ][1:]  # the first one reads the image's files from the disk
            parts = [statistics.median(times) for times in zip(*rounds)]
            whole = statistics.median(sum(times) for times in rounds)
            target = "under {:.0f} s: {}".format(
                TARGETS_S[generation], "yes" if whole < TARGETS_S[generation] else "**no**"
            )
            lines.append([generation + "-cpu"] + [f"{part:.1f} s" for part in parts + [whole]] + [target])
    page = "# Start of a training container\n\nWritten by `{}` on {:%Y-%m-%d}.\n\n{}\n\n{}\n".format(
        "python3 benchmarks/container_start.py " + " ".join(sys.argv[1:]),
        datetime.datetime.now(datetime.timezone.utc),
        make_table(("machine", ""), list(describe_machine({}, repo=REPO).items())),
        make_table(head, lines),
    )
    page += (
        f"\nFrom the start of the container to the end of the first training step, on {RECORDS:,} records of "
        f"160x120,\nmedians of {arguments.rounds} after one that is not counted. No network.\n"
    )
    print(page)
    write_text(RESULTS, page)


def measure(generation: str, base: str, tub: str) -> List[float]:
    """Seconds of each part of one start."""
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
