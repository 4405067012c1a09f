"""The optimizer of the owner's own choice, whatever the Keras."""

from typing import Any, List, Optional

import tensorflow

from donkey_sagemaker.errors import BadInput


def optimizer_named(keras: Any, name: Optional[str], *, rate: float, decay: float) -> Any:
    """OPTIMIZER, LEARNING_RATE and LEARNING_RATE_DECAY on any Keras; None keeps the pilot's own.

    `decay` is Keras 2.0's: rate / (1 + decay * step).
    """
    if not name:
        return None
    makers = {"adam": "Adam", "sgd": "SGD", "rmsprop": "RMSprop"}
    if str(name).lower() not in makers:
        raise BadInput(f"OPTIMIZER = {name!r} is not known.", "Set it to 'adam', 'sgd', 'rmsprop' or None.")
    make = getattr(keras.optimizers, makers[name.lower()])
    schedules = getattr(keras.optimizers, "schedules", None)
    if schedules is None:  # Keras 2.0
        return make(lr=rate, decay=decay)
    return make(schedules.InverseTimeDecay(rate, decay_steps=1, decay_rate=decay) if decay else rate)


def step_at_once(optimizer: Any) -> None:
    """Makes each step of a Keras 2.0 optimizer a step from one set of weights.

    Keras 2.0 changes each weight as soon as its own gradient is there, while TensorFlow 1 may still read it
    for the gradients of the layers below, and counts the step while others read the count: no two trainings
    were the same. Here all gradients come before the first change, and the count after the last.
    """
    get_gradients, get_updates = optimizer.get_gradients, optimizer.get_updates

    def get_all_gradients(loss: Any, params: List[Any]) -> List[Any]:
        return tensorflow.tuple(get_gradients(loss, params))

    def get_updates_in_order(loss: Any, params: List[Any]) -> List[Any]:
        changes = get_updates(loss=loss, params=params)[1:]  # the first counts the step
        with tensorflow.control_dependencies(changes):
            return changes + [tensorflow.assign_add(optimizer.iterations, 1)]

    optimizer.get_gradients, optimizer.get_updates = get_all_gradients, get_updates_in_order
