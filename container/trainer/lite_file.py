"""A .tflite file for light runtimes, old ones too: only built-in operations, one picture at a time."""

import contextlib
import tempfile
from typing import Any, Iterator, List, Sequence, Tuple

import tensorflow

# donkeycar 5.0 to 5.3 expect it, also as a prefix of the inputs' names
SIGNATURE = "serving_default"


def make_tflite(model: Any) -> bytes:
    """The content of the file.

    The net is frozen first, because the variables of Keras 3 would stay variables, which light runtimes run
    badly. A call takes one picture, so that an LSTM needs only built-in operations. cuDNN's operations, which
    Keras 3 uses if it sees a GPU, are avoided.

    Raises:
        Exception: whatever the compiler raises. All of donkeycar's nets compile, except 3d.
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
    # LSTM and GRU layers of Keras 3, wherever they are in the net
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

    donkeycar 4 relies on the order, and the converter does not keep it.
    """
    from tensorflow.lite.python import schema_py_generated as schema

    model = schema.Model.GetRootAsModel(content, 0)
    graph, signature = model.Subgraphs(0), model.SignatureDefs(0)
    for numbers, entry, count, order in (
        (graph.InputsAsNumpy(), signature.Inputs, signature.InputsLength(), inputs),
        (graph.OutputsAsNumpy(), signature.Outputs, signature.OutputsLength(), outputs),
    ):
        by_name = {entry(each).Name().decode(): entry(each).TensorIndex() for each in range(count)}
        numbers[:] = [by_name[name] for name in order]


def needed_runtime(content: bytes) -> Tuple[int, ...]:
    """The oldest TensorFlow Lite that runs the file, by the versions of its operations, such as (2, 2, 0)."""
    from tensorflow.lite.python import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0))
    for entry in model.metadata:
        if entry.name == b"min_runtime_version":
            text = bytes(bytearray(model.buffers[entry.buffer].data)).rstrip(b"\0").decode("ascii")
            return tuple(int(part) for part in text.split("."))
    return ()
