"""Trains one model, and drives it as it was after the epochs that validation losses and proofs pick.

    python choosing_side.py TASK.json

A fifth of the drive is held out as whole stretches, with a second's gap, and a fifth of the rest as single
frames, drawn at random. After each epoch of one training, the net's loss on both is measured. The net then
drives the courses of benchmarks/driving.py, kicked, and the trainer's own proof of driving, with the
weights of the CANDIDATES best epochs of either loss. As in the trainer, the proof drives the held-out
stretches where there are any, and the whole tub otherwise. TASK.json holds `tub`, `seed`, `surface`,
`camera`, `courses`, `laps`, `kick_every`, `recipe`, `epochs`, `batch_size` and `result`, the path of the
JSON file. That file has, by way of validating, the candidates, best loss first: each has its epoch, its
loss, what it drove ("driven") and what the proof says ("proof").
"""

import json
import os
import sys
import threading
from typing import Any, Dict, List, Sequence, Tuple

sys.path.insert(1, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(2, os.path.join(sys.path[1], "container"))
sys.path.insert(3, os.path.join(sys.path[1], "demo"))
sys.path.insert(4, os.path.join(sys.path[1], "tests"))

import numpy as np
import tensorflow as tf

from donkey_sagemaker.contract import STRETCHES
from donkey_sagemaker.tubs.files import FolderFiles
from donkey_sagemaker.tubs.reader import read_tub
from drive_side import drive_courses
from laps import Pilot as Run
from trainer.checkpoint import Checkpoint, State
from trainer.dataset import make_dataset
from trainer.driving_proof import prove, summarize_proof
from trainer.feed import Feed
from trainer.fit import fit
from trainer.pilots import make_pilot
from trainer.reading import load_inputs
from trainer.review import compare, predict
from trainer.split import draw_frames
from trainer.tensorflow_versions import set_seeds
from trainer_jobs import make_job

CANDIDATES = 3


def main() -> None:
    with open(sys.argv[1]) as file:
        task = json.load(file)
    set_seeds(task["seed"])
    job = make_job("linear", BATCH_SIZE=task["batch_size"])
    job = job._replace(seed=task["seed"], recipe=task["recipe"], validation=STRETCHES, driving_proof=True)
    pilot = make_pilot(job.model_type, job.config)
    pilot.compile()
    tub = read_tub(FolderFiles(task["tub"]), name="tub")
    inputs = load_inputs(job, {"tub": tub})
    dataset = make_dataset(pilot, inputs)
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
    run = make_run(pilot)
    driven: Dict[int, Dict[str, float]] = {}
    results = {}
    for name, examples in (("frames", frames), ("stretches", dataset.validation)):
        losses = measure_losses(pilot, dataset.feed(examples), examples, kept.of_epochs)
        validated = dataset._replace(validation=examples)
        results[name] = []
        for epoch in np.argsort(losses)[:CANDIDATES].tolist():
            pilot.net.set_weights(kept.of_epochs[epoch])
            if epoch not in driven:
                driven[epoch] = drive_courses(run, task)["kicked"]
            proof = prove(pilot, validated, inputs, stop=threading.Event())
            results[name].append(
                {
                    "epoch": epoch + 1,
                    "loss": losses[epoch],
                    "driven": driven[epoch],
                    "proof": summarize_proof(proof, dataset.examples, job),
                }
            )
    with open(task["result"], "w") as file:
        json.dump(results, file)


def measure_losses(pilot: Any, feed: Feed, examples: Sequence[Any], weights: Sequence[Any]) -> List[float]:
    """The validation loss of a linear model with the weights of each epoch: both squared errors."""
    losses = []
    for of_epoch in weights:
        pilot.net.set_weights(of_epoch)
        compared = compare(examples, lambda _: predict(pilot, feed))
        losses.append(float(((compared.predicted - compared.driven) ** 2).mean(axis=0).sum()))
    return losses


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
    net = tf.function(pilot.net, reduce_retracing=True)

    def run(picture: np.ndarray) -> Tuple[float, float]:
        outputs = net(picture[None].astype(np.float32) / np.float32(pilot.picture_divisor), training=False)
        angle, throttle = pilot.make_commands([np.asarray(output)[0] for output in outputs])[:2]
        return float(angle), float(throttle)

    return run


if __name__ == "__main__":
    main()
