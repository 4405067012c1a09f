"""The model files for every car's runtime: what they contain, and that they compute the same."""

import io
import json
import os
import subprocess
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest

tensorflow = pytest.importorskip(
    "tensorflow", reason="the trainer's tests run where a car's donkeycar and TensorFlow are"
)
pytest.importorskip("donkeycar.pipeline.training", reason="donkeycar 2 makes other nets")
h5py = pytest.importorskip("h5py")

from tensorflow.core.protobuf import saved_model_pb2  # noqa: E402

from opt_ml_factory import CONFIG  # noqa: E402
from trainer.export import FormatImpossible, check_format, export  # noqa: E402
from trainer.keras_files import make_hdf5, make_keras, make_training_config  # noqa: E402
from trainer.lite_file import make_tflite, needed_runtime  # noqa: E402
from trainer.net import UnknownLayer, describe_net  # noqa: E402
from trainer.pilot import NeedsDonkeycar, UnusableTransfer  # noqa: E402
from trainer.pilots import make_pilot  # noqa: E402
from trainer.plain_pilot import CLASSIC, MODERN, PlainPilot  # noqa: E402
from trainer.samples import make_samples  # noqa: E402
from trainer.tensorflow_versions import find_keras_2  # noqa: E402

pytestmark = pytest.mark.minutes
VALUES = {}  # type: dict
exec(CONFIG, VALUES)
VALUES = {name: value for name, value in VALUES.items() if name.isupper()}
keras = tensorflow.keras


def make(model_type, **config):
    """A pilot whose weights differ from those at the start of a training."""
    pilot = make_pilot(model_type, dict(VALUES, **config))
    pilot.net.set_weights([1.1 * array + 0.001 for array in pilot.net.get_weights()])
    return pilot


class Pilots(dict):
    """One pilot of each type, made on demand."""

    def __missing__(self, model_type):
        self[model_type] = make(model_type)
        return self[model_type]


@pytest.fixture(scope="module")
def pilots():
    return Pilots()


def predict(net):
    """The outputs of a net for a fixed input, flattened."""
    random = np.random.RandomState(2)
    inputs = [random.rand(1, *tensor.shape[1:]).astype(np.float32) for tensor in net.inputs]
    outputs = net.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
    return np.concatenate(
        [np.ravel(output) for output in (outputs if isinstance(outputs, list) else [outputs])]
    )


# The configuration that the layers of Keras 2.0.8 have, and those of Keras 3 still accept
KNOWN = {
    "Concatenate": {"axis"},
    "Conv2D": {"filters", "kernel_size", "strides", "padding", "activation", "use_bias"},
    "Dense": {"units", "activation", "use_bias"},
    "Dropout": {"rate"},
    "Flatten": set(),
    "InputLayer": {"batch_input_shape", "dtype", "sparse"},
}


@pytest.mark.parametrize("model_type", ["linear", "categorical", "memory"])
def test_hdf5_holds_only_what_the_oldest_keras_knows(pilots, model_type):
    """An old car cannot read anything that a newer Keras would write in addition."""
    with h5py.File(io.BytesIO(make_hdf5(describe_net(pilots[model_type].net))), "r") as file:
        assert bytes(file.attrs["keras_version"]) == b"2.0.8"
        config = json.loads(bytes(file.attrs["model_config"]).decode())
        assert "training_config" not in file.attrs
    assert config["class_name"] == "Model"
    for layer in config["config"]["layers"]:
        assert set(layer) == {"class_name", "config", "name", "inbound_nodes"}
        assert set(layer["config"]) - {"name"} == KNOWN[layer["class_name"]]
    assert len(json.dumps(config)) < 64 * 1024  # the limit of an HDF5 attribute


@pytest.mark.parametrize("model_type", ["linear", "memory", "rnn", "3d"])
@pytest.mark.parametrize("make_file, ending", [(make_hdf5, ".h5"), (make_keras, ".keras")])
def test_keras_loads_what_we_write(pilots, model_type, make_file, ending, tmp_path):
    """With every kind of layer; the same net gives the same bytes. tests/matrix.py tests other versions."""
    net = pilots[model_type].net
    path = tmp_path / ("model" + ending)
    path.write_bytes(make_file(describe_net(net)))
    loaded = keras.models.load_model(str(path), compile=False)
    np.testing.assert_allclose(predict(loaded), predict(net), atol=1e-6)
    assert loaded.output_names == net.output_names
    if make_file is make_keras:  # an HDF5 file contains the time of writing
        assert make_file(describe_net(net)) == path.read_bytes()


def test_the_keras_zip_is_complete(pilots):
    """It has the three parts that Keras requires."""
    with zipfile.ZipFile(io.BytesIO(make_keras(describe_net(pilots["rnn"].net)))) as archive:
        assert archive.namelist() == ["metadata.json", "config.json", "model.weights.h5"]
        with h5py.File(io.BytesIO(archive.read("model.weights.h5")), "r") as file:
            assert file["layers/lstm/cell/vars/1"].shape == (128, 512)
            assert file["layers/time_distributed/layer/vars/0"].shape == (5, 5, 3, 24)


def test_a_net_of_the_owners_own_is_left_to_keras(tmp_path):
    """donkeycar's nets have no such layer. The Keras that trains it is the car's own, and writes the file."""
    inputs = keras.layers.Input((4,), name="in")
    net = keras.models.Model(inputs, keras.layers.LeakyReLU(name="out")(inputs))
    with pytest.raises(UnknownLayer):
        describe_net(net)
    pilot = SimpleNamespace(net=net)
    exported = export(pilot, [("own.h5", "h5")], str(tmp_path), model_type="linear", car_versions={})
    assert exported == ([("own.h5", "h5")], []) and os.listdir(str(tmp_path)) == ["own.h5"]
    np.testing.assert_allclose(predict(keras.models.load_model(str(tmp_path / "own.h5"))), predict(net))


@pytest.mark.skipif(find_keras_2() is None, reason="only Keras 2 writes such a folder")
@pytest.mark.parametrize("model_type", ["linear", "memory"])
def test_a_saved_model_that_an_older_tensorflow_reads(pilots, model_type, tmp_path):
    """It has no operation that is newer than 2.9, and Keras 2 loads it."""
    export(pilots[model_type], [("m", "savedmodel")], str(tmp_path), model_type=model_type, car_versions={})
    saved = saved_model_pb2.SavedModel.FromString((tmp_path / "m" / "saved_model.pb").read_bytes())
    functions = [each for graph in saved.meta_graphs for each in graph.graph_def.library.function]
    operations = {node.op for function in functions for node in function.node_def}
    assert "Conv2D" in operations and "DisableCopyOnRead" not in operations
    loaded = find_keras_2().models.load_model(str(tmp_path / "m"), compile=False)
    np.testing.assert_allclose(predict(loaded), predict(pilots[model_type].net), atol=1e-6)
    assert os.listdir(str(tmp_path)) == ["m"]


@pytest.mark.parametrize("model_type", ["linear", "memory", "rnn"])
def test_a_tflite_for_the_oldest_light_runtime(pilots, model_type):
    """It has the signature and names that 5.0 to 5.3 expect, and only old, built-in operations."""
    net = pilots[model_type].net
    content = make_tflite(net)
    assert b"Flex" not in content and (1, 5) <= needed_runtime(content) < (2, 3)
    interpreter = tensorflow.lite.Interpreter(model_content=content)
    signature = interpreter.get_signature_list()["serving_default"]
    assert signature["inputs"] == sorted(tensor.name.split(":")[0] for tensor in net.inputs)
    assert signature["outputs"] == list(net.output_names)
    tensors = {detail["name"]: tuple(detail["shape"]) for detail in interpreter.get_input_details()}
    assert tensors == {
        "serving_default_{}:0".format(tensor.name.split(":")[0]): (1,) + tuple(tensor.shape[1:])
        for tensor in net.inputs
    }


ON_A_GPU = """
import tensorflow
from opt_ml_factory import CONFIG
from trainer.lite_file import make_tflite
from trainer.pilots import make_pilot

values = {}
exec(CONFIG, values)
net = make_pilot("rnn", {name: value for name, value in values.items() if name.isupper()}).net
tensorflow.config.list_logical_devices = lambda kind=None: ["a GPU"]
content = make_tflite(net)
assert b"CudnnRNN" not in content
print([layer.use_cudnn for layer in net.layers if hasattr(layer, "use_cudnn")])
"""


@pytest.mark.generations
def test_a_tflite_made_on_a_gpu_runs_without_one(generation_python, repo_path):
    """On a GPU Keras 3 puts cuDNN's own operation for an LSTM into every graph; training still uses it."""
    folders = [os.path.join(repo_path, name) for name in ("container", "", "tests")]
    done = subprocess.run(
        [generation_python("dk54"), "-c", ON_A_GPU],
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(folders)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "['auto', 'auto']"


@pytest.mark.parametrize("model_type", ["categorical", "imu", "behavior"])
def test_a_tflite_keeps_the_order_of_inputs_and_outputs(pilots, model_type):
    """donkeycar 4 identifies both only by their position."""
    net = pilots[model_type].net
    light = tensorflow.lite.Interpreter(model_content=make_tflite(net))
    light.allocate_tensors()
    random = np.random.RandomState(2)
    for tensor, detail in zip(net.inputs, light.get_input_details()):
        assert tuple(detail["shape"][1:]) == tuple(tensor.shape[1:])
        light.set_tensor(detail["index"], random.rand(1, *tensor.shape[1:]).astype(np.float32))
    light.invoke()
    outputs = [np.ravel(light.get_tensor(detail["index"])) for detail in light.get_output_details()]
    np.testing.assert_allclose(np.concatenate(outputs), predict(net), atol=1e-5)


def test_only_the_first_format_is_required(pilots, tmp_path):
    """A 3d net cannot be a .tflite: that is an error if the car is to drive it, and otherwise a note."""
    why = "The model cannot be written as tflite: light runtimes lack an operation that 3d nets need."
    wanted = [("a.h5", "h5"), ("a.tflite", "tflite")]
    exported = export(pilots["3d"], wanted, str(tmp_path), model_type="3d", car_versions={})
    assert exported == ([("a.h5", "h5")], [why])
    assert os.listdir(str(tmp_path)) == ["a.h5"]
    with pytest.raises(FormatImpossible) as raised:
        export(pilots["3d"], wanted[::-1], str(tmp_path), model_type="3d", car_versions={})
    assert raised.value.what == why
    assert raised.value.fix == (
        "Train in another environment (SAGEMAKER_IMAGE, SAGEMAKER_PYTHON). If the car has TensorFlow, "
        "--model may also end with .h5, which every environment can write."
    )


@pytest.mark.parametrize("name", ["tflite-runtime", "tensorflow"])
def test_operations_that_the_cars_runtime_lacks(pilots, name, tmp_path):
    """The file contains the version that it needs, and the job the version that the car has."""

    def write(version):
        wanted = [("a.tflite", "tflite")]
        export(pilots["rnn"], wanted, str(tmp_path), model_type="rnn", car_versions={name: version})

    write("2.14.0")
    needed = ".".join(map(str, needed_runtime((tmp_path / "a.tflite").read_bytes())))
    with pytest.raises(FormatImpossible) as raised:
        write("1.13.2")
    assert raised.value.what == (
        f"The model cannot be written as tflite: it needs {name} {needed}, and the car has 1.13.2."
    )


def test_an_unknown_format_is_refused():
    """A car that is newer than the trainer may ask for one."""
    with pytest.raises(FormatImpossible) as raised:
        check_format("onnx", model_type="linear")
    assert raised.value.what == (
        "The model cannot be written as onnx: "
        "this trainer can only write h5, hdf5, keras, savedmodel, tflite."
    )


@pytest.mark.parametrize("model_type", ["rnn", "memory"])
def test_samples_start_with_a_pilot_that_remembers_nothing(pilots, model_type):
    """A second set equals the first, because the car's pilot will just have been loaded, too."""
    pilot = pilots[model_type]
    pictures = list(np.random.RandomState(3).randint(0, 255, (3, 120, 160, 3)).astype(np.uint8))
    first, second = (make_samples(pilot, pictures, [[], [], []]) for _ in range(2))
    np.testing.assert_array_equal(first["raw"], second["raw"])


# -- pilots that need no donkeycar ------------------------------------------------------------------------


def structure(net):
    return [(layer.kind, layer.facts, [w.shape for w in layer.weights]) for layer in describe_net(net).layers]


@pytest.mark.parametrize("model_type", sorted(MODERN))
def test_plain_pilots_equal_those_of_donkeycar_5(pilots, model_type):
    """Net, targets and commands are equal, for every throttle that a stick can give."""
    theirs = pilots[model_type]
    ours = PlainPilot(model_type, VALUES, MODERN)
    assert structure(ours.net) == structure(theirs.net)
    assert [layer.name for layer in ours.net.layers if layer.weights] == [
        layer.name for layer in theirs.net.layers if layer.weights
    ]
    ours.net.set_weights(theirs.net.get_weights())
    assert str(theirs).startswith(str(ours)) and ours.picture_divisor == theirs.picture_divisor
    picture = np.random.RandomState(4).randint(0, 255, (120, 160, 3)).astype(np.uint8)
    for got, expected in zip(ours.predict_step(picture, []), theirs.predict_step(picture, [])):
        np.testing.assert_allclose(np.hstack(got), np.hstack(expected), atol=1e-6)
    for command in np.linspace(-1.2, 1.2, 97):
        fields = {"user/angle": command, "user/throttle": command}
        record = SimpleNamespace(angle=command, throttle=command, fields=fields, tub="tub")
        got, expected = ours.example([record], [0])[1], theirs.example([record], [0])[1]
        assert sorted(got) == sorted(expected)
        for name in got:
            np.testing.assert_array_equal(got[name], expected[name])


def test_what_plain_pilots_cannot_do_is_refused():
    """A type or a transformation may need donkeycar's own code."""
    with pytest.raises(NeedsDonkeycar) as raised:
        PlainPilot("linear", dict(VALUES, TRANSFORMATIONS=["CROP"]), MODERN)
    assert raised.value.what == (
        "The training environment has no donkeycar that can apply TRANSFORMATIONS = ['CROP']."
    )
    assert raised.value.fix == (
        "Train in an environment with the car's own donkeycar (SAGEMAKER_IMAGE, SAGEMAKER_PYTHON)."
    )
    with pytest.raises(NeedsDonkeycar) as raised:
        make_pilot("rnn", VALUES, donkeycar="2.2.4")
    assert raised.value.what == (
        "The training environment has no donkeycar that can make rnn models for this car."
    )
    assert raised.value.fix == (
        "Train in an environment with the car's own donkeycar (SAGEMAKER_IMAGE, SAGEMAKER_PYTHON), or "
        "choose --type linear, categorical."
    )


def test_the_cars_version_decides_the_net():
    """An old car gets its own kind of net from a new environment, which takes raw pixels."""
    pilot = make_pilot("categorical", VALUES, donkeycar="2.2.4")
    assert isinstance(pilot, PlainPilot) and pilot.design is CLASSIC["categorical"]
    assert pilot.picture_divisor == 1 and pilot.picture_shape == (120, 160, 3)
    assert not isinstance(make_pilot("categorical", VALUES, donkeycar="5.0.0"), PlainPilot)


COMPARE = """
import sys
import numpy as np
np.random.seed(1)  # Keras takes the seeds of its weights from here; some nets of chance cannot learn
from donkeycar.parts import keras as theirs
from trainer.net import describe_net
from trainer.plain_pilot import CLASSIC, PlainPilot
from trainer.keras_files import make_hdf5

names = {"linear": "KerasLinear", "categorical": "KerasCategorical"}
known = [name for name in names if hasattr(theirs, names[name])]
for name in known:
    their, our = getattr(theirs, names[name])(), PlainPilot(name, {}, CLASSIC)
    layers = [describe_net(net).layers for net in (their.model, our.net)]
    assert [(l.kind, l.facts) for l in layers[0]] == [(l.kind, l.facts) for l in layers[1]]
    our.compile()
    assert (our.net.loss, our.net.loss_weights) == (their.model.loss, their.model.loss_weights)
    our.net.set_weights(their.model.get_weights())
    picture = np.random.RandomState(1).randint(0, 255, (120, 160, 3)).astype(np.uint8)
    np.testing.assert_allclose(our.predict_step(picture, [])[1], their.run(picture), atol=1e-5)
    with open(sys.argv[1], "wb") as file:
        file.write(make_hdf5(describe_net(our.net), training=our.training_config))
    their.load(sys.argv[1])
    targets = [np.ones((1,) + tuple(int(n) for n in output.shape[1:])) for output in their.model.outputs]
    before = their.model.get_weights()
    their.model.fit(picture[np.newaxis], targets, epochs=1, verbose=0)
    assert any(np.any(a != b) for a, b in zip(before, their.model.get_weights()))
print("same", *known)
"""


@pytest.mark.generations
@pytest.mark.parametrize("name, known", [("dk22", "linear categorical"), ("dk25", "linear")])
def test_plain_pilots_equal_those_of_donkeycar_2(name, known, generation_python, repo_path, tmp_path):
    """Net, losses and commands are equal, and donkeycar can train our file further."""
    environ = dict(os.environ, PYTHONPATH=os.pathsep.join([os.path.join(repo_path, "container"), repo_path]))
    done = subprocess.run(
        [generation_python(name), "-c", COMPARE, str(tmp_path / "model")],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "same " + known


def test_the_training_config_of_an_old_car():
    """It has losses by output and a new optimizer."""
    config = make_training_config(loss={"a": "mse"}, loss_weights={"a": 0.5})
    assert (config["loss"], config["loss_weights"]) == ({"a": "mse"}, {"a": 0.5})
    assert config["optimizer_config"]["class_name"] == "Adam"


# -- transfer ---------------------------------------------------------------------------------------------


def test_a_broken_transfer_model_is_refused(pilots, tmp_path):
    """The message has the file's name and the first line of Keras's own message."""
    (tmp_path / "broken.h5").write_bytes(b"nothing")
    with pytest.raises(UnusableTransfer) as raised:
        make("linear").load(str(tmp_path / "broken.h5"))
    assert raised.value.what.startswith(
        "The transfer model broken.h5 cannot be read by the training environment (OSError: "
    )
    assert raised.value.fix == (
        "Transfer from a .h5 file that this program made, or train in an environment with the car's own "
        "donkeycar (SAGEMAKER_IMAGE, SAGEMAKER_PYTHON)."
    )


TRANSFER = """
import sys
import numpy as np
from trainer.pilots import make_pilot
values = dict(IMAGE_W=160, IMAGE_H=120, IMAGE_DEPTH=3)
pilot = make_pilot("linear", values)
pilot.load(sys.argv[1])
pilot.compile()
print("weights", float(sum(np.abs(array).sum() for array in pilot.net.get_weights())))
"""


@pytest.mark.generations
def test_keras_3_continues_from_a_saved_model(generation_python, pilots, repo_path, tmp_path):
    """A stock image with today's donkeycar can train the default model of a 5.3 car further."""
    export(pilots["linear"], [("m", "savedmodel")], str(tmp_path), model_type="linear", car_versions={})
    done = subprocess.run(
        [generation_python("dk54"), "-c", TRANSFER, str(tmp_path / "m")],
        env=dict(os.environ, PYTHONPATH=os.pathsep.join([os.path.join(repo_path, "container"), repo_path])),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )
    assert done.returncode == 0, done.stderr
    expected = float(sum(np.abs(array).sum() for array in pilots["linear"].net.get_weights()))
    assert float(done.stdout.rpartition("weights ")[2]) == pytest.approx(expected)
