"""The console in cars of 2018 and of today, whose tornado is 4.5 and 6."""

import os
import subprocess
from pathlib import Path
from typing import Callable

import pytest

from console_process import ConsoleProcess
from console_round import clean, prepare, train_the_first_model
from phone import Phone

pytestmark = pytest.mark.generations


@pytest.mark.parametrize(
    "environment, template, layout", [("dk22", "donkey2", "v1"), ("dk54", "complete", "v2")]
)
def test_to_an_installed_model(
    environment: str,
    template: str,
    layout: str,
    tmp_path: Path,
    create_car: Callable[..., Path],
    generation_python: Callable[[str], str],
    chromium: str,
) -> None:
    """In five taps from a fresh car, started as its owner does; and the tub is cleaned."""
    python = generation_python(environment)
    car = create_car(tmp_path / "mycar", python=python, template=template)
    prepare(car, layout=layout)
    install = [os.path.join(os.path.dirname(python), "donkey-sagemaker"), "install", "--path", str(car)]
    subprocess.check_call(install, stdout=subprocess.DEVNULL)
    console = ConsoleProcess(car, python=python, program=("manage.py", "sagemaker-console"))
    phone = Phone(chromium)
    try:
        train_the_first_model(phone, console.enter)
        clean(phone)
        assert phone.errors == []
    finally:
        phone.close()
        assert console.end() == 0
