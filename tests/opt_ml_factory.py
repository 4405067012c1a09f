"""Makes a /opt/ml like SageMaker's: the shards of a tub, the car's files, and the configuration."""

import json
import os
from typing import Any, Dict, List, Optional, Tuple

from donkey_sagemaker.contract import encode_hyperparameters
from donkey_sagemaker.tubs.files import FolderFiles
from donkey_sagemaker.tubs.reader import read_tub
from donkey_sagemaker.tubs.shards import PackReport, pack

# The settings that the pilots of every generation need in a car's config.py
CONFIG = """
IMAGE_W, IMAGE_H, IMAGE_DEPTH = 160, 120, 3
SEQUENCE_LENGTH = 3
MODEL_CATEGORICAL_MAX_THROTTLE_RANGE = 0.8
BEHAVIOR_LIST = ["left", "right"]
NUM_LOCATIONS = 8
BATCH_SIZE = 32
USE_EARLY_STOP = False
"""


def make_opt_ml(
    folder: str,
    tub_path: str,
    *,
    model_type: str = "linear",
    models: List[Tuple[str, str]],
    config: str = "",
    hyperparameters: Optional[Dict[str, Any]] = None,
    resources: Optional[Dict[str, Any]] = None,
    checkpoints: bool = False,
    car: Optional[Dict[str, Any]] = None,
) -> str:
    """Writes the tree and returns its path."""
    for name in ("train", "car"):
        os.makedirs(os.path.join(folder, "input", "data", name))
    for name in ["model", os.path.join("output", "data")] + ["checkpoints"] * checkpoints:
        os.makedirs(os.path.join(folder, name))
    for shard in pack(read_tub(FolderFiles(tub_path), name="tub"), report=PackReport(), size=(160, 120)):
        write(folder, f"input/data/train/{shard.sha256}.zip", shard.body)
    job = {"name": "pilot", "type": model_type, "models": models, "tubs": {"tub": "data"}, "car": car or {}}
    write(folder, "input/data/car/job.json", json.dumps(job).encode())
    write(folder, "input/data/car/config.py", (CONFIG + config).encode())
    texts = encode_hyperparameters(dict({"seed": 1}, **(hyperparameters or {})))
    write(folder, "input/config/hyperparameters.json", json.dumps(texts).encode())
    if resources is not None:
        write(folder, "input/config/resourceconfig.json", json.dumps(resources).encode())
    return folder


def write(folder: str, name: str, data: bytes) -> None:
    path = os.path.join(folder, *name.split("/"))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
