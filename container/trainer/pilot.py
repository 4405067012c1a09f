"""The interface to the pilots of every donkeycar generation, whose own code stays the source of truth."""

import contextlib
import os
from abc import ABC, abstractmethod
from types import SimpleNamespace
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np

from donkey_sagemaker.errors import BadInput
from donkey_sagemaker.tubs.record import Record

from .feed import Arrays, Change
from .pictures import Shape

Shapes = List[Tuple[Any, ...]]

# Keras may raise any of these when it cannot read a file
KERAS_ERRORS = (AttributeError, ImportError, KeyError, OSError, TypeError, ValueError)


class NeedsDonkeycar(BadInput):
    """Something that only the car's own donkeycar can do."""

    def __init__(self, ability: str, *, alternative: str = "") -> None:
        super().__init__(
            f"The training environment has no donkeycar that can {ability}.",
            "Train in an environment with the car's own donkeycar (SAGEMAKER_IMAGE, SAGEMAKER_PYTHON)"
            f"{alternative}.",
        )


class TooSmall(BadInput):
    def __init__(self, model_type: str, shape: Shape) -> None:
        super().__init__(
            f"donkeycar cannot build a {model_type} net for pictures of {shape[1]}x{shape[0]} pixels and"
            f" {shape[2]} channels.",
            "Set IMAGE_W and IMAGE_H to larger pictures; 160 and 120 always work.",
        )


class UnusableTransfer(BadInput):
    def __init__(self, path: str, why: str, *, fix: str) -> None:
        super().__init__(f"The transfer model {os.path.basename(path)} {why}.", fix)


class Pilot(ABC):
    """A model of one type while it is trained: its net, what the net is fed, and what the car makes of it.

    Attributes:
        config: the car's settings, by UPPER_CASE name.
        picture_shape: (height, width, depth) of the pictures that the net takes.
        picture_inputs: names of the net's inputs that take pictures.
        picture_divisor: pixels are divided by this on their way into the net.
        sequence_length: how many records make up an example; 0 if it is a single one.
        prepare: changes a picture once, before the first epoch; None for no change.
        augment, finish: change pictures in place each time they are fed, in training and in validation
            respectively; None for no change.
    """

    picture_inputs: Tuple[str, ...] = ("img_in",)
    picture_divisor = 1.0
    sequence_length = 0

    def __init__(self, model_type: str, config: Dict[str, Any], *, picture_shape: Shape) -> None:
        self.model_type = model_type
        self.config = config
        self.picture_shape = picture_shape
        self.prepare: Optional[Callable[[np.ndarray], np.ndarray]] = None
        self.augment: Optional[Change] = None
        self.finish: Optional[Change] = None

    @property
    @abstractmethod
    def net(self) -> Any:
        """The Keras model."""

    @abstractmethod
    def __str__(self) -> str:
        """The name of donkeycar's own class."""

    @abstractmethod
    def load(self, path: str) -> None:
        """Continues from the model in this file or folder.

        Raises:
            UnusableTransfer: it cannot be read, or is of another type or picture size.
        """

    @abstractmethod
    def compile(self) -> None:
        """Compiles the net with donkeycar's losses and weights, and the optimizer that the config names."""

    @abstractmethod
    def example(self, records: Sequence[Record], numbers: Sequence[int]) -> Tuple[Arrays, Arrays]:
        """Makes an example of one record, or of `sequence_length` records.

        Args:
            numbers: of the records' pictures in the picture store.
        Returns:
            inputs and targets by name, without a batch axis. A picture input holds the number, () or
            (sequence,), in place of pixels. Targets are float32.
        Raises:
            KeyError, IndexError, TypeError, ValueError: a record lacks what this type needs.
        """

    @abstractmethod
    def predict_step(
        self, picture: np.ndarray, others: Sequence[np.ndarray]
    ) -> Tuple[List[np.ndarray], np.ndarray]:
        """One step of the car's drive loop.

        Args:
            picture: (height, width, depth) uint8, as the net sees it.
            others: further inputs, as named by `drive_inputs`.
        Returns:
            the net's outputs, flattened, and the pilot's commands (n,) float64, of which angle and throttle
            are the first two.
        """

    @abstractmethod
    def make_commands(self, outputs: List[np.ndarray]) -> np.ndarray:
        """The commands (n,) float64 that the pilot makes of the net's outputs for one example."""

    @property
    def training_config(self) -> Optional[Dict[str, Any]]:
        """The training_config of an HDF5 file, which lets donkeycar 2 train the model further."""
        return None

    def show(self, picture: np.ndarray) -> np.ndarray:
        """A prepared picture as the net sees it."""
        return picture

    def drive_inputs(self, inputs: Arrays) -> List[str]:
        """Names of the inputs that the car passes besides the picture."""
        return []

    def train_filter(self, record: Record) -> bool:
        """Whether the car's TRAIN_FILTER, if it has one, accepts the record."""
        accepts = self.config.get("TRAIN_FILTER")
        return accepts is None or bool(accepts(self.filter_argument(record)))

    def filter_argument(self, record: Record) -> Any:
        """The record as TRAIN_FILTER expects it, with its fields in `underlying`."""
        return SimpleNamespace(underlying=record.fields)

    def rewind(self) -> None:  # noqa: B027  (most pilots remember nothing)
        """Forgets the drive so far, as if the pilot had just been loaded."""


def shapes_of(net: Any) -> Shapes:
    """The shapes of a Keras model's inputs, then of its outputs."""
    return [tuple(tensor.shape) for tensor in net.inputs + net.outputs]


@contextlib.contextmanager
def reading_transfer(path: str) -> Iterator[None]:
    """Turns whatever Keras raises about a transfer model into UnusableTransfer."""
    try:
        yield
    except KERAS_ERRORS as error:
        cause = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
        raise UnusableTransfer(
            path,
            f"cannot be read by the training environment ({cause})",
            fix="Transfer from a .h5 file that this program made, or train in an environment with the car's "
            "own donkeycar (SAGEMAKER_IMAGE, SAGEMAKER_PYTHON).",
        ) from error


def check_transfer(path: str, got: Shapes, *, wanted: Shapes) -> None:
    """
    Raises:
        UnusableTransfer: the transfer model has other inputs or outputs than this training's net.
    """
    if got != wanted:
        raise UnusableTransfer(
            path,
            f"has inputs and outputs of shapes {got}, but this training needs {wanted}",
            fix="Transfer from a model of the same --type and picture size, or leave out --transfer.",
        )
