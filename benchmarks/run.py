#!/usr/bin/env python3
"""Compares this project with donkeycar, `zip`, AWS's tools and bare Python, and writes benchmarks/RESULTS.md.

Needs Python 3.8 or later. The measured programs run in the donkeycar environment that tests/environments.py
picks and builds, or in a folder of ready environments that DONKEY_ENVIRONMENTS names. Everything happens in a
temporary folder (TMPDIR), which is removed at the end. Leave the machine idle meanwhile.
"""

import argparse
import datetime
import functools
import os
import shlex
import signal
import sys
import tempfile
from typing import Callable, Dict, List, NamedTuple, Tuple

sys.path.insert(1, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(2, os.path.join(sys.path[1], "container"))
sys.path.insert(3, os.path.join(sys.path[1], "tests"))

import environments
import feeding
import gpu
import growth
import kernels
import old_car
import packing
import startup
import steps
import streaming
import training
import upload
from donkey_sagemaker.atomic import write_text
from donkey_sagemaker.errors import DonkeySagemakerError
from machine import describe_machine
from pythons import find_python
from report import MIB, Measured, Run, load_runs, make_page, save_run
from training import TASKS
from tubs import REAL_TUB, NotV2, count_bytes, make_tub, read_v2
from workbench import HERE, REPO, CommandFailed, Workbench

ROUNDS = 5  # of each side, in turn
ENVIRONMENTS = {"car": environments.PICKS, "old car": ("dk22",), "aws": ("aws",), "awscli": ("awscli",)}
GPU_ENVIRONMENT = ("dk54",)  # the newest TensorFlow knows the newest GPUs


class Suite(NamedTuple):
    """The measurements on one page."""

    page: str  # its file name
    runs: str  # folder of the latest run of each measurement
    title: str
    command: str  # that writes the page
    environments: Dict[str, Tuple[str, ...]]


ON_THE_CPU = Suite("RESULTS.md", "results", "Benchmarks", "python3 benchmarks/run.py", ENVIRONMENTS)
ON_A_GPU = Suite(
    "GPU.md",
    "results-gpu",
    "Benchmarks on a GPU",
    "python3 benchmarks/run.py --gpu",
    {"car": GPU_ENVIRONMENT},
)


def main() -> int:
    arguments = parse_arguments()
    suite = ON_A_GPU if arguments.gpu else ON_THE_CPU
    if arguments.page:
        write_page(suite)
        return 0
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # leaves through the cleanup
    pythons = {name: find_python(*names) for name, names in suite.environments.items()}
    with tempfile.TemporaryDirectory(prefix="donkey-bench-") as folder:
        try:
            runs = measure(arguments, suite, pythons=pythons, folder=os.path.realpath(folder))
        except (CommandFailed, NotV2, DonkeySagemakerError) as error:
            print(error, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("Interrupted.", file=sys.stderr)
            return 130
    if arguments.quick:
        print(make_page(runs, title=suite.title, command=suite.command, folder=suite.runs))
        print("Nothing was written: --quick only tries the benchmark out, and its numbers mean little.")
    else:
        print(write_page(suite))
    return 0


def write_page(suite: Suite) -> str:
    """Writes and returns the page of the latest runs."""
    runs = load_runs(os.path.join(HERE, suite.runs))
    page = make_page(runs, title=suite.title, command=suite.command, folder=suite.runs)
    write_text(os.path.join(HERE, suite.page), page)
    return page


def measure(
    arguments: argparse.Namespace, suite: Suite, *, pythons: Dict[str, str], folder: str
) -> List[Run]:
    """Runs the chosen measurements and saves each as soon as it is done."""
    bench = Workbench(pythons["car"], folder)
    tub = os.path.abspath(arguments.tub) if arguments.tub else make_tub(bench)
    if suite is ON_A_GPU:
        measurements = gpu.measurements(bench, tub=tub, quick=arguments.quick)
    else:
        measurements = cpu_measurements(bench, pythons, tub=tub, quick=arguments.quick)
    unknown = set(arguments.only) - set(measurements)
    if unknown:
        sys.exit(f"--only takes {', '.join(measurements)}, not {', '.join(sorted(unknown))}.")
    runs = []
    for name in arguments.only or measurements:
        print(f"Measuring {name} ...", file=sys.stderr, flush=True)
        began = datetime.datetime.now(datetime.timezone.utc)
        machine = describe_machine(bench.versions, repo=REPO)
        machine["tub"] = describe_tub(tub, given=bool(arguments.tub))
        run = Run(
            name=name,
            began=f"{began:%Y-%m-%d %H:%M} UTC",
            command=" ".join(["python3 benchmarks/run.py"] + [shlex.quote(word) for word in sys.argv[1:]]),
            machine=machine,
            measured=measurements[name](),
        )
        runs.append(run)
        if not arguments.quick:
            save_run(run, os.path.join(HERE, suite.runs))
    return runs


def cpu_measurements(
    bench: Workbench, pythons: Dict[str, str], *, tub: str, quick: bool
) -> Dict[str, Callable[[], Measured]]:
    """The measurements by name. To add one, add its function here and its place in report.ORDER."""
    rounds = 1 if quick else ROUNDS
    measured: Dict[str, Callable[[], Measured]] = {
        "packing": lambda: packing.measure(bench, tub=tub, rounds=rounds),
        "startup": lambda: startup.measure(bench, rounds=3 if quick else 11),
        "upload": lambda: upload.measure(
            bench,
            tub=tub,
            rounds=rounds,
            stand_in_python=pythons["aws"],
            aws_command=os.path.join(os.path.dirname(pythons["awscli"]), "aws"),
        ),
        "steps": lambda: steps.measure(
            bench, types=steps.MAIN[:1] if quick else steps.TYPES, rounds=2 if quick else steps.ROUNDS
        ),
        "feeding": lambda: feeding.measure(bench, rounds=rounds),
        "feeding-robust": lambda: feeding.measure_robust(bench, rounds=rounds),
        "old-car": lambda: old_car.measure(
            bench,
            old_python=pythons["old car"],
            epochs=1 if quick else old_car.EPOCHS,
            seeds=old_car.SEEDS[:1] if quick else old_car.SEEDS,
        ),
        "growth": lambda: growth.measure(
            bench, tub=tub, records=growth.RECORDS[:1] if quick else growth.RECORDS
        ),
        "streaming": lambda: streaming.measure(
            bench,
            tub=tub,
            records=(1000, 2000) if quick else streaming.RECORDS,
            rounds=rounds,
            steps=6 if quick else streaming.STEPS,
        ),
        "kernels": lambda: kernels.measure(
            bench,
            TASKS["linear"]._replace(records=300 if quick else kernels.RECORDS),
            kernels.ON_A_CPU,
            tub=tub,
            seeds=range(1, rounds + 1),
        ),
    }
    for name, task in TASKS.items():
        if quick:
            task = task._replace(records=300, epochs=1, seeds=1)
        measured["training-" + name] = functools.partial(
            training.measure, bench, task, tub=tub, seeds=range(1, task.seeds + 1)
        )
    return measured


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--gpu", action="store_true", help="measure training on this machine's NVIDIA GPU and write GPU.md"
    )
    parser.add_argument(
        "--page", action="store_true", help="write the page from the saved results, without measuring"
    )
    parser.add_argument("--quick", action="store_true", help="run one short round and write nothing")
    parser.add_argument(
        "--only",
        metavar="A,B",
        type=lambda text: text.split(","),
        default=[],
        help="run only these measurements (all of them take hours) and keep the others' latest runs",
    )
    parser.add_argument(
        "--tub", metavar="PATH", help="a v2 tub (default: a real one if there is one, otherwise a drawn one)"
    )
    return parser.parse_args()


def describe_tub(path: str, *, given: bool) -> str:
    source = "given" if given else "recorded by a real car" if os.path.isfile(REAL_TUB) else "drawn"
    return f"{len(read_v2(path).records):,} records, {count_bytes(path) / MIB:.0f} MiB, {source}"


if __name__ == "__main__":
    sys.exit(main())
