#!/usr/bin/env python3
"""What picks the epoch that drives best: a loss on single frames or whole stretches, or the proof of driving?

For docs/driving.md. A tub is drawn for each seed, as in benchmarks/driving.py, and one net trained on it. The
net drives unseen tracks with the weights of the epochs that are picked. No time is measured.
"""

import argparse
import json
import os
import sys
import tempfile
from typing import Any, Dict

sys.path.insert(1, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(2, os.path.join(sys.path[1], "container"))
sys.path.insert(3, os.path.join(sys.path[1], "tests"))

from donkey_sagemaker.atomic import write_json
from driving import (
    ENVIRONMENT,
    KICK_EVERY,
    LAPS,
    PAGE,
    describe,
    draw_tub,
    make_courses,
    rate,
    read_finished,
)
from machine import describe_machine
from pythons import find_python
from quality import read_versions, run
from report import make_table, write_block
from workbench import HERE, REPO, CommandFailed

KEPT = os.path.join(HERE, "choosing.json")
PICKERS = {
    "loss": lambda candidates: candidates[0],
    "proof": lambda candidates: min(candidates, key=lambda each: rate(each["proof"])),
    "truth": lambda candidates: min(candidates, key=lambda each: rate(each["driven"])),
}
BEGIN, END = "<!-- `python3 benchmarks/choosing.py` writes from here -->\n", "<!-- to here, choosing -->\n"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=10, help="number of tubs (default 10)")
    parser.add_argument("--records", type=int, default=2400, help="records of each tub (default 2400)")
    parser.add_argument("--recipe", default="donkeycar", help="of the trainings (default donkeycar)")
    parser.add_argument("--epochs", type=int, default=20, help="epochs of each training (default 20)")
    parser.add_argument("--batch-size", type=int, default=32, help="examples of each step (default 32)")
    parser.add_argument(
        "--keep",
        metavar="FILE",
        default=KEPT,
        help="of finished seeds, to continue from (default %(default)s)",
    )
    options = parser.parse_args()
    finished = read_finished(options.keep)
    machine = describe_machine(read_versions(find_python(ENVIRONMENT)), repo=REPO)
    with tempfile.TemporaryDirectory(prefix="donkey-choosing-") as folder:
        try:
            for seed in range(1, options.seeds + 1):
                if str(seed) not in finished:
                    work = os.path.join(os.path.realpath(folder), str(seed))
                    finished[str(seed)] = measure(seed, work, options)
                    print(seed, json.dumps(finished[str(seed)]), flush=True)
                    write_json(options.keep, finished)
        except CommandFailed as error:
            print(error, file=sys.stderr)
            return 1
    block = make_block(finished, machine, options)
    write_block(PAGE, block, begin=BEGIN, end=END)
    print(block + "\nWritten to " + PAGE)
    return 0


def measure(seed: int, folder: str, options: argparse.Namespace) -> Dict[str, Any]:
    """By way of validating: the candidates of choosing_side.py, best loss first.

    Raises:
        CommandFailed
    """
    os.makedirs(folder)
    tub = os.path.join(folder, "tub")
    surface, camera = draw_tub(tub, seed=seed, records=options.records)
    task = {
        "tub": tub,
        "seed": seed,
        "surface": surface,
        "camera": camera,
        "courses": make_courses(),
        "laps": LAPS,
        "kick_every": KICK_EVERY,
        "recipe": options.recipe,
        "epochs": options.epochs,
        "batch_size": options.batch_size,
        "result": os.path.join(folder, "result.json"),
    }
    path = os.path.join(folder, "task.json")
    write_json(path, task)
    run([find_python(ENVIRONMENT), os.path.join(HERE, "choosing_side.py"), path], cwd=folder)
    with open(task["result"]) as file:
        results: Dict[str, Any] = json.load(file)
    return results


def make_block(finished: Dict[str, Any], machine: Dict[str, str], options: argparse.Namespace) -> str:
    """The table, with means and spreads over the seeds."""
    runs = [finished[str(seed)] for seed in range(1, options.seeds + 1)]
    lines = []
    for name, validated in (("frames", "single frames"), ("stretches", "whole stretches")):
        for title, pick in PICKERS.items():
            picked = [pick(each[name]) for each in runs]
            driven = [each["driven"] for each in picked]
            lines.append(
                (
                    validated,
                    title,
                    describe([each["epoch"] for each in picked]),
                    describe([100 * each["times_off"] / each["metres"] for each in driven]),
                    describe([100 * each["mean_distance_m"] for each in driven]) + " cm",
                )
            )
    head = ("validated with", "picked by", "epoch", "off, kicked", "distance, kicked")
    return "\n".join(
        [
            "Which of them picks the epoch that drives best? One training held out both, a fifth of the",
            "drive as stretches and a fifth of the rest as frames. The net drove as it was after the epoch",
            "of the lowest loss, after that of the three lowest which drove best in the proof, and, as the",
            "best that any pick of these three could be, after the one that truly drove best:",
            "`python3 benchmarks/choosing.py`.",
            "",
            f"{options.seeds} tubs of {options.records:,} records, linear, recipe {options.recipe},"
            f" {options.epochs} epochs in batches of {options.batch_size}.",
            "",
            make_table(head, lines),
            "",
            make_table(("machine", ""), list(machine.items())),
            "",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
