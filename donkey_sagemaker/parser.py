"""The parser of the command line, with the options of one verb: only its command is imported."""

import argparse
import difflib
import importlib
import re
from typing import Any, Optional

from . import VERBS, __version__

PROGRAM = "donkey-sagemaker"
PLUG_IN_VERBS = {
    "install": "Add the commands to a car's manage.py and the settings to its myconfig.py.",
    "uninstall": "Remove them again.",
}
ALL_VERBS = {**VERBS, **PLUG_IN_VERBS}


def make_parser(verb: Optional[str], *, program: str = f"{PROGRAM} ") -> argparse.ArgumentParser:
    """
    Args:
        verb: the one whose options are parsed; None where none was typed.
        program: what was typed in front of the verb, for the usage.
    """
    parser = argparse.ArgumentParser(
        prog=program.split()[0],
        usage=f"{program}VERB [options]",
        description="Trains a donkeycar's model on AWS SageMaker or on this machine, and installs it.",
        epilog="In a car's folder, `python manage.py sagemaker-VERB` is the same as `donkey-sagemaker VERB`.",
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs")
    verbs.required = True
    for name, text in ALL_VERBS.items():
        if name != verb:
            verbs.add_parser(name, help=text)
            continue
        command = load_command(name)
        verb_parser = verbs.add_parser(name, help=text, description=command.HELP, prog=f"{program}{name}")
        command.add_options(verb_parser)
        verb_parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def explain_unknown(word: str, verb: str, *, program: str) -> str:
    """What to say about an option that the verb does not have."""
    command = argparse.ArgumentParser()
    load_command(verb).add_options(command)
    options = re.findall(r"--[a-z][a-z-]*", command.format_help())
    nearest = difflib.get_close_matches(word.partition("=")[0], options, n=1)
    hint = f"; did you mean {nearest[0]}?" if nearest else f"; `{program}{verb} --help` lists its options"
    return f"{verb} has no {word}{hint}"


def load_command(verb: str) -> Any:
    """The module commands/VERB.py."""
    return importlib.import_module(f".commands.{verb}", __package__)
