#!/usr/bin/env python3
"""Measures this project against donkeycar, `zip`, AWS's tools and bare Python; writes benchmarks/RESULTS.md.

Needs any Python from 3.8 on; what is measured runs in the donkeycar environment that tests/environments.py
picks and builds (DONKEY_ENVIRONMENTS names a folder of ready ones). It works in a temporary folder (TMPDIR),
which it removes. Let nothing else run meanwhile.
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

import feeding
import gpu
import growth
import kernels
import old_car
import packing
import startup
import training
import upload
from report import MIB, Measured, Run, describe_machine, load_runs, make_page, save_run
from training import TASKS
from tubs import REAL_TUB, NotV2, count_bytes, make_tub, read_v2
from workbench import HERE, REPO, CommandFailed, Workbench

import environments
from donkey_sagemaker.atomic import write_text
from donkey_sagemaker.errors import DonkeySagemakerError

ROUNDS = 5  # of each side, in turns
ENVIRONMENTS = {"car": environments.PICKS, "old car": ("dk22",), "aws": ("aws",), "awscli": ("awscli",)}
GPU_ENVIRONMENT = ("dk54",)  # the newest TensorFlow knows the newest GPUs


class Suite(NamedTuple):
    """What `make bench` measures, or what --gpu does."""

    page: str  # its name
    runs: str  # folder of all its last runs
    title: str
    environments: Dict[str, Tuple[str, ...]]


ON_THE_CPU = Suite("RESULTS.md", "results", "Benchmarks", ENVIRONMENTS)
ON_A_GPU = Suite("GPU.md", "results-gpu", "Benchmarks on a GPU", {"car": GPU_ENVIRONMENT})


def main() -> int:
    arguments = parse_arguments()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that all is cleaned up
    suite = ON_A_GPU if arguments.gpu else ON_THE_CPU
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
        print(make_page(runs, title=suite.title))
        print("Not written: --quick is for trying the benchmark, its numbers say little.")
    else:
        page = make_page(load_runs(os.path.join(HERE, suite.runs)), title=suite.title)
        path = os.path.join(HERE, suite.page)
        print(page)
        write_text(path, page)
        print("Written to " + path)
    return 0


def measure(
    arguments: argparse.Namespace, suite: Suite, *, pythons: Dict[str, str], folder: str
) -> List[Run]:
    """The measurements that were asked for; each is kept as soon as it is done."""
    bench = Workbench(pythons["car"], folder)
    tub = os.path.abspath(arguments.tub) if arguments.tub else make_tub(bench)
    if suite is ON_A_GPU:
        measurements = gpu.measurements(bench, tub=tub, quick=arguments.quick)
    else:
        measurements = cpu_measurements(bench, pythons, tub=tub, quick=arguments.quick)
    unknown = set(arguments.only) - set(measurements)
    if unknown:
        sys.exit("--only takes {}, not {}".format(", ".join(measurements), ", ".join(sorted(unknown))))
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
    """All of them by name. To measure more, add a function here that returns its rows."""
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
        "feeding": lambda: feeding.measure(bench, rounds=rounds),
        "old-car": lambda: old_car.measure(
            bench,
            old_python=pythons["old car"],
            epochs=1 if quick else old_car.EPOCHS,
            seeds=old_car.SEEDS[:1] if quick else old_car.SEEDS,
        ),
        "growth": lambda: growth.measure(
            bench, tub=tub, records=growth.RECORDS[:1] if quick else growth.RECORDS
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
        "--gpu", action="store_true", help="training on this machine's NVIDIA GPU instead; writes GPU.md"
    )
    parser.add_argument("--quick", action="store_true", help="one round of little, nothing written")
    parser.add_argument(
        "--only",
        metavar="A,B",
        type=lambda text: text.split(","),
        default=[],
        help="these measurements, for all take hours; the others' last runs stay",
    )
    parser.add_argument("--tub", metavar="PATH", help="a v2 tub (default: a real one, or else a drawn one)")
    return parser.parse_args()


def find_python(*names: str) -> str:
    """The python of the first of these environments that there is in DONKEY_ENVIRONMENTS, or built here."""
    ready = os.environ.get("DONKEY_ENVIRONMENTS")
    if ready:
        pythons = [os.path.join(os.path.abspath(ready), name, "bin", "python") for name in names]
        for python in pythons:
            if os.access(python, os.X_OK):
                return python
        sys.exit("DONKEY_ENVIRONMENTS: there is neither " + " nor ".join(pythons))
    name = environments.pick() if names == environments.PICKS else names[0]
    environments.build(name, environments.find_python(name))
    return os.path.join(environments.ENVIRONMENTS, name, "bin", "python")


def describe_tub(path: str, *, given: bool) -> str:
    source = "given" if given else "recorded by a real car" if os.path.isfile(REAL_TUB) else "drawn"
    return f"{len(read_v2(path).records):,} records, {count_bytes(path) / MIB:.0f} MiB, {source}"


if __name__ == "__main__":
    sys.exit(main())
