"""Damaged and hostile archives: nothing is written elsewhere, and nothing unchecked is installed."""

import json
import os

import pytest

pytest.importorskip("donkeycar", reason="a car's donkeycar")

from donkey_sagemaker.car.archive import ArchiveRejected, unpack
from fuzz_car import (
    ARCHIVE,
    JOB,
    LEDGER,
    OLDER_JOB,
    STATE,
    artifact,
    members,
    pack,
    place,  # noqa: F401 - a fixture
    write,
)
from fuzzing import fence, needs_fence, repeat
from mutations import mutate_archive, mutate_json, spoil_file

pytestmark = [pytest.mark.minutes, needs_fence]
UNPACKED, INSTALLED = 350, 150


def make_archive(dice):
    """(content, what was changed): in artifact.json, in the tar, or in both."""
    text, made = b"", ""
    if dice.random() < 0.5:
        text, made = mutate_json(artifact(), dice)
        made = "artifact.json: " + made
    if text and dice.random() < 0.8:
        return pack(members(text)), made
    body, changes = mutate_archive(members(text), dice)
    return body, f"{made} {changes}"


def test_unpack(place):  # noqa: F811
    """An archive is rejected with a reason, or every file in it is one that artifact.json lists."""
    place.reset()
    folder = place.car / "unpacked"

    def check_unpack(dice, made):
        body, changes = make_archive(dice)
        made.append(changes)
        write(place.car, "model.tar.gz", body)
        try:
            with fence.around(str(folder)):
                unpacked = unpack(str(place.car / "model.tar.gz"), str(folder), max_bytes=2**24)
        except ArchiveRejected as error:
            assert len(error.what) < 3000
            assert not os.path.lexists(str(folder))
        else:
            found = {os.path.join(top, name) for top, _, names in os.walk(str(folder)) for name in names}
            listed = {file.path for file in unpacked.files} or {model.path for model in unpacked.models}
            assert listed <= found
            assert not any(os.path.islink(path) or not os.path.isfile(path) for path in found)
            assert not unpacked.files or found - listed == {str(folder / "artifact.json")}
        place.reset()

    repeat(check_unpack, UNPACKED)


def test_install(place):  # noqa: F811
    """The car has its old model afterwards or the one that was driven, and a ledger that can be read."""

    def check_install(dice, made):
        place.reset()
        if dice.random() < 0.15:
            made.append(spoil_file(str(place.car / ARCHIVE), dice, outside=place.victim))
        else:
            body, changes = make_archive(dice)
            made.append(changes)
            write(place.car, ARCHIVE, body)
        code, _, _ = place.run("train", "--attach")
        place.check_models()
        assert (code == 0) == place.is_installed()
        state = json.loads((place.car / LEDGER).read_text())["state"]
        assert code != 0 or state == "installed"
        assert "is damaged" not in place.run("jobs")[1]
        assert os.path.exists(str(place.car / STATE / "jobs" / f"{OLDER_JOB}.json"))
        assert code != 0 or not os.path.exists(str(place.car / STATE / "incoming" / JOB))

    repeat(check_install, INSTALLED)
