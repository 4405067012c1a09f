"""The hook in manage.py and what it calls, each time in a new Python process."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import donkey_sagemaker
from donkey_sagemaker.car import manage_py

DOC = '''"""
My car.

Usage:
    manage.py (drive) [--js]

Options:
    --js
"""
'''
PRINT_DOC = "print(repr(__doc__))\n"
SECTION = """AWS SageMaker (options: `manage.py sagemaker-VERB --help`):
  sagemaker-tubs      Review the recorded driving, and delete what would spoil a model.
  sagemaker-train     Train a model from tubs, check it and install it.
  sagemaker-tune      Try other settings, and install the model that drives best.
  sagemaker-models    List this car's trainings and how good their models are, or compare two.
  sagemaker-follow    Install the models of this car's jobs as soon as they are ready.
  sagemaker-jobs      List this car's jobs: name, state, model, time, cost.
  sagemaker-stop      Stop a job and keep what it has learned.
  sagemaker-rollback  Bring an earlier version of a model back.
  sagemaker-console   Serve all of this as a page for a phone.
  sagemaker-doctor    Check everything that a training needs, and show how to fix what is wrong.
  sagemaker-setup     Create what is needed on AWS, update it, or delete it.
  sagemaker-image     Build and push a training image for this car's donkeycar.
"""
STUB_CLI = """
import sys
def main(argv, *, car_path, program):
    print(argv, car_path, program)
    return 7
"""


class Ended(NamedTuple):
    code: int
    out: str
    err: str


def run(car_path: Path, *arguments: str, packages: Path, cwd: str = os.curdir) -> Ended:
    """Starts the car's manage.py with a folder of packages on its path."""
    process = subprocess.Popen(
        [sys.executable, "-B", os.path.relpath(str(car_path / "manage.py"), cwd)] + list(arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        cwd=cwd,
        env=dict(os.environ, PYTHONPATH=str(packages)),
    )
    out, err = process.communicate()
    return Ended(process.returncode, out, err)


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder with the package's __init__.py and a cli that prints how it was called."""
    package = tmp_path / "packages" / "donkey_sagemaker"
    package.mkdir(parents=True)
    shutil.copy(donkey_sagemaker.__file__, str(package))
    (package / "cli.py").write_text(STUB_CLI)
    return package.parent


def make_car(tmp_path: Path, manage: str) -> Path:
    """A car's folder with the hook installed."""
    car_path = tmp_path / "car"
    car_path.mkdir()
    (car_path / "manage.py").write_text(manage)
    manage_py.install(str(car_path))
    return car_path


def test_verb_is_passed_on(tmp_path: Path, packages: Path) -> None:
    """cli.main gets the verb, its arguments, the car's folder and the program; it returns the exit code."""
    car_path = make_car(tmp_path, DOC + "raise SystemExit('the template ran')\n")
    ended = run(car_path, "sagemaker-train", "--tub", "a b", "--help", packages=packages, cwd="/")
    argv = ["train", "--tub", "a b", "--help"]
    assert ended == Ended(7, f"{argv} {os.path.realpath(str(car_path))} manage.py sagemaker-\n", "")


def test_unknown_verb_is_passed_on(tmp_path: Path, packages: Path) -> None:
    """cli.main reports a verb that does not exist."""
    car_path = make_car(tmp_path, DOC)
    ended = run(car_path, "sagemaker-", packages=packages)
    assert ended == Ended(7, f"[''] {os.path.realpath(str(car_path))} manage.py sagemaker-\n", "")


def test_other_commands_go_to_the_template(tmp_path: Path, packages: Path) -> None:
    """All other commands of manage.py reach the template. Only its docstring has an additional section."""
    car_path = make_car(tmp_path, DOC + PRINT_DOC)
    for arguments in (["drive"], ["drive", "sagemaker-train"], [], ["--help"]):
        ended = run(car_path, *arguments, packages=packages)
        doc = "\nMy car.\n\nUsage:\n    manage.py (drive) [--js]\n\nOptions:\n    --js\n  \n" + SECTION
        assert ended == Ended(0, repr(doc) + "\n", "")


def test_importing_is_cheap(tmp_path: Path, packages: Path) -> None:
    """Driving imports no other module of this package."""
    car_path = make_car(
        tmp_path, DOC + "import sys\nprint([m for m in sys.modules if m.startswith('donkey_sagemaker')])\n"
    )
    assert run(car_path, "drive", packages=packages) == Ended(0, "['donkey_sagemaker']\n", "")


@pytest.mark.parametrize("argument", ["-h", "--help"])
def test_help_without_docstring(tmp_path: Path, packages: Path, argument: str) -> None:
    """A manage.py without a docstring prints the commands first and then continues as before."""
    car_path = make_car(tmp_path, PRINT_DOC)
    assert run(car_path, argument, packages=packages) == Ended(0, SECTION + "None\n", "")


def test_no_docstring_drives(tmp_path: Path, packages: Path) -> None:
    """Without a docstring and without --help, nothing is printed."""
    car_path = make_car(tmp_path, PRINT_DOC)
    assert run(car_path, "drive", packages=packages) == Ended(0, "None\n", "")


def test_imported_manage_does_nothing(tmp_path: Path, packages: Path) -> None:
    """The hook only works in the program that was started."""
    car_path = make_car(tmp_path, DOC + PRINT_DOC)
    (car_path / "other.py").write_text("import manage\n")
    shutil.move(str(car_path / "manage.py"), str(car_path / "imported.py"))
    (car_path / "manage.py").write_text("import imported\n")
    ended = run(car_path, "sagemaker-train", packages=packages)
    assert ended == Ended(
        0, "'\\nMy car.\\n\\nUsage:\\n    manage.py (drive) [--js]\\n\\nOptions:\\n    --js\\n'\n", ""
    )


@pytest.mark.parametrize("content", ["raise ImportError('gone')\n", "def something_else(): pass\n"])
def test_package_is_missing(tmp_path: Path, content: str) -> None:
    """If the package is not installed any more, or is a different one, the car drives as before."""
    car_path = make_car(tmp_path, PRINT_DOC)
    packages = tmp_path / "packages"
    (packages / "donkey_sagemaker").mkdir(parents=True)
    (packages / "donkey_sagemaker" / "__init__.py").write_text(content)
    assert run(car_path, "drive", packages=packages) == Ended(0, "None\n", "")
    assert run(car_path, packages=packages) == Ended(0, "None\n", "")
    assert run(car_path, "sagemaker-train", packages=packages) == Ended(
        2,
        "",
        f"donkey-sagemaker is not installed in {sys.executable}.\n"
        f"Run `{sys.executable} -m pip install .` in the donkey-sagemaker folder.\n",
    )


def test_help_imports_nothing_slow(tmp_path: Path, repo_path: str) -> None:
    """`sagemaker-train --help` of the real program imports no donkeycar, cv2, TensorFlow, boto3 or rich."""
    traps = tmp_path / "traps"
    traps.mkdir()
    for name in ("donkeycar", "cv2", "tensorflow", "keras", "numpy", "boto3", "botocore", "rich"):
        (traps / (name + ".py")).write_text(f"raise SystemExit('{name} was imported')\n")
    car_path = make_car(tmp_path, DOC + "import donkeycar\n")
    ended = run(
        car_path, "sagemaker-train", "--help", packages=Path(os.pathsep.join([str(traps), repo_path]))
    )
    assert (ended.code, ended.err) == (0, "")
    assert "--tub" in ended.out
    assert run(car_path, "drive", packages=traps).err == "donkeycar was imported\n"


def test_help_texts_are_safe_for_docopt() -> None:
    """No description of a verb contains anything that docopt parses."""
    for text in donkey_sagemaker.VERBS.values():
        assert re.search(r"usage:|options:|\[default|\n|^[-<]", text, re.IGNORECASE) is None


def test_section_follows_two_spaces() -> None:
    """A line of two spaces separates the section from an option that has no description."""
    assert donkey_sagemaker.plug_in("manage.py", "x") == "x\n  \n" + SECTION
