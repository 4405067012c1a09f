"""Pilots of an installed donkeycar 2, whose manage.py makes inputs and targets itself: one picture, raw."""

from typing import Any, Dict, List, Sequence, Tuple

import donkeycar
import numpy as np
from donkeycar.parts import keras as pilots

from donkey_sagemaker.tubs.record import Record

from .feed import Arrays
from .keras_files import make_training_config
from .pilot import Pilot, reading_transfer
from .tensorflow_versions import make_optimizer, make_steps_repeatable


class ClassicPilot(Pilot):
    types = {
        name: getattr(pilots, class_name)
        for name, class_name in (("categorical", "KerasCategorical"), ("linear", "KerasLinear"))
        if hasattr(pilots, class_name)  # 2.5 has no categorical pilot
    }

    def __init__(self, model_type: str, config: Dict[str, Any]) -> None:
        self.pilot = self.types[model_type]()
        height, width, depth = (int(size) for size in self.pilot.model.input_shape[1:])
        super().__init__(model_type, config, picture_shape=(height, width, depth))

    @property
    def net(self) -> Any:
        return self.pilot.model

    def __str__(self) -> str:
        return type(self.pilot).__name__

    def load(self, path: str) -> None:
        with reading_transfer(path):
            self.pilot.load(path)

    def compile(self) -> None:
        """The constructor has compiled the net already; only the owner's own optimizer is set here."""
        optimizer = make_optimizer(self.config)
        if optimizer is not None:
            self.net.compile(optimizer=optimizer, loss=self.net.loss, loss_weights=self.net.loss_weights)
        make_steps_repeatable(self.net.optimizer)

    @property
    def training_config(self) -> Dict[str, Any]:
        return make_training_config(loss=self.net.loss, loss_weights=self.net.loss_weights)

    def example(self, records: Sequence[Record], numbers: Sequence[int]) -> Tuple[Arrays, Arrays]:
        record = records[0]
        angle = record.angle
        if self.model_type == "categorical":
            # The bins go from -1 to 1; a stick that reads slightly more would index past the last one.
            angle = donkeycar.utils.linear_bin(max(-1.0, min(1.0, angle)))
        targets = {"angle_out": angle, "throttle_out": record.throttle}
        return (
            {"img_in": np.asarray(numbers[0])},
            {name: np.asarray(value, np.float32) for name, value in targets.items()},
        )

    def predict_step(
        self, picture: np.ndarray, others: Sequence[np.ndarray]
    ) -> Tuple[List[np.ndarray], np.ndarray]:
        outputs = [np.ravel(output) for output in self.net.predict(picture[np.newaxis])]
        return outputs, self._run(picture)

    def make_commands(self, outputs: List[np.ndarray]) -> np.ndarray:
        net = self.pilot.model
        self.pilot.model = _NetWithOutputs([output[np.newaxis] for output in outputs])
        try:
            return self._run(np.zeros(1))
        finally:
            self.pilot.model = net

    def _run(self, picture: np.ndarray) -> np.ndarray:
        commands = self.pilot.run(picture)
        return np.concatenate([np.ravel(command) for command in commands]).astype(np.float64)


class _NetWithOutputs:
    """A net whose outputs are known: donkeycar 2 has no separate function from outputs to commands."""

    def __init__(self, outputs: List[np.ndarray]) -> None:
        self._outputs = outputs

    def predict(self, picture: np.ndarray) -> List[np.ndarray]:
        return self._outputs
