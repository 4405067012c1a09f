"""Footage for the tests of the review: a small car passes a drawn wall again and again."""

import functools
import json
from typing import Any, Tuple

import numpy as np
from PIL import Image

from donkey_sagemaker.review.footage import HEIGHT, WIDTH, Footage, measure
from donkey_sagemaker.tubs.files import FolderFiles
from donkey_sagemaker.tubs.reader import V2, Tub
from tub_factory import make_record_v2, write_catalog, write_manifest

LAP = 160  # records until the same place comes again
_SHIFT = 2  # pixels by which the picture moves from record to record


@functools.lru_cache(maxsize=None)
def draw_wall(seed: int = 1) -> np.ndarray:
    """Shapes and edges all around, (HEIGHT, LAP * _SHIFT + WIDTH) float32; both ends are the same."""
    rng = np.random.RandomState(seed)
    wall = np.zeros((HEIGHT, LAP * _SHIFT), np.float32)
    wall[HEIGHT // 3 :] = 40  # the floor
    x = np.arange(LAP * _SHIFT) * 2 * np.pi / (LAP * _SHIFT)
    for wave in range(1, 24):
        height = np.cos(np.linspace(0, rng.uniform(1, 9), HEIGHT) + rng.uniform(0, 6))
        wall += 10 * height[:, None] * np.cos(wave * x + rng.uniform(0, 6))[None]
    for edge in rng.randint(0, LAP * _SHIFT, 40):
        wall[:, edge : edge + 6] += rng.uniform(-40, 40)
    return np.concatenate([wall, wall[:, :WIDTH]], 1) + 100


def draw_pictures(places: np.ndarray, *, seed: int = 1, noise: float = 1.0) -> np.ndarray:
    """What the camera sees at each place of a lap, (n, HEIGHT, WIDTH) uint8."""
    wall, rng = draw_wall(seed), np.random.RandomState(seed)
    starts = (places.astype(int) % LAP) * _SHIFT
    pixels = HEIGHT * WIDTH
    noises = rng.normal(0, noise, 29 * pixels).astype(np.float32)  # read from another place for each picture
    pictures = [
        wall[:, start : start + WIDTH] + noises[n * 61 % (28 * pixels) :][:pixels].reshape(HEIGHT, WIDTH)
        for n, start in enumerate(starts)
    ]
    return np.clip(np.stack(pictures), 0, 255).astype(np.uint8)


def steer(places: np.ndarray) -> np.ndarray:
    """How one drives there: both sides in each lap."""
    turn = places * 2 * np.pi / LAP
    return (0.5 * np.sin(2 * turn) + 0.3 * np.sin(5 * turn + 1)).astype(np.float32)


def make_footage(places: np.ndarray, *, pictures: Any = None, **changes: Any) -> Footage:
    """A driver's records at these places. *changes* replaces columns of the footage."""
    n = places.size
    pictures = draw_pictures(places) if pictures is None else pictures
    columns = {
        "tub": Tub(FolderFiles("."), name="tub", layout=V2),
        "indexes": np.arange(n),
        "angles": steer(places),
        "throttles": (0.3 + 0.1 * np.cos(places * 2 * np.pi / LAP)).astype(np.float32),
        "by_driver": np.ones(n, bool),
        "usable": np.ones(n, bool),
        "starts": np.arange(n) == 0,
        "images": [f"images/{number}.jpg" for number in range(n)],
        "digests": np.arange(n, dtype=np.uint32) + 1000,
        "hz": 20.0,
    }
    columns.update(measure(pictures))
    columns.update(changes)
    return Footage(**columns)


def drive_late(frames: int, count: int = 1600) -> Tuple[np.ndarray, np.ndarray]:
    """Pictures and steering: the car is pushed off its line, and steers back so many frames later."""
    rng = np.random.RandomState(4)
    offsets = np.zeros(count + frames)
    for place in range(1, offsets.size):
        offsets[place] = 0.8 * offsets[place - 1] + rng.normal(0, 2)
    pictures = draw_pictures(lap(count))
    seen = np.rint(offsets[frames:]).astype(int)
    pictures = np.stack([np.roll(each, shift, axis=0) for each, shift in zip(pictures, seen)])
    angles = 0.3 * steer(lap(count) - frames) - offsets[:count] / 8
    return pictures, angles.astype(np.float32)


def write_tub(folder: Any, pictures: np.ndarray, *, angles: np.ndarray, throttles: np.ndarray) -> str:
    """A v2 tub with these pictures and commands."""
    (folder / "images").mkdir(parents=True)
    lines = []
    for index, picture in enumerate(pictures):
        image_path = folder / "images" / f"{index}_cam_image_array_.jpg"
        Image.fromarray(picture).resize((160, 120)).save(str(image_path))
        commands = {"user/angle": float(angles[index]), "user/throttle": float(throttles[index])}
        lines.append(json.dumps(make_record_v2(index, **commands)).encode() + b"\n")
    write_catalog(folder, "catalog_0.catalog", lines)
    write_manifest(folder, ["catalog_0.catalog"], records=len(lines))
    return str(folder)


def lap(count: int = 1200) -> np.ndarray:
    """The places of a drive that never stops."""
    return np.arange(count)


def with_pause(where: int, length: int, count: int = 1200) -> np.ndarray:
    """The places of a drive that stays at one of them for some records."""
    places = np.arange(count)
    places[where : where + length] = where
    places[where + length :] -= length
    return places
