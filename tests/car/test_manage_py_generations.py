"""install and uninstall on cars that real donkeycars created.

One process handles all cars of a generation, because importing donkeycar takes seconds.
"""

import ast
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Callable, Dict, List

import pytest

from donkey_sagemaker import plug_in
from donkey_sagemaker.car.manage_py import install

SECTION = (plug_in("manage.py", "") or "").lstrip()

CREATE_CARS = """
import glob, os, sys, traceback
import donkeycar
from donkeycar.management.base import CreateCar
templates = os.path.join(os.path.dirname(donkeycar.__file__), "templates")
for path in sorted(glob.glob(os.path.join(templates, "*.py"))):
    template = os.path.basename(path)[:-3]
    if template.startswith("cfg_") or template in ("config_defaults", "myconfig", "calibrate", "train"):
        continue
    try:
        CreateCar().create_car(path=os.path.join(sys.argv[1], template), template=template)
    except FileNotFoundError:  # just_drive gets a manage.py, but has no config.py
        traceback.print_exc()
"""

COMMANDS = """
drive
train
calibrate
nonsense
AWS
sagemaker-train
drive --js
drive --chaos
drive -f x --file=y
drive --model m
drive --model=m --type=linear
drive --log=INFO --camera=stereo
drive --myconfig=x.py --meta=a:b --meta=c:d
train --model=m
train --model=m --no_cache
train --model=m --tub=a,b
train --model=m --tubs=a --type=rnn
""".split("\n")

ASK_DOCOPT = """
import ast, glob, json, os, sys
import docopt
def ask(doc, command):
    try:
        return dict(docopt.docopt(doc, argv=command.split()))
    except SystemExit as error:
        return "exit: {}".format(error)
    except docopt.DocoptLanguageError as error:
        return "language: {}".format(error)
pairs, commands = json.load(sys.stdin)
for docs in pairs:
    for command in commands:
        before, after = [ask(doc, command) for doc in docs]
        assert before == after, (docs, command, before, after)
"""

ASK_HELP = """
import contextlib, io, json, os, runpy, sys
cars, outputs = sys.argv[1:], {}
for car in cars:
    os.chdir(car)
    sys.argv = ["manage.py", "--help"]
    output = io.StringIO()
    try:
        with contextlib.redirect_stdout(output):
            runpy.run_path("manage.py", run_name="__main__")
        outputs[os.path.basename(car)] = "did not exit"
    except SystemExit:
        outputs[os.path.basename(car)] = output.getvalue()
    except (ImportError, AttributeError, TypeError):  # this machine lacks what the template imports
        pass
print()
print(json.dumps(outputs))
"""

GENERATIONS = ("dk22", "dk25", "dk50", "dk53", "dk54")


def run_python(python: str, *arguments: str, cwd: str, text: str = "") -> "subprocess.CompletedProcess[str]":
    """Runs a Python that can import the package from this checkout."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return subprocess.run(
        [python, "-B"] + list(arguments),
        input=text,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
        cwd=cwd,
        env=dict(os.environ, PYTHONPATH=root),
    )


@pytest.fixture(scope="module", params=GENERATIONS)
def generation(request: pytest.FixtureRequest, generation_python: Callable[[str], str]) -> str:
    """The python of each generation of donkeycar."""
    return generation_python(request.param)


@pytest.fixture(scope="module")
def created(generation: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a car for each template of a generation."""
    folder = str(tmp_path_factory.mktemp("cars"))
    done = run_python(generation, "-c", CREATE_CARS, folder, cwd=folder)
    assert done.returncode == 0, done.stdout
    assert len(os.listdir(folder)) >= 2, done.stdout
    return folder


@pytest.fixture
def cars(created: str, tmp_path: Path) -> Dict[str, str]:
    """Template -> folder of a new car."""
    paths = {}
    for template in os.listdir(created):
        paths[template] = str(tmp_path / template)
        shutil.copytree(os.path.join(created, template), paths[template])
    return paths


@pytest.mark.generations
def test_real_cars_are_restored(generation: str, cars: Dict[str, str]) -> None:
    """For every template, the car's own Python installs, installs again, and uninstalls without a trace."""
    program = (
        "import sys\nfrom donkey_sagemaker.car import manage_py\n"
        "for car in sys.argv[2:]:\n    print('\\n'.join(getattr(manage_py, sys.argv[1])(car)))\n"
    )
    names = sorted(cars)

    def run_verb(verb: str) -> List[str]:
        done = run_python(generation, "-c", program, verb, *[cars[name] for name in names], cwd="/")
        assert done.returncode == 0, done.stdout
        return done.stdout.splitlines()

    before = {name: read_files(cars[name]) for name in names}
    reports = run_verb("install")
    for number, name in enumerate(names):
        has_myconfig = "myconfig.py" in before[name]
        assert reports[2 * number : 2 * number + 2] == [
            "manage.py: commands added",
            "myconfig.py: settings added as comments"
            if has_myconfig
            else "myconfig.py: created, with the settings as comments",
        ]
    installed = {name: read_files(cars[name]) for name in names}
    assert run_verb("install") == [
        "manage.py: already has the commands",
        "myconfig.py: already has the settings",
    ] * len(names)
    assert {name: read_files(cars[name]) for name in names} == installed
    run_verb("uninstall")
    assert {name: read_files(cars[name]) for name in names} == before


def read_files(car_path: str) -> Dict[str, bytes]:
    """Name -> content of every file in the folder itself."""
    return {path.name: path.read_bytes() for path in Path(car_path).iterdir() if path.is_file()}


@pytest.mark.generations
def test_docopt_reads_the_same_from_every_template(
    generation: str, cars: Dict[str, str], tmp_path: Path
) -> None:
    """With the section in its docstring, a template's docopt accepts and rejects the same as before."""
    pairs = []
    for name, car_path in sorted(cars.items()):
        with open(os.path.join(car_path, "manage.py"), encoding="utf-8") as file:
            doc = ast.get_docstring(ast.parse(file.read()), clean=False)
        extended = plug_in(os.path.join(car_path, "manage.py"), doc)
        assert doc and extended and "sagemaker-train" in extended, name
        pairs.append([doc, extended])
        pairs.append([doc.rstrip(), extended])
    done = run_python(generation, "-c", ASK_DOCOPT, cwd=str(tmp_path), text=json.dumps([pairs, COMMANDS]))
    assert done.returncode == 0, done.stdout


@pytest.mark.generations
def test_help_of_every_template_lists_the_commands(generation: str, cars: Dict[str, str]) -> None:
    """`manage.py --help`, printed by the template and its own docopt, ends with the sagemaker commands."""
    for car_path in cars.values():
        install(car_path)
    done = run_python(generation, "-c", ASK_HELP, *cars.values(), cwd="/")
    assert done.returncode == 0, done.stdout
    outputs = json.loads(done.stdout.splitlines()[-1])
    assert {"donkey2", "complete"} & set(outputs)
    for template, output in outputs.items():
        assert "sage:\n    manage.py " in output, template
        assert output.endswith("\n  \n" + SECTION), template
