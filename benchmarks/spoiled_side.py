"""Trains a linear model on each of several tubs with donkeycar's own `train`, and drives them with kicks.

    python spoiled_side.py TASK.json

TASK.json is written by spoiled.py.
"""

import json
import os
import random
import sys
from typing import Any, Dict, List

sys.path.insert(1, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "demo"))

import donkeycar
import numpy as np
import tensorflow
from donkeycar.pipeline.training import train

import driver
from laps import ahead, drive
from pilot import load_pilot
from scene import Camera, Scene
from track import Track


def main() -> None:
    with open(sys.argv[1]) as file:
        task = json.load(file)
    config = donkeycar.load_config(os.path.join(task["car"], "config.py"))
    driver.MAX_SPEED_M_S = task["max_speed_m_s"]
    pilots = []
    for tub in task["tubs"]:
        random.seed(task["seed"])
        np.random.seed(task["seed"])
        tensorflow.random.set_seed(task["seed"])
        model = os.path.join(task["car"], "models", os.path.basename(tub) + ".h5")
        train(config, tub, model, "linear")
        pilots.append(load_pilot(task["car"], model.replace(".h5", ".tflite"), "tflite_linear"))
    driven: List[Dict[str, Any]] = [{"metres": 0.0, "times_off": 0} for _ in pilots]
    scene = Scene(Track(task["seed"]), seed=task["seed"] + 1, camera=Camera(**task["camera"]))
    for reverse in (False, True):
        track = Track(task["seed"], reverse=reverse)
        for pilot, result in zip(pilots, driven):
            moments = drive(
                pilot,
                track,
                scene,
                laps=task["laps"],
                latency=task["latency"],
                kick_every=task["kick_every"],
                seed=task["seed"],
            )
            ways = [ahead(track, one.arc, other.arc) for one, other in zip(moments, moments[1:])]
            result["metres"] += float(sum(ways))
            result["times_off"] += sum(moment.is_off for moment in moments)
    with open(task["result"], "w") as file:
        json.dump(driven, file)


if __name__ == "__main__":
    main()
