"""Damaged and hostile tubs, in folders on the car and in zips in the container."""

import io
import json
import os
import shutil
import zipfile

import pytest

pytest.importorskip("donkeycar", reason="a car's donkeycar")

from donkey_sagemaker.errors import BadInput
from donkey_sagemaker.tubs.files import FolderFiles, tubs_in_shards
from donkey_sagemaker.tubs.paths import find_tubs
from donkey_sagemaker.tubs.reader import read_tub
from donkey_sagemaker.tubs.shards import PackReport, pack
from fuzz_car import place  # noqa: F401 - a fixture
from fuzzing import VICTIM, fence, needs_fence, repeat
from mutations import mutate_bytes, mutate_json, spoil_file
from tub_factory import make_v1, make_v2

pytestmark = [pytest.mark.minutes, needs_fence]
FOLDERS, ZIPS, COMMANDS = 350, 150, 30


def write_tub(folder, layout):
    shutil.rmtree(folder, ignore_errors=True)
    (make_v1 if layout == "v1" else make_v2)(folder, 4)
    if layout == "v1":
        with open(os.path.join(folder, "exclude.json"), "w") as file:
            file.write("[1]")


def spoil_tub(folder, layout, dice, *, outside):
    """Changes one of the tub's files; returns what was changed."""
    files = [os.path.join(top, name) for top, _, names in os.walk(folder) for name in names]
    path = dice.choice(sorted(files))
    if (
        dice.random() < 0.35
        or not os.path.isfile(path)
        or os.path.islink(path)
        or os.path.getsize(path) > 2**20
    ):
        return spoil_file(path, dice, outside=outside)
    with open(path, "rb") as file:
        text = file.read()
    name = os.path.basename(path)
    try:
        text, made = mutate_line(name, text, dice) if "json" in name or "cat" in name[:3] else (text, "")
    except ValueError:  # it is damaged already
        made = ""
    if not made:
        text, made = mutate_bytes(text, dice)
    with open(path, "wb") as file:
        file.write(text)
    return f"{name}: {made}"


def mutate_line(name, text, dice):
    """Changes one line of JSON; of a manifest mostly the last, which is the one that counts."""
    lines = text.splitlines()
    number = len(lines) - 1 if dice.random() < 0.5 else dice.randrange(len(lines))
    lines[number], made = mutate_json(json.loads(lines[number].decode()), dice)
    return b"\n".join(lines) + b"\n", f"line {number + 1}: {made}"


def read_all(tub, report):
    tub.estimate_records()
    records = tub.records
    assert len(records) <= 5 and all(abs(each.angle) < 1e309 for each in records)
    return [shard.body for shard in pack(tub, report=report, size=(16, 12))]


def test_folders(place):  # noqa: F811
    """What cannot be used is set aside, and nothing from outside of the tub is packed."""
    place.reset()
    folder = str(place.car / "data")

    def check_folder(dice, made):
        layout = dice.choice(("v1", "v2", "v2"))
        write_tub(folder, layout)
        for _ in range(dice.choice((1, 1, 2))):
            made.append(f"{layout} {spoil_tub(folder, layout, dice, outside=place.victim)}")
        with fence.around(place.temporary):
            try:
                report = PackReport()
                for found in find_tubs("", default=folder, car_path=str(place.car)):
                    tub = read_tub(FolderFiles(found.path), name=found.name, path=found.path)
                    for body in read_all(tub, report):
                        assert VICTIM.encode() not in body
            except BadInput as error:
                made.append(error.what)
        place.check_outside()

    repeat(check_folder, FOLDERS)


def test_commands(place):  # noqa: F811
    """Both commands that read a tub end with a message."""
    folder = str(place.car / "data")

    def check_command(dice, made):
        place.reset()
        layout = dice.choice(("v1", "v2"))
        write_tub(folder, layout)
        made.append(f"{layout} {spoil_tub(folder, layout, dice, outside=place.victim)}")
        place.run(*dice.choice((["doctor"], ["train", "--dry-run"])))

    repeat(check_command, COMMANDS)


NAMES = (
    "/x",
    "../../victim",
    "a\\b",
    "C:/x",
    "x\0y",
    "tub/../x",
    "tub//catalog_0.catalog",
    "\u202e",
    "a" * 5000,
)


def make_zip(folder, dice):
    """(bytes of a zip with the tub, what was changed in it)."""
    buffer, made = io.BytesIO(), []
    with zipfile.ZipFile(buffer, "w", dice.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for top, _, names in os.walk(folder):
            for name in names:
                inside = os.path.join("tub", os.path.relpath(os.path.join(top, name), folder))
                if dice.random() < 0.1:
                    inside = dice.choice((*NAMES, inside))
                    made.append(f"{name} as {inside[:40]!r}")
                with open(os.path.join(top, name), "rb") as file:
                    archive.writestr(inside, file.read())
    data = buffer.getvalue()
    for _ in range(dice.choice((0, 1, 1, 3))):
        data, change = mutate_bytes(data, dice)
        made.append(change)
    return data, "; ".join(made)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_zips(place):  # noqa: F811
    """The zips of a job's channel, as the trainer reads them."""
    place.reset()
    folder, path = str(place.car / "data"), str(place.car / "shard.zip")

    def check_zip(dice, made):
        layout = dice.choice(("v1", "v2"))
        write_tub(folder, layout)
        made.append(spoil_tub(folder, layout, dice, outside=path) if dice.random() < 0.2 else layout)
        leave_plain_files(folder)
        data, change = make_zip(folder, dice)
        made.append(change)
        with open(path, "wb") as file:
            file.write(data)
        with fence.around(place.temporary):
            try:
                for name, files in tubs_in_shards([path]).items():
                    read_all(read_tub(files, name=name), PackReport())
            except BadInput as error:
                made.append(error.what)

    repeat(check_zip, ZIPS)


def leave_plain_files(folder):
    """Removes what cannot be in a zip: a pipe, a device, a link, or a file without an end."""
    for top, folders, names in os.walk(folder):
        for name in folders + names:
            each = os.path.join(top, name)
            if os.path.islink(each) or not (os.path.isdir(each) or os.path.isfile(each)):
                os.remove(each)
            elif os.path.isfile(each) and os.path.getsize(each) > 2**20:
                os.truncate(each, 10)
