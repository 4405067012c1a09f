"""What the training images of 2018 do, with which this project began; run as a container's command.

It knows zips of v1 tubs in the channel `train`, the hyperparameters `with_slide` and `sagemaker_region`, and
JSON in every hyperparameter; it leaves one model file and nothing else. The model is that of --model, for to
train one would need TensorFlow.
"""

import argparse
import glob
import json
import os
import shutil
import sys
import tempfile
import zipfile
from typing import Any, Dict, List

BASE = os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")


def read_hyperparameters() -> Dict[str, Any]:
    with open(os.path.join(BASE, "input", "config", "hyperparameters.json")) as file:
        return {name: json.loads(text) for name, text in json.load(file).items()}


def unzip_tubs(folder: str) -> List[str]:
    """The folders of all tubs in the channel's zips."""
    for path in sorted(
        glob.glob(os.path.join(BASE, "input", "data", "train", "**", "*.zip"), recursive=True)
    ):
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder)
    found = glob.glob(os.path.join(folder, "**", "meta.json"), recursive=True)
    return sorted(os.path.dirname(path) for path in found)


def count_records(tub: str) -> int:
    """Reads every record of a v1 tub, with its picture."""
    count = 0
    for path in glob.glob(os.path.join(tub, "record_*.json")):
        with open(path) as file:
            record = json.load(file)
        float(record["user/angle"]), float(record["user/throttle"])
        if os.path.getsize(os.path.join(tub, record["cam/image_array"])):
            count += 1
    return count


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True, help="the file that it pretends to have trained")
    parser.add_argument("verb", choices=["train"])
    arguments = parser.parse_args()
    values = read_hyperparameters()
    print("training in {sagemaker_region} with a slide of {with_slide}".format(**values), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        records = sum(count_records(tub) for tub in unzip_tubs(folder))
    print(f"{records} records", flush=True)
    if not records:
        sys.exit("no tubs in the channel train")
    shutil.copyfile(arguments.model, os.path.join(BASE, "model", os.path.basename(arguments.model)))


if __name__ == "__main__":
    main()
