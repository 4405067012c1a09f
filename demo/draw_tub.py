"""Draws a tub: a simulated car drives around a drawn track, each session in another room and light.

Sessions alternate in direction unless --one-way is given. The same options give the same bytes with the same
versions of NumPy and Pillow.
"""

import argparse
import calendar
import sys
import time
from typing import Iterator, List, Optional

import numpy as np

from driver import LOOP_S, PUSH, Frame, drive
from scene import CAMERAS, Camera, Scene
from surface import SURFACES, Surface
from track import Track
from tub_writer import CAMERA_KEY, FolderInUse, Record, write_v1, write_v2

MAX_SESSIONS = 64
MAX_SEED = 2**26 - 1
LOCATIONS = 8

COLUMNS = [
    (CAMERA_KEY, "image_array"),
    ("user/angle", "float"),
    ("user/throttle", "float"),
    ("user/mode", "str"),
]
EXTRA_COLUMNS = [(f"imu/{kind}_{axis}", "float") for kind in ("acl", "gyr") for axis in "xyz"] + [
    ("behavior/one_hot_state_array", "vector"),
    ("localizer/location", "int"),
]


def draw_session(
    number: int,
    *,
    seed: int,
    reverse: bool,
    records: int,
    latency: int,
    extras: bool,
    push_size: float,
    surface: Surface,
    camera: Camera,
    start_ms: int,
) -> Iterator[Record]:
    """The records of one session, each with a time in Unix milliseconds."""
    own_seed = session_seed(seed, number)
    track = Track(seed, reverse=reverse)
    scene = Scene(track, seed=own_seed, surface=surface, camera=camera)
    shaking = np.random.RandomState(own_seed)
    frames = drive(
        track, seed=own_seed, frames=records, latency=latency, behaviors=extras, push_size=push_size
    )
    for index, frame in enumerate(frames):
        record = {
            CAMERA_KEY: scene.picture(frame.state.x, frame.state.y, frame.state.heading),
            "user/angle": frame.angle,
            "user/throttle": frame.throttle,
            "user/mode": "user",
            "_timestamp_ms": start_ms + int(index * LOOP_S * 1000),
        }
        if extras:
            record.update(measure(frame, track=track, shaking=shaking))
        yield record


def session_seed(seed: int, number: int) -> int:
    """The seed of a session's room, light and driving."""
    return MAX_SESSIONS * seed + number


def measure(frame: Frame, *, track: Track, shaking: np.random.RandomState) -> Record:
    """The other sensors: m/s2 and degrees/s (x forward, y left, z up), behavior and location."""
    sideways = frame.state.speed * frame.turn_rate
    acceleration = np.array([frame.acceleration, sideways, 9.81]) + shaking.normal(0, 0.3, 3)
    turning = np.array([0.0, 0.0, np.degrees(frame.turn_rate)]) + shaking.normal(0, 1.5, 3)
    values = dict(zip((key for key, _ in EXTRA_COLUMNS), acceleration.tolist() + turning.tolist()))
    values["behavior/one_hot_state_array"] = [float(frame.behavior == state) for state in (0, 1)]
    values["localizer/location"] = min(int(frame.arc / track.length * LOCATIONS), LOCATIONS - 1)
    return values


def main(arguments: Optional[List[str]] = None) -> int:
    """Runs the command and returns its exit code: 0, or 2 if the options or the folder cannot be used."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out", required=True, help="the v2 tub, or the folder of the v1 tubs (one for each session)"
    )
    parser.add_argument(
        "--records", type=int, default=3000, help="records of all sessions together (default 3000)"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="seed of the track, the light and the driving (default 1)"
    )
    parser.add_argument(
        "--sessions", type=int, default=4, help="number of sessions of equal length (default 4)"
    )
    parser.add_argument("--one-way", action="store_true", help="drive all sessions in the same direction")
    parser.add_argument("--layout", choices=("v1", "v2"), default="v2", help="v2 for donkeycar 4 and later")
    parser.add_argument("--latency", type=int, default=0, help="frames between a picture and its command")
    parser.add_argument("--steady", action="store_true", help="drive without pushes to recover from")
    parser.add_argument("--surface", choices=tuple(SURFACES), default="road", help="what marks the lane")
    parser.add_argument("--camera", choices=tuple(CAMERAS), default="usual", help="how the camera is mounted")
    parser.add_argument("--extras", action="store_true", help="add imu, behavior and localizer columns")
    parser.add_argument("--day", default="26-01-01", help="date of the drive, YY-MM-DD (default 26-01-01)")
    options = parser.parse_args(arguments)
    if not 1 <= options.sessions <= MAX_SESSIONS:
        parser.error(f"--sessions is {options.sessions}, but it must be from 1 to {MAX_SESSIONS}")
    if options.records < options.sessions:
        parser.error(
            f"--records is {options.records}, but {options.sessions} sessions need at least one each"
        )
    if options.latency < 0:
        parser.error(f"--latency is {options.latency}, but it must be 0 or more")
    if not 0 <= options.seed <= MAX_SEED:
        parser.error(f"--seed is {options.seed}, but it must be from 0 to {MAX_SEED}")
    try:
        noon_ms = (calendar.timegm(time.strptime(options.day, "%y-%m-%d")) + 12 * 3600) * 1000
    except ValueError:
        parser.error(f"--day is {options.day}, but it must be a date like 26-01-01 (YY-MM-DD)")

    columns = COLUMNS + (EXTRA_COLUMNS if options.extras else [])
    sessions = [
        draw_session(
            number,
            seed=options.seed,
            reverse=number % 2 == 1 and not options.one_way,
            records=len(range(number, options.records, options.sessions)),
            latency=options.latency,
            extras=options.extras,
            push_size=0.0 if options.steady else PUSH,
            surface=SURFACES[options.surface],
            camera=CAMERAS[options.camera],
            start_ms=noon_ms + number * 3600 * 1000,
        )
        for number in range(options.sessions)
    ]
    write = write_v2 if options.layout == "v2" else write_v1
    try:
        write(options.out, columns=columns, sessions=sessions, start_ms=noon_ms, day=options.day)
    except FolderInUse as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{options.records} records in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
