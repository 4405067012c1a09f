"""The variables of a compiled net's optimizer as arrays, whatever the Keras."""

from typing import Any, List, Sequence

import numpy as np


def get_optimizer_state(net: Any) -> List[np.ndarray]:
    """Moments, step count and so on, in the optimizer's own order."""
    _make_variables(net)
    optimizer = net.optimizer
    if hasattr(optimizer, "build"):
        return [np.asarray(variable) for variable in optimizer.variables]
    return [np.asarray(array) for array in optimizer.get_weights()]


def set_optimizer_state(net: Any, arrays: Sequence[np.ndarray]) -> None:
    _make_variables(net)
    optimizer = net.optimizer
    if hasattr(optimizer, "build"):
        for variable, array in zip(optimizer.variables, arrays):
            variable.assign(array)
    else:
        optimizer.set_weights(list(arrays))


def _make_variables(net: Any) -> None:
    """Keras makes them with the first step; doing it twice changes nothing."""
    if hasattr(net.optimizer, "build"):  # from Keras 2.11 on
        net.optimizer.build(net.trainable_variables)
    elif hasattr(net.optimizer, "_create_all_weights"):  # TensorFlow 2.3 to 2.10
        net.optimizer._create_all_weights(net.trainable_variables)
    else:
        net._make_train_function()
