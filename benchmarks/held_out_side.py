"""Splits a tub for benchmarks/held_out.py, and has donkeycar's pilot predict what was held out.

    python held_out_side.py split TUB TRAINING HELD_OUT SEED
    python held_out_side.py predict HELD_OUT CAR TYPE RESULTS MODEL...

TRAINING is a new v2 tub, HELD_OUT an .npz of pictures (n, height, width, 3) and driven commands (n, 2).
RESULTS is a JSON list with the mean absolute errors of each model.
"""

import io
import json
import os
import sys
from typing import Any, Dict, Iterator, List

sys.path.insert(1, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(2, os.path.join(sys.path[1], "container"))
sys.path.insert(3, os.path.join(sys.path[1], "demo"))

import numpy as np
from PIL import Image

from donkey_sagemaker.tubs.files import FolderFiles
from donkey_sagemaker.tubs.reader import read_tub
from donkey_sagemaker.tubs.record import Record
from draw_tub import COLUMNS
from pilot import load_pilot
from trainer.examples import follows
from trainer.split import draw_stretches
from tub_writer import CAMERA_KEY, write_v2

SIZE = (160, 120)  # of the pictures that the car's default config expects
GAP_FRAMES = 20
START_MS = 1_767_225_600_000


def split(tub: str, training: str, held_out: str, seed: str) -> None:
    files = FolderFiles(tub)
    records = read_tub(files, name="tub").records
    trained, validating, _ = draw_stretches(
        records, lambda record: [record], train_fraction=0.8, gap_frames=GAP_FRAMES, seed=int(seed)
    )
    sessions: List[List[Record]] = []
    for record in trained:
        if not sessions or not follows(sessions[-1][-1], record):
            sessions.append([])
        sessions[-1].append(record)
    write_v2(
        training,
        columns=COLUMNS,
        sessions=(make_session(files, session) for session in sessions),
        start_ms=START_MS,
        day="26-01-01",
    )
    np.savez(
        held_out,
        pictures=np.stack([read_picture(files, record) for record in validating]),
        driven=np.array([(record.angle, record.throttle) for record in validating]),
    )


def make_session(files: FolderFiles, records: List[Record]) -> Iterator[Dict[str, Any]]:
    for record in records:
        yield {
            CAMERA_KEY: read_picture(files, record),
            "user/angle": record.angle,
            "user/throttle": record.throttle,
            "user/mode": "user",
            "_timestamp_ms": START_MS + 50 * record.index,
        }


def read_picture(files: FolderFiles, record: Record) -> np.ndarray:
    with Image.open(io.BytesIO(files.read(record.image))) as picture:
        return np.asarray(picture.convert("RGB").resize(SIZE))


def predict(held_out: str, car: str, model_type: str, results: str, *models: str) -> None:
    with np.load(held_out) as arrays:
        pictures, driven = arrays["pictures"], arrays["driven"]
    errors = []
    for model in models:
        pilot = load_pilot(car, model, model_type)
        predicted = np.array([pilot(picture) for picture in pictures])
        steering, throttle = np.abs(predicted - driven).mean(axis=0)
        errors.append({"steering": float(steering), "throttle": float(throttle), "pictures": len(pictures)})
    with open(results, "w") as file:
        json.dump(errors, file)


if __name__ == "__main__":
    {"split": split, "predict": predict}[sys.argv[1]](*sys.argv[2:])
