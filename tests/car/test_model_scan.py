"""What is found in a model file before anything loads it. The files here are made without Keras."""

import io
import json
import struct
import zipfile
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Tuple

import pytest

from donkey_sagemaker.car import model_scan, model_scan_child
from donkey_sagemaker.car.archive import ModelFile
from donkey_sagemaker.car.check import ModelRejected
from donkey_sagemaker.car.model_rules import LAYERS, Forbidden, check_description
from donkey_sagemaker.car.model_scan import UntrustedModel, scan_models
from donkey_sagemaker.car.model_scan_child import find_forbidden

h5py = pytest.importorskip("h5py", reason="present where Keras is")
np = pytest.importorskip("numpy")

LAMBDA = {"class_name": "Lambda", "config": {"name": "x", "function": ["4wAA", None, None]}}


def net(*layers: Any, **values: Any) -> Dict[str, Any]:
    dense = {"class_name": "Dense", "config": {"name": "dense", "units": 2, "activation": "linear"}}
    return dict(
        {"class_name": "Functional", "config": {"name": "linear", "layers": [dense, *layers]}}, **values
    )


def text(value: Any) -> bytes:
    return json.dumps(value).encode()


# -- descriptions -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "description, what",
    [
        (net(LAMBDA), "the class 'Lambda'"),
        (net(net(LAMBDA)), "the class 'Lambda'"),
        (net({"class_name": "TimeDistributed", "config": {"layer": LAMBDA}}), "the class 'Lambda'"),
        ({"class_name": "Sequential", "config": [LAMBDA]}, "the class 'Lambda'"),
        (net({"class_name": "SlicingOpLambda", "config": {}}), "the class 'SlicingOpLambda'"),
        (net({"class_name": ["Dense"], "config": {}}), "the class ['Dense']"),
        (
            net({"class_name": "TFOpLambda", "config": {"function": "io.write_file"}}),
            "the function 'io.write_file'",
        ),
        (net({"class_name": "TFOpLambda", "config": {}}), "a layer TFOpLambda without its function"),
        (
            net({"class_name": "TensorFlowOpLayer", "config": {"node_def": {"op": "WriteFile"}}}),
            "the operation 'WriteFile'",
        ),
        (
            net({"class_name": "TensorFlowOpLayer", "config": {"node_def": '{"op": "PyFunc"}'}}),
            "the operation 'PyFunc'",
        ),
        (net({"class_name": "Dense", "module": "os", "config": {}}), "a class of the module 'os'"),
        (
            net({"class_name": "Dense", "module": "keras_evil.layers", "config": {}}),
            "a class of the module 'keras_evil.layers'",
        ),
        (
            net({"class_name": "Dense", "registered_name": "evil>Dense", "config": {}}),
            "the class 'evil>Dense'",
        ),
        (
            net(
                {
                    "class_name": "Dense",
                    "config": {"activation": {"class_name": "function", "config": "exec"}},
                }
            ),
            "the class 'function'",
        ),
        (
            net({"class_name": "Dense", "config": {"kernel_initializer": {"class_name": "__lambda__"}}}),
            "the class '__lambda__'",
        ),
        (
            net({"class_name": "Dense", "inbound_nodes": [{"args": [{"class_name": "function"}]}]}),
            "the class 'function'",
        ),
        (
            net({"class_name": "TypeSpec", "type_spec": "tf.RaggedTensorSpec"}),
            "the type 'tf.RaggedTensorSpec'",
        ),
    ],
)
def test_a_description_with_something_else(description: Any, what: str) -> None:
    """It is found wherever it is, in the words of any Keras."""
    with pytest.raises(Forbidden) as caught:
        check_description(text(description))
    assert str(caught.value) == what


@pytest.mark.parametrize(
    "description, what",
    [
        (b"[" * 5000, "a description that is not JSON (nested too deeply)"),
        (b"\xff\xfe{\0}\0", "a description that is not JSON ("),
        (b"{}" + b" " * 2**24, "a description of more than 16,777,216 bytes"),
    ],
)
def test_a_description_that_is_none(description: bytes, what: str) -> None:
    """Keras would read UTF-16, too, in which a check of UTF-8 sees nothing."""
    with pytest.raises(Forbidden) as caught:
        check_description(description)
    assert str(caught.value).startswith(what)


def test_descriptions_of_donkeycars_own_nets() -> None:
    """In the words of Keras 2.0, 2.3, 2.9, 2.15 and 3."""
    policy = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}}
    tensor = {"class_name": "__keras_tensor__", "config": {"shape": [None, 5], "keras_history": ["x", 0, 0]}}
    check_description(
        text(
            net(
                {"class_name": "TFOpLambda", "config": {"name": "tf.concat", "function": "concat"}},
                {"class_name": "TensorFlowOpLayer", "config": {"node_def": {"op": "ConcatV2"}}},
                {"class_name": "Dense", "module": "keras.layers", "registered_name": None, "config": policy},
                {"class_name": "Concatenate", "inbound_nodes": [{"args": [tensor], "kwargs": {}}]},
                module="keras.src.models.functional",
                registered_name="Functional",
            )
        )
    )


def test_every_layer_that_the_trainer_writes() -> None:
    """Is accepted."""
    from trainer.net import _FACTS

    assert set(_FACTS) <= LAYERS


# -- HDF5 and .keras --------------------------------------------------------------------------------------


def write_hdf5(target: Any, description: Any = None, **attributes: Any) -> Any:
    with h5py.File(target, "w") as file:
        file.attrs["model_config"] = np.bytes_(text(net() if description is None else description))
        file.attrs.update(attributes)
        file.create_dataset("model_weights/dense/kernel:0", data=np.zeros((3, 2), np.float32))
    return target


def write_keras(path: Path, *, members: Iterable[Tuple[str, bytes]] = (), description: Any = None) -> Path:
    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        file.create_dataset("layers/dense/vars/0", data=np.zeros((3, 2), np.float32))
    with zipfile.ZipFile(str(path), "w") as archive:
        archive.writestr("metadata.json", '{"keras_version": "3.0.0"}')
        archive.writestr("config.json", text(net() if description is None else description))
        archive.writestr("model.weights.h5", weights.getvalue())
        for name, content in members:
            archive.writestr(name, content)
    return path


def test_good_files(tmp_path: Path) -> None:
    """Nothing is found in them."""
    assert find_forbidden("h5", write_hdf5(str(tmp_path / "a.h5"))) is None
    assert (
        find_forbidden("hdf5", write_hdf5(str(tmp_path / "a"), training_config=text({"loss": "mse"}))) is None
    )
    assert find_forbidden("keras", str(write_keras(tmp_path / "a.keras"))) is None
    assert find_forbidden("tflite", write_lite(tmp_path / "a.tflite", operations=(3, 9))) is None


def _link_elsewhere(file: Any, path: Path) -> None:
    file["model_weights/link"] = h5py.ExternalLink(str(path / "other.h5"), "/")


def _link_softly(file: Any, path: Path) -> None:
    file["model_weights/link"] = h5py.SoftLink("/model_weights/dense")


def _read_elsewhere(file: Any, path: Path) -> None:
    (path / "secret").write_bytes(bytes(24))
    file.create_dataset("secret", (24,), np.uint8, external=[(str(path / "secret"), 0, 24)])


def _be_virtual(file: Any, path: Path) -> None:
    write_hdf5(str(path / "other.h5"))
    layout = h5py.VirtualLayout((3, 2), np.float32)
    layout[:] = h5py.VirtualSource(str(path / "other.h5"), "model_weights/dense/kernel:0", (3, 2))
    file.create_virtual_dataset("virtual", layout)


def _be_huge(file: Any, path: Path) -> None:
    file.create_dataset("huge", (2**40,), np.float32, chunks=(1024,))


def _be_endless(file: Any, path: Path) -> None:
    file["model_weights/again"] = file["model_weights"]


def _hold_texts(file: Any, path: Path) -> None:
    file.create_dataset("texts", data=[b"text"], dtype=h5py.special_dtype(vlen=bytes))


@pytest.mark.parametrize(
    "change, what",
    [
        (_link_elsewhere, "a link to another object"),
        (_link_softly, "a link to another object"),
        (_read_elsewhere, "weights from another file"),
        (_be_virtual, "weights from another file"),
        (_be_huge, "more than 1,073,741,824 bytes"),
        (_hold_texts, "an array of object"),
        (_be_endless, None),  # harmless, and read once
    ],
)
def test_weights_that_are_not_in_the_file(change: Any, what: Optional[str], tmp_path: Path) -> None:
    """HDF5 would read any file on the car into a model that people share."""
    path = write_hdf5(str(tmp_path / "pilot.h5"))
    with h5py.File(path, "a") as file:
        change(file, tmp_path)
    assert find_forbidden("h5", path) == what


def test_how_a_model_was_trained(tmp_path: Path) -> None:
    """donkeycar 2 compiles the net with that as it loads it."""
    training = text({"optimizer_config": {"class_name": "Evil>Adam", "config": {}}})
    path = write_hdf5(str(tmp_path / "pilot"), training_config=np.bytes_(training))
    assert find_forbidden("hdf5", path) == "the class 'Evil>Adam'"


def test_one_file_in_two_formats(tmp_path: Path) -> None:
    """Keras chooses by the name that the car gives the file, and would load the one that was not checked."""
    both = tmp_path / "pilot.h5"
    zipped = write_keras(tmp_path / "pilot.keras", description=net(LAMBDA)).read_bytes()
    both.write_bytes(Path(write_hdf5(str(tmp_path / "a.h5"))).read_bytes() + zipped)
    assert find_forbidden("h5", str(both)) == "a zip at its end"
    hidden = io.BytesIO()
    with h5py.File(hidden, "w", userblock_size=1024) as file:
        file.attrs["model_config"] = text(net(LAMBDA))
    content = bytearray(hidden.getvalue())
    with zipfile.ZipFile(str(write_keras(tmp_path / "good.keras"))) as good:
        parts = {name: good.read(name) for name in good.namelist()}
    mixed = io.BytesIO(bytes(content))
    with zipfile.ZipFile(mixed, "a") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    path = tmp_path / "mixed.keras"
    path.write_bytes(mixed.getvalue())
    assert find_forbidden("keras", str(path)) == "another model"
    lite = bytearray(content)
    start = Path(write_lite(tmp_path / "a.tflite", operations=(3,))).read_bytes()
    lite[: len(start)] = start
    (tmp_path / "pilot.tflite").write_bytes(bytes(lite))
    assert find_forbidden("tflite", str(tmp_path / "pilot.tflite")) == "another model"


@pytest.mark.parametrize(
    "members, what",
    [
        ([("assets/words.txt", b"")], "the member 'assets/words.txt'"),
        ([("model.weights.npz", b"")], "the member 'model.weights.npz'"),
        ([("../up", b"")], "the member '../up'"),
        ([("config.json", text(net(LAMBDA)))], "a member twice, or not all of them"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_with_other_members(members: List[Tuple[str, bytes]], what: str, tmp_path: Path) -> None:
    """Each is one that Keras may read, or a second one of a name."""
    path = write_keras(tmp_path / "pilot.keras", members=members)
    assert find_forbidden("keras", str(path)) == what


def test_a_python_without_h5py(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has no Keras either: an HDF5 file only waits for another Python. The rest is looked into."""
    monkeypatch.setattr(model_scan_child, "_import_h5py", lambda: None)
    assert find_forbidden("h5", write_hdf5(str(tmp_path / "a.h5"), net(LAMBDA))) is None
    assert find_forbidden("keras", str(write_keras(tmp_path / "a.keras"))) is None
    bad = write_keras(tmp_path / "b.keras", description=net(LAMBDA))
    assert find_forbidden("keras", str(bad)) == "the class 'Lambda'"


def test_a_zip_bomb(tmp_path: Path) -> None:
    """It is refused by the sizes that it claims, which bound what is read."""
    path = tmp_path / "pilot.keras"
    with zipfile.ZipFile(str(path), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("model.weights.h5", b"")
        archive.writestr("config.json", bytes(2**25))
    assert find_forbidden("keras", str(path)) == "a description of more than 16,777,216 bytes"


# -- .tflite ----------------------------------------------------------------------------------------------


def write_lite(path: Path, *, operations: Iterable[int]) -> str:
    """A FlatBuffer with nothing but a version and operation codes."""
    codes = list(operations)
    content = bytearray(struct.pack("<I4s", 16, b"TFL3"))
    content += struct.pack("<HHHH", 8, 12, 0, 8)  # the table's layout: field 0 is missing, field 1 at byte 8
    content += struct.pack("<iii", 8, 0, 4) + struct.pack("<I", len(codes))
    first = len(content) + 4 * len(codes)
    for number in range(len(codes)):
        place = first + 24 * number + 12 - (len(content))
        content += struct.pack("<I", place)
    for code in codes:
        content += struct.pack("<HHHHHH", 12, 12, 4, 0, 0, 8) + struct.pack(
            "<ibxxxi", 12, min(code, 127), code
        )
    path.write_bytes(bytes(content))
    return str(path)


def test_operations_that_are_not_built_in(tmp_path: Path) -> None:
    """Some of them run any operation of TensorFlow."""
    path = write_lite(tmp_path / "pilot.tflite", operations=(3, 32))
    assert find_forbidden("tflite", path) == "an operation that is not built into TensorFlow Lite"
    (tmp_path / "damaged.tflite").write_bytes(b"\xff\xff\xff\x7fTFL3")
    assert "cannot be read (error: " in str(find_forbidden("tflite", str(tmp_path / "damaged.tflite")))


# -- the child process ------------------------------------------------------------------------------------


def test_all_models_of_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is looked into, whatever the car can load, and modules beside them are not imported."""
    (tmp_path / "h5py.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    good = ModelFile("h5", write_hdf5("a.h5"))
    scan_models([good], archive_path="model.tar.gz")
    bad = ModelFile("keras", str(write_keras(tmp_path / "b.keras", description=net(LAMBDA))))
    with pytest.raises(UntrustedModel) as caught:
        scan_models([good, bad], archive_path="model.tar.gz")
    assert "its keras contains the class 'Lambda', which no model" in caught.value.what


def test_a_file_that_crashes_the_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an answer nothing is installed."""
    monkeypatch.setattr(model_scan, "TIME_LIMIT_S", 0)
    with pytest.raises(ModelRejected) as caught:
        scan_models([ModelFile("h5", write_hdf5(str(tmp_path / "a.h5")))], archive_path="model.tar.gz")
    assert caught.value.what == (
        "The new model was not installed: reading its files (h5) crashed or took too long on this car. "
        "Nothing in the car has changed."
    )
