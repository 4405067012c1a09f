"""A trained net as plain data: its layers, how they are connected, their weights.

Every Keras from 2.0 to 3 builds donkeycar's nets from the same few facts. Everything else in a layer's
configuration (initializers, regularizers, policies) matters only in training. It changes from one version to
the next, and makes the file of one Keras unreadable for another.
"""

from typing import Any, Dict, List, NamedTuple, Sequence

import numpy as np

_FACTS: Dict[str, Sequence[str]] = {
    "Activation": ("activation",),
    "BatchNormalization": ("axis", "momentum", "epsilon", "center", "scale"),
    "Concatenate": ("axis",),
    "Conv2D": ("filters", "kernel_size", "strides", "padding", "activation", "use_bias"),
    "Conv3D": ("filters", "kernel_size", "strides", "padding", "activation", "use_bias"),
    "Dense": ("units", "activation", "use_bias"),
    "Dropout": ("rate",),
    "Flatten": (),
    "InputLayer": (),
    "LSTM": ("units", "activation", "recurrent_activation", "use_bias", "return_sequences"),
    "MaxPooling2D": ("pool_size", "strides", "padding"),
    "MaxPooling3D": ("pool_size", "strides", "padding"),
    "TimeDistributed": (),
}


class UnknownLayer(Exception):
    """The net has a layer of a kind that none of donkeycar's own nets has."""


class NetLayer(NamedTuple):
    kind: str  # Keras's class name
    name: str
    facts: Dict[str, Any]  # its configuration as JSON, with the batch_input_shape of an InputLayer
    inputs: List[str]  # names of the layers whose outputs it takes
    weights: List[np.ndarray]  # float32, in Keras's order
    inner: List["NetLayer"]  # the layer that a TimeDistributed applies to each step


class Net(NamedTuple):
    name: str
    layers: List[NetLayer]  # each comes after its inputs
    inputs: List[str]  # names of layers
    outputs: List[str]


def describe_net(model: Any) -> Net:
    """Describes a functional model of any Keras.

    Raises:
        UnknownLayer
    """
    return Net(
        name=model.name,
        layers=[_describe_layer(layer, inputs=_inputs_of(layer)) for layer in model.layers],
        inputs=[_source(tensor) for tensor in model.inputs],
        outputs=[_source(tensor) for tensor in model.outputs],
    )


def _describe_layer(layer: Any, *, inputs: List[str]) -> NetLayer:
    kind, config = type(layer).__name__, layer.get_config()
    if kind == "TFOpLambda" and config["function"] == "concat":
        # Up to 5.3 donkeycar joins two branches by a function of the backend, along the last axis.
        kind, config = "Concatenate", {"axis": -1}
    if kind not in _FACTS:
        raise UnknownLayer(kind)
    facts = {key: _plain(config[key]) for key in _FACTS[kind]}
    if isinstance(facts.get("axis"), list):  # of a BatchNormalization, since TensorFlow 1.8
        (facts["axis"],) = facts["axis"]
    if kind == "InputLayer":
        shape = config.get("batch_input_shape") or config["batch_shape"]  # Keras 2, Keras 3
        facts["batch_input_shape"] = [None] + list(shape[1:])
    wraps = kind == "TimeDistributed"
    return NetLayer(
        kind=kind,
        name=layer.name,
        facts=facts,
        inputs=inputs,
        weights=[np.asarray(array, np.float32) for array in layer.get_weights()],
        inner=[_describe_layer(layer.layer, inputs=[])] if wraps else [],
    )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _inputs_of(layer: Any) -> List[str]:
    if type(layer).__name__ == "InputLayer":
        return []
    return [_source(tensor) for tensor in (layer.input if isinstance(layer.input, list) else [layer.input])]


def _source(tensor: Any) -> str:
    name: str = tensor._keras_history[0].name
    return name
