"""Self-contained pages that do not trust their content."""

import re
from pathlib import Path
from typing import Dict, Sequence, Tuple

import pytest

from browser import look_at
from donkey_sagemaker.page import (
    DRIVEN,
    LINES,
    PAPER,
    PREDICTED,
    cards,
    count_card,
    escape,
    film,
    format_steering,
    image,
    make_page,
    paragraph,
    section,
    table,
)

EVIL = "</td><script>document.title='evil'</script><img src=x onerror=alert(1)>\"'&"


def test_everything_is_escaped():
    """Markup in a title, a card, a cell, a heading or an attribute stays text."""
    page = make_page(
        EVIL,
        section(EVIL, paragraph(EVIL), table([(EVIL, 1)], head=(EVIL, EVIL))),
        cards([(EVIL, EVIL)]),
        image(b"x", kind="png", alt=EVIL),
    )
    assert "<script" not in page and "<img src=x" not in page
    assert page.count(escape(EVIL)) == 10


def test_long_values_are_shortened():
    """A list of a million items is of no use on a page."""
    assert escape("x" * 1000) == "x" * 197 + "..."
    assert escape("x" * 200) == "x" * 200


def test_a_page_in_a_browser(chromium: str, tmp_path: Path):
    """No content is wider than the phone, and the browser enforces the page's policy."""
    rows = [("a" * 150, "b" * 150), (EVIL, "SAGEMAKER_SLIDE")]
    page = tmp_path / "page.html"
    page.write_text(make_page("page", cards([("1", "one"), ("2", "two")]), section("Both", table(rows))))
    seen = look_at(chromium, page, width=360)
    assert seen.width <= 360 and seen.errors == []
    assert "SAGEMAKER_SLIDE" in seen.text and "onerror=alert(1)" in seen.text
    page.write_text(make_page("page", '<img src="http://127.0.0.1:1/x.png"><script>1</script>'))
    seen = look_at(chromium, page, width=360)
    assert seen.broken == 1 and len(seen.errors) == 2


Colour = Sequence[float]  # red, green, blue from 0 to 255


def read_colour(text: str) -> Colour:
    digits = text.lstrip("#")
    digits = digits if len(digits) == 6 else "".join(2 * digit for digit in digits)
    return [int(digits[place : place + 2], 16) for place in (0, 2, 4)]


def contrast(one: Colour, other: Colour) -> float:
    """As WCAG 2 defines it, from 1 to 21."""

    def luminance(colour: Colour) -> float:
        parts = [part / 255 for part in colour]
        red, green, blue = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    darker, lighter = sorted([luminance(one), luminance(other)])
    return (lighter + 0.05) / (darker + 0.05)


def invert(colour: Colour) -> Colour:
    """What the browser makes of it in the dark: CSS's invert(.9) hue-rotate(180deg)."""
    inverted = [0.9 * 255 - 0.8 * part for part in colour]
    weights = (0.213, 0.715, 0.072)
    grey = sum(weight * part for weight, part in zip(weights, inverted))
    return [min(255, max(0, 2 * grey - part)) for part in inverted]


def read_styles() -> Tuple[Dict[str, Colour], Dict[str, Colour]]:
    """The colours of the page's style by name, in the light and in the dark."""
    light, dark = make_page("page").split("prefers-color-scheme: dark", 1)
    pattern = r"(?:--|\.)([a-z]+\d?)(?:: | \{ color: )(#[0-9a-f]{3,6})"
    found = [{name: read_colour(text) for name, text in re.findall(pattern, css)} for css in (light, dark)]
    return found[0], {**found[0], **found[1]}


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
def test_contrast_in_both_modes(mode: int) -> None:
    """At least 4.5:1 for text on the page and in a box, also the numbers on the lines of a chart."""
    colours = read_styles()[mode]
    for name in ("ink", "soft", "driven", "predicted"):
        assert contrast(colours[name], colours["paper"]) >= 4.5, name
        assert contrast(colours[name], colours["box"]) >= 4.5, name
    for number in range(LINES):
        assert contrast(colours[f"line{number}"], colours["paper"]) >= 4.5, number
    assert read_styles()[0]["driven"] == read_colour(DRIVEN) != read_styles()[1]["driven"]


def test_contrast_of_painted_charts() -> None:
    """They are painted for the light; in the dark the browser inverts them, and their paper is the page's."""
    light, dark = read_styles()
    assert read_colour(PAPER) == light["paper"] and read_colour(PREDICTED) == light["predicted"]
    assert max(abs(a - b) for a, b in zip(invert(read_colour(PAPER)), dark["paper"])) <= 1
    for text in ("#000000", DRIVEN, PREDICTED):
        assert contrast(read_colour(text), light["paper"]) >= 4.5
        assert contrast(invert(read_colour(text)), dark["paper"]) >= 4.5


def test_cells_name_their_column() -> None:
    """A phone shows each cell on a line of its own. The first one is the row's name."""
    assert table([("a", 1)], head=("what", "count")) == (
        '<table><thead><tr><th scope="col">what</th><th scope="col">count</th></tr></thead>\n'
        '<tbody><tr><th scope="row">a</th><td data-label="count">1</td></tr></tbody></table>'
    )
    assert table([("a", 1)]) == (
        '<table class="pairs"><tbody><tr><th scope="row">a</th><td>1</td></tr></tbody></table>'
    )


def test_a_film_has_a_still() -> None:
    """For whoever asks the browser for less motion; no browser fetches both from anywhere."""
    assert film(b"x", still=b"y", alt="a bend") == (
        '<picture><source media="(prefers-reduced-motion: reduce)" srcset="data:image/jpeg;base64,eQ==">'
        '<img alt="a bend" src="data:image/webp;base64,eA=="></picture>'
    )


def test_steering_in_words() -> None:
    """As a person says it."""
    assert [format_steering(angle) for angle in (-0.42, 0.1, 0.004, -0.0, 1.27)] == [
        "0.42 left",
        "0.10 right",
        "straight ahead",
        "straight ahead",
        "1.27 right",
    ]


def test_one_thing_is_not_things() -> None:
    """The figure of a number of things is grammatical for one, none and many."""
    assert count_card(1, "record", " left") == ("1", "record left")
    assert count_card(0, "record", " left") == ("0", "records left")
    assert count_card(2, "record") == ("2", "records")
