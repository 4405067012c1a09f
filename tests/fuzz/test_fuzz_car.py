"""Damaged and foreign files in a car's `.sagemaker` and models: reported and skipped, never fatal."""

import pytest

pytest.importorskip("donkeycar", reason="a car's donkeycar")

from fuzz_car import (
    BACKUP,
    BACKUP_LIST,
    CAR_ID,
    DATABASE,
    ENTRIES,
    HISTORY,
    JOB,
    LEDGER,
    LOCAL_JOB,
    OLDER_JOB,
    REQUEST,
    STATE,
    STATE_OF_JOB,
    fuzz_file,
    ledger_entry,
    older_entry,
    place,  # noqa: F401 - a fixture
)
from fuzzing import needs_fence, repeat

pytestmark = [pytest.mark.minutes, needs_fence]

ATTACH, STOP = ["train", "--attach"], ["stop"]
JOBS, SUM, MODELS, ROLLBACK = ["jobs"], ["jobs", "--sum"], ["models"], ["rollback"]


def test_nothing_wrong(place):  # noqa: F811
    """The car's model is replaced, so that the other tests can fail."""
    place.reset()
    assert place.run(*ATTACH)[0] == 0
    assert place.is_installed()
    for verb in (JOBS, SUM, MODELS, ROLLBACK):
        assert place.run(*verb)[0] == 0


FILES = {
    "ledger": (LEDGER, ledger_entry, [JOBS, SUM, ATTACH, STOP, MODELS], 250),
    "ended": (f"{STATE}/jobs/{OLDER_JOB}.json", older_entry, [JOBS, SUM, ATTACH, MODELS], 120),
    "backup": (f"{BACKUP}/previous.json", BACKUP_LIST, [ROLLBACK, ["rollback", "pilot"], ATTACH], 120),
    "interrupted": (f"{BACKUP}/pending.json", BACKUP_LIST, [ROLLBACK, ["rollback", "pilot"], ATTACH], 120),
    "database": (DATABASE, ENTRIES, [MODELS, ROLLBACK, ATTACH], 150),
    "history": (HISTORY, {"loss": [0.5], "val_loss": [0.5, 0.25]}, [MODELS], 100),
    "job": (f"{LOCAL_JOB}/job.json", STATE_OF_JOB, [JOBS, STOP, ATTACH], 150),
    "request": (f"{LOCAL_JOB}/request.json", REQUEST, [JOBS, STOP, ATTACH], 40),
    "log": (f"{LOCAL_JOB}/log", b"[donkey] epoch=1/2 loss=0.5 val_loss=0.5\n", [ATTACH], 10),
    "alive": (f"{LOCAL_JOB}/alive", b"", [JOBS, STOP, ATTACH], 30),
    "lock": (f"{STATE}/lock", {"process": 1, "purpose": "x", "since": 1.0}, [ROLLBACK, ATTACH], 60),
    "car id": (f"{STATE}/car_id", CAR_ID.encode(), [ATTACH, JOBS], 30),
    "incoming": (f"{STATE}/incoming/{JOB}", b"", [ATTACH], 30),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_the_car(place, name):  # noqa: F811
    path, value, verbs, count = FILES[name]
    if callable(value):
        value = value(str(place.car / "models"))
    repeat(fuzz_file(place, path, value, verbs), count)
