"""Trains models of planted quality, drives them in the demo's simulator, and lets the proof drive them.

    python proof_side.py TASK.json

TASK.json holds `planted`, the trainings, each with name, tub, the epochs after which its model is kept,
slide, noise, recipe and seed; `folder`, with the weights in `NAME-EPOCH.npz` and in `NAME-EPOCH.json` the
results; `tracks`, each a seed and whether it is driven in reverse; `laps`, `latency` and `kick_every`. What
the folder already has is not made again.
"""

import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, List, Tuple

sys.path.insert(1, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(2, os.path.join(sys.path[1], "container"))
sys.path.insert(3, os.path.join(sys.path[1], "demo"))

import numpy as np
import tensorflow as tf
from PIL import Image

from donkey_sagemaker.atomic import write_json
from donkey_sagemaker.tubs.files import FolderFiles
from donkey_sagemaker.tubs.reader import read_tub
from draw_tub import MAX_SESSIONS, session_seed
from laps import ahead, drive
from scene import Scene
from track import Track
from trainer.dataset import Dataset, make_dataset
from trainer.driving_proof import prove, summarize_proof
from trainer.job import Job
from trainer.pilots import make_pilot
from trainer.reading import Inputs, load_inputs
from trainer.tensorflow_versions import keras, run_fit, set_seeds

CONFIG = {
    "IMAGE_H": 72,  # small, so that many models can be trained
    "IMAGE_W": 96,
    "IMAGE_DEPTH": 3,
    "BATCH_SIZE": 32,
    "USE_EARLY_STOP": False,
}
HELD_OUT = 0.2  # of each session, in its middle
GAP = 20  # frames on either side of it


def main() -> None:
    with open(sys.argv[1]) as file:
        task = json.load(file)
    rooms = draw_rooms(task)
    for planted in task["planted"]:
        base = os.path.join(task["folder"], planted["name"])
        paths = {epoch: f"{base}-{epoch}" for epoch in planted["epochs"]}
        results = {epoch: read_result(path) for epoch, path in paths.items()}
        if all(set(result) >= {"truth", "proof"} for result in results.values()):
            continue
        pilot, dataset, inputs = read(planted)
        if not all(os.path.exists(path + ".npz") for path in paths.values()):
            train(pilot, dataset, inputs.job, paths)
        for epoch, path in paths.items():
            result = dict(
                results[epoch], planted=planted, epoch=epoch, val_loss=read_weights(pilot.net, path)
            )
            if "truth" not in result:
                result["truth"] = drive_all(pilot, task, rooms)
                write_json(path + ".json", result)
            if "proof" not in result:
                result["proof"] = run_proof(pilot, dataset, inputs)
                write_json(path + ".json", result)
            print(
                os.path.basename(path),
                json.dumps({name: result[name] for name in ("val_loss", "truth", "proof")}),
                flush=True,
            )


def read_result(path: str) -> Dict[str, Any]:
    if not os.path.exists(path + ".json"):
        return {}
    with open(path + ".json") as file:
        result: Dict[str, Any] = json.load(file)
    return result


def run_proof(pilot: Any, dataset: Dataset, inputs: Inputs) -> Dict[str, Any]:
    """What the trainer's own proof says, and the processor's seconds that it took."""
    started = time.process_time()
    proof = prove(pilot, dataset, inputs, stop=threading.Event())
    if proof is None:
        raise RuntimeError("a drawn tub can be driven")
    return dict(summarize_proof(proof, dataset.examples, inputs.job), seconds=time.process_time() - started)


def read_weights(net: Any, path: str) -> float:
    """Sets the net's weights, and returns their validation loss."""
    with np.load(path + ".npz") as arrays:
        net.set_weights([arrays[f"arr_{number}"] for number in range(len(arrays.files) - 1)])
        return float(arrays["val_loss"])


def read(planted: Dict[str, Any]) -> Tuple[Any, Dataset, Inputs]:
    """The untrained pilot of a planted model, and what it is trained with."""
    job = Job(
        name=planted["name"],
        model_type="linear",
        models=[],
        transfer_path=None,
        slide=planted["slide"],
        min_throttle=None,
        floor_throttle=None,
        autopilot="skip",
        seed=planted["seed"],
        tub_paths={},
        config=dict(CONFIG),
        recipe=planted["recipe"],
        driving_proof=True,
    )
    tub = read_tub(FolderFiles(planted["tub"]), name="tub")
    random = np.random.RandomState(planted["seed"])
    noise = (
        random.normal(0, planted["noise"], len(tub.records))
        if planted["noise"]
        else np.zeros(len(tub.records))
    )
    noisy = [
        record._replace(angle=float(np.clip(record.angle + more, -1, 1)))
        for record, more in zip(tub.records, noise)
    ]
    tub.records[:] = noisy
    set_seeds(job.seed)
    pilot = make_pilot(job.model_type, job.config)
    pilot.compile()
    inputs = load_inputs(job, {"tub": tub})
    return pilot, hold_out(make_dataset(pilot, inputs)), inputs


def hold_out(dataset: Dataset) -> Dataset:
    """The dataset with the middle of each session for validation."""
    training: List[Any] = []
    validation: List[Any] = []
    sessions: Dict[Any, List[Any]] = {}
    for example in dataset.examples:
        sessions.setdefault(example.records[-1].session, []).append(example)
    for examples in sessions.values():
        first, last = (int(len(examples) * (1 + side * HELD_OUT) / 2) for side in (-1, 1))
        validation += examples[first:last]
        training += examples[: first - GAP] + examples[last + GAP :]
    return dataset._replace(training=training, validation=validation)


class KeepEpochs(keras.callbacks.Callback):
    """Writes the weights and the validation loss after some of the epochs."""

    def __init__(self, paths: Dict[int, str]) -> None:
        super().__init__()
        self._paths = paths

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        path = self._paths.get(epoch + 1)
        if path:
            with open(path + ".npz", "wb") as file:
                np.savez(file, *self.model.get_weights(), val_loss=logs["val_loss"])


def train(pilot: Any, dataset: Dataset, job: Job, paths: Dict[int, str]) -> None:
    training = dataset.feed(dataset.training, seed=job.seed)
    training.start_workers()
    try:
        run_fit(
            pilot.net,
            training,
            dataset.feed(dataset.validation),
            epochs=max(paths),
            callbacks=[KeepEpochs(paths)],
            verbose=0,
        )
    finally:
        training.stop_workers()


class Together:
    """A pilot for drives in several threads: their pictures go through the net in one batch.

    Args:
        steer: pictures (n, height, width, 3) -> commands (n, 2).
        drives: how many there are.
    """

    def __init__(self, steer: Callable[[np.ndarray], np.ndarray], drives: int) -> None:
        self._steer = steer
        self._drives = drives
        self._waiting: List[np.ndarray] = []
        self._commands = np.zeros((0, 2))
        self._batch = 0
        self._changed = threading.Condition()

    def __call__(self, picture: np.ndarray) -> Tuple[float, float]:
        with self._changed:
            number, batch = len(self._waiting), self._batch
            self._waiting.append(picture)
            self._run_if_complete()
            self._changed.wait_for(lambda: self._batch > batch)
            angle, throttle = self._commands[number]
            return float(angle), float(throttle)

    def leave(self) -> None:
        with self._changed:
            self._drives -= 1
            self._run_if_complete()

    def _run_if_complete(self) -> None:
        if self._waiting and len(self._waiting) == self._drives:
            self._commands = self._steer(np.stack(self._waiting))
            self._waiting = []
            self._batch += 1
            self._changed.notify_all()


def drive_all(pilot: Any, task: Dict[str, Any], rooms: List[Tuple[int, Track, Scene]]) -> Dict[str, float]:
    """What the model truly drives, on tracks that no tub shows."""
    net = tf.function(pilot.net, reduce_retracing=True)
    size = (CONFIG["IMAGE_W"], CONFIG["IMAGE_H"])

    def steer(pictures: np.ndarray) -> np.ndarray:
        small = np.stack([np.asarray(Image.fromarray(picture).resize(size)) for picture in pictures])
        outputs = net(small.astype(np.float32) / np.float32(pilot.picture_divisor))
        return np.stack(
            [pilot.make_commands(list(raw))[:2] for raw in zip(*(each.numpy() for each in outputs))]
        )

    together = Together(steer, len(rooms))

    def drive_one(room: Tuple[int, Track, Scene]) -> Tuple[float, List[Any]]:
        seed, track, scene = room
        try:
            moments = drive(
                together,
                track,
                scene,
                laps=task["laps"],
                latency=task["latency"],
                kick_every=task["kick_every"],
                seed=seed,
            )
        finally:
            together.leave()
        return sum(ahead(track, one.arc, other.arc) for one, other in zip(moments, moments[1:])), moments

    with ThreadPoolExecutor(len(rooms)) as pool:
        driven = list(pool.map(drive_one, rooms))
    moments = [moment for _, some in driven for moment in some]
    return {
        "metres": sum(metres for metres, _ in driven),
        "times_off": sum(moment.is_off for moment in moments),
        "mean_distance_m": float(np.mean([abs(moment.offset) for moment in moments])),
    }


def draw_rooms(task: Dict[str, Any]) -> List[Tuple[int, Track, Scene]]:
    """Each with the seed of its kicks."""
    tracks = [(seed, Track(seed, reverse=reverse)) for seed, reverse in task["tracks"]]
    return [(seed, track, Scene(track, seed=session_seed(seed, MAX_SESSIONS - 1))) for seed, track in tracks]


if __name__ == "__main__":
    main()
