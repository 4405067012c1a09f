"""Ours against `donkey train`: the same records to train and to validate with, as many epochs, the same seed."""

import json
import os
import re
import statistics
from typing import Dict, List, NamedTuple, Sequence

from donkey_sagemaker.durable import write_bytes
from report import Details, Measured, Row
from tubs import read_v2
from workbench import HERE, CommandFailed, Timed, Workbench

from trainer.examples import split

TIME_TARGET = 1.05


class Trained(NamedTuple):
    best: float  # validation loss
    last: float
    seconds: float  # of the whole command


def measure(bench: Workbench, *, tub: str, epochs: int, seeds: Sequence[int]) -> Measured:
    ours: List[Trained] = []
    theirs: List[Trained] = []
    for number, seed in enumerate(seeds):
        sides = [(train_ours, ours), (train_theirs, theirs)]
        for train, results in sides if number % 2 == 0 else sides[::-1]:
            results.append(train(bench, tub=tub, epochs=epochs, seed=seed))
    return Measured(
        make_rows(ours, theirs, epochs=epochs, seeds=seeds),
        [
            Details(
                "Each training",
                (
                    "seed",
                    "best loss, ours",
                    "theirs",
                    "last loss, ours",
                    "theirs",
                    "seconds, ours",
                    "theirs",
                    "ours / theirs",
                ),
                [
                    (
                        str(seed),
                        "{:.4f}".format(our.best),
                        "{:.4f}".format(their.best),
                        "{:.4f}".format(our.last),
                        "{:.4f}".format(their.last),
                        "{:.1f}".format(our.seconds),
                        "{:.1f}".format(their.seconds),
                        "{:.2f}".format(our.seconds / their.seconds),
                    )
                    for seed, our, their in zip(seeds, ours, theirs)
                ],
            )
        ],
    )


def make_settings(epochs: int, seed: int) -> Dict[str, int]:
    return {"MAX_EPOCHS": epochs, "EARLY_STOP_PATIENCE": epochs + 1, "SAGEMAKER_SEED": seed}


def train_ours(bench: Workbench, *, tub: str, epochs: int, seed: int) -> Trained:
    car = bench.make_car(make_settings(epochs, seed))
    try:
        command = [bench.python, "-m", "donkey_sagemaker", "train", "--local", "--tub", tub]
        timed = bench.run(command, cwd=car)
        check_counts(command, timed, expected=[len(side) for side in expected_split(tub, seed=seed)])
        return read_result(car, timed)
    finally:
        bench.remove_car(car)


def train_theirs(bench: Workbench, *, tub: str, epochs: int, seed: int) -> Trained:
    car = bench.make_car(make_settings(epochs, seed))
    split_path = os.path.join(bench.folder, "split.json")
    try:
        script = os.path.join(HERE, "donkey_train.py")
        command = [bench.python, script, str(seed), split_path, "--tub", tub]
        timed = bench.run(command, cwd=car)
        with open(split_path) as file:
            if json.load(file) != expected_split(tub, seed=seed):
                raise CommandFailed(command, "it had other records to train with than ours", timed.output)
        return read_result(car, timed)
    finally:
        bench.remove_car(car)
