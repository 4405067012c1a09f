"""Pilots of donkeycar 4 and 5, which make their own inputs and targets (`donkeycar.pipeline`)."""

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

from donkey_sagemaker.contract import TYPES
from donkey_sagemaker.errors import BadInput
from donkey_sagemaker.tubs.record import Record

from .feed import Arrays
from .pictures import fit_shape
from .pilot import KERAS_ERRORS, Pilot, TooSmall, check_transfer, reading_transfer, shapes_of
from .tensorflow_versions import find_keras_2, keras, make_optimizer


def number_only(_: Any) -> None:
    """An image processor for donkeycar's x_transform that asks a record for its number, not its pixels."""


class NumberedRecord(TubRecord):
    """donkeycar's record, with a number in the picture store as its picture.

    x_transform arranges pictures (alone or in sequences) and does not read them, so numbers work as well, and
    each picture is in memory once, however many sequences it is part of.
    """

    def __init__(self, config: Config, record: Record, number: Optional[int]) -> None:
        super().__init__(config, record.tub, record.fields)
        self.number = number

    def image(self, processor: Any = None, as_nparray: bool = True) -> Any:
        if processor is number_only:
            return np.asarray(self.number)
        raise BadInput(
            "TRAIN_FILTER uses a record's picture, which is not loaded yet when it runs.",
            "Let TRAIN_FILTER use only record.underlying.",
        )


class PipelinePilot(Pilot):
    types = TYPES
    picture_divisor = 255.0

    def __init__(self, model_type: str, config: Dict[str, Any]) -> None:
        picture_shape = (config["IMAGE_H"], config["IMAGE_W"], config["IMAGE_DEPTH"])
        super().__init__(model_type, config, picture_shape=picture_shape)
        self.car_config = Config()
        self.car_config.from_object(SimpleNamespace(**config))
        try:
            self.pilot = get_model_by_type(model_type, self.car_config)
        except ValueError as error:  # a convolution has no pixels left
            raise TooSmall(model_type, picture_shape) from error
        self.sequence_length = self.pilot.seq_size()
        # A pilot keeps what it remembers of a drive, pictures or commands, in deques.
        self._memory = {name: copy(value) for name, value in vars(self.pilot).items() if type(value) is deque}
        self._transformations = ImageTransformations(self.car_config, "TRANSFORMATIONS")
        self._post_transformations = ImageTransformations(self.car_config, "POST_TRANSFORMATIONS")
        if config.get("TRANSFORMATIONS") or config.get("POST_TRANSFORMATIONS"):
            self.prepare = self._prepare
        if config.get("AUGMENTATIONS"):
            # Imported here because albumentations is large, and most cars augment nothing.
            from donkeycar.pipeline.augmentations import ImageAugmentation

            self._augmentation = ImageAugmentation(self.car_config, "AUGMENTATIONS")
            self.augment = self._augment
            if config.get("POST_TRANSFORMATIONS"):
                self.finish = self._finish

    @property
    def net(self) -> Any:
        return self.pilot.interpreter.model

    def __str__(self) -> str:
        return str(self.pilot)

    def load(self, path: str) -> None:
        """Replaces the net by the transfer model, as `donkey train --transfer` does."""
        wanted = shapes_of(self.net)
        try:
            self.pilot.load(path)
            other = self.net
        except KERAS_ERRORS as error:  # it may be of an older Keras
            other = _load_with_keras_2(path, error)
            if shapes_of(other) == wanted:
                self.net.set_weights(other.get_weights())
        check_transfer(path, shapes_of(other), wanted=wanted)
        if self.config.get("FREEZE_LAYERS") and hasattr(self.pilot, "freeze_first_layers"):
            self.pilot.freeze_first_layers()

    def compile(self) -> None:
        optimizer = make_optimizer(self.config)
        if optimizer is not None:
            self.pilot.optimizer = optimizer
        self.pilot.compile()

    def _prepare(self, picture: np.ndarray) -> np.ndarray:
        """Does what comes before any random change, and so can be done once."""
        picture = self._transformations.run(picture)
        return picture if self.augment else self._post_transformations.run(picture)

    def _augment(self, pictures: np.ndarray, seed: int) -> None:
        random.seed(seed)
        np.random.seed(seed)
        own = self._augmentation.augmentations
        if hasattr(own, "set_random_seed"):  # albumentations 2 has a generator of its own
            own.set_random_seed(seed)
        for picture in pictures:
            picture[...] = self._finished(self._augmentation.run(picture))

    def _finish(self, pictures: np.ndarray, seed: int) -> None:
        for picture in pictures:
            picture[...] = self._finished(picture)

    def _finished(self, picture: np.ndarray) -> np.ndarray:
        return fit_shape(self._post_transformations.run(picture), self.picture_shape)

    def show(self, picture: np.ndarray) -> np.ndarray:
        return self._post_transformations.run(picture) if self.augment else picture

    def drive_inputs(self, inputs: Arrays) -> List[str]:
        # A memory pilot fills mem_in itself.
        return [name for name in inputs if name not in self.picture_inputs and name != "mem_in"]

    def filter_argument(self, record: Record) -> NumberedRecord:
        return NumberedRecord(self.car_config, record, None)

    def example(self, records: Sequence[Record], numbers: Sequence[int]) -> Tuple[Arrays, Arrays]:
        rows = [NumberedRecord(self.car_config, record, number) for record, number in zip(records, numbers)]
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

    def _check(self, inputs: Arrays, targets: Arrays) -> None:
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

    def predict_step(
        self, picture: np.ndarray, others: Sequence[np.ndarray]
    ) -> Tuple[List[np.ndarray], np.ndarray]:
        seen: List[np.ndarray] = []
        commands_from = type(self.pilot).interpreter_to_output

        def listen(outputs: Any) -> Any:
            seen.extend(np.ravel(output) for output in (outputs if isinstance(outputs, list) else [outputs]))
            return commands_from(self.pilot, outputs)

        self.pilot.interpreter_to_output = listen
        commands = self.pilot.run(picture, *others)
        del self.pilot.interpreter_to_output
        return seen, _flatten(commands)

    def make_commands(self, outputs: List[np.ndarray]) -> np.ndarray:
        return _flatten(self.pilot.interpreter_to_output(outputs if len(outputs) > 1 else outputs[0]))


def _load_with_keras_2(path: str, error: Exception) -> Any:
    """The transfer model, read by Keras 2 after the pilot's own Keras has failed with this error."""
    keras_2 = find_keras_2()
    with reading_transfer(path):
        if keras_2 is None or keras_2 is keras:
            raise error
        return keras_2.models.load_model(path, compile=False)


def _flatten(commands: Sequence[Any]) -> np.ndarray:
    return np.concatenate([np.ravel(command) for command in commands]).astype(np.float64)


def _check_location(record: Record) -> None:
    """donkeycar uses it as an index, and None or -1 would not raise."""
    location = record.others["localizer/location"]
    if not isinstance(location, int) or location < 0:
        raise ValueError("localizer/location is not a location")
