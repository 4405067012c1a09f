"""Drives a model through unseen tracks of the demo, with kicks and without.

    python drive_side.py TASK.json

TASK.json holds `car`, `model`, `type`, `courses` (seed of the track, whether it is driven in reverse,
brightness of the light, latency in frames, and factor of the throttle), `surface`, `camera`, `laps`,
`kick_every` and `result`, the path of the file for what the model drove "kicked" and "nominal". All models
drive through the same rooms and get the same kicks.
"""

import json
import os
import sys
from typing import Any, Dict, List, Tuple

sys.path.insert(1, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "demo"))

import numpy as np

from draw_tub import MAX_SESSIONS, session_seed
from laps import Pilot, ahead, drive
from pilot import load_pilot
from scene import CAMERAS, Scene
from surface import SURFACES, draw_lighting
from track import Track


def main() -> None:
    with open(sys.argv[1]) as file:
        task = json.load(file)
    driven = drive_courses(load_pilot(task["car"], task["model"], task["type"]), task)
    with open(task["result"], "w") as file:
        json.dump(driven, file)


def drive_courses(pilot: Pilot, task: Dict[str, Any]) -> Dict[str, Dict[str, float]]:
    """What the pilot drove, "kicked" and "nominal"."""
    driven: Dict[str, List[Any]] = {"kicked": [], "nominal": []}
    surface, camera = SURFACES[task["surface"]], CAMERAS[task["camera"]]
    for course in task["courses"]:
        track = Track(course["seed"], reverse=course["reverse"])
        room = session_seed(course["seed"], MAX_SESSIONS - 1)
        lighting = draw_lighting(room)._replace(brightness=course["brightness"])
        scene = Scene(track, seed=room, surface=surface, lighting=lighting, camera=camera)
        for name, kick_every in (("kicked", task["kick_every"]), ("nominal", 0)):
            moments = drive(
                speed_up(pilot, course["speed"]),
                track,
                scene,
                laps=task["laps"],
                latency=course["latency"],
                kick_every=kick_every,
                seed=course["seed"],
            )
            metres = sum(ahead(track, one.arc, other.arc) for one, other in zip(moments, moments[1:]))
            driven[name].append((metres, moments))
    return {name: summarize(parts) for name, parts in driven.items()}


def speed_up(pilot: Pilot, factor: float) -> Pilot:
    """The pilot of a car that is faster by this factor."""

    def run(picture: np.ndarray) -> Tuple[float, float]:
        angle, throttle = pilot(picture)
        return angle, factor * throttle

    return run


def summarize(parts: List[Any]) -> Dict[str, float]:
    moments = [moment for _, drive in parts for moment in drive]
    return {
        "metres": float(sum(metres for metres, _ in parts)),
        "times_off": sum(moment.is_off for moment in moments),
        "mean_distance_m": float(np.mean([abs(moment.offset) for moment in moments])),
    }


if __name__ == "__main__":
    main()
