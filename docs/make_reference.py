#!/usr/bin/env python3
"""Writes docs/reference.md, every command, option and setting, from the program itself: `make docs`."""

import argparse
import os
import sys
from typing import Any, Iterator, List, Sequence

sys.path.insert(1, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from donkey_sagemaker import VERBS
from donkey_sagemaker.parser import PLUG_IN_VERBS, make_parser
from donkey_sagemaker.settings import GROUPS, Setting

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "reference.md")
HEAD = """# Reference

For looking something up: every command, option and setting. `make docs` generates this page from the program.

In a car's folder, `python manage.py sagemaker-VERB` and `donkey-sagemaker VERB` are the same program. A flag
overrides myconfig.py, which overrides config.py, which overrides the default.

In bash and zsh the Tab key completes verbs and options after `pip install argcomplete` and
`eval "$(register-python-argcomplete donkey-sagemaker)"`, which may stand in ~/.bashrc.

## Exit codes
| code | means |
|---|---|
| 0 | done, or detached on request |
| 1 | the job failed, or its model was rejected or kept aside |
| 2 | invalid input or settings |
| 3 | AWS refused |
| 130 | interrupted; a running job continues |

`doctor` ends with 0 if nothing is wrong, with 2 if something is wrong with the car or its settings, and with
3 if something is wrong on AWS only.
"""


def make_reference() -> str:
    """The whole page."""
    lines = [HEAD, "## Commands"]
    for verb in [*VERBS, *PLUG_IN_VERBS]:
        lines += describe_verb(verb, find_parser(verb))
    lines += ["## Settings", "In myconfig.py. `donkey-sagemaker install` writes them there as comments.", ""]
    for title, settings in GROUPS:
        lines += ["### " + title]
        lines += table(("setting", "default", "is", "flag", "must be"), map(describe_setting, settings))
    return "\n".join(lines).rstrip() + "\n"


def find_parser(verb: str) -> argparse.ArgumentParser:
    """The parser of one verb, which argparse keeps among the choices of the whole one."""
    (verbs,) = (action.choices for action in make_parser(verb)._actions if isinstance(action.choices, dict))
    return verbs[verb]


def describe_verb(verb: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    yield "### " + verb
    yield str(parser.description)
    yield ""
    program = "donkey-sagemaker " if verb in PLUG_IN_VERBS else "python manage.py sagemaker-"
    yield f"    {program}{verb}"
    yield ""
    yield from table(
        ("option", "does"), (describe_option(action) for action in parser._actions if action.help)
    )


def describe_option(action: argparse.Action) -> Sequence[str]:
    value = ""
    if action.nargs != 0:
        value = (action.metavar if isinstance(action.metavar, str) else action.dest).upper()
    if not action.option_strings:
        return f"`{value}`", str(action.help)
    ways = [f"{way}={value}" if value else way for way in action.option_strings]
    if action.nargs == "?":
        ways = [f"{way}[={value}]" for way in action.option_strings]
    return ", ".join(f"`{way}`" for way in ways), str(action.help)


def describe_setting(setting: Setting) -> Sequence[str]:
    return (
        f"`{setting.variable}`",
        f"`{setting.default!r}`",
        setting.help,
        f"`{setting.flag}`" if setting.has_flag else "",
        setting.kind.expected,
    )


def table(head: Sequence[str], rows: Any) -> List[str]:
    """A table of Markdown, and the empty line after it."""
    lines = [head, ["---"] * len(head), *rows]
    texts = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in lines]
    return [f"| {text} |" for text in texts] + [""]


if __name__ == "__main__":
    with open(PATH, "w", encoding="utf-8") as file:
        file.write(make_reference())
