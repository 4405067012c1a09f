"""A container that only pretends to train: it prints the trainer's lines and leaves a model trained before.

    python canned_container.py FOLDER BEHAVIOUR train

FOLDER has the content of /opt/ml/model. BEHAVIOUR is `trains`, `fails`, or `waits`, which leaves the model
when the job is stopped. Uses only the standard library.
"""

import json
import os
import shutil
import signal
import sys
import time

BASE = os.environ["SAGEMAKER_BASE_DIR"]


def main() -> int:
    folder, behaviour = sys.argv[1], sys.argv[2]
    stopped = []
    signal.signal(signal.SIGTERM, lambda number, frame: stopped.append(number))
    print("[donkey] 128 examples to train, 32 to validate", flush=True)
    print("a line that is not for the user", flush=True)
    if not leads():
        return 0
    if behaviour == "fails":
        with open(os.path.join(BASE, "output", "failure"), "w") as file:
            file.write("The pictures are all black.\nTraceback (most recent call last):\n  ...")
        return 1
    for epoch in (1, 2):
        print(
            f"[donkey] epoch={epoch}/2 loss=0.5 val_loss={0.5 / epoch} best_val_loss={0.5 / epoch} images=128"
            " seconds=0.1",
            flush=True,
        )
    while behaviour == "waits" and not stopped:
        time.sleep(0.05)
    for name in os.listdir(folder):
        source, target = os.path.join(folder, name), os.path.join(BASE, "model", name)
        (shutil.copytree if os.path.isdir(source) else shutil.copy)(source, target)
    name_artifact()
    return 0


def leads():
    """Of several machines only the first one writes a model."""
    with open(os.path.join(BASE, "input", "config", "resourceconfig.json")) as file:
        resources = json.load(file)
    return resources["current_host"] == min(resources["hosts"])


def name_artifact():
    """The model was trained for another job; its description has this job's name, as a trainer writes it."""
    path = os.path.join(BASE, "model", "artifact.json")
    description = os.path.join(BASE, "input", "data", "car", "job.json")
    if os.path.exists(path) and os.path.exists(description):
        with open(path) as file:
            artifact = json.load(file)
        with open(description) as file:
            artifact["name"] = os.path.basename(json.load(file)["name"])
        with open(path, "w") as file:
            json.dump(artifact, file)


if __name__ == "__main__":
    sys.exit(main())
