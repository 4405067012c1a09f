"""Names from a tub, an archive or a user."""

from typing import Any

import pytest

from donkey_sagemaker.tubs.names import base_name, natural_order, plain_name, tub_name


@pytest.mark.parametrize("name", ["0_cam_image_array_.jpg", "a b (1).jpg", "x"])
def test_plain_names(name: Any) -> None:
    """The plain name of a file is returned unchanged."""
    assert plain_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        ".hidden",
        "a/b",
        "/a",
        "..\\a",
        "C:a",
        "a\0",
        "a\n",
        "é.jpg",
        "\ud800",
        "x" * 201,
        7,
        None,
    ],
)
def test_other_names(name: Any) -> None:
    """A name that may point elsewhere, or is not valid on every system, is not a plain name."""
    assert plain_name(name) is None


def test_base_name() -> None:
    """Both slashes and backslashes separate folders."""
    assert [base_name(path) for path in ("a/b", "C:\\a\\b", "b")] == ["b", "b", "b"]


def test_natural_order() -> None:
    """Digits are sorted as numbers, even if there are extremely many of them."""
    names = ["tub_10", "tub_2", "tub", "9", "tub_2_b", "8" * 9000]
    assert sorted(names, key=natural_order)[:5] == ["9", "8" * 9000, "tub", "tub_2", "tub_2_b"]


def test_tub_names() -> None:
    """The name of a tub is safe, and unique whatever names are already taken."""
    assert tub_name("/home/pi/My tub, März", taken=[]) == "My-tub-M-rz"
    assert tub_name("/home/pi/.tub", taken=[]) == "tub"
    assert tub_name("/", taken=[]) == "tub"
    clash = tub_name("/b/tub", taken=["tub"])
    assert clash == tub_name("/b/tub", taken=["other", "tub", "more"]) == "tub-6abf3469"
