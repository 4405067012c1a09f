"""Self-contained HTML pages, readable on a phone: no script, no network.

The functions here escape everything except arguments named `markup`. Each page has a policy that allows
nothing but its own pictures and style.
"""

import base64
import html
from typing import Any, Iterable, Sequence, Tuple

DRIVEN, PREDICTED = "#1b9e4b", "#1f6fd6"  # the driver's commands and the model's, in charts too
MOST_TEXT = 200  # characters of one value

_STYLE = """
:root { color-scheme: light; }
body { margin: 0 auto; max-width: 44rem; padding: 1rem; color: #222; background: #fcfcfa;
  font: 1rem/1.45 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; border-top: 1px solid #ddd; padding-top: 1rem; }
h3 { font-size: 1rem; margin: 1rem 0 .25rem; }
p { margin: .4rem 0; overflow-wrap: anywhere; }
a { color: inherit; }
.cards { display: grid; gap: .75rem; margin: 1rem 0;
  grid-template-columns: repeat(auto-fit, minmax(8rem, 1fr)); }
.card { background: #fff; border: 1px solid #ddd; border-radius: .5rem; padding: .6rem .8rem; }
.card b { display: block; font-size: 1.2rem; white-space: nowrap; }
.chart { max-width: 32rem; margin: .5rem 0; }
.pictures { display: grid; gap: .75rem .5rem; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); }
figure { margin: 0; }
.card, figcaption { font-size: .8rem; line-height: 1.3; overflow-wrap: anywhere; }
img, svg { display: block; width: 100%; height: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
td, th { text-align: left; vertical-align: top; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid #eee;
  overflow-wrap: anywhere; min-width: 3.2rem; }
td:first-child { min-width: 7.5rem; }
th { overflow-wrap: normal; }
.swatch { display: inline-block; width: 1.5em; margin-right: .4em; vertical-align: middle; }
.driven, .predicted { font-weight: 600; }
"""
_COLOURS = f".driven {{ color: {DRIVEN}; }} .predicted {{ color: {PREDICTED}; }}\n"
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
# The policy must come before everything that it forbids
PAGE_START = f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
"""


def make_page(title: str, *markup: str) -> str:
    """The text of the file, which must be written as UTF-8."""
    lines = [
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<link rel="icon" href="data:,">',
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE + _COLOURS}</style></head>",
        "<body>",
        *markup,
        "</body></html>",
        "",
    ]
    return PAGE_START + "\n".join(lines)


def escape(value: Any) -> str:
    """HTML for a value, also inside a quoted attribute. Long text is shortened."""
    text = str(value).encode("utf-8", "replace").decode("utf-8")
    return html.escape(text if len(text) <= MOST_TEXT else text[: MOST_TEXT - 3] + "...")


def paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def section(title: str, *markup: str) -> str:
    content = "\n".join(markup)
    return f"<section><h2>{escape(title)}</h2>\n{content}</section>"


def cards(figures: Iterable[Tuple[str, str]]) -> str:
    """The figures to see at a glance, each a (value, label)."""
    content = "".join(
        f'<div class="card"><b>{escape(value)}</b>{escape(label)}</div>' for value, label in figures
    )
    return f'<div class="cards">{content}</div>'


def table(rows: Sequence[Sequence[Any]], *, head: Sequence[str] = ()) -> str:
    lines = [_row("td", row) for row in rows]
    if head:
        lines.insert(0, _row("th", head))
    content = "\n".join(lines)
    return f"<table>{content}</table>"


def _row(tag: str, cells: Sequence[Any]) -> str:
    content = "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells)
    return f"<tr>{content}</tr>"


def image(content: bytes, *, kind: str, alt: str) -> str:
    """A picture, embedded in the page. kind: "png", "jpeg" or "webp"."""
    data = base64.b64encode(content).decode("ascii")
    return f'<img alt="{escape(alt)}" src="data:image/{kind};base64,{data}">'
