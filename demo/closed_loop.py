"""Drives the demo's track with a trained model, through donkeycar's own pilot.

Draws the picture that the car would see, asks the pilot for a command, moves the car by a bicycle model, and
repeats: the loop that a test on recorded pictures leaves open. A car that leaves the lane is placed back on
its centre, as one would do by hand, and that is counted. The exit code is 1 if it happened.
"""

import argparse
import json
import os
import sys
from typing import List, NamedTuple, Optional, Tuple

from draw_tub import MAX_SESSIONS, session_seed
from film import Film, draw_maps
from laps import Laps, Moment, drive, summarize
from pilot import load_pilot
from scene import Scene
from surface import Lighting
from track import Track


class Course(NamedTuple):
    """Where to drive."""

    name: str
    reverse: bool
    session: int  # whose room it is
    lighting: Optional[Lighting]  # None: that session's own


NO_SESSION = MAX_SESSIONS - 1  # a room that no tub has seen, unless it has the most sessions possible
COURSES = (
    Course("as recorded", False, 0, None),
    Course("in the other direction, in another room", True, NO_SESSION, None),
    Course("by lamplight", False, NO_SESSION, Lighting(brightness=0.6, tint=(1.15, 1.0, 0.8), noise=7.0)),
)


def main(arguments: Optional[List[str]] = None) -> int:
    """Drives every course. Returns 0, or 1 if the car left the track."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--car", required=True, help="the car's folder, for its config")
    parser.add_argument("--model", required=True, help="path of the model")
    parser.add_argument("--type", required=True, help="the type as in `manage.py drive`")
    parser.add_argument("--seed", type=int, default=1, help="the track's seed, as in draw_tub.py (default 1)")
    parser.add_argument("--laps", type=float, default=3.0, help="laps of each course (default 3)")
    parser.add_argument("--latency", type=int, default=0, help="frames between a picture and its command")
    parser.add_argument(
        "--noise", type=float, default=0.0, help="standard deviation of the play in the steering"
    )
    parser.add_argument("--throttle", type=float, help="a constant throttle, as in the mode local_angle")
    parser.add_argument("--out", metavar="FOLDER", help="for map.png, lap.gif and laps.json")
    options = parser.parse_args(arguments)
    if options.latency < 0:
        parser.error(f"--latency is {options.latency}, but it must be 0 or more")
    if options.noise < 0:
        parser.error(f"--noise is {options.noise:g}, but it must be 0 or more")

    pilot = load_pilot(options.car, options.model, options.type, throttle=options.throttle)
    film = Film()
    driven: List[Tuple[Course, Track, List[Moment], Laps]] = []
    for course in COURSES:
        track = Track(options.seed, reverse=course.reverse)
        scene = Scene(track, seed=session_seed(options.seed, course.session), lighting=course.lighting)
        moments = drive(
            pilot,
            track,
            scene,
            laps=options.laps,
            latency=options.latency,
            noise=options.noise,
            watch=film.add if options.out and not driven else None,
        )
        laps = summarize(moments, track)
        print(f"{course.name}: {laps}", flush=True)
        driven.append((course, track, moments, laps))
    if options.out:
        os.makedirs(options.out, exist_ok=True)
        draw_maps([(course.name, track, moments) for course, track, moments, _ in driven]).save(
            os.path.join(options.out, "map.png")
        )
        film.save(os.path.join(options.out, "lap.gif"), track=driven[0][1])
        with open(os.path.join(options.out, "laps.json"), "w") as file:
            json.dump({course.name: laps._asdict() for course, _, _, laps in driven}, file, indent=1)
    return 1 if any(laps.times_off for _, _, _, laps in driven) else 0


if __name__ == "__main__":
    sys.exit(main())
