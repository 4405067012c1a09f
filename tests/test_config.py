"""The car's config.py and myconfig.py."""

import os
import sys
from pathlib import Path

import pytest

from donkey_sagemaker.car.config import ConfigFailed, NoConfig, NoMyconfig, read_config


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_myconfig_wins(tmp_path: Path) -> None:
    """myconfig.py is read over config.py, and each name knows its file; only UPPER_CASE names count."""
    write(tmp_path / "config.py", "import os\nIMAGE_W = 160\nBATCH_SIZE = 128\nsmall = 1\n")
    write(tmp_path / "myconfig.py", "IMAGE_W = 120\nSAGEMAKER_SPOT = True\n")
    config = read_config(str(tmp_path))
    assert config.values == {"IMAGE_W": 120, "BATCH_SIZE": 128, "SAGEMAKER_SPOT": True}
    assert config.origin == {
        "IMAGE_W": "myconfig.py",
        "BATCH_SIZE": "config.py",
        "SAGEMAKER_SPOT": "myconfig.py",
    }
    assert config.get("BATCH_SIZE", 1) == 128
    assert config.get("DEFAULT_MODEL_TYPE", "linear") == "linear"


def test_myconfig_does_not_see_config(tmp_path: Path) -> None:
    """Each file has its own namespace, as in donkeycar."""
    write(tmp_path / "config.py", "IMAGE_W = 160\n")
    path = write(tmp_path / "myconfig.py", "# more\nIMAGE_H = IMAGE_W\n")
    with pytest.raises(ConfigFailed) as caught:
        read_config(str(tmp_path))
    assert caught.value.what == path + ", line 2 cannot be read: NameError: name 'IMAGE_W' is not defined"
    assert caught.value.fix == "Mend it there, and start again."


def test_no_myconfig(tmp_path: Path) -> None:
    """A car of 2.x has no myconfig.py."""
    write(tmp_path / "config.py", "IMAGE_W = 160\n")
    assert read_config(str(tmp_path)).origin == {"IMAGE_W": "config.py"}


def test_another_myconfig(tmp_path: Path) -> None:
    """--myconfig names the file to read in its place."""
    write(tmp_path / "config.py", "IMAGE_W = 160\n")
    write(tmp_path / "myconfig.py", "IMAGE_W = 1\n")
    write(tmp_path / "race.py", "IMAGE_W = 2\n")
    config = read_config(str(tmp_path), myconfig="race.py")
    assert (config.values, config.origin) == ({"IMAGE_W": 2}, {"IMAGE_W": "race.py"})


def test_another_myconfig_is_missing(tmp_path: Path) -> None:
    """A file that was asked for must be there."""
    write(tmp_path / "config.py", "")
    with pytest.raises(NoMyconfig) as caught:
        read_config(str(tmp_path), myconfig="race.py")
    assert caught.value.what == "There is no {}.".format(tmp_path / "race.py")
    assert caught.value.fix == "Give --myconfig a file that exists, or leave it out for myconfig.py."


def test_not_a_car(tmp_path: Path) -> None:
    """Without config.py the folder is not a car's."""
    with pytest.raises(NoConfig) as caught:
        read_config(str(tmp_path))
    assert caught.value.what == "There is no {}: this is not a car's folder.".format(tmp_path / "config.py")
    assert caught.value.fix == "Go to the folder that `donkey createcar --path FOLDER` made, and start again."


def test_paths_and_functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`__file__` is absolute wherever one stands, functions are kept and work."""
    (tmp_path / "car").mkdir()
    write(
        tmp_path / "car" / "config.py",
        "import os\nCAR_PATH = os.path.dirname(os.path.realpath(__file__))\nFILE = __file__\n",
    )
    write(
        tmp_path / "car" / "myconfig.py", "LIMIT = 3\ndef TRAIN_FILTER(record):\n    return record > LIMIT\n"
    )
    monkeypatch.chdir(str(tmp_path))
    config = read_config("car")
    assert config.values["CAR_PATH"] == os.path.realpath(str(tmp_path / "car"))
    assert os.path.isabs(config.values["FILE"])
    assert [config.values["TRAIN_FILTER"](number) for number in (3, 4)] == [False, True]


def test_import_of_the_cars_own_module(tmp_path: Path) -> None:
    """A file may import what lies beside manage.py, as it can when manage.py runs; sys.path is as before."""
    before = list(sys.path)
    write(tmp_path / "my_filters_of_this_test.py", "LIMIT = 7\n")
    write(tmp_path / "config.py", "from my_filters_of_this_test import LIMIT\n")
    assert read_config(str(tmp_path)).values == {"LIMIT": 7}
    assert sys.path == before


def test_missing_import(tmp_path: Path) -> None:
    """A module that this Python lacks is named, with the Python that lacks it."""
    path = write(tmp_path / "config.py", "\nimport not_there_at_all\n")
    with pytest.raises(ConfigFailed) as caught:
        read_config(str(tmp_path))
    assert caught.value.what == (
        path + ", line 2 cannot be read: ModuleNotFoundError: No module named 'not_there_at_all'"
    )
    assert caught.value.fix == f"Install not_there_at_all for {sys.executable}, or take its import out."


def test_syntax_error(tmp_path: Path) -> None:
    """A syntax error is told with its line."""
    path = write(tmp_path / "config.py", "IMAGE_W = 160\nIMAGE_H = (\n")
    with pytest.raises(ConfigFailed) as caught:
        read_config(str(tmp_path))
    assert caught.value.what.startswith(path + ", line ")
    assert " cannot be read: SyntaxError: " in caught.value.what


def test_error_in_a_module_of_the_cars(tmp_path: Path) -> None:
    """The line is the configuration file's own, not that of what it called."""
    write(tmp_path / "bad_module_of_this_test.py", "\n\n\n\ndef divide():\n    return 1 / 0\n")
    path = write(tmp_path / "config.py", "import bad_module_of_this_test as bad\nX = bad.divide()\n")
    with pytest.raises(ConfigFailed) as caught:
        read_config(str(tmp_path))
    assert caught.value.what == path + ", line 2 cannot be read: ZeroDivisionError: division by zero"
    assert caught.value.__cause__ is not None


def test_error_in_a_function_of_the_file(tmp_path: Path) -> None:
    """Of several lines of the file that led to an error, the one where it came up is told."""
    path = write(tmp_path / "config.py", "def divide():\n    return 1 / 0\nX = divide()\n")
    with pytest.raises(ConfigFailed) as caught:
        read_config(str(tmp_path))
    assert caught.value.what == path + ", line 2 cannot be read: ZeroDivisionError: division by zero"


def test_null_byte(tmp_path: Path) -> None:
    """A file full of NUL bytes, as a power cut leaves it, is an error with no line."""
    path = write(tmp_path / "config.py", "\0\0\0\0")
    with pytest.raises(ConfigFailed) as caught:
        read_config(str(tmp_path))
    assert caught.value.what.startswith(path)
    assert "null bytes" in caught.value.what
