"""The differences between versions of TensorFlow and Keras. No other module asks for them.

Tested with TensorFlow 1.4 (and Keras 2.0), 1.15, 2.9, 2.15, and 2.19 and 2.21 (with Keras 3).
"""

import contextlib
import random
from typing import Any, Callable, Dict, Iterator, List, Sequence

import numpy as np
import tensorflow

from donkey_sagemaker.errors import BadInput

from .bfloat16 import is_faster, train_in_bfloat16
from .dropout import use_mask_pools
from .feed import Feed, take_bytes
from .log import log

VERSION = tensorflow.__version__
IS_TENSORFLOW_1 = VERSION.startswith("1.")
# 2.9 does not know the optimizer's option; the versions between were not measured.
_HAS_BFLOAT16 = tuple(int(part) for part in VERSION.split(".")[:2]) >= (2, 15)


def _import_keras() -> Any:
    if not IS_TENSORFLOW_1:
        return tensorflow.keras
    try:
        import keras  # a package of its own, with TensorFlow 1.4
    except ImportError:
        from tensorflow.python import keras
    return keras


keras = _import_keras()
_IS_KERAS_2_0 = IS_TENSORFLOW_1 and keras.__name__ == "keras"
_OPTIMIZERS = {"adam": "Adam", "sgd": "SGD", "rmsprop": "RMSprop"}


def find_keras_2() -> Any:
    """The Keras 2 of this environment, the only one that writes SavedModel folders; None if there is none."""
    if not hasattr(keras, "ops"):  # new in Keras 3
        return keras
    try:
        import tf_keras
    except ImportError:
        return None
    return tf_keras


def set_seeds(seed: int) -> None:
    """Makes the same job give the same model, as far as the hardware's arithmetic allows."""
    random.seed(seed)
    np.random.seed(seed)
    if IS_TENSORFLOW_1:
        tensorflow.set_random_seed(seed)
    else:
        tensorflow.random.set_seed(seed)


# -- devices ----------------------------------------------------------------------------------------------


def prepare_gpus() -> List[str]:
    """Names of the GPUs. TensorFlow 2 takes their memory only as needed, so that others can use the rest.

    TensorFlow 1 keeps its own default (all of the memory), because Keras makes its sessions.
    """
    if IS_TENSORFLOW_1:
        from tensorflow.python.client import device_lib

        return [
            device.physical_device_desc or device.name
            for device in device_lib.list_local_devices()
            if device.device_type == "GPU"
        ]
    names = []
    for gpu in tensorflow.config.list_physical_devices("GPU"):
        tensorflow.config.experimental.set_memory_growth(gpu, True)
        details = tensorflow.config.experimental.get_device_details(gpu)
        names.append(details.get("device_name", gpu.name))
    return names


@contextlib.contextmanager
def full_precision() -> Iterator[None]:
    """Computes like the car's CPU: newer GPUs round the factors of products to ten bits (TensorFloat-32).

    Rounding is good enough for training, but would show when the car compares its own outputs.
    """
    config: Any = getattr(getattr(tensorflow, "config", None), "experimental", None)
    if not hasattr(config, "enable_tensor_float_32_execution"):  # older than such GPUs
        yield
        return
    before = config.tensor_float_32_execution_enabled()
    config.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        config.enable_tensor_float_32_execution(before)


# -- fit --------------------------------------------------------------------------------------------------


class _EachEpoch(keras.callbacks.Callback):  # type: ignore[name-defined]
    """Calls a function as an epoch begins. With Keras's LambdaCallback, Keras 2 may wait for each batch."""

    def __init__(self, begin: Callable[[], None]) -> None:
        super().__init__()
        self._begin = begin

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._begin()


def run_fit(net: Any, training: Feed, validation: Feed, **settings: Any) -> None:
    """Keras's `fit` of a compiled net with the settings that every version has."""
    if IS_TENSORFLOW_1:
        net.fit_generator(
            training.batches(),
            steps_per_epoch=training.steps,
            validation_data=validation.batches(),
            validation_steps=validation.steps,
            **settings,
        )
    else:
        take_bytes(net, training, tensorflow)
        with contextlib.ExitStack() as context:
            callbacks = adapt_to_cpu(net, training.batch_size, context)
            settings["callbacks"] = [*settings["callbacks"], *callbacks]
            net.fit(training.dataset(tensorflow), validation_data=validation.dataset(tensorflow), **settings)


def adapt_to_cpu(net: Any, batch_size: int, context: contextlib.ExitStack) -> List[Any]:
    """Makes a training fast on a CPU until the context ends, and returns callbacks for it; TensorFlow 2 only.

    Nothing changes where there is a GPU: it draws random numbers faster than it reads a pool of masks, and
    has a precision of its own.
    """
    if tensorflow.config.list_physical_devices("GPU"):
        return []
    in_bfloat16 = _HAS_BFLOAT16 and is_faster(net)
    masks = use_mask_pools(
        net,
        batch_size=batch_size,
        dtype="bfloat16" if in_bfloat16 else "float32",
        tensorflow=tensorflow,
    )
    callbacks = [_EachEpoch(context.enter_context(masks))]
    if in_bfloat16:
        log("Training in bfloat16, which this CPU multiplies faster")
        callbacks += context.enter_context(train_in_bfloat16(tensorflow, keras))
    return callbacks


# -- optimizers -------------------------------------------------------------------------------------------


def make_optimizer(config: Dict[str, Any]) -> Any:
    """The optimizer that OPTIMIZER names, with LEARNING_RATE and LEARNING_RATE_DECAY; None if it names none.

    The decay is that of Keras 2.0: rate / (1 + decay * step).

    Raises:
        BadInput: the name is not known.
    """
    name = config.get("OPTIMIZER")
    if not name:
        return None
    if str(name).lower() not in _OPTIMIZERS:
        raise BadInput(f"OPTIMIZER = {name!r} is not known.", "Set it to 'adam', 'sgd', 'rmsprop' or None.")
    make = getattr(keras.optimizers, _OPTIMIZERS[name.lower()])
    rate, decay = config.get("LEARNING_RATE", 0.001), config.get("LEARNING_RATE_DECAY", 0.0)
    schedules = getattr(keras.optimizers, "schedules", None)
    if schedules is None:  # the optimizers of TensorFlow 1 have the decay themselves
        return make(lr=rate, decay=decay)
    return make(schedules.InverseTimeDecay(rate, decay_steps=1, decay_rate=decay) if decay else rate)


def make_steps_repeatable(optimizer: Any) -> None:
    """Makes each step of a Keras 2.0 optimizer start from one set of weights; later versions do so anyway.

    Keras 2.0 changes each weight as soon as its own gradient is there, while TensorFlow 1 may still read it
    for the gradients of the layers below, and it counts the step while others read the count: no two
    trainings were the same. Here all gradients come before the first change, and the count comes last.
    """
    if not _IS_KERAS_2_0:
        return
    get_gradients, get_updates = optimizer.get_gradients, optimizer.get_updates

    def get_all_gradients(loss: Any, params: List[Any]) -> List[Any]:
        return tensorflow.tuple(get_gradients(loss, params))

    def get_updates_in_order(loss: Any, params: List[Any]) -> List[Any]:
        changes = get_updates(loss=loss, params=params)[1:]  # the first one counts the step
        with tensorflow.control_dependencies(changes):
            return changes + [tensorflow.assign_add(optimizer.iterations, 1)]

    optimizer.get_gradients, optimizer.get_updates = get_all_gradients, get_updates_in_order


def get_optimizer_state(net: Any) -> List[np.ndarray]:
    """The variables of a compiled net's optimizer (moments, step count and so on), in its own order."""
    _make_variables(net)
    optimizer = net.optimizer
    if hasattr(optimizer, "build"):
        return [variable.numpy() for variable in optimizer.variables]
    return [np.asarray(array) for array in optimizer.get_weights()]


def set_optimizer_state(net: Any, arrays: Sequence[np.ndarray]) -> None:
    """The inverse of get_optimizer_state."""
    _make_variables(net)
    optimizer = net.optimizer
    if hasattr(optimizer, "build"):
        for variable, array in zip(optimizer.variables, arrays):
            variable.assign(array)
    else:
        optimizer.set_weights(list(arrays))


def _make_variables(net: Any) -> None:
    """Makes the variables that Keras would make in the first step. Calling it again changes nothing."""
    if hasattr(net.optimizer, "build"):  # since Keras 2.11
        net.optimizer.build(net.trainable_variables)
    elif hasattr(net.optimizer, "_create_all_weights"):  # TensorFlow 2.3 to 2.10
        net.optimizer._create_all_weights(net.trainable_variables)
    else:
        net._make_train_function()
