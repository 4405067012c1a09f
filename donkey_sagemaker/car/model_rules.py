"""What the description of a net may contain: the layers of donkeycar's own nets, and nothing else.

Keras builds whatever a model file describes. A Lambda layer carries the bytecode of a function, TFOpLambda
names any function of TensorFlow, and `module` any class that Python can import. So this is a list of what is
accepted rather than of what is dangerous, and a description is refused for the first thing that is not on it.
"""

import re
from typing import Any, Dict, List

from ..untrusted_json import parse_json

MAX_CONFIG_BYTES = 16 * 2**20  # of a description; those of donkeycar's nets have some kilobytes

# The layers of every net from donkeycar 2.2 to 5.4, as our trainer and donkeycar's own training write it
LAYERS = frozenset(
    "Activation BatchNormalization Concatenate Conv2D Conv3D Cropping2D Dense Dropout Flatten InputLayer LSTM"
    " LSTMCell MaxPooling2D MaxPooling3D TimeDistributed".split()
)
_OTHERS = frozenset(
    # the net, and how its weights were initialized
    "Functional Model Sequential GlorotUniform Ones Orthogonal VarianceScaling Zeros".split()
    # how it was trained: an optimizer that Keras registers in its own package "Custom" has two names
    + "Adam RMSprop SGD Custom>Adam Custom>RMSprop Custom>SGD Mean MeanMetricWrapper".split()
    # values: types, shapes and the tensors that join two layers
    + "DTypePolicy Policy InputSpec TensorShape TypeSpec __keras_tensor__ __tuple__".split()
)
# Up to 5.3, donkeycar joins two branches by a function of the backend, which Keras wraps in a layer
_WRAPPERS = ("TFOpLambda", "TensorFlowOpLayer")
_JOINING_FUNCTION, _JOINING_OPERATION = "concat", "ConcatV2"
# In these modules, the names above are Keras's own classes
_MODULE = re.compile(r"(tf_)?keras(\.[a-z0-9_]+)*")


class Forbidden(Exception):
    """The model contains something that none of donkeycar's own models has. The text says what."""


def check_description(text: bytes) -> None:
    """Checks the JSON of a net, a layer, an optimizer or a metric, however deep something is nested in it.

    Raises:
        Forbidden
    """
    if len(text) > MAX_CONFIG_BYTES:
        raise Forbidden(f"a description of more than {MAX_CONFIG_BYTES:,} bytes")
    try:
        pending: List[Any] = [parse_json(text)]
    except ValueError as error:
        raise Forbidden(f"a description that is not JSON ({error})") from error
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            _check_object(value)
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)


def _check_object(values: Dict[str, Any]) -> None:
    if "class_name" in values:
        _check_class(values)
    if values.get("function", _JOINING_FUNCTION) != _JOINING_FUNCTION:
        raise Forbidden(f"the function {_show(values['function'])}")
    if values.get("type_spec", "tf.TensorSpec") != "tf.TensorSpec":
        raise Forbidden(f"the type {_show(values['type_spec'])}")
    if "node_def" in values:
        _check_operation(values["node_def"])


def _check_class(values: Dict[str, Any]) -> None:
    name, module, registered = (values.get(key) for key in ("class_name", "module", "registered_name"))
    is_known = isinstance(name, str) and (name in LAYERS or name in _OTHERS or name in _WRAPPERS)
    if not is_known or registered not in (None, name):
        raise Forbidden(f"the class {_show(registered if is_known else name)}")
    if name in _WRAPPERS and not _wraps_something(values):
        raise Forbidden(f"a layer {name} without its function")
    if module is not None and not (isinstance(module, str) and _MODULE.fullmatch(module)):
        raise Forbidden(f"a class of the module {_show(module)}")


def _wraps_something(values: Dict[str, Any]) -> bool:
    """Whether a wrapper says what it wraps, which `_check_object` then checks in its config."""
    config = values.get("config")
    return isinstance(config, dict) and ("function" in config or "node_def" in config)


def _check_operation(node: Any) -> None:
    """Checks an operation of TensorFlow's graph, which TensorFlow 2.2 to 2.3 describe as JSON in the JSON."""
    if isinstance(node, str):
        try:
            node = parse_json(node.encode("utf-8"))
        except ValueError as error:
            raise Forbidden("an operation that cannot be read") from error
    name = node.get("op") if isinstance(node, dict) else None
    if name != _JOINING_OPERATION:
        raise Forbidden(f"the operation {_show(name)}")


def _show(name: Any) -> str:
    return f"{name!r:.80}"
