#!/usr/bin/env python3
"""Runs a command in a terminal and records what it shows as an animated SVG without a script.

    PATH=$PWD/.environments/dk53/bin:$PATH .environments/check/bin/python docs/record_terminal.py \\
      docs/pictures/train.svg --folder .demo/mycar -- \\
      python manage.py sagemaker-train --tub data/ --model models/mypilot --local

Everything in the picture was printed by that command; only long waits are cut short. A viewer that does not
animate, or that prefers reduced motion, shows the last screen.
"""

import argparse
import codecs
import fcntl
import html
import math
import os
import pty
import shlex
import struct
import subprocess
import sys
import termios
import time
from typing import Dict, Iterator, List, NamedTuple, Tuple

import pyte

COLUMNS, ROWS = 100, 36
SETTLED_S = 0.12  # without output: the screen is complete (rich redraws it four times a second)
NEXT_S = 2.0  # between two pictures; a progress bar would make hundreds of them
LONGEST_S, LAST_S = 1.0, 8.0  # how long a picture stays
LETTER, LINE, EDGE = 8, 18, 14  # pixels: the width of a letter, the height of a line, the margin
PAPER, INK = "#16181d", "#d8dade"
COLOURS = {
    "black": PAPER,
    "red": "#e5707a",
    "green": "#8cc570",
    "brown": "#e0b66c",  # pyte's name for yellow
    "blue": "#6fa8ef",
    "magenta": "#c98be0",
    "cyan": "#57c7d4",
    "white": INK,
    "brightblack": "#8a909c",
}
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"  # of rich; it stands still in the recording, where each change is a picture
BRAILLE = 0x2800
DOTS = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))  # column and row, by bit

Part = Tuple[int, str, str]  # its column, its letters, their colour
Row = Tuple[Part, ...]


class Picture(NamedTuple):
    rows: Tuple[Row, ...]
    seconds: float


def record(command: List[str], *, folder: str) -> Tuple[List[Tuple[float, Tuple[Row, ...]]], int]:
    """Every screen that the terminal showed with its time in seconds, and the command's exit code."""
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.Stream(screen)
    stream.feed(f"$ {shlex.join(command)}\r\n")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environment = dict(os.environ, TERM="xterm-256color")
    for name in ("COLUMNS", "LINES", "NO_COLOR"):
        environment.pop(name, None)
    begin = time.monotonic()
    shown = [(0.0, read_rows(screen))]
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        for text in read_terminal(ours):
            stream.feed(text)
            shown.append((time.monotonic() - begin, read_rows(screen)))
    os.close(ours)
    return shown, process.returncode


def read_terminal(terminal: int) -> Iterator[str]:
    """The output, until every process that could print has ended."""
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    while True:
        try:
            content = os.read(terminal, 1 << 16)
        except OSError:  # on Linux this means that the other end is closed
            return
        if not content:
            return
        yield decode(content)


def read_rows(screen: pyte.Screen) -> Tuple[Row, ...]:
    """The rows on the screen, without empty ones at the end."""
    rows: List[Row] = []
    for y in range(screen.lines):
        parts: List[Part] = []
        for x in range(screen.columns):
            letter = screen.buffer[y][x]
            data = SPINNER[0] if x == 0 and letter.data in SPINNER else letter.data
            colour = COLOURS.get(letter.fg, INK if letter.fg == "default" else "#" + letter.fg)
            if parts and parts[-1][2] == colour:
                parts[-1] = (parts[-1][0], parts[-1][1] + data, colour)
            else:
                parts.append((x, data, colour))
        rows.append(tuple(part for part in parts if part[1].strip()))
    while rows and not rows[-1]:
        rows.pop()
    return tuple(rows)


def cut(shown: List[Tuple[float, Tuple[Row, ...]]]) -> List[Picture]:
    """Pictures that stay no longer than anybody wants to wait.

    Half-drawn screens, and screens that differ from the one before in their colours alone, are left out.
    """
    after = [at for at, _ in shown[1:]] + [math.inf]
    kept: List[Tuple[float, Tuple[Row, ...]]] = []
    for (at, rows), next_at in zip(shown, after):
        if next_at - at < SETTLED_S or (kept and letters(rows) == letters(kept[-1][1])):
            continue
        if kept and at - kept[-1][0] < NEXT_S:
            kept[-1] = (kept[-1][0], rows)
        else:
            kept.append((at, rows))
    ends = [at for at, _ in kept[1:]]
    pictures = [Picture(rows, min(end - at, LONGEST_S)) for (at, rows), end in zip(kept, ends)]
    return pictures + [Picture(kept[-1][1], LAST_S)]


def letters(rows: Tuple[Row, ...]) -> List[List[Tuple[int, str]]]:
    """The rows without colours, so that a pulsing bar does not count as a change."""
    return [
        [(column + n, letter) for column, text, _ in row for n, letter in enumerate(text)] for row in rows
    ]


def draw(pictures: List[Picture]) -> str:
    """All pictures below one another; the style sheet moves them past a window."""
    width, height = COLUMNS * LETTER, LINE * max(len(picture.rows) for picture in pictures)
    total_s = sum(picture.seconds for picture in pictures)
    names: Dict[Row, str] = {}
    screens, steps, at_s = [], [], 0.0
    for number, picture in enumerate(pictures):
        for y, row in enumerate(picture.rows):
            name = names.setdefault(row, f"r{len(names)}")
            screens.append(f'<use href="#{name}" y="{number * height + y * LINE}"/>')
        steps.append(f"{100 * at_s / total_s:.3f}% {{ transform: translateY({-number * height}px) }}")
        at_s += picture.seconds
    style = (
        "text { font: 13px ui-monospace, Consolas, 'DejaVu Sans Mono', monospace; white-space: pre }\n"
        "path { stroke-width: 2.6; stroke-linecap: round }\n"
        f".film {{ animation: film {total_s:.2f}s steps(1, end) infinite }}\n"
        "@media (prefers-reduced-motion: reduce) { .film { animation: none } }\n"
        f"@keyframes film {{ {' '.join(steps)} }}"
    )
    full_width, full_height = width + 2 * EDGE, height + 2 * EDGE
    size = f'viewBox="0 0 {full_width} {full_height}" width="{full_width}" height="{full_height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" {size}>',
            f"<style>{style}</style>",
            "<defs>",
            *(f'<g id="{name}">{draw_row(row)}</g>' for row, name in names.items()),
            "</defs>",
            f'<rect width="100%" height="100%" rx="8" fill="{PAPER}"/>',
            f'<svg x="{EDGE}" y="{EDGE}" width="{width}" height="{height}">',
            f'<g class="film" transform="translate(0 {-(len(pictures) - 1) * height})">',
            *screens,
            "</g></svg></svg>",
            "",
        ]
    )


def draw_row(row: Row) -> str:
    """Letters as text, and braille as dots, because in most fonts it has another width."""
    drawn = []
    for column, letters, colour in row:
        dots = [
            f"M{(column + number + 0.25 + 0.5 * x) * LETTER:g} {(y + 0.5) * LINE / 4:g}h0"
            for number, letter in enumerate(letters)
            for bit, (x, y) in enumerate(DOTS)
            if BRAILLE <= ord(letter) < BRAILLE + 256 and (ord(letter) - BRAILLE) >> bit & 1
        ]
        if dots:
            path = "".join(dots)
            drawn.append(f'<path stroke="{colour}" d="{path}"/>')
            letters = "".join(" " if ord(letter) >> 8 == BRAILLE >> 8 else letter for letter in letters)
        text = letters.rstrip()
        column += len(text) - len(text.lstrip())
        text = text.lstrip()
        if text:
            place = f'x="{column * LETTER}" y="{LINE - 5}" textLength="{len(text) * LETTER}"'
            drawn.append(f'<text {place} fill="{colour}">{html.escape(text)}</text>')
    return "".join(drawn)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("svg", help="path of the picture to write")
    parser.add_argument("--folder", default=".", help="where the command runs (default: the current folder)")
    parser.add_argument("command", nargs="+", help="the command, after --")
    options = parser.parse_args()
    shown, code = record(options.command, folder=options.folder)
    with open(options.svg, "w", encoding="utf-8") as file:
        file.write(draw(cut(shown)))
    return code


if __name__ == "__main__":
    sys.exit(main())
