"""Damaged and foreign files in a car's `.sagemaker` and models: reported and skipped, never fatal."""

import pytest

pytest.importorskip("donkeycar", reason="a car's donkeycar")

from fuzz_car import (
    BACKUP,
    BACKUP_LIST,
    DATABASE,
    HISTORY,
    JOB,
    LEDGER,
    LOCAL_JOB,
    OLDER_JOB,
    STATE,
    fuzz_file,
    place,  # noqa: F401 - a fixture
)
from fuzzing import needs_fence, repeat

pytestmark = [pytest.mark.minutes, needs_fence]

ATTACH, STOP = ["train", "--attach"], ["stop"]
JOBS, SUM, MODELS, ROLLBACK = ["jobs"], ["jobs", "--sum"], ["models"], ["rollback"]
JSON = ["models", "--json"]


def test_nothing_wrong(place):  # noqa: F811
    """The car's model is replaced, so that the other tests can fail."""
    place.reset()
    assert place.run(*ATTACH)[0] == 0
    assert place.is_installed()
    for verb in (JOBS, SUM, MODELS, ROLLBACK):
        assert place.run(*verb)[0] == 0


FILES = {
    "ledger": (LEDGER, [JOBS, SUM, ATTACH, STOP, MODELS], 250),
    "ended": (f"{STATE}/jobs/{OLDER_JOB}.json", [JOBS, SUM, ATTACH, MODELS, JSON], 120),
    "backup": (f"{BACKUP}/previous.json", [ROLLBACK, ["rollback", "pilot"], MODELS, ATTACH], 120),
    "interrupted": (f"{BACKUP}/pending.json", [ROLLBACK, ["rollback", "pilot"], ATTACH], 120),
    "database": (DATABASE, [MODELS, JSON, ROLLBACK, ATTACH], 150),
    "history": (HISTORY, [MODELS], 100),
    "job": (f"{LOCAL_JOB}/job.json", [JOBS, STOP, ATTACH], 150),
    "request": (f"{LOCAL_JOB}/request.json", [JOBS, STOP, ATTACH], 40),
    "log": (f"{LOCAL_JOB}/log", [ATTACH], 10),
    "alive": (f"{LOCAL_JOB}/alive", [JOBS, STOP, ATTACH], 30),
    "lock": (f"{STATE}/lock", [ROLLBACK, ATTACH], 60),
    "car id": (f"{STATE}/car_id", [ATTACH, JOBS], 30),
    "incoming": (f"{STATE}/incoming/{JOB}", [ATTACH], 30),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_the_car(place, name):  # noqa: F811
    path, verbs, count = FILES[name]
    content = BACKUP_LIST if name == "interrupted" else None
    repeat(fuzz_file(place, path, verbs, content=content), count)
