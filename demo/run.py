"""`make demo`: a car, a drawn tub, a training job on this machine, and the model installed.

Types what a user types: `donkey createcar`, `donkey-sagemaker install`, `manage.py sagemaker-train`.
"""

import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
REPO = os.path.dirname(HERE)
WORK = os.path.join(REPO, ".demo")
CAR = os.path.join(WORK, "mycar")
RECORDS = 2000
MYCONFIG = """
# The demo's own settings
SAGEMAKER_BACKEND = "local"
MAX_EPOCHS = 8
"""


def main() -> None:
    environments = [sys.executable, os.path.join(REPO, "tests", "environments.py")]
    name = subprocess.check_output(environments + ["--pick"]).decode().strip()
    show("The environment {}: donkeycar, TensorFlow and this project".format(name))
    subprocess.check_call(environments + ["--require", name])
    bin_path = os.path.join(REPO, ".environments", name, "bin")
    python = os.path.join(bin_path, "python")

    shutil.rmtree(CAR, ignore_errors=True)
    os.makedirs(WORK, exist_ok=True)
    show("donkey createcar --path mycar")
    run(python, os.path.join(bin_path, "donkey"), "createcar", "--path", CAR, quiet=True)
    os.rmdir(os.path.join(CAR, "data"))
    show("A tub of {} records on a drawn track".format(RECORDS))
    run(
        python,
        os.path.join(HERE, "draw_tub.py"),
        "--out",
        os.path.join(CAR, "data"),
        "--records",
        str(RECORDS),
    )
    show("donkey-sagemaker install --path mycar")
    run(os.path.join(bin_path, "donkey-sagemaker"), "install", "--path", CAR)
    with open(os.path.join(CAR, "myconfig.py"), "a") as file:
        file.write(MYCONFIG)
    show("python manage.py sagemaker-train --tub data/ --local")
    run(python, "manage.py", "sagemaker-train", "--tub", "data/", "--local", cwd=CAR)
    models = os.path.join(CAR, "models")
    show("In {}".format(os.path.relpath(models, os.getcwd())))
    for model in sorted(os.listdir(models)):
        print("  " + model)


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
