#!/usr/bin/env python3
"""Measures this project against `donkey train`, `zip` and bare Python, and writes benchmarks/RESULTS.md.

Needs any Python from 3.8 on; what is measured runs in the donkeycar environment that tests/environments.py
picks and builds (DONKEY_ENVIRONMENTS names a folder of ready ones). It works in a temporary folder (TMPDIR),
which it removes. Let nothing else run meanwhile.
"""

import argparse
import datetime
import os
import shlex
import signal
import sys
import tempfile
from typing import Callable, Dict, List

sys.path.insert(1, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(2, os.path.join(sys.path[1], "container"))
sys.path.insert(3, os.path.join(sys.path[1], "tests"))

import old_car
import packing
import startup
import training
import upload
from report import MIB, Details, Measured, Row, describe_machine, make_page
from tubs import REAL_TUB, NotV2, count_bytes, make_tub, read_v2
from workbench import HERE, REPO, CommandFailed, Workbench

import environments
from donkey_sagemaker.durable import write_text
from donkey_sagemaker.errors import DonkeySagemakerError

RESULTS = os.path.join(HERE, "RESULTS.md")
ENVIRONMENTS = {"car": environments.PICKS, "old car": ("dk22",), "aws": ("aws",), "awscli": ("awscli",)}


def main() -> int:
    arguments = parse_arguments()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that all is cleaned up
    pythons = {name: find_python(*names) for name, names in ENVIRONMENTS.items()}
    began = datetime.datetime.now(datetime.timezone.utc)
    with tempfile.TemporaryDirectory(prefix="donkey-bench-") as folder:
        try:
            page = measure(arguments, pythons=pythons, folder=os.path.realpath(folder), began=began)
        except (CommandFailed, NotV2, DonkeySagemakerError) as error:
            print(error, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("Interrupted: {} is as it was.".format(RESULTS), file=sys.stderr)
            return 130
    print(page)
    if arguments.quick:
        print("Not written: --quick is for trying the benchmark, its numbers say little.")
    else:
        write_text(RESULTS, page)
        print("Written to " + RESULTS)
    return 0


def measure(
    arguments: argparse.Namespace, *, pythons: Dict[str, str], folder: str, began: datetime.datetime
) -> str:
    """All measurements, as the text of RESULTS.md."""
    bench = Workbench(pythons["car"], folder)
    machine = describe_machine(bench.versions, repo=REPO)
    tub = os.path.abspath(arguments.tub) if arguments.tub else make_tub(bench)
    machine["tub"] = describe_tub(tub, given=bool(arguments.tub))
    # To measure more, add a function here that returns its rows.
    measurements: Dict[str, Callable[[], Measured]] = {
        "training": lambda: training.measure(bench, tub=tub, epochs=arguments.epochs, seeds=arguments.seeds),
        "an old car": lambda: old_car.measure(
            bench, old_python=pythons["old car"], epochs=1 if arguments.quick else old_car.EPOCHS
        ),
        "packing": lambda: packing.measure(bench, tub=tub, rounds=1 if arguments.quick else 3),
        "upload": lambda: upload.measure(
            bench,
            tub=tub,
            rounds=1 if arguments.quick else 3,
            stand_in_python=pythons["aws"],
            aws_command=os.path.join(os.path.dirname(pythons["awscli"]), "aws"),
        ),
        "startup": lambda: startup.measure(bench, rounds=3 if arguments.quick else 11),
    }
    rows: List[Row] = []
    details: List[Details] = []
    for name, run in measurements.items():
        print("Measuring {} ...".format(name), file=sys.stderr, flush=True)
        measured = run()
        rows += measured.rows
        details += measured.details
    return make_page(
        Measured(rows, details),
        command=" ".join(["python3 benchmarks/run.py"] + [shlex.quote(word) for word in sys.argv[1:]]),
        machine=machine,
        began=began,
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="one seed, one epoch, few rounds, nothing written"
    )
    parser.add_argument("--epochs", type=int, metavar="N", help="of each training (default: 5)")
    parser.add_argument("--seeds", metavar="A,B,C", help="one training of each side a seed (default: 1,2,3)")
    parser.add_argument("--tub", metavar="PATH", help="a v2 tub (default: a real one, or else a drawn one)")
    arguments = parser.parse_args()
    if arguments.epochs is None:
        arguments.epochs = 1 if arguments.quick else 5
    if arguments.epochs < 1:
        parser.error("--epochs is {}, and a training has at least one".format(arguments.epochs))
    seeds = arguments.seeds or ("1" if arguments.quick else "1,2,3")
    try:
        arguments.seeds = [int(seed) for seed in seeds.split(",")]
    except ValueError:
        parser.error("--seeds is {}, not whole numbers with commas between them".format(seeds))
    return arguments


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
