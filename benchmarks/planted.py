"""Drawn tubs with a planted fault each, for benchmarks/review.py: in memory, with the demo's renderer."""

import io
import json
import math
import os
import sys
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional

import numpy as np
from PIL import Image, ImageFilter

sys.path.insert(1, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "demo"))

import driver
from scene import Camera, Scene
from track import Track

Effect = Callable[[np.ndarray], np.ndarray]
MOVED_DEG = 6.0  # by which a camera that was moved looks up or down


class View(NamedTuple):
    """A room as one camera sees it, drawn when the first picture is needed."""

    track: Track
    seed: int
    camera: Camera
    drawn: List[Scene]

    def picture(self, state: driver.State) -> np.ndarray:
        if not self.drawn:
            self.drawn.append(Scene(self.track, seed=self.seed, camera=self.camera))
        return self.drawn[0].picture(state.x, state.y, state.heading)

    def seen_by(self, camera: Camera) -> "View":
        return self._replace(camera=camera, drawn=[])


class Shot(NamedTuple):
    """A record that is not drawn yet."""

    scene: "View"
    state: driver.State
    angle: float
    throttle: float
    session: int
    mode: str = "user"
    effect: Optional[Effect] = None
    repeats: Optional[Any] = None  # a token: shots with the same one show the very same picture
    planted: bool = False


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


class Planted(NamedTuple):
    """A drawn tub, and which of its records are bad."""

    kind: Optional[str]  # None: it is clean
    detail: str
    files: MemoryFiles
    mask: np.ndarray  # (n,) bool


def draw_tub(seed: int, kind: Optional[str], *, records: int, latency: int = 0) -> Planted:
    """Two sessions in different rooms, one in each direction, and the fault."""
    rng = np.random.RandomState(seed)
    camera = Camera(
        field_of_view_deg=rng.uniform(80, 120),
        above_floor_m=rng.uniform(0.13, 0.22),
        pitch_deg=rng.uniform(15, 26),
    )
    driver.MAX_SPEED_M_S = rng.uniform(2.2, 3.8)
    shots: List[Shot] = []
    for session in (0, 1):
        track = Track(seed, reverse=session == 1 and kind != "one direction")
        scene = View(track, 64 * seed + session, camera, [])
        frames = driver.drive(track, seed=64 * seed + session, frames=records // 2, latency=latency)
        shots += [Shot(scene, frame.state, frame.angle, frame.throttle, session) for frame in frames]
    if kind in PLANTS:
        shots = PLANTS[kind](shots, rng)
    elif kind is not None:
        shots = [shot._replace(planted=True) for shot in shots]
    return Planted(kind, f"seed {seed}", _write(shots), np.array([shot.planted for shot in shots]))


def _write(shots: List[Shot]) -> MemoryFiles:
    files: Dict[str, bytes] = {}
    lines = []
    shown: Dict[Any, bytes] = {}
    for index, shot in enumerate(shots):
        name = f"{index}_cam_image_array_.jpg"
        data = shown.get(shot.repeats) if shot.repeats is not None else None
        if data is None:
            picture = shot.scene.picture(shot.state)
            file = io.BytesIO()
            Image.fromarray(shot.effect(picture) if shot.effect else picture).save(file, format="JPEG")
            data = file.getvalue()
            if shot.repeats is not None:
                shown[shot.repeats] = data
        files["images/" + name] = data
        line = {
            "_index": index,
            "_session_id": f"26-01-01_{shot.session}",
            "_timestamp_ms": 1767225600000 + 50 * index,
            "cam/image_array": name,
            "user/angle": shot.angle,
            "user/mode": shot.mode,
            "user/throttle": shot.throttle,
        }
        lines.append(json.dumps(line))
    about = {"paths": ["catalog_0.catalog"], "current_index": len(shots), "deleted_indexes": []}
    files["catalog_0.catalog"] = "\n".join(lines).encode()
    files["manifest.json"] = ("[]\n[]\n{}\n{}\n" + json.dumps(about) + "\n").encode()
    return MemoryFiles(files)


def _somewhere(shots: List[Shot], rng: np.random.RandomState, length: int) -> slice:
    """A stretch within one session."""
    half = len(shots) // 2
    start = rng.randint(20, half - length - 20) + half * rng.randint(2)
    return slice(start, start + length)


def _change(shots: List[Shot], where: slice, change: Callable[[Shot], Shot]) -> List[Shot]:
    return (
        shots[: where.start]
        + [change(shot)._replace(planted=True) for shot in shots[where]]
        + shots[where.stop :]
    )


def _insert(shots: List[Shot], place: int, new: List[Shot]) -> List[Shot]:
    return shots[:place] + [shot._replace(planted=True) for shot in new] + shots[place:]


def _show(effect: Callable[[np.random.RandomState], Effect], shortest: int = 30, longest: int = 150) -> Any:
    def plant(shots: List[Shot], rng: np.random.RandomState) -> List[Shot]:
        where = _somewhere(shots, rng, rng.randint(shortest, longest))
        chosen = effect(rng)
        return _change(shots, where, lambda shot: shot._replace(effect=chosen))

    return plant


def _noisy(picture: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """What is behind the lens changes, the sensor's noise stays."""
    return np.clip(picture + rng.normal(0, 2.5, picture.shape), 0, 255).astype(np.uint8)


def _cover(rng: np.random.RandomState) -> Effect:
    colour, slope = rng.uniform(25, 110, 3) * (1, 0.6, 0.5), rng.uniform(-12, 12)
    fog = rng.uniform(130, 200)
    is_fog = rng.rand() < 0.5

    def effect(picture: np.ndarray) -> np.ndarray:
        if is_fog:
            return _noisy(picture * 0.12 + 0.88 * fog, rng)
        return _noisy(colour + slope * np.linspace(-1, 1, picture.shape[1])[None, :, None] + 0 * picture, rng)

    return effect


def _blur(rng: np.random.RandomState) -> Effect:
    radius = rng.uniform(2.5, 4.5)
    return lambda picture: _noisy(
        np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(radius))).astype(float), rng
    )


def _darken(rng: np.random.RandomState) -> Effect:
    factor = rng.uniform(0.05, 0.14)
    return lambda picture: _noisy(picture * factor, rng)


def _brighten(rng: np.random.RandomState) -> Effect:
    factor, more = rng.uniform(2.2, 3.0), rng.uniform(110, 150)
    return lambda picture: _noisy(picture * factor + more, rng)


def _stand(throttle: Optional[float]) -> Any:
    """throttle: 0 is released, None goes on."""

    def plant(shots: List[Shot], rng: np.random.RandomState) -> List[Shot]:
        place = _somewhere(shots, rng, 40).start
        shot = shots[place]
        length = rng.randint(30, 120) if throttle is not None else rng.randint(15, 60)
        shown = shot.throttle if throttle is None else throttle
        new = [
            shot._replace(throttle=shown, angle=shot.angle if throttle is None else 0.0)
            for _ in range(length)
        ]
        return _insert(shots, place, new)

    return plant


def _freeze(shots: List[Shot], rng: np.random.RandomState) -> List[Shot]:
    where = _somewhere(shots, rng, rng.randint(12, 80))
    first = shots[where.start]
    return _change(shots, where, lambda shot: shot._replace(state=first.state, repeats="frozen"))


def _repeat(shots: List[Shot], rng: np.random.RandomState) -> List[Shot]:
    half = len(shots) // 2
    length = rng.randint(30, 200)
    start = rng.randint(20, half - length - 20)
    place = half + rng.randint(20, half - 20)
    for number in range(start, start + length):
        shots[number] = shots[number]._replace(repeats=number)
    return _insert(shots, place, shots[start : start + length])


def _carry(shots: List[Shot], rng: np.random.RandomState) -> List[Shot]:
    place = _somewhere(shots, rng, 40).start
    shot = shots[place]
    # In the hand: higher, and looking anywhere; the walls and the floor swing by
    high = shot.scene.camera._replace(above_floor_m=rng.uniform(0.5, 1.0), pitch_deg=rng.uniform(-10, 50))
    scene = shot.scene.seen_by(high)
    x, y, heading = shot.state.x, shot.state.y, shot.state.heading
    turn, new = 0.0, []
    for _ in range(rng.randint(40, 120)):
        turn = 0.9 * turn + rng.normal(0, 0.05)
        heading += turn
        x, y = x + 0.05 * math.cos(heading), y + 0.05 * math.sin(heading)
        state = driver.State(x, y, heading, 0.0)
        new.append(shot._replace(scene=scene, state=state, throttle=0.0, angle=0.0))
    return _insert(shots, place, new)


def _reverse(shots: List[Shot], rng: np.random.RandomState) -> List[Shot]:
    where = _somewhere(shots, rng, rng.randint(15, 60))
    back = [shot._replace(throttle=-0.3) for shot in shots[where][::-1]]
    return _insert(shots, where.stop, back)


def _move(shots: List[Shot], rng: np.random.RandomState) -> List[Shot]:
    half = len(shots) // 2
    start = rng.randint(int(0.3 * half), int(1.4 * half))
    degrees = MOVED_DEG * rng.choice([-1, 1])
    tilted: Dict[int, View] = {}
    new = []
    for shot in shots[start:]:
        camera = shot.scene.camera._replace(pitch_deg=shot.scene.camera.pitch_deg + degrees)
        view = tilted.setdefault(shot.session, shot.scene.seen_by(camera))
        new.append(shot._replace(scene=view, planted=True))
    return shots[:start] + new


def _contradict(shots: List[Shot], rng: np.random.RandomState) -> List[Shot]:
    where = _somewhere(shots, rng, rng.randint(80, 160))
    return _change(shots, where, lambda shot: shot._replace(angle=-shot.angle))


def _shake(shots: List[Shot], rng: np.random.RandomState) -> List[Shot]:
    where = _somewhere(shots, rng, rng.randint(60, 200))
    return _change(
        shots,
        where,
        lambda shot: shot._replace(angle=shot.angle + rng.choice([-1, 1]) * rng.uniform(0.2, 0.5)),
    )


def _everywhere(change: Callable[[Shot], Shot]) -> Any:
    return lambda shots, rng: _change(shots, slice(0, len(shots)), change)


def _autopilot(shots: List[Shot], rng: np.random.RandomState) -> List[Shot]:
    where = _somewhere(shots, rng, rng.randint(30, 200))
    return _change(shots, where, lambda shot: shot._replace(mode="local", angle=0.0))


PLANTS: Dict[str, Callable[[List[Shot], np.random.RandomState], List[Shot]]] = {
    "autopilot": _autopilot,
    "still": _stand(0.0),
    "stuck": _stand(None),
    "carried": _carry,
    "backwards": _reverse,
    "frozen": _freeze,
    "duplicate": _repeat,
    "covered": _show(_cover),
    "blurred": _show(_blur),
    "dark": _show(_darken),
    "bright": _show(_brighten),
    "moved": _move,
    "contradictory": _contradict,
    "jitter": _shake,
    "saturated": _everywhere(lambda shot: shot._replace(angle=min(1.0, max(-1.0, 5 * shot.angle)))),
    "dead zone": _everywhere(lambda shot: shot._replace(angle=shot.angle if abs(shot.angle) > 0.18 else 0.0)),
    "constant throttle": _everywhere(lambda shot: shot._replace(throttle=0.35)),
    "straight": _everywhere(lambda shot: shot._replace(angle=0.05 * shot.angle)),
}
WHOLE = ("one direction",)  # planted by how it is driven
