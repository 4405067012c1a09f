"""What the car's camera would have seen from beside its line, made of the picture that it took on the line.

The floor is taken as flat and the camera as a pinhole. Then one projective map, a homography, takes each
pixel of the floor to its place in the other view. Whatever is above the horizon is taken as far away: it
moves only when the camera turns. Lengths are metres, angles radians, pixels run to the right and down.
"""

import math
from typing import Any, Dict, NamedTuple, Tuple

import numpy as np

from .pictures import Shape


class Camera(NamedTuple):
    """How the camera is mounted, and how much it sees."""

    height_m: float  # above the floor
    pitch_deg: float  # down from level
    fov_deg: float  # between the left and the right edge of the picture


class View(NamedTuple):
    """Another place of the car in the world of a recorded picture."""

    shift_m: float = 0.0  # to the right of where it was
    turn: float = 0.0  # counterclockwise, to the left
    mirrored: bool = False  # in a world with left and right exchanged, after the car has moved


AS_RECORDED = View()


class Viewer:
    """Makes views of pictures of one shape (height, width, depth).

    Args:
        cv2: OpenCV's module, or None to use NumPy, which makes the same views and takes ten times as long.
    """

    def __init__(self, camera: Camera, shape: Shape, *, cv2: Any = None) -> None:
        self._cv2 = cv2
        self._height, self._width, self._depth = shape
        focal = self._width / 2 / math.tan(math.radians(camera.fov_deg) / 2)
        pitch = math.radians(camera.pitch_deg)
        middle = ((self._width - 1) / 2, (self._height - 1) / 2)
        pixels = np.array([[focal, 0, middle[0]], [0, focal, middle[1]], [0, 0, 1]])  # of a ray
        # Right, down and ahead of the camera in the car's axes: x ahead, y left, z up
        axes = np.array(
            [
                [0, -1, 0],
                [-math.sin(pitch), 0, -math.cos(pitch)],
                [math.cos(pitch), 0, -math.sin(pitch)],
            ]
        )
        self._far = pixels @ axes  # a direction in the car's axes -> pixel
        self._floor = self._far @ np.diag([1, 1, -camera.height_m])  # (x, y, 1) on the floor -> pixel
        self._horizon = int(np.clip(math.ceil(middle[1] - focal * math.tan(pitch)), 0, self._height))
        self._grids: Dict[Tuple[int, int], np.ndarray] = {}

    def matrices(self, view: View) -> Tuple[np.ndarray, np.ndarray]:
        """From pixels of the view to those of the picture, (3, 3): for the floor, and for what is far."""
        cos, sin = math.cos(view.turn), math.sin(view.turn)
        turned = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
        shifted = np.array([[1, 0, 0], [0, 1, -view.shift_m], [0, 0, 1]])
        return (
            self._floor @ shifted @ turned @ np.linalg.inv(self._floor),
            self._far @ turned @ np.linalg.inv(self._far),
        )

    def __call__(self, picture: np.ndarray, view: View) -> np.ndarray:
        """A new picture, uint8 (height, width, depth). Its edges repeat what the picture did not show."""
        seen = picture
        if view.shift_m or view.turn:
            floor, far = self.matrices(view)
            seen = np.empty_like(picture)
            seen[: self._horizon] = self._sample(picture, far, first=0, rows=self._horizon)
            seen[self._horizon :] = self._sample(
                picture, floor, first=self._horizon, rows=self._height - self._horizon
            )
        return seen[:, ::-1] if view.mirrored else seen

    def _sample(self, picture: np.ndarray, matrix: np.ndarray, *, first: int, rows: int) -> np.ndarray:
        """The rows of a view from `first` on, interpolated between the picture's pixels."""
        size = (rows, self._width, self._depth)
        if rows == 0:
            return np.empty(size, np.uint8)
        matrix = matrix @ np.array([[1, 0, 0], [0, 1, first], [0, 0, 1]])
        if self._cv2 is None:
            return self._sample_slowly(picture, matrix, rows=rows).reshape(size)
        flags = self._cv2.INTER_LINEAR | self._cv2.WARP_INVERSE_MAP
        seen = self._cv2.warpPerspective(
            picture, matrix, (self._width, rows), flags=flags, borderMode=self._cv2.BORDER_REPLICATE
        )
        return seen.reshape(size)  # OpenCV drops a depth of one

    def _sample_slowly(self, picture: np.ndarray, matrix: np.ndarray, *, rows: int) -> np.ndarray:
        if (rows, self._width) not in self._grids:
            down, right = np.mgrid[:rows, : self._width].reshape(2, -1)
            self._grids[rows, self._width] = np.stack([right, down, np.ones_like(right)]).astype(np.float64)
        across, down, scale = matrix @ self._grids[rows, self._width]
        across = np.clip(across / scale, 0, self._width - 1)
        down = np.clip(down / scale, 0, self._height - 1)
        left, top = across.astype(np.int32), down.astype(np.int32)
        right, bottom = np.minimum(left + 1, self._width - 1), np.minimum(top + 1, self._height - 1)
        to_right = (across - left).astype(np.float32)[:, np.newaxis]
        to_bottom = (down - top).astype(np.float32)[:, np.newaxis]
        pixels = picture.reshape(-1, self._depth)

        def row(of: np.ndarray) -> np.ndarray:
            one, other = (pixels[of * self._width + column].astype(np.float32) for column in (left, right))
            return one + (other - one) * to_right

        upper, lower = row(top), row(bottom)
        return (upper + (lower - upper) * to_bottom + np.float32(0.5)).astype(np.uint8)
