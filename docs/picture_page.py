#!/usr/bin/env python3
"""Makes a picture of a page as a phone shows it: the page's columns from top to bottom, beside one another.

    python3 docs/picture_page.py .demo/mycar/models/mypilot.html docs/pictures/report.png

Needs Chromium and Pillow.
"""

import argparse
import os
import subprocess
import tempfile
from typing import Any

from PIL import Image, ImageChops

WIDTH, HEIGHT = 390, 1450  # of a column
GAP = 16  # between two
BREAKS = (31, 8)  # empty rows where a column ends: between two sections, otherwise between two figures
COLOURS = 256  # of the picture, which stays small
LONGEST = 12000  # of a page


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("page", help="path of the HTML file")
    parser.add_argument("picture", help="path of the PNG to write")
    parser.add_argument("--columns", type=int, default=3)
    parser.add_argument("--width", type=int, default=WIDTH, help="of a column, in pixels")
    parser.add_argument("--dark", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "page.png")
        take(options.page, path, width=options.width, dark=options.dark)
        with Image.open(path) as picture:
            arranged = arrange(picture.convert("RGB"), columns=options.columns)
    arranged.quantize(COLOURS, method=Image.Quantize.FASTOCTREE).save(options.picture, optimize=True)


def take(page: str, path: str, *, width: int, dark: bool) -> None:
    """A screenshot of the whole page, and of empty space below it."""
    command = [
        "chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        f"--blink-settings=preferredColorScheme={0 if dark else 1}",
        f"--window-size={width},{LONGEST}",
        f"--user-data-dir={path}.profile",
        f"--screenshot={path}",
        "file://" + os.path.abspath(page),
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def arrange(picture: Image.Image, *, columns: int) -> Image.Image:
    """The first columns of a long picture. No text and no chart is cut."""
    paper = picture.getpixel((0, picture.height - 1))
    arranged = Image.new("RGB", (columns * (picture.width + GAP) - GAP, HEIGHT), paper)
    top = 0
    for column in range(columns):
        bottom = find_break(picture, top, paper)
        arranged.paste(picture.crop((0, top, picture.width, bottom)), (column * (picture.width + GAP), 0))
        top = bottom
    return arranged


def find_break(picture: Image.Image, top: int, paper: Any) -> int:
    """Where the column that begins at `top` ends: in a gap of its lower half, or where it is full."""
    for rows in BREAKS:
        empty = Image.new("RGB", (picture.width, rows), paper)
        for bottom in range(min(top + HEIGHT, picture.height), top + HEIGHT // 2, -1):
            shown = picture.crop((0, bottom - rows, picture.width, bottom))
            if ImageChops.difference(shown, empty).getbbox() is None:
                return bottom
    return top + HEIGHT


if __name__ == "__main__":
    main()
