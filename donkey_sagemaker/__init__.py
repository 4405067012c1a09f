"""donkey-sagemaker: trains a donkeycar's driving model on AWS SageMaker and installs it in the car.

The car's manage.py imports this module each time it starts, `drive` included, so it imports nothing else
from the package until a verb is requested.
"""

import os
import sys
from typing import Optional

__version__ = "0.1.0"

# One module each in commands/. The docopt of the car's manage.py shows these texts, too: see _usage_section.
VERBS = {
    "tubs": "Review the recorded driving, and delete what would spoil a model.",
    "train": "Train a model from tubs, check it and install it.",
    "tune": "Try other settings, and install the model that drives best.",
    "models": "List this car's trainings and how good their models are, or compare two.",
    "follow": "Install the models of this car's jobs as soon as they are ready.",
    "jobs": "List this car's jobs: name, state, model, time, cost.",
    "stop": "Stop a job and keep what it has learned.",
    "rollback": "Bring an earlier version of a model back.",
    "console": "Serve all of this as a page for a phone.",
    "doctor": "Check everything that a training needs, and show how to fix what is wrong.",
    "setup": "Create what is needed on AWS, update it, or delete it.",
    "image": "Build and push a training image for this car's donkeycar.",
}
VERB_PREFIX = "sagemaker-"


def plug_in(manage_path: str, doc: Optional[str]) -> Optional[str]:
    """Runs the verb of this package that manage.py was started with, if any, and exits with its code.

    Args:
        manage_path: `__file__` of the car's manage.py.
        doc: its docstring, from which docopt reads the command line.

    Returns:
        the docstring with our commands at its end, for manage.py to pass to docopt; None where it had none.
    """
    if len(sys.argv) > 1 and sys.argv[1].startswith(VERB_PREFIX):
        from donkey_sagemaker import cli

        verb = sys.argv[1][len(VERB_PREFIX) :]
        car_path = os.path.dirname(os.path.realpath(manage_path))
        sys.exit(cli.main([verb] + sys.argv[2:], car_path=car_path, program=f"manage.py {VERB_PREFIX}"))
    if doc is not None:
        return doc.rstrip() + _usage_section()
    if "-h" in sys.argv or "--help" in sys.argv:
        print(_usage_section().strip())
    return None


def _usage_section() -> str:
    """The section that is appended to manage.py's docstring; what docopt parses stays as it is.

    docopt treats a second "usage:" as an error, a line that starts with "-" or "<" as an option, and all text
    up to the next option as the description of the last one. If the last option has no description, docopt
    would read our first words as its argument: two spaces, here on a line of their own, begin a description.
    """
    width = max(len(verb) for verb in VERBS)
    lines = [f"  {VERB_PREFIX}{verb:<{width}}  {text}" for verb, text in VERBS.items()]
    heading = f"AWS SageMaker (options: `manage.py {VERB_PREFIX}VERB --help`):"
    return "\n  \n" + "\n".join([heading, *lines]) + "\n"
