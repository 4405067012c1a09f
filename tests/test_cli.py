"""The command line: verbs, exit codes, and words for what went wrong."""

import os
import re
import subprocess
import sys

import pytest

from donkey_sagemaker import VERBS, cli


@pytest.fixture
def car(tmp_path):
    (tmp_path / "config.py").write_text("DEFAULT_MODEL_TYPE = 'linear'\n")
    return tmp_path


def test_every_verb_has_its_help(capsys):
    """And the program's own help names them all."""
    for verb in [*VERBS, "install", "uninstall"]:
        with pytest.raises(SystemExit) as end:
            cli.main([verb, "--help"])
        assert end.value.code == 0 and "usage: donkey-sagemaker " + verb in capsys.readouterr().out
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    out = capsys.readouterr().out
    assert all(verb in out for verb in VERBS)


@pytest.mark.parametrize("argv", [[], ["fly"], ["train", "--no-such-flag"]])
def test_a_wrong_command_line_is_bad_input(argv, capsys):
    """Exit code 2, with the usage."""
    with pytest.raises(SystemExit) as end:
        cli.main(argv)
    assert end.value.code == 2 and capsys.readouterr().err.startswith("usage: donkey-sagemaker")


@pytest.mark.parametrize("words", [["setup", "--dryrun"], ["train", "data"]])
def test_a_typo_is_told(words, capsys):
    """With the verb whose help lists what there is."""
    with pytest.raises(SystemExit):
        cli.main(words)
    text = "donkey-sagemaker: error: {0} has no {1}; `donkey-sagemaker {0} --help` lists what it has"
    assert capsys.readouterr().err.splitlines()[-1] == text.format(*words)


def test_help_waits_for_nothing_heavy():
    """Neither boto3 nor rich, and of course no donkeycar or TensorFlow."""
    code = (
        "import sys; from donkey_sagemaker import cli\n"
        "try: cli.main(['train', '--help'])\n"
        "except SystemExit:\n"
        "    print(sorted({'boto3', 'rich', 'numpy', 'donkeycar', 'tensorflow'} & set(sys.modules)))"
    )
    out = subprocess.check_output([sys.executable, "-c", code]).decode()
    assert out.splitlines()[-1] == "[]"


def test_a_folder_that_is_no_car_is_told(tmp_path, capsys):
    """Exit code 2 and one thing to do, on standard error."""
    assert cli.main(["jobs", "--local"], car_path=str(tmp_path)) == 2
    assert capsys.readouterr().err == (
        f"{tmp_path / 'config.py'} does not exist, so this is not a car's folder.\n"
        "Change to the folder that `donkey createcar --path FOLDER` created, and run the command again.\n"
    )


def test_a_car_without_jobs(car, capsys):
    """jobs says so, stop has nothing to stop."""
    assert cli.main(["jobs", "--local"], car_path=str(car)) == 0
    assert capsys.readouterr().out == "This car has no jobs yet. `donkey-sagemaker train` starts one.\n"
    assert cli.main(["stop", "--local"], car_path=str(car)) == 2
    assert (
        capsys.readouterr().err == "No job of this car is waiting.\n`donkey-sagemaker jobs` lists its jobs.\n"
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
    parser = cli.make_parser()
    (verbs,) = (action.choices for action in parser._actions if isinstance(action.choices, dict))
    known = {flag for verb in verbs.values() for action in verb._actions for flag in action.option_strings}
    assert shown - known == set()
    assert {"--tub", "--local", "--attach"} <= shown
