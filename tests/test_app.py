"""install and uninstall, on files of all shapes and on the cars of real donkeycars."""

import ast
import codecs
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Optional

import pytest

from donkey_sagemaker import plug_in
from donkey_sagemaker.car.manage_py import FileRefused, HookChanged, NoManage, NotPython, install, uninstall

ADDED = ["manage.py: commands added", "myconfig.py: made, with the settings as comments"]
ALREADY = ["manage.py: has the commands already", "myconfig.py: has the settings already"]
TAKEN_OUT = ["manage.py: commands taken out", "myconfig.py: removed, as install had made it"]

DOC = b'"""My car.\n\nUsage:\n    manage.py (drive)\n"""\n'
CODE = b"import os\nprint(os.name)\n"
SECTION = (plug_in("manage.py", "") or "").lstrip()
BEGIN = b"# >>> donkey-sagemaker "
END = b"# <<< donkey-sagemaker"


def make_car(tmp_path: Path, manage: bytes, myconfig: Optional[bytes] = None) -> str:
    """A car's folder with these files."""
    (tmp_path / "manage.py").write_bytes(manage)
    if myconfig is not None:
        (tmp_path / "myconfig.py").write_bytes(myconfig)
    return str(tmp_path)


def read(car_path: str, name: str = "manage.py") -> bytes:
    return Path(car_path, name).read_bytes()


def read_all(car_path: str) -> Dict[str, bytes]:
    return {name: read(car_path, name) for name in os.listdir(car_path)}


SHAPES = {
    "docstring": (DOC, CODE),
    "shebang": (b"#!/usr/bin/env python3\n" + DOC, CODE),
    "encoding": (
        b"#!/usr/bin/env python3\n# -*- coding: latin-1 -*-\n# by J\xfcrgen\n" + DOC,
        b"x = '\xfc'\n",
    ),
    "future": (
        DOC
        + b"\n# why\nfrom __future__ import annotations_maybe\n".replace(b"annotations_maybe", b"division"),
        CODE,
    ),
    "futures": (
        b"from __future__ import (division,\n    print_function)\nfrom __future__ import generators\n",
        CODE,
    ),
    "future and more": (b'"doc"; from __future__ import division; import sys\n', CODE),
    "no docstring": (b"", CODE),
    "shebang alone": (b"#!/usr/bin/env python3\n", CODE),
    "shebang, encoding": (b"#!/usr/bin/env python3\n# coding: utf-8\n", b"# note\n" + CODE),
    "encoding below a blank line": (b"\n# coding: latin-1\n", b"x = '\xfc'\n"),
    "decorated first": (b"", b"@staticmethod\ndef f():\n    pass\n"),
    "string that is no docstring": (b"", b'"a {}".format(\n1)\n' + CODE),
    "bytes that are no docstring": (b"", b'b"""a\nb"""\n' + CODE),
    "docstring of parts": (b'("""a\n"""\n"b" \\\n"c")\n', CODE),
    "docstring, comment": (b"# one\n# two\n# three\nr'''a\\d''' # four\n", CODE),
    "CRLF": (DOC.replace(b"\n", b"\r\n"), CODE.replace(b"\n", b"\r\n")),
    "CR": (DOC.replace(b"\n", b"\r"), CODE.replace(b"\n", b"\r")),
    "mixed line ends": (b'"""a\nb"""\r\n', CODE),
    "BOM": (codecs.BOM_UTF8 + DOC, CODE),
    "BOM, no docstring": (codecs.BOM_UTF8, CODE),
    "BOM, CRLF, no docstring": (codecs.BOM_UTF8, CODE.replace(b"\n", b"\r\n")),
    "docstring without line end": (DOC[:-1], b""),
    "CRLF docstring without line end": (DOC.replace(b"\n", b"\r\n")[:-2], b""),
    "no line end": (DOC, CODE[:-1]),
    "empty": (b"", b""),
    "shebang, form feed": (b"#!/usr/bin/env python3 \x0c# note\n", CODE),
    "form feed": (DOC, b"\x0c\n" + CODE),
}


@pytest.mark.parametrize("head, tail", SHAPES.values(), ids=list(SHAPES))
def test_hook_stands_where_it_must_and_goes_without_a_trace(tmp_path: Path, head: bytes, tail: bytes) -> None:
    """The hook is behind what must be first and before all else, and taken out the bytes are the same."""
    car_path = make_car(tmp_path, head + tail)
    before = ast.parse(head + tail)
    assert install(car_path) == ADDED
    manage = read(car_path)
    start, stop = manage.index(BEGIN), manage.index(END) + len(END)
    assert manage[:start].rstrip(b"\r\n") == head.rstrip(b"\r\n")
    assert manage[stop:].strip(b"\r\n") == tail.strip(b"\r\n")
    line_ends = {line[len(line.rstrip(b"\r\n")) :] for line in manage[start:stop].splitlines(True)[:-1]}
    assert len(line_ends) == 1 and line_ends.pop() in head + tail + b"\n"

    after = ast.parse(manage)
    compile(manage, "manage.py", "exec")
    assert ast.get_docstring(after, clean=False) == ast.get_docstring(before, clean=False)
    hooks = [statement for statement in after.body if isinstance(statement, ast.If)]
    assert len(hooks) == 1 and len(after.body) == len(before.body) + 1

    assert install(car_path) == ALREADY
    assert read(car_path) == manage
    assert uninstall(car_path) == TAKEN_OUT
    assert read_all(car_path) == {"manage.py": head + tail}


def test_uninstall_twice(tmp_path: Path) -> None:
    """A car without our lines is left as it is."""
    car_path = make_car(tmp_path, DOC + CODE, b"IMAGE_W = 160\n")
    assert uninstall(car_path) == [
        "manage.py: has no commands of ours",
        "myconfig.py: has no settings of ours",
    ]
    assert read_all(car_path) == {"manage.py": DOC + CODE, "myconfig.py": b"IMAGE_W = 160\n"}


def test_owner_edits_between(tmp_path: Path) -> None:
    """What the owner changed above and below the hook stays."""
    car_path = make_car(tmp_path, DOC + CODE)
    install(car_path)
    edited = (b"#!/usr/bin/python\n" + read(car_path)).replace(b"My car", b"Our car") + b"more = 1\n"
    make_car(tmp_path, edited)
    assert install(car_path) == ALREADY
    assert read(car_path) == edited
    uninstall(car_path)
    expected = b"#!/usr/bin/python\n" + DOC.replace(b"My car", b"Our car") + CODE + b"more = 1\n"
    assert read(car_path) == expected


def test_owner_goes_on_behind_a_docstring_without_line_end(tmp_path: Path) -> None:
    """Code that was added below the hook stays on its own line."""
    car_path = make_car(tmp_path, DOC[:-1])
    install(car_path)
    make_car(tmp_path, read(car_path) + b"\nimport os\n")
    uninstall(car_path)
    assert read(car_path) == DOC + b"import os\n"


def make_older(data: bytes, car_path: str, name: str) -> bytes:
    """The file as an older version of install would have written it: another last line in our block."""
    # The digest in the marker is that of the block's lines; so the older block is made by the same rule.
    lines = data.splitlines(True)
    first = next(number for number, line in enumerate(lines) if line.startswith(BEGIN))
    last = next(number for number, line in enumerate(lines) if line.startswith(END))
    body = lines[first + 1 : last] + [b"# older\n"]
    digest = hashlib.sha256(b"".join(body)).hexdigest()[:8]
    older = b"".join(lines[:first] + [BEGIN + digest.encode() + b" an older note\n"] + body + lines[last:])
    Path(car_path, name).write_bytes(older)
    return older


def test_older_version_is_replaced(tmp_path: Path) -> None:
    """Another version's lines are taken out whole and ours put in."""
    car_path = make_car(tmp_path, DOC + CODE, b"IMAGE_W = 160\n")
    install(car_path)
    files = read_all(car_path)
    for name, data in files.items():
        assert make_older(data, car_path, name) != data
    assert install(car_path) == [
        "manage.py: commands brought up to date",
        "myconfig.py: settings brought up to date",
    ]
    assert read_all(car_path) == files


def test_older_version_of_a_made_myconfig(tmp_path: Path) -> None:
    """A myconfig.py that install made is still known as such after an update."""
    car_path = make_car(tmp_path, DOC + CODE)
    install(car_path)
    make_older(read(car_path, "myconfig.py"), car_path, "myconfig.py")
    assert install(car_path)[1] == "myconfig.py: settings brought up to date"
    assert uninstall(car_path)[1] == "myconfig.py: removed, as install had made it"


def test_mode_and_link_stay(tmp_path: Path) -> None:
    """The real file is edited, the link to it stays a link, and it stays executable."""
    real_path, car_path = tmp_path / "real", tmp_path / "car"
    real_path.mkdir()
    car_path.mkdir()
    make_car(real_path, DOC + CODE)
    (real_path / "manage.py").chmod(0o751)
    (car_path / "manage.py").symlink_to(real_path / "manage.py")
    install(str(car_path))
    assert (car_path / "manage.py").is_symlink()
    assert stat.S_IMODE((real_path / "manage.py").stat().st_mode) == 0o751
    assert BEGIN in read(str(real_path))
    assert os.listdir(str(real_path)) == ["manage.py"]
    uninstall(str(car_path))
    assert (car_path / "manage.py").is_symlink()
    assert stat.S_IMODE((real_path / "manage.py").stat().st_mode) == 0o751
    assert read(str(real_path)) == DOC + CODE


def test_nothing_is_written_twice(tmp_path: Path) -> None:
    """The second install does not even touch the files."""
    car_path = make_car(tmp_path, DOC + CODE)
    install(car_path)
    for name in ("manage.py", "myconfig.py"):
        os.utime(os.path.join(car_path, name), (1, 1))
    install(car_path)
    assert [os.stat(os.path.join(car_path, name)).st_mtime for name in ("manage.py", "myconfig.py")] == [1, 1]


@pytest.mark.parametrize("act", [install, uninstall])
def test_not_a_car(tmp_path: Path, act: Callable[[str], List[str]]) -> None:
    """A folder without manage.py is no car's, and nothing is made in it."""
    with pytest.raises(NoManage) as caught:
        act(str(tmp_path))
    assert caught.value.what == "There is no {}: this is not a car's folder.".format(tmp_path / "manage.py")
    assert caught.value.fix == "Give --path the folder that `donkey createcar --path FOLDER` made."
    assert os.listdir(str(tmp_path)) == []


@pytest.mark.parametrize(
    "manage, line",
    [
        (b"import os\nprint 'Python 2'\n", ", line 2,"),
        (b"x = 1\n\nif x\n    pass\n", ", line 3,"),
        (DOC + b"x = 1\0\n", ""),
        (b"# coding: no-such\n", ""),
        (b"# \xfc\n", ""),
    ],
    ids=["Python 2", "syntax error", "NUL", "unknown encoding", "not UTF-8"],
)
def test_manage_that_cannot_be_compiled(tmp_path: Path, manage: bytes, line: str) -> None:
    """A manage.py that this Python cannot read is refused, and the car left alone."""
    car_path = make_car(tmp_path, manage)
    with pytest.raises(NotPython) as caught:
        install(car_path)
    place = "{}{}".format(tmp_path / "manage.py", line)
    assert caught.value.what.startswith(place)
    assert " cannot be read by Python {}.{}: ".format(*sys.version_info) in caught.value.what
    assert caught.value.what.endswith(". The car is left as it was.")
    assert caught.value.fix == (
        "Mend it, or run `python -m donkey_sagemaker install` with the Python that drives this car."
    )
    assert read_all(car_path) == {"manage.py": manage}


def test_myconfig_that_cannot_be_compiled(tmp_path: Path) -> None:
    """A broken myconfig.py is refused before manage.py is touched."""
    car_path = make_car(tmp_path, DOC + CODE, b"X = '''\n")
    with pytest.raises(NotPython) as caught:
        install(car_path)
    assert caught.value.what.startswith(str(tmp_path / "myconfig.py"))
    assert read_all(car_path) == {"manage.py": DOC + CODE, "myconfig.py": b"X = '''\n"}


def break_begin(manage: bytes) -> bytes:
    return manage.replace(manage[manage.index(BEGIN) :].splitlines(True)[0], b"")


BREAKS = {
    "no begin": break_begin,
    "no end": lambda manage: manage.replace(END + b"\n", b""),
    "edited": lambda manage: manage.replace(b"sys.exit(2)", b"sys.exit(3)"),
    "end edited": lambda manage: manage.replace(END, END + b" here"),
    "twice": lambda manage: manage + manage[manage.index(BEGIN) :],
}  # type: Dict[str, Callable[[bytes], bytes]]


@pytest.mark.parametrize("act", [install, uninstall])
@pytest.mark.parametrize("edit", BREAKS.values(), ids=list(BREAKS))
def test_changed_hook_is_refused(
    tmp_path: Path, act: Callable[[str], List[str]], edit: Callable[[bytes], bytes]
) -> None:
    """Half a block or one that was edited is refused with its lines, and the car left alone."""
    car_path = make_car(tmp_path, DOC + CODE)
    install(car_path)
    broken = edit(read(car_path))
    make_car(tmp_path, broken)
    files = read_all(car_path)
    marked = [number for number, line in enumerate(broken.splitlines(), 1) if line.startswith((BEGIN, END))]
    with pytest.raises(HookChanged) as caught:
        act(car_path)
    assert caught.value.what == (
        "{}, lines {} to {}: what install had put there was changed by hand. "
        "The car is left as it was.".format(tmp_path / "manage.py", marked[0], marked[-1])
    )
    assert caught.value.fix == "Delete what is left of donkey-sagemaker's lines there, and start again."
    assert read_all(car_path) == files


MYCONFIGS = {
    "usual": b"# My CAR CONFIG\nIMAGE_W = 160\n",
    "no line end": b"IMAGE_W = 160",
    "CRLF": b"IMAGE_W = 160\r\nIMAGE_H = 120\r\n",
    "empty": b"",
    "BOM": codecs.BOM_UTF8 + b"IMAGE_W = 160\n",
    "latin-1": b"# coding: latin-1\nNAME = '\xfc'\n",
}


@pytest.mark.parametrize("myconfig", MYCONFIGS.values(), ids=list(MYCONFIGS))
def test_section_is_appended_and_taken_out(tmp_path: Path, myconfig: bytes) -> None:
    """The section is all comments in the file's own line ends, and uninstall gives back the same bytes."""
    car_path = make_car(tmp_path, DOC + CODE, myconfig)
    assert install(car_path)[1] == "myconfig.py: settings added as comments"
    changed = read(car_path, "myconfig.py")
    assert changed.startswith(myconfig)
    assert b"# SAGEMAKER_SPOT = False" in changed.splitlines()
    assert (b"\r\n" in myconfig) == (b"\r\n" in changed) and (
        b"\r\n" not in changed or changed.count(b"\n") == changed.count(b"\r\n")
    )
    namespace, changed_namespace = {}, {}  # type: Dict[str, object], Dict[str, object]
    exec(compile(myconfig, "myconfig.py", "exec"), {}, namespace)
    exec(compile(changed, "myconfig.py", "exec"), {}, changed_namespace)
    assert changed_namespace == namespace
    assert install(car_path) == ALREADY
    assert uninstall(car_path)[1] == "myconfig.py: settings taken out"
    assert read(car_path, "myconfig.py") == myconfig


def test_owner_goes_on_behind_the_section(tmp_path: Path) -> None:
    """Lines that the owner adds to a myconfig.py which install made keep the file."""
    car_path = make_car(tmp_path, DOC + CODE)
    install(car_path)
    with open(os.path.join(car_path, "myconfig.py"), "a") as file:
        file.write("IMAGE_W = 120\n")
    assert install(car_path) == ALREADY
    assert uninstall(car_path)[1] == "myconfig.py: settings taken out"
    assert read(car_path, "myconfig.py") == b"IMAGE_W = 120\n"


@pytest.mark.parametrize("myconfig", [None, b"IMAGE_W = 160\n"])
def test_changed_section_is_kept(tmp_path: Path, myconfig: Optional[bytes]) -> None:
    """A setting that the owner has made is never lost."""
    car_path = make_car(tmp_path, DOC + CODE, myconfig)
    install(car_path)
    edited = read(car_path, "myconfig.py").replace(b"# SAGEMAKER_SPOT = False", b"SAGEMAKER_SPOT = True")
    Path(car_path, "myconfig.py").write_bytes(edited)
    report = "myconfig.py: has settings that you have changed, left as they are"
    assert install(car_path) == ["manage.py: has the commands already", report]
    assert uninstall(car_path) == ["manage.py: commands taken out", report]
    assert read_all(car_path) == {"manage.py": DOC + CODE, "myconfig.py": edited}


@pytest.fixture
def read_only_car() -> Iterator[str]:
    """A car in a folder that cannot be written to; root, who may write anywhere, becomes nobody meanwhile."""
    with tempfile.TemporaryDirectory() as folder:
        make_car(Path(folder), DOC + CODE)
        os.chmod(folder, 0o555)
        is_root = os.geteuid() == 0
        if is_root:
            os.seteuid(65534)
        yield folder
        if is_root:
            os.seteuid(0)
        os.chmod(folder, 0o755)


def test_read_only_folder(read_only_car: str) -> None:
    """A folder that cannot be written to is told with the system's reason."""
    with pytest.raises(FileRefused) as caught:
        install(read_only_car)
    path = os.path.join(read_only_car, "manage.py")
    assert caught.value.what == path + " cannot be read or written: Permission denied."
    assert caught.value.fix == (
        "See to it that you may read and write it and the folder it is in, and start again."
    )
    assert read_all(read_only_car) == {"manage.py": DOC + CODE}


def test_manage_is_a_folder(tmp_path: Path) -> None:
    """What is no file is refused with the system's reason."""
    (tmp_path / "manage.py").mkdir()
    with pytest.raises(FileRefused) as caught:
        install(str(tmp_path))
    assert caught.value.what == "{} cannot be read or written: Is a directory.".format(tmp_path / "manage.py")


# Cars of real donkeycars. One process does all of a generation, as importing donkeycar takes seconds.

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
cars, answers = sys.argv[1:], {}
for car in cars:
    os.chdir(car)
    sys.argv = ["manage.py", "--help"]
    answer = io.StringIO()
    try:
        with contextlib.redirect_stdout(answer):
            runpy.run_path("manage.py", run_name="__main__")
        answers[os.path.basename(car)] = "went on"
    except SystemExit:
        answers[os.path.basename(car)] = answer.getvalue()
    except (ImportError, AttributeError, TypeError):  # this PC lacks what the template imports
        pass
print()
print(json.dumps(answers))
"""

GENERATIONS = ("dk22", "dk25", "dk50", "dk53", "dk54")


def run_python(python: str, *arguments: str, cwd: str, text: str = "") -> "subprocess.CompletedProcess[str]":
    """Runs a Python in which our package can be imported from this checkout."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
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
    """A folder with a car of each template of a generation, a folder each."""
    folder = str(tmp_path_factory.mktemp("cars"))
    done = run_python(generation, "-c", CREATE_CARS, folder, cwd=folder)
    assert done.returncode == 0, done.stdout
    assert len(os.listdir(folder)) >= 2, done.stdout
    return folder


@pytest.fixture
def cars(created: str, tmp_path: Path) -> Dict[str, str]:
    """Template -> folder of a fresh car of it."""
    paths = {}
    for template in os.listdir(created):
        paths[template] = str(tmp_path / template)
        shutil.copytree(os.path.join(created, template), paths[template])
    return paths


@pytest.mark.generations
def test_real_cars_get_their_bytes_back(generation: str, cars: Dict[str, str]) -> None:
    """On every template the car's own Python installs, installs again, and uninstalls without a trace."""
    program = (
        "import sys\nfrom donkey_sagemaker.car import app\n"
        "for car in sys.argv[2:]:\n    print('\\n'.join(getattr(app, sys.argv[1])(car)))\n"
    )
    names = sorted(cars)

    def act(verb: str) -> List[str]:
        done = run_python(generation, "-c", program, verb, *[cars[name] for name in names], cwd="/")
        assert done.returncode == 0, done.stdout
        return done.stdout.splitlines()

    before = {name: {file: read(cars[name], file) for file in list_files(cars[name])} for name in names}
    made = {name: "myconfig.py" not in before[name] for name in names}
    reports = act("install")
    for number, name in enumerate(names):
        assert reports[2 * number] == "manage.py: commands added"
        assert reports[2 * number + 1] == (
            ADDED[1] if made[name] else "myconfig.py: settings added as comments"
        )
    installed = {name: {file: read(cars[name], file) for file in list_files(cars[name])} for name in names}
    assert act("install") == ALREADY * len(names)
    assert {
        name: {file: read(cars[name], file) for file in list_files(cars[name])} for name in names
    } == installed
    act("uninstall")
    assert {
        name: {file: read(cars[name], file) for file in list_files(cars[name])} for name in names
    } == before


def list_files(car_path: str) -> List[str]:
    return [name for name in os.listdir(car_path) if os.path.isfile(os.path.join(car_path, name))]


@pytest.mark.generations
def test_docopt_reads_the_same_from_every_template(
    generation: str, cars: Dict[str, str], tmp_path: Path
) -> None:
    """With our section in its docstring, a template's docopt takes and refuses what it did before."""
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
def test_help_of_every_template_names_our_commands(generation: str, cars: Dict[str, str]) -> None:
    """`manage.py --help`, answered by the template and its own docopt, ends with our commands."""
    for car_path in cars.values():
        install(car_path)
    done = run_python(generation, "-c", ASK_HELP, *cars.values(), cwd="/")
    assert done.returncode == 0, done.stdout
    answers = json.loads(done.stdout.splitlines()[-1])
    assert {"donkey2", "complete"} & set(answers)
    for template, answer in answers.items():
        assert "sage:\n    manage.py " in answer, template
        assert answer.endswith("\n  \n" + SECTION), template
