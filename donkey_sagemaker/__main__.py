# PYTHON_ARGCOMPLETE_OK
"""`donkey-sagemaker` and `python -m donkey_sagemaker`."""

import os
import sys


def main() -> int:
    if "_ARGCOMPLETE" in os.environ:  # set by the shell when Tab was pressed
        from .completion import complete

        complete()
    from .cli import main as run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
