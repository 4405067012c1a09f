"""The file that SAGEMAKER_CAR names, which comes from another machine."""

import pytest

pytest.importorskip("donkeycar", reason="a car's donkeycar")

from fuzz_car import (
    SETTINGS,
    place,  # noqa: F401 - a fixture
    spoil,
    write,
)
from fuzzing import needs_fence, repeat

pytestmark = [pytest.mark.minutes, needs_fence]
COUNT = 150
RUNTIME = {
    "python": "3.11.2",
    "machine": "aarch64",
    "versions": {"donkeycar": "5.3.0", "tensorflow": "2.15.1", "numpy": "1.26.4"},
}
NAMES = ("donkeycar 5.3", "tensorflow 2.15", "python 3.11", "machine aarch64", "tflite-runtime 2.14")


def test_runtime_file(place):  # noqa: F811
    """It describes a car, or the message says what is wrong with it."""

    def check_runtime(dice, made):
        place.reset()
        write(place.car, "myconfig.py", (SETTINGS + 'SAGEMAKER_CAR = "car.json"\n').encode())
        write(place.car, "car.json", RUNTIME)
        made.append(spoil(place, "car.json", dice))
        place.run(*dice.choice((["doctor"], ["doctor", "--json"], ["train", "--attach"])))
        place.check_models()

    repeat(check_runtime, COUNT)
