"""The tool that makes the pictures of pages in docs/pictures."""

from pathlib import Path

import pytest

Image = pytest.importorskip("PIL.Image")

PAPER, INK = (252, 252, 250), (34, 34, 34)


def test_columns_end_between_sections(repo_path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a wide gap rather than a narrow one; what has no gap at all is cut."""
    monkeypatch.syspath_prepend(str(Path(repo_path, "docs")))
    import picture_page as tool

    page = Image.new("RGB", (tool.WIDTH, 6000), PAPER)
    for top, bottom in (
        (0, 600),
        (640, 900),
        (910, 1200),
        (1240, 1400),
        (1410, 2300),
        (2310, 2660),
        (2670, 5000),
    ):
        page.paste(INK, (0, top, tool.WIDTH, bottom))
    arranged = tool.arrange(page, columns=3)
    assert arranged.size == (3 * tool.WIDTH + 2 * tool.GAP, tool.HEIGHT)
    step = tool.WIDTH + tool.GAP
    heights = [
        [arranged.getpixel((n * step, row)) for row in range(tool.HEIGHT)].count(INK) for n in range(3)
    ]
    assert heights == [600 + 260 + 290, 160 + 890 + 350, tool.HEIGHT]
    assert arranged.getpixel((tool.WIDTH + 1, 5)) == PAPER
