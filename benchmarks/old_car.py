"""A car of 2018 (donkeycar 2.2, TensorFlow 1.4): trained in a modern environment, against its own `train`."""

import os
import re
import statistics
from typing import NamedTuple, Sequence

from report import Details, Measured, Row
from tubs import make_v1_tub
from workbench import HERE, CommandFailed, Timed, Workbench

SPEED_TARGET = 3
EPOCHS = 10  # as many as it takes until Python's start counts for little
SEEDS = (
    1,
    2,
    3,
)  # one alone says nothing of a loss: donkeycar's own training begins with other weights each time


class Pair(NamedTuple):
    """Both trainings of one split."""

    our_s: float
    their_s: float
    our_loss: float  # validation, of the best epoch
    their_loss: float


def measure(bench: Workbench, *, old_python: str, epochs: int, seeds: Sequence[int] = SEEDS) -> Measured:
    """Both sides for each seed: the same records to train and to validate with, as many epochs."""
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
    medians = Pair(*(statistics.median(values) for values in zip(*pairs)))
    our_loss, their_loss = (
        statistics.mean(losses) for losses in zip(*((pair.our_loss, pair.their_loss) for pair in pairs))
    )
    how_many = f"donkeycar 2.2, {epochs} epochs"
    return Measured(
        [
            Row(
                what=f"time of the whole command ({how_many})",
                ours=f"{medians.our_s:.1f} s",
                theirs=f"{medians.their_s:.1f} s",
                ratio=medians.our_s / medians.their_s,
                target=f"at most 1/{SPEED_TARGET}",
                met=medians.our_s * SPEED_TARGET <= medians.their_s,
                how="Medians of {} runs of a categorical model from one v1 tub: `manage.py sagemaker-train "
                "--local` on Python 3.6 with packing, a job in the environment of donkeycar {}, the check on "
                "TensorFlow 1.4 and the swap, against that car's own `manage.py train`.".format(
                    len(pairs), bench.versions["donkeycar"]
                ),
            ),
            Row(
                what=f"validation loss, best epoch ({how_many})",
                ours=f"{our_loss:.4f}",
                theirs=f"{their_loss:.4f}",
                ratio=our_loss / their_loss,
                target="no worse",
                met=our_loss <= their_loss,
                how="Means over the same runs, each with a split of its own that both sides share.",
            ),
        ],
        [
            Details(
                title="A car of 2018, each run",
                head=["seed", "our time", "their time", "our loss", "their loss"],
                lines=[
                    [
                        str(seed),
                        f"{pair.our_s:.1f} s",
                        f"{pair.their_s:.1f} s",
                        f"{pair.our_loss:.4f}",
                        f"{pair.their_loss:.4f}",
                    ]
                    for seed, pair in zip(seeds, pairs)
                ],
            )
        ],
    )


def measure_pair(bench: Workbench, *, old_python: str, car: str, tub: str, epochs: int, seed: int) -> Pair:
    with open(os.path.join(car, "myconfig.py"), "a") as file:
        file.write(
            f"\nSAGEMAKER_PYTHON = {bench.python!r}\nSAGEMAKER_SEED = {seed}\n"
            + f"MAX_EPOCHS = {epochs}\nUSE_EARLY_STOP = False\n"
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
        raise CommandFailed([], f"it tells {len(losses)} losses of {epochs} epochs", timed.output)
    return min(losses)
