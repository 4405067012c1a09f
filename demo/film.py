"""Pictures of a drive: a map of the path and an animated lap. Pillow only."""

import math
from typing import Any, List, Sequence, Tuple

import numpy as np
from PIL import Image, ImageDraw

from driver import LOOP_S
from laps import Moment
from track import LANE_M, Track

PANEL = 300  # pixels
FINER = 3  # drawn this much larger, then reduced, since Pillow's own lines are jagged
MARGIN_M = 0.3
PAPER, LANE, BORDER, INK = (252, 252, 250), (226, 226, 222), (120, 120, 118), (40, 40, 40)
PATH, OFF = (0, 114, 178), (213, 94, 0)
ZOOM = 2  # of the camera's picture
FRAME_S = 0.2
FILM_S = 30.0  # longer than a lap
COLOURS = 32

Point = Tuple[float, float]


class Plan:
    """Maps a track, seen from above, to a square of so many pixels."""

    def __init__(self, track: Track, pixels: int) -> None:
        low = track.centre.min(axis=0) - LANE_M / 2 - MARGIN_M
        high = track.centre.max(axis=0) + LANE_M / 2 + MARGIN_M
        self._scale = pixels / float((high - low).max())
        self._corner = (low + high) / 2 - pixels / 2 / self._scale
        self._pixels = pixels

    def __call__(self, points: Any) -> List[Point]:
        """The pixels of points (n, 2) in metres, y pointing up."""
        placed = (np.asarray(points) - self._corner) * self._scale
        return [(x, self._pixels - y) for x, y in placed.tolist()]

    def width(self, metres: float) -> int:
        return max(1, int(round(metres * self._scale)))


def draw_track(track: Track, pixels: int) -> Tuple[Image.Image, Plan]:
    plan = Plan(track, pixels)
    image = Image.new("RGB", (pixels, pixels), PAPER)
    pen = ImageDraw.Draw(image)
    left, right = (track.side_line(side * LANE_M / 2) for side in (-1, 1))
    closed = [np.vstack([line, line[:1]]) for line in (left, right)]
    pen.polygon(plan(np.vstack([closed[0], closed[1][::-1]])), fill=LANE)
    for line in closed:
        pen.line(plan(line), fill=BORDER, width=plan.width(0.05))
    return image, plan


def draw_maps(drives: Sequence[Tuple[str, Track, List[Moment]]]) -> Image.Image:
    """A panel for each drive: its path on its track, with a cross wherever the car left the lane."""
    whole = Image.new("RGB", (PANEL * len(drives), PANEL + 20), PAPER)
    for number, (name, track, moments) in enumerate(drives):
        image, plan = draw_track(track, PANEL * FINER)
        pen = ImageDraw.Draw(image)
        for part in split_at_exits(moments):
            pen.line(plan([moment.state[:2] for moment in part]), fill=PATH, width=FINER + 1)
        for x, y in plan([moment.state[:2] for moment in moments if moment.is_off] or np.empty((0, 2))):
            for slant in (-1, 1):
                reach = 6 * FINER
                pen.line(
                    [x - reach, y - slant * reach, x + reach, y + slant * reach], fill=OFF, width=2 * FINER
                )
        whole.paste(image.reduce(FINER), (number * PANEL, 20))
        ImageDraw.Draw(whole).text((number * PANEL + 10, 6), name, fill=INK)
    return whole


def split_at_exits(moments: List[Moment]) -> List[List[Moment]]:
    """Splits the drive wherever the car was placed back on the lane."""
    parts: List[List[Moment]] = [[]]
    for moment in moments:
        parts[-1].append(moment)
        if moment.is_off:
            parts.append([])
    return [part for part in parts if len(part) > 1]


class Film:
    """The camera's pictures of the first lap, with the steering drawn on them."""

    def __init__(self) -> None:
        self._taken: List[Tuple[np.ndarray, Moment]] = []
        self._count = 0

    def add(self, picture: np.ndarray, moment: Moment) -> None:
        every = int(round(FRAME_S / LOOP_S))
        if self._count % every == 0 and self._count * LOOP_S < FILM_S:
            self._taken.append((picture, moment))
        self._count += 1

    def save(self, path: str, *, track: Track) -> None:
        lap = self._taken
        for number in range(1, len(lap)):
            if lap[number][1].arc < lap[number - 1][1].arc - track.length / 2:
                lap = lap[:number]
                break
        frames = [self._frame(picture, moment, track) for picture, moment in lap]
        # One palette for all frames: otherwise the colours would flicker.
        strip = Image.new("RGB", (frames[0].width, frames[0].height * 4))
        for row in range(4):
            strip.paste(frames[len(frames) * row // 4], (0, row * frames[0].height))
        strip.paste(PATH, (0, 0, strip.width, 20))
        palette = strip.quantize(COLOURS)
        without_dither: Any = 0  # otherwise the file would be three times as large
        drawn = [frame.quantize(palette=palette, dither=without_dither) for frame in frames]
        drawn[0].save(
            path, save_all=True, append_images=drawn[1:], duration=int(FRAME_S * 1000), loop=0, optimize=True
        )

    def _frame(self, picture: np.ndarray, moment: Moment, track: Track) -> Image.Image:
        height, width = ZOOM * picture.shape[0], ZOOM * picture.shape[1]
        frame = Image.new("RGB", (width + height, height), PAPER)
        frame.paste(Image.fromarray(picture).resize((width, height)), (0, 0))
        pen = ImageDraw.Draw(frame)
        turn = moment.angle * math.radians(60)
        foot = (width / 2, height - 8)
        tip = (foot[0] + 80 * math.sin(turn), foot[1] - 80 * math.cos(turn))
        pen.line([foot, tip], fill=PAPER, width=9)
        pen.line([foot, tip], fill=PATH, width=5)
        plan_image, plan = draw_track(track, height * FINER)
        ((x, y),) = plan([moment.state[:2]])
        reach = plan.width(0.16)
        ImageDraw.Draw(plan_image).ellipse([x - reach, y - reach, x + reach, y + reach], fill=PATH)
        frame.paste(plan_image.reduce(FINER), (width, 0))
        return frame
