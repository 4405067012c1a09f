"""A .tflite that light runtimes drive, old ones too: built-in operations alone, one picture at a time."""

import contextlib
import tempfile
from typing import Any, Iterator, List, Sequence, Tuple

import tensorflow

SIGNATURE = "serving_default"  # donkeycar 5.0 to 5.3 look for it, and for its prefix before the inputs' names


def make_tflite(model: Any) -> bytes:
    """The file's content.

    The net is frozen first: from Keras 3 its variables would stay variables, which light runtimes run badly.
    One picture a call, because that is what lets an LSTM do with built-in operations; and none of cuDNN's,
    which Keras 3 takes where it sees a GPU.

    Raises:
        Exception: whatever the compiler found; donkeycar's nets are known to pass but for 3d.
    """
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    names = [tensor.name.split(":")[0] for tensor in model.inputs]
    shapes = [(1,) + tuple(tensor.shape[1:]) for tensor in model.inputs]
    signature = [
        tensorflow.TensorSpec(shape, tensorflow.float32, name=name) for shape, name in zip(shapes, names)
    ]

    def run(*inputs: Any) -> List[Any]:
        outputs = model(list(inputs) if len(inputs) > 1 else inputs[0], training=False)
        return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]

    def concrete(function: Any) -> Any:
        return tensorflow.function(function, input_signature=signature).get_concrete_function()

    with _without_cudnn(model):
        frozen = convert_variables_to_constants_v2(concrete(run))
    named = concrete(lambda *inputs: dict(zip(model.output_names, frozen(*inputs))))
    with tempfile.TemporaryDirectory() as folder:
        tensorflow.saved_model.save(tensorflow.Module(), folder, signatures={SIGNATURE: named})
        converter = tensorflow.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[SIGNATURE])
        converter.target_spec.supported_ops = [tensorflow.lite.OpsSet.TFLITE_BUILTINS]
        content = bytearray(converter.convert())
    _keep_order(content, inputs=names, outputs=model.output_names)
    return bytes(content)


@contextlib.contextmanager
def _without_cudnn(model: Any) -> Iterator[None]:
    # LSTM and GRU of Keras 3, wherever in the net
    layers = [layer for layer in model._flatten_layers() if hasattr(layer, "use_cudnn")]
    before = [layer.use_cudnn for layer in layers]
    try:
        for layer in layers:
            layer.use_cudnn = False
        yield
    finally:
        for layer, use_cudnn in zip(layers, before):
            layer.use_cudnn = use_cudnn


def _keep_order(content: bytearray, *, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Puts a file's inputs and outputs into the net's order, in place.

    donkeycar 4 takes them as they come, and the converter leaves that to chance.
    """
    from tensorflow.lite.python import schema_py_generated as schema

    model = schema.Model.GetRootAsModel(content, 0)
    graph, signature = model.Subgraphs(0), model.SignatureDefs(0)
    for numbers, told, count, order in (
        (graph.InputsAsNumpy(), signature.Inputs, signature.InputsLength(), inputs),
        (graph.OutputsAsNumpy(), signature.Outputs, signature.OutputsLength(), outputs),
    ):
        by_name = {told(each).Name().decode(): told(each).TensorIndex() for each in range(count)}
        numbers[:] = [by_name[name] for name in order]


def needed_runtime(content: bytes) -> Tuple[int, ...]:
    """The oldest TensorFlow whose Lite runs the file, by the versions of its operations, e.g. (2, 2, 0)."""
    from tensorflow.lite.python import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0))
    for entry in model.metadata:
        if entry.name == b"min_runtime_version":
            text = bytes(bytearray(model.buffers[entry.buffer].data)).rstrip(b"\0").decode("ascii")
            return tuple(int(part) for part in text.split("."))
    return ()
