"""Runs one command and records its exit code, its time and its peak memory.

    python -I -S timed.py RESULT.json COMMAND...

A small process of its own: on Linux a new process inherits the peak memory of its parent, so the memory of a
large parent would be measured instead of the child's.
"""

import json
import os
import subprocess
import sys
import time


def main() -> None:
    result_path, command = sys.argv[1], sys.argv[2:]
    started = time.perf_counter()
    process = subprocess.Popen(command)
    _pid, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    peak_bytes = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    with open(result_path, "w") as file:
        json.dump({"exit_code": process.returncode, "seconds": seconds, "peak_bytes": peak_bytes}, file)


if __name__ == "__main__":
    main()
