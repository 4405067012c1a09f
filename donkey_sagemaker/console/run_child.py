"""One command of this program as a process of its own, which goes on when the console ends.

    python -m donkey_sagemaker.console.run_child FOLDER VERB OPTION...

The folder gets its exit code, and the file that shows how far it is.
"""

import os
import runpy
import signal
import sys
import time

from ..atomic import write_json
from ..ui import PROGRESS_VARIABLE
from .runs import PROGRESS_NAME, RESULT_NAME

_PACKAGE = "donkey_sagemaker"


def main() -> None:
    folder = sys.argv[1]
    sys.argv[1:] = sys.argv[2:]
    os.environ[PROGRESS_VARIABLE] = os.path.join(folder, PROGRESS_NAME)
    # A shell that starts the console in the background lets it ignore Ctrl-C, which is how a job is detached
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = 1
    try:
        runpy.run_module(_PACKAGE, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    finally:
        write_json(os.path.join(folder, RESULT_NAME), {"code": code, "ended": time.time()})


if __name__ == "__main__":
    main()
