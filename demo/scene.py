"""A track in a room as a small car's camera sees it. NumPy and Pillow only.

`python scene.py --bench` prints how many pictures per second one core draws.
"""

import argparse
import math
import time
from typing import List, NamedTuple, Optional, Tuple

import numpy as np
from PIL import Image

from surface import (
    MARGIN_M,
    ROAD,
    TEXEL_M,
    WALL_M,
    WALL_TEXELS,
    Lighting,
    Surface,
    draw_floor,
    draw_lighting,
    draw_room,
    draw_walls,
)
from track import Track

LEVELS = 6  # of the floor texture, each half as fine as the one before
FAR_M = 9.0  # the floor ends here and the wall of the room begins
SUPERSAMPLING = 2  # rays a pixel, in each direction
NOISE_PICTURES = 4  # noise is drawn once for this many pictures, then read from changing offsets
WALL_LAYERS = 14  # a low wall is drawn as so many horizontal slices


class Camera(NamedTuple):
    """A pinhole camera that looks ahead and down."""

    width: int = 160  # pixels
    height: int = 120
    field_of_view_deg: float = 100.0  # from left to right
    above_floor_m: float = 0.17
    pitch_deg: float = 22.0  # down


CAMERA = Camera()
CAMERAS = {
    "usual": CAMERA,
    "low": Camera(field_of_view_deg=85.0, above_floor_m=0.14, pitch_deg=17.0),
    "high": Camera(field_of_view_deg=115.0, above_floor_m=0.21, pitch_deg=27.0),
}


class Scene:
    """A track in a room, with its floor, walls and light, as a camera sees it.

    Args:
        track: the track on the floor.
        seed: seed of the floor, the walls, the shadows and the sensor's noise.
        surface: what marks the lane.
        lighting: by default `draw_lighting(seed)`.
        camera: the camera on the car.
    """

    def __init__(
        self,
        track: Track,
        *,
        seed: int,
        surface: Surface = ROAD,
        lighting: Optional[Lighting] = None,
        camera: Camera = CAMERA,
    ) -> None:
        rng = np.random.RandomState(seed)
        light = draw_lighting(seed) if lighting is None else lighting
        self.camera = camera
        self._left, self._bottom = (track.centre.min(axis=0) - MARGIN_M).tolist()
        self.floor = draw_floor(track, surface, corner=(self._left, self._bottom), light=light, rng=rng)
        wall = draw_room(light=light, rng=rng)
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

        self._walls: Optional[_Walls] = None
        if surface.has_walls:
            seen = (reach * forward[self._horizon :], np.outer(reach, right))
            self._walls = _Walls(track, (self._left, self._bottom), light=light, camera=camera, rays=seen)

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
        if self._walls is not None:
            self._walls.draw(rays[self._horizon :], x, y, heading)

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


class _Walls:
    """The low walls beside the lane, drawn over the floor in horizontal slices.

    Args:
        rays: where each ray meets the floor from a car at the origin facing along x: how far ahead (rows,)
            and how far to the right (rows, columns).
    """

    def __init__(
        self,
        track: Track,
        corner: Tuple[float, float],
        *,
        light: Lighting,
        camera: Camera,
        rays: Tuple[np.ndarray, np.ndarray],
    ) -> None:
        self._corner = corner
        self._footprint = draw_walls(track, corner=corner)
        # How much nearer than the floor a ray meets each slice, by equal factors so that none shows a gap
        nearer = (1 - WALL_M / camera.above_floor_m) ** np.linspace(0, 1, WALL_LAYERS)
        shades = np.append(np.linspace(120, 170, WALL_LAYERS - 1), 215)  # the top is the brightest
        colours = np.clip(np.outer(shades, light.tint) * light.brightness, 0, 255)
        self._slices = list(zip(nearer, _pack(colours[None])[0]))
        # Walls have no texture, so every second ray is enough.
        self._ahead = rays[0][::2, None] / TEXEL_M
        self._aside = rays[1][::2, ::2] / TEXEL_M

    def draw(self, rays: np.ndarray, x: float, y: float, heading: float) -> None:
        """Over the rays (rows, columns) that meet the floor, from the floor up."""
        rows, columns = self._footprint.shape
        cosine, sine = math.cos(heading), math.sin(heading)
        to_x = self._ahead * cosine + self._aside * sine
        to_y = self._ahead * sine - self._aside * cosine
        first_x, first_y = (x - self._corner[0]) / TEXEL_M, (y - self._corner[1]) / TEXEL_M
        for nearer, colour in self._slices:
            column = np.clip((first_x + nearer * to_x).astype(np.int32), 0, columns - 1)
            row = np.clip((first_y + nearer * to_y).astype(np.int32), 0, rows - 1)
            is_wall = self._footprint[row, column].repeat(2, axis=0)[: len(rays)].repeat(2, axis=1)
            rays[is_wall] = colour


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
