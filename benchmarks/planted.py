"""Faults that are planted in drawn and in real tubs, for benchmarks/review.py and benchmarks/spoiled.py."""

from typing import Any, Callable, Dict, List, NamedTuple, Sequence, Tuple

import numpy as np
from PIL import Image, ImageFilter

from shots import NOISE, DrawnView, Effect, MemoryFiles, Shot, film, write_shots

# isort: split
import driver  # of the demo, which shots.py makes importable
import scene
import surface
from donkey_sagemaker.tubs.reader import Tub
from track import Track

Plant = Callable[[List[Shot], np.random.RandomState], List[Shot]]
WIDTH, HEIGHT = 80, 60  # of a drawn picture: as the review decodes all of them
TEXEL_M = 0.01  # of the floor, which such a picture cannot show any finer
MOVED_DEG = 6.0  # by which a camera that was moved looks up or down
MARGIN = 25  # records between two faults, and between a fault and the end of a session
STEADY = 0.04  # push of a driver who never leaves the line
VISIBLE = 0.3  # by which a wrong command differs from the right one


class NoRoom(Exception):
    """No stretch of the tub is long enough for another fault."""


class Planted(NamedTuple):
    """A tub in memory, and which of its records are bad."""

    files: MemoryFiles
    faults: np.ndarray  # (n,) str, the kind of the planted fault or ""
    optional: np.ndarray  # (n,) bool, a finding may contain the record or not


def draw_tub(seed: int, kinds: Sequence[str], *, records: int, latency: int = 0) -> Planted:
    """Two sessions in one room, one in each direction, and faults of these kinds."""
    return make_planted(draw_shots(seed, kinds, records=records, latency=latency), kinds, seed)


def draw_shots(
    seed: int,
    kinds: Sequence[str],
    *,
    records: int,
    latency: int = 0,
    size: Tuple[int, int] = (WIDTH, HEIGHT),
) -> List[Shot]:
    """The drive of `draw_tub`, with only those faults that are in how it is driven."""
    rng = np.random.RandomState(seed)
    scene.TEXEL_M = surface.TEXEL_M = TEXEL_M
    camera = scene.Camera(
        width=size[0],
        height=size[1],
        field_of_view_deg=rng.uniform(80, 120),
        above_floor_m=rng.uniform(0.13, 0.22),
        pitch_deg=rng.uniform(15, 26),
    )
    driver.MAX_SPEED_M_S = rng.uniform(2.2, 3.8)
    push_size = rng.uniform(0.3, 0.6)
    tremor = rng.uniform(0.0, 0.04)  # of the driver's hand
    if "no recoveries" in kinds:
        push_size = rng.uniform(0, STEADY)
    shots: List[Shot] = []
    view = DrawnView(Track(seed), seed=seed, camera=camera)
    for session in (0, 1):
        frames = driver.drive(
            Track(seed, reverse=session == 1 and "one direction" not in kinds),
            seed=64 * seed + session,
            frames=records // 2,
            latency=latency,
            push_size=push_size,
        )
        shots += [
            Shot(view, frame.state, frame.angle + rng.normal(0, tremor), frame.throttle, session)
            for frame in frames
        ]
    return shots


def film_tub(tub: Tub, seed: int, kinds: Sequence[str], *, most: int) -> Planted:
    """Up to *most* records of a real tub, and faults of these kinds."""
    start = np.random.RandomState(seed).randint(0, max(1, tub.estimate_records() - most))
    return make_planted(film(tub, first=start, most=most), kinds, seed)


def film_late(tub: Tub, frames: int) -> Planted:
    """A real tub of one session whose commands come so many frames later, or earlier."""
    shots = film(tub, first=0, most=tub.estimate_records())
    kept = shots[max(0, frames) : len(shots) + min(0, frames)]
    commands = shots[max(0, -frames) :]
    moved = [shot._replace(angle=later.angle, throttle=later.throttle) for shot, later in zip(kept, commands)]
    return make_planted(moved, (), 0)


def make_planted(shots: List[Shot], kinds: Sequence[str], seed: int) -> Planted:
    """Plants the faults one after the other, and writes the tub."""
    rng = np.random.RandomState(seed + 1)
    for kind in kinds:
        if kind in PLANTS:
            shots = PLANTS[kind](shots, rng)
    return Planted(
        write_shots(shots),
        faults=np.array([shot.fault for shot in shots]),
        optional=np.array([shot.optional for shot in shots]),
    )


def _somewhere(shots: List[Shot], rng: np.random.RandomState, length: int) -> slice:
    """A stretch within one session, apart from other faults.

    Raises:
        NoRoom
    """
    if length + 2 * MARGIN >= len(shots):
        raise NoRoom()
    for _ in range(1000):
        start = rng.randint(MARGIN, len(shots) - length - MARGIN)
        around = shots[start - MARGIN : start + length + MARGIN]
        if all(not shot.fault and shot.session == around[0].session for shot in around):
            return slice(start, start + length)
    raise NoRoom()


def _change(shots: List[Shot], where: slice, kind: str, change: Callable[[Shot], Shot]) -> List[Shot]:
    changed = [change(shot)._replace(fault=shot.fault or kind) for shot in shots[where]]
    return shots[: where.start] + changed + shots[where.stop :]


def _insert(shots: List[Shot], place: int, kind: str, new: List[Shot]) -> List[Shot]:
    return shots[:place] + [shot._replace(fault=kind) for shot in new] + shots[place:]


def _noisy(picture: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """What is in front of the sensor changes, its noise stays."""
    return np.clip(picture + rng.normal(0, NOISE, picture.shape), 0, 255).astype(np.uint8)


def _show(kind: str, effect: Callable[[np.random.RandomState], Effect]) -> Plant:
    def plant(shots: List[Shot], rng: np.random.RandomState) -> List[Shot]:
        where = _somewhere(shots, rng, rng.randint(30, 150))
        chosen = effect(rng)
        return _change(shots, where, kind, lambda shot: shot._replace(effect=chosen))

    return plant


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
    radius = rng.uniform(2.5, 4.5) / 160  # of the picture's width

    def effect(picture: np.ndarray) -> np.ndarray:
        blurred = Image.fromarray(picture).filter(ImageFilter.GaussianBlur(radius * picture.shape[1]))
        return _noisy(np.asarray(blurred).astype(float), rng)

    return effect


def _darken(rng: np.random.RandomState) -> Effect:
    factor = rng.uniform(0.05, 0.14)
    return lambda picture: _noisy(picture * factor, rng)


def _brighten(rng: np.random.RandomState) -> Effect:
    factor, more = rng.uniform(2.2, 3.0), rng.uniform(110, 150)
    return lambda picture: _noisy(picture * factor + more, rng)


def _stay(shot: Shot, length: int, rng: np.random.RandomState, **commands: float) -> List[Shot]:
    """The same place again and again, with another noise."""
    effect = shot.effect or (lambda picture: _noisy(picture, rng))
    return [shot._replace(effect=effect, **commands) for _ in range(length)]


def _stand(shots: List[Shot], rng: np.random.RandomState) -> List[Shot]:
    place = _somewhere(shots, rng, 1).start
    return _insert(
        shots, place, "still", _stay(shots[place], rng.randint(30, 120), rng, throttle=0.0, angle=0.0)
    )


def crash(shots: List[Shot], rng: np.random.RandomState) -> List[Shot]:
    """The car leaves the lane, hits something, and is put back where it was."""
    place = _somewhere(shots, rng, 1).start
    shot = shots[place]
    way = shot.view.crash(shot.place, rng.randint(15, 30), rng)
    lead = [
        shot._replace(place=where, angle=angle, effect=lambda picture: _noisy(picture, rng), optional=True)
        for where, angle in way
    ]
    stuck = _stay(lead[-1]._replace(optional=False), rng.randint(15, 60), rng, throttle=rng.uniform(0.3, 0.6))
    return _insert(shots, place, "stuck", lead + stuck)


def _freeze(shots: List[Shot], rng: np.random.RandomState) -> List[Shot]:
    where = _somewhere(shots, rng, rng.randint(12, 80))
    first = shots[where.start]
    token = f"frozen {where.start}"
    return _change(shots, where, "frozen", lambda shot: shot._replace(place=first.place, repeats=token))


def _repeat(shots: List[Shot], rng: np.random.RandomState) -> List[Shot]:
    """Records of the first half come again in the second."""
    half = len(shots) // 2
    where = _somewhere(shots[:half], rng, rng.randint(30, 200))
    copied = [shot._replace(repeats=f"copy {number}") for number, shot in enumerate(shots[where])]
    place = half + _somewhere(shots[half:], rng, 1).start
    return _insert(
        shots[: where.start] + copied + shots[where.stop :],
        place,
        "duplicate",
        [shot._replace(session=shots[place].session) for shot in copied],
    )


def _carry(shots: List[Shot], rng: np.random.RandomState) -> List[Shot]:
    place = _somewhere(shots, rng, 1).start
    shot = shots[place]
    carried = shot.view.carry(shot.place, rng.randint(40, 120), rng)
    new = [
        shot._replace(view=view, place=where, throttle=0.0, angle=0.0, effect=None) for view, where in carried
    ]
    return _insert(shots, place, "carried", new)


def _reverse(shots: List[Shot], rng: np.random.RandomState) -> List[Shot]:
    """With negative throttle, or pulled back by hand, or with a throttle that has lost its sign."""
    where = _somewhere(shots, rng, rng.randint(20, 60))
    throttle = rng.choice([-0.3, 0.0, 0.3])
    back = [shot._replace(throttle=throttle) for shot in shots[where][::-1]]
    if not isinstance(back[0].view, DrawnView):  # recorded bytes would be the same records twice
        back = [shot._replace(effect=lambda picture: _noisy(picture, rng)) for shot in back]
    return _insert(shots, where.stop, "backwards", back)


def _move(shots: List[Shot], rng: np.random.RandomState) -> List[Shot]:
    start = rng.randint(int(0.2 * len(shots)), int(0.8 * len(shots)))
    degrees = MOVED_DEG * rng.choice([-1, 1])
    tilted: Dict[int, Any] = {}
    for shot in shots[start:]:
        tilted.setdefault(id(shot.view), shot.view.tilted(degrees))
    return shots[:start] + [
        shot._replace(view=tilted[id(shot.view)], fault=shot.fault or "moved") for shot in shots[start:]
    ]


def _contradict(shots: List[Shot], rng: np.random.RandomState) -> List[Shot]:
    """Opposite commands, or those of another moment. Where they are right by chance, nobody can see it."""
    where = _somewhere(shots, rng, rng.randint(80, 160))
    others = [-shot.angle for shot in shots[where]]
    if rng.rand() < 0.5:
        start = rng.randint(0, len(shots) - len(others))
        others = [shot.angle for shot in shots[start : start + len(others)]]
    wrong = [
        shot._replace(angle=angle, fault="contradictory", optional=abs(angle - shot.angle) < VISIBLE)
        for shot, angle in zip(shots[where], others)
    ]
    return shots[: where.start] + wrong + shots[where.stop :]


def _shake(shots: List[Shot], rng: np.random.RandomState) -> List[Shot]:
    where = _somewhere(shots, rng, rng.randint(60, 200))
    return _change(
        shots,
        where,
        "jitter",
        lambda shot: shot._replace(angle=shot.angle + rng.choice([-1, 1]) * rng.uniform(0.2, 0.5)),
    )


def _autopilot(shots: List[Shot], rng: np.random.RandomState) -> List[Shot]:
    where = _somewhere(shots, rng, rng.randint(30, 200))
    return _change(shots, where, "autopilot", lambda shot: shot._replace(mode="local", angle=0.0))


def _everywhere(kind: str, change: Callable[[Shot], Shot]) -> Plant:
    return lambda shots, rng: _change(shots, slice(0, len(shots)), kind, change)


# Faults of some records, then those of a whole tub. Inserted ones come last, as they move what follows.
STRETCHES: Dict[str, Plant] = {
    "autopilot": _autopilot,
    "covered": _show("covered", _cover),
    "blurred": _show("blurred", _blur),
    "dark": _show("dark", _darken),
    "bright": _show("bright", _brighten),
    "contradictory": _contradict,
    "jitter": _shake,
    "frozen": _freeze,
    "duplicate": _repeat,
    "backwards": _reverse,
    "still": _stand,
    "stuck": crash,
    "carried": _carry,
}
WHOLE: Dict[str, Plant] = {
    "moved": _move,
    "saturated": _everywhere(
        "saturated", lambda shot: shot._replace(angle=min(1.0, max(-1.0, 5 * shot.angle)))
    ),
    "dead zone": _everywhere(
        "dead zone", lambda shot: shot._replace(angle=shot.angle if abs(shot.angle) > 0.18 else 0.0)
    ),
    "constant throttle": _everywhere(
        "constant throttle", lambda shot: shot._replace(throttle=0.35 if shot.throttle > 0 else 0.0)
    ),
    "straight": _everywhere("straight", lambda shot: shot._replace(angle=0.05 * shot.angle)),
}
PLANTS: Dict[str, Plant] = {**STRETCHES, **WHOLE}
DRIVEN = ("one direction", "no recoveries")  # planted by how the tub is driven
