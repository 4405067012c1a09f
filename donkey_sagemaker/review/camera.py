"""Pictures that show too little: a covered, fogged or blurred lens, too little light or too much."""

from typing import Iterator

import numpy as np

from .finding import Finding, find_runs, make_finding
from .footage import Footage

SHORTEST = 8  # records in a row
DARK, BRIGHT = 16.0, 222.0  # mean grey value
DARK_SHARE = 0.3  # of the tub's usual brightness
MOST_WHITE = 0.45  # share of pixels that show nothing but light
FLAT_SHARE = 0.35  # of the tub's usual contrast
FLAT = 14.0  # standard deviation of the grey values; even a dull room has more
BLURRED_SHARE = 0.55  # of the usual sharpness


def find_exposure(footage: Footage) -> Iterator[Finding]:
    """Each record belongs to one of the four at most."""
    usual_contrast = float(np.median(footage.contrast))
    usual_brightness = float(np.median(footage.brightness))
    has_variety = len(footage) >= 10 * SHORTEST  # otherwise nothing is usual
    dark = footage.brightness < DARK
    if has_variety:
        dark |= footage.brightness < DARK_SHARE * usual_brightness
    bright = (footage.brightness > BRIGHT) | (footage.white > MOST_WHITE)
    flat = footage.contrast < min(FLAT, FLAT_SHARE * usual_contrast if has_variety else FLAT)
    flat &= ~(footage.brightness < DARK)
    yield from _report(footage, "covered", flat, "there is hardly any contrast")
    yield from _report(footage, "dark", dark & ~flat, "the pictures are nearly black")
    yield from _report(footage, "bright", bright & ~flat, "the pictures are nearly white")
    blurred = footage.sharpness < BLURRED_SHARE * float(np.median(footage.sharpness))
    if has_variety:
        yield from _report(
            footage,
            "blurred",
            blurred & ~flat & ~dark & ~bright,
            "edges are softer than in the rest of the tub",
        )


def _report(footage: Footage, kind: str, mask: np.ndarray, evidence: str) -> Iterator[Finding]:
    runs = find_runs(mask, footage.starts, shortest=SHORTEST, gap=2)
    if runs.any():
        yield make_finding(kind, footage, runs, 0.9, evidence)
