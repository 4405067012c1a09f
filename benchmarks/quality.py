#!/usr/bin/env python3
"""Drives the demo's track with models of every type, ours and `donkey train`'s, and writes docs/quality.md.

Each model is trained on the demo's data for the same number of epochs and drives three laps of each of the
demo's courses. No time is measured, so two models are trained and driven side by side.
The measured programs run in the donkeycar environments that tests/environments.py builds, or in a folder of
ready environments that DONKEY_ENVIRONMENTS names. Everything happens in a temporary folder (TMPDIR), which is
removed at the end.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Dict, List, NamedTuple

sys.path.insert(1, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(2, os.path.join(sys.path[1], "container"))
sys.path.insert(3, os.path.join(sys.path[1], "tests"))

from donkey_sagemaker.atomic import write_text
from machine import describe_machine
from pythons import find_python
from report import make_table
from workbench import HERE, REPO, CommandFailed

PAGE = os.path.join(REPO, "docs", "quality.md")
DEMO = os.path.join(REPO, "demo")
OURS, THEIRS = "sagemaker-train --local", "donkey train"
THROTTLE = 0.36  # the mean of the recorded throttle
LATENCY = 4  # frames by which the slow driver lags: 0.2 s, as people do
SEED = 1
SIDE_BY_SIDE = 2
INTRODUCTION = """# How well the models drive

For owners who ask whether a model trained by this project drives as well as one trained by `donkey train`.
Written by `make quality`, in one run.

- **Training.** Each model is trained on {records} drawn records of the demo's track, driven in one direction
  in {sessions} rooms, for {epochs} epochs with default settings. Both sides train on the same split of the
  same records.
- **Driving.** donkeycar's own pilot then drives each model for {laps:g} laps of each course in the demo's
  simulator (`demo/closed_loop.py`): as .tflite or, with donkeycar 2.2, as HDF5.
- **inferred** computes its throttle from the steering, for a faster car than this one. It drives with
  `AI_THROTTLE_MULT = 0.3`.
- **donkeycar 2.2** gives the throttle of its categorical net a weight of 0.001 in the loss, so the throttle
  may stay at 0. That car drives in the mode local_angle with a throttle of {throttle}.

"Off" is how often the car left the lane and was placed back on its centre. "cm" is the mean distance from the
centre line; the lane extends 35 cm to either side of it.
"""
SLIDE = """## Does the slide help?

The same track, driven by somebody who reacts {latency} frames ({seconds:.1f} s) late: each picture is
recorded with the command for the picture {latency} frames before. `SAGEMAKER_SLIDE = {latency}` corrects
that.
"""


class Trial(NamedTuple):
    """One model to train and drive."""

    environment: str
    donkeycar: str
    type: str
    side: str  # OURS or THEIRS
    latency: int = 0  # of the driver who recorded the data
    slide: int = 0


TYPES = ("linear", "categorical", "inferred", "memory", "rnn")
TRIALS = [Trial("dk53", "5.3", model_type, side) for model_type in TYPES for side in (OURS, THEIRS)]
TRIALS.append(Trial("dk22", "2.2", "categorical", OURS))
SLIDES = [Trial("dk53", "5.3", "linear", OURS, latency=LATENCY, slide=slide) for slide in (0, LATENCY)]


class Driven(NamedTuple):
    val_loss: float
    courses: Dict[str, Dict[str, float]]  # name -> laps, mean_distance_m, times_off, ...


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=3000, help="records of each tub (default 3000)")
    parser.add_argument("--sessions", type=int, default=12, help="sessions of each tub (default 12)")
    parser.add_argument("--epochs", type=int, default=10, help="epochs of each training (default 10)")
    parser.add_argument("--laps", type=float, default=3.0, help="laps of each course (default 3)")
    parser.add_argument(
        "--only",
        metavar="TEXT",
        default="",
        help="only the trials whose description contains TEXT; nothing is written",
    )
    options = parser.parse_args()
    versions = read_versions(find_python("dk53"))
    machine = describe_machine(versions, repo=REPO)
    chosen = [trial for trial in TRIALS + SLIDES if options.only in str(trial)]
    driven: Dict[Trial, Driven] = {}
    with tempfile.TemporaryDirectory(prefix="donkey-quality-") as folder:
        folder = os.path.realpath(folder)
        try:
            for trial in chosen:
                prepare(trial, folder, options)
            with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
                for trial, result in zip(
                    chosen, pool.map(lambda each: measure(each, folder, options), chosen)
                ):
                    driven[trial] = result
                    print(trial, result, flush=True)
        except CommandFailed as error:
            print(error, file=sys.stderr)
            return 1
    page = make_page(driven, machine, options)
    print(page)
    if not options.only:
        write_text(PAGE, page)
        print("Written to " + PAGE)
    return 0


def prepare(trial: Trial, folder: str, options: argparse.Namespace) -> None:
    """Draws the trial's tub and makes the car that is copied for it, unless they exist.

    Raises:
        CommandFailed
    """
    tub, car = tub_path(trial, folder), os.path.join(folder, trial.environment)
    if not os.path.exists(tub):
        command = [find_python("dk53"), os.path.join(DEMO, "draw_tub.py"), "--out", tub, "--one-way"]
        command += ["--records", str(options.records), "--sessions", str(options.sessions)]
        layout = "v1" if is_old(trial) else "v2"
        run(command + ["--layout", layout, "--latency", str(trial.latency), "--seed", str(SEED)], cwd=folder)
    if not os.path.exists(car):
        python = find_python(trial.environment)
        donkey = os.path.join(os.path.dirname(python), "donkey")
        template = ["--template", "donkey2"] if is_old(trial) else []
        run([python, donkey, "createcar", *template, "--path", car], cwd=folder)


def tub_path(trial: Trial, folder: str) -> str:
    return os.path.join(folder, f"{'v1' if is_old(trial) else 'v2'}-{trial.latency}")


def is_old(trial: Trial) -> bool:
    return trial.environment == "dk22"


def measure(trial: Trial, folder: str, options: argparse.Namespace) -> Driven:
    """Trains the model in a car of its own and drives it.

    Raises:
        CommandFailed
    """
    python = find_python(trial.environment)
    car = os.path.join(folder, "-".join(map(str, trial)).replace(" ", "_"))
    shutil.copytree(os.path.join(folder, trial.environment), car)
    settings = {
        "MAX_EPOCHS": options.epochs,
        "EARLY_STOP_PATIENCE": options.epochs,  # never reached
        "SAVE_MODEL_AS_H5": True,
        "AI_THROTTLE_MULT": 0.3 if trial.type == "inferred" else 1.0,
        "SAGEMAKER_SLIDE": trial.slide,
        "SAGEMAKER_SEED": SEED,
        "SAGEMAKER_INSTALL": "always",  # a bad model is a result as well
    }
    with open(os.path.join(car, "myconfig.py"), "a") as file:
        file.writelines(f"\n{name} = {value!r}" for name, value in settings.items())
        file.write("\n")
    model = os.path.join(car, "models", "pilot.h5")
    options_of_train = ["--tub", tub_path(trial, folder), "--model", model, "--type", trial.type]
    begin = time.monotonic()
    if trial.side == OURS:
        run([python, "-m", "donkey_sagemaker", "train", "--local", *options_of_train], cwd=car)
    else:
        script = os.path.join(HERE, "donkey_train.py")
        run([python, script, str(SEED), os.path.join(car, "split.json"), *options_of_train], cwd=car)
    trained = time.monotonic()
    laps = os.path.join(car, "laps")
    drive = [os.path.join(DEMO, "closed_loop.py"), "--car", car, "--out", laps, "--laps", str(options.laps)]
    if is_old(trial):
        drive += ["--model", model, "--type", trial.type, "--throttle", str(THROTTLE)]
    else:
        drive += ["--model", model.replace(".h5", ".tflite"), "--type", "tflite_" + trial.type]
    # It exits with 1 if the car left the track. Here that is a result.
    run([python, *drive], cwd=car, good_codes=(0, 1))
    print(f"{trained - begin:.0f} s to train, {time.monotonic() - trained:.0f} s to drive", flush=True)
    with open(os.path.join(laps, "laps.json")) as file:
        return Driven(read_val_loss(car), json.load(file))


def read_val_loss(car: str) -> float:
    """The lowest loss of the car's only model, from the history beside it or from donkeycar's database."""
    history = os.path.join(car, "models", "pilot.history.json")
    if os.path.exists(history):
        with open(history) as file:
            return float(min(json.load(file)["val_loss"]))
    with open(os.path.join(car, "models", "database.json")) as file:
        (pilot,) = json.load(file)
    return min(float(loss) for loss in pilot["History"]["val_loss"])


def run(command: List[str], *, cwd: str, good_codes: Any = (0,)) -> str:
    """Runs a command with this checkout's code and returns its output.

    Raises:
        CommandFailed
    """
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAGEMAKER_"))
    }
    environment.update(
        PYTHONPATH=os.pathsep.join((REPO, os.path.join(REPO, "container"))),
        MPLBACKEND="Agg",
        NO_ALBUMENTATIONS_UPDATE="1",  # otherwise its import contacts the package index
    )
    done = subprocess.run(command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output = done.stdout.decode("utf-8", "replace")
    if done.returncode not in good_codes or (done.returncode and "Traceback" in output):
        raise CommandFailed(command, f"exit code {done.returncode}", output)
    return output


def read_versions(python: str) -> Dict[str, str]:
    names = ("donkeycar", "tensorflow", "keras", "numpy")
    code = f"import importlib.metadata as m, json; print(json.dumps({{n: m.version(n) for n in {names!r}}}))"
    return json.loads(run([python, "-c", code], cwd=REPO))


def make_page(driven: Dict[Trial, Driven], machine: Dict[str, str], options: argparse.Namespace) -> str:
    types = [trial for trial in TRIALS if trial in driven]
    slides = [trial for trial in SLIDES if trial in driven]
    described = [(trial.donkeycar, trial.type, trial.side) for trial in types]
    return "\n".join(
        [
            INTRODUCTION.format(throttle=THROTTLE, **vars(options)),
            make_results(("donkeycar", "type", "trained by"), described, [driven[trial] for trial in types]),
            "",
            SLIDE.format(latency=LATENCY, seconds=LATENCY / 20),
            make_results(
                ("SAGEMAKER_SLIDE",),
                [(str(trial.slide),) for trial in slides],
                [driven[trial] for trial in slides],
            ),
            "",
            "## Machine",
            "",
            make_table(("machine", ""), list(machine.items())),
            "",
        ]
    )


def make_results(head: Any, described: List[Any], results: List[Driven]) -> str:
    """A line for each model: what it is, its loss, and how it drove each course."""
    courses = list(results[0].courses) if results else []
    lines = []
    for words, result in zip(described, results):
        cells = [describe_course(**course) for course in result.courses.values()]
        lines.append([*words, f"{result.val_loss:.4f}", *cells])
    return make_table([*head, "validation loss", *courses], lines)


def describe_course(*, laps: float, times_off: float, mean_distance_m: float, **_: float) -> str:
    return f"{laps:.1f} laps, {times_off:.0f} off, {100 * mean_distance_m:.1f} cm"


if __name__ == "__main__":
    sys.exit(main())
