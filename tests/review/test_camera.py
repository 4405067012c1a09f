"""Pictures that show too little."""

from typing import Dict, List

import numpy as np
import pytest
from PIL import Image, ImageFilter

from donkey_sagemaker.review.camera import find_exposure
from donkey_sagemaker.review.moved import find_moved
from donkey_sagemaker.review.ranges import Range
from footage_factory import draw_pictures, lap, make_footage


def find(pictures: np.ndarray) -> Dict[str, List[Range]]:
    footage = make_footage(lap(len(pictures)), pictures=pictures)
    return {finding.kind: finding.ranges for finding in find_exposure(footage)}


def spoil(kind: str, pictures: np.ndarray) -> np.ndarray:
    """Keeps the noise of the sensor."""
    noise = np.random.RandomState(2).normal(0, 1, pictures.shape)
    if kind == "covered":
        return 70 + 3 * noise
    if kind == "dark":
        return 0.08 * pictures + noise
    if kind == "bright":
        return 2.0 * pictures + 150 + noise
    soft = [np.asarray(Image.fromarray(each).filter(ImageFilter.GaussianBlur(2))) for each in pictures]
    return np.stack(soft) + noise


@pytest.mark.parametrize("kind", ["covered", "dark", "bright", "blurred"])
def test_a_stretch_is_found(kind: str) -> None:
    """And nothing else is."""
    pictures = draw_pictures(lap(600))
    pictures[200:260] = np.clip(spoil(kind, pictures[200:260]), 0, 255)
    assert find(pictures) == {kind: [(200, 259)]}


def test_a_dark_picture_is_not_covered() -> None:
    """It has as little contrast, but as much as its light allows."""
    pictures = draw_pictures(lap(600))
    pictures[200:260] = 0.2 * pictures[200:260]
    assert find(pictures) == {"dark": [(200, 259)]}


@pytest.mark.parametrize("kind", ["covered", "dark", "bright", "blurred"])
def test_a_moment_is_no_finding(kind: str) -> None:
    """A few records in the shadow, or a bump, are part of driving."""
    pictures = draw_pictures(lap(600))
    pictures[200:205] = np.clip(spoil(kind, pictures[200:205]), 0, 255)
    assert find(pictures) == {}


def test_light_may_change() -> None:
    """Half of the tub by lamplight."""
    pictures = draw_pictures(lap(600))
    pictures[300:] = pictures[300:] * 0.55
    assert find(pictures) == {}


def test_a_camera_that_was_moved() -> None:
    """The smaller part is the finding, with where it begins and how far."""
    pictures = draw_pictures(lap(1500))
    pictures[1050:] = np.roll(pictures[1050:], 4, axis=1)
    (finding,) = find_moved(make_footage(lap(1500), pictures=pictures))
    assert finding.ranges == [(1050, 1499)]
    assert finding.evidence == "from about record 1050 on, everything lies 7% of the picture lower"


def test_a_camera_that_was_not_moved() -> None:
    """Neither light nor another room is taken for it, and a tub may be short."""
    pictures = draw_pictures(lap(1500))
    pictures[900:] = np.clip(draw_pictures(lap(600), seed=3) * 0.7 + 20, 0, 255)
    assert not list(find_moved(make_footage(lap(1500), pictures=pictures)))
    assert not list(find_moved(make_footage(lap(100))))
