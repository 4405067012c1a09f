"""The environments that the measured programs run in."""

import os
import sys

import environments


def find_python(*names: str) -> str:
    """The Python of one of these environments: the first in DONKEY_ENVIRONMENTS, or one built here."""
    ready = os.environ.get("DONKEY_ENVIRONMENTS")
    if ready:
        pythons = [os.path.join(os.path.abspath(ready), name, "bin", "python") for name in names]
        for python in pythons:
            if os.access(python, os.X_OK):
                return python
        sys.exit(
            f"DONKEY_ENVIRONMENTS is {ready}, which does not contain {' or '.join(names)}. "
            "Unset it to have the environment built here."
        )
    name = environments.pick() if names == environments.PICKS else names[0]
    environments.build(name, environments.find_python(name))
    return os.path.join(environments.ENVIRONMENTS, name, "bin", "python")
