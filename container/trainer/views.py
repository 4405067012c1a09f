"""What the car's camera would have seen from beside its line, made of the picture that it took on the line.

The floor is taken as flat and the camera as a pinhole. Then each pixel below the horizon of a view shows a
point of the floor, which the picture shows elsewhere. Whatever is above the horizon is taken as far away: it
moves only when the camera turns. Lengths are metres, angles radians, pixels run to the right and down.

A view also shows floor that was beside or below the recorded picture. The lane goes on there as it enters the
picture: such a point looks like the first one straight ahead of it that the picture shows. So a line on the
floor continues as a straight line. If the edges of the picture were repeated instead, it would get a corner
there, and a net learns to steer by such corners, which no real picture has.
"""

import math
from typing import Any, NamedTuple, Tuple

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

Sources = Tuple[np.ndarray, np.ndarray]  # right and down in pixels, float32 (height, width)


class Viewer:
    """Makes views of pictures of one shape (height, width, depth).

    Args:
        cv2: OpenCV's module, or None to use NumPy, which makes the same views and takes longer.
    """

    def __init__(self, camera: Camera, shape: Shape, *, cv2: Any = None) -> None:
        self._cv2 = cv2
        self._height, self._width, self._depth = shape
        self._above_floor = camera.height_m
        self._focal = self._width / 2 / math.tan(math.radians(camera.fov_deg) / 2)
        pitch = math.radians(camera.pitch_deg)
        self._sin, self._cos = math.sin(pitch), math.cos(pitch)
        self._middle = ((self._width - 1) / 2, (self._height - 1) / 2)

        # The direction of each pixel, from the camera in the car's axes: x ahead, y left, z up
        down, right = np.mgrid[: self._height, : self._width]
        right, down = ((at - middle) / self._focal for at, middle in zip((right, down), self._middle))
        up = -self._sin - down * self._cos
        self._far = np.stack([self._cos - down * self._sin, -right, up]).astype(np.float32)
        # and the point that it shows: on the floor, below the horizon
        self._horizon = int(np.count_nonzero(up[:, 0] >= 0))
        self._points = self._far.copy()
        self._points[:, self._horizon :] *= camera.height_m / -up[self._horizon :]

    def find_sources(self, view: View) -> Sources:
        """For each pixel of the view, the place in the picture that shows the same."""
        ahead, left, up = _turn(self._points, view.turn)
        left[self._horizon :] -= view.shift_m
        self._enter_picture(ahead[self._horizon :], left[self._horizon :])
        return self._project(ahead, left, up)

    def find_far_sources(self, turn: float) -> Sources:
        """The same for a camera that has turned only, if everything is far away."""
        return self._project(*_turn(self._far, turn))

    def __call__(self, picture: np.ndarray, view: View) -> np.ndarray:
        """A new picture, uint8 (height, width, depth)."""
        seen = picture
        if view.shift_m or view.turn:
            right, down = self.find_sources(view)
            if self._cv2 is None:
                seen = self._sample(picture, right, down)
            else:
                seen = self._cv2.remap(
                    picture, right, down, self._cv2.INTER_LINEAR, borderMode=self._cv2.BORDER_REPLICATE
                ).reshape(picture.shape)  # OpenCV drops a depth of one
        return seen[:, ::-1] if view.mirrored else seen

    def _project(self, ahead: np.ndarray, left: np.ndarray, up: np.ndarray) -> Sources:
        depth = np.maximum(ahead * self._cos - up * self._sin, np.float32(1e-6))
        right = self._middle[0] - self._focal * left / depth
        down = self._middle[1] - self._focal * (ahead * self._sin + up * self._cos) / depth
        return right.astype(np.float32), down.astype(np.float32)

    def _enter_picture(self, ahead: np.ndarray, left: np.ndarray) -> None:
        """Moves points of the floor straight ahead to where the picture shows them."""
        to_side, to_bottom = (middle / self._focal for middle in self._middle)
        from_side = (np.abs(left) / to_side - self._above_floor * self._sin) / self._cos
        from_bottom = self._above_floor * (self._cos - to_bottom * self._sin)
        from_bottom /= to_bottom * self._cos + self._sin
        np.maximum(ahead, np.maximum(from_side, from_bottom), out=ahead)

    def _sample(self, picture: np.ndarray, right: np.ndarray, down: np.ndarray) -> np.ndarray:
        """The picture at these places, interpolated between its pixels; its edges continue."""
        right, down = np.clip(right, 0, self._width - 1), np.clip(down, 0, self._height - 1)
        column = np.minimum(right.astype(np.int32), max(0, self._width - 2))
        row = np.minimum(down.astype(np.int32), max(0, self._height - 2))
        to_right, to_bottom = (right - column)[..., np.newaxis], (down - row)[..., np.newaxis]
        pixels, first = picture.reshape(-1, self._depth).astype(np.float32), row * self._width + column

        def between_columns(first: np.ndarray) -> np.ndarray:
            one, other = (pixels.take(at, axis=0, mode="clip") for at in (first, first + 1))
            return one + (other - one) * to_right

        upper, lower = between_columns(first), between_columns(first + self._width)
        return (upper + (lower - upper) * to_bottom + np.float32(0.5)).astype(np.uint8)


def _turn(points: np.ndarray, angle: float) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points (3, ...) of a car's axes, in the axes of a car that is turned right by this angle."""
    ahead, left, up = points
    cos, sin = math.cos(angle), math.sin(angle)
    return cos * ahead - sin * left, sin * ahead + cos * left, up
