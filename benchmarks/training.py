"""Ours against `donkey train`: the same split of the same records, as many epochs, the same seed."""

import json
import os
import statistics
from typing import Any, Dict, List, NamedTuple, Sequence

from report import Details, Measured, Row
from tubs import read_v2
from workbench import HERE, CommandFailed, Timed, Workbench

from trainer.examples import split

TIME_TARGET = 1.05
TRAIN_FRACTION = 0.8  # as donkeycar's default


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


def make_rows(ours: List[Trained], theirs: List[Trained], *, epochs: int, seeds: Sequence[int]) -> List[Row]:
    how_many = "epochs: {}, {}".format(
        epochs, "seeds {}".format(", ".join(map(str, seeds))) if len(seeds) > 1 else "seed {}".format(*seeds)
    )
    our_s = statistics.median(one.seconds for one in ours)
    their_s = statistics.median(one.seconds for one in theirs)
    return [
        compare_losses(
            "validation loss, best epoch ({})".format(how_many),
            [one.best for one in ours],
            [one.best for one in theirs],
            how="Each side's own val_loss of its best epoch, mean and sample standard deviation over the "
            "seeds; records, split, seed and epochs are the same for both, without early stop, all else is "
            "default; met where the means differ by no more than the larger deviation.",
        ),
        compare_losses(
            "validation loss, last epoch ({})".format(how_many),
            [one.last for one in ours],
            [one.last for one in theirs],
            how="The same runs, after their last epoch.",
        ),
        Row(
            what="time of the whole command ({})".format(how_many),
            ours="{:.1f} s".format(our_s),
            theirs="{:.1f} s".format(their_s),
            ratio=our_s / their_s,
            target="at most {:.2f}".format(TIME_TARGET),
            met=our_s <= TIME_TARGET * their_s,
            how="The same runs, the sides alternating, from the start of the command to its exit, medians: "
            "`donkey-sagemaker train --local` with packing, job, check and install against `donkey train` "
            "with its conversion to tflite.",
        ),
    ]


def compare_losses(what: str, ours: List[float], theirs: List[float], *, how: str) -> Row:
    our_mean, their_mean = statistics.mean(ours), statistics.mean(theirs)
    if len(ours) < 2:
        return Row(
            what=what,
            ours="{:.4f}".format(our_mean),
            theirs="{:.4f}".format(their_mean),
            ratio=our_mean / their_mean,
            target="difference within the spread",
            met=None,  # one seed has no spread
            how=how,
        )
    our_spread, their_spread = statistics.stdev(ours), statistics.stdev(theirs)
    return Row(
        what=what,
        ours="{:.4f} ± {:.4f}".format(our_mean, our_spread),
        theirs="{:.4f} ± {:.4f}".format(their_mean, their_spread),
        ratio=our_mean / their_mean,
        target="difference within the spread",
        met=abs(our_mean - their_mean) <= max(our_spread, their_spread),
        how=how,
    )


def make_settings(epochs: int, seed: int) -> Dict[str, Any]:
    return {
        "MAX_EPOCHS": epochs,
        "EARLY_STOP_PATIENCE": epochs + 1,  # never reached
        "TRAIN_TEST_SPLIT": TRAIN_FRACTION,
        "SAGEMAKER_SEED": seed,
    }


def train_ours(bench: Workbench, *, tub: str, epochs: int, seed: int) -> Trained:
    car = bench.make_car(make_settings(epochs, seed))
    try:
        command = [bench.python, "-m", "donkey_sagemaker", "train", "--local", "--tub", tub]
        timed = bench.run(command, cwd=car)
        training, validation = expected_split(tub, seed=seed)
        told = "{} examples to train, {} to validate".format(len(training), len(validation))
        if told not in timed.output:
            raise CommandFailed(command, "it did not train on " + told, timed.output)
        return read_result(car, timed)
    finally:
        bench.remove_car(car)


def train_theirs(bench: Workbench, *, tub: str, epochs: int, seed: int) -> Trained:
    car = bench.make_car(make_settings(epochs, seed))
    try:
        script, split_path = os.path.join(HERE, "donkey_train.py"), os.path.join(car, "split.json")
        command = [bench.python, script, str(seed), split_path, "--tub", tub]
        timed = bench.run(command, cwd=car)
        with open(split_path) as file:
            if json.load(file) != expected_split(tub, seed=seed):
                raise CommandFailed(command, "it split the records in another way than ours", timed.output)
        return read_result(car, timed)
    finally:
        bench.remove_car(car)


def expected_split(tub: str, *, seed: int) -> List[List[int]]:
    """Indexes of the records to train and to validate with."""
    indexes = [record.index for record in read_v2(tub).records]
    return list(split(indexes, train_fraction=TRAIN_FRACTION, seed=seed))


def read_result(car: str, timed: Timed) -> Trained:
    """The losses of a car's only model, which either side enters into the pilot database."""
    with open(os.path.join(car, "models", "database.json"), encoding="utf-8") as file:
        (pilot,) = json.load(file)
    losses = [float(loss) for loss in pilot["History"]["val_loss"]]
    return Trained(best=min(losses), last=losses[-1], seconds=timed.seconds)
