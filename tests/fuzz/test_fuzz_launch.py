"""launch.json in the bucket, which every car with a key to the bucket can replace."""

import os

import pytest

pytest.importorskip("donkeycar", reason="a car's donkeycar")

from fuzz_car import (
    JOB,
    LAUNCH,
    LEDGER,
    place,  # noqa: F401 - a fixture
    spoil,
)
from fuzzing import needs_fence, repeat

pytestmark = [pytest.mark.minutes, needs_fence]
COUNT = 220


def test_launch_file(place):  # noqa: F811
    """A job is followed only if it makes the files of a model in this car's models folder."""

    def check_launch(dice, made):
        place.reset()
        os.remove(str(place.car / LEDGER))
        made.append(spoil(place, LAUNCH, dice))
        verb = dice.choice((["train", f"--attach={JOB}"], ["train", "--attach"], ["stop", JOB]))
        code, _, _ = place.run(*verb)
        place.check_models()
        assert "is damaged" not in place.run("jobs")[1]
        if code == 0 and verb[0] == "train":
            names = [name for name in os.listdir(str(place.car / "models")) if name.endswith(".tflite")]
            assert names == ["pilot.tflite"] and place.is_installed()

    repeat(check_launch, COUNT)
