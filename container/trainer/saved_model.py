"""What only Keras 2 reads and writes: a SavedModel folder, which that of any TensorFlow 2 then loads."""

import os
import shutil
import tempfile
from typing import Any

import tensorflow

from .keras_files import make_hdf5
from .net import describe_net


def keras_2() -> Any:
    """The Keras 2 of this environment, which alone writes such folders; None where there is only Keras 3."""
    if not hasattr(tensorflow.keras, "ops"):  # which came with Keras 3
        return tensorflow.keras
    try:
        import tf_keras
    except ImportError:
        return None
    return tf_keras


def write_saved_model(model: Any, path: str) -> None:
    """Writes the folder whole or not at all; older TensorFlows than ours load it, too."""
    keras = keras_2()
    with tempfile.TemporaryDirectory() as folder:
        if not isinstance(model, keras.Model):
            hdf5_path = os.path.join(folder, "model.h5")
            with open(hdf5_path, "wb") as file:
                file.write(make_hdf5(describe_net(model)))
            model = keras.models.load_model(hdf5_path, compile=False)
    model.save(path + ".part", include_optimizer=False, save_format="tf")
    _leave_out_new_operations(os.path.join(path + ".part", "saved_model.pb"))
    if os.path.exists(path):
        shutil.rmtree(path)
    os.rename(path + ".part", path)


def _leave_out_new_operations(path: str) -> None:
    """From TensorFlow 2.13 on, saving marks variables by an operation that 2.12 does not know.

    It is a hint for readers of the variable and computes nothing: doing nothing does as well.
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
