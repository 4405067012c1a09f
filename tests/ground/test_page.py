"""Self-contained pages that do not trust their content."""

from pathlib import Path

from browser import look_at
from donkey_sagemaker.page import cards, escape, image, make_page, paragraph, section, table

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
    assert page.count(escape(EVIL)) == 9


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
