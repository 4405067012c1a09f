"""A car of 2018 (donkeycar 2.2, TensorFlow 1.4), trained in a modern environment and by its own `train`."""

import os
import re
import statistics
from typing import NamedTuple, Sequence

from report import Comparison, Measured, SingleRuns, Topic, make_row
from tubs import make_v1_tub
from workbench import HERE, CommandFailed, Timed, Workbench

SPEED_TARGET = 3
EPOCHS = 10  # enough that the start of Python counts for little
SEEDS = (1, 2, 3)  # several: donkeycar's own training starts from other weights each time
TOPIC = Topic(
    "A car of 2018",
    "A categorical model from one v1 tub: `manage.py sagemaker-train --local` on the car's Python 3.6 (pack, "
    "train in the environment of donkeycar {}, check on TensorFlow 1.4, install) against that car's own "
    "`manage.py train`.",
)


class Pair(NamedTuple):
    """Both trainings on the same split."""

    our_s: float
    their_s: float
    our_loss: float  # validation, of the best epoch
    their_loss: float


def measure(bench: Workbench, *, old_python: str, epochs: int, seeds: Sequence[int] = SEEDS) -> Measured:
    """Both sides for each seed: the same training and validation records, the same number of epochs."""
    tub = make_v1_tub(bench)
    car = os.path.join(bench.folder, "old-car")
    donkey = os.path.join(os.path.dirname(old_python), "donkey")
    for command in (
        [donkey, "createcar", "--template", "donkey2", "--path", car],
        ["-m", "donkey_sagemaker", "install", "--path", car],
    ):
        bench.run([old_python] + command, cwd=bench.folder)
    pairs = [
        measure_pair(bench, old_python=old_python, car=car, tub=tub, epochs=epochs, seed=seed)
        for seed in seeds
    ]
    case = f"donkeycar 2.2, {epochs} epochs"
    our_s, their_s = (statistics.median(each) for each in list(zip(*pairs))[:2])
    our_loss, their_loss = (statistics.mean(each) for each in list(zip(*pairs))[2:])
    time_row = make_row(
        case,
        our_s,
        their_s,
        show="{:.1f} s",
        target=f"at most 1/{SPEED_TARGET}",
        met=our_s * SPEED_TARGET <= their_s,
        runs=len(pairs),
    )
    loss_row = make_row(
        case,
        our_loss,
        their_loss,
        show="{:.4f}",
        target="no worse",
        met=our_loss <= their_loss,
        runs=len(pairs),
    )
    lines = [
        (
            str(seed),
            f"{pair.our_s:.1f} s",
            f"{pair.their_s:.1f} s",
            f"{pair.our_loss:.4f}",
            f"{pair.their_loss:.4f}",
        )
        for seed, pair in zip(seeds, pairs)
    ]
    return Measured(
        TOPIC._replace(method=TOPIC.method.format(bench.versions["donkeycar"])),
        [
            Comparison("Whole command, car of 2018", "Medians, from start to exit.", [time_row]),
            Comparison(
                "Validation loss, car of 2018",
                "Means of the best epochs of the same runs. Both sides share each run's split.",
                [loss_row],
            ),
        ],
        [
            SingleRuns(
                TOPIC.title, ("seed", "time, ours", "time, theirs", "loss, ours", "loss, theirs"), lines
            )
        ],
    )


def measure_pair(bench: Workbench, *, old_python: str, car: str, tub: str, epochs: int, seed: int) -> Pair:
    with open(os.path.join(car, "myconfig.py"), "a") as file:
        file.write(
            f"\nSAGEMAKER_PYTHON = {bench.python!r}\nSAGEMAKER_SEED = {seed}\n"
            + f"MAX_EPOCHS = {epochs}\nUSE_EARLY_STOP = False\nSAGEMAKER_INSTALL = 'always'\n"
        )
    ours = bench.run(
        [old_python, "manage.py", "sagemaker-train", "--local", "--tub", tub, "--model", "models/ours"],
        cwd=car,
    )
    script = os.path.join(HERE, "donkey2_train.py")
    theirs = bench.run(
        [old_python, script, str(epochs), str(seed), "manage.py", "train"]
        + ["--tub=" + tub, "--model=models/theirs"],
        cwd=car,
    )
    return Pair(
        ours.seconds,
        theirs.seconds,
        best_loss(ours, r"validation (\d+\.\d+)", epochs=epochs),
        best_loss(theirs, r"val_loss: (\d+\.\d+)", epochs=epochs),
    )


def best_loss(timed: Timed, pattern: str, *, epochs: int) -> float:
    losses = [float(loss) for loss in re.findall(pattern, timed.output)]
    if len(losses) < epochs:
        raise CommandFailed([], f"it printed {len(losses)} losses of {epochs} epochs", timed.output)
    return min(losses)
