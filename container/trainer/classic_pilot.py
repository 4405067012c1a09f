"""Pilots of an installed donkeycar 2, whose manage.py makes inputs and targets itself: one picture, raw."""

from types import SimpleNamespace
from typing import Any, Dict, List, Sequence, Tuple

import donkeycar
import numpy as np
from donkeycar.parts import keras as pilots

from donkey_sagemaker.tubs.reader import Record

from .keras_files import make_training_config
from .optimizers import optimizer_named, step_at_once

try:
    import keras  # 2.2 uses Keras itself
except ImportError:
    from tensorflow.python import keras  # 2.5 uses TensorFlow's


class ClassicPilot:
    types = {
        name: getattr(pilots, class_name)
        for name, class_name in (("categorical", "KerasCategorical"), ("linear", "KerasLinear"))
        if hasattr(pilots, class_name)  # 2.5 has no categorical one
    }
    keras = keras
    picture_inputs = ("img_in",)
    picture_divisor = 1.0
    sequence_length = 0
    prepare = None
    augment = None
    finish = None

    def __init__(self, model_type: str, config: Dict[str, Any]) -> None:
        self.model_type = model_type
        self.config = config
        self.pilot = self.types[model_type]()
        self.picture_shape = tuple(int(size) for size in self.pilot.model.input_shape[1:])

    @property
    def net(self) -> Any:
        return self.pilot.model

    def __str__(self) -> str:
        return type(self.pilot).__name__

    def load(self, path: str) -> None:
        self.pilot.load(path)

    def compile(self) -> None:
        """The constructor has compiled the net; only an optimizer of the owner's own is put in here."""
        optimizer = optimizer_named(
            keras,
            self.config.get("OPTIMIZER"),
            rate=self.config.get("LEARNING_RATE", 0.001),
            decay=self.config.get("LEARNING_RATE_DECAY", 0.0),
        )
        if optimizer is not None:
            self.net.compile(optimizer=optimizer, loss=self.net.loss, loss_weights=self.net.loss_weights)
        if keras.__name__ == "keras":
            step_at_once(self.net.optimizer)

    @property
    def training_config(self) -> Dict[str, Any]:
        return make_training_config(loss=self.net.loss, loss_weights=self.net.loss_weights)

    def show(self, picture: np.ndarray) -> np.ndarray:
        return picture

    def drive_inputs(self, inputs: Dict[str, Any]) -> List[str]:
        return []

    def keep(self, record: Record) -> bool:
        wanted = self.config.get("TRAIN_FILTER")
        return wanted is None or bool(wanted(SimpleNamespace(underlying=record.fields)))

    def example(
        self, records: Sequence[Record], numbers: Sequence[int]
    ) -> Tuple[Dict[str, np.ndarray], Dict[str, np.ndarray]]:
        record = records[0]
        angle = record.angle
        if self.model_type == "categorical":
            # The bins reach from -1 to 1; a stick that reads a hair over would index past the last one.
            angle = donkeycar.utils.linear_bin(max(-1.0, min(1.0, angle)))
        targets = {"angle_out": angle, "throttle_out": record.throttle}
        return (
            {"img_in": np.asarray(numbers[0])},
            {name: np.asarray(value, np.float32) for name, value in targets.items()},
        )

    def rewind(self) -> None:
        """It remembers nothing."""

    def drive(self, picture: np.ndarray, others: Sequence[np.ndarray]) -> Tuple[List[np.ndarray], np.ndarray]:
        raw = [np.ravel(output) for output in self.net.predict(picture[np.newaxis])]
        return raw, self._run(picture)

    def decide(self, raw: List[np.ndarray]) -> np.ndarray:
        """The commands that donkeycar's pilot makes of the net's outputs for one example."""
        net = self.pilot.model
        self.pilot.model = _Answer([output[np.newaxis] for output in raw])
        try:
            return self._run(np.zeros(1))
        finally:
            self.pilot.model = net

    def _run(self, picture: np.ndarray) -> np.ndarray:
        commands = self.pilot.run(picture)
        return np.concatenate([np.ravel(command) for command in commands]).astype(np.float64)


class _Answer:
    """A net that has given its answer: donkeycar 2 has no function of its own from outputs to commands."""

    def __init__(self, outputs: List[np.ndarray]) -> None:
        self._outputs = outputs

    def predict(self, picture: np.ndarray) -> List[np.ndarray]:
        return self._outputs
