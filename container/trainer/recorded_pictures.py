"""Pictures as the camera took them, and as it would see them from beside the line."""

import numpy as np

from .dataset import Dataset
from .pictures import Decoder, find_opencv, fit_shape, read_picture
from .reading import Inputs, recorded_shape
from .views import Camera, View, Viewer


class RecordedPictures:
    """The recorded pictures by their number in the picture store.

    Attributes:
        shape: (height, width, depth) of all of them.
    """

    def __init__(self, dataset: Dataset, inputs: Inputs, camera: Camera) -> None:
        self._pilot = dataset.pilot
        self._tubs = inputs.tubs
        self._store = dataset.store
        self._is_raw = dataset.pilot.prepare is None or dataset.prepare is not None
        self._pictured = inputs.pictured
        self.shape = recorded_shape(inputs.job)
        height, width, depth = self.shape
        opencv = find_opencv()
        self._decode = Decoder(width=width, height=height, depth=depth, cv2=opencv)
        self._viewer = Viewer(camera, self.shape, cv2=opencv)

    def __getitem__(self, number: int) -> np.ndarray:
        """uint8, of `shape`."""
        if self._is_raw:
            return self._store[number]
        return self._decode(read_picture(self._pictured[number], self._tubs))

    def show(self, number: int, view: View) -> np.ndarray:
        """What the camera would see from there, as the car's own net would see it."""
        picture = self._viewer(self[number], view)
        if self._pilot.prepare is not None:
            picture = self._pilot.prepare(picture)
        return fit_shape(self._pilot.show(picture), self._pilot.picture_shape)
