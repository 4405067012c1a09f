"""Trains one model and drives it as it was after the epochs that two validation losses pick.

    python choosing_side.py TASK.json

A fifth of the drive is held out as whole stretches, with a second's gap, and a fifth of the rest as single
frames, drawn at random. After each epoch of one training, the net's error on both is measured. The net then
drives the courses of benchmarks/driving.py, kicked, with the weights of the epoch that each of them picks.
TASK.json holds `tub`, `seed`, `surface`, `camera`, `courses`, `laps`, `kick_every`, `recipe`, `epochs`,
`batch_size` and `result`, the path of the JSON file with the epoch, its error, and what it drove, by way of
picking.
"""

import json
import os
import sys
import threading
from typing import Any, List, Tuple

sys.path.insert(1, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(2, os.path.join(sys.path[1], "container"))
sys.path.insert(3, os.path.join(sys.path[1], "demo"))
sys.path.insert(4, os.path.join(sys.path[1], "tests"))

import numpy as np

from donkey_sagemaker.contract import STRETCHES
from donkey_sagemaker.tubs.files import FolderFiles
from donkey_sagemaker.tubs.reader import read_tub
from drive_side import drive_courses
from laps import Pilot as Run
from trainer.checkpoint import Checkpoint, State
from trainer.dataset import make_dataset
from trainer.fit import fit
from trainer.pilots import make_pilot
from trainer.reading import load_inputs
from trainer.review import compare, predict
from trainer.split import draw_frames
from trainer.tensorflow_versions import set_seeds
from trainer_jobs import make_job


def main() -> None:
    with open(sys.argv[1]) as file:
        task = json.load(file)
    set_seeds(task["seed"])
    job = make_job("linear", BATCH_SIZE=task["batch_size"])
    job = job._replace(seed=task["seed"], recipe=task["recipe"], validation=STRETCHES)
    pilot = make_pilot(job.model_type, job.config)
    pilot.compile()
    tub = read_tub(FolderFiles(task["tub"]), name="tub")
    dataset = make_dataset(pilot, load_inputs(job, {"tub": tub}))
    training, frames = draw_frames(dataset.training, train_fraction=0.8, seed=task["seed"])
    kept = Weights()
    fit(
        pilot.net,
        dataset.feed(training, seed=task["seed"]),
        dataset.feed(dataset.validation),
        config={"MAX_EPOCHS": task["epochs"], "USE_EARLY_STOP": False},
        log_folder=os.path.join(os.path.dirname(task["result"]), "tensorboard"),
        stop=threading.Event(),
        checkpoint=kept,
        deliver=lambda _: None,
    )
    results = {}
    for name, examples in (("frames", frames), ("stretches", dataset.validation)):
        feed = dataset.feed(examples)
        errors = []
        for weights in kept.of_epochs:
            pilot.net.set_weights(weights)
            compared = compare(examples, lambda _, feed=feed: predict(pilot, feed))
            errors.append(float(compared.angle_errors.mean()))
        best = int(np.argmin(errors))
        pilot.net.set_weights(kept.of_epochs[best])
        driven = drive_courses(make_run(pilot), task)
        results[name] = dict(driven["kicked"], epoch=best + 1, error=errors[best])
    with open(task["result"], "w") as file:
        json.dump(results, file)


class Weights(Checkpoint):
    """Keeps the weights of a net after each epoch, in place of a file."""

    def __init__(self) -> None:
        self.of_epochs: List[Any] = []

    def read(self, *_: Any) -> None:
        return None

    def write(self, state: State) -> None:
        self.of_epochs.append(state.weights)


def make_run(pilot: Any) -> Run:
    """The net as a pilot of the demo's car."""

    def run(picture: np.ndarray) -> Tuple[float, float]:
        outputs = pilot.net(picture[None].astype(np.float32) / pilot.picture_divisor, training=False)
        angle, throttle = pilot.make_commands([np.asarray(output)[0] for output in outputs])[:2]
        return float(angle), float(throttle)

    return run


if __name__ == "__main__":
    main()
