"""The project's pages, and the commands that they show."""

import glob
import os
import re
import shlex
from typing import List

import environments
from donkey_sagemaker import VERBS

REPO = environments.REPO
PAGES = ["README.md", "CONTRIBUTING.md"] + sorted(
    os.path.relpath(path, REPO) for path in glob.glob(os.path.join(REPO, "docs", "*.md"))
)
PROGRAM = re.compile(
    r"(python3?|donkey|donkey-sagemaker|sagemaker-[a-z]+|make|pip|docker|aws|sudo|chmod|apt-get|pyenv|cat|"
    r"\.ci/\w+|\S*/bin/\S+)$"
)
NO_COMMANDS = re.compile(
    rf"aws|python3|donkey-sagemaker|sagemaker-({'|'.join(VERBS)})"  # mentioned, not to be typed
    r"|ml\.\S+ for .*|from __future__ .*|class \w+\(ABC\)|class Cloud|not checked|\[donkey\] .*"
    r"|(\$env:)?[A-Z_]+ = .*"  # a setting, or PowerShell's way to set a variable
    r"|--[a-z-]+[= ].*"  # options of a command that is named beside them
    r"|(ecr|codebuild):.*"  # permissions
    r"|\{'.*\}"  # the value of a setting
)


def read_page(page: str) -> str:
    with open(os.path.join(REPO, page), encoding="utf-8") as file:
        return file.read()


def find_commands(text: str) -> List[str]:
    """What a reader would type: shell blocks, indented lines, and inline code that looks like a command."""
    found: List[str] = []
    for block in re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        block = re.sub(r"<<EOF\n.*?^EOF$", "", block, flags=re.MULTILINE | re.DOTALL)
        found += block.replace("\\\n", " ").splitlines()
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    found += re.findall(r"^    (.*)$", text, re.MULTILINE)
    text = re.sub(r"^    .*$", "", text, flags=re.MULTILINE)
    for span in re.findall(r"`([^`]+)`", text):
        words = span.split()
        if len(words) > 1 or words and PROGRAM.match(words[0]):
            found.append(span)
    parts = (part for line in found for part in line.split(" && "))
    commands = (" ".join(part.split()) for part in parts)
    return [command for command in commands if command and not NO_COMMANDS.fullmatch(command)]


def all_commands() -> List[str]:
    return sorted({command for page in PAGES for command in find_commands(read_page(page))})


def our_words(command: str) -> List[str]:
    """The arguments of a command of this program, without placeholders; [] for another program."""
    match = re.match(
        r"(?:AWS_PROFILE=admin )?(?:python manage\.py sagemaker-|sagemaker-|donkey-sagemaker )(.*)", command
    )
    return [word for word in shlex.split(match.group(1)) if word != "[MODEL]"] if match else []


OURS = [command for command in all_commands() if our_words(command) and "VERB" not in command]
OTHERS = [command for command in all_commands() if not our_words(command)]


STORY = (
    *("install", "setup", "doctor", "image", "tubs", "train", "tune", "models", "rollback", "jobs"),
    *("follow", "attach", "stop", "console", "end"),
)


def in_the_owners_order(commands: List[List[str]]) -> List[List[str]]:
    """Arguments of commands, so that each finds what it needs: the earlier ones made it."""
    return sorted(commands, key=lambda words: (_stage_of(words), "--dry-run" not in words, words))


def _stage_of(words: List[str]) -> int:
    stage = words[0]
    if "--teardown" in words or stage == "uninstall":
        stage = "end"
    elif "--attach" in words:
        stage = "attach"
    return STORY.index(stage)


def is_without_an_account(words: List[str]) -> bool:
    if "--fleet" in words:
        return False
    return "--local" in words or words[0] in ("install", "uninstall", "tubs", "models", "rollback", "console")


def goes_on(words: List[str]) -> bool:
    """Whether the command ends only when somebody ends it."""
    return words[0] == "console" and "--service" not in words
