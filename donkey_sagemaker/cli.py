"""Parses the command line, runs the verb's command, and turns an error into a message and an exit code."""

import argparse
import difflib
import importlib
import sys
from typing import Any, List, Optional

from . import VERBS, __version__
from .disk_errors import explain_disk_error
from .errors import DonkeySagemakerError, get_notes
from .ui import printable

INTERRUPTED = 130
PROGRAM = "donkey-sagemaker"
PLUG_IN_VERBS = {
    "install": "Add the commands to a car's manage.py and the settings to its myconfig.py.",
    "uninstall": "Remove them again.",
}
ALL_VERBS = {**VERBS, **PLUG_IN_VERBS}
OLD_SPELLINGS = {("jobs", "--report"): "models"}


def main(argv: List[str], *, car_path: str = ".", program: str = f"{PROGRAM} ") -> int:
    """Runs one verb, e.g. ["train", "--tub", "data"].

    Args:
        program: what was typed in front of the verb, for the usage.
    Returns:
        0 done, or detached on request; 1 the job failed or its model was rejected; 2 invalid input or
        settings; 3 AWS refused; 130 interrupted.
    """
    for (old_verb, option), new_verb in OLD_SPELLINGS.items():
        if argv[:1] == [old_verb] and option in argv:
            argv = [new_verb] + [word for word in argv[1:] if word != option]
    verb = next((word for word in argv if not word.startswith("-")), None)
    parser = make_parser(verb, program=program)
    nearest = difflib.get_close_matches(verb or "", ALL_VERBS, n=1)
    if nearest and verb not in ALL_VERBS:
        parser.error(f"there is no verb {verb}; did you mean {nearest[0]}?")
    arguments, unknown = parser.parse_known_args(argv)
    if unknown:
        parser.error(f"{verb} has no {unknown[0]}; `{program}{verb} --help` lists its options")
    try:
        return load_command(arguments.verb).run(arguments, car_path=car_path)
    except KeyboardInterrupt:
        _complain("Interrupted: nothing was started or changed.")
        return INTERRUPTED
    except Exception as error:
        if arguments.debug:
            raise
        known = error if isinstance(error, DonkeySagemakerError) else None
        known = known or explain_disk_error(error, car_path=car_path)
        if known:
            _complain(f"{known.what}\n{known.fix}")
        else:
            _complain(
                f"An unexpected error occurred: {type(error).__name__}: {error}\n"
                "Run the command again with --debug and report what it prints."
            )
        for note in get_notes(error):
            _complain(note)
        return known.exit_code if known else 1


def _complain(text: str) -> None:
    print(printable(text, sys.stderr), file=sys.stderr)


def make_parser(verb: Optional[str], *, program: str = f"{PROGRAM} ") -> argparse.ArgumentParser:
    """The parser of the whole command line, with the options of one verb: only its command is imported."""
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


def load_command(verb: str) -> Any:
    """The module commands/VERB.py."""
    return importlib.import_module(f".commands.{verb}", __package__)
