"""The limit of this machine: Keras's own `fit` of donkeycar's net on arrays in memory.

    python fit_limit.py TUB EPOCHS SEED [xla] [mixed]

Runs in a car's folder, with the same records, split and batch size as our trainer. Prints the trainer's own
progress line for each epoch; its seconds include validation. `xla` compiles the step with XLA. `mixed`
computes in float16 wherever Keras considers that safe. Set TF_ENABLE_ONEDNN_OPTS=1 for oneDNN, which the
trainer uses.
"""

import sys
import time
from typing import Any

import numpy as np
import tensorflow as tf
from donkeycar.config import load_config
from donkeycar.utils import get_model_by_type, load_image

from donkey_sagemaker.contract import Progress, format_progress
from donkey_sagemaker.tubs.files import FolderFiles
from donkey_sagemaker.tubs.reader import read_tub
from trainer.split import draw_frames


def main() -> None:
    tub_path, epochs, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    tf.random.set_seed(seed)
    if "mixed" in sys.argv[4:]:
        tf.keras.mixed_precision.set_global_policy("mixed_float16")
    config = load_config("config.py", "myconfig.py")
    pilot = get_model_by_type("linear", config)
    pilot.compile()
    pilot.interpreter.model.jit_compile = "xla" in sys.argv[4:]
    records = read_tub(FolderFiles(tub_path), name="tub").records
    sides = draw_frames(records, train_fraction=config.TRAIN_TEST_SPLIT, seed=seed)
    training, validation = (make_arrays(side, tub_path, config) for side in sides)

    class ReportProgress(tf.keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.started = time.time()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            seconds, loss, val_loss = time.time() - self.started, logs["loss"], logs["val_loss"]
            count = len(sides[0])
            print(format_progress(Progress(epoch + 1, epochs, loss, val_loss, val_loss, count, seconds)))

    pilot.interpreter.model.fit(
        *training,
        validation_data=validation,
        batch_size=config.BATCH_SIZE,
        epochs=epochs,
        verbose=0,
        callbacks=[ReportProgress()],
    )


def make_arrays(records: Any, tub_path: str, config: Any) -> Any:
    """float32 pictures (n, height, width, depth) and [angles, throttles], for a net with two outputs."""
    pictures = np.empty((len(records), config.IMAGE_H, config.IMAGE_W, config.IMAGE_DEPTH), np.float32)
    for place, record in enumerate(records):
        pictures[place] = load_image(f"{tub_path}/{record.image}", config)
        pictures[place] /= 255
    angles = np.array([record.angle for record in records], np.float32)
    throttles = np.array([record.throttle for record in records], np.float32)
    return pictures, [angles, throttles]


if __name__ == "__main__":
    main()
