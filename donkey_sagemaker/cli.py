"""Runs the verb of a command line, and turns an error into a message and an exit code."""

import difflib
import os
import sys
from typing import List

from .disk_errors import explain_disk_error
from .errors import DonkeySagemakerError, get_notes
from .interrupts import INTERRUPTED
from .parser import ALL_VERBS, PROGRAM, explain_unknown, load_command, make_parser
from .ui import printable

OLD_SPELLINGS = {("jobs", "--report"): ["models", "--report"]}


def main(argv: List[str], *, car_path: str = ".", program: str = f"{PROGRAM} ") -> int:
    """Runs one verb, e.g. ["train", "--tub", "data"].

    Args:
        program: what was typed in front of the verb, for the usage.
    Returns:
        0 done, or detached on request; 1 the job failed, or its model was rejected or kept aside; 2 invalid
        input or settings; 3 AWS refused; 130 interrupted.
    """
    # NumPy's products are small here: a second thread saves nothing, and waits for a core that is driving
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for (old_verb, option), new_words in OLD_SPELLINGS.items():
        if argv[:1] == [old_verb] and option in argv:
            argv = new_words + [word for word in argv[1:] if word != option]
    verb = next((word for word in argv if not word.startswith("-")), None)
    parser = make_parser(verb, program=program)
    nearest = difflib.get_close_matches(verb or "", ALL_VERBS, n=1)
    if nearest and verb not in ALL_VERBS:
        parser.error(f"there is no verb {verb}; did you mean {nearest[0]}?")
    arguments, unknown = parser.parse_known_args(argv)
    if unknown:
        parser.error(explain_unknown(unknown[0], verb or "", program=program))
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
    if sys.stderr.isatty():
        from .rich_ui import print_error

        print_error(text)
    else:
        print(printable(text, sys.stderr), file=sys.stderr)
