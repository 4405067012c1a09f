"""Trains one model, and judges and drives it after each epoch that was the best so far.

    python verdict_side.py TASK.json

TASK.json holds `tub`, `type`, `epochs`, `records` (the first ones; 0 for all), `seed`, `car` and `track`, the
seed of the demo's track that the tub shows, or null. One line of JSON is printed for each model: parts of its
artifact.json, and what it drove.
"""

import json
import os
import shutil
import sys
import tempfile
import threading
from typing import Any, Dict, List

sys.path.insert(1, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(2, os.path.join(sys.path[1], "container"))
sys.path.insert(3, os.path.join(sys.path[1], "tests"))
sys.path.insert(4, os.path.join(sys.path[1], "demo"))

import numpy as np

from draw_tub import MAX_SESSIONS, session_seed
from laps import ahead, drive
from opt_ml_factory import make_opt_ml
from pilot import load_pilot
from scene import Scene
from track import Track
from trainer.delivery import Delivery
from trainer.opt_ml import OptMl
from trainer.reading import read_inputs
from trainer.train import train

LATENCY = 2  # frames: 0.1 s
KICK_EVERY = 50  # frames: 2.5 s


def main() -> None:
    with open(sys.argv[1]) as file:
        task = json.load(file)
    folder = os.path.dirname(os.path.abspath(sys.argv[1]))
    snapshots: List[str] = []
    deliver = Delivery.deliver_best_so_far

    def deliver_and_keep(self: Any, fitted: Any) -> None:
        deliver(self, fitted)
        snapshots.append(os.path.join(folder, f"epoch-{fitted.best_epoch}"))
        shutil.copytree(self.folder, snapshots[-1])

    Delivery.deliver_best_so_far = deliver_and_keep  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory(dir=folder) as own:
        config = f"MAX_EPOCHS = {task['epochs']}\nCREATE_TF_LITE = False\nBATCH_SIZE = 128\n"
        if task["records"]:
            config += f"TRAIN_FILTER = lambda record: record.underlying['_index'] < {task['records']}\n"
        base = make_opt_ml(
            os.path.join(own, "ml"),
            task["tub"],
            model_type=task["type"],
            models=[("pilot.h5", "h5")],
            config=config,
            hyperparameters={"seed": task["seed"]},
        )
        opt_ml = OptMl({"SAGEMAKER_BASE_DIR": base})
        opt_ml.make_outputs()
        train(opt_ml, threading.Event(), read_inputs(opt_ml))
    for snapshot in snapshots:
        print(json.dumps(describe(snapshot, task)), flush=True)


def describe(snapshot: str, task: Dict[str, Any]) -> Dict[str, Any]:
    with open(os.path.join(snapshot, "artifact.json")) as file:
        artifact = json.load(file)
    result = {name: artifact[name] for name in ("validation", "metrics", "records")}
    if task["track"] is not None:
        model = next(each["path"] for each in artifact["files"] if each["role"] == "model")
        result["driven"] = drive_model(os.path.join(snapshot, model), task)
    return result


def drive_model(model: str, task: Dict[str, Any]) -> Dict[str, float]:
    """A lap of the tub's own track in a room that it does not show, with kicks."""
    track = Track(task["track"])
    scene = Scene(track, seed=session_seed(task["track"], MAX_SESSIONS - 1))
    pilot = load_pilot(task["car"], model, task["type"])
    moments = drive(pilot, track, scene, laps=1.0, latency=LATENCY, kick_every=KICK_EVERY, seed=1)
    return {
        "metres": float(sum(ahead(track, one.arc, other.arc) for one, other in zip(moments, moments[1:]))),
        "times_off": sum(moment.is_off for moment in moments),
        "mean_distance_m": float(np.mean([abs(moment.offset) for moment in moments])),
    }


if __name__ == "__main__":
    main()
