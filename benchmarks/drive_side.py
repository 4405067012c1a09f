"""Drives models through unseen tracks of the demo, with kicks and without.

    python drive_side.py TASK.json

TASK.json holds `models` (each with car, model and type), `courses` (seed of the track, whether it is driven
in reverse, brightness of the light, latency in frames, and factor of the throttle), `surface`, `camera`,
`laps`, `kick_every` and `result`, the path of the file for the results: for each model, what it drove
"kicked" and "nominal". All models drive through the same rooms and get the same kicks.
"""

import json
import os
import sys
from typing import Any, Dict, List, Sequence, Tuple

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
    pilots = [load_pilot(each["car"], each["model"], each["type"]) for each in task["models"]]
    results = drive_courses(pilots, task)
    with open(task["result"], "w") as file:
        json.dump(results, file)


def drive_courses(pilots: Sequence[Pilot], task: Dict[str, Any]) -> List[Dict[str, Dict[str, float]]]:
    """What each pilot drove, "kicked" and "nominal"."""
    drives: List[Dict[str, List[Any]]] = [{"kicked": [], "nominal": []} for _ in pilots]
    surface, camera = SURFACES[task["surface"]], CAMERAS[task["camera"]]
    for course in task["courses"]:
        track = Track(course["seed"], reverse=course["reverse"])
        room = session_seed(course["seed"], MAX_SESSIONS - 1)
        lighting = draw_lighting(room)._replace(brightness=course["brightness"])
        scene = Scene(track, seed=room, surface=surface, lighting=lighting, camera=camera)
        for pilot, driven in zip(pilots, drives):
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
    return [{name: summarize(parts) for name, parts in driven.items()} for driven in drives]


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
