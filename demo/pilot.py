"""donkeycar's own pilot, made as in `manage.py drive`. Imports donkeycar and TensorFlow."""

import contextlib
import importlib.util
import io
import logging
import os
from typing import Any, Callable, Optional, Tuple

import numpy as np


def load_pilot(
    car: str, model: str, model_type: str, *, throttle: Optional[float] = None
) -> Callable[[np.ndarray], Tuple[float, float]]:
    """Returns a function from a picture (uint8, height x width x 3) to the angle and the throttle of the car.

    Args:
        car: the car's folder.
        model: path of the model.
        model_type: as for --type, for example tflite_linear.
        throttle: replaces the pilot's own.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's start-up messages
    with contextlib.redirect_stdout(io.StringIO()):  # donkeycar's banner
        import donkeycar
    logging.getLogger().setLevel(logging.WARNING)  # importing donkeycar sets it to INFO

    throttle_multiplier = 1.0
    if importlib.util.find_spec("donkeycar.pipeline"):
        from donkeycar.utils import get_model_by_type

        config = donkeycar.load_config(os.path.join(car, "config.py"))
        pilot: Any = get_model_by_type(model_type, config)
        throttle_multiplier = config.AI_THROTTLE_MULT
    else:  # donkeycar 2 has a class for each type
        from donkeycar.parts import keras

        pilot = {"categorical": keras.KerasCategorical, "linear": keras.KerasLinear}[model_type]()
    pilot.load(model)

    def run(picture: np.ndarray) -> Tuple[float, float]:
        angle, own = pilot.run(picture)[:2]
        return float(angle), float(own) * throttle_multiplier if throttle is None else throttle

    return run
