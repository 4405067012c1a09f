"""A car of 2018 (donkeycar 2.2, TensorFlow 1.4): trained in a modern environment, against its own `train`."""

import os
import re

from report import Measured, Row
from tubs import make_v1_tub
from workbench import HERE, CommandFailed, Timed, Workbench

SPEED_TARGET = 3
EPOCHS = 10  # as many as it takes until Python's start counts for little
SEED = 1


def measure(bench: Workbench, *, old_python: str, epochs: int) -> Measured:
    """Both sides once, the same records to train and to validate with, as many epochs, all else default."""
    tub = make_v1_tub(bench)
    car = os.path.join(bench.folder, "old-car")
    donkey = os.path.join(os.path.dirname(old_python), "donkey")
    for command in (
        [donkey, "createcar", "--template", "donkey2", "--path", car],
        ["-m", "donkey_sagemaker", "install", "--path", car],
    ):
        bench.run([old_python] + command, cwd=bench.folder)
    with open(os.path.join(car, "myconfig.py"), "a") as file:
        file.write(
            "\nSAGEMAKER_PYTHON = {!r}\nSAGEMAKER_SEED = {}\n".format(bench.python, SEED)
            + "MAX_EPOCHS = {}\nUSE_EARLY_STOP = False\n".format(epochs)
        )
    ours = bench.run(
        [old_python, "manage.py", "sagemaker-train", "--local", "--tub", tub, "--model", "models/ours"],
        cwd=car,
    )
    script = os.path.join(HERE, "donkey2_train.py")
    theirs = bench.run(
        [old_python, script, str(epochs), str(SEED), "manage.py", "train"]
        + ["--tub=" + tub, "--model=models/theirs"],
        cwd=car,
    )
    our_loss = best_loss(ours, r"validation (\d+\.\d+)", epochs=epochs)
    their_loss = best_loss(theirs, r"val_loss: (\d+\.\d+)", epochs=epochs)
    how_many = "donkeycar 2.2, {} epochs".format(epochs)
    return Measured(
        [
            Row(
                what="time of the whole command ({})".format(how_many),
                ours="{:.1f} s".format(ours.seconds),
                theirs="{:.1f} s".format(theirs.seconds),
                ratio=ours.seconds / theirs.seconds,
                target="at most 1/{}".format(SPEED_TARGET),
                met=ours.seconds * SPEED_TARGET <= theirs.seconds,
                how="One run each of a categorical model from the same v1 tub: `manage.py sagemaker-train "
                "--local` on Python 3.6 with packing, a job in the environment of donkeycar {}, the check on "
                "TensorFlow 1.4 and the swap, against that car's own `manage.py train`.".format(
                    bench.versions["donkeycar"]
                ),
            ),
            Row(
                what="validation loss, best epoch ({})".format(how_many),
                ours="{:.4f}".format(our_loss),
                theirs="{:.4f}".format(their_loss),
                ratio=our_loss / their_loss,
                target="no worse",
                met=our_loss <= their_loss,
                how="The same runs; each side's own, of the same records.",
            ),
        ],
        [],
    )


def best_loss(timed: Timed, pattern: str, *, epochs: int) -> float:
    losses = [float(loss) for loss in re.findall(pattern, timed.output)]
    if len(losses) < epochs:
        raise CommandFailed([], "it tells {} losses of {} epochs".format(len(losses), epochs), timed.output)
    return min(losses)
