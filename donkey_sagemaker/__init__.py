"""donkey-sagemaker: trains a donkeycar's driving model on AWS SageMaker and puts it back into the car.

The car's manage.py imports this module each time it starts, `drive` included: it imports
nothing else of ours until a verb is asked for.
"""

import os
import sys
from typing import Optional

__version__ = "0.1.0"

# The text is shown by the docopt of the car's manage.py as well: see _commands.
VERBS = {
    "train": "Train a model from tubs, check it and install it.",
    "doctor": "Check all that a training needs, and say how to mend it.",
    "jobs": "List the jobs of this car: name, state, model, time, cost.",
    "stop": "Stop a job; what it had learned comes back.",
    "setup": "Make all that AWS needs to have for it, or update it, or take it away.",
    "rollback": "Put the previous model back.",
    "image": "Build and push a training image for this car's donkeycar.",
}

_VERB_PREFIX = "sagemaker-"


def plug_in(manage_path: str, doc: Optional[str]) -> Optional[str]:
    """Runs the verb of ours that manage.py was started with, if any, and exits with its code.

    Args:
        manage_path: `__file__` of the car's manage.py.
        doc: its docstring, from which docopt reads the command line.

    Returns:
        the docstring with our commands at its end, for manage.py to hand to docopt; None where it had none.
    """
    if len(sys.argv) > 1 and sys.argv[1].startswith(_VERB_PREFIX):
        from . import cli

        verb = sys.argv[1][len(_VERB_PREFIX) :]
        sys.exit(cli.main([verb] + sys.argv[2:], car_path=os.path.dirname(os.path.realpath(manage_path))))
    if doc is not None:
        return doc.rstrip() + _commands()
    if "-h" in sys.argv or "--help" in sys.argv:
        print(_commands().strip())
    return None


def _commands() -> str:
    """The section that is appended to manage.py's docstring; what docopt parses stays as it is.

    docopt takes a second "usage:" for an error, a line that starts with "-" or "<" for an option, and all
    text up to the next option for the last one's description. If the last option has none, docopt would take
    our first words for its argument: two blanks, here on a line of their own, begin a description.
    """
    width = max(len(verb) for verb in VERBS)
    lines = ["  {}{:<{}}  {}".format(_VERB_PREFIX, verb, width, text) for verb, text in VERBS.items()]
    heading = f"AWS SageMaker (`manage.py {_VERB_PREFIX}VERB --help` tells more):"
    return "\n  \n" + "\n".join([heading] + lines) + "\n"
