"""A trainer that only pretends: how good its model is follows from the settings of the trial.

    python pretended_trainer.py FOLDER train

FOLDER has the content of /opt/ml/model. The validation loss is least where LEARNING_RATE is 0.002; with a
MAX_EPOCHS of 1 it fails. Uses only the standard library.
"""

import json
import math
import os
import shutil
import sys
import time

from canned_container import BASE, name_artifact

EPOCHS = 6


def main() -> int:
    with open(os.path.join(BASE, "input", "config", "hyperparameters.json")) as file:
        texts = json.load(file)
    is_trial = texts.pop("_tuning_objective_metric", None) == "objective"  # of SageMaker's own tuning
    values = {name: json.loads(text) for name, text in texts.items()}
    if values.get("MAX_EPOCHS") == 1:
        with open(os.path.join(BASE, "output", "failure"), "w") as file:
            file.write("One epoch is not enough.")
        return 1
    rate = values.get("LEARNING_RATE", 0.05)
    loss = 0.1 + abs(math.log10(rate / 0.002))
    for epoch in range(1, EPOCHS + 1):
        if is_trial:
            print(f"objective={20 + math.log1p(loss)}")
        print(
            f"[donkey] epoch={epoch}/{EPOCHS} loss={loss} val_loss={loss} best_val_loss={loss} images=128"
            " seconds=0.1",
            flush=True,
        )
        time.sleep(0.05)
    model = os.path.join(BASE, "model")
    for name in os.listdir(sys.argv[1]):
        source = os.path.join(sys.argv[1], name)
        (shutil.copytree if os.path.isdir(source) else shutil.copy)(source, os.path.join(model, name))
    name_artifact()
    path = os.path.join(model, "artifact.json")
    with open(path) as file:
        artifact = json.load(file)
    artifact["metrics"] = {"val_loss": loss, "epochs": EPOCHS, "best_epoch": EPOCHS, "seconds": 1.0}
    if "BATCH_SIZE" in values:
        artifact["driving"] = {
            "metres": 100.0,
            "times_off": values["BATCH_SIZE"] // 10,
            "mean_distance_m": rate,
            "lane_m": 0.7,
            "latency_frames": 1,
            "held_out": True,
            "starts": 9,
            "places": [],
        }
    with open(path, "w") as file:
        json.dump(artifact, file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
