"""The SavedModel folder, which only Keras 2 writes and any TensorFlow 2 loads."""

import os
import tempfile
from typing import Any

from donkey_sagemaker.atomic import replace_path

from .keras_files import make_hdf5
from .net import describe_net
from .tensorflow_versions import find_keras_2


def write_saved_model(model: Any, path: str) -> None:
    """Writes the folder completely or not at all. Older versions of TensorFlow can load it, too."""
    keras = find_keras_2()
    with tempfile.TemporaryDirectory() as folder:
        if not isinstance(model, keras.Model):
            hdf5_path = os.path.join(folder, "model.h5")
            with open(hdf5_path, "wb") as file:
                file.write(make_hdf5(describe_net(model)))
            model = keras.models.load_model(hdf5_path, compile=False)
    stage = path + ".part"  # always the same name: a killed trainer leaves one at most
    model.save(stage, include_optimizer=False, save_format="tf")
    _remove_new_operations(os.path.join(stage, "saved_model.pb"))
    replace_path(stage, path)


def _remove_new_operations(path: str) -> None:
    """Replaces an operation that marks variables since TensorFlow 2.13, and that 2.12 cannot load.

    It is only a hint for readers of the variable and computes nothing, so NoOp does as well.
    """
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel()
    with open(path, "rb") as file:
        saved.ParseFromString(file.read())
    for graph in saved.meta_graphs:
        for function in graph.graph_def.library.function:
            for node in function.node_def:
                if node.op == "DisableCopyOnRead":
                    node.op = "NoOp"
                    del node.input[:]
                    node.attr.clear()
    with open(path, "wb") as file:
        file.write(saved.SerializeToString(deterministic=True))
