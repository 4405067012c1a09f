"""Pilots of donkeycar 4 and 5, which know their own inputs and targets (`donkeycar.pipeline`)."""

import random
from collections import deque
from copy import copy
from types import SimpleNamespace
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np
from donkeycar.config import Config
from donkeycar.parts.image_transformations import ImageTransformations
from donkeycar.pipeline.types import TubRecord
from donkeycar.utils import get_model_by_type
from tensorflow import keras

from donkey_sagemaker.contract import TYPES
from donkey_sagemaker.errors import BadInput
from donkey_sagemaker.tubs.reader import Record

from .optimizers import optimizer_named
from .pictures import fit_shape
from .saved_model import keras_2
from .shapes import OtherNet, TooSmall, TransferUnreadable, shapes_of


def number_only(_: Any) -> None:
    """An image processor for donkeycar's x_transform: asks the record for its number, not its pixels."""


# What Keras may raise over a file that it does not understand
KERAS_ERRORS = (AttributeError, ImportError, KeyError, OSError, TypeError, ValueError)


class NumberedRecord(TubRecord):
    """donkeycar's record, whose picture is a number into the store.

    x_transform arranges pictures (alone, in sequences) without looking at them, so numbers do as well,
    and each picture is held once however many sequences it is part of.
    """

    def __init__(self, config: Config, record: Record, number: Optional[int]) -> None:
        super().__init__(config, record.tub, record.fields)
        self.number = number

    def image(self, processor: Any = None, as_nparray: bool = True) -> Any:
        if processor is number_only:
            return np.asarray(self.number)
        raise BadInput(
            "TRAIN_FILTER asks for a record's picture, which is not loaded yet when it runs.",
            "Let TRAIN_FILTER decide by record.underlying alone.",
        )


class PipelinePilot:
    types = TYPES
    keras = keras
    picture_inputs = ("img_in",)
    picture_divisor = 255.0

    def __init__(self, model_type: str, config: Dict[str, Any]) -> None:
        self.model_type = model_type
        self.config = Config()
        self.config.from_object(SimpleNamespace(**config))
        self.picture_shape = (config["IMAGE_H"], config["IMAGE_W"], config["IMAGE_DEPTH"])
        try:
            self.pilot = get_model_by_type(model_type, self.config)
        except ValueError as error:  # a convolution has no pixels left
            raise TooSmall(model_type, self.picture_shape) from error
        self.sequence_length = self.pilot.seq_size()
        # What a pilot remembers of its drive, pictures or commands, stands in a deque.
        self._memory = {name: copy(value) for name, value in vars(self.pilot).items() if type(value) is deque}
        self._transformations = ImageTransformations(self.config, "TRANSFORMATIONS")
        self._post_transformations = ImageTransformations(self.config, "POST_TRANSFORMATIONS")
        self.augment = None
        self.finish = None
        self.prepare = None
        if config.get("TRANSFORMATIONS") or config.get("POST_TRANSFORMATIONS"):
            self.prepare = self._prepare
        if config.get("AUGMENTATIONS"):
            # Imported here because albumentations is large, and most cars augment nothing.
            from donkeycar.pipeline.augmentations import ImageAugmentation

            self._augmentation = ImageAugmentation(self.config, "AUGMENTATIONS")
            self.augment = self._augment
            if config.get("POST_TRANSFORMATIONS"):
                self.finish = self._finish

    @property
    def net(self) -> Any:
        return self.pilot.interpreter.model

    def __str__(self) -> str:
        return str(self.pilot)

    def load(self, path: str) -> None:
        """The transfer model takes the net's place, as `donkey train --transfer` does.

        Raises:
            OtherNet: it is a net of another type or picture size.
            TransferUnreadable
        """
        wanted = shapes_of(self.net)
        try:
            self.pilot.load(path)
            other = self.net
        except KERAS_ERRORS as error:  # it may be of an older Keras
            other = _load_with_keras_2(path, error)
            if shapes_of(other) == wanted:
                self.net.set_weights(other.get_weights())
        if shapes_of(other) != wanted:
            raise OtherNet(path, shapes_of(other), wanted)
        if getattr(self.config, "FREEZE_LAYERS", False) and hasattr(self.pilot, "freeze_first_layers"):
            self.pilot.freeze_first_layers()

    def compile(self) -> None:
        optimizer = optimizer_named(
            keras,
            getattr(self.config, "OPTIMIZER", None),
            rate=getattr(self.config, "LEARNING_RATE", 0.001),
            decay=getattr(self.config, "LEARNING_RATE_DECAY", 0.0),
        )
        if optimizer is not None:
            self.pilot.optimizer = optimizer
        self.pilot.compile()

    def _prepare(self, picture: np.ndarray) -> np.ndarray:
        """What can be done once: all that comes before a random change."""
        picture = self._transformations.run(picture)
        return picture if self.augment else self._post_transformations.run(picture)

    def _augment(self, pictures: np.ndarray, seed: int) -> None:
        random.seed(seed)
        np.random.seed(seed)
        own = self._augmentation.augmentations
        if hasattr(own, "set_random_seed"):  # albumentations 2 draws from its own
            own.set_random_seed(seed)
        for picture in pictures:
            picture[...] = self._finished(self._augmentation.run(picture))

    def _finish(self, pictures: np.ndarray, seed: int) -> None:
        for picture in pictures:
            picture[...] = self._finished(picture)

    def _finished(self, picture: np.ndarray) -> np.ndarray:
        return fit_shape(self._post_transformations.run(picture), self.picture_shape)

    def show(self, picture: np.ndarray) -> np.ndarray:
        """A prepared picture as the car's own net will see it."""
        return self._post_transformations.run(picture) if self.augment else picture

    def drive_inputs(self, inputs: Dict[str, Any]) -> List[str]:
        """Names of what the car hands over beside the picture; a memory pilot keeps its own."""
        return [name for name in inputs if name not in self.picture_inputs and name != "mem_in"]

    def keep(self, record: Record) -> bool:
        wanted = getattr(self.config, "TRAIN_FILTER", None)
        return wanted is None or bool(wanted(NumberedRecord(self.config, record, None)))

    def example(
        self, records: Sequence[Record], numbers: Sequence[int]
    ) -> Tuple[Dict[str, np.ndarray], Dict[str, np.ndarray]]:
        """Inputs and targets of one example by name; a picture's value is its number.

        Raises:
            KeyError, IndexError, TypeError, ValueError: a record lacks what this type needs.
        """
        rows = [NumberedRecord(self.config, record, number) for record, number in zip(records, numbers)]
        row = rows if self.sequence_length else rows[0]
        if self.model_type == "localizer":
            _check_location(records[0])
        inputs = self.pilot.x_transform(row, number_only)
        targets = self.pilot.y_transform(row)
        if not isinstance(targets, dict):  # 5.4, nets with one output
            targets = {self.net.output_names[0]: targets}
        inputs = {name: np.asarray(value) for name, value in inputs.items()}
        targets = {name: np.asarray(value, np.float32) for name, value in targets.items()}
        self._check(inputs, targets)
        return inputs, targets

    def _check(self, inputs: Dict[str, np.ndarray], targets: Dict[str, np.ndarray]) -> None:
        for name, value in list(inputs.items()) + list(targets.items()):
            if name in self.picture_inputs:
                continue
            if value.dtype == object or not np.all(np.isfinite(value)):
                raise ValueError(f"{name} is not a number")
            if name in inputs:
                expected = tuple(self.pilot.get_input_shape(name))[1:]
                if value.shape != expected:
                    raise ValueError(f"{name} has {value.size} values, not {int(np.prod(expected))}")

    def rewind(self) -> None:
        for name, value in self._memory.items():
            setattr(self.pilot, name, copy(value))

    def drive(self, picture: np.ndarray, others: Sequence[np.ndarray]) -> Tuple[List[np.ndarray], np.ndarray]:
        """One step of the car's own loop: what the net says, and what the pilot makes of it."""
        raw: List[np.ndarray] = []
        commands_of = type(self.pilot).interpreter_to_output

        def listen(outputs: Any) -> Any:
            raw.extend(np.ravel(output) for output in (outputs if isinstance(outputs, list) else [outputs]))
            return commands_of(self.pilot, outputs)

        self.pilot.interpreter_to_output = listen
        commands = self.pilot.run(picture, *others)
        del self.pilot.interpreter_to_output
        return raw, _flat(commands)

    def decide(self, raw: List[np.ndarray]) -> np.ndarray:
        """The commands that donkeycar's pilot makes of the net's outputs for one example."""
        return _flat(self.pilot.interpreter_to_output(raw if len(raw) > 1 else raw[0]))


def _load_with_keras_2(path: str, error: Exception) -> Any:
    older = keras_2()
    if older is None or older is keras:
        raise TransferUnreadable(path, error) from error
    try:
        return older.models.load_model(path, compile=False)
    except KERAS_ERRORS as older_error:
        raise TransferUnreadable(path, older_error) from older_error


def _flat(commands: Sequence[Any]) -> np.ndarray:
    return np.concatenate([np.ravel(command) for command in commands]).astype(np.float64)


def _check_location(record: Record) -> None:
    """donkeycar indexes with it, and None or -1 would index without an error."""
    location = record.fields["localizer/location"]
    if not isinstance(location, int) or location < 0:
        raise ValueError("localizer/location is not a location")
