"""`make demo`: makes a car and a tub, trains a model on this machine, installs it and drives laps with it.

Runs the commands that a user would type: `donkey createcar`, `donkey-sagemaker install`,
`manage.py sagemaker-train`. Exits with 1 if the model leaves the track.
"""

import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
REPO = os.path.dirname(HERE)
WORK = os.path.join(REPO, ".demo")
CAR = os.path.join(WORK, "mycar")
LAPS = os.path.join(WORK, "laps")
RECORDS, SESSIONS = 3000, 12
MODEL = os.path.join("models", "mypilot")
MYCONFIG = """
# The demo's own settings
SAGEMAKER_BACKEND = "local"
MAX_EPOCHS = 10
"""


def main() -> None:
    bin_path = find_environment()
    python = os.path.join(bin_path, "python")

    shutil.rmtree(CAR, ignore_errors=True)
    os.makedirs(WORK, exist_ok=True)
    show("donkey createcar --path mycar")
    run(python, os.path.join(bin_path, "donkey"), "createcar", "--path", CAR, quiet=True)
    os.rmdir(os.path.join(CAR, "data"))
    show(f"Draw a tub: {RECORDS} records of a track, driven in one direction in {SESSIONS} rooms")
    draw_tub = [python, os.path.join(HERE, "draw_tub.py"), "--out", os.path.join(CAR, "data"), "--one-way"]
    run(*draw_tub, "--records", str(RECORDS), "--sessions", str(SESSIONS))
    show("donkey-sagemaker install --path mycar")
    run(os.path.join(bin_path, "donkey-sagemaker"), "install", "--path", CAR)
    with open(os.path.join(CAR, "myconfig.py"), "a") as file:
        file.write(MYCONFIG)
    train = ["manage.py", "sagemaker-train", "--tub", "data/", "--model", MODEL, "--local"]
    show(" ".join(["python"] + train))
    run(python, *train, cwd=CAR)
    show("Drive laps with the model")
    drive = [python, os.path.join(HERE, "closed_loop.py"), "--car", CAR, "--out", LAPS]
    run(*drive, "--model", os.path.join(CAR, MODEL + ".tflite"), "--type", "tflite_linear")
    show("Results")
    for path in (
        os.path.join(CAR, MODEL + ".html"),
        os.path.join(LAPS, "map.png"),
        os.path.join(LAPS, "lap.gif"),
    ):
        print("  " + os.path.relpath(path, os.getcwd()))


def find_environment() -> str:
    """The bin folder of an environment with donkeycar, TensorFlow and this project. Builds it if needed.

    DONKEY_ENVIRONMENTS names a folder of ready environments, as for the tests.
    """
    environments = [sys.executable, os.path.join(REPO, "tests", "environments.py")]
    name = subprocess.check_output(environments + ["--pick"]).decode().strip()
    show(f"Prepare the environment {name}: donkeycar, TensorFlow and this project")
    ready = os.environ.get("DONKEY_ENVIRONMENTS")
    if not ready:
        subprocess.check_call(environments + ["--require", name])
    return os.path.join(ready or os.path.join(REPO, ".environments"), name, "bin")


def show(text: str) -> None:
    print("\n== " + text, flush=True)


def run(*command: str, cwd: str = WORK, quiet: bool = False) -> None:
    out = subprocess.DEVNULL if quiet else None
    subprocess.check_call(command, cwd=cwd, stdout=out, stderr=out)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
