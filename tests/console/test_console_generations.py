"""The console in cars of 2018 and of today, whose tornado is 4.5 and 6."""

import os
import subprocess
from pathlib import Path
from typing import Callable

import pytest

from console_process import ConsoleProcess
from console_round import (
    bring_back,
    clean,
    compare,
    prepare,
    train_in_the_place_of,
    train_the_first_model,
)
from phone import Phone

pytestmark = pytest.mark.generations


@pytest.mark.parametrize(
    "environment, template, layout", [("dk22", "donkey2", "v1"), ("dk54", "complete", "v2")]
)
def test_the_whole_round_in_every_generation(
    environment: str,
    template: str,
    layout: str,
    tmp_path: Path,
    create_car: Callable[..., Path],
    generation_python: Callable[[str], str],
    chromium: str,
) -> None:
    """Five taps to an installed model, started as its owner does; clean, train again, compare, roll back."""
    python = generation_python(environment)
    car = create_car(tmp_path / "mycar", python=python, template=template)
    prepare(car, layout=layout)
    install = [os.path.join(os.path.dirname(python), "donkey-sagemaker"), "install", "--path", str(car)]
    subprocess.check_call(install, stdout=subprocess.DEVNULL)
    console = ConsoleProcess(car, python=python, program=("manage.py", "sagemaker-console"))
    phone = Phone(chromium)
    try:
        name = train_the_first_model(phone, console.enter)
        clean(phone)
        train_in_the_place_of(phone, name, car)
        compare(phone, name)
        bring_back(phone, name)
        assert phone.errors == []
    finally:
        phone.close()
        assert console.end() == 0
