#!/usr/bin/env python3
"""Compares sagemaker-tune with a whole grid of trainings, for the table in docs/tune.md.

One tub is drawn. Every point of a grid of 40 settings is trained to the end with sagemaker-train, and
sagemaker-tune tries 12 settings of the same ranges, again and again with other seeds. Every model then drives
the courses of benchmarks/driving.py. After that, with nothing else running, each tuning is timed beside one
training with the car's own settings. The measured programs run in the donkeycar environment dk53 that
tests/environments.py builds, or in a folder of ready environments that DONKEY_ENVIRONMENTS names.
"""

import argparse
import itertools
import json
import os
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Dict, List, Sequence

sys.path.insert(1, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(2, os.path.join(sys.path[1], "container"))
sys.path.insert(3, os.path.join(sys.path[1], "tests"))

from donkey_sagemaker.atomic import write_json
from donkey_sagemaker.training.tune_space import describe_space
from driving import ENVIRONMENT, KICK_EVERY, LAPS, draw_tub, drive, make_courses, rate, read_finished
from machine import describe_machine
from pythons import find_python
from quality import SIDE_BY_SIDE, read_versions, run
from report import make_table, write_block
from workbench import HERE, REPO, CommandFailed

PAGE = os.path.join(REPO, "docs", "tune.md")
KEPT = os.path.join(HERE, "tuning.json")
BEGIN, END = "<!-- `benchmarks/tuning.py` writes from here -->\n", "<!-- to here -->\n"
GRID = {
    "LEARNING_RATE": [0.0003, 0.0007, 0.0017, 0.0042, 0.01],
    "BATCH_SIZE": [32, 128],
    "SAGEMAKER_RECIPE": ["donkeycar", "robust"],
    "SAGEMAKER_SLIDE": [0, 2],
}
SPACE = dict(GRID, LEARNING_RATE=(0.0003, 0.01))
TRIALS = 12
TUB_SEED = 1


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tunings", type=int, default=3, help="number of tunings (default 3)")
    parser.add_argument("--records", type=int, default=1600, help="records of the tub (default 1600)")
    parser.add_argument("--epochs", type=int, default=20, help="epochs of a whole training (default 20)")
    parser.add_argument("--only-grid", action="store_true", help="stop after the grid")
    parser.add_argument(
        "--keep",
        metavar="FILE",
        default=KEPT,
        help="finished trainings, from which to continue (default %(default)s)",
    )
    options = parser.parse_args()
    finished = read_finished(options.keep)
    with tempfile.TemporaryDirectory(prefix="donkey-tuning-") as folder:
        machine = describe_machine(read_versions(find_python(ENVIRONMENT)), repo=REPO)
        work = Work(os.path.realpath(folder), finished, options)
        try:
            work.prepare()
            with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
                list(pool.map(work.train_point, points(GRID)))
            if options.only_grid:
                return 0
            for seed in range(1, options.tunings + 1):  # timed, so one after the other
                work.tune(seed)
        except CommandFailed as error:
            print(error, file=sys.stderr)
            return 1
    block = make_block(finished, machine, options)
    write_block(PAGE, block, begin=BEGIN, end=END)
    print(block + "\nWritten to " + PAGE)
    return 0


def points(grid: Dict[str, List[Any]]) -> List[Dict[str, Any]]:
    return [dict(zip(grid, values)) for values in itertools.product(*grid.values())]


class Work:
    """Trains, tunes and drives in one folder; what is finished already is not done again."""

    def __init__(self, folder: str, finished: Dict[str, Any], options: argparse.Namespace) -> None:
        self.folder = folder
        self.finished = finished
        self.options = options
        self.tub = os.path.join(folder, "tub")
        self.surface = self.camera = ""

    def prepare(self) -> None:
        self.surface, self.camera = draw_tub(self.tub, seed=TUB_SEED, records=self.options.records)
        donkey = os.path.join(os.path.dirname(find_python(ENVIRONMENT)), "donkey")
        run([find_python(ENVIRONMENT), donkey, "createcar", "--path", self._path("car")], cwd=self.folder)

    def train_point(self, values: Dict[str, Any]) -> None:
        name = "grid " + json.dumps(values)
        if name not in self.finished:
            self._keep(name, self._measure(values, "train"))

    def tune(self, seed: int) -> None:
        """A tuning, and beside it a training with the car's own settings, which costs what one costs."""
        name, own = f"tuning {seed}", f"own {seed}"
        if own not in self.finished:
            self._keep(own, self._measure({"SAGEMAKER_SEED": seed}, "train"))
        if name not in self.finished:
            settings = {"SAGEMAKER_SEED": seed, "SAGEMAKER_TUNE": SPACE}
            self._keep(name, self._measure(settings, "tune", f"--trials={TRIALS}"))

    def _measure(self, values: Dict[str, Any], command: str, *more: str) -> Dict[str, Any]:
        car = self._path(f"car-{abs(hash(json.dumps(values)))}-{command}")
        shutil.copytree(self._path("car"), car)
        settings = {
            "MAX_EPOCHS": self.options.epochs,
            "USE_EARLY_STOP": False,
            "OPTIMIZER": "adam",
            "LEARNING_RATE": 0.001,
        }
        with open(os.path.join(car, "myconfig.py"), "a") as file:
            for name, value in dict(settings, **values).items():
                file.write(f"\n{name} = {value!r}\n")
        model = os.path.join(car, "models", "pilot.tflite")
        program = [find_python(ENVIRONMENT), "-m", "donkey_sagemaker"]
        started = time.time()
        arguments = ["--local", "--install=always", "--tub", self.tub, "--model", model, "--type", "linear"]
        output = run([*program, command, *arguments, *more], cwd=car)
        seconds = time.time() - started
        (listed,) = json.loads(run([*program, "models", "--json"], cwd=car))
        driven = drive(model, self._courses(car))
        shutil.rmtree(car)
        trials = [line for line in output.splitlines() if line.startswith("Trial")]
        return {
            "seconds": seconds,
            "proof": listed["times_off_per_100_m"],
            "val_loss": listed["val_loss"],
            "driven": driven["kicked"],
            "trials": trials,
        }

    def _courses(self, car: str) -> Dict[str, Any]:
        return {
            "car": car,
            "type": "tflite_linear",
            "surface": self.surface,
            "camera": self.camera,
            "courses": make_courses(),
            "laps": LAPS,
            "kick_every": KICK_EVERY,
        }

    def _path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def _keep(self, name: str, result: Dict[str, Any]) -> None:
        self.finished[name] = result
        print(name, json.dumps(result), flush=True)
        write_json(self.options.keep, self.finished)


def make_block(finished: Dict[str, Any], machine: Dict[str, str], options: argparse.Namespace) -> str:
    """The table: what each way of choosing settings costs, and how its model drives."""
    grid = [finished["grid " + json.dumps(values)] for values in points(GRID)]
    by_truth = sorted(grid, key=lambda each: rate(each["driven"]))
    rows = [
        ("grid, the best by the proof of driving", len(grid), min(grid, key=by_proof)),
        ("grid, the one that truly drives best", len(grid), by_truth[0]),
        ("grid, the middle one", len(grid), by_truth[len(grid) // 2]),
    ]
    lines = [describe_row(title, cost, trained) for title, cost, trained in rows]
    for seed in range(1, options.tunings + 1):
        own, tuned = finished[f"own {seed}"], finished[f"tuning {seed}"]
        lines.append(describe_row(f"the car's own settings, seed {seed}", 1, own))
        cost = tuned["seconds"] / own["seconds"]
        lines.append(describe_row(f"sagemaker-tune, seed {seed}", cost, tuned))
    return "\n".join(
        [
            f"One tub of {options.records:,} records, linear, {options.epochs} epochs; a grid of {len(grid)}"
            f" settings and {TRIALS} trials out of",
            f"{describe_space(SPACE)}.",
            "The cost of a tuning is the time of the whole command, divided by that of `sagemaker-train`",
            "beside it; that of the grid is the number of its trainings. `python3 benchmarks/tuning.py`",
            "",
            make_table(("settings", "cost, in trainings", "off, kicked", "distance, kicked"), lines),
            "",
            make_table(("machine", ""), list(machine.items())),
            "",
        ]
    )


def by_proof(trained: Dict[str, Any]) -> Any:
    return trained["proof"], trained["val_loss"]


def describe_row(title: str, cost: float, trained: Dict[str, Any]) -> Sequence[str]:
    driven = trained["driven"]
    off = f"{100 * driven['times_off'] / driven['metres']:.1f}"
    return title, f"{cost:.2g}", off, f"{100 * driven['mean_distance_m']:.1f} cm"


if __name__ == "__main__":
    sys.exit(main())
