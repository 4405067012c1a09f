"""The pilot database: adding an entry to models/database.json loses nothing."""

import itertools
import json
import os
import pathlib
import re
import subprocess
from typing import Any, Callable, Dict, List, Optional, Tuple

import pytest

from donkey_sagemaker.car.database import (
    Added,
    DatabaseNotWritten,
    add_entry,
    make_entry,
    put_entry_first,
    read_numbers,
)

CONFIG = {
    "IMAGE_W": 160,
    "TRANSFORMATIONS": ["CROP"],
    "POST_TRANSFORMATIONS": [],
    "ROI_CROP_TOP": 45,
    "SEQUENCE_LENGTH": 3,
    "TRAIN_FILTER": len,
}


_later = itertools.count(1600000001)


def entry_of(name: str = "pilot", *, version: Tuple[int, int] = (5, 3), **changes: Any) -> Dict[str, Any]:
    values: Dict[str, Any] = {
        "model_path": f"/car/models/{name}.h5",
        "model_type": "tflite_linear",
        "pilot": "KerasLinear",
        "tub_paths": ["/car/data", "/car/tub_2"],
        "time_s": next(_later),
        "history": {"loss": [0.5, 0.25], "val_loss": [0.75, 0.5]},
        "transfer": "/car/models/older.h5",
        "comment": None,
        "config": CONFIG,
        "donkeycar_version": version,
    }
    values.update(changes)
    return make_entry(**values)


def names_and_numbers(path: str) -> List[Tuple[str, int]]:
    with open(path) as file:
        return [(entry["Name"], entry["Number"]) for entry in json.load(file)]


@pytest.fixture
def path(tmp_path: pathlib.Path) -> str:
    return str(tmp_path / "database.json")


def test_an_entry_of_a_new_car() -> None:
    """From 5.2 on, an entry has the pilot and its type, and the config as an object."""
    assert entry_of(version=(5, 2), time_s=1600000000.25) == {
        "Name": "pilot",
        "Pilot": "KerasLinear",
        "Type": "linear",
        "Tubs": "/car/data,/car/tub_2",
        "Time": 1600000000.25,
        "History": {"loss": [0.5, 0.25], "val_loss": [0.75, 0.5]},
        "Transfer": "older.h5",
        "Comment": None,
        "Config": CONFIG,
    }


def test_an_entry_of_5_0() -> None:
    """Before 5.2, the type is the name of the pilot's class."""
    entry = entry_of(version=(5, 1))
    assert "Pilot" not in entry
    assert entry["Type"] == "KerasLinear"
    assert entry["Config"] == CONFIG


def test_an_entry_of_4_5() -> None:
    """Before 5.0, the config is the text of a sorted list of pairs."""
    entry = entry_of(version=(4, 5), config={"B": "x", "A": 1}, transfer=None)
    assert entry["Config"] == "[('A', 1), ('B', 'x')]"
    assert entry["Transfer"] is None


def test_the_first_entry(path: str) -> None:
    """A new database starts with number 0, in donkeycar's order of keys. Other objects are marked."""
    assert add_entry(path, entry_of()) == Added(0, None)
    with open(path) as file:
        text = file.read()
    assert list(json.loads(text)[0]) == (
        "Number Name Pilot Type Tubs Time History Transfer Comment Config".split()
    )
    assert json.loads(text)[0]["Config"]["TRAIN_FILTER"] == "<not serializable>"
    assert text.startswith('[\n    {\n        "Number": 0,\n        "Name": "pilot",\n')


def test_other_entries_do_not_change(path: str) -> None:
    """Unknown fields, numbers of any size, NaN, non-ASCII letters and the order of keys are preserved."""
    before = (
        '[\n    {\n        "Name": "b",\n        "Number": 123456789012345678901234567890,\n'
        '        "mine": {\n            "x": [\n                NaN,\n                -Infinity,\n'
        "                1e-07,\n                0.1\n            ]\n        },\n"
        '        "note": "\\u00fcber \\ud83d"\n    }'
    )
    with open(path, "w") as file:
        file.write(before + "\n]")
    assert add_entry(path, entry_of()) == Added(123456789012345678901234567891, None)
    with open(path) as file:
        assert file.read().startswith(before + ",\n    {\n")


def test_invalid_numbers_are_ignored(path: str) -> None:
    """The next number is one more than the highest whole number. True is not a number."""
    with open(path, "w") as file:
        json.dump([{"Number": number} for number in (0, 4, "9", None, 7.5, True, [8])] + [{}], file)
    assert read_numbers(path) == [0, 4]
    assert add_entry(path, entry_of()).number == 5


def test_a_pilot_that_is_trained_again_is_found_first(path: str) -> None:
    """donkeycar uses the first entry with a name. So the new entry goes in front of the old one."""
    for name in ("a", "pilot", "b", "pilot"):
        add_entry(path, entry_of(name))
    assert names_and_numbers(path) == [("a", 0), ("pilot", 3), ("pilot", 1), ("b", 2)]


def test_the_entry_of_a_version_that_came_back_is_the_first(path: str) -> None:
    """donkeycar uses the first entry with a name; all others stay in their order."""
    for number, name in enumerate(("pilot", "a", "pilot", "pilot")):
        add_entry(path, entry_of(name, time_s=float(number)))
    assert names_and_numbers(path) == [("pilot", 3), ("pilot", 2), ("pilot", 0), ("a", 1)]
    assert put_entry_first(path, "pilot", time_s=0.0)
    assert names_and_numbers(path) == [("pilot", 0), ("pilot", 3), ("pilot", 2), ("a", 1)]
    assert put_entry_first(path, "pilot", time_s=0.0)
    assert names_and_numbers(path) == [("pilot", 0), ("pilot", 3), ("pilot", 2), ("a", 1)]


@pytest.mark.parametrize("time_s", [None, 99.0])
def test_the_entry_of_an_unknown_version(path: str, time_s: Optional[float]) -> None:
    """No job of this car has made it: the two newest are swapped, and swapped back."""
    for number, name in enumerate(("pilot", "a", "pilot", "pilot")):
        add_entry(path, entry_of(name, time_s=float(number)))
    assert put_entry_first(path, "pilot", time_s=time_s)
    assert names_and_numbers(path) == [("pilot", 2), ("pilot", 3), ("pilot", 0), ("a", 1)]
    assert put_entry_first(path, "pilot", time_s=time_s)
    assert names_and_numbers(path) == [("pilot", 3), ("pilot", 2), ("pilot", 0), ("a", 1)]


@pytest.mark.parametrize("content", [None, b"[{", b"[]", b'[{"Name": "pilot"}, {"Name": "a"}]'])
def test_a_name_without_a_previous_entry(path: str, content: Optional[bytes]) -> None:
    """Nothing is written if there are fewer than two entries, or if the file cannot be parsed."""
    if content is not None:
        with open(path, "wb") as file:
            file.write(content)
    assert not put_entry_first(path, "pilot", time_s=None)
    if content is None:
        assert not os.path.exists(path)
    else:
        with open(path, "rb") as file:
            assert file.read() == content


@pytest.mark.parametrize(
    "content",
    [b"[{", b"{}", b"[1]", b"\xff\xfe[", b"[" * 200000, b""],
    ids=["cut off", "not a list", "not entries", "not UTF-8", "deep", "empty"],
)
def test_an_unreadable_database_is_kept(path: str, content: bytes) -> None:
    """An exact copy of it is kept next to the new one, and a second copy does not overwrite the first."""
    kept = []
    for _ in range(2):
        with open(path, "wb") as file:
            file.write(content)
        assert read_numbers(path) == []
        added = add_entry(path, entry_of())
        assert added.number == 0 and added.unreadable_path
        assert re.fullmatch(
            r"database\.json\.unreadable-\d{8}-\d{6}(-again)?", os.path.basename(added.unreadable_path)
        )
        kept.append(added.unreadable_path)
    assert names_and_numbers(path) == [("pilot", 0)]
    assert len(set(kept)) == 2
    for kept_path in kept:
        with open(kept_path, "rb") as file:
            assert file.read() == content


def test_a_byte_order_mark(path: str) -> None:
    """Some editors on Windows add one."""
    with open(path, "wb") as file:
        file.write(b'\xef\xbb\xbf[{"Number": 3, "Name": "x"}]')
    assert add_entry(path, entry_of()) == Added(4, None)


def test_an_entry_without_a_number(path: str) -> None:
    """It is found again by its name and time, and not written twice."""
    with open(path, "w") as file:
        json.dump([{name: entry_of()[name] for name in ("Name", "Time")}], file)
    assert add_entry(path, entry_of()) == Added(0, None)


def test_a_database_that_cannot_be_read_or_written(path: str) -> None:
    """The message contains the path and a fix."""
    os.mkdir(path)
    for work in (
        lambda: add_entry(path, entry_of()),
        lambda: read_numbers(path),
        lambda: put_entry_first(path, "pilot", time_s=None),
    ):
        with pytest.raises(DatabaseNotWritten) as caught:
            work()
        assert re.fullmatch(
            re.escape(path) + r" could not be read or written: (Is a directory|Permission denied)\.",
            caught.value.what,
        )
        assert caught.value.fix == f"Give this user read and write access to {path}."


# -- donkeycar itself reads the database --------------------------------------------------------------------

READ_IT = """
import json, sys
from donkeycar.config import Config
from donkeycar.pipeline import database
cfg = Config()
cfg.MODELS_PATH, cfg.ROI_CROP_TOP, cfg.TRANSFORMATIONS, cfg.IMAGE_W = sys.argv[1], 0, [], 80
pilots = database.PilotDatabase(cfg)
table = pilots.to_df()
update = getattr(database, "update_config_from_database", None)
model_type = update(cfg, "models/pilot.tflite", "categorical") if update else None
result = {
    "numbers": [int(number) for number in table.index],
    "type": table["Type"].tolist()[0],
    "texts": [text for grouped in (False, True) for text in pilots.pretty_print(grouped)[:2]],
    "model_type": model_type,
    "config": [cfg.ROI_CROP_TOP, cfg.TRANSFORMATIONS, cfg.IMAGE_W],
    "next": pilots.generate_model_name()[1],
}
pilots.add_entry(dict(pilots.entries[0], Number=result["next"], Name="by donkeycar"))
pilots.write()
print("result " + json.dumps(result))
"""


def test_the_entry_of_one_training_is_not_added_twice(path: str) -> None:
    """After a power cut, the same command may run again although its entry was already written."""
    entry = entry_of()
    assert add_entry(path, entry_of("other")) == Added(0, None)
    assert add_entry(path, entry) == Added(1, None)
    assert add_entry(path, entry) == Added(1, None)
    assert names_and_numbers(path) == [("other", 0), ("pilot", 1)]


@pytest.mark.generations
@pytest.mark.parametrize(
    "generation, version, type_in_table",
    [("dk50", (5, 0), "KerasLinear"), ("dk53", (5, 3), "linear"), ("dk54", (5, 4), "linear")],
)
def test_donkeycar_reads_it(
    tmp_path: pathlib.Path,
    path: str,
    generation_python: Callable[[str], str],
    generation: str,
    version: Tuple[int, int],
    type_in_table: str,
) -> None:
    """Each generation lists the pilots, continues the numbers, and finds the newest type and config."""
    old_config = dict(CONFIG, ROI_CROP_TOP=1)
    add_entry(path, entry_of(version=version, config=old_config, model_type="rnn", tub_paths=["/car/data"]))
    add_entry(path, entry_of("other", version=version, comment="wet track"))
    add_entry(path, entry_of(version=version))
    run = subprocess.run(
        [generation_python(generation), "-c", READ_IT, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout.split("result ")[-1])
    assert result["numbers"] == [2, 0, 1]
    assert result["type"] == type_in_table
    assert all("wet track" in result["texts"][at] and "older" in result["texts"][at] for at in (0, 2))
    assert result["next"] == 3
    if version >= (5, 4):
        assert result["model_type"] == "tflite_linear"
        assert result["config"] == [45, ["CROP"], 80]
    assert names_and_numbers(path)[-1] == ("by donkeycar", 3)
    assert add_entry(path, entry_of("after", version=version)) == Added(4, None)
