"""Trainings whose pictures fit neither into memory nor onto the disk: their memory, and what that costs."""

import json
import os
import shutil
import statistics
from typing import Any, Dict, Sequence

from report import Comparison, Measured, SingleRuns, Topic, make_row
from tubs import repeat_tub
from workbench import HERE, Workbench

RECORDS = (10000, 200000)
STEPS = 24  # of 128 pictures
MEMORY_TARGET, MEMORY_ROUNDS = 1.1, 3
GB = 1e9
TOPIC = Topic(
    "Pictures that fit nowhere",
    f"The first {STEPS} steps of a linear model. Each picture is decoded whenever it is needed.",
)


def measure(
    bench: Workbench, *, tub: str, records: Sequence[int] = RECORDS, rounds: int, steps: int = STEPS
) -> Measured:
    path = os.path.join(bench.folder, "streaming")
    # How much TensorFlow takes differs by some percent from run to run.
    few, many = (
        statistics.median(
            run(bench, tub, path, count, "stream", steps)["peak_bytes"] for _ in range(MEMORY_ROUNDS)
        )
        for count in records
    )
    sides = [
        {kind: run(bench, tub, path, records[0], kind, steps) for kind in ("stream", "memory")}
        for _ in range(rounds)
    ]
    memory = make_row(
        f"{records[1]:,} records",
        many / GB,
        few / GB,
        show="{:.2f} GB",
        other=f"{records[0]:,} records",
        target=f"at most {MEMORY_TARGET:.2f}",
        met=many <= MEMORY_TARGET * few,
        runs=MEMORY_ROUNDS,
    )
    rates = {
        kind: statistics.median(side[kind]["images_s"] for side in sides) for kind in ("stream", "memory")
    }
    rate = make_row(
        f"{records[0]:,} records",
        rates["stream"],
        rates["memory"],
        show="{:.0f}/s",
        other="the same trainer, pictures in memory",
        runs=rounds,
    )
    lines = [[f"{side[kind]['images_s']:.0f}/s" for kind in ("stream", "memory")] for side in sides]
    return Measured(
        TOPIC,
        [
            Comparison(
                "Peak memory of a streaming training",
                "Medians of the largest resident size of the trainer.",
                [memory],
            ),
            Comparison("Pictures per second of a streaming training", "Medians.", [rate]),
        ],
        [SingleRuns("Pictures per second", ("streaming", "in memory"), lines)],
    )


def run(bench: Workbench, tub: str, path: str, records: int, kind: str, steps: int) -> Dict[str, Any]:
    """
    Raises:
        CommandFailed
    """
    repeat_tub(tub, path, records=records)
    result_path = os.path.join(bench.folder, "streaming.json")
    try:
        side = os.path.join(HERE, "stream_side.py")
        bench.run([bench.python, side, path, kind, str(steps), result_path], cwd=bench.folder)
        with open(result_path) as file:
            result: Dict[str, Any] = json.load(file)
    finally:
        shutil.rmtree(path)
    return result
