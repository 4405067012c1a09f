"""A closed indoor track as seen by a small car's camera. NumPy and Pillow only.

Lengths are metres, angles radians. The floor is the x-y plane, headings turn counterclockwise from x.
Offsets and curvatures follow donkeycar's sign of steering: negative is left, positive is right.

`python track.py --bench` prints how many pictures per second one core draws.
"""

import argparse
import math
import time
from typing import Iterable, List, NamedTuple, Optional, Tuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

LANE_M = 0.7  # between the middles of the two border lines
BORDER_M = 0.05
DASH_M = 0.04  # width of the centre line, whose dashes and gaps are DASH_PERIOD_M / 2 long
DASH_PERIOD_M = 0.4
POINT_M = 0.02  # spacing of the centre line's points

MIN_RADIUS_M = 0.85  # a car with 0.26 m between its axles and 27 degrees of steering turns on 0.51 m
MIN_GAP_M = 0.45  # floor between two parts of the track

TEXEL_M = 0.005  # of the finest floor texture
LEVELS = 6  # of the floor texture, each half as fine as the one before
MARGIN_M = 1.5  # floor around the track; beyond that it has one colour
FAR_M = 9.0  # the floor ends here and the wall begins
WALL_TEXELS = 1024  # around the whole horizon
SUPERSAMPLING = 2  # rays a pixel, in each direction
NOISE_PICTURES = 4  # noise is drawn once for this many pictures, then read from changing offsets


class Track:
    """A smooth closed lane that never meets itself, bends both ways and is wide enough for the car.

    Args:
        seed: the same seed is the same track.
        reverse: driven in the other direction.
    """

    def __init__(self, seed: int, *, reverse: bool = False) -> None:
        rng = np.random.RandomState(seed)
        centre = _draw_centre(rng)
        while not _is_drivable(centre):
            centre = _draw_centre(rng)
        self.centre = centre[::-1].copy() if reverse else centre  # (N, 2), evenly spaced, closed
        self._ahead = np.roll(self.centre, -1, axis=0) - self.centre
        self._spacing = np.hypot(self._ahead[:, 0], self._ahead[:, 1])
        self.length = float(self._spacing.sum())
        self.arc = np.concatenate([[0.0], np.cumsum(self._spacing)[:-1]])  # (N,) of each point
        self.curvature = _curvature(self.centre)  # (N,) 1/m

    def distance_to_centre(self, x: float, y: float) -> Tuple[float, float]:
        """How far right of the centre line a point is (negative: left), and the nearest arc position."""
        offsets = self.centre - (x, y)
        nearest = int(np.argmin(offsets[:, 0] ** 2 + offsets[:, 1] ** 2))
        ahead_x, ahead_y = self._ahead[nearest] / self._spacing[nearest]
        from_x, from_y = -offsets[nearest]
        along = from_x * ahead_x + from_y * ahead_y
        return from_x * ahead_y - from_y * ahead_x, (self.arc[nearest] + along) % self.length

    def point(self, arc: float, *, offset: float = 0.0) -> Tuple[float, float, float]:
        """x, y and heading of the lane at an arc position, `offset` metres right of its centre."""
        index = int(np.searchsorted(self.arc, arc % self.length, side="right")) - 1
        heading = math.atan2(self._ahead[index, 1], self._ahead[index, 0])
        past = arc % self.length - self.arc[index]
        x, y = self.centre[index] + self._ahead[index] * (past / self._spacing[index])
        return x + offset * math.sin(heading), y - offset * math.cos(heading), heading

    def curvature_at(self, arc: float) -> float:
        """1/m, positive if the lane bends to the right."""
        return float(self.curvature[np.searchsorted(self.arc, arc % self.length, side="right") - 1])

    def side_line(self, offset: float) -> np.ndarray:
        """The closed line (N, 2) that runs `offset` metres right of the centre."""
        ahead = np.roll(self.centre, -1, axis=0) - np.roll(self.centre, 1, axis=0)
        ahead /= np.hypot(ahead[:, 0], ahead[:, 1])[:, None]
        return self.centre + offset * np.column_stack([ahead[:, 1], -ahead[:, 0]])


def _draw_centre(rng: np.random.RandomState) -> np.ndarray:
    """A circle bent by a few harmonics, as points POINT_M apart."""
    turn = np.linspace(0.0, 2.0 * math.pi, 4000, endpoint=False)
    radius = np.ones_like(turn)
    for harmonic, most in ((2, 0.3), (3, 0.25), (4, 0.14), (5, 0.08)):
        radius += rng.uniform(0.3, 1.0) * most * np.cos(harmonic * turn + rng.uniform(0.0, 2.0 * math.pi))
    dense = rng.uniform(2.3, 2.9) * radius[:, None] * np.column_stack([np.cos(turn), np.sin(turn)])
    dense = np.vstack([dense, dense[:1]])
    arc = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(dense, axis=0).T))])
    wanted = np.linspace(0.0, arc[-1], int(arc[-1] / POINT_M), endpoint=False)
    return np.column_stack([np.interp(wanted, arc, dense[:, axis]) for axis in (0, 1)])


def _curvature(centre: np.ndarray) -> np.ndarray:
    """1/m at each point of an evenly spaced closed line, over 20 cm so that rounding does not show."""
    step = 5
    heading = np.roll(centre, -step, axis=0) - np.roll(centre, step, axis=0)
    heading = np.arctan2(heading[:, 1], heading[:, 0])
    turned = np.roll(heading, -step) - np.roll(heading, step)
    curvature: np.ndarray = -((turned + math.pi) % (2.0 * math.pi) - math.pi) / (2 * step * POINT_M)
    return curvature


def _is_drivable(centre: np.ndarray) -> bool:
    curvature = _curvature(centre)
    if np.abs(curvature).max() > 1.0 / MIN_RADIUS_M or curvature.min() > -0.3 or curvature.max() < 0.3:
        return False
    few = centre[::5]
    apart = np.hypot(*(few[:, None] - few[None]).transpose(2, 0, 1))
    steps = np.abs(np.subtract.outer(np.arange(len(few)), np.arange(len(few))))
    along = np.minimum(steps, len(few) - steps) * 5 * POINT_M
    return bool(apart[along > 2.0].min() > LANE_M + MIN_GAP_M)


class Camera(NamedTuple):
    """A pinhole camera that looks ahead and down."""

    width: int = 160  # pixels
    height: int = 120
    field_of_view_deg: float = 100.0  # from left to right
    above_floor_m: float = 0.17
    pitch_deg: float = 22.0  # down


CAMERA = Camera()


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


class Scene:
    """A track in a room, with its floor, walls and light, as a camera sees it.

    Args:
        track: the track on the floor.
        seed: seed of the floor, the walls, the shadows and the sensor's noise.
        lighting: by default `draw_lighting(seed)`.
        camera: the camera on the car.
    """

    def __init__(
        self, track: Track, *, seed: int, lighting: Optional[Lighting] = None, camera: Camera = CAMERA
    ) -> None:
        rng = np.random.RandomState(seed)
        light = draw_lighting(seed) if lighting is None else lighting
        self.camera = camera
        self._left, self._bottom = (track.centre.min(axis=0) - MARGIN_M).tolist()
        self.floor = _draw_floor(track, corner=(self._left, self._bottom), light=light, rng=rng)
        wall = _draw_wall(light=light, rng=rng)
        self._texels, levels = _stack_levels(self.floor)
        self._wall = _pack(wall).ravel()

        # Where each ray of the picture goes, for a car at the origin facing along x
        focal = SUPERSAMPLING * camera.width / 2.0 / math.tan(math.radians(camera.field_of_view_deg) / 2.0)
        right = _ray_slopes(camera.width, focal)
        down = _ray_slopes(camera.height, focal)
        pitch = math.radians(camera.pitch_deg)
        forward, down = math.cos(pitch) - down * math.sin(pitch), math.sin(pitch) + down * math.cos(pitch)
        on_floor = down > camera.above_floor_m * math.cos(pitch) / FAR_M
        self._horizon = int(np.argmax(on_floor))  # row of rays

        reach = camera.above_floor_m / down[self._horizon :]
        # A pixel far ahead is a long thin piece of floor: a level between its width and its length
        footprint = reach / focal * np.sqrt(reach / camera.above_floor_m)
        level = np.clip(np.log2(footprint / TEXEL_M), 0, LEVELS - 1).astype(int)
        scale = (0.5**level / TEXEL_M).astype(np.float32)  # texels a metre, by row
        self._scale = scale[:, None]
        self._ahead = (reach * forward[self._horizon :] * scale)[:, None]
        self._aside = (reach * scale)[:, None]
        self._right = right[None]
        self._level_start, self._level_height, self._level_width = (
            np.array(column, np.int32)[level][:, None] for column in zip(*levels)
        )

        wall_height = wall.shape[0]
        wall_forward, wall_down = forward[: self._horizon, None], down[: self._horizon, None]
        per_radian = WALL_TEXELS / (2.0 * math.pi)
        up = np.arctan2(-wall_down, np.hypot(wall_forward, right[None])) * per_radian
        self._wall_row = (wall_height - 1 - np.clip(up, 0, wall_height - 1).astype(np.int32)) * WALL_TEXELS
        self._wall_column = np.arctan2(right[None], wall_forward) * per_radian
        self._per_radian = per_radian

        shape = (camera.height, camera.width, 3)
        self._vignette = _draw_vignette(shape)
        self._noise = rng.normal(0.0, light.noise, NOISE_PICTURES * int(np.prod(shape))).astype(np.int16)
        self._pictures = 0

    def picture(self, x: float, y: float, heading: float) -> np.ndarray:
        """What the camera sees there: uint8 (height, width, 3), RGB. The noise differs each time."""
        camera = self.camera
        rays = np.empty((SUPERSAMPLING * camera.height, SUPERSAMPLING * camera.width), np.uint32)
        cosine, sine = math.cos(heading), math.sin(heading)
        x, y = float(x), float(y)  # a NumPy double would make every array here twice as wide
        column = (x - self._left) * self._scale + self._ahead * cosine + (self._aside * sine) * self._right
        row = (y - self._bottom) * self._scale + self._ahead * sine - (self._aside * cosine) * self._right
        index = _clamp(row, self._level_height)
        index *= self._level_width
        index += _clamp(column, self._level_width)
        index += self._level_start
        np.take(self._texels, index, out=rays[self._horizon :], mode="clip")

        column = (self._wall_column - heading * self._per_radian).astype(np.int32) % WALL_TEXELS
        np.take(self._wall, self._wall_row + column, out=rays[: self._horizon], mode="clip")

        size = (rays.shape[1], rays.shape[0])
        smooth = Image.frombuffer("RGBX", size, rays, "raw", "RGBX", 0, 1).reduce(SUPERSAMPLING)
        pixels = np.asarray(smooth)[:, :, :3].astype(np.int16)
        pixels *= self._vignette
        pixels >>= 7
        start = self._pictures * 7919 % (self._noise.size - pixels.size)
        self._pictures += 1
        pixels += self._noise[start : start + pixels.size].reshape(pixels.shape)
        return np.clip(pixels, 0, 255, out=pixels).astype(np.uint8)


def _ray_slopes(pixels: int, focal: float) -> np.ndarray:
    """Sideways or downwards part of each ray of a line of pixels, float32, for 1 m ahead."""
    rays = SUPERSAMPLING * pixels
    return ((np.arange(rays) + 0.5 - rays / 2.0) / focal).astype(np.float32)


def _clamp(texels: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Clamps to int32 in 0 .. count - 1, so that the texture's edge continues outside it."""
    indexes: np.ndarray = texels.astype(np.int32)
    np.maximum(indexes, 0, out=indexes)
    np.minimum(indexes, count - 1, out=indexes)
    return indexes


def _colour(parts: Iterable[float]) -> Tuple[int, ...]:
    """A colour as Pillow expects it."""
    return tuple(int(min(max(part, 0), 255)) for part in parts)


def _pack(colours: np.ndarray) -> np.ndarray:
    """(H, W, 3) colours as (H, W) uint32, so that one lookup fetches a whole colour."""
    packed = np.zeros(colours.shape[:2] + (4,), np.uint8)
    packed[:, :, :3] = colours
    return packed.view(np.uint32)[:, :, 0]


def _stack_levels(floor: np.ndarray) -> Tuple[np.ndarray, List[Tuple[int, int, int]]]:
    """The floor in ever coarser levels, flat in one array, and (start, height, width) of each."""
    flat, levels, start = [], [], 0
    for _ in range(LEVELS):
        height, width = floor.shape[:2]
        flat.append(_pack(floor).ravel())
        levels.append((start, height, width))
        start += height * width
        even = floor[: height // 2 * 2, : width // 2 * 2]
        floor = (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4
    return np.concatenate(flat), levels


def _cloud(shape: Tuple[int, int], *, cell_m: float, rng: np.random.RandomState) -> np.ndarray:
    """Smooth noise of about unit size over the floor, float32, whose blobs are `cell_m` wide."""
    cells = [max(2, int(round(texels * TEXEL_M / cell_m))) for texels in shape]
    coarse = Image.fromarray(rng.normal(size=cells).astype(np.float32))
    return np.asarray(coarse.resize((shape[1], shape[0])))


def _draw_floor(
    track: Track, *, corner: Tuple[float, float], light: Lighting, rng: np.random.RandomState
) -> np.ndarray:
    """The floor from above, float32 (rows from small to large y, columns along x, 3)."""
    size = np.ceil((track.centre.max(axis=0) + MARGIN_M - corner) / TEXEL_M).astype(int)
    shape = (size[1], size[0])

    def paint(colour: Iterable[float], polygons: Iterable[np.ndarray]) -> None:
        """Fills polygons, drawn at twice the resolution for soft edges."""
        mask = Image.new("L", (2 * shape[1], 2 * shape[0]))
        pen = ImageDraw.Draw(mask)
        for polygon in polygons:
            pen.polygon([tuple(point) for point in (polygon - corner) * (2 / TEXEL_M)], fill=255)
        image.paste(Image.new("RGB", image.size, _colour(colour)), mask=mask.reduce(2))

    def band(middle: float, width: float) -> np.ndarray:
        one, other = track.side_line(middle - width / 2), track.side_line(middle + width / 2)
        return np.vstack([one, one[:1], other[:1], other[::-1]])

    grey, warm = rng.uniform(80, 120), rng.uniform(-4, 14)
    image = Image.new("RGB", (shape[1], shape[0]), _colour(np.array([70, 85, 70]) + rng.uniform(-30, 40, 3)))
    paint((grey + warm, grey + warm / 2, grey - warm), [band(0, LANE_M)])
    paint((225, 225, 220), [band(side, BORDER_M) for side in (-LANE_M / 2, LANE_M / 2)])
    left, right = track.side_line(-DASH_M / 2), track.side_line(DASH_M / 2)
    dashes = np.array_split(np.arange(len(left)), 2 * int(round(track.length / DASH_PERIOD_M)))[::2]
    paint((225, 185, 50), (np.vstack([left[dash], right[dash[::-1]]]) for dash in dashes))

    grain = 4 * _cloud(shape, cell_m=0.4, rng=rng)
    grain += 4 * _cloud(shape, cell_m=0.05, rng=rng)
    grain += 5 * _cloud(shape, cell_m=0.012, rng=rng)
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


def _draw_wall(*, light: Lighting, rng: np.random.RandomState) -> np.ndarray:
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


def _draw_vignette(shape: Tuple[int, int, int]) -> np.ndarray:
    """How much light reaches each pixel: int16, 128 is all of it."""
    down, right = (np.linspace(-1, 1, count) for count in shape[:2])
    light = 1 - 0.22 * np.add.outer(down**2, right**2) / 2
    return np.repeat((128 * light).astype(np.int16)[:, :, None], 3, axis=2)


def _bench() -> None:
    track = Track(1)
    begin = time.process_time()
    scene = Scene(track, seed=1)
    print(f"scene drawn in {time.process_time() - begin:.2f} s")
    places = [track.point(arc) for arc in np.linspace(0, track.length, 1000)]
    begin = time.process_time()
    for place in places:
        scene.picture(*place)
    print(f"{len(places) / (time.process_time() - begin):.0f} frames/s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bench", action="store_true", required=True, help="print frames per second")
    parser.parse_args()
    _bench()
