#!/usr/bin/env python3
"""How well models steer on stretches of real tubs that they were not trained on, for docs/driving.md.

For each tub and seed, whole stretches are held out, with a second's gap. Every side of benchmarks/driving.py
trains on the rest, for the same number of epochs and steps, and donkeycar's own pilot then sees the held-out
pictures. No time is measured. Needs the folder of each tub: none are part of this project.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Dict, List, Tuple

sys.path.insert(1, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(2, os.path.join(sys.path[1], "container"))
sys.path.insert(3, os.path.join(sys.path[1], "tests"))

from donkey_sagemaker.atomic import write_json
from driving import ENVIRONMENT, SIDES, describe, make_settings, read_finished, train
from machine import describe_machine
from pythons import find_python
from quality import SIDE_BY_SIDE, read_versions, run
from report import make_table, write_block
from workbench import HERE, REPO, CommandFailed

PAGE = os.path.join(REPO, "docs", "driving.md")
KEPT = os.path.join(HERE, "held-out.json")
BEGIN, END = "<!-- `python3 benchmarks/held_out.py` writes from here -->\n", "<!-- to here, held out -->\n"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "tubs", nargs="+", metavar="TUB", help="folder of a tub, v1 or v2, in a folder with its name"
    )
    parser.add_argument("--seeds", type=int, default=3, help="ways to hold out stretches (default 3)")
    parser.add_argument("--type", default="linear", help="type of the models (default linear)")
    parser.add_argument("--epochs", type=int, default=20, help="epochs of each training (default 20)")
    parser.add_argument("--batch-size", type=int, default=32, help="examples of each step (default 32)")
    parser.add_argument(
        "--keep",
        metavar="FILE",
        default=KEPT,
        help="of finished tubs, to continue from (default %(default)s)",
    )
    options = parser.parse_args()
    finished = read_finished(options.keep)
    names = [os.path.basename(os.path.dirname(os.path.abspath(tub))) for tub in options.tubs]
    with tempfile.TemporaryDirectory(prefix="donkey-held-out-") as folder:
        machine = describe_machine(read_versions(find_python(ENVIRONMENT)), repo=REPO)
        try:
            for tub, name in zip(options.tubs, names):
                for seed in range(1, options.seeds + 1):
                    key = f"{name} {seed}"
                    if key not in finished:
                        work = os.path.join(os.path.realpath(folder), key)
                        finished[key] = measure(os.path.abspath(tub), work, seed=seed, options=options)
                        print(key, json.dumps(finished[key]), flush=True)
                        write_json(options.keep, finished)
        except CommandFailed as error:
            print(error, file=sys.stderr)
            return 1
    block = make_block(finished, names, machine, options)
    write_block(PAGE, block, begin=BEGIN, end=END)
    print(block + "\nWritten to " + PAGE)
    return 0


def measure(tub: str, folder: str, *, seed: int, options: argparse.Namespace) -> Dict[str, Any]:
    """Trains a model of each side on most of a tub, and returns the errors of each on the rest.

    Raises:
        CommandFailed
    """
    os.makedirs(folder)
    python = find_python(ENVIRONMENT)
    car, training, held_out = (os.path.join(folder, name) for name in ("car", "training", "held_out.npz"))
    run(
        [python, os.path.join(HERE, "held_out_side.py"), "split", tub, training, held_out, str(seed)],
        cwd=folder,
    )
    run([python, os.path.join(os.path.dirname(python), "donkey"), "createcar", "--path", car], cwd=folder)
    settings = make_settings(epochs=options.epochs, batch_size=options.batch_size, seed=seed)

    def train_side(number: int) -> str:
        own = f"{car}-{number}"
        return train(SIDES[number], car, own, tub=training, model_type=options.type, settings=settings)

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        models = list(pool.map(train_side, range(len(SIDES))))
    results = os.path.join(folder, "results.json")
    side = [
        python,
        os.path.join(HERE, "held_out_side.py"),
        "predict",
        held_out,
        car,
        "tflite_" + options.type,
    ]
    run(side + [results] + models, cwd=folder)
    with open(results) as file:
        errors = json.load(file)
    shutil.rmtree(folder)
    return {each.title: error for each, error in zip(SIDES, errors)}


def make_block(
    finished: Dict[str, Dict[str, Any]],
    names: List[str],
    machine: Dict[str, str],
    options: argparse.Namespace,
) -> str:
    """The table, with means and spreads over the seeds."""
    lines: List[Tuple[str, ...]] = []
    for name in names:
        runs = [finished[f"{name} {seed}"] for seed in range(1, options.seeds + 1)]
        baseline = statistics.mean(each[SIDES[0].title]["steering"] for each in runs)
        for side in SIDES:
            errors = {
                output: [each[side.title][output] for each in runs] for output in ("steering", "throttle")
            }
            share = statistics.mean(errors["steering"]) / baseline
            lines.append(
                (
                    name,
                    side.title,
                    describe(errors["steering"], places=3),
                    f"{share:.2f}",
                    describe(errors["throttle"], places=3),
                )
            )
    head = ("tub", "trained by", "steering error", "of `donkey train`'s", "throttle error")
    return "\n".join(
        [
            "## On tubs of real cars",
            "The steering of models on stretches of real tubs that they were not trained on. The recipe is",
            "not made for this number, which shows how well a model copies the driver, but must not make it",
            "much worse.",
            "",
            f"{options.type}, {options.epochs} epochs in batches of {options.batch_size}; mean error over"
            f" {options.seeds} ways to hold out a fifth of the drive.",
            "",
            make_table(head, lines),
            "",
            make_table(("machine", ""), list(machine.items())),
            "",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
