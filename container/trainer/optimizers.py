"""The optimizer of the owner's own choice, whatever the Keras."""

from typing import Any, Optional

from donkey_sagemaker.errors import BadInput


def optimizer_named(keras: Any, name: Optional[str], *, rate: float, decay: float) -> Any:
    """OPTIMIZER, LEARNING_RATE and LEARNING_RATE_DECAY on any Keras; None keeps the pilot's own.

    `decay` is Keras 2.0's: rate / (1 + decay * step).
    """
    if not name:
        return None
    makers = {"adam": "Adam", "sgd": "SGD", "rmsprop": "RMSprop"}
    if str(name).lower() not in makers:
        raise BadInput(
            "OPTIMIZER = {!r} is not known.".format(name), "Set it to 'adam', 'sgd', 'rmsprop' or None."
        )
    make = getattr(keras.optimizers, makers[name.lower()])
    schedules = getattr(keras.optimizers, "schedules", None)
    if schedules is None:  # Keras 2.0
        return make(lr=rate, decay=decay)
    return make(schedules.InverseTimeDecay(rate, decay_steps=1, decay_rate=decay) if decay else rate)
