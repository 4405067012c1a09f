"""Pictures that show too little: a covered, fogged or blurred lens, too little light or too much."""

from typing import Iterator, NamedTuple

import numpy as np

from .finding import Finding, find_runs, make_finding
from .footage import Footage

SHORTEST = 8  # records in a row
DARK, BRIGHT = 16.0, 222.0  # mean grey value
DARK_SHARE = 0.3  # of the tub's usual brightness
MOST_WHITE = 0.45  # share of pixels that show nothing but light
DARK_CONTRAST = 0.5  # of the usual contrast in relation to the brightness
FLAT_SHARE = 0.35  # of the tub's usual contrast
FLAT = 14.0  # standard deviation of the grey values; even a dull room has more
BLURRED_SHARE = 0.55  # of the usual sharpness


class Exposure(NamedTuple):
    """(n,) bool each; a record is one of the three at most."""

    dark: np.ndarray
    bright: np.ndarray
    flat: np.ndarray  # without contrast

    @property
    def blind(self) -> np.ndarray:
        """Nothing can be recognized, not even whether the car moves."""
        blind: np.ndarray = self.dark | self.bright | self.flat
        return blind


def measure_exposure(footage: Footage) -> Exposure:
    """Compared with the rest of the tub where there is enough of it."""
    usual_contrast = float(np.median(footage.contrast))
    usual_brightness = float(np.median(footage.brightness))
    has_variety = _has_variety(footage)
    dark = footage.brightness < DARK
    if has_variety:
        dark |= footage.brightness < DARK_SHARE * usual_brightness
    bright = (footage.brightness > BRIGHT) | (footage.white > MOST_WHITE)
    flat = footage.contrast < min(FLAT, FLAT_SHARE * usual_contrast if has_variety else FLAT)
    # A dark picture has little contrast too, but not in relation to its brightness
    relative = footage.contrast / (footage.brightness + 1.0)
    flat &= ~bright & ~(dark & (relative > DARK_CONTRAST * float(np.median(relative))))
    flat &= footage.brightness >= DARK
    return Exposure(dark & ~flat & ~bright, bright, flat)


def find_exposure(footage: Footage) -> Iterator[Finding]:
    exposure = measure_exposure(footage)
    yield from _report(footage, "covered", exposure.flat, "there is hardly any contrast")
    yield from _report(footage, "dark", exposure.dark, "the pictures are nearly black")
    yield from _report(footage, "bright", exposure.bright, "the pictures are nearly white")
    blurred = footage.sharpness < BLURRED_SHARE * float(np.median(footage.sharpness))
    if _has_variety(footage):
        yield from _report(
            footage,
            "blurred",
            blurred & ~exposure.blind,
            "edges are softer than in the rest of the tub",
        )


def _has_variety(footage: Footage) -> bool:
    """Whether there is enough to say what is usual."""
    return footage.size >= 10 * SHORTEST


def _report(footage: Footage, kind: str, mask: np.ndarray, evidence: str) -> Iterator[Finding]:
    runs = find_runs(mask, footage.starts, shortest=SHORTEST, gap=2)
    if runs.any():
        yield make_finding(kind, footage, runs, 0.9, evidence)
