"""How strongly a car turns at full steering, found in its own tub, whatever its size, speed and servo.

What is far away moves through the picture by the angle that the car turns. So each pair of consecutive
pictures is compared above the horizon, and the angles are fitted to the recorded steering.
"""

from typing import Any, Iterable, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from donkey_sagemaker.tubs.record import Record

from .examples import follows
from .pictures import Shape
from .views import Camera, Viewer

PAIRS = 300  # compared at most; they are spread over the whole drive
FEWEST_PAIRS = 60
LAGS = 9  # frames by which the car may follow its commands
FAR_PART = 0.4  # of the picture from its top; cameras of cars look down
COLUMNS = 160  # compared at most
ROWS_APART = 2  # neighbours say nearly the same
TURNS = np.linspace(-0.3, 0.3, 61)  # radians between two pictures
LEAST_CORRELATION = 0.8
CHANCE = 0.02  # by which the correlation may be larger for another lag
FRAME_S = 0.05  # of donkeycar's drive loop, if a tub has no times or impossible ones
SHORTEST_S, LONGEST_S = 0.02, 0.2


class Turning(NamedTuple):
    """How a car turned in a drive."""

    per_s: float  # radians a second at full steering, to the side that it steers to
    correlation: float  # of turning and steering
    pairs: int
    trim_per_s: float = 0.0  # the same without steering, to the right: the servo is rarely in its middle
    lag: int = 1  # frames between a command and the picture that it has turned; 1 if it takes effect at once
    frame_s: float = FRAME_S  # between two pictures

    @property
    def is_sure(self) -> bool:
        return self.per_s > 0 and self.correlation >= LEAST_CORRELATION and self.pairs >= FEWEST_PAIRS


def find_turning(recorded: Iterable[Tuple[Record, int]], pictures: Any, camera: Camera) -> Optional[Turning]:
    """
    Args:
        recorded: records in the order they were driven, each with the number of its picture.
        pictures: by number; a PictureStore, or anything that has its `shape`.
    Returns:
        None if there is nothing to compare.
    """
    recorded = list(recorded)
    run = 0  # how many records before this one are consecutive
    places = []
    for place, (record, _) in enumerate(recorded):
        run = run + 1 if place and follows(recorded[place - 1][0], record) else 0
        if run >= LAGS:
            places.append(place)
    chosen = [places[each] for each in np.linspace(0, len(places) - 1, min(PAIRS, len(places))).astype(int)]
    compass = Compass(camera, pictures.shape)
    turns: List[float] = []
    steering: List[List[float]] = []
    for place in chosen:
        turn = compass.turn_between(*(pictures[number] for _, number in recorded[place - 1 : place + 1]))
        if turn is not None:
            turns.append(-turn)  # as steering: positive to the right
            steering.append([record.angle for record, _ in recorded[place - LAGS : place]])
    if len(turns) < 2:
        return None
    fits = [_fit(np.array(angles), np.array(turns)) for angles in zip(*steering)]
    per_frame, trim, correlation = max(fits, key=lambda fit: fit[-1])
    # Bends are longer than lags, so later commands may fit slightly better by chance
    lag = min(LAGS - number for number, fit in enumerate(fits) if fit[-1] >= correlation - CHANCE)
    frame_s = _find_frame_s([(recorded[place - 1][0], recorded[place][0]) for place in chosen])
    return Turning(
        per_s=per_frame / frame_s,
        correlation=correlation,
        pairs=len(turns),
        trim_per_s=trim / frame_s,
        lag=lag,
        frame_s=frame_s,
    )


def _find_frame_s(pairs: Sequence[Tuple[Record, Record]]) -> float:
    times = [
        after.timestamp_ms - before.timestamp_ms
        for before, after in pairs
        if before.timestamp_ms is not None and after.timestamp_ms is not None
    ]
    middle_s = float(np.median(times)) / 1000 if times else 0.0
    return middle_s if SHORTEST_S <= middle_s <= LONGEST_S else FRAME_S


class Compass:
    """Finds by which of TURNS the camera turned between two pictures (height, width, depth) of one shape."""

    def __init__(self, camera: Camera, shape: Shape) -> None:
        self._step = max(1, shape[1] // COLUMNS)
        height, width = (-(-size // self._step) for size in shape[:2])
        self._far = slice(0, int(FAR_PART * height), ROWS_APART)
        viewer = Viewer(camera, (height, width, 1))
        unseen = height * width  # the place of a pixel that the earlier picture did not show
        places = []
        for turn in TURNS:
            across, below = (np.rint(each[self._far]).ravel() for each in viewer.find_far_sources(turn))
            seen = (across >= 0) & (across < width) & (below >= 0) & (below < height)
            places.append(np.where(seen, below * width + across, unseen))
        # For each turn: where the far pixels of the later picture were in the earlier one
        self._places = np.array(places, np.intp)
        both = (self._places != unseen).astype(np.float32)
        self._weights = both / both.sum(axis=1, keepdims=True)  # for an average over what both show

    def turn_between(self, before: np.ndarray, after: np.ndarray) -> Optional[float]:
        """The angle in radians, to the left; None if it cannot be seen."""
        earlier = np.append(self._brightness(before), np.float32(0))
        later = self._brightness(after)[self._far].ravel()
        differences = []
        for places, weights in zip(self._places, self._weights):
            difference = later - earlier.take(places, mode="clip")
            difference -= difference.dot(weights)  # whatever the light does
            differences.append(np.abs(difference, out=difference).dot(weights))
        best = int(np.argmin(differences))
        if not 0 < best < len(TURNS) - 1 or differences[best] > 0.8 * np.median(differences):
            return None
        left, lowest, right = differences[best - 1 : best + 2]
        bend = left - 2 * lowest + right
        # The lowest point of a parabola through these three
        between = (left - right) / (2 * bend) if bend else 0.0
        return float(TURNS[best] + between * (TURNS[1] - TURNS[0]))

    def _brightness(self, picture: np.ndarray) -> np.ndarray:
        """Of each pixel."""
        pixels: np.ndarray = picture[:: self._step, :: self._step].astype(np.float32)
        return pixels @ np.full(pixels.shape[2], 1 / pixels.shape[2], np.float32)


def _fit(steering: np.ndarray, turns: np.ndarray) -> Tuple[float, float, float]:
    """Slope and offset of a line through most of the points, and their correlation."""
    if not steering.std() or not turns.std():
        return 0.0, 0.0, 0.0
    columns = np.stack([steering, np.ones_like(steering)], axis=1)
    weights = np.ones_like(turns)
    for _ in range(10):
        line = np.linalg.lstsq(columns * weights[:, np.newaxis], turns * weights, rcond=None)[0]
        errors = np.abs(turns - columns @ line)
        weights = np.sqrt(1 / (1 + (errors / (1.5 * np.median(errors) + 1e-9)) ** 2))
    return float(line[0]), float(line[1]), float(np.corrcoef(steering, turns)[0, 1])
