"""A donkeycar that is small enough to write down here: its models are Python expressions of the picture.

In a car's folder it comes before the installed one. The check of a new model runs as always, in its own
process, but without the seconds that importing TensorFlow takes.
"""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

FILES = {
    "__init__.py": "",
    "pipeline/__init__.py": "",
    "config.py": (
        """
class Config:
    def from_object(self, values):
        vars(self).update(vars(values))
"""
    ),
    "utils.py": (
        """
import os

class Pilot:
    def __init__(self, kind, config):
        self.kind, self.config = kind, config
    def load(self, path):
        with open(os.path.join(path, "saved_model.pb") if os.path.isdir(path) else path) as file:
            self.expression = file.read()
    def run(self, picture, *others):
        names = dict(picture=picture, others=others, kind=self.kind, config=self.config)
        return self.interpreter_to_output(eval(self.expression, {"__builtins__": __builtins__}, names))
    def interpreter_to_output(self, outputs):
        return tuple(outputs)

def get_model_by_type(kind, config):
    return Pilot(kind, config)
"""
    ),
}
MEAN = "[picture.mean() / 255, 0.5]"
BRIGHTNESSES = (51, 102)


def install_small_donkeycar(car_path: Path) -> None:
    for name, text in FILES.items():
        path = car_path / "donkeycar" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with open(str(car_path / "myconfig.py"), "a") as file:
        file.write("\nSAGEMAKER_TRUST_MODEL = True\n")  # these models are code


def write_samples(path: str, *, shape: tuple) -> None:
    """The samples of a training whose net gives MEAN: two pictures of (height, width, depth)."""
    np = pytest.importorskip("numpy")
    outputs = np.array([[value / 255, 0.5] for value in BRIGHTNESSES])
    np.savez(
        path,
        pictures=np.stack([np.full(shape, value, np.uint8) for value in BRIGHTNESSES]),
        raw=outputs,
        outputs=outputs,
        decided=np.array([True, True]),
    )


def make_small_model(trained: Path, folder: Path) -> None:
    """Copies what a training left, with models for the small donkeycar in place of TensorFlow's."""
    shutil.copytree(str(trained), str(folder))
    artifact = json.loads((folder / "artifact.json").read_text())
    for each in artifact["files"][:]:
        path = folder / each["path"]
        if each["role"] == "samples":
            write_samples(str(path), shape=(120, 160, 3))
        elif each["role"] == "model" and each["format"] == "savedmodel" and path.name != "saved_model.pb":
            path.unlink()
            artifact["files"].remove(each)
        elif each["role"] == "model":
            path.write_text(MEAN)
        if path.exists():
            content = path.read_bytes()
            each.update(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    (folder / "artifact.json").write_text(json.dumps(artifact))
    shutil.rmtree(str(folder / "pilot.savedmodel" / "variables"), ignore_errors=True)


@pytest.fixture(scope="session")
def small_model(trained_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The content of an archive whose models a car with the small donkeycar drives."""
    folder = tmp_path_factory.mktemp("small") / "model"
    make_small_model(trained_model, folder)
    return folder
