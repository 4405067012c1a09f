"""What a track is made of, and the light on it: the floor, its lines, low walls, and the room around it.

Lengths are metres. NumPy and Pillow only.
"""

import math
from typing import Iterable, NamedTuple, Tuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from track import LANE_M, Track

DASH_PERIOD_M = 0.4  # of the centre line, half of which is painted
WALL_M = 0.08  # high; lower than any camera
WALL_THICKNESS_M = 0.08
TEXEL_M = 0.005  # of the finest floor texture
MARGIN_M = 1.5  # floor around the track; beyond that it has one colour
WALL_TEXELS = 1024  # around the whole horizon

Colour = Tuple[float, float, float]


class Surface(NamedTuple):
    """What marks the lane."""

    border_m: float = 0.05  # width of the line on either side; 0 for none
    border: Colour = (225, 225, 220)
    centre_m: float = 0.04  # width of the line in the middle; 0 for none
    centre: Colour = (225, 185, 50)
    is_dashed: bool = True  # the line in the middle
    is_paved: bool = True  # the lane has a colour of its own
    is_carpet: bool = False  # the floor is dark and coarse
    has_walls: bool = False  # low white ones on either side


ROAD = Surface()
CARPET = np.array([38.0, 38.0, 42.0])
SURFACES = {
    "road": ROAD,  # white borders, yellow dashes, a grey lane
    "thin-tape": Surface(border_m=0.02, centre_m=0, is_paved=False),
    "wide-tape": Surface(border_m=0.08, is_paved=False),
    "line": Surface(border_m=0, centre_m=0.06, centre=(45, 120, 190), is_dashed=False, is_paved=False),
    "walls": Surface(border_m=0, centre_m=0, is_paved=False, is_carpet=True, has_walls=True),
}


class Lighting(NamedTuple):
    """The light of one drive."""

    brightness: float = 1.0
    tint: Tuple[float, float, float] = (1.0, 1.0, 1.0)  # of red, green, blue
    unevenness: float = 0.15  # how much the light varies over the floor
    shadow: float = 0.4  # how much light the soft shadows remove
    noise: float = 4.0  # standard deviation of the sensor's noise, of 255


def draw_lighting(seed: int) -> Lighting:
    """Any light from a dim warm lamp to a bright cold day."""
    rng = np.random.RandomState(seed)
    warmth = rng.uniform(-0.12, 0.12)
    return Lighting(
        brightness=rng.uniform(0.65, 1.3),
        tint=(1.0 + warmth, 1.0, 1.0 - warmth),
        unevenness=rng.uniform(0.08, 0.22),
        shadow=rng.uniform(0.2, 0.5),
        noise=rng.uniform(2.0, 6.0),
    )


def _colour(parts: Iterable[float]) -> Tuple[int, ...]:
    """A colour as Pillow expects it."""
    return tuple(int(min(max(part, 0), 255)) for part in parts)


def _cloud(shape: Tuple[int, int], *, cell_m: float, rng: np.random.RandomState) -> np.ndarray:
    """Smooth noise of about unit size over the floor, float32, whose blobs are `cell_m` wide."""
    cells = [max(2, int(round(texels * TEXEL_M / cell_m))) for texels in shape]
    coarse = Image.fromarray(rng.normal(size=cells).astype(np.float32))
    return np.asarray(coarse.resize((shape[1], shape[0])))


def draw_floor(
    track: Track,
    surface: Surface,
    *,
    corner: Tuple[float, float],
    light: Lighting,
    rng: np.random.RandomState,
) -> np.ndarray:
    """The floor from above, float32 (rows from small to large y, columns along x, 3).

    Args:
        corner: x and y of its first texel.
    """
    shape = _count_texels(track, corner)

    def paint(colour: Iterable[float], polygons: Iterable[np.ndarray]) -> None:
        """Fills polygons, drawn at twice the resolution for soft edges."""
        mask = Image.new("L", (2 * shape[1], 2 * shape[0]))
        pen = ImageDraw.Draw(mask)
        for polygon in polygons:
            pen.polygon([tuple(point) for point in (polygon - corner) * (2 / TEXEL_M)], fill=255)
        image.paste(Image.new("RGB", image.size, _colour(colour)), mask=mask.reduce(2))

    def band(middle: float, width: float) -> np.ndarray:
        return _make_band(track, middle, width)

    def dashes(width: float) -> Iterable[np.ndarray]:
        left, right = track.side_line(-width / 2), track.side_line(width / 2)
        parts = np.array_split(np.arange(len(left)), 2 * int(round(track.length / DASH_PERIOD_M)))
        return (np.vstack([left[part], right[part[::-1]]]) for part in parts[::2])

    grey, warm = rng.uniform(80, 120), rng.uniform(-4, 14)
    ground = np.array([70, 85, 70]) + rng.uniform(-30, 40, 3)
    if surface.is_carpet:
        ground = CARPET + ground / 8
    image = Image.new("RGB", (shape[1], shape[0]), _colour(ground))
    if surface.is_paved:
        paint((grey + warm, grey + warm / 2, grey - warm), [band(0, LANE_M)])
    if surface.border_m:
        paint(surface.border, [band(side, surface.border_m) for side in (-LANE_M / 2, LANE_M / 2)])
    if surface.centre_m:
        paint(surface.centre, dashes(surface.centre_m) if surface.is_dashed else [band(0, surface.centre_m)])

    grain = 4 * _cloud(shape, cell_m=0.4, rng=rng)
    grain += 4 * _cloud(shape, cell_m=0.05, rng=rng)
    grain += (15 if surface.is_carpet else 5) * _cloud(shape, cell_m=0.012, rng=rng)
    bright = 1 + light.unevenness * np.clip(_cloud(shape, cell_m=2.0, rng=rng), -2, 2)
    bright *= 1 - light.shadow * _draw_shadows(shape, rng)
    # Towards its edge the floor fades into one colour, which continues beyond it
    inside = np.minimum.outer(*(_fade_in(texels) for texels in shape))
    grain *= inside
    bright = (1 + (bright - 1) * inside) * light.brightness
    floor: np.ndarray = np.asarray(image, np.float32) + grain[:, :, None]
    for channel, tint in enumerate(light.tint):
        floor[:, :, channel] *= bright * tint
    np.clip(floor, 0, 255, out=floor)
    return floor


def draw_walls(track: Track, *, corner: Tuple[float, float]) -> np.ndarray:
    """Where low walls stand beside the lane, bool, texels as those of `draw_floor`."""
    shape = _count_texels(track, corner)
    image = Image.new("L", (shape[1], shape[0]))
    pen = ImageDraw.Draw(image)
    for side in (-1, 1):
        band = _make_band(track, side * (LANE_M + WALL_THICKNESS_M) / 2, WALL_THICKNESS_M)
        pen.polygon([tuple(point) for point in (band - corner) / TEXEL_M], fill=1)
    return np.asarray(image).astype(bool)


def _count_texels(track: Track, corner: Tuple[float, float]) -> Tuple[int, int]:
    """Rows and columns of the floor."""
    columns, rows = np.ceil((track.centre.max(axis=0) + MARGIN_M - corner) / TEXEL_M).astype(int)
    return int(rows), int(columns)


def _make_band(track: Track, middle: float, width: float) -> np.ndarray:
    """A closed line of this width, `middle` metres right of the centre, as a polygon (N, 2)."""
    one, other = track.side_line(middle - width / 2), track.side_line(middle + width / 2)
    return np.vstack([one, one[:1], other[:1], other[::-1]])


def _fade_in(texels: int) -> np.ndarray:
    """0 at both ends, 1 from half a metre on, float32."""
    from_end = np.minimum(np.arange(texels), np.arange(texels)[::-1])
    return np.minimum(from_end * (TEXEL_M / 0.5), 1).astype(np.float32)


def _draw_shadows(shape: Tuple[int, int], rng: np.random.RandomState) -> np.ndarray:
    """Two soft stripes across the floor; 1 is darkest."""
    coarse = 8  # soft shadows need few texels
    image = Image.new("L", (shape[1] // coarse, shape[0] // coarse))
    pen = ImageDraw.Draw(image)
    for _ in range(2):
        angle = rng.uniform(0, math.pi)
        middle = np.array(image.size) * rng.uniform(0.25, 0.75, 2)
        reach = 2000 * np.array([math.cos(angle), math.sin(angle)])
        width = int(rng.uniform(0.3, 0.7) / TEXEL_M / coarse)
        pen.line([tuple(middle - reach), tuple(middle + reach)], fill=255, width=width)
    soft = image.filter(ImageFilter.GaussianBlur(3)).resize((shape[1], shape[0]))
    return np.asarray(soft, np.float32) / 255


def draw_room(*, light: Lighting, rng: np.random.RandomState) -> np.ndarray:
    """The room around the horizon, float32 (height, WALL_TEXELS, 3), the last row at the floor."""
    height = WALL_TEXELS // 6
    image = Image.new("RGB", (WALL_TEXELS, height), _colour(rng.uniform(90, 150) + rng.uniform(-12, 12, 3)))
    pen = ImageDraw.Draw(image)
    for left in rng.uniform(0, WALL_TEXELS, 14):  # windows and pictures hang in a row
        pen.rectangle([left, height - 62, left + 24, height - 30], fill=_colour(rng.uniform(60, 240, 3)))
    for left, width, tall in rng.uniform((0, 6, 5), (WALL_TEXELS, 40, 40), (24, 3)):  # furniture stands
        shade = rng.choice([35, 60, 100]) + rng.uniform(-12, 12, 3)
        pen.rectangle([left, height - tall, left + width, height], fill=_colour(shade))
    pen.rectangle([0, height - 4, WALL_TEXELS, height], fill=(50, 48, 45))
    wall: np.ndarray = np.asarray(image.filter(ImageFilter.GaussianBlur(1)), np.float32)
    wall = np.clip(wall * np.array(light.tint, np.float32) * light.brightness, 0, 255)
    return wall
