"""The steps of a training, for each type of model: the trainer's against Keras's own fit on arrays."""

import json
import os
import statistics
from typing import Any, Dict, List, Sequence

from report import Comparison, Measured, Row, SingleRuns, Topic
from workbench import HERE, Workbench

TYPES = ("linear", "categorical", "inferred", "memory", "behavior", "localizer", "rnn", "3d", "imu")
ROUNDS = 5
MAIN = ("linear", "categorical")
MAIN_TARGET, TARGET = 1.25, 1.0
OTHER = "fit on arrays in memory"
TOPIC = Topic(
    "Steps of a training",
    "Both sides train the same net of donkeycar on the same number of random pictures, epoch by epoch in "
    "turn, in one process and with oneDNN. Ours is the trainer's feed of bytes and its dropout; theirs is "
    "Keras's own `fit` of float32 arrays.",
)
METHODS = {
    "Pictures per second, steps alone": "Medians of epochs of 2,048 pictures (rnn and 3d: 512 sequences), "
    "without validation.",
    "Pictures per second of processor time": "The same epochs. Other programs on the machine disturb that "
    "less.",
}


def measure(bench: Workbench, *, types: Sequence[str] = TYPES, rounds: int) -> Measured:
    results = {model_type: run(bench, model_type, rounds) for model_type in types}
    comparisons = [
        Comparison(title, method, [compare(name, result, suffix) for name, result in results.items()])
        for (title, method), suffix in zip(METHODS.items(), ("", "_cpu"))
    ]
    epochs = SingleRuns(
        "Seconds of each epoch",
        ("type", "ours", "theirs", "ours, processor", "theirs, processor"),
        [
            [name, *(_join(result[key]) for key in ("ours", "theirs", "ours_cpu", "theirs_cpu"))]
            for name, result in results.items()
        ],
    )
    parts = SingleRuns(
        "Where Keras's step takes its time",
        ("type", "part", "share"),
        [
            [name, part, f"{share:.3f}"]
            for name, result in results.items()
            for part, share in result["profile"].items()
        ],
    )
    limits = SingleRuns(
        "Limits of the machine",
        ("what", "measured"),
        [[what, f"{value:.1f}"] for result in results.values() for what, value in result["limits"].items()],
    )
    return Measured(TOPIC, comparisons, [epochs, parts, limits])


def run(bench: Workbench, model_type: str, rounds: int) -> Dict[str, Any]:
    """
    Raises:
        CommandFailed
    """
    car = bench.make_car({})
    path = os.path.join(car, "steps.json")
    try:
        bench.run([bench.python, os.path.join(HERE, "step_side.py"), model_type, str(rounds), path], cwd=car)
        with open(path) as file:
            result: Dict[str, Any] = json.load(file)
    finally:
        bench.remove_car(car)
    return result


def compare(model_type: str, result: Dict[str, Any], suffix: str) -> Row:
    ours, theirs = (
        result["examples"] / statistics.median(result[side + suffix]) for side in ("ours", "theirs")
    )
    target = MAIN_TARGET if model_type in MAIN else TARGET
    return Row(
        what=model_type,
        ours=f"{ours:.0f}/s",
        theirs=f"{theirs:.0f}/s ({OTHER})",
        ratio=ours / theirs,
        target=f"at least {target}",
        met=ours >= target * theirs,
        runs=len(result["ours"]),
    )


def _join(seconds: List[float]) -> str:
    return " ".join(f"{each:.2f}" for each in seconds)
