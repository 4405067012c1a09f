"""`donkey-sagemaker train --local` against `donkey train`: same records, split, seed and number of epochs."""

import glob
import json
import os
import stat
import statistics
import tempfile
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from donkey_sagemaker.contract import ROBUST, Progress, parse_progress
from report import MIB, Comparison, Measured, Row, SingleRuns, Topic, make_row
from trainer.examples import sequences
from trainer.split import draw_frames
from tubs import make_extras_tub, read_v2, repeat_tub
from workbench import HERE, CommandFailed, Timed, Workbench

TRAIN_FRACTION = 0.8  # as donkeycar's default
LIMIT_TARGET = 0.95
SIDES = ("ours", "theirs")
BOUND = "The trainer stays below "
TOPIC = Topic(
    "Training",
    "`donkey-sagemaker train --local` (pack, train, check, report, install) against `donkey train` (train, "
    "convert to .tflite), each from start to exit. Records, split, seed and number of epochs are the same, "
    "without early stopping.",
)
METHODS = {
    "Whole command": "Medians.",
    "Time to the same validation loss": "The same runs, up to the epoch that reached the higher of both "
    "sides' best losses.",
    "Validation loss": "Each side's best epoch: mean and sample standard deviation over the seeds. Met if "
    "the means differ by no more than the larger deviation.",
    "Images per second": "Medians of the last epoch, including its validation, against Keras's own fit on "
    "float32 arrays: no feed can beat that if the net takes longer than the copying.",
    "Peak memory of the training process": "The largest resident size over the same runs.",
}


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
    is_main: bool = False  # its speed is compared with the limit, and its memory measured
    seeds: int = 5

    @property
    def description(self) -> str:
        return f"{self.title}, {self.records:,} records, {self.epochs} epoch{'s' if self.epochs > 1 else ''}"


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
    # The sizes of a first training
    "small": Task("linear", "linear", 2000, 10, {}, 0.75, seeds=10),
    "small-augmented": Task(
        "linear with BRIGHTNESS and BLUR",
        "linear",
        5000,
        4,
        {"AUGMENTATIONS": ["BRIGHTNESS", "BLUR"]},
        0.75,
    ),
    "robust": Task(
        "linear with BRIGHTNESS and BLUR, recipe robust",
        "linear",
        5000,
        4,
        {"AUGMENTATIONS": ["BRIGHTNESS", "BLUR"], "SAGEMAKER_RECIPE": ROBUST},
        0.9,
    ),
    "rnn": Task("rnn", "rnn", 2000, 1, {}, 1.0),
    # After one epoch the losses of a 3d net still differ widely.
    "3d": Task("3d", "3d", 2000, 1, {}, 1.0, seeds=10),
    "memory": Task("memory", "memory", 2000, 1, {}, 1.0),
}


class Trained(NamedTuple):
    losses: List[float]  # validation, by epoch
    seconds: float  # of the whole command
    peak_bytes: int  # of the process that trains
    bound_bytes: Optional[int] = None  # that our trainer printed
    epoch_images_s: Optional[float] = None  # images per second of the last epoch, validation included
    epoch_s: Optional[float] = None  # of the last one

    @property
    def best(self) -> float:
        return min(self.losses)

    def seconds_to(self, loss: float) -> float:
        """How long the command would have taken up to that loss, if all epochs took equally long."""
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
    """Both sides in turn, once for each seed."""
    with tempfile.TemporaryDirectory(dir=bench.folder) as folder:
        tub_path = make_tub(bench, task, os.path.join(folder, "training", "tub"), tub=tub)
        rounds = Rounds(list(seeds), [], [], [])
        for number, seed in enumerate(seeds):
            sides = [(train_ours, rounds.ours), (train_theirs, rounds.theirs)]
            for train, results in sides if number % 2 == 0 else sides[::-1]:
                results.append(train(bench, task, tub=tub_path, seed=seed))
            if task.is_main:
                rounds.limits.append(fit_arrays(bench, task, tub=tub_path, seed=seed))
    return Measured(TOPIC, compare(task, rounds), [list_runs(task, rounds)])


def make_tub(bench: Workbench, task: Task, path: str, *, tub: str) -> str:
    """The given tub repeated or, for a type that sees sequences, a drawn tub of one long drive."""
    if task.model_type in ("linear", "categorical"):
        repeat_tub(tub, path, records=task.records)
        return path
    os.makedirs(os.path.dirname(path))
    return make_extras_tub(bench, path, records=task.records)


def compare(task: Task, rounds: Rounds) -> List[Comparison]:
    pairs = list(zip(rounds.ours, rounds.theirs))
    goals = [max(ours.best, theirs.best) for ours, theirs in pairs]
    our_s, their_s = (statistics.median(one.seconds for one in side) for side in (rounds.ours, rounds.theirs))
    ours_to, theirs_to = (
        statistics.median(one.seconds_to(goal) for one, goal in zip(side, goals))
        for side in (rounds.ours, rounds.theirs)
    )
    whole = make_row(
        task.description,
        our_s,
        their_s,
        show="{:.1f} s",
        target=f"at most {task.time_target:.2f}",
        met=our_s <= task.time_target * their_s,
        runs=len(pairs),
    )
    to_loss = make_row(task.description, ours_to, theirs_to, show="{:.1f} s", runs=len(pairs))
    # Losses on recorded pictures say nothing about a recipe that learns from others as well
    rows = [whole] if "SAGEMAKER_RECIPE" in task.settings else [whole, to_loss, compare_losses(task, rounds)]
    if task.is_main:
        rows += [compare_rates(task, rounds), compare_memory(task, rounds)]
    return [Comparison(title, method, [row]) for (title, method), row in zip(METHODS.items(), rows)]


def compare_losses(task: Task, rounds: Rounds) -> Row:
    losses = [[one.best for one in side] for side in (rounds.ours, rounds.theirs)]
    our_mean, their_mean = (statistics.mean(side) for side in losses)
    spreads = [statistics.stdev(side) if len(side) > 1 else 0.0 for side in losses]
    return Row(
        what=task.description,
        ours=f"{our_mean:.4f} ± {spreads[0]:.4f}",
        theirs=f"{their_mean:.4f} ± {spreads[1]:.4f}",
        ratio=our_mean / their_mean,
        target="difference within the spread",
        met=abs(our_mean - their_mean) <= max(spreads) if len(losses[0]) > 1 else None,
        runs=len(losses[0]),
    )


def compare_rates(task: Task, rounds: Rounds) -> Row:
    rate = statistics.median(one.epoch_images_s or 0.0 for one in rounds.ours)
    limit = statistics.median(each.images_s for each in rounds.limits)
    return make_row(
        task.description,
        rate,
        limit,
        show="{:.0f}/s",
        other="fit on arrays in memory",
        target=f"at least {LIMIT_TARGET}",
        met=rate >= LIMIT_TARGET * limit,
        runs=len(rounds.ours),
    )


def compare_memory(task: Task, rounds: Rounds) -> Row:
    ours, theirs = (max(one.peak_bytes for one in side) for side in (rounds.ours, rounds.theirs))
    return make_row(
        task.description,
        ours / MIB,
        theirs / MIB,
        show="{:.0f} MiB",
        target="no more",
        met=ours <= theirs,
        runs=len(rounds.ours),
    )


def list_runs(task: Task, rounds: Rounds) -> SingleRuns:
    head = ["seed"] + [f"{what}, {side}" for what in ("loss", "seconds", "peak MiB") for side in SIDES]
    lines = []
    for seed, *pair in zip(rounds.seeds, rounds.ours, rounds.theirs):
        losses = [f"{one.best:.4f}" for one in pair]
        seconds = [f"{one.seconds:.1f}" for one in pair]
        peaks = [f"{one.peak_bytes / MIB:.0f}" for one in pair]
        lines.append([str(seed), *losses, *seconds, *peaks])
    return SingleRuns(f"Trainings: {task.description}", head, lines)


def make_settings(task: Task, seed: int) -> Dict[str, Any]:
    return dict(
        task.settings,
        MAX_EPOCHS=task.epochs,
        EARLY_STOP_PATIENCE=task.epochs + 1,  # never reached
        TRAIN_TEST_SPLIT=TRAIN_FRACTION,
        SAGEMAKER_SEED=seed,
        SAGEMAKER_INSTALL="always",  # a few epochs are enough to measure, but not to learn to steer
    )


def train_ours(bench: Workbench, task: Task, *, tub: str, seed: int) -> Trained:
    return run_ours(bench, task, tub=tub, seed=seed)[0]


def run_ours(bench: Workbench, task: Task, *, tub: str, seed: int) -> Tuple[Trained, str]:
    """The training and its job's log."""
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
        counts = f"{len(training)} examples to train, {len(validation)} to validate"
        if counts not in log:
            raise CommandFailed(command, f"its log lacks '{counts}'", log)
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
    """Writes a SAGEMAKER_PYTHON that runs `python` and measures the trainer's memory."""
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
                raise CommandFailed(command, "its split of the records differs from ours", timed.output)
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
        epochs = read_epochs(timed.output, command)
        return Limit(epochs[0].seconds, epochs[-1].images / epochs[-1].seconds, epochs[-1].val_loss)
    finally:
        bench.remove_car(car)


def read_epochs(log: str, command: List[str]) -> List[Progress]:
    """The progress of every epoch in a log, at least one."""
    epochs = [progress for progress in map(parse_progress, log.splitlines()) if progress]
    if not epochs:
        raise CommandFailed(command, "its log has no epoch", log)
    return epochs


def expected_split(task: Task, tub: str, *, seed: int) -> List[List[int]]:
    """Indexes of the training and the validation records. A sequence counts by its last record."""
    length = 3 if task.model_type in ("rnn", "3d", "memory") else 0  # as a new car's SEQUENCE_LENGTH
    examples = sequences(read_v2(tub).records, length + (task.model_type == "memory"))
    indexes = [records[-1].index for records in examples]
    return list(draw_frames(indexes, train_fraction=TRAIN_FRACTION, seed=seed))


def read_losses(car: str) -> List[float]:
    """Validation losses of a car's only model, from the pilot database that either side writes."""
    with open(os.path.join(car, "models", "database.json"), encoding="utf-8") as file:
        (pilot,) = json.load(file)
    return [float(loss) for loss in pilot["History"]["val_loss"]]
