"""Ours against `donkey train`: the same split of the same records, as many epochs, the same seed."""

import glob
import json
import os
import stat
import statistics
import tempfile
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from report import MIB, Details, Measured, Row
from tubs import make_extras_tub, read_v2, repeat_tub
from workbench import HERE, CommandFailed, Timed, Workbench

from donkey_sagemaker.contract import Progress, parse_progress
from trainer.examples import sequences, split

TRAIN_FRACTION = 0.8  # as donkeycar's default
LIMIT_TARGET = 0.95
BOUND = "The trainer stays below "


class Way(NamedTuple):
    """What the net is computed with."""

    name: str
    options: Tuple[str, ...] = ()  # of fit_limit.py
    onednn: bool = False


# On a CPU
ONEDNN, EIGEN, XLA = Way("oneDNN", onednn=True), Way("TensorFlow's own kernels"), Way("XLA", ("xla",))
# On a GPU
FLOAT32, MIXED = Way("float32"), Way("mixed float16", ("mixed",))
MIXED_XLA = Way("mixed float16 and XLA", ("mixed", "xla"))


class Task(NamedTuple):
    """What both sides train."""

    title: str
    model_type: str
    records: int
    epochs: int
    settings: Dict[str, Any]
    time_target: float
    is_main: bool = False  # held against the limit, and its memory measured
    seeds: int = 5

    @property
    def how_many(self) -> str:
        return f"{self.title}, {self.records:,} records, epochs: {self.epochs}"


TASKS = {
    "linear": Task("linear", "linear", 10000, 2, {}, 0.9, is_main=True),
    "augmented": Task(
        "linear with BRIGHTNESS and BLUR",
        "linear",
        10000,
        2,
        {"AUGMENTATIONS": ["BRIGHTNESS", "BLUR"]},
        0.9,
    ),
    "rnn": Task("rnn", "rnn", 2000, 1, {}, 1.0),
    # So early in its training the losses of a 3d net lie far apart.
    "3d": Task("3d", "3d", 2000, 1, {}, 1.0, seeds=10),
    "memory": Task("memory", "memory", 2000, 1, {}, 1.0),
}


class Trained(NamedTuple):
    losses: List[float]  # validation, by epoch
    seconds: float  # of the whole command
    peak_bytes: int  # of the process that trains
    bound_bytes: Optional[int] = None  # that ours told
    epoch_images_s: Optional[float] = None  # images a second of the last epoch, validation included
    epoch_s: Optional[float] = None  # of the last one

    @property
    def best(self) -> float:
        return min(self.losses)

    def seconds_to(self, loss: float) -> float:
        """What the command would have taken for the epochs up to that loss, each taken for equally long."""
        epochs = next(number for number, each in enumerate(self.losses, start=1) if each <= loss)
        return self.seconds * epochs / len(self.losses)


class Limit(NamedTuple):
    """Keras's own fit on arrays."""

    first_epoch_s: float  # compiling included
    images_s: float  # of the last epoch, its validation included
    loss: float  # validation, of the last epoch


class Rounds(NamedTuple):
    seeds: List[int]
    ours: List[Trained]
    theirs: List[Trained]
    limits: List[Limit]


def measure(bench: Workbench, task: Task, *, tub: str, seeds: Sequence[int]) -> Measured:
    """Both sides in turns, once for each seed."""
    with tempfile.TemporaryDirectory(dir=bench.folder) as folder:
        tub_path = make_tub(bench, task, os.path.join(folder, "training", "tub"), tub=tub)
        rounds = Rounds(list(seeds), [], [], [])
        for number, seed in enumerate(seeds):
            sides = [(train_ours, rounds.ours), (train_theirs, rounds.theirs)]
            for train, results in sides if number % 2 == 0 else sides[::-1]:
                results.append(train(bench, task, tub=tub_path, seed=seed))
            if task.is_main:
                rounds.limits.append(fit_arrays(bench, task, tub=tub_path, seed=seed))
    return Measured(make_rows(task, rounds), [make_details(task, rounds)])


def make_tub(bench: Workbench, task: Task, path: str, *, tub: str) -> str:
    """Single pictures from the tub over and over; sequences from one that is drawn, one long drive."""
    if task.model_type in ("linear", "categorical"):
        repeat_tub(tub, path, records=task.records)
        return path
    os.makedirs(os.path.dirname(path))
    return make_extras_tub(bench, path, records=task.records)


def make_rows(task: Task, rounds: Rounds) -> List[Row]:
    our_s = statistics.median(one.seconds for one in rounds.ours)
    their_s = statistics.median(one.seconds for one in rounds.theirs)
    pairs = list(zip(rounds.ours, rounds.theirs))
    goals = [max(ours.best, theirs.best) for ours, theirs in pairs]
    ours_to = statistics.median(ours.seconds_to(goal) for (ours, _), goal in zip(pairs, goals))
    theirs_to = statistics.median(theirs.seconds_to(goal) for (_, theirs), goal in zip(pairs, goals))
    rows = [
        Row(
            what=f"whole training ({task.how_many})",
            ours=f"{our_s:.1f} s",
            theirs=f"{their_s:.1f} s",
            ratio=our_s / their_s,
            target=f"at most {task.time_target:.2f}",
            met=our_s <= task.time_target * their_s,
            how=(
                "`donkey-sagemaker train --local` with packing, job, check, report and install against"
                f" `donkey train` with its conversion to tflite, start to exit; medians of {len(pairs)} runs"
                " of each side, taking turns."
            ),
        ),
        Row(
            what=f"to the same validation loss ({task.how_many})",
            ours=f"{ours_to:.1f} s",
            theirs=f"{theirs_to:.1f} s",
            ratio=ours_to / theirs_to,
            target="-",
            met=None,
            how="The same runs, up to the epoch that reached the higher of both sides' best losses.",
        ),
        compare_losses(
            f"validation loss ({task.how_many})",
            [one.best for one in rounds.ours],
            [one.best for one in rounds.theirs],
        ),
    ]
    if task.is_main:
        our_bytes = max(one.peak_bytes for one in rounds.ours)
        their_bytes = max(one.peak_bytes for one in rounds.theirs)
        rate = statistics.median(one.epoch_images_s or 0.0 for one in rounds.ours)
        limit = statistics.median(each.images_s for each in rounds.limits)
        rows += [
            Row(
                what=f"images a second of training ({task.how_many})",
                ours=f"{rate:.0f}/s",
                theirs=f"{limit:.0f}/s (fit on arrays in memory)",
                ratio=rate / limit,
                target=f"at least {LIMIT_TARGET}",
                met=rate >= LIMIT_TARGET * limit,
                how=(
                    "The last epoch of the same runs, its validation included, against the same of Keras's"
                    " fit on float32 arrays, which no feed can beat where the net takes longer than the"
                    " copying."
                ),
            ),
            Row(
                what=f"peak memory of training ({task.how_many})",
                ours=f"{our_bytes / MIB:.0f} MiB",
                theirs=f"{their_bytes / MIB:.0f} MiB",
                ratio=our_bytes / their_bytes,
                target="no more",
                met=our_bytes <= their_bytes,
                how="The largest resident size of the process that trains, over the same runs.",
            ),
        ]
    return rows


def compare_losses(what: str, ours: List[float], theirs: List[float]) -> Row:
    our_mean, their_mean = statistics.mean(ours), statistics.mean(theirs)
    spreads = [statistics.stdev(losses) if len(losses) > 1 else 0.0 for losses in (ours, theirs)]
    return Row(
        what=what,
        ours=f"{our_mean:.4f} ± {spreads[0]:.4f}",
        theirs=f"{their_mean:.4f} ± {spreads[1]:.4f}",
        ratio=our_mean / their_mean,
        target="difference within the spread",
        met=abs(our_mean - their_mean) <= max(spreads) if len(ours) > 1 else None,
        how=(
            "Each side's own of its best epoch, mean and sample standard deviation over the seeds; records,"
            " split, seed and epochs are the same, without early stop; met where the means differ by no more"
            " than the larger deviation."
        ),
    )


def make_details(task: Task, rounds: Rounds) -> Details:
    return Details(
        f"Each training: {task.how_many}",
        ("seed", "loss, ours", "theirs", "seconds, ours", "theirs", "peak MiB, ours", "theirs"),
        [
            (
                str(seed),
                f"{our.best:.4f}",
                f"{their.best:.4f}",
                f"{our.seconds:.1f}",
                f"{their.seconds:.1f}",
                f"{our.peak_bytes / MIB:.0f}",
                f"{their.peak_bytes / MIB:.0f}",
            )
            for seed, our, their in zip(rounds.seeds, rounds.ours, rounds.theirs)
        ],
    )


def make_settings(task: Task, seed: int) -> Dict[str, Any]:
    return dict(
        task.settings,
        MAX_EPOCHS=task.epochs,
        EARLY_STOP_PATIENCE=task.epochs + 1,  # never reached
        TRAIN_TEST_SPLIT=TRAIN_FRACTION,
        SAGEMAKER_SEED=seed,
    )


def train_ours(bench: Workbench, task: Task, *, tub: str, seed: int) -> Trained:
    return run_ours(bench, task, tub=tub, seed=seed)[0]


def run_ours(bench: Workbench, task: Task, *, tub: str, seed: int) -> Tuple[Trained, str]:
    """The training, and its job's log."""
    car = bench.make_car(make_settings(task, seed))
    trainer_path, usage_path = os.path.join(car, "python"), os.path.join(car, "usage.json")
    write_measuring_python(bench.python, trainer_path, usage_path)
    with open(os.path.join(car, "myconfig.py"), "a") as file:
        file.write(f"SAGEMAKER_PYTHON = {trainer_path!r}\n")
    try:
        command = [bench.python, "-m", "donkey_sagemaker", "train", "--local", "--tub", tub]
        timed = bench.run(command + ["--type", task.model_type], cwd=car)
        (log_path,) = glob.glob(os.path.join(car, ".sagemaker", "local", "jobs", "*", "log"))
        with open(log_path, encoding="utf-8", errors="replace") as file:
            log = file.read()
        training, validation = expected_split(task, tub, seed=seed)
        told = f"{len(training)} examples to train, {len(validation)} to validate"
        if told not in log:
            raise CommandFailed(command, "it did not train on " + told, log)
        with open(usage_path) as file:
            usage = json.load(file)
        bound_gb = float(log.partition(BOUND)[2].split()[0])
        last = read_epochs(log, command)[-1]
        trained = Trained(
            read_losses(car),
            timed.seconds,
            usage["peak_bytes"],
            int(bound_gb * 1e9),
            last.images / last.seconds,
            last.seconds,
        )
        return trained, log
    finally:
        bench.remove_car(car)


def write_measuring_python(python: str, path: str, usage_path: str) -> None:
    """A SAGEMAKER_PYTHON that is the same one, but for the trainer's memory being measured."""
    timed = os.path.join(HERE, "timed.py")
    with open(path, "w") as file:
        file.write(
            f'#!/bin/sh\n[ "$1" != -c ] || exec "{python}" "$@"\nexec "{python}" -I -S "{timed}"'
            f' "{usage_path}" "{python}" "$@"\n'
        )
    os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)


def train_theirs(bench: Workbench, task: Task, *, tub: str, seed: int) -> Trained:
    car = bench.make_car(make_settings(task, seed))
    try:
        script, split_path = os.path.join(HERE, "donkey_train.py"), os.path.join(car, "split.json")
        command = [bench.python, script, str(seed), split_path, "--tub", tub, "--type", task.model_type]
        timed = bench.run(command, cwd=car)
        with open(split_path) as file:
            if json.load(file) != expected_split(task, tub, seed=seed):
                raise CommandFailed(command, "it split the records in another way than ours", timed.output)
        return Trained(read_losses(car), timed.seconds, timed.peak_bytes)
    finally:
        bench.remove_car(car)


def fit_arrays(bench: Workbench, task: Task, *, tub: str, seed: int, way: Way = ONEDNN) -> Limit:
    car = bench.make_car(make_settings(task, seed))
    try:
        command = [bench.python, os.path.join(HERE, "fit_limit.py"), tub, str(task.epochs), str(seed)]
        timed: Timed = bench.run(
            command + list(way.options),
            cwd=car,
            environment={"TF_ENABLE_ONEDNN_OPTS": "1" if way.onednn else "0"},
        )
        told = read_epochs(timed.output, command)
        return Limit(told[0].seconds, told[-1].images / told[-1].seconds, told[-1].val_loss)
    finally:
        bench.remove_car(car)


def read_epochs(log: str, command: List[str]) -> List[Progress]:
    """All that a log tells, one at least."""
    told = [progress for progress in map(parse_progress, log.splitlines()) if progress]
    if not told:
        raise CommandFailed(command, "it tells no epoch", log)
    return told


def expected_split(task: Task, tub: str, *, seed: int) -> List[List[int]]:
    """Indexes of the records to train and to validate with; of a sequence, its last one's."""
    length = 3 if task.model_type in ("rnn", "3d", "memory") else 0  # as a new car's SEQUENCE_LENGTH
    examples = sequences(read_v2(tub).records, length + (task.model_type == "memory"))
    indexes = [records[-1].index for records in examples]
    return list(split(indexes, train_fraction=TRAIN_FRACTION, seed=seed))


def read_losses(car: str) -> List[float]:
    """Validation losses of a car's only model, which either side enters into the pilot database."""
    with open(os.path.join(car, "models", "database.json"), encoding="utf-8") as file:
        (pilot,) = json.load(file)
    return [float(loss) for loss in pilot["History"]["val_loss"]]
