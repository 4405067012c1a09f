"""The whole way on real cars with donkeycar 2.2, 5.3 and 5.4, each in its own environment."""

import json
import os
import re
import subprocess
import tarfile

import pytest

from donkey_sagemaker.car.archive import unpack
from validation_pictures import make_arrays

pytestmark = pytest.mark.generations

ALL_TYPES = ("linear", "categorical", "inferred", "memory", "behavior", "localizer", "rnn", "3d", "imu")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory, repo_path, generation_python):
    """Paths of a drawn tub by its layout; small, with the columns of every type."""
    folder = tmp_path_factory.mktemp("drawn")
    draw = os.path.join(repo_path, "demo", "draw_tub.py")
    paths = {layout: str(folder / layout) for layout in ("v1", "v2")}
    for layout, path in paths.items():
        command = [generation_python("py313"), draw, "--out", path, "--records", "160", "--extras"]
        subprocess.check_call(command + ["--layout", layout])
    return paths


@pytest.fixture
def make_car(create_car):
    """A function that makes a car, with our commands in its manage.py, at a path."""

    def make(python, path, *, template="complete", config="", proof=False):
        create_car(path, python=python, template=template)
        install = [os.path.join(os.path.dirname(python), "donkey-sagemaker"), "install", "--path", str(path)]
        run(install, cwd=str(path.parent))
        with open(str(path / "myconfig.py"), "a") as file:
            file.write(
                '\nSAGEMAKER_BACKEND = "local"\nMAX_EPOCHS = 1\nNUM_LOCATIONS = 8\nBATCH_SIZE = 32\n'
                f"SAGEMAKER_DRIVING_PROOF = {proof}\n{config}"
            )
        return path

    return make


def run(command, *, cwd):
    """The standard output of a command, which must succeed."""
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    return done.stdout.decode()


def read_differences(out):
    """How much each format's outputs on this car differ from those in training, from what train prints."""
    line = (
        r"^Driven by this car's donkeycar as \w+: (?:as in training|differs from training by at most (\S+)),"
    )
    return [float(each or 0) for each in re.findall(line, out, re.MULTILINE)]


def train(python, car, *options):
    return run([python, "manage.py", "sagemaker-train"] + list(options), cwd=str(car))


@pytest.mark.longest
@pytest.mark.parametrize("name", ["dk53", "dk54"])
def test_every_type_trains_and_drives(name, generation_python, make_car, drawn, tmp_path):
    """The car's own donkeycar drives the new model of each type as it was trained, and one along its tub."""
    python = generation_python(name)
    car = make_car(python, tmp_path / "mycar")
    for model_type in ALL_TYPES:
        options = ["--tub", drawn["v2"], "--type", model_type, "--model", "models/" + model_type]
        if model_type == "memory":
            options += ["--set", "SAGEMAKER_DRIVING_PROOF=True"]
        out = train(python, car, *options)
        if model_type == "memory":
            check_proof(out, car / "models" / "memory.html")
        assert max(read_differences(out)) <= 1e-3, out
        assert re.search(rf"--type (tflite_)?{model_type}\n$", out)  # whichever is faster here
    with open(str(car / "models" / "database.json")) as file:
        entries = json.load(file)
    assert [(entry["Number"], entry["Name"], entry["Type"]) for entry in entries] == [
        (number, model_type, model_type) for number, model_type in enumerate(ALL_TYPES)
    ]


@pytest.mark.parametrize("model_type, recipe", [("categorical", "robust"), ("linear", "donkeycar")])
def test_a_car_of_2018_trains_and_drives(model_type, recipe, generation_python, make_car, drawn, tmp_path):
    """donkeycar 2.2 on TensorFlow 1.4: v1 tubs, a model without an ending, no --type to drive with."""
    python = generation_python("dk22")
    config = f"SAGEMAKER_RECIPE = {recipe!r}\n"
    proof = model_type == "linear"
    car = make_car(python, tmp_path / "mycar", template="donkey2", config=config, proof=proof)
    out = train(python, car, "--tub", drawn["v1"], "--type", model_type, "--model", "models/mypilot")
    if proof:
        check_proof(out, car / "models" / "mypilot.html")
    (difference,) = read_differences(out)
    assert difference <= 1e-3
    assert out.endswith("Drive it:\n  python manage.py drive --model models/mypilot\n")
    assert (car / "models" / "mypilot").read_bytes().startswith(b"\x89HDF")
    report = (car / "models" / "mypilot.html").read_text(encoding="utf-8")
    assert "donkeycar 2.2.4, Python 3.6" in report and report.count("image/png") == 4
    assert read_setting(report, "SAGEMAKER_RECIPE") == recipe
    assert not (car / "models" / "database.json").exists()


def check_proof(out, report_path):
    """An untrained model has driven along its tub, and its report shows how."""
    assert re.search(
        r"^On your own tub, it would (not leave the line|leave the line \d+\.\d times in 100 m), and"
        r" drive \d+ cm beside it on average \(kicked off it \d+ times; the lane is 0.7 m wide\)\. It was",
        out,
        re.MULTILINE,
    )
    report = report_path.read_text(encoding="utf-8")
    assert "<h2>Driving on your tub</h2>" in report and len(report) < 3e6


def read_setting(report, name):
    """The value of a setting in a model's report."""
    return re.search(rf'<th scope="row">{name}</th><td[^>]*>([^<]*)</td>', report).group(1)


def test_a_car_of_2018_trains_with_a_current_tensorflow(generation_python, make_car, drawn, tmp_path):
    """Its own donkeycar, on TensorFlow 1.4, drives a model that TensorFlow 2.19 trained."""
    python = generation_python("dk22")
    config = "SAGEMAKER_PYTHON = {!r}\nSAGEMAKER_RECIPE = 'robust'\n".format(generation_python("dk54"))
    car = make_car(python, tmp_path / "mycar", template="donkey2", config=config)
    out = train(python, car, "--tub", drawn["v1"], "--model", "models/mypilot")
    (difference,) = read_differences(out)
    assert difference <= 1e-4


def test_a_pi_without_tensorflow_trains_with_another_python_and_rolls_back(
    generation_python, make_car, drawn, tmp_path
):
    """TensorFlow Lite drives the model of another Python; a rollback is undone by the next one."""
    python = generation_python("dk53lite")
    config = "SAGEMAKER_PYTHON = {!r}\n".format(generation_python("dk54"))
    car = make_car(python, tmp_path / "mycar", config=config)
    contents = []
    for model_type in ("linear", "rnn"):
        out = train(python, car, "--tub", drawn["v2"], "--type", model_type, "--model", "models/pilot.tflite")
        assert "Warning: the h5 is not checked: this Python has no package that loads it\n" in out
        (difference,) = read_differences(out)
        assert difference <= 1e-3
        assert f"manage.py drive --model models/pilot.tflite --type tflite_{model_type}\n" in out
        contents.append((car / "models" / "pilot.tflite").read_bytes())
    for expected, types in ((contents[0], ["linear", "rnn"]), (contents[1], ["rnn", "linear"])):
        out = run([python, "manage.py", "sagemaker-rollback"], cwd=str(car))
        assert out.startswith(f"Restored models/pilot: the {types[0]} model that was trained on ")
        assert f"  python manage.py drive --model models/pilot.tflite --type tflite_{types[0]}\n" in out
        assert (car / "models" / "pilot.tflite").read_bytes() == expected
        with open(str(car / "models" / "database.json")) as file:
            assert [entry["Type"] for entry in json.load(file)] == types


@pytest.mark.parametrize(
    "name, trainer, form, ending",
    [
        ("dk22", "dk22", "hdf5", ".h5"),
        ("dk53", "dk53", "savedmodel", ".savedmodel"),
        ("dk53lite", "dk53", "tflite", ".tflite"),
        ("dk54", "dk54", "keras", ".keras"),
        ("dk54lite", "dk54", "tflite", ".tflite"),
    ],
)
def test_the_previous_model_is_compared(
    name, trainer, form, ending, generation_python, make_car, drawn, tmp_path
):
    """Each car's own donkeycar drives the model that would be replaced on the new one's pictures."""
    numpy = pytest.importorskip("numpy")
    python = generation_python(name)
    is_classic = name == "dk22"
    car = make_car(
        python,
        tmp_path / "mycar",
        template="donkey2" if is_classic else "complete",
        config="SAGEMAKER_PYTHON = {!r}\n".format(generation_python(trainer)),
    )
    tub = drawn["v1" if is_classic else "v2"]
    model = "models/pilot.h5" if is_classic else "models/pilot"
    out = train(python, car, "--tub", tub, "--type", "linear", "--model", model)
    assert "Steering: not judged: 32 validation pictures are too few: at least 75 are needed\n" in out
    (archive,) = (car / ".sagemaker" / "local" / "buckets").glob("**/model.tar.gz")
    unpack(str(archive), str(tmp_path / "unpacked"))
    numpy.savez(str(tmp_path / "validation.npz"), **make_arrays(off_by=0.0))
    task = {
        "format": form,
        "path": str(car / "models" / ("pilot" + ending)),
        "type": "linear",
        "validation": str(tmp_path / "validation.npz"),
        "samples": str(tmp_path / "unpacked" / "samples.npz"),
        "trained": str(tmp_path / "unpacked" / "trained.bin"),
        "most_differences": 0,
        "car": str(car),
        "myconfig": "myconfig.py",
    }
    task = {"module": "compare_child", "task": task, "result": str(tmp_path / "result.json")}
    (tmp_path / "task.json").write_text(json.dumps(task))
    code = "import sys; from donkey_sagemaker.car.driving_child import main; main(sys.argv[1:])"
    run([python, "-c", code, str(tmp_path / "task.json")], cwd=str(car))
    result = json.loads((tmp_path / "result.json").read_text())
    assert (result["pictures"], result["error"]) == (100, 0), result
    assert 0 < result["previous_error"] < 2


@pytest.mark.parametrize("name", ["dk53", "dk54"])
def test_v1_tubs_train_on_todays_cars(name, generation_python, make_car, drawn, tmp_path):
    """Without conversion, and together with a v2 tub."""
    python = generation_python(name)
    car = make_car(python, tmp_path / "mycar")
    out = train(python, car, "--tub", drawn["v1"] + "," + drawn["v2"])
    assert "320 good records\n" in out and "256 examples to train, 64 to validate; left out: none\n" in out


@pytest.mark.parametrize("name, template", [("dk22", "donkey2"), ("dk53", "complete"), ("dk54", "complete")])
def test_training_continues_from_another_model(name, template, generation_python, make_car, drawn, tmp_path):
    """--transfer: with next to no learning rate, the second training ends where the first one did."""
    python = generation_python(name)
    car = make_car(python, tmp_path / "mycar", template=template)
    tub = drawn["v1" if name == "dk22" else "v2"]
    first = train(python, car, "--tub", tub, "--model", "models/first.h5")
    with open(str(car / "myconfig.py"), "a") as file:
        file.write('OPTIMIZER = "sgd"\nLEARNING_RATE = 1e-12\n')
    second = train(python, car, "--tub", tub, "--model", "models/second.h5", "--transfer", "models/first.h5")
    assert validation_loss(second) == pytest.approx(validation_loss(first), abs=2e-4)
    fresh = train(python, car, "--tub", tub, "--model", "models/fresh.h5")
    assert validation_loss(fresh) != pytest.approx(validation_loss(first), abs=2e-3)


def validation_loss(out):
    return float(re.search(r"best validation loss (\S+) in epoch 1", out).group(1))


@pytest.mark.parametrize("name", ["dk53", "dk54"])
def test_the_cars_own_config_counts(name, generation_python, make_car, drawn, tmp_path):
    """Transformations, augmentations, filter, slide, throttle, optimizer and sizes, all at once."""
    python = generation_python(name)
    config = """
IMAGE_W, IMAGE_H, IMAGE_DEPTH = 128, 96, 1
TRANSFORMATIONS = ["CROP"]
ROI_CROP_TOP = 20
POST_TRANSFORMATIONS = ["BLUR"]
AUGMENTATIONS = ["BRIGHTNESS"]
OPTIMIZER = "rmsprop"
SAVE_MODEL_AS_H5 = True
SAGEMAKER_SLIDE = 2
SAGEMAKER_MIN_THROTTLE = 0.3
SAGEMAKER_FLOOR_THROTTLE = 0.35
SAGEMAKER_RECIPE = "robust"
SAGEMAKER_CAMERA = {"height_m": 0.17, "pitch_deg": 22}
def TRAIN_FILTER(record):
    return record.underlying["_index"] >= 10
"""
    car = make_car(python, tmp_path / "mycar", config=config)
    out = train(python, car, "--tub", drawn["v2"], "--model", "models/small")
    assert "Warning: 160 pictures are not 128x96 (IMAGE_W x IMAGE_H): they are resized\n" in out
    assert re.search(
        r"left out: 10 TRAIN_FILTER, 8 no command 2 frames later, \d+ throttle at or under 0.3", out
    )
    # The format that it has just driven faster
    drive = r"python manage\.py drive --model models/small\.(tflite --type tflite_linear|h5 --type linear)"
    assert re.search(rf"Drive it:\n  {drive}\n$", out)
    report = (car / "models" / "small.html").read_text(encoding="utf-8")
    assert read_setting(report, "SAGEMAKER_RECIPE") == "robust"
    camera = read_setting(report, "SAGEMAKER_CAMERA")
    assert camera.replace("&#x27;", "'") == "{'height_m': 0.17, 'pitch_deg': 22, 'fov_deg': 100.0}"


@pytest.mark.parametrize(
    "name, template, tub, records",
    [
        ("dk22", "donkey2", "tub_v1_lobby", 3983),
        ("dk53", "complete", "tub_v1_lobby", 3983),
        ("dk53", "complete", "tub_v2_kerb", 5854),
        ("dk53", "complete", "tub_v2_track", 1000),
    ],
)
def test_real_tubs_train(name, template, tub, records, generation_python, make_car, shared_data, tmp_path):
    """Recorded by real cars, every record of them."""
    with tarfile.open(os.path.join(shared_data, tub + ".tar.gz")) as archive:
        archive.extractall(str(tmp_path))
    python = generation_python(name)
    car = make_car(python, tmp_path / "mycar", template=template)
    options = ["--model", "models/pilot", "--install", "always"]  # one epoch is not enough to learn to steer
    out = train(python, car, "--tub", str(tmp_path / "tub"), *options)
    training = int(records * 0.8)
    assert f"{records} good records\n" in out
    assert f"{training} examples to train, {records - training} to validate; left out: none\n" in out
    assert "Installed models/pilot" in out


def test_a_python_without_tensorflow_proposes_another_one(generation_python, make_car, drawn, tmp_path):
    """On a Pi with TensorFlow Lite, SAGEMAKER_PYTHON may name a Python that can train."""
    car = make_car(generation_python("dk53"), tmp_path / "mycar")
    python = generation_python("py313")
    command = [python, "-m", "donkey_sagemaker", "train", "--tub", drawn["v2"]]
    done = subprocess.run(command, cwd=str(car), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert done.stderr.decode() == (
        f"Training on this machine needs donkeycar and TensorFlow, but {python} does not have both.\n"
        "Install donkeycar with TensorFlow there (`pip install donkeycar[pc]`), set SAGEMAKER_PYTHON to a "
        "Python that has them, or omit --local to train on AWS.\n"
    )
