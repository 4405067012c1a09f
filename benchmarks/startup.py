"""How long the car's owner waits for the first word of ours."""

import statistics
from typing import List

from report import Measured, Row
from workbench import Timed, Workbench

MORE_S = 0.5


def measure(bench: Workbench, *, rounds: int) -> Measured:
    car = bench.make_car()
    help_command = [bench.python, "manage.py", "sagemaker-train", "--help"]
    bare_command = [bench.python, "-c", "pass"]
    try:
        bench.run(help_command, cwd=car)  # once for the byte code
        helps: List[Timed] = []
        bares: List[Timed] = []
        for _ in range(rounds):
            helps.append(bench.run(help_command, cwd=car))
            bares.append(bench.run(bare_command, cwd=car))
    finally:
        bench.remove_car(car)
    help_s = statistics.median(timed.seconds for timed in helps)
    bare_s = statistics.median(timed.seconds for timed in bares)
    row = Row(
        what="manage.py sagemaker-train --help",
        ours=f"{help_s:.3f} s",
        theirs=f"{bare_s:.3f} s (python -c pass)",
        ratio=help_s / bare_s,
        target=f"at most {MORE_S} s more",
        met=help_s - bare_s <= MORE_S,
        how="From start to exit in a car's folder, alternating with the bare interpreter, "
        f"medians of {rounds}.",
    )
    return Measured([row], [])
