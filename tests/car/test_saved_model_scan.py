"""What is found in a SavedModel before TensorFlow loads it. The files here are made without TensorFlow."""

import json
from pathlib import Path
from typing import Any, Iterable, Tuple, Union

import pytest

from donkey_sagemaker.car.model_rules import Forbidden
from donkey_sagemaker.car.saved_model_scan import scan_saved_model

LAMBDA = json.dumps({"class_name": "Lambda", "config": {}}).encode()
DENSE = json.dumps({"class_name": "Dense", "config": {"units": 1}}).encode()
SAVE = "__inference__traced_save_12"


def varint(number: int) -> bytes:
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(parts + bytes([number]))


def message(*fields: Tuple[int, Union[int, str, bytes]]) -> bytes:
    """A protocol buffer of (number of the field, value)."""
    content = b""
    for number, value in fields:
        if isinstance(value, int):
            content += varint(number << 3) + varint(value)
        else:
            value = value.encode() if isinstance(value, str) else value
            content += varint(number << 3 | 2) + varint(len(value)) + value
    return content


def node(operation: str, *, calls: str = "", calls_in_list: str = "") -> bytes:
    attributes = []
    if calls:
        attributes.append((5, message((1, "f"), (2, message((10, message((1, calls))))))))
    if calls_in_list:
        listed = message((1, message((9, message((1, calls_in_list))))))
        attributes.append((5, message((1, "branches"), (2, listed))))
    return message((1, "name"), (2, operation), *attributes)


def function(name: str, *nodes: bytes) -> bytes:
    return message((1, message((1, name))), *[(3, each) for each in nodes])


def graph(
    *,
    functions: Iterable[bytes] = (),
    nodes: Iterable[bytes] = (),
    objects: Iterable[bytes] = (message((4, message((1, "_tf_keras_layer")))),),
) -> bytes:
    library = message(*[(1, each) for each in functions])
    definition = message(*[(1, each) for each in nodes], (2, library))
    return message((2, definition), (7, message(*[(1, each) for each in objects])))


GOOD_FUNCTIONS = (
    function("__inference_call_3", node("Conv2D"), node("PartitionedCall", calls="while_body_7")),
    function("while_body_7", node("Sigmoid")),
    function(SAVE, node("SaveV2"), node("MergeV2Checkpoints")),
)


class Folder:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.write("variables/variables.index", b"")
        self.write("variables/variables.data-00000-of-00001", b"")
        self.write("fingerprint.pb", b"")
        self.write_metadata(DENSE)
        self.write_graphs(
            graph(functions=GOOD_FUNCTIONS, nodes=[node("StatefulPartitionedCall", calls=SAVE)])
        )

    def write(self, name: str, content: bytes) -> None:
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        (self.path / name).write_bytes(content)

    def write_metadata(self, text: bytes) -> None:
        self.write("keras_metadata.pb", message((1, message((2, 1), (4, "_tf_keras_layer"), (5, text)))))

    def write_graphs(self, *graphs: bytes) -> None:
        self.write("saved_model.pb", message((1, 1), *[(2, each) for each in graphs]))

    def forbidden(self) -> str:
        with pytest.raises(Forbidden) as caught:
            scan_saved_model(str(self.path))
        return str(caught.value)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path / "pilot.savedmodel")
    scan_saved_model(str(folder.path))
    return folder


@pytest.mark.parametrize(
    "name", ["saved_model.pbtxt", "saved_model.cpb", "config.json", "assets/words.txt", "variables/more"]
)
def test_other_files(name: str, folder: Folder) -> None:
    """TensorFlow and Keras prefer some of them to those that were looked at."""
    folder.write(name, b"")
    assert folder.forbidden() == f"the file {name!r}"


def test_code_in_the_metadata(folder: Folder) -> None:
    """In its own file, or where versions up to 2.4 have it."""
    folder.write_metadata(LAMBDA)
    assert folder.forbidden() == "the class 'Lambda'"
    folder.write_metadata(DENSE)
    folder.write_graphs(graph(objects=[message((4, message((1, "_tf_keras_layer"), (3, LAMBDA))))]))
    assert folder.forbidden() == "the class 'Lambda'"


@pytest.mark.parametrize(
    "content, what",
    [
        (graph(functions=[function("__inference_f", node("WriteFile"))]), "the operation 'WriteFile'"),
        (graph(nodes=[node("PyFunc")]), "the operation 'PyFunc'"),
        (graph(functions=[function("__inference_f", node("SaveV2"))]), "the operation 'SaveV2'"),
        (graph(functions=[function("Relu", node("Relu"))]), "a function with the name 'Relu'"),
        (graph(functions=[message((3, node("Relu")))]), "a function with the name ''"),
        (
            graph(functions=[function("__inference_f", node("PartitionedCall", calls="WriteFile"))]),
            "a call of 'WriteFile'",
        ),
        (
            graph(
                functions=[*GOOD_FUNCTIONS, function("__inference_f", node("PartitionedCall", calls=SAVE))]
            ),
            f"a call of '{SAVE}'",
        ),
        (
            graph(functions=[*GOOD_FUNCTIONS, function("__inference_f", node("While", calls_in_list=SAVE))]),
            f"a call of '{SAVE}'",
        ),
        (
            graph(functions=[function("__inference_f", message((2, "Relu"), (2, "WriteFile")))]),
            "the operation",
        ),
        (graph(objects=[]), "a graph without objects"),
        (graph(objects=[message((8, message((1, SAVE))))]), "an object that writes checkpoints"),
        (graph(objects=[message((5, b""))]), "an asset"),
        (graph(objects=[message((13, "Evil"))]), "a registered class"),
    ],
)
def test_graphs_that_do_more_than_arithmetic(content: bytes, what: str, folder: Folder) -> None:
    """An operation that writes, in a function, in the graph, or called by a name."""
    folder.write_graphs(content)
    assert folder.forbidden().startswith(what)


def test_a_part_that_occurs_twice(folder: Folder) -> None:
    """TensorFlow merges both, and so both count."""
    good, bad = graph(functions=GOOD_FUNCTIONS), graph(nodes=[node("ReadFile")])
    folder.write_graphs(good + bad)
    assert folder.forbidden() == "the operation 'ReadFile'"
    folder.write_graphs(good, bad)
    assert folder.forbidden() == "2 graphs"


@pytest.mark.parametrize(
    "content",
    [b"\x12", b"\x12\xff\xff\xff\xff\x0f", b"\x13", b"\xff" * 12, b"\x00\x00", message((2, b"\x12\x05ab"))],
)
def test_damaged_graphs(content: Any, folder: Folder) -> None:
    """Are refused, and do not take time or memory."""
    folder.write("saved_model.pb", content)
    assert folder.forbidden() == "a damaged graph"


def test_a_huge_graph(folder: Folder) -> None:
    """Is not read to its end."""
    with open(str(folder.path / "saved_model.pb"), "r+b") as file:
        file.truncate(2**26 + 1)
    assert folder.forbidden() == "a saved_model.pb of more than 67,108,864 bytes"
