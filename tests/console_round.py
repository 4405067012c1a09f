"""What a finger does on the console, for every generation of donkeycar alike."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from phone import Phone

LIMIT_S = 300.0
QUICK = (
    '\nSAGEMAKER_BACKEND = "local"\nMAX_EPOCHS = 1\nBATCH_SIZE = 16\nSAGEMAKER_DRIVING_PROOF = False\n'
    'SAGEMAKER_INSTALL = "always"\n'
)
RECORDS = 400
HERE = os.path.dirname(os.path.abspath(__file__))


def prepare(car: Path, *, layout: str = "v2", python: str = sys.executable) -> None:
    """Gives a fresh car a tub, and trainings of one epoch whose models are installed."""
    shutil.rmtree(str(car / "data"))
    draw = [
        python,
        os.path.join(HERE, os.pardir, "demo", "draw_tub.py"),
        "--records",
        str(RECORDS),
        "--sessions",
        "1",
    ]
    subprocess.check_call(draw + ["--layout", layout, "--out", str(car / "data")], stdout=subprocess.DEVNULL)
    with open(str(car / "myconfig.py"), "a") as file:
        file.write(QUICK)


def wait_for_success(phone: Phone, text: str) -> None:
    """Until a command has ended with that; at once if it has failed."""
    phone.wait_until(
        lambda: text in phone.text() or "It did not succeed" in phone.text(),
        "the command does not end",
        limit_s=LIMIT_S,
    )
    assert text in phone.text(), phone.text()


def train_the_first_model(phone: Phone, address: str) -> str:
    """From opening the page to an installed model; returns its name."""
    phone.open(address)
    phone.wait_for(f"{RECORDS} records in 1 tub")
    phone.tap_to_go("Train")
    phone.tap_to_go("Start the training")
    wait_for_success(phone, "manage.py drive --model models/pilot_")
    assert phone.taps <= 5
    return installed_name(phone)


def installed_name(phone: Phone) -> str:
    """Of the model that the page is about."""
    return re.findall(r"(pilot_[0-9_-]+) is installed\.", phone.text())[0]


def clean(phone: Phone) -> None:
    """Taps on a picture to look closer, then on the first and the last record of a stretch; and undoes it."""
    phone.tap_to_go("Tubs")
    phone.tap_to_go("data")
    phone.tap_to_go("40")
    assert "Records 22 to 61" in phone.text()
    phone.tap_to_go("30")
    phone.tap_to_go("39")
    phone.tap_to_go("Delete these records")
    wait_for_success(phone, "390 records, 10 deleted")  # which follows what the command prints
    assert "10 records to delete: 30-39" in phone.text()
    phone.tap_to_go("Undo the last deletion")
    wait_for_success(phone, ": 10 records restored")


def train_in_the_place_of(phone: Phone, name: str, car: Path) -> None:
    """Trains longer, and replaces the first model."""
    with open(str(car / "myconfig.py"), "a") as file:
        file.write("BATCH_SIZE = 12\n")  # otherwise, if the first epoch stayed the best, it is the same model
    phone.tap_to_go("Train")
    phone.tap("More choices")
    phone.type("select[name=model]", name)
    phone.type("input[name=epochs]", "2")
    phone.tap_to_go("Start the training")
    wait_for_success(phone, "is installed.")


def compare(phone: Phone, name: str) -> None:
    """Drives both on the same pictures, looks at these, and comes back."""
    phone.tap_to_go("Models")
    phone.tap(f"compare {name}~1")
    phone.tap(f"compare {name}")
    phone.tap_to_go("Compare the two")
    phone.tap_to_go("Drive both on the same pictures")
    wait_for_success(phone, "validation pictures of")
    phone.tap_to_go("The pictures")
    assert "Where they differ most" in phone.text()
    phone.run("history.back()")
    phone.wait_for("Drive both on the same pictures")


def bring_back(phone: Phone, name: str) -> None:
    """Brings the first model back."""
    phone.tap_to_go("Models")
    phone.tap_to_go(name)
    phone.tap_to_go("Bring the version before it back")
    wait_for_success(phone, f"Restored models/{name}")
