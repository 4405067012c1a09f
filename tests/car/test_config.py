"""The car's config.py and myconfig.py."""

import os
import sys
from pathlib import Path

import pytest

from donkey_sagemaker.car.config import ConfigFailed, NoConfig, NoMyconfig, read_config


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_myconfig_overrides_config(tmp_path: Path) -> None:
    """myconfig.py overrides config.py. Only UPPER_CASE names count, and each name has its origin."""
    write(tmp_path / "config.py", "import os\nIMAGE_W = 160\nBATCH_SIZE = 128\nsmall = 1\n")
    write(tmp_path / "myconfig.py", "IMAGE_W = 120\nSAGEMAKER_SPOT = True\n")
    config = read_config(str(tmp_path))
    assert config.values == {"IMAGE_W": 120, "BATCH_SIZE": 128, "SAGEMAKER_SPOT": True}
    assert config.origins == {
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
    assert caught.value.what == (
        path + " cannot be loaded because of an error in line 2: NameError: name 'IMAGE_W' is not defined"
    )
    assert caught.value.fix == "Fix this error in the file, and run the command again."


def test_no_myconfig(tmp_path: Path) -> None:
    """A car with donkeycar 2 has no myconfig.py."""
    write(tmp_path / "config.py", "IMAGE_W = 160\n")
    assert read_config(str(tmp_path)).origins == {"IMAGE_W": "config.py"}


def test_another_myconfig(tmp_path: Path) -> None:
    """--myconfig names another file to read instead."""
    write(tmp_path / "config.py", "IMAGE_W = 160\n")
    write(tmp_path / "myconfig.py", "IMAGE_W = 1\n")
    write(tmp_path / "race.py", "IMAGE_W = 2\n")
    config = read_config(str(tmp_path), myconfig="race.py")
    assert (config.values, config.origins) == ({"IMAGE_W": 2}, {"IMAGE_W": "race.py"})


def test_another_myconfig_is_missing(tmp_path: Path) -> None:
    """The file given with --myconfig must exist."""
    write(tmp_path / "config.py", "")
    with pytest.raises(NoMyconfig) as caught:
        read_config(str(tmp_path), myconfig="race.py")
    assert caught.value.what == "{} does not exist.".format(tmp_path / "race.py")
    assert caught.value.fix == "Pass an existing file to --myconfig, or leave it out to use myconfig.py."


def test_not_a_car(tmp_path: Path) -> None:
    """A folder without config.py is not a car's."""
    with pytest.raises(NoConfig) as caught:
        read_config(str(tmp_path))
    assert caught.value.what == f"{tmp_path / 'config.py'} does not exist, so this is not a car's folder."
    assert caught.value.fix == (
        "Change to the folder that `donkey createcar --path FOLDER` created, and run the command again."
    )


def test_paths_and_functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`__file__` is absolute in every working directory, and functions in the config work."""
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


def test_import_of_a_module_of_the_car(tmp_path: Path) -> None:
    """A file may import modules next to manage.py, as when manage.py runs. sys.path does not change."""
    before = list(sys.path)
    write(tmp_path / "my_filters_of_this_test.py", "LIMIT = 7\n")
    write(tmp_path / "config.py", "from my_filters_of_this_test import LIMIT\n")
    assert read_config(str(tmp_path)).values == {"LIMIT": 7}
    assert sys.path == before


def test_missing_import(tmp_path: Path) -> None:
    """The message names the module that is missing and the Python that lacks it."""
    path = write(tmp_path / "config.py", "\nimport not_there_at_all\n")
    with pytest.raises(ConfigFailed) as caught:
        read_config(str(tmp_path))
    assert caught.value.what == (
        path
        + " cannot be loaded because of an error in line 2: "
        + "ModuleNotFoundError: No module named 'not_there_at_all'"
    )
    assert caught.value.fix == f"Install not_there_at_all for {sys.executable}, or remove the import."


def test_syntax_error(tmp_path: Path) -> None:
    """A syntax error is reported with its line."""
    path = write(tmp_path / "config.py", "IMAGE_W = 160\nIMAGE_H = (\n")
    with pytest.raises(ConfigFailed) as caught:
        read_config(str(tmp_path))
    assert caught.value.what.startswith(path + " cannot be loaded because of an error in line ")
    assert ": SyntaxError: " in caught.value.what


def test_error_in_a_module_of_the_car(tmp_path: Path) -> None:
    """The line is in the configuration file, not in the module that it called."""
    write(tmp_path / "bad_module_of_this_test.py", "\n\n\n\ndef divide():\n    return 1 / 0\n")
    path = write(tmp_path / "config.py", "import bad_module_of_this_test as bad\nX = bad.divide()\n")
    with pytest.raises(ConfigFailed) as caught:
        read_config(str(tmp_path))
    assert caught.value.what == (
        path + " cannot be loaded because of an error in line 2: ZeroDivisionError: division by zero"
    )
    assert caught.value.__cause__ is not None


def test_error_in_a_function_of_the_file(tmp_path: Path) -> None:
    """If several lines of the file led to an error, the one that raised it is reported."""
    path = write(tmp_path / "config.py", "def divide():\n    return 1 / 0\nX = divide()\n")
    with pytest.raises(ConfigFailed) as caught:
        read_config(str(tmp_path))
    assert caught.value.what == (
        path + " cannot be loaded because of an error in line 2: ZeroDivisionError: division by zero"
    )


def test_null_byte(tmp_path: Path) -> None:
    """A file of NUL bytes, as a power cut may leave it, is an error without a line."""
    path = write(tmp_path / "config.py", "\0\0\0\0")
    with pytest.raises(ConfigFailed) as caught:
        read_config(str(tmp_path))
    assert caught.value.what.startswith(path)
    assert "null bytes" in caught.value.what
