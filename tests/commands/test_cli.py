"""The command line: verbs, exit codes, and messages."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec

import pytest

from donkey_sagemaker import VERBS, __version__, cli, parser
from donkey_sagemaker.car.car import open_car
from donkey_sagemaker.commands._options import named_tubs
from donkey_sagemaker.errors import CloudRefused
from donkey_sagemaker.training.detach import name_job_in_errors
from donkey_sagemaker.training.plan import SeveralInstances, TrainOptions, make_plan, read_tubs
from tub_factory import make_v2


@pytest.fixture
def car(tmp_path):
    (tmp_path / "config.py").write_text("DEFAULT_MODEL_TYPE = 'linear'\n")
    return tmp_path


ALL_VERBS = [*VERBS, *parser.PLUG_IN_VERBS]


def help_of(capsys, *words, **options):
    with pytest.raises(SystemExit) as end:
        cli.main([*words, "--help"], **options)
    assert end.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("verb", ALL_VERBS)
def test_every_verb_has_its_help(verb, capsys):
    """The usage shows the form that was typed."""
    assert help_of(capsys, verb).startswith(f"usage: donkey-sagemaker {verb} [-h]")
    typed = help_of(capsys, verb, program="manage.py sagemaker-")
    assert typed.startswith(f"usage: manage.py sagemaker-{verb} [-h]")


def test_the_help_lists_every_verb(capsys):
    """With the table's sentence beside it."""
    out = " ".join(help_of(capsys).split())
    for verb, text in {**VERBS, **parser.PLUG_IN_VERBS}.items():
        assert f" {verb} {text}" in out


def test_there_is_one_command_for_each_verb(repo_path):
    """`ls commands` shows what the program can do; what begins with _ is no verb."""
    names = os.listdir(os.path.join(repo_path, "donkey_sagemaker", "commands"))
    modules = {name[: -len(".py")] for name in names if name.endswith(".py") and not name.startswith("_")}
    assert modules == set(ALL_VERBS)


def test_the_version(capsys):
    """--version needs no verb."""
    with pytest.raises(SystemExit) as end:
        cli.main(["--version"])
    assert (end.value.code, capsys.readouterr().out) == (0, f"donkey-sagemaker {__version__}\n")


@pytest.mark.parametrize("argv", [[], ["fly"], ["train", "--no-such-flag"]])
def test_a_wrong_command_line_is_invalid_input(argv, capsys):
    """Exit code 2, with the usage."""
    with pytest.raises(SystemExit) as end:
        cli.main(argv)
    assert end.value.code == 2 and capsys.readouterr().err.startswith("usage: donkey-sagemaker")


@pytest.mark.parametrize("typed, meant", [("trian", "train"), ("model", "models"), ("doctr", "doctor")])
def test_a_mistyped_verb_is_answered_with_the_nearest(typed, meant, capsys):
    """Exit code 2."""
    with pytest.raises(SystemExit) as end:
        cli.main([typed, "--local"])
    assert end.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == f"donkey-sagemaker: error: there is no verb {typed}; did you mean {meant}?"


@pytest.mark.parametrize(
    "words",
    [["--tub", "a,b c"], ["--tub", "a", "b c"], ["--tub", "a", "--tubs=b c"], ["--tub=a", "--tub", "b c"]],
)
def test_several_tubs(words):
    """By comma, by space, or with the option repeated."""
    arguments = parser.make_parser("train").parse_args(["train", *words])
    assert named_tubs(arguments) == "a,b c"
    assert named_tubs(parser.make_parser("train").parse_args(["train"])) is None


@pytest.mark.parametrize(
    "settings, place",
    [
        (f"SAGEMAKER_BACKEND = 'local'\nSAGEMAKER_PYTHON = {sys.executable!r}\n", "this machine"),
        ("SAGEMAKER_BACKEND = 'ssh'\nSAGEMAKER_HOST = 'me@pc.local'\n", "me@pc.local"),
    ],
)
def test_several_instances_are_refused(tmp_path, settings, place):
    """Only AWS has them."""
    make_v2(tmp_path / "data", 3)
    (tmp_path / "config.py").write_text("SAGEMAKER_CAR = 'donkeycar 5.3, tflite-runtime 2.14'\n")
    (tmp_path / "myconfig.py").write_text(settings)
    car = open_car(str(tmp_path), flags={"instance_count": "2"})
    with pytest.raises(SeveralInstances) as error:
        make_plan(car, read_tubs(car, None), TrainOptions())
    assert error.value.what == (
        f"SAGEMAKER_INSTANCE_COUNT is 2, but {place} trains alone: a training can have several machines"
        " only on AWS."
    )


@pytest.mark.parametrize("program", ["donkey-sagemaker ", "manage.py sagemaker-"])
@pytest.mark.parametrize(
    "verb, word, meant",
    [
        ("setup", "--dryrun", "--dry-run"),
        ("train", "--instnace-type=ml.m5.large", "--instance-type"),
        ("train", "--zzz", None),
        ("jobs", "data", None),
    ],
)
def test_an_unknown_option_is_named(verb, word, meant, program, capsys):
    """With the one that was meant, or the command that lists those that exist."""
    with pytest.raises(SystemExit):
        cli.main([verb, word], program=program)
    hint = f"did you mean {meant}?" if meant else f"`{program}{verb} --help` lists its options"
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"{program.split()[0]}: error: {verb} has no {word}; {hint}"
    )


@pytest.mark.skipif(find_spec("argcomplete") is None, reason="argcomplete is optional")
@pytest.mark.parametrize(
    "line, completions",
    [
        ("donkey-sagemaker ro", ["rollback"]),
        ("donkey-sagemaker train --instance", ["--instance-count", "--instance-type"]),
        ("donkey-sagemaker rollback --ins", []),
    ],
)
def test_the_tab_key_completes_verbs_and_their_options(line, completions, tmp_path):
    """As a shell asks for it once argcomplete is registered."""
    path = tmp_path / "completions"
    asked = {"COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n"}
    environment = dict(os.environ, _ARGCOMPLETE_STDOUT_FILENAME=str(path), **asked)
    subprocess.call([sys.executable, "-m", "donkey_sagemaker"], env=environment)
    assert sorted(each.strip() for each in path.read_text().splitlines()) == completions


@pytest.mark.parametrize("verb", ALL_VERBS)
def test_help_imports_nothing_heavy(verb):
    """Neither boto3 nor rich, and of course no donkeycar or TensorFlow."""
    code = (
        "import sys; from donkey_sagemaker import cli\n"
        f"try: cli.main(['{verb}', '--help'])\n"
        "except SystemExit:\n"
        "    heavy = {'boto3', 'rich', 'numpy', 'cv2', 'donkeycar', 'tensorflow'}\n"
        "    print(sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.check_output([sys.executable, "-c", code]).decode()
    assert out.splitlines()[-1] == "[]"


def test_a_folder_that_is_no_car(tmp_path, capsys):
    """Exit code 2 and one thing to do, on standard error."""
    assert cli.main(["jobs", "--local"], car_path=str(tmp_path)) == 2
    assert capsys.readouterr().err == (
        f"{tmp_path / 'config.py'} does not exist, so this is not a car's folder.\n"
        "Change to the folder that `donkey createcar --path FOLDER` created, and run the command again.\n"
    )


def test_a_car_without_jobs(car, capsys):
    """jobs says so, stop has nothing to stop."""
    assert cli.main(["jobs", "--local"], car_path=str(car)) == 0
    assert capsys.readouterr().out == (
        "This car has no jobs yet. Start one with `python manage.py sagemaker-train`.\n"
    )
    assert cli.main(["stop", "--local"], car_path=str(car)) == 2
    assert capsys.readouterr().err == (
        "This car has no pending job.\n`python manage.py sagemaker-jobs` lists its jobs.\n"
    )


def test_debug_shows_the_traceback(car):
    """Only then."""
    command = [sys.executable, "-m", "donkey_sagemaker", "jobs"]
    assert b"Traceback" not in subprocess.run(command, cwd=str(car), stderr=subprocess.PIPE).stderr
    assert b"Traceback" in subprocess.run(command + ["--debug"], cwd=str(car), stderr=subprocess.PIPE).stderr


def test_the_readme_shows_flags_that_exist(repo_path):
    """Each option in README.md is one of ours, or of the tools that it names."""
    with open(os.path.join(repo_path, "README.md"), encoding="utf-8") as file:
        shown = set(re.findall(r"(?<![\w-])(--[a-z][a-z-]*)", file.read()))
    known = {"--version"}
    for verb in ALL_VERBS:
        (verbs,) = (
            action.choices for action in parser.make_parser(verb)._actions if isinstance(action.choices, dict)
        )
        known |= {flag for action in verbs[verb]._actions for flag in action.option_strings}
    assert shown - known == set()
    assert {"--tub", "--local", "--attach"} <= shown


@pytest.mark.parametrize(
    "error, code, first",
    [
        (CloudRefused("AWS says no [No].", "Ask."), 3, "AWS says no [No].\nAsk."),
        (
            RuntimeError("so"),
            1,
            "An unexpected error occurred: RuntimeError: so\n"
            "Run the command again with --debug and report what it prints.",
        ),
    ],
)
def test_an_error_while_a_job_runs_names_the_job(error, code, first, car, capsys, monkeypatch):
    """Whatever the error is, foreseen or not."""

    def run(arguments, *, car_path):
        with name_job_in_errors("donkey-pilot-1", bill=" and is billed until it ends, at most 1.03 USD"):
            raise error

    monkeypatch.setattr("donkey_sagemaker.commands.jobs.run", run)
    assert cli.main(["jobs"], car_path=str(car)) == code
    assert capsys.readouterr().err == (
        f"{first}\nThe job donkey-pilot-1 continues and is billed until it ends, at most 1.03 USD. "
        "Attach to it with `python manage.py sagemaker-train --attach`, or end it with "
        "`python manage.py sagemaker-stop`.\n"
    )
