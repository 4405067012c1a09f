#!/usr/bin/env python3
"""Compares the proof of driving with the truth, for the table in docs/driving.md.

Models of planted quality (more and fewer epochs and records, late and noisy commands, both recipes) are
trained on drawn tubs. Each drives on tracks that no tub shows, with kicks and a latency, and along
its own tub as the trainer's proof lets it, which does not know the demo's camera; their orders are compared.
The programs run in the donkeycar environment dk53 that tests/environments.py builds.
"""

import argparse
import json
import os
import sys
import tempfile
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

sys.path.insert(1, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(2, os.path.join(sys.path[1], "container"))
sys.path.insert(3, os.path.join(sys.path[1], "tests"))

from donkey_sagemaker.atomic import write_json
from machine import describe_machine
from pythons import find_python
from quality import read_versions, run
from report import make_table, write_block
from workbench import HERE, REPO, CommandFailed

PAGE = os.path.join(REPO, "docs", "driving.md")
BEGIN = "<!-- `make proof` writes from here -->\n"
END = "<!-- `make proof` writes to here -->\n"
ENVIRONMENT = "dk53"
DONKEYCAR, ROBUST = "donkeycar", "robust"
TRACKS = (1001, 1002, 1003, 1004)  # seeds far from those of the tubs
LATENCY = 2  # frames
KICK_EVERY = 50  # frames: 2.5 s


class TubDrawn(NamedTuple):
    records: int
    seed: int
    options: Tuple[str, ...] = ()  # of demo/draw_tub.py


class Planted(NamedTuple):
    """A training whose model is kept after some of its epochs."""

    name: str
    tub: str
    epochs: Tuple[int, ...]
    recipe: str
    slide: int = 0  # frames by which its commands are late
    noise: float = 0.0  # standard deviation that is added to its steering


STEADY = ("--steady",)
TUBS = {
    "f1": TubDrawn(800, 11, STEADY),
    "f2": TubDrawn(1600, 12, STEADY),
    "f3": TubDrawn(1200, 13),
    "f4": TubDrawn(2400, 14),
    "f5": TubDrawn(2400, 15, STEADY),
    "f6": TubDrawn(1600, 16, (*STEADY, "--latency", "2")),
}
PLANTED = (
    Planted("f1a", "f1", (4, 12), DONKEYCAR),
    Planted("f2a", "f2", (3, 7), ROBUST),
    Planted("f3a", "f3", (3, 9), ROBUST),
    Planted("f4a", "f4", (1, 5), DONKEYCAR),
    Planted("f5a", "f5", (1, 3, 6), ROBUST),
    Planted("f6a", "f6", (3, 7), DONKEYCAR),
    Planted("f1b", "f1", (5, 14), ROBUST),
    Planted("f2b", "f2", (2, 6), DONKEYCAR),
    Planted("f3b", "f3", (8,), DONKEYCAR, noise=0.6),
    Planted("f4b", "f4", (1, 3, 6), ROBUST, noise=0.3),
    Planted("f5b", "f5", (2, 5), DONKEYCAR, slide=3),
    Planted("f6b", "f6", (3, 7), ROBUST, slide=2),
    Planted("f1c", "f1", (12,), ROBUST, slide=3),
    Planted("f2c", "f2", (3, 7), ROBUST, slide=5),
    Planted("f3c", "f3", (3, 9), ROBUST, slide=4),
    Planted("f4c", "f4", (5,), DONKEYCAR, slide=5),
    Planted("f5c", "f5", (5,), ROBUST, noise=0.6),
)
FIRST_SEED = 100  # of the trainings


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keep", metavar="FOLDER", help="of finished models, from which to continue")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="donkey-proof-") as folder:
        folder = os.path.abspath(options.keep or folder)
        try:
            machine = describe_machine(read_versions(find_python(ENVIRONMENT)), repo=REPO)
            results = measure(folder)
        except CommandFailed as error:
            print(error, file=sys.stderr)
            return 1
    block = make_block(results, machine)
    write_block(PAGE, block, begin=BEGIN, end=END)
    print(block + "\nWritten to " + PAGE)
    return 0


def measure(folder: str) -> List[Dict[str, Any]]:
    """Draws, trains and drives what is not in the folder yet, and returns what each model drove.

    Raises:
        CommandFailed
    """
    python = find_python(ENVIRONMENT)
    models = os.path.join(folder, "models")
    os.makedirs(models, exist_ok=True)
    for name, tub in TUBS.items():
        path = os.path.join(folder, "tubs", name)
        if not os.path.exists(path):
            draw = [python, os.path.join(REPO, "demo", "draw_tub.py"), "--out", path, *tub.options]
            run(draw + ["--records", str(tub.records), "--seed", str(tub.seed)], cwd=folder)
    trainings = [
        dict(each._asdict(), tub=os.path.join(folder, "tubs", each.tub), seed=FIRST_SEED + number)
        for number, each in enumerate(PLANTED)
    ]
    task = {
        "folder": models,
        "planted": trainings,
        "tracks": [(track, reverse) for track in TRACKS for reverse in (False, True)],
        "laps": 1.0,
        "latency": LATENCY,
        "kick_every": KICK_EVERY,
    }
    task_path = os.path.join(folder, "task.json")
    write_json(task_path, task)
    run([python, os.path.join(HERE, "proof_side.py"), task_path], cwd=folder)
    results = []
    for each in PLANTED:
        for epoch in each.epochs:
            with open(os.path.join(models, f"{each.name}-{epoch}.json")) as file:
                results.append(dict(json.load(file), name=each.name))
    return results


def make_block(results: Sequence[Dict[str, Any]], machine: Dict[str, str]) -> str:
    """The rank correlations, and a row for each model, the best driver first."""
    truth = [per_100_m(each["truth"]) for each in results]
    proof = [per_100_m(each["proof"]) for each in results]
    distances = [each["proof"]["mean_distance_m"] for each in results]
    losses = [each["val_loss"] for each in results]
    metres = sum(each["truth"]["metres"] for each in results) / len(results)
    proof_metres = sum(each["proof"]["metres"] for each in results) / len(results)
    seconds = [each["proof"]["seconds"] for each in results]
    rows = [
        (
            describe(each),
            f"{per_100_m(each['truth']):.1f}",
            f"{per_100_m(each['proof']):.1f}",
            f"{100 * each['truth']['mean_distance_m']:.1f} cm",
            f"{100 * each['proof']['mean_distance_m']:.1f} cm",
            f"{each['val_loss']:.4f}",
        )
        for each in sorted(results, key=lambda each: per_100_m(each["truth"]))
    ]
    return "\n".join(
        [
            f"{len(results)} models; each drove {metres:.0f} m on unseen tracks and {proof_metres:.0f} m in"
            f" the proof, which took {sum(seconds) / len(seconds):.1f} s of one core.",
            "",
            make_table(
                ("rank correlation with the true times off", "Spearman"),
                [
                    ("of the proof's times off", f"{spearman(proof, truth):.2f}"),
                    ("of the proof's mean distance", f"{spearman(distances, truth):.2f}"),
                    ("of the validation loss", f"{spearman(losses, truth):.2f}"),
                ],
            ),
            "",
            make_table(
                ("model", "off, true", "off, proof", "distance, true", "distance, proof", "validation loss"),
                rows,
            ),
            "",
            make_table(("machine", ""), list(machine.items())),
            "",
        ]
    )


def describe(result: Dict[str, Any]) -> str:
    planted = result["planted"]
    tub = TUBS[result["name"][:2]]
    driver = "steady" if STEADY[0] in tub.options else "pushed"
    parts = [planted["recipe"], f"{tub.records:,} records, {driver}", f"epoch {result['epoch']}"]
    if "--latency" in tub.options:
        parts[1] += " and late"
    if planted["slide"]:
        parts.append(f"slide {planted['slide']}")
    if planted["noise"]:
        parts.append(f"noise {planted['noise']}")
    return ", ".join(parts)


def per_100_m(driven: Dict[str, Any]) -> float:
    return 100 * float(driven["times_off"]) / float(driven["metres"])


def spearman(values: Sequence[float], others: Sequence[float]) -> float:
    """The correlation of the ranks; equal values share one."""
    ranks, other_ranks = (rank(each) for each in (values, others))
    middle = (len(ranks) + 1) / 2
    pairs = [(one - middle, other - middle) for one, other in zip(ranks, other_ranks)]
    norm = sum(one**2 for one, _ in pairs) * sum(other**2 for _, other in pairs)
    return sum(one * other for one, other in pairs) / norm**0.5 if norm else 0.0


def rank(values: Sequence[float]) -> List[float]:
    return [
        sum(other < value for other in values) + (sum(other == value for other in values) + 1) / 2
        for value in values
    ]


if __name__ == "__main__":
    sys.exit(main())
