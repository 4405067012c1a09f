"""How long `sagemaker-train --help` takes to print."""

import statistics
from typing import List

from report import Comparison, Measured, Topic, make_row
from workbench import Timed, Workbench

MORE_S = 0.5
TOPIC = Topic(
    "Start of a command",
    "`manage.py sagemaker-train --help` in a car's folder, from start to exit, alternating with the bare "
    "interpreter.",
)


def measure(bench: Workbench, *, rounds: int) -> Measured:
    car = bench.make_car()
    help_command = [bench.python, "manage.py", "sagemaker-train", "--help"]
    bare_command = [bench.python, "-c", "pass"]
    try:
        bench.run(help_command, cwd=car)  # writes the byte code
        helps: List[Timed] = []
        bares: List[Timed] = []
        for _ in range(rounds):
            helps.append(bench.run(help_command, cwd=car))
            bares.append(bench.run(bare_command, cwd=car))
    finally:
        bench.remove_car(car)
    help_s = statistics.median(timed.seconds for timed in helps)
    bare_s = statistics.median(timed.seconds for timed in bares)
    row = make_row(
        "manage.py sagemaker-train --help",
        help_s,
        bare_s,
        show="{:.3f} s",
        other="python -c pass",
        target=f"at most {MORE_S} s more",
        met=help_s - bare_s <= MORE_S,
        runs=rounds,
    )
    return Measured(TOPIC, [Comparison("Time to print the help", "Medians.", [row])], [])
