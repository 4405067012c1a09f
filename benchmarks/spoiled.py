#!/usr/bin/env python3
"""Trains models on spoiled tubs, before and after `sagemaker-tubs --delete`, and drives them on drawn tracks.

For each seed, a tub is drawn and spoiled as owners do: the car leaves the track and gets stuck again and
again, is carried and stands still, commands are wrong for some seconds, the stick jitters, the camera
freezes, a hand covers the lens. A copy of it loses what the review finds. donkeycar's own `train` then makes
a linear model of each, and a third one of the drive without the faults. All drive the tub's track in a room
that it does not show, in both directions, with kicks; how often they leave it is printed and, with --write,
written into docs/data.md. Programs run in the donkeycar environment dk53 that tests/environments.py builds,
or in a folder of ready environments that DONKEY_ENVIRONMENTS names.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from typing import Any, Dict, List, Sequence

import numpy as np

sys.path.insert(1, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(2, os.path.join(sys.path[1], "container"))
sys.path.insert(3, os.path.join(sys.path[1], "tests"))

from donkey_sagemaker.atomic import write_json
from donkey_sagemaker.review.kinds import KINDS
from donkey_sagemaker.tubs.files import FolderFiles
from donkey_sagemaker.tubs.reader import read_tub
from machine import describe_machine
from planted import PLANTS, draw_shots
from pythons import find_python
from quality import read_versions, run
from report import make_table, write_block
from shots import Shot

# isort: split
import driver  # of the demo, which shots.py makes importable
from tub_writer import write_v2

HERE = os.path.dirname(os.path.abspath(__file__))
REPO = os.path.dirname(HERE)
PAGE = os.path.join(REPO, "docs", "data.md")
BEGIN, END = "<!-- `benchmarks/spoiled.py` writes from here -->\n", "<!-- to there -->\n"
ENVIRONMENT = "dk53"
FIRST_SEED = 30000
WIDTH, HEIGHT = 84, 64  # of the pictures; donkeycar's linear net needs 61 rows
SPOILED = (
    *("contradictory",) * 3,
    *("jitter", "frozen", "covered", "backwards", "still", "still"),
    *("stuck",) * 8,
    *("carried",) * 3,
)
SIDES = ("spoiled", "after --delete", "without the faults")
DELETED = [kind.replace(" ", "-") for kind, row in KINDS.items() if row.deletable and kind != "autopilot"]
COLUMNS = [
    ("cam/image_array", "image_array"),
    ("user/angle", "float"),
    ("user/throttle", "float"),
    ("user/mode", "str"),
]
START_MS = 1767225600000
LAPS = 2.0
LATENCY = 1  # frames
KICK_EVERY = 50  # frames


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=8, help="number of seeds (default 8)")
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED, help=f"default {FIRST_SEED}")
    parser.add_argument(
        "--records", type=int, default=1600, help="of the drive without faults (default 1600)"
    )
    parser.add_argument("--epochs", type=int, default=12, help="epochs of each training (default 12)")
    parser.add_argument("--keep", metavar="FILE", help="file of finished seeds, from which to continue")
    parser.add_argument("--write", action="store_true", help="write the table into docs/data.md")
    options = parser.parse_args()
    finished: Dict[str, Any] = {}
    if options.keep and os.path.exists(options.keep):
        with open(options.keep) as file:
            finished = json.load(file)
    machine = describe_machine(read_versions(find_python(ENVIRONMENT)), repo=REPO)
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    for seed in seeds:
        if str(seed) not in finished:
            with tempfile.TemporaryDirectory(prefix="donkey-spoiled-") as folder:
                finished[str(seed)] = measure(seed, os.path.realpath(folder), options)
            print(seed, json.dumps(finished[str(seed)]), flush=True)
            if options.keep:
                write_json(options.keep, finished)
    block = make_block([finished[str(seed)] for seed in seeds], machine, options)
    print(block)
    if options.write:
        write_block(PAGE, block, begin=BEGIN, end=END)
        print("Written to " + PAGE)
    return 0


def measure(seed: int, folder: str, options: argparse.Namespace) -> Dict[str, Any]:
    """What the models of one seed drove, and how much of the tub was spoiled and deleted.

    Raises:
        CommandFailed
    """
    python = find_python(ENVIRONMENT)
    car = os.path.join(folder, "car")
    run([python, os.path.join(os.path.dirname(python), "donkey"), "createcar", "--path", car], cwd=folder)
    with open(os.path.join(car, "myconfig.py"), "a") as file:
        file.write(
            f"\nIMAGE_W = {WIDTH}\nIMAGE_H = {HEIGHT}\nMAX_EPOCHS = {options.epochs}\n"
            f"EARLY_STOP_PATIENCE = {options.epochs}\nBATCH_SIZE = 32\nSHOW_PLOT = False\n"
        )
    shots = draw_shots(seed, (), records=options.records, size=(WIDTH, HEIGHT))
    clean, spoiled = shots, shots
    rng = np.random.RandomState(seed)
    for kind in SPOILED:
        spoiled = PLANTS[kind](spoiled, rng)
    tubs = [os.path.join(car, name) for name in ("spoiled", "deleted", "clean")]
    write_tub(tubs[0], spoiled)
    write_tub(tubs[2], clean)
    shutil.copytree(tubs[0], tubs[1])
    delete = ["--tub", tubs[1], "--delete", ",".join(DELETED), "--yes"]
    run([python, "-m", "donkey_sagemaker", "tubs", *delete], cwd=car)
    deleted = read_tub(FolderFiles(tubs[1]), name="tub").deleted_indexes
    task = {
        "seed": seed,
        "car": car,
        "tubs": tubs,
        "max_speed_m_s": driver.MAX_SPEED_M_S,
        "camera": shots[0].view.camera._asdict(),
        "laps": LAPS,
        "latency": LATENCY,
        "kick_every": KICK_EVERY,
        "result": os.path.join(folder, "result.json"),
    }
    write_json(os.path.join(folder, "task.json"), task)
    run([python, os.path.join(HERE, "spoiled_side.py"), os.path.join(folder, "task.json")], cwd=car)
    with open(os.path.join(folder, "result.json")) as file:
        driven = dict(zip(SIDES, json.load(file)))
    bad = {number for number, shot in enumerate(spoiled) if shot.fault}
    return {
        "records": len(spoiled),
        "bad": len(bad),
        "deleted": len(deleted),
        "both": len(bad & set(deleted)),
        "driven": driven,
    }


def write_tub(path: str, shots: Sequence[Shot]) -> None:
    repeated: Dict[Any, np.ndarray] = {}
    records = []
    for number, shot in enumerate(shots):
        picture = repeated.get(shot.repeats) if shot.repeats is not None else None
        if picture is None:
            picture = shot.view.picture(shot.place)
            picture = shot.effect(picture) if shot.effect else picture
            if shot.repeats is not None:
                repeated[shot.repeats] = picture
        records.append(
            {
                "cam/image_array": picture,
                "user/angle": float(shot.angle),
                "user/throttle": float(shot.throttle),
                "user/mode": shot.mode,
                "_timestamp_ms": START_MS + 50 * number,
            }
        )
    write_v2(path, columns=COLUMNS, sessions=[records], start_ms=START_MS, day="26-01-01")


def make_block(
    results: Sequence[Dict[str, Any]], machine: Dict[str, str], options: argparse.Namespace
) -> str:
    """The tables, as Markdown."""
    rows: List[Sequence[str]] = []
    for side in SIDES:
        driven = [each["driven"][side] for each in results]
        metres = sum(each["metres"] for each in driven)
        times_off = [each["times_off"] for each in driven]
        rates = [100 * each["times_off"] / max(each["metres"], 1.0) for each in driven]
        rows.append(
            (
                side,
                f"{statistics.mean(rates):.1f}"
                + (f" ± {statistics.stdev(rates):.1f}" if len(rates) > 1 else ""),
                ", ".join(map(str, times_off)),
                f"{metres:.0f} m",
            )
        )
    total = {name: sum(each[name] for each in results) for name in ("records", "bad", "deleted", "both")}
    return "\n".join(
        [
            f"Seeds {options.first_seed} to {options.first_seed + len(results) - 1}, each of "
            f"{options.records:,} good records and {options.epochs} epochs. "
            f"In all, {total['bad']:,} of {total['records']:,} records are spoiled; "
            f"`--delete` marked {total['deleted']:,}, of which {total['both']:,} are spoiled.",
            "",
            make_table(("trained on the tub", "times off per 100 m", "times off, each seed", "driven"), rows),
            "",
            make_table(("machine", ""), list(machine.items())),
            "",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
