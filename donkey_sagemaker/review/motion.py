"""How the picture moves: standing still, stuck, carried by hand, driving backwards, a frozen camera."""

from typing import Iterator, NamedTuple, Optional, Tuple

import numpy as np

from .camera import measure_exposure
from .components import find_components
from .direction import Direction, find_backwards, measure_direction
from .finding import Finding, find_runs, make_finding
from .footage import Footage

WINDOW = 10  # consecutive records in which a car stands or moves
NOISE_RATIO = 1.25  # of the change over a window to that between neighbours, if there is only noise
CALM_SHARE = 0.5  # of the usual change from record to record; noise is less than that
STILL_SHARE = 0.25  # of the usual change over a window; a car that stands shows less
LOW_THROTTLE, HIGH_THROTTLE = 0.2, 0.3  # relative to the driver's usual throttle
STILL_S, STUCK_S, CARRIED_S, BACKWARDS_S = 1.0, 0.5, 1.0, 0.4
FROZEN = 6  # identical pictures in a row; a slow camera repeats one or two
PARTS = 20  # principal components that describe how driving looks
SAMPLE = 2000  # records that they are computed from
STRANGE = 1.15  # times the distance from these of nearly all driving, in half of a run
ASKEW, STRANGE_ASKEW = (
    0.35,
    0.6,
)  # the same where the pictures do not run ahead
STRAIGHT_BACK = -0.5  # median direction
LEAD_S = 1.0  # in which a driver runs into what the car gets stuck at
MOST_BACKWARDS = 0.4  # of the records; with more, this car drives with a negative throttle
_CHUNK = 2000


class Motion(NamedTuple):
    """(n,) each."""

    still: np.ndarray  # bool
    frozen: np.ndarray  # bool, byte for byte the same picture again and again
    usual_throttle: float


def find_motion(footage: Footage) -> Iterator[Finding]:
    motion = measure_motion(footage)
    starts, throttles, hz = footage.starts, footage.throttles, footage.hz
    high = throttles > HIGH_THROTTLE * motion.usual_throttle
    low = np.abs(throttles) <= LOW_THROTTLE * motion.usual_throttle

    blind = measure_exposure(footage).blind
    frozen = find_runs(motion.frozen & ~low & ~blind, starts, shortest=FROZEN)
    if frozen.any():
        yield make_finding("frozen", footage, frozen, 1.0, "the pictures are identical, byte for byte")
    still = find_runs(motion.still & low, starts, shortest=_frames(STILL_S, hz), gap=3) & ~frozen
    if still.any():
        yield make_finding(
            "still", footage, still, 0.95, "the picture does not move, and the throttle is released"
        )
    stuck = find_runs(motion.still & high & ~frozen, starts, shortest=_frames(STUCK_S, hz), gap=2)
    stuck = _add_lead(stuck, starts, _frames(LEAD_S, hz))
    if stuck.any():
        yield make_finding(
            "stuck",
            footage,
            stuck,
            0.9,
            f"the picture does not move, although there is throttle; with the {LEAD_S:g} s before",
        )
    stands = motion.still | frozen | stuck | blind
    direction = measure_direction(footage, high & ~stands)
    negative = throttles < -LOW_THROTTLE * motion.usual_throttle
    carried = _find_carried(footage, low & ~stands, high & ~stands, direction)
    backwards, evidence = _find_backwards(footage, negative, direction, free=~stands & ~carried)
    if backwards.any():
        yield make_finding("backwards", footage, backwards, 0.9, evidence)
    if carried.any():
        yield make_finding(
            "carried", footage, carried, 0.8, "the picture moves without throttle, and looks unlike driving"
        )


def _add_lead(mask: np.ndarray, starts: np.ndarray, frames: int) -> np.ndarray:
    """With so many records before each run, of the same drive. (n,) bool"""
    wide = mask.copy()
    for first in np.flatnonzero(mask & ~np.append(False, mask[:-1])).tolist():
        begin = max(0, first - frames)
        cuts = np.flatnonzero(starts[begin : first + 1])
        wide[begin + (int(cuts[-1]) if cuts.size else 0) : first] = True
    return wide


def _find_backwards(
    footage: Footage, negative: np.ndarray, direction: Optional[Direction], *, free: np.ndarray
) -> Tuple[np.ndarray, str]:
    """The records, and what was measured.

    Args:
        negative: (n,) bool, where the throttle is.
        free: (n,) bool, where nothing else explains how the pictures run.
    """
    backwards = np.zeros(footage.size, bool)
    seen = []
    if negative.mean() < MOST_BACKWARDS:
        backwards = find_runs(negative, footage.starts, shortest=_frames(BACKWARDS_S, footage.hz), gap=2)
        seen += ["the throttle is negative"] if backwards.any() else []
    if direction:
        reverse = find_backwards(footage, direction, free)
        seen += ["the pictures run backwards"] if (reverse & ~backwards).any() else []
        backwards |= reverse
    return backwards, ", or ".join(seen)


def measure_motion(footage: Footage) -> Motion:
    """Still is where the picture changes over a window no more than noise changes neighbours."""
    n = footage.size
    same = find_repeated(footage)
    driving = footage.throttles[footage.throttles > 0.02]
    usual = float(np.median(driving)) if driving.size else 1.0
    if n <= WINDOW:
        return Motion(np.zeros(n, bool), same, usual)
    step = change_over(footage.thumbs, 1)  # between each record and the next
    half, whole = change_over(footage.thumbs, WINDOW // 2), change_over(footage.thumbs, WINDOW - 1)
    windows = n - WINDOW + 1
    sums = np.concatenate([[0.0], np.cumsum(step, dtype=np.float64)])
    noise = (sums[WINDOW - 1 :] - sums[: 1 - WINDOW])[:windows] / (WINDOW - 1)
    usual_change = float(np.percentile(whole, 75))
    most = np.minimum(NOISE_RATIO * noise + 0.1, STILL_SHARE * usual_change)
    calm = noise <= CALM_SHARE * float(np.percentile(step, 75))
    stands = calm & (whole[:windows] <= most) & (half[:windows] <= most)
    still = np.zeros(n, bool)
    for offset in range(WINDOW):
        still[offset : offset + windows] |= stands
    return Motion(still & ~measure_exposure(footage).blind, same, usual)


def find_repeated(footage: Footage) -> np.ndarray:
    """Where one picture comes FROZEN times in a row or more. (n,) bool"""
    changes = footage.starts.copy()
    changes[0] = True
    changes[1:] |= footage.digests[1:] != footage.digests[:-1]
    first = np.flatnonzero(changes)
    lengths = np.diff(np.append(first, footage.size))
    repeated: np.ndarray = np.repeat(lengths >= FROZEN, lengths)
    return repeated


def change_over(thumbs: np.ndarray, frames: int) -> np.ndarray:
    """Mean change of a pixel from each record to that *frames* later, without that of the brightness.

    Returns:
        (n - frames,)
    """
    n = len(thumbs) - frames
    changes = np.empty(max(0, n), np.float32)
    for first in range(0, n, _CHUNK):
        last = min(n, first + _CHUNK)
        before = thumbs[first:last].astype(np.float32)
        change = thumbs[first + frames : last + frames] - before
        change -= change.mean((1, 2), keepdims=True)
        changes[first:last] = np.abs(change).mean((1, 2))
    return changes


def _find_carried(
    footage: Footage, moves_freely: np.ndarray, driving: np.ndarray, direction: Optional[Direction]
) -> np.ndarray:
    """Runs without throttle in which the pictures look unlike those of driving. (n,) bool"""
    runs = find_runs(moves_freely, footage.starts, shortest=_frames(CARRIED_S, footage.hz), gap=3)
    carried = np.zeros(footage.size, bool)
    if not runs.any() or driving.sum() < 10 * PARTS:
        return carried
    distances = distance_from_driving(footage, driving, runs)
    places = np.flatnonzero(runs)
    for run in np.split(places, np.flatnonzero(np.diff(places) > 1) + 1):
        ahead = 1.0 if direction is None else float(np.median(direction.ahead[run]))
        if ahead > STRAIGHT_BACK:  # otherwise it drives, or is pulled, backwards
            carried[run] = np.median(distances[run]) > (STRANGE if ahead > ASKEW else STRANGE_ASKEW)
    return carried


def distance_from_driving(footage: Footage, driving: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """How unlike driving each wanted picture looks; 1 is more than 99% of driving does. (n,), 0 elsewhere"""
    places = np.flatnonzero(driving)
    places = places[np.linspace(0, places.size - 1, min(SAMPLE, places.size)).astype(int)]
    sample = footage.thumbs[places]
    components = find_components(sample[::2], PARTS)
    usual = float(np.percentile(components.measure_rest(sample[1::2]), 99))
    distances = np.zeros(footage.size, np.float32)
    distances[wanted] = components.measure_rest(footage.thumbs[wanted]) / max(usual, 1e-6)
    return distances


def _frames(seconds: float, hz: float) -> int:
    return max(3, int(round(seconds * hz)))
