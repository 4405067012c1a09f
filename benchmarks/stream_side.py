"""One side of streaming.py: some steps of a training whose pictures are in memory, or decoded when needed.

    python stream_side.py TUB memory|stream STEPS RESULT

The result is a JSON file: records, the peak memory of this process in bytes, pictures per second.
"""

import json
import os
import sys
import time
from typing import Any

sys.path.insert(1, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(2, os.path.join(sys.path[1], "container"))
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"  # as the trainer

from donkey_sagemaker.tubs.files import FolderFiles
from donkey_sagemaker.tubs.reader import read_tub
from trainer import reading
from trainer.dataset import make_dataset
from trainer.job import Job
from trainer.memory import peak_bytes
from trainer.pilots import make_pilot
from trainer.tensorflow_versions import keras, run_fit

WARM_UP = 4  # steps that are not measured
CONFIG = {"IMAGE_H": 120, "IMAGE_W": 160, "IMAGE_DEPTH": 3, "BATCH_SIZE": 128}


class Enough(Exception):
    pass


class Clock(keras.callbacks.Callback):  # type: ignore[misc]
    def __init__(self, steps: int) -> None:
        super().__init__()
        self._supports_tf_logs = True
        self._steps = steps
        self.seconds = 0.0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if batch + 1 == WARM_UP:
            self._began = time.perf_counter()
        if batch + 1 == self._steps:
            self.seconds = time.perf_counter() - self._began
            raise Enough


def main(tub_path: str, kind: str, steps: int, result_path: str) -> None:
    reading.has_room = lambda size, *, others_bytes: kind == "memory"
    reading.has_disk_room = lambda size: False
    job = Job(
        name="pilot",
        model_type="linear",
        models=[],
        transfer_path=None,
        slide=0,
        min_throttle=None,
        floor_throttle=None,
        autopilot="skip",
        seed=1,
        tub_paths={},
        config=dict(CONFIG),
    )
    tub = read_tub(FolderFiles(tub_path), name="tub")
    pilot = make_pilot(job.model_type, job.config)
    pilot.compile()
    dataset = make_dataset(pilot, reading.load_inputs(job, {"tub": tub}))
    training, clock = dataset.training_feed(seed=1), Clock(steps)
    training.start_workers()
    try:
        run_fit(pilot.net, training, dataset.feed(dataset.validation), epochs=1, verbose=0, callbacks=[clock])
    except Enough:
        pass
    finally:
        training.stop_workers()
    with open(result_path, "w") as file:
        json.dump(
            {
                "records": len(tub.records),
                "peak_bytes": peak_bytes(),
                "images_s": (steps - WARM_UP) * dataset.batch_size / clock.seconds,
            },
            file,
        )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
