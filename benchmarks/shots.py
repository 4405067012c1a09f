"""Tubs that exist in memory only: records of a drawn or of a real drive, which can be changed and written."""

import io
import json
import math
import os
import sys
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

import numpy as np
from PIL import Image

sys.path.insert(1, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(2, os.path.join(sys.path[1], "demo"))

import driver
from donkey_sagemaker.tubs.reader import Tub
from scene import Camera, Scene
from track import Track

Effect = Callable[[np.ndarray], np.ndarray]
NOISE = 2.5  # standard deviation of the sensor's noise in a picture that is made of another one
HAND_TURN, HAND_STEP_M = 0.05, 0.05  # by which a car swings and moves in somebody's hand, each frame


class DrawnView:
    """A room as one camera sees it, drawn when the first picture is needed. A place is a `driver.State`."""

    def __init__(self, track: Track, *, seed: int, camera: Camera) -> None:
        self.track = track
        self._seed = seed
        self.camera = camera
        self._scene: Optional[Scene] = None

    def picture(self, place: driver.State) -> np.ndarray:
        if self._scene is None:
            self._scene = Scene(self.track, seed=self._seed, camera=self.camera)
        return self._scene.picture(place.x, place.y, place.heading)

    def tilted(self, degrees: float) -> "DrawnView":
        """The same room, seen by a camera that looks further down."""
        camera = self.camera._replace(pitch_deg=self.camera.pitch_deg + degrees)
        return DrawnView(self.track, seed=self._seed, camera=camera)

    def carry(self, place: driver.State, frames: int, rng: np.random.RandomState) -> List[Tuple[Any, Any]]:
        """Views and places of a car in somebody's hand: higher, and looking anywhere."""
        camera = self.camera._replace(above_floor_m=rng.uniform(0.4, 1.0), pitch_deg=rng.uniform(-10, 50))
        view = DrawnView(self.track, seed=self._seed, camera=camera)
        turn, carried = 0.0, []
        for _ in range(frames):
            turn = 0.9 * turn + rng.normal(0, HAND_TURN)
            heading = place.heading + turn
            x = place.x + HAND_STEP_M * math.cos(heading)
            y = place.y + HAND_STEP_M * math.sin(heading)
            place = driver.State(x, y, heading, 0.0)
            carried.append((view, place))
        return carried

    def crash(self, place: driver.State, frames: int, rng: np.random.RandomState) -> List[Tuple[Any, float]]:
        """Places and commands of a car that leaves its lane."""
        angle, crashed = rng.choice([-1, 1]) * rng.uniform(0.4, 1.0), []
        for _ in range(frames):
            crashed.append((place, float(angle)))
            place = driver.step(place, angle, 0.4, driver.LOOP_S)
        return crashed


class FilmedView:
    """The pictures of a real tub. A place is the number of a picture."""

    def __init__(self, read: Callable[[int], bytes], count: int) -> None:
        self._read = read
        self._count = count

    def data(self, place: int) -> bytes:
        """The picture as it was recorded."""
        return self._read(place)

    def picture(self, place: int) -> np.ndarray:
        with Image.open(io.BytesIO(self._read(place))) as picture:
            return np.asarray(picture.convert("RGB"))

    def tilted(self, degrees: float) -> "WarpedView":
        return WarpedView(self, rows=degrees * 1.3)  # of 120, as in the demo's camera

    def carry(self, place: int, frames: int, rng: np.random.RandomState) -> List[Tuple[Any, Any]]:
        """A picture that is turned, enlarged and swung about."""
        heading, turn, swung, carried = 0.0, 0.0, rng.uniform(-8, 8, 2), []
        zoom, tilt = rng.uniform(1.3, 2.2), rng.uniform(-30, 30)
        for _ in range(frames):
            turn = 0.9 * turn + rng.normal(0, 1.5)
            heading += turn
            swung = swung + rng.normal(0, 1.5, 2)
            shift = (40 * math.sin(heading / 40) + swung[0], 15 * math.sin(heading / 25) + swung[1])
            carried.append((WarpedView(self, zoom=zoom, tilt_deg=tilt + heading / 4, shift=shift), place))
        return carried

    def crash(self, place: int, frames: int, rng: np.random.RandomState) -> List[Tuple[Any, float]]:
        """The pictures go on; nothing else has been recorded."""
        last = min(self._count - 1, place + frames)
        return [(each, float(rng.choice([-1, 1]))) for each in range(place, last)]


class WarpedView:
    """Real pictures as a camera in another position might show them."""

    def __init__(
        self,
        view: FilmedView,
        *,
        rows: float = 0.0,
        zoom: float = 1.0,
        tilt_deg: float = 0.0,
        shift: Tuple[float, float] = (0.0, 0.0),
    ) -> None:
        self._view = view
        cos, sin = math.cos(math.radians(tilt_deg)) / zoom, math.sin(math.radians(tilt_deg)) / zoom
        self._turned = np.array([[cos, -sin], [sin, cos]])
        self._shift = np.array(shift) + (0, rows)

    def picture(self, place: int) -> np.ndarray:
        source = self._view.picture(place)
        height, width = source.shape[:2]
        middle = np.array([width / 2, height / 2])
        offset = middle + self._shift - self._turned @ middle
        columns, rows = np.meshgrid(np.arange(width), np.arange(height))
        places = self._turned @ np.stack([columns.ravel(), rows.ravel()]) + offset[:, None]
        x = _reflect(places[0], width)
        y = np.clip(np.rint(places[1]), 0, height - 1).astype(int)
        return source[y, x].reshape(source.shape)


def _reflect(places: np.ndarray, size: int) -> np.ndarray:
    """Columns beyond an edge come back, so that there is always something to see."""
    back = np.abs(np.rint(places).astype(int)) % (2 * size)
    return np.minimum(back, 2 * size - 1 - back)


class Shot(NamedTuple):
    """A record that has no picture yet."""

    view: Any
    place: Any
    angle: float
    throttle: float
    session: Any
    mode: str = "user"
    effect: Optional[Effect] = None
    repeats: Optional[Any] = None  # a token: shots with the same one show the very same picture
    fault: str = ""  # the kind of finding that it belongs to
    optional: bool = False  # a finding of this kind may contain it or not


class MemoryFiles:
    """The files of a tub that is nowhere on a disk, with the methods of FolderFiles."""

    def __init__(self, files: Dict[str, bytes]) -> None:
        self._files = files

    def names(self) -> Iterator[str]:
        return iter(self._files)

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def read(self, name: str) -> bytes:
        if name not in self._files:
            raise FileNotFoundError(name)
        return self._files[name]

    def items(self) -> Any:
        return self._files.items()


def write_shots(shots: List[Shot]) -> MemoryFiles:
    """A v2 tub."""
    files: Dict[str, bytes] = {}
    lines = []
    shown: Dict[Any, bytes] = {}
    for index, shot in enumerate(shots):
        name = f"{index}_cam_image_array_.jpg"
        data = shown.get(shot.repeats)
        if data is None:
            data = _take(shot)
            if shot.repeats is not None:
                shown[shot.repeats] = data
        files["images/" + name] = data
        line = {
            "_index": index,
            "_session_id": f"26-01-01_{shot.session}",
            "_timestamp_ms": 1767225600000 + 50 * index,
            "cam/image_array": name,
            "user/angle": float(shot.angle),
            "user/mode": shot.mode,
            "user/throttle": float(shot.throttle),
        }
        lines.append(json.dumps(line))
    about = {"paths": ["catalog_0.catalog"], "current_index": len(shots), "deleted_indexes": []}
    files["catalog_0.catalog"] = "\n".join(lines).encode()
    files["manifest.json"] = ("[]\n[]\n{}\n{}\n" + json.dumps(about) + "\n").encode()
    return MemoryFiles(files)


def _take(shot: Shot) -> bytes:
    """The picture as JPEG; one that was recorded stays as it is."""
    if shot.effect is None and isinstance(shot.view, FilmedView):
        return shot.view.data(shot.place)
    picture = shot.view.picture(shot.place)
    file = io.BytesIO()
    Image.fromarray(shot.effect(picture) if shot.effect else picture).save(file, format="JPEG")
    return file.getvalue()


def film(tub: Tub, *, first: int, most: int) -> List[Shot]:
    """Up to *most* records of a real tub, from the record number *first* on."""
    records = [record for part in tub.parts(check_pictures=False) for record in part.records]
    records = records[first : first + most]
    view = FilmedView(lambda place: tub.files.read(records[place].image), len(records))
    return [
        Shot(view, place, record.angle, record.throttle, str(record.session))
        for place, record in enumerate(records)
    ]
