"""Pilots whose donkeycar is not installed here: a car of 2018 trained by a TensorFlow of today.

Nets, targets and commands of the two types that every generation can drive. The car's own donkeycar drives
each model that arrives, which shows whether they are right.
"""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from donkey_sagemaker.tubs.record import Record

from .feed import Arrays
from .keras_files import make_training_config
from .pictures import Shape
from .pilot import NeedsDonkeycar, Pilot, TooSmall, check_transfer, reading_transfer, shapes_of
from .tensorflow_versions import keras, make_optimizer


class Head(NamedTuple):
    """One output of a net."""

    name: str
    units: int  # 1: the command itself; more: a choice of that many steps, from `low` on
    activation: str
    loss: str
    loss_weight: float
    low: float = 0.0
    step: Optional[float] = None  # None: the configured throttle range, divided by `units`


class Design(NamedTuple):
    """A net of five convolutions, two dense layers, and one head each for angle and throttle."""

    picture_divisor: float
    fourth_stride: int
    dense_activation: str
    picture_dropout: float  # after each convolution
    dense_dropout: float
    heads: Tuple[Head, Head]


# Of donkeycar 2
CLASSIC = {
    "linear": Design(
        picture_divisor=1.0,
        fourth_stride=2,
        dense_activation="linear",
        picture_dropout=0.0,
        dense_dropout=0.1,
        heads=(
            Head("angle_out", 1, "linear", "mean_squared_error", 0.5),
            Head("throttle_out", 1, "linear", "mean_squared_error", 0.5),
        ),
    ),
    "categorical": Design(
        picture_divisor=1.0,
        fourth_stride=2,
        dense_activation="relu",
        picture_dropout=0.0,
        dense_dropout=0.1,
        heads=(
            Head("angle_out", 15, "softmax", "categorical_crossentropy", 0.9, low=-1.0, step=2 / 14),
            Head("throttle_out", 1, "relu", "mean_absolute_error", 0.001),
        ),
    ),
}

# Of donkeycar 4 and 5
MODERN = {
    "linear": Design(
        picture_divisor=255.0,
        fourth_stride=1,
        dense_activation="relu",
        picture_dropout=0.2,
        dense_dropout=0.2,
        heads=(
            Head("n_outputs0", 1, "linear", "mean_squared_error", 1.0),
            Head("n_outputs1", 1, "linear", "mean_squared_error", 1.0),
        ),
    ),
    "categorical": Design(
        picture_divisor=255.0,
        fourth_stride=2,
        dense_activation="relu",
        picture_dropout=0.2,
        dense_dropout=0.2,
        heads=(
            Head("angle_out", 15, "softmax", "categorical_crossentropy", 0.5, low=-1.0, step=2 / 14),
            Head("throttle_out", 20, "softmax", "categorical_crossentropy", 0.5),
        ),
    ),
}


class PlainPilot(Pilot):
    def __init__(self, model_type: str, config: Dict[str, Any], designs: Dict[str, Design]) -> None:
        picture_shape = (120, 160, 3)  # in donkeycar 2, whatever the camera is set to
        if designs is MODERN:
            picture_shape = (config["IMAGE_H"], config["IMAGE_W"], config["IMAGE_DEPTH"])
            for name in ("TRANSFORMATIONS", "POST_TRANSFORMATIONS", "AUGMENTATIONS"):
                if config.get(name):
                    raise NeedsDonkeycar(f"apply {name} = {config[name]!r}")
        super().__init__(model_type, config, picture_shape=picture_shape)
        self.design = designs[model_type]
        self.picture_divisor = self.design.picture_divisor
        try:
            self._net = build_net(self.design, picture_shape, name=model_type)
        except ValueError as error:  # a convolution has no pixels left
            raise TooSmall(model_type, picture_shape) from error

    @property
    def net(self) -> Any:
        return self._net

    def __str__(self) -> str:
        return "Keras" + self.model_type.capitalize()

    def load(self, path: str) -> None:
        """Copies the transfer model's weights into the net."""
        with reading_transfer(path):
            other = keras.models.load_model(path, compile=False)
        check_transfer(path, shapes_of(other), wanted=shapes_of(self.net))
        self.net.set_weights(other.get_weights())

    def compile(self) -> None:
        self.net.compile(optimizer=make_optimizer(self.config) or "adam", **self._losses())

    def _losses(self) -> Dict[str, Dict[str, Any]]:
        return {
            "loss": {head.name: head.loss for head in self.design.heads},
            "loss_weights": {head.name: head.loss_weight for head in self.design.heads},
        }

    @property
    def training_config(self) -> Dict[str, Any]:
        return make_training_config(**self._losses())

    def example(self, records: Sequence[Record], numbers: Sequence[int]) -> Tuple[Arrays, Arrays]:
        commands = (records[0].angle, records[0].throttle)
        targets = {
            head.name: np.asarray(self._target(head, command), np.float32)
            for head, command in zip(self.design.heads, commands)
        }
        return {"img_in": np.asarray(numbers[0])}, targets

    def _step(self, head: Head) -> float:
        if head.step is not None:
            return head.step
        return self.config.get("MODEL_CATEGORICAL_MAX_THROTTLE_RANGE", 0.5) / head.units

    def _target(self, head: Head, command: float) -> Any:
        if head.units == 1:
            return command
        chosen = round((command - head.low) / self._step(head))
        return np.eye(head.units)[max(0, min(head.units - 1, chosen))]

    def _command(self, head: Head, output: np.ndarray) -> float:
        return float(output[0] if head.units == 1 else head.low + np.argmax(output) * self._step(head))

    def predict_step(
        self, picture: np.ndarray, others: Sequence[np.ndarray]
    ) -> Tuple[List[np.ndarray], np.ndarray]:
        batch = picture[np.newaxis].astype(np.float32) / np.float32(self.picture_divisor)
        outputs = [np.ravel(output) for output in self.net.predict(batch, verbose=0)]
        return outputs, self.make_commands(outputs)

    def make_commands(self, outputs: List[np.ndarray]) -> np.ndarray:
        return np.array([self._command(head, output) for head, output in zip(self.design.heads, outputs)])


def build_net(design: Design, picture_shape: Shape, *, name: str) -> Any:
    layers = keras.layers
    picture = x = layers.Input(shape=picture_shape, name="img_in")
    convolutions = ((24, 5, 2), (32, 5, 2), (64, 5, 2), (64, 3, design.fourth_stride), (64, 3, 1))
    for number, (filters, size, stride) in enumerate(convolutions, start=1):
        x = layers.Conv2D(
            filters,
            (size, size),
            strides=(stride, stride),
            activation="relu",
            name=f"conv2d_{number}",
        )(x)
        if design.picture_dropout:
            x = layers.Dropout(design.picture_dropout)(x)
    x = layers.Flatten(name="flattened")(x)
    for number, units in enumerate((100, 50), start=1):
        x = layers.Dense(units, activation=design.dense_activation, name=f"dense_{number}")(x)
        x = layers.Dropout(design.dense_dropout)(x)
    outputs = [
        layers.Dense(head.units, activation=head.activation, name=head.name)(x) for head in design.heads
    ]
    return keras.models.Model(inputs=[picture], outputs=outputs, name=name)
