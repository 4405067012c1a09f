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
from typing import Callable, Dict, List

sys.path.insert(1, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(2, os.path.join(sys.path[1], "container"))
sys.path.insert(3, os.path.join(sys.path[1], "tests"))

import feeding
import growth
import kernels
import old_car
import packing
import startup
import training
import upload
from report import MIB, Measured, Run, describe_machine, load_runs, make_page, save_run
from tubs import REAL_TUB, NotV2, count_bytes, make_tub, read_v2
from workbench import HERE, REPO, CommandFailed, Workbench

import environments
from donkey_sagemaker.durable import write_text
from donkey_sagemaker.errors import DonkeySagemakerError

RESULTS = os.path.join(HERE, "RESULTS.md")
RUNS = os.path.join(HERE, "results")
ROUNDS = 5  # of each side, in turns
ENVIRONMENTS = {"car": environments.PICKS, "old car": ("dk22",), "aws": ("aws",), "awscli": ("awscli",)}


def main() -> int:
    arguments = parse_arguments()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that all is cleaned up
    pythons = {name: find_python(*names) for name, names in ENVIRONMENTS.items()}
    with tempfile.TemporaryDirectory(prefix="donkey-bench-") as folder:
        try:
            runs = measure(arguments, pythons=pythons, folder=os.path.realpath(folder))
        except (CommandFailed, NotV2, DonkeySagemakerError) as error:
            print(error, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("Interrupted.", file=sys.stderr)
            return 130
    if arguments.quick:
        print(make_page(runs))
        print("Not written: --quick is for trying the benchmark, its numbers say little.")
    else:
        page = make_page(load_runs(RUNS))
        print(page)
        write_text(RESULTS, page)
        print("Written to " + RESULTS)
    return 0


def measure(arguments: argparse.Namespace, *, pythons: Dict[str, str], folder: str) -> List[Run]:
    """The measurements that were asked for; each is kept as soon as it is done."""
    bench = Workbench(pythons["car"], folder)
    tub = os.path.abspath(arguments.tub) if arguments.tub else make_tub(bench)
    rounds = 1 if arguments.quick else ROUNDS
    # To measure more, add a function here that returns its rows.
    measurements: Dict[str, Callable[[], Measured]] = {
        "packing": lambda: packing.measure(bench, tub=tub, rounds=rounds),
        "startup": lambda: startup.measure(bench, rounds=3 if arguments.quick else 11),
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
            epochs=1 if arguments.quick else old_car.EPOCHS,
            seeds=old_car.SEEDS[:1] if arguments.quick else old_car.SEEDS,
        ),
        "growth": lambda: growth.measure(
            bench, tub=tub, records=growth.RECORDS[:1] if arguments.quick else growth.RECORDS
        ),
        "kernels": lambda: kernels.measure(
            bench, tub=tub, seeds=range(1, rounds + 1), records=300 if arguments.quick else kernels.RECORDS
        ),
    }
    for name, task in training.TASKS.items():
        if arguments.quick:
            task = task._replace(records=300, epochs=1)
        measurements["training-" + name] = functools.partial(
            training.measure, bench, task, tub=tub, seeds=range(1, rounds + 1)
        )
    unknown = set(arguments.only) - set(measurements)
    if unknown:
        sys.exit("--only takes {}, not {}".format(", ".join(measurements), ", ".join(sorted(unknown))))
    runs = []
    for name in arguments.only or measurements:
        print("Measuring {} ...".format(name), file=sys.stderr, flush=True)
        began = datetime.datetime.now(datetime.timezone.utc)
        machine = describe_machine(bench.versions, repo=REPO)
        machine["tub"] = describe_tub(tub, given=bool(arguments.tub))
        run = Run(
            name=name,
            began="{:%Y-%m-%d %H:%M} UTC".format(began),
            command=" ".join(["python3 benchmarks/run.py"] + [shlex.quote(word) for word in sys.argv[1:]]),
            machine=machine,
            measured=measurements[name](),
        )
        runs.append(run)
        if not arguments.quick:
            save_run(run, RUNS)
    return runs


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
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
    return "{:,} records, {:.0f} MiB, {}".format(len(read_v2(path).records), count_bytes(path) / MIB, source)


if __name__ == "__main__":
    sys.exit(main())
