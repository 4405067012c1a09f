"""The pages are correct: each command runs in a test or exists in AWS's API, and every name exists."""

import os
import re
import shlex
from typing import Callable, Dict, List

import pytest

import environments
from donkey_sagemaker import VERBS
from donkey_sagemaker.cloud.prices import list_price
from donkey_sagemaker.parser import PLUG_IN_VERBS, make_parser
from donkey_sagemaker.settings import SETTINGS
from pages import OTHERS, OURS, PAGES, REPO, find_commands, our_words, read_page

# Commands, word for word, and the test that runs each; "" for a command of another program
ELSEWHERE = {
    "pip install .": "project/test_package.py::test_install_in_an_empty_environment",
    "docker run IMAGE train": "container/test_container.py::test_it_trains_as_another_user_too",
    "donkey createcar": "project/test_docs_here.py::test_our_commands_run_as_they_are_shown",
    "python manage.py drive --model models/mypilot.tflite --type tflite_linear": (
        "project/test_demo_laps.py::test_the_pilot_is_donkeycars_own"
    ),
    "rsync -av --exclude .sagemaker pi@donkey.local:mycar/ ~/mycar/": "",
    "rsync -av pi@donkey.local:mycar/data/ ~/mycar/data/": "",
    "rsync -av ~/mycar/models/ pi@donkey.local:mycar/models/": "",
    "rsync -av ~/mycar/.sagemaker/car_id pi@donkey.local:mycar/.sagemaker/": "",
    "pip install --upgrade boto3": "",
    "pip install optuna": "commands/test_tune.py::test_the_best_model_is_installed",
    "wsl --install": "",
    "pip uninstall tensorflow-metal": "local/test_interpreter.py::test_apples_gpu_plug_in_is_reported",
    ".ci/run": "",
    "donkey train": "",
    "donkey ui": "",
    "donkey update": "",
    "pip install argcomplete": "",
    'eval "$(register-python-argcomplete donkey-sagemaker)"': (
        "commands/test_cli.py::test_the_tab_key_completes_verbs_and_their_options"
    ),
    "donkey tubclean": "",
    "docker build --platform linux/amd64 --provenance=false": "",
    "sudo timedatectl set-ntp true": "",
    "unset AWS_CA_BUNDLE": "",
    "chmod 600 ~/.aws/credentials": "",
    "apt-get install make python3.11 python3.11-venv": "",
    "sudo apt-get install openssh-server python3-venv task-spooler": "",
    "ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519": "",
    "ssh-copy-id me@pc.local": "",
    "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub": "",
    "TS_SOCKET=~/.donkey-sagemaker/queue tsp": "",
    "apt-get install --no-install-recommends buildah debootstrap": "",
}
# Targets that take too long for every change (`make generations` runs a sample of the matrix), that tidy up,
# or that are a part or the sum of others
NOT_IN_CI = {"bench", "quality", "driving", "proof", "matrix", "docs", "clean", "seconds", "minutes", "whole"}
# Commands of the AWS command line that are not operations of an AWS service
OF_THE_COMMAND_LINE = {
    "login",
    "configure",
    "configure set",
    "configure list-profiles",
    "configure sso",
    "sso login",
    "s3 mb",
    "s3 rm",
}
OPTIONS_OF_OTHERS = {
    "docs/container.md": {"--format", "--output", "--build-arg"},
    "docs/performance.md": {"--only"},
    "CONTRIBUTING.md": {"--require"},
}


@pytest.mark.parametrize("command", OTHERS)
def test_other_programs_commands_are_known(command: str) -> None:
    """Each has a test, a stage of CI, or a check of its arguments."""
    if command in ELSEWHERE:
        name, _, function = ELSEWHERE[command].partition("::")
        assert not name or f"def {function}(" in read_page("tests/" + name)
        return
    words = shlex.split(command)
    check = CHECKS.get(words[0])
    assert check, f"`{command}` is shown, but nothing runs it: see tests/project/test_docs.py"
    check(words)


def check_make(words: List[str]) -> None:
    (target,) = words[1:]
    assert re.search(f"^{target}:", read_page("Makefile"), re.MULTILINE), target
    in_ci = re.search(f"make {target}\\b", read_page(".ci/run"))
    assert in_ci or target in NOT_IN_CI, target


def check_script(words: List[str]) -> None:
    """A script of this project: its options, and names that it knows or that are environments."""
    script = read_page(words[1])
    for name in (part for word in words[2:] for part in word.split(",")):
        assert name in environments.PYTHONS or f'"{name}"' in script, name


def check_pip(words: List[str]) -> None:
    assert words[1:] == ["install", environments.OLD_PIP]


def check_tool(words: List[str]) -> None:
    """A tool in an environment, run on a file that exists."""
    _, environment, _, tool = words[0].split("/")
    assert environment in environments.PYTHONS
    if tool == "pytest":
        assert [os.path.exists(os.path.join(REPO, path)) for path in words[1:]] == [True]
    else:
        assert " ".join(words) in read_page("Makefile").replace("--check ", "")


def check_docker(words: List[str]) -> None:
    """Every build argument is one of the Dockerfile's."""
    assert words[1] == "build" and os.path.exists(os.path.join(REPO, words[words.index("-f") + 1]))
    given = [words[place + 1] for place, word in enumerate(words) if word == "--build-arg"]
    arguments = re.findall(r"^ARG (\w+)", read_page("container/Dockerfile"), re.MULTILINE)
    assert given and {each.partition("=")[0] for each in given} <= set(arguments)


def check_aws(words: List[str]) -> None:
    """It needs an AWS account, but botocore knows its service, operation and options."""
    botocore = pytest.importorskip("botocore.session")
    from botocore import xform_name

    options = {word.partition("=")[0] for word in words if word.startswith("--")}
    plain = [word for place, word in enumerate(words[1:], 1) if not word.startswith("--")]
    if words[1].startswith("--"):  # --profile admin
        plain = plain[1:]
    if plain[0] in OF_THE_COMMAND_LINE or " ".join(plain[:2]) in OF_THE_COMMAND_LINE:
        assert options <= {"--profile", "--region"}
        return
    service = botocore.get_session().get_service_model(plain[0])
    operations = {xform_name(name, "-"): name for name in service.operation_names}
    members = service.operation_model(operations[plain[1]]).input_shape.members
    known = {"--" + xform_name(name, "-") for name in members}
    assert options - known <= {"--profile", "--region", "--output", "--query"}


def check_nothing(words: List[str]) -> None:
    """It writes a file: there is nothing to check."""


CHECKS: Dict[str, Callable[[List[str]], None]] = {
    "make": check_make,
    "python3": check_script,
    "pip": check_pip,
    "docker": check_docker,
    "aws": check_aws,
    "cat": check_nothing,
    ".environments/check/bin/ruff": check_tool,
    ".environments/dk53/bin/pytest": check_tool,
}


def test_commands_are_found_everywhere() -> None:
    """In a block, indented or inline; continued lines are joined, and && separates commands."""
    text = (
        "Type `make fly`, not `data/` nor `X = 1`.\n\n    frob --now\n\n"
        "```bash\naws a \\\n  --b && pip x\n```\n```\nprinted output\n```\n`make\nbelieve`"
    )
    assert find_commands(text) == ["aws a --b", "pip x", "frob --now", "make fly", "make believe"]
    for command in (
        "make fly",
        "frob --now",
        "aws iam create-user --no-such-option=1",
        "docker build -f x .",
    ):
        with pytest.raises((AssertionError, KeyError)):
            test_other_programs_commands_are_known(command)


@pytest.mark.parametrize("command", OURS)
def test_our_commands_parse(command: str) -> None:
    """The verb and all its options parse."""
    words = our_words(command)
    make_parser(words[0]).parse_args(words)


def test_settings_exist() -> None:
    """A setting that is copied from a page exists."""
    text = "".join(map(read_page, PAGES))
    shown = set(re.findall(r"SAGEMAKER_[A-Z_]+[A-Z]", text))
    of_the_container = {"SAGEMAKER_BASE_DIR"}
    assert shown - {setting.variable for setting in SETTINGS} == of_the_container


@pytest.mark.parametrize("page", PAGES)
def test_options_exist(page: str) -> None:
    """Options of this program exist; those of other programs are part of their commands."""
    text = read_page(page)
    for command in re.findall(r"^```bash\n.*?^```", text, re.MULTILINE | re.DOTALL):
        text = text.replace(command, "")
    text = " ".join(text.split())
    for command in sorted(find_commands(read_page(page)), key=len, reverse=True):
        if not our_words(command):
            text = text.replace(command, "")
    known = {flag for verb in [*VERBS, *PLUG_IN_VERBS] for flag in flags_of(verb)}
    shown = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*[a-z]", text))
    assert shown - known - OPTIONS_OF_OTHERS.get(page, set()) == set()


def flags_of(verb: str) -> List[str]:
    (verbs,) = [action.choices for action in make_parser(verb)._actions if isinstance(action.choices, dict)]
    return [flag for action in verbs[verb]._actions for flag in action.option_strings]


def test_prices_are_those_of_the_program() -> None:
    """The table on the page has the prices of the table in the program."""
    rows = re.findall(
        r"^\| (ml\.\S+)[^|]*\|[^|]*\| (\S+) \| (\S+) \|$", read_page("docs/aws.md"), re.MULTILINE
    )
    assert len(rows) == 12
    for instance_type, *cells in rows:
        for region, cell in zip(("us-east-1", "eu-west-1"), cells):
            price = list_price(instance_type, region)
            known = "-" if price is None else f"{price.usd_per_hour:g}"
            is_estimated = price is not None and "estimated" in price.source
            assert cell == ("~" if is_estimated else "") + known, (instance_type, region)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """Files of this repository that a page links to or shows exist."""
    folder = os.path.dirname(os.path.join(REPO, page))
    for target in re.findall(r"\]\(([^)#\s]+)", read_page(page)):
        if "://" not in target:
            assert os.path.exists(os.path.join(folder, target)), target


@pytest.mark.parametrize("page", PAGES)
def test_modules_exist(page: str) -> None:
    """The Python files that a page names are in the repository, the package or the trainer."""
    folders = [REPO] + [
        os.path.join(REPO, *each) for each in (["donkey_sagemaker"], ["container", "trainer"])
    ]
    spans = re.findall(r"`([\w/]+\.py)`", read_page(page))
    of_a_car = {"manage.py", "myconfig.py", "config.py"}
    placeholders = {name for name in spans if re.search("[A-Z]{4}", name)}
    missing = [
        name
        for name in set(spans) - of_a_car - placeholders
        if not any(os.path.exists(os.path.join(folder, name)) for folder in folders)
    ]
    assert missing == []


def test_every_page_is_reached_from_the_readme() -> None:
    """Directly, or by one more link."""
    reached = set(re.findall(r"\]\(docs/([\w-]+\.md)", read_page("README.md")))
    for page in sorted(reached):
        reached |= set(re.findall(r"\]\(([\w-]+\.md)", read_page("docs/" + page)))
    assert {os.path.basename(page) for page in PAGES if page.startswith("docs/")} - reached == set()
