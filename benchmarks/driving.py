#!/usr/bin/env python3
"""Drives unseen tracks with models of both recipes and of `donkey train`, for the table in docs/driving.md.

For each seed, a tub is drawn on a track of its own: of a driver who never leaves the line, or of one who
weaves, with one of several cameras and surfaces. Every side trains on it for the same number of epochs and
steps. The models then drive tracks that no tub shows, in other lights, at several speeds and latencies: once
as they like, and once kicked off the line again and again. No time is measured.
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
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

sys.path.insert(1, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(2, os.path.join(sys.path[1], "container"))
sys.path.insert(3, os.path.join(sys.path[1], "tests"))

from donkey_sagemaker.atomic import write_json
from donkey_sagemaker.contract import driving_loss
from machine import describe_machine
from pythons import find_python
from quality import SIDE_BY_SIDE, read_versions, run
from report import make_table, write_block
from workbench import HERE, REPO, CommandFailed

PAGE = os.path.join(REPO, "docs", "driving.md")
KEPT = os.path.join(HERE, "driving.json")
BEGIN, END = "<!-- `make driving` writes from here -->\n", "<!-- to here -->\n"
ENVIRONMENT = "dk53"
FIRST_TRACK, TRACKS = 1001, 12  # seeds far from those of the tubs
BRIGHTNESS = (0.65, 1.0, 1.3)  # of the light
LATENCIES = (0, 1, 2, 3, 4)  # frames of 0.05 s
SPEEDS = (0.85, 1.0, 1.0, 1.15)  # factors of the throttle
LAPS = 0.5
KICK_EVERY = 50  # frames: 2.5 s
SURFACES = ("road", "wide-tape", "walls", "line", "thin-tape")  # of the demo
CAMERAS = {
    "usual": {"height_m": 0.17, "pitch_deg": 22.0, "fov_deg": 100.0},
    "low": {"height_m": 0.14, "pitch_deg": 17.0, "fov_deg": 85.0},
    "high": {"height_m": 0.21, "pitch_deg": 27.0, "fov_deg": 115.0},
}
RADIUS_M = 0.51  # of the demo's car


class Side(NamedTuple):
    """How a model is trained."""

    title: str
    ours: bool = True
    settings: Dict[str, Any] = {}
    knows_camera: bool = False


ROBUST = {"SAGEMAKER_RECIPE": "robust"}


def with_radius(factor: float) -> Dict[str, Any]:
    """The recipe with a turning radius that is wrong by this factor."""
    return dict(ROBUST, SAGEMAKER_TURNING_RADIUS_M=factor * RADIUS_M)


SIDES = (
    Side("`donkey train`", ours=False),
    Side("sagemaker-train, recipe donkeycar"),
    Side("sagemaker-train, recipe robust", settings=ROBUST),
)
MEASURED = (
    Side("robust, camera and radius measured", settings=with_radius(1.0), knows_camera=True),
    Side("robust, radius 30% too small", settings=with_radius(0.7)),
    Side("robust, radius 30% too large", settings=with_radius(1.3)),
)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=10, help="number of seeds (default 10)")
    parser.add_argument("--types", default="linear,categorical", help="default linear,categorical")
    parser.add_argument("--records", type=int, default=2400, help="records of each tub (default 2400)")
    parser.add_argument("--epochs", type=int, default=20, help="epochs of each training (default 20)")
    parser.add_argument("--batch-size", type=int, default=32, help="examples of each step (default 32)")
    parser.add_argument(
        "--more", action="store_true", help="also with other cameras and radii in the settings"
    )
    parser.add_argument(
        "--keep",
        metavar="FILE",
        default=KEPT,
        help="finished seeds, from which to continue (default %(default)s)",
    )
    options = parser.parse_args()
    sides = SIDES + MEASURED if options.more else SIDES
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
                        write_json(options.keep, finished)
        except CommandFailed as error:
            print(error, file=sys.stderr)
            return 1
    block = make_block(finished, machine, sides=sides, options=options)
    write_block(PAGE, block, begin=BEGIN, end=END)
    print(block + "\nWritten to " + PAGE)
    return 0


def read_finished(path: str) -> Dict[str, Dict[str, Any]]:
    """By type and seed: the title of a side -> what its model drove."""
    if not os.path.exists(path):
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
    surface, camera = draw_tub(tub, seed=seed, records=options.records)
    run([python, os.path.join(os.path.dirname(python), "donkey"), "createcar", "--path", car], cwd=folder)
    settings = make_settings(epochs=options.epochs, batch_size=options.batch_size, seed=seed)
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        models = list(
            pool.map(
                lambda numbered: train(
                    numbered[1],
                    car,
                    f"{car}-{numbered[0]}",
                    tub=tub,
                    model_type=model_type,
                    settings=dict(
                        settings, **{"SAGEMAKER_CAMERA": CAMERAS[camera]} if numbered[1].knows_camera else {}
                    ),
                ),
                enumerate(sides),
            )
        )
    task = {
        "car": car,
        "type": "tflite_" + model_type,
        "surface": surface,
        "camera": camera,
        "courses": make_courses(),
        "laps": LAPS,
        "kick_every": KICK_EVERY,
    }
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        driven = list(pool.map(lambda model: drive(model, task), models))
    shutil.rmtree(folder)
    return {side.title: result for side, result in zip(sides, driven)}


def drive(model: str, task: Dict[str, Any]) -> Dict[str, Any]:
    """What a model drove, "kicked" and "nominal".

    Raises:
        CommandFailed
    """
    path, result = model + ".task.json", model + ".result.json"
    write_json(path, dict(task, model=model, result=result))
    run([find_python(ENVIRONMENT), os.path.join(HERE, "drive_side.py"), path], cwd=os.path.dirname(model))
    with open(result) as file:
        driven: Dict[str, Any] = json.load(file)
    return driven


def draw_tub(path: str, *, seed: int, records: int) -> Tuple[str, str]:
    """Draws the tub of a seed, and returns its surface and its camera.

    Raises:
        CommandFailed
    """
    surface, camera = SURFACES[seed % len(SURFACES)], list(CAMERAS)[seed % len(CAMERAS)]
    draw = [find_python(ENVIRONMENT), os.path.join(REPO, "demo", "draw_tub.py"), "--out", path]
    draw += ["--surface", surface, "--camera", camera, "--records", str(records), "--seed", str(seed)]
    run(draw + (["--steady"] if seed % 2 else []), cwd=os.path.dirname(path))
    return surface, camera


def make_settings(*, epochs: int, batch_size: int, seed: int) -> Dict[str, Any]:
    """The settings of a car, so that every side trains for as many steps."""
    return {
        "MAX_EPOCHS": epochs,
        "EARLY_STOP_PATIENCE": epochs,  # never reached
        "BATCH_SIZE": batch_size,
        "SAVE_MODEL_AS_H5": True,
        "SAGEMAKER_DRIVING_PROOF": False,
        "SAGEMAKER_SEED": seed,
    }


def make_courses() -> List[Dict[str, Any]]:
    """What every model drives, so that each light, latency and speed comes in both directions."""
    return [
        {
            "seed": FIRST_TRACK + number,
            "reverse": number % 2 == 1,
            "brightness": BRIGHTNESS[number % len(BRIGHTNESS)],
            "latency": LATENCIES[number % len(LATENCIES)],
            "speed": SPEEDS[number // 2 % len(SPEEDS)],
        }
        for number in range(TRACKS)
    ]


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
        program = ["-m", "donkey_sagemaker", "train", "--local", "--install=always"]  # however bad
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


def rate(driven: Dict[str, Any]) -> float:
    """How well a model drove, the lower the better."""
    return driving_loss(100 * driven["times_off"] / driven["metres"], driven["mean_distance_m"])


def describe(values: Sequence[float], *, places: int = 1) -> str:
    spread = f" ± {statistics.stdev(values):.{places}f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.{places}f}{spread}"


if __name__ == "__main__":
    sys.exit(main())
