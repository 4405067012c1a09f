"""Keras's two file formats, in the dialect that every version reads.

Keras 2.0.8 on TensorFlow 1.4, any tf.keras, and Keras 3 read the HDF5 file. tf-keras and Keras 3 read the
.keras zip. A file holds only what its oldest reader understands, in a form that the newest one still accepts.
"""

import io
import json
import zipfile
from typing import Any, Dict, Optional

import h5py
import numpy as np

from .net import Net, NetLayer

_KERAS = b"2.0.8"  # the version that the HDF5 file claims
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # fixed, so that the same net gives the same bytes
_FOLDERS = {  # where the .keras zip has the weights of a class: its name in snake case
    "BatchNormalization": "batch_normalization",
    "InputLayer": "input_layer",
    "MaxPooling2D": "max_pooling2d",
    "MaxPooling3D": "max_pooling3d",
    "TimeDistributed": "time_distributed",
}


def make_hdf5(net: Net, *, training: Optional[Dict[str, Any]] = None) -> bytes:
    """The content of the HDF5 file.

    Args:
        training: Keras's training_config, for a car that trains the model further.
    """
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        # Bytes, not text, because the oldest readers call decode() on them.
        file.attrs["model_config"] = _json_bytes(_model_config(net))
        if training:
            file.attrs["training_config"] = _json_bytes(training)
        weights = file.create_group("model_weights")
        for group in (file, weights):
            group.attrs["keras_version"] = np.bytes_(_KERAS)
            group.attrs["backend"] = np.bytes_(b"tensorflow")
        weights.attrs["layer_names"] = np.array([layer.name.encode("utf-8") for layer in net.layers])
        for layer in net.layers:
            group = weights.create_group(layer.name)
            names = [f"weight_{number}:0" for number in range(len(layer.weights))]
            group.attrs["weight_names"] = np.array([name.encode("utf-8") for name in names], "S")
            for name, array in zip(names, layer.weights):
                group.create_dataset(name, data=array)
    return content.getvalue()


def make_training_config(*, loss: Any, loss_weights: Any) -> Dict[str, Any]:
    """What Keras needs to train a net from a file further, with a new optimizer."""
    adam = {"lr": 0.001, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8, "decay": 0.0}
    return {
        "optimizer_config": {"class_name": "Adam", "config": adam},
        "loss": loss,
        "loss_weights": loss_weights,
        "metrics": [],
        "sample_weight_mode": None,
    }


def make_keras(net: Net) -> bytes:
    """The content of the .keras zip."""
    config = _model_config(net)
    for each in [config] + config["config"]["layers"]:
        each.update(module="keras.models" if each is config else "keras.layers", registered_name=None)
    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        file.create_group("vars")
        counts: Dict[str, int] = {}
        for layer in net.layers:
            folder = _FOLDERS.get(layer.kind, layer.kind.lower())
            number = counts[folder] = counts.get(folder, -1) + 1
            _write_variables(file, "layers/" + folder + (f"_{number}" if number else ""), layer)
    parts = {
        "metadata.json": _json_bytes({"keras_version": "3.0.0", "date_saved": "2023-11-28@00:00:00"}),
        "config.json": _json_bytes(config),
        "model.weights.h5": weights.getvalue(),
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, part in parts.items():
            archive.writestr(zipfile.ZipInfo(name, _ZIP_DATE), part)
    return content.getvalue()


def _write_variables(file: Any, place: str, layer: NetLayer) -> None:
    """Writes the `vars` of a layer, and of the layer or cell inside it."""
    variables = file.create_group(place + "/vars")
    if layer.inner:
        _write_variables(file, place + "/layer", layer.inner[0])
        return
    if layer.kind == "LSTM":
        variables = file.create_group(place + "/cell/vars")
    for number, array in enumerate(layer.weights):
        variables.create_dataset(str(number), data=array)


def _json_bytes(value: Any) -> Any:
    return np.bytes_(json.dumps(value, sort_keys=True).encode("utf-8"))


def _model_config(net: Net) -> Dict[str, Any]:
    layers = []
    for layer in net.layers:
        joined = [[[name, 0, 0, {}] for name in layer.inputs]] if layer.inputs else []
        layers.append(dict(_layer_config(layer), name=layer.name, inbound_nodes=joined))
    return {
        "class_name": "Model",
        "config": {
            "name": net.name,
            "layers": layers,
            "input_layers": [[name, 0, 0] for name in net.inputs],
            "output_layers": [[name, 0, 0] for name in net.outputs],
        },
    }


def _layer_config(layer: NetLayer) -> Dict[str, Any]:
    config = dict(layer.facts, name=layer.name)
    if layer.kind == "InputLayer":
        config.update(dtype="float32", sparse=False)
    for inner in layer.inner:
        # Keras 3 finds the class of an inner layer only by its module.
        config["layer"] = dict(_layer_config(inner), module="keras.layers", registered_name=None)
    return {"class_name": layer.kind, "config": config}
