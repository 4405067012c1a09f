"""What is said when a model goes into the car, or into the folder of one that is elsewhere."""

import os
import pathlib
from typing import Any, Dict, List, Tuple

from donkey_sagemaker.car.archive import Artifact, ModelFile
from donkey_sagemaker.car.ledger import INSTALLED, Launch
from donkey_sagemaker.car.runtime import Runtime, runtime_here, why_not_driven
from donkey_sagemaker.car.workplace import Car, open_car
from donkey_sagemaker.installing import check_models, install
from donkey_sagemaker.ui import PlainUi

PI = Runtime("3.11.2", "aarch64", {"donkeycar": "5.3.0", "tflite-runtime": "2.14.0"})
PC = Runtime("3.11.2", "x86_64", {"donkeycar": "5.3.0", "tensorflow": "2.15.1"})


class ListUi(PlainUi):
    def __init__(self) -> None:
        self.said: List[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def make_car(path: pathlib.Path, **flags: Any) -> Car:
    (path / "config.py").write_text("")
    return open_car(str(path), flags=flags, myconfig="myconfig.py")


def make_artifact(car: Car, models: List[Tuple[str, str]]) -> Artifact:
    found = []
    for ending, form in models:
        path = car.scratch("new" + ending)
        with open(path, "w") as file:
            file.write("new " + form)
        found.append(ModelFile(form, path))
    nothing: Dict[str, Any] = {}
    return Artifact(found, None, None, None, [], nothing, [], nothing, nothing, nothing, nothing)


def put_in(
    car: Car, models: List[Tuple[str, str]], *, runtime: Runtime = PC, model_type: str = "linear"
) -> List[str]:
    """Installs models/pilot in these formats and returns what was said."""
    launch = Launch(
        job="job",
        state=INSTALLED,
        backend="local",
        bucket="local",
        prefix="",
        started=0.0,
        model_type=model_type,
        base=os.path.join(car.models_path, "pilot"),
        models=models,
        tubs=[],
        transfer=None,
        comment=None,
        val_loss=None,
    )
    ui = ListUi()
    install(car, ui, launch, runtime, make_artifact(car, models), [])
    return ui.said


def test_what_is_put_away_is_told(tmp_path: pathlib.Path) -> None:
    """A model of the same name in another format would be the old one; twice the same changes nothing."""
    car = make_car(tmp_path)
    put_in(car, [(".keras", "keras"), (".tflite", "tflite")])
    assert put_in(car, [(".h5", "h5")]) == [
        "Installed models/pilot.h5",
        "Put away with the model before: models/pilot.keras, models/pilot.tflite",
        "Drive it:",
        "  python manage.py drive --model models/pilot.h5 --type linear",
    ]
    assert len(put_in(car, [(".h5", "h5")])) == 3
    assert sorted(os.listdir(car.models_path)) == ["database.json", "pilot.h5"]


def test_a_car_that_is_elsewhere(tmp_path: pathlib.Path) -> None:
    """It has to get the model first."""
    car = make_car(tmp_path, car="donkeycar 5.3, tflite-runtime 2.14")
    assert put_in(car, [(".tflite", "tflite"), (".h5", "h5")], runtime=PI) == [
        "Installed models/pilot.tflite, models/pilot.h5",
        "Drive it, once it is copied to the car:",
        "  python manage.py drive --model models/pilot.tflite --type tflite_linear",
    ]


def test_tensorrt_is_not_tried(tmp_path: pathlib.Path) -> None:
    """The model is driven by TensorFlow alone, whatever `drive` is to do with it."""
    said = put_in(make_car(tmp_path), [(".savedmodel", "savedmodel")], model_type="tensorrt_linear")
    assert said[1:] == [
        "Warning: it is not tried with TensorRT, which makes a model of its own from this one",
        "Drive it:",
        "  python manage.py drive --model models/pilot.savedmodel --type linear",
    ]


def test_a_light_model_is_what_a_pi_drives_with(tmp_path: pathlib.Path) -> None:
    """It takes a fifth of the time there; a PC drives what was asked for."""
    models = [(".savedmodel", "savedmodel"), (".tflite", "tflite")]
    for machine, form in (("x86_64", "savedmodel --type "), ("armv7l", "tflite --type tflite_")):
        said = put_in(make_car(tmp_path), models, runtime=PC._replace(machine=machine))
        assert said[-1] == "  python manage.py drive --model models/pilot.{}linear".format(form)


def test_what_is_not_checked_is_told(tmp_path: pathlib.Path) -> None:
    """With the reason, which depends on what these tests run in; nothing is loaded for it."""
    car, ui = make_car(tmp_path), ListUi()
    of_2018 = Runtime("3.6.15", "armv7l", {"donkeycar": "2.2.4", "tensorflow": "1.4.1"})
    why = why_not_driven("hdf5", car=of_2018, here=runtime_here())
    launch = Launch("job", INSTALLED, "local", "", "", 0.0, "linear", "", [], [], None, None, None)
    artifact = make_artifact(car, [("", "hdf5")])
    assert check_models(car, ui, launch, of_2018, artifact, "model.tar.gz") == []
    assert why and ui.said == ["Warning: the hdf5 is not checked: " + why]
