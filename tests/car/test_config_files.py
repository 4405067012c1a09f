"""What travels with the config, and what stops a training before anything is sent."""

import os
from pathlib import Path
from typing import Dict

import pytest

from donkey_sagemaker.car import config_files
from donkey_sagemaker.car.config_files import ConfigFailsInJob, ConfigTooSlow, FileNotSent, find_config_files


def make_car(path: Path, files: Dict[str, str]) -> str:
    for name, text in {"config.py": "import os\nIMAGE_W = 160\n", **files}.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    return str(path)


def test_the_usual_car_sends_its_config(tmp_path: Path) -> None:
    """Nothing else, whatever else lies in the folder."""
    car = make_car(tmp_path, {"myconfig.py": "IMAGE_W = 120\n", "manage.py": "", "notes.txt": "x"})
    assert find_config_files(car) == {
        "config.py": b"import os\nIMAGE_W = 160\n",
        "myconfig.py": b"IMAGE_W = 120\n",
    }


@pytest.mark.parametrize(
    "code",
    [
        "import filters\nWANTED = filters.FAST\n",
        "from filters import FAST\n",
        "import os, sys\nsys.path.append(os.path.join(os.path.dirname(__file__), 'lib'))\nimport deep\n",
        "import os\nA = open(os.path.join(os.path.dirname(os.path.realpath(__file__)), 'a.json')).read()\n",
        "A = open('a.json').read()\n",
        "import pathlib\nA = pathlib.Path(__file__).with_name('a.json').read_text()\n",
        "from config import IMAGE_W\n",
    ],
)
def test_what_the_config_uses_travels(tmp_path: Path, code: str) -> None:
    """Modules, with what they import themselves, and files that are opened; the others stay."""
    others = {
        "filters.py": "from package import inner\nFAST = 0.3\n",
        "package/__init__.py": "",
        "unused.py": "",
    }
    others.update({"package/inner.py": "import json\n", "lib/deep.py": "", "a.json": "{}", "b.json": "{}"})
    car = make_car(tmp_path, {**others, "myconfig.py": code})
    needed = {"config.py", "myconfig.py"}
    if "filters" in code:
        needed |= {"filters.py", "package/__init__.py", "package/inner.py"}
    if "deep" in code:
        needed.add("lib/deep.py")
    if "a.json" in code:
        needed.add("a.json")
    assert set(find_config_files(car)) == needed


def test_what_a_transformation_imports_travels(tmp_path: Path) -> None:
    """The owner's own module is not executed here: it may need what only the training has."""
    car = make_car(
        tmp_path,
        {
            "mine.py": "import no_such_module\nfrom helpers import tool\nimport both.one as one\n",
            "helpers.py": "import more\n",
            "more.py": "import helpers\n",
            "both/__init__.py": "",
            "both/one.py": "",
            "both/two.py": "",
        },
    )
    modules = [os.path.join(car, "mine.py")]
    assert set(find_config_files(car, modules=modules)) == {
        "config.py",
        "helpers.py",
        "more.py",
        "both/__init__.py",
        "both/one.py",
    }


def test_a_file_outside_the_car_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the owner's home, by a path with the car's own folder in it, or by a link."""
    outside = tmp_path / "home" / "calibration.json"
    outside.parent.mkdir()
    outside.write_text("{}")
    monkeypatch.setenv("HOME", str(outside.parent))
    car = make_car(tmp_path / "car", {"myconfig.py": f"A = open({str(outside)!r}).read()\n"})
    with pytest.raises(ConfigFailsInJob) as failed:
        find_config_files(car)
    assert str(outside) in failed.value.what and "myconfig.py cannot be loaded" in failed.value.what

    here = make_car(tmp_path / "absolute", {"a.json": "{}"})
    (Path(here) / "myconfig.py").write_text(f"A = open({os.path.join(here, 'a.json')!r}).read()\n")
    with pytest.raises(ConfigFailsInJob):
        find_config_files(here)

    linked = make_car(tmp_path / "linked", {"myconfig.py": "A = open('a.json').read()\n"})
    os.symlink(str(outside), os.path.join(linked, "a.json"))
    with pytest.raises(FileNotSent) as refused:
        find_config_files(linked)
    assert "a.json" in refused.value.what and "link" in refused.value.what


def test_secrets_stay(tmp_path: Path) -> None:
    """Nothing hidden is sent."""
    car = make_car(tmp_path, {"myconfig.py": "A = open('.env').read()\n", ".env": "PASSWORD=x"})
    with pytest.raises(FileNotSent) as refused:
        find_config_files(car)
    assert ".env" in refused.value.what


def test_temporary_files_may_lie_in_the_car(tmp_path: Path) -> None:
    """There the next command removes what a power cut leaves; what the config opens there is still hidden."""
    car = make_car(tmp_path, {"myconfig.py": "A = open('a.json').read()\n", "a.json": "{}"})
    scratch = tmp_path / ".sagemaker" / "incoming"
    scratch.mkdir(parents=True)
    assert set(find_config_files(car, scratch=str(scratch))) == {"config.py", "myconfig.py", "a.json"}
    (tmp_path / "myconfig.py").write_text(f"A = open({os.path.join(car, 'a.json')!r}).read()\n")
    with pytest.raises(ConfigFailsInJob):
        find_config_files(car, scratch=str(scratch))
    assert list(scratch.iterdir()) == []


def test_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest file is named."""
    monkeypatch.setattr(config_files, "MAX_BYTES", 1000)
    files = {"big.bin": "x" * 900, "small.bin": "x" * 200}
    car = make_car(
        tmp_path, {**files, "myconfig.py": "A = open('small.bin').read(), open('big.bin').read()\n"}
    )
    with pytest.raises(FileNotSent) as refused:
        find_config_files(car)
    assert "big.bin" in refused.value.what


def test_a_config_that_ends_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or hangs: neither ends this program with a traceback or forever."""
    car = make_car(
        tmp_path / "exits", {"myconfig.py": "import sys\nprint('no camera')\nsys.exit('no camera')\n"}
    )
    with pytest.raises(ConfigFailsInJob) as failed:
        find_config_files(car)
    assert "no camera" in failed.value.what
    monkeypatch.setattr(config_files, "TIME_LIMIT_S", 0.5)
    with pytest.raises(ConfigTooSlow):
        find_config_files(make_car(tmp_path / "hangs", {"myconfig.py": "import time\ntime.sleep(60)\n"}))
