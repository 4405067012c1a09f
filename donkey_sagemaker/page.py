"""Self-contained HTML pages, readable on a phone, in the dark and on paper: no script, no network.

The functions here escape everything except arguments named `markup`. Each page has a policy that allows
nothing but its own pictures and style.
"""

import base64
import html
from typing import Any, Iterable, Sequence

PAPER = "#fcfcfa"
DRIVEN, PREDICTED = "#0d7a3c", "#1a62d0"  # the driver's commands and the model's, in charts too
LINES = 6  # classes line0, line1, ...: colours that every kind of colour vision can tell apart
MOST_TEXT = 200  # characters of one value

# Every text has a contrast of at least 4.5:1 in both modes, and every line of a chart one of 3:1. The charts
# that the trainer paints are inverted in the dark, where their paper becomes the page's.
STYLE = """
:root { color-scheme: light dark; --paper: #fcfcfa; --ink: #222; --soft: #595959; --rule: #ccc; --box: #fff;
  --driven: #0d7a3c; --predicted: #1a62d0; --good: #0d7a3c; --bad: #b3261e; }
.line0 { color: #0072b2; } .line1 { color: #b84a00; } .line2 { color: #00755a; }
.line3 { color: #a3458a; } .line4 { color: #7d6100; } .line5 { color: #444; }
@media screen and (prefers-color-scheme: dark) {
  :root { --paper: #1c1c1a; --ink: #e6e6e3; --soft: #b0b0b0; --rule: #4a4a4a; --box: #262628;
    --driven: #5fd08a; --predicted: #8ab8ff; --good: #5fd08a; --bad: #ff9a90; }
  .line0 { color: #56b4e9; } .line1 { color: #ff9e5e; } .line2 { color: #3fd0a4; }
  .line3 { color: #f09ad2; } .line4 { color: #e8c53f; } .line5 { color: #c8c8c8; }
  .painted img { filter: invert(.9) hue-rotate(180deg); }
}
body { margin: 0 auto; max-width: 44rem; padding: 1rem; color: var(--ink); background: var(--paper);
  font: 1rem/1.45 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; border-top: 1px solid var(--rule); padding-top: 1rem;
  overflow-wrap: anywhere; }
h3 { font-size: 1rem; margin: 1.2rem 0 .25rem; }
p { margin: .4rem 0; overflow-wrap: anywhere; }
a { color: inherit; }
.soft { color: var(--soft); }
.verdict { border: 1px solid var(--rule); border-left: .4rem solid var(--soft); border-radius: .5rem;
  background: var(--box); margin: 1rem 0; padding: .4rem .8rem; }
.verdict.good { border-left-color: var(--good); }
.verdict.bad { border-left-color: var(--bad); }
.cards { display: grid; gap: .75rem; margin: 1rem 0;
  grid-template-columns: repeat(auto-fit, minmax(7.5rem, 1fr)); }
.card { background: var(--box); border: 1px solid var(--rule); border-radius: .5rem; padding: .6rem .8rem; }
.card b { display: block; font-size: 1.2rem; white-space: nowrap; }
.chart { max-width: 32rem; margin: .75rem 0; }
.pictures { display: grid; gap: .9rem .5rem; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); }
figure { margin: 0; }
.card, figcaption { font-size: .8rem; line-height: 1.4; overflow-wrap: anywhere; }
figcaption { margin-top: .25rem; }
.chart figcaption { font-size: .9rem; }
img, svg { display: block; width: 100%; height: auto; }
svg text { fill: currentColor; }
svg .on-line { fill: var(--paper); }
.rule { stroke: var(--rule); }
.drawn { color: var(--driven); }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
td, th { text-align: left; vertical-align: top; padding: .25rem .6rem .25rem 0;
  border-bottom: 1px solid var(--rule); overflow-wrap: anywhere; }
tbody th { font-weight: normal; }
.pairs th { color: var(--soft); width: 35%; min-width: 9rem; }
pre { background: var(--box); border: 1px solid var(--rule); border-radius: .5rem; padding: .6rem .8rem;
  white-space: pre-wrap; overflow-wrap: anywhere; }
.swatch { display: inline-block; width: 1.5em; margin-right: .4em; vertical-align: middle; }
.driven, .predicted { font-weight: 600; }
.driven { color: var(--driven); border-bottom: 2px solid; }
.predicted { color: var(--predicted); border-bottom: 2px dashed; }
@media screen and (max-width: 30rem) {
  thead { position: absolute; clip-path: inset(50%); }
  tr { display: block; border-bottom: 1px solid var(--rule); padding: .3rem 0; }
  td, tbody th { display: block; border: 0; padding: 0; }
  tbody th { font-weight: 600; }
  .pairs th { width: auto; font-weight: normal; font-size: .8rem; }
  td[data-label]::before { content: attr(data-label) ": "; color: var(--soft); font-size: .8rem; }
}
@media print {
  @page { margin: 1.5cm; }
  body { max-width: none; padding: 0; font-size: 10pt; background: none; }
  h2 { margin-top: 1rem; padding-top: .7rem; }
  h2, h3, thead, p:has(+ p, + figure, + .pictures) { break-after: avoid; }
  figure, tr, .card, .verdict, pre { break-inside: avoid; }
  tr:nth-child(-n+4):not(:last-child) { break-after: avoid; }
  tr:nth-last-child(-n+4) { break-before: avoid; }
  td, th { padding: .12rem .6rem .12rem 0; }
  .cards { grid-template-columns: repeat(5, 1fr); }
  .chart { max-width: 9cm; }
  .pictures { grid-template-columns: repeat(4, 1fr); }
  details { display: none; }
}
"""

_MOST_VERDICT = 600
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
        f"<style>{STYLE}</style></head>",
        "<body><main>",
        *markup,
        "</main></body></html>",
        "",
    ]
    return PAGE_START + "\n".join(lines)


def escape(value: Any, *, most: int = MOST_TEXT) -> str:
    """HTML for a value, also inside a quoted attribute. Text of more than `most` characters is shortened."""
    text = str(value).encode("utf-8", "replace").decode("utf-8")
    return html.escape(text if len(text) <= most else text[: most - 3] + "...")


def paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def section(title: str, *markup: str) -> str:
    content = "\n".join(markup)
    return f"<section><h2>{escape(title)}</h2>\n{content}</section>"


def box(level: str, sentence: str, advice: str) -> str:
    """The verdict on what the page describes, and the one thing to do.

    Args:
        level: "good" and "bad" have a colour; any other has none.
    """
    style = level if level in ("good", "bad") else "other"
    first = escape(f"Verdict: {level}. {sentence}", most=_MOST_VERDICT)
    second = escape(f"Next: {advice}", most=_MOST_VERDICT)
    return f'<div class="verdict {style}"><p><b>{first}</b></p><p>{second}</p></div>'


def cards(figures: Iterable[Sequence[str]]) -> str:
    """The figures to see at a glance, each a (value, label), or a (value, label, what good looks like)."""
    content = "".join(_card(*figure) for figure in figures)
    return f'<div class="cards">{content}</div>'


def count_card(count: int, what: str, rest: str = "") -> Sequence[str]:
    """The figure of a number of things: "1" and "record that ...", or "2" and "records that ..."."""
    return str(count), f"{what}{'' if count == 1 else 's'}{rest}"


def _card(value: str, label: str, good: str = "") -> str:
    advice = f'<br><span class="soft">{escape(good)}</span>' if good else ""
    return f'<div class="card"><b>{escape(value)}</b>{escape(label)}{advice}</div>'


def table(rows: Sequence[Sequence[Any]], *, head: Sequence[str] = ()) -> str:
    """The first cell of a row is its name. On a narrow screen, each other cell names its column."""
    content = "\n".join(_row(row, head) for row in rows)
    columns = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    if not head:
        return f'<table class="pairs"><tbody>{content}</tbody></table>'
    return f"<table><thead><tr>{columns}</tr></thead>\n<tbody>{content}</tbody></table>"


def _row(row: Sequence[Any], head: Sequence[str]) -> str:
    labels = [f' data-label="{escape(name)}"' for name in head] or [""] * len(row)
    cells = [f"<td{label}>{escape(cell)}</td>" for label, cell in zip(labels, row)]
    cells[0] = f'<th scope="row">{escape(row[0])}</th>'
    return f"<tr>{''.join(cells)}</tr>"


def image(content: bytes, *, kind: str, alt: str) -> str:
    """A picture, embedded in the page. kind: "png", "jpeg" or "webp"."""
    return f'<img alt="{escape(alt)}" src="{_address(content, kind)}">'


def film(content: bytes, *, still: bytes, alt: str) -> str:
    """An animated WebP. Whoever prefers less motion sees `still`, a JPEG."""
    other = f'<source media="(prefers-reduced-motion: reduce)" srcset="{_address(still, "jpeg")}">'
    return f"<picture>{other}{image(content, kind='webp', alt=alt)}</picture>"


def _address(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def figure(picture: str, caption: str, *, style: str = "") -> str:
    """A picture with the sentence below it; both are markup."""
    start = f'<figure class="{style}">' if style else "<figure>"
    return f"{start}{picture}<figcaption>{caption}</figcaption></figure>"


def format_steering(angle: float) -> str:
    """As a person says it: 0.42 left, 0.10 right, straight ahead."""
    amount = f"{abs(angle):.2f}"
    if float(amount) == 0:
        return "straight ahead"
    return f"{amount} {'left' if angle < 0 else 'right'}"
