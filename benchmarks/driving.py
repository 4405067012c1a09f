#!/usr/bin/env python3
"""Drives unseen tracks with models of both recipes and of `donkey train`, for the table in docs/driving.md.

For each seed, a tub is drawn of a driver who stays on the line, on a track of its own. Every side trains on
it for the same number of epochs and steps. The models then drive tracks that no tub shows, in both
directions: they are kicked off the line, and their commands take effect late. No time is measured.
The measured programs run in the donkeycar environment dk53 that tests/environments.py builds, or in a folder
of ready environments that DONKEY_ENVIRONMENTS names.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Dict, NamedTuple, Sequence

sys.path.insert(1, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(2, os.path.join(sys.path[1], "container"))
sys.path.insert(3, os.path.join(sys.path[1], "tests"))

from donkey_sagemaker.atomic import write_json, write_text
from machine import describe_machine
from pythons import find_python
from quality import SIDE_BY_SIDE, read_versions, run
from report import make_table
from workbench import HERE, REPO, CommandFailed

PAGE = os.path.join(REPO, "docs", "driving.md")
BEGIN, END = "<!-- `make driving` writes from here -->\n", "<!-- to here -->\n"
ENVIRONMENT = "dk53"
TRACKS = (1001, 1002, 1003)  # seeds far from those of the tubs
LAPS = 1.0
LATENCY = 2  # frames: 0.1 s
KICK_EVERY = 50  # frames: 2.5 s
ANY_CAMERA = {"height_m": 0.14, "pitch_deg": 18.0, "fov_deg": 85.0}  # the demo's is 0.17, 22, 100
RADIUS_M = 0.51  # of the demo's car


class Side(NamedTuple):
    """How a model is trained."""

    title: str
    ours: bool = True
    settings: Dict[str, Any] = {}


ROBUST = {"SAGEMAKER_RECIPE": "robust", "SAGEMAKER_TURNING_RADIUS_M": 0.5}
SIDES = (
    Side("`donkey train`", ours=False),
    Side("sagemaker-train, recipe donkeycar"),
    Side("sagemaker-train, recipe robust", settings=ROBUST),
)
MISTAKEN = (
    Side("robust, camera wrong by 15 to 20%", settings=dict(ROBUST, SAGEMAKER_CAMERA=ANY_CAMERA)),
    Side("robust, radius 30% too small", settings=dict(ROBUST, SAGEMAKER_TURNING_RADIUS_M=0.7 * RADIUS_M)),
    Side("robust, radius 30% too large", settings=dict(ROBUST, SAGEMAKER_TURNING_RADIUS_M=1.3 * RADIUS_M)),
)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=10, help="number of seeds (default 10)")
    parser.add_argument("--types", default="linear,categorical", help="default linear,categorical")
    parser.add_argument("--records", type=int, default=2400, help="records of each tub (default 2400)")
    parser.add_argument("--epochs", type=int, default=10, help="epochs of each training (default 10)")
    parser.add_argument("--batch-size", type=int, default=128, help="examples of each step (default 128)")
    parser.add_argument("--mistaken", action="store_true", help="also train with a wrong camera and radius")
    parser.add_argument("--keep", metavar="FILE", help="file of finished seeds, from which to continue")
    options = parser.parse_args()
    sides = SIDES + MISTAKEN if options.mistaken else SIDES
    finished = read_finished(options.keep)
    with tempfile.TemporaryDirectory(prefix="donkey-driving-") as folder:
        folder = os.path.realpath(folder)
        machine = describe_machine(read_versions(find_python(ENVIRONMENT)), repo=REPO)
        try:
            for seed in range(1, options.seeds + 1):
                for model_type in options.types.split(","):
                    name = f"{model_type} {seed}"
                    missing = [side for side in sides if side.title not in finished.get(name, {})]
                    if missing:
                        driven = measure(missing, model_type, seed, os.path.join(folder, name), options)
                        finished.setdefault(name, {}).update(driven)
                        print(name, json.dumps(driven), flush=True)
                        if options.keep:
                            write_json(options.keep, finished)
        except CommandFailed as error:
            print(error, file=sys.stderr)
            return 1
    block = make_block(finished, machine, sides=sides, options=options)
    with open(PAGE, encoding="utf-8") as file:
        before, rest = file.read().split(BEGIN)
    write_text(PAGE, before + BEGIN + "\n" + block + "\n" + END + rest.split(END)[1])
    print(block + "\nWritten to " + PAGE)
    return 0


def read_finished(path: Any) -> Dict[str, Dict[str, Any]]:
    """By type and seed: the title of a side -> what its model drove."""
    if not path or not os.path.exists(path):
        return {}
    with open(path) as file:
        finished: Dict[str, Dict[str, Any]] = json.load(file)
    return finished


def measure(
    sides: Sequence[Side], model_type: str, seed: int, folder: str, options: argparse.Namespace
) -> Dict[str, Any]:
    """Draws the seed's tub, trains a model of each side with it, and drives them all.

    Raises:
        CommandFailed
    """
    os.makedirs(folder)
    python = find_python(ENVIRONMENT)
    car, tub = (os.path.join(folder, name) for name in ("car", "tub"))
    draw = [python, os.path.join(REPO, "demo", "draw_tub.py"), "--out", tub, "--steady"]
    run(draw + ["--records", str(options.records), "--seed", str(seed)], cwd=folder)
    run([python, os.path.join(os.path.dirname(python), "donkey"), "createcar", "--path", car], cwd=folder)
    settings = {
        "MAX_EPOCHS": options.epochs,
        "EARLY_STOP_PATIENCE": options.epochs,  # never reached
        "BATCH_SIZE": options.batch_size,
        "SAVE_MODEL_AS_H5": True,
        "SAGEMAKER_SEED": seed,
    }
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        models = list(
            pool.map(
                lambda numbered: train(
                    numbered[1],
                    car,
                    f"{car}-{numbered[0]}",
                    tub=tub,
                    model_type=model_type,
                    settings=settings,
                ),
                enumerate(sides),
            )
        )
    task = {
        "models": [{"car": car, "model": model, "type": "tflite_" + model_type} for model in models],
        "tracks": [(track, reverse) for track in TRACKS for reverse in (False, True)],
        "laps": LAPS,
        "latency": LATENCY,
        "kick_every": KICK_EVERY,
        "result": os.path.join(folder, "result.json"),
    }
    write_json(os.path.join(folder, "task.json"), task)
    run([python, os.path.join(HERE, "drive_side.py"), os.path.join(folder, "task.json")], cwd=folder)
    with open(os.path.join(folder, "result.json")) as file:
        results = json.load(file)
    shutil.rmtree(folder)
    return {side.title: result for side, result in zip(sides, results)}


def train(side: Side, template: str, car: str, *, tub: str, model_type: str, settings: Dict[str, Any]) -> str:
    """Trains in a copy of the car, and returns the path of the model.

    Raises:
        CommandFailed
    """
    shutil.copytree(template, car)
    with open(os.path.join(car, "myconfig.py"), "a") as file:
        for name, value in dict(settings, **side.settings).items():
            file.write(f"\n{name} = {value!r}\n")
    model = os.path.join(car, "models", "pilot.h5")
    arguments = ["--tub", tub, "--model", model, "--type", model_type]
    if side.ours:
        program = ["-m", "donkey_sagemaker", "train", "--local"]
    else:
        program = [os.path.join(HERE, "donkey_train.py"), str(settings["SAGEMAKER_SEED"]), os.devnull]
    run([find_python(ENVIRONMENT), *program, *arguments], cwd=car)
    return model.replace(".h5", ".tflite")


def make_block(
    finished: Dict[str, Dict[str, Any]],
    machine: Dict[str, str],
    *,
    sides: Sequence[Side],
    options: argparse.Namespace,
) -> str:
    """The table, with the mean and the spread over the seeds."""
    lines, metres = [], []
    for model_type in options.types.split(","):
        for side in sides:
            names = [f"{model_type} {seed}" for seed in range(1, options.seeds + 1)]
            driven = [finished[name][side.title] for name in names]
            metres += [each["kicked"]["metres"] for each in driven]
            cells = []
            for kind in ("kicked", "nominal"):
                parts = [each[kind] for each in driven]
                cells.append(describe([100 * each["times_off"] / each["metres"] for each in parts]))
                cells.append(describe([100 * each["mean_distance_m"] for each in parts]) + " cm")
            lines.append((model_type, side.title, *cells))
    seeds = "1 seed" if options.seeds == 1 else f"{options.seeds} seeds"
    head = ("type", "trained by", "off, kicked", "distance, kicked", "off", "distance")
    return "\n".join(
        [
            f"{seeds} of {options.records:,} records and {options.epochs} epochs in batches of "
            f"{options.batch_size}; {statistics.mean(metres):.0f} m with kicks for each model.",
            "",
            make_table(head, lines),
            "",
            make_table(("machine", ""), list(machine.items())),
            "",
        ]
    )


def describe(values: Sequence[float]) -> str:
    spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{spread}"


if __name__ == "__main__":
    sys.exit(main())
