"""Checks a SavedModel, the folder that TensorFlow writes, without TensorFlow.

Loading one builds the layers that its metadata describes, and driving runs the functions of its graph. Some
of TensorFlow's 1,400 operations write files, read them or delete them, and each version adds more. So the
list here has what the nets of donkeycar's types consist of: arithmetic on tensors.

The files are protocol buffers. Where a part occurs twice, TensorFlow merges both or takes the last one. Here
each of them is checked.
"""

import os
import re
from typing import AbstractSet, Iterator, List, Tuple, Union

from .model_rules import Forbidden, check_description

MAX_GRAPH_BYTES = 64 * 2**20  # of saved_model.pb; an rnn's has two megabytes

_FILES = re.compile(
    r"saved_model\.pb|keras_metadata\.pb|fingerprint\.pb|variables/variables\.(index|data-\d{5}-of-\d{5})"
)
_OPERATIONS = frozenset(
    # numbers and tensors
    "Abs Add AddN AddV2 BiasAdd BiasAddV1 BroadcastTo Cast ClipByValue ConcatOffset ConcatV2 Const"
    " Equal Exp ExpandDims Fill Floor FloorDiv FloorMod GatherV2 Greater GreaterEqual Identity IdentityN"
    " InvertPermutation Less LessEqual LogicalAnd LogicalNot LogicalOr MatMul Max Maximum Mean Min"
    " Minimum Mul Neg NoOp OnesLike Pack Pad PadV2 Placeholder PlaceholderWithDefault PreventGradient"
    " Prod RandomUniform Range Rank RealDiv Reciprocal Reshape ReverseV2 Rsqrt Select SelectV2 Shape"
    " Size Slice Split SplitV Sqrt Square SquaredDifference Squeeze StopGradient StridedSlice"
    " StridedSliceGrad Sub Sum Tile Transpose Unpack ZerosLike"
    # layers
    " AvgPool Conv2D Conv3D CudnnRNN CudnnRNNBackprop CudnnRNNBackpropV3 CudnnRNNV3 Elu FusedBatchNormV3"
    " MaxPool MaxPool3D Relu Sigmoid Softmax Tanh"
    # control flow, variables and lists of tensors
    " PartitionedCall StatefulPartitionedCall StatelessWhile While"
    " AssignAddVariableOp AssignSubVariableOp AssignVariableOp DisableCopyOnRead ReadVariableOp VarHandleOp"
    " VarIsInitializedOp TensorListElementShape TensorListFromTensor TensorListGetItem TensorListPushBack"
    " TensorListPopBack TensorListReserve TensorListSetItem TensorListStack EmptyTensorList".split()
)
# Keras puts two functions that write and read checkpoints beside the net, which does not call them
_SAVERS = re.compile(r"__inference__traced_(save|restore)_\d+")
_SAVER_OPERATIONS = _OPERATIONS | frozenset(
    "MergeV2Checkpoints RestoreV2 SaveV2 ShardedFilename StaticRegexFullMatch StringJoin".split()
)
# TensorFlow's operations begin with a capital letter, and a function of that name would come before one
_FUNCTION_NAME = re.compile(r"(__|[a-z])\w*")
# Kinds of saved objects that read files or are rebuilt by a registered class; donkeycar's nets have none
_OBJECT_KINDS = {
    5: "an asset",
    10: "a resource",
    13: "a registered class",
    14: "a registered class",
    16: "a registered saver",
}

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_Field = Tuple[int, Union[int, bytes]]


def scan_saved_model(path: str) -> None:
    """
    Raises:
        Forbidden
        OSError: a file cannot be read.
    """
    names = sorted(
        os.path.relpath(os.path.join(folder, name), path).replace(os.sep, "/")
        for folder, _, files in os.walk(path)
        for name in files
    )
    for name in names:
        if not _FILES.fullmatch(name):
            raise Forbidden(f"the file {name!r:.80}")
    if "saved_model.pb" not in names:
        raise Forbidden("no saved_model.pb")
    _check_saved_model(_read(os.path.join(path, "saved_model.pb")))
    if "keras_metadata.pb" in names:
        for node in _parts(_read(os.path.join(path, "keras_metadata.pb")), 1):
            for text in _parts(node, 5):
                check_description(text)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        content = file.read(MAX_GRAPH_BYTES + 1)
    if len(content) > MAX_GRAPH_BYTES:
        raise Forbidden(f"a {os.path.basename(path)} of more than {MAX_GRAPH_BYTES:,} bytes")
    return content


def _check_saved_model(content: bytes) -> None:
    graphs = _parts(content, 2)
    if len(graphs) != 1:
        raise Forbidden(f"{len(graphs)} graphs")
    objects = _parts(graphs[0], 7)
    if not any(_parts(each, 1) for each in objects):  # TensorFlow would load it as one of TensorFlow 1
        raise Forbidden("a graph without objects")
    for each in objects:
        _check_objects(each)
    functions: List[Tuple[str, bytes]] = []
    for graph in _parts(graphs[0], 2):
        for library in _parts(graph, 2):
            functions += [(_function_name(function), function) for function in _parts(library, 1)]
    names = {name for name, _ in functions}
    callable_names = {name for name in names if not _SAVERS.fullmatch(name)}
    for name, function in functions:
        is_saver = name not in callable_names
        for node in _parts(function, 3):
            _check_node(node, _SAVER_OPERATIONS if is_saver else _OPERATIONS, callable_names)
    for graph in _parts(graphs[0], 2):
        for node in _parts(graph, 1):
            _check_node(node, _OPERATIONS, names)


def _check_objects(objects: bytes) -> None:
    if b"__inference__traced_" in objects:
        raise Forbidden("an object that writes checkpoints")
    for saved in _parts(objects, 1):
        for number, value in _fields(saved):
            if number in _OBJECT_KINDS:
                raise Forbidden(_OBJECT_KINDS[number])
            if number == 4 and isinstance(value, bytes):
                for text in filter(None, _parts(value, 3)):  # metadata, here up to TensorFlow 2.4
                    check_description(text)


def _function_name(function: bytes) -> str:
    names = [name for signature in _parts(function, 1) for name in _parts(signature, 1)]
    name = _text(names[0]) if len(names) == 1 else ""
    if not _FUNCTION_NAME.fullmatch(name):
        raise Forbidden(f"a function with the name {name!r:.80}")
    return name


def _check_node(node: bytes, operations: AbstractSet[str], functions: AbstractSet[str]) -> None:
    """A node of the graph: its operation, and the functions that its attributes name."""
    names = [_text(name) for name in _parts(node, 2)]
    if len(names) != 1 or names[0] not in operations:
        raise Forbidden(f"the operation {', '.join(names)!r:.80}")
    for entry in _parts(node, 5):
        for value in _parts(entry, 2):
            called = _parts(value, 10)
            for listed in _parts(value, 1):
                called += _parts(listed, 9)
            for function in called:
                for name in map(_text, _parts(function, 1)):
                    if name not in functions:
                        raise Forbidden(f"a call of {name!r:.80}")


# -- protocol buffers -------------------------------------------------------------------------------------


def _parts(content: bytes, number: int) -> List[bytes]:
    """The values of a field that holds bytes, a text or another message."""
    return [value for found, value in _fields(content) if found == number and isinstance(value, bytes)]


def _fields(content: bytes) -> Iterator[_Field]:
    position = 0
    while position < len(content):
        tag, position = _varint(content, position)
        number, kind = tag >> 3, tag & 7
        if not 0 < number < 2**29:
            raise _damaged()
        if kind == _VARINT:
            value, position = _varint(content, position)
            yield number, value
            continue
        if kind == _BYTES:
            size, position = _varint(content, position)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise _damaged()
        if position + size > len(content):
            raise _damaged()
        yield number, content[position : position + size]
        position += size


def _varint(content: bytes, position: int) -> Tuple[int, int]:
    """A whole number, and the position after it."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(content):
            break
        byte = content[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise _damaged()


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _damaged() from error


def _damaged() -> Forbidden:
    return Forbidden("a damaged graph")
