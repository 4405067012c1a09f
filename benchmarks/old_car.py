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
    how_many = "donkeycar 2.2, {} epochs".format(epochs)
    return Measured(
        [
            Row(
                what="time of the whole command ({})".format(how_many),
                ours="{:.1f} s".format(medians.our_s),
                theirs="{:.1f} s".format(medians.their_s),
                ratio=medians.our_s / medians.their_s,
                target="at most 1/{}".format(SPEED_TARGET),
                met=medians.our_s * SPEED_TARGET <= medians.their_s,
                how="Medians of {} runs of a categorical model from one v1 tub: `manage.py sagemaker-train "
                "--local` on Python 3.6 with packing, a job in the environment of donkeycar {}, the check on "
                "TensorFlow 1.4 and the swap, against that car's own `manage.py train`.".format(
                    len(pairs), bench.versions["donkeycar"]
                ),
            ),
            Row(
                what="validation loss, best epoch ({})".format(how_many),
                ours="{:.4f}".format(our_loss),
                theirs="{:.4f}".format(their_loss),
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
                        "{:.1f} s".format(pair.our_s),
                        "{:.1f} s".format(pair.their_s),
                        "{:.4f}".format(pair.our_loss),
                        "{:.4f}".format(pair.their_loss),
                    ]
                    for seed, pair in zip(seeds, pairs)
                ],
            )
        ],
    )


def measure_pair(bench: Workbench, *, old_python: str, car: str, tub: str, epochs: int, seed: int) -> Pair:
    with open(os.path.join(car, "myconfig.py"), "a") as file:
        file.write(
            "\nSAGEMAKER_PYTHON = {!r}\nSAGEMAKER_SEED = {}\n".format(bench.python, seed)
            + "MAX_EPOCHS = {}\nUSE_EARLY_STOP = False\n".format(epochs)
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
        raise CommandFailed([], "it tells {} losses of {} epochs".format(len(losses), epochs), timed.output)
    return min(losses)
