#!/usr/bin/env python3
"""Every car from every training environment: trains models, drives them with the car's donkeycar, compares.

    python tests/matrix.py            trains, drives and prints the table
    python tests/matrix.py --write    also writes it to docs/compatibility.md

There is one trainer process for each environment, type and kind of car, as in a job, and one process for each
car, which drives all models made for it, as the check does. The models are trained too little to drive well.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from typing import Callable, Dict, List, NamedTuple, Sequence, Tuple

REPO = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if __name__ == "__main__":
    sys.path.insert(0, REPO)

from donkey_sagemaker.car.model_files import plan_models  # noqa: E402
from donkey_sagemaker.car.runtime import Runtime  # noqa: E402
from donkey_sagemaker.contract import TYPES  # noqa: E402
from donkey_sagemaker.errors import BadInput  # noqa: E402
from donkey_sagemaker.training.trainer_code import build_trainer, fetch_wheels  # noqa: E402
from opt_ml_factory import CONFIG, make_opt_ml, write  # noqa: E402

DOCS = os.path.join(REPO, "docs", "compatibility.md")
TABLE_BEGIN, TABLE_END = "<!-- `make matrix` writes from here -->\n", "<!-- to here -->\n"

STOCK = "stock"  # an environment like AWS's own image: TensorFlow alone, everything else is sent to it
TRAINERS = {"dk22": "TF 1.4", "dk50": "TF 2.9", "dk53": "TF 2.15", "dk54": "TF 2.19", STOCK: "TF 2.21"}
CLASSIC, MODERN = "classic", "modern"  # cars of donkeycar 2, and all others
FORMATS = {CLASSIC: ["hdf5"], MODERN: ["h5", "keras", "savedmodel", "tflite"]}
TOLERANCE, LITE_TOLERANCE = 1e-4, 1e-3
RECORDS = 48

FindPython = Callable[[str], str]


class Car(NamedTuple):
    title: str
    environment: str
    kind: str


CARS = (
    Car("2.2.4, TF 1.4", "dk22", CLASSIC),
    Car("2.5.8, TF 1.15", "dk25", CLASSIC),
    Car("5.0, TF 2.9", "dk50", MODERN),
    Car("5.3, TF 2.15", "dk53", MODERN),
    Car("5.3, tflite-runtime alone", "dk53lite", MODERN),
    Car("5.4, TF 2.19", "dk54", MODERN),
    Car("5.4, ai-edge-litert alone", "dk54lite", MODERN),
)


class Training(NamedTuple):
    """One trainer process: one type of model for all cars of one kind."""

    trainer: str
    kind: str
    model_type: str


class Trained(NamedTuple):
    models: Dict[str, str]  # paths by format
    samples_path: str
    reasons: Dict[str, str]  # by missing format, as the user reads them


class Cell(NamedTuple):
    """The models of one type that one car gets from one environment."""

    car: Car
    training: Training
    differences: Dict[str, float]  # by format: the largest between the trainer's and the car's outputs
    reasons: List[str]  # why formats are missing
    failures: List[str]  # formats that should work and do not


def all_trainings() -> List[Training]:
    return [
        Training(trainer, kind, model_type)
        for trainer in TRAINERS
        for kind in (CLASSIC, MODERN)
        for model_type in (TYPES if kind == MODERN else TYPES[:2])
    ]


def run_matrix(
    trainings: Sequence[Training],
    *,
    find_python: FindPython,
    folder: str,
    report: Callable[[str], None] = print,
) -> List[Cell]:
    """Trains, then drives, and returns a cell for each car of a training's kind."""
    tub_path = os.path.join(folder, "tub")
    draw = [find_python("dk53"), os.path.join(REPO, "demo", "draw_tub.py"), "--out", tub_path]
    run(draw + ["--records", str(RECORDS), "--extras"])
    car_path = os.path.join(folder, "car")
    os.makedirs(car_path)
    with open(os.path.join(car_path, "config.py"), "w") as file:
        file.write(CONFIG)
    runtimes = {car: find_runtime(find_python(car.environment)) for car in CARS}
    trained = {}
    for number, training in enumerate(trainings):
        report(f"{number + 1} of {len(trainings)}: {' '.join(training)}")
        oldest = next(car for car in CARS if car.kind == training.kind)
        trained[training] = train(
            training,
            find_python(training.trainer),
            os.path.join(folder, "-".join(training)),
            tub_path=tub_path,
            runtime=runtimes[oldest],
            wheels_path=os.path.join(folder, "wheels"),
        )
    cells: List[Cell] = []
    for car in CARS:
        report(f"driving with {car.title}")
        cells += drive(car, runtimes[car], find_python(car.environment), trained, car_path=car_path)
    return cells


def find_runtime(python: str) -> Runtime:
    """The runtime of another environment's Python."""
    code = (
        "import json; from donkey_sagemaker.car.runtime import find_runtime; "
        "print(json.dumps(find_runtime().describe()))"
    )
    values = json.loads(run([python, "-c", code]))
    return Runtime(values["python"], values["machine"], values["versions"])


def train(
    training: Training, python: str, folder: str, *, tub_path: str, runtime: Runtime, wheels_path: str
) -> Trained:
    formats = FORMATS[training.kind]
    os.makedirs(folder)
    make_opt_ml(
        folder,
        tub_path,
        model_type=training.model_type,
        models=[("pilot." + form, form) for form in formats],
        config="MAX_EPOCHS = 1\n",
        car=runtime.describe(),
    )
    command = [python, os.path.join(REPO, "container", "train")]
    if training.trainer == STOCK:
        write(folder, "input/data/code/trainer.pyz", build_trainer())
        write(folder, "input/data/code/wheels.zip", fetch_wheels(wheels_path))
        command = [python, "-I", os.path.join(folder, "input/data/code/trainer.pyz")]
    done = subprocess.run(
        command,
        env=dict(os.environ, SAGEMAKER_BASE_DIR=folder, CUDA_VISIBLE_DEVICES="-1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    model_path = os.path.join(folder, "model")
    if done.returncode:
        with open(os.path.join(folder, "output", "failure"), encoding="utf-8") as file:
            cause = file.read()
        if "Traceback" in cause:
            raise SystemExit(f"{' '.join(training)}:\n{done.stdout.decode('utf-8', 'replace')}")
        return Trained({}, "", dict.fromkeys(formats, cause.strip()))
    with open(os.path.join(model_path, "artifact.json"), encoding="utf-8") as file:
        artifact = json.load(file)
    models = {
        each["format"]: os.path.join(model_path, each["path"].split("/")[0])
        for each in artifact["files"]
        if each["role"] == "model"
    }
    reasons = {form: note for form in formats for note in artifact["notes"] if f" as {form}:" in note}
    return Trained(models, os.path.join(model_path, "samples.npz"), reasons)


def drive(
    car: Car, runtime: Runtime, python: str, trained: Dict[Training, Trained], *, car_path: str
) -> List[Cell]:
    """Drives, in one process, all models for this kind of car in formats that it should load."""
    cells, tasks = [], {}
    for training, made in trained.items():
        if training.kind != car.kind:
            continue
        cell = Cell(car, training, {}, [], [])
        cells.append(cell)
        for form in wanted_formats(cell, runtime):
            if form not in made.models:
                cell.reasons.append(made.reasons[form])
                continue
            result_path = os.path.join(car_path, f"{len(tasks)}-{car.environment}.json")
            task = {
                "models": [[form, made.models[form]]],
                "type": training.model_type,
                "samples": made.samples_path,
                "car": car_path,
                "myconfig": "myconfig.py",
            }
            with open(result_path, "w") as file:
                json.dump({"module": "check_child", "task": task, "result": result_path + ".result"}, file)
            tasks[result_path] = (cell, form)
    code = "import sys; from donkey_sagemaker.car.driving_child import main; main(sys.argv[1:])"
    run([python, "-c", code] + list(tasks))
    models = [[form, trained[cell.training].models[form]] for cell, form in tasks.values()]
    scan = "import sys; from donkey_sagemaker.car.model_scan_child import main; main(sys.argv[1])"
    for (cell, form), forbidden in zip(
        tasks.values(), json.loads(run([python, "-c", scan, json.dumps(models)]))
    ):
        if forbidden:
            cell.failures.append(f"{form} contains {forbidden}")
    for path, (cell, form) in tasks.items():
        with open(path + ".result") as file:
            result = json.load(file)
        if result["rejection"]:
            cell.failures.append(result["rejection"])
            continue
        difference = cell.differences[form] = result["checked"][0][1]
        if not difference < (LITE_TOLERANCE if form == "tflite" else TOLERANCE):
            cell.failures.append(f"{form} differs by {difference:.1e}")
    return cells


def wanted_formats(cell: Cell, runtime: Runtime) -> List[str]:
    """Every format that the command makes and this car drives. Without any, the cell gets the reason."""
    forms: List[str] = []
    endings = [""] if cell.car.kind == CLASSIC or runtime.tensorflow is None else ["", ".h5"]
    for ending in endings:
        try:
            plan = plan_models(
                "pilot" + ending, model_type=cell.training.model_type, runtime=runtime, config={}
            )
        except BadInput as error:
            cell.reasons.append(f"{error.what} {error.fix}")
            return []
        forms += [form for _, form in plan.models if runtime.loads(form) and form not in forms]
    return forms


def run(command: Sequence[str]) -> str:
    """The standard output of a command that must succeed."""
    done = subprocess.run(command, cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr.decode('utf-8', 'replace')}")
    return done.stdout.decode("utf-8")


# -- the table --------------------------------------------------------------------------------------------


def make_table(cells: Sequence[Cell]) -> str:
    """Markdown: cars and types by environment, then the reasons, which the cells refer to by number."""
    reasons: List[str] = []
    rows: Dict[Tuple[str, str], Dict[str, str]] = {}
    for cell in cells:
        row = rows.setdefault((cell.car.title, cell.training.model_type), {})
        row[cell.training.trainer] = describe_cell(cell, reasons)
    lines = [f"| car | type | {' | '.join(TRAINERS.values())} |", "|---" * (2 + len(TRAINERS)) + "|"]
    for (title, model_type), row in rows.items():
        lines.append(f"| {title} | {model_type} | {' | '.join(row.get(t, '') for t in TRAINERS)} |")
    return "\n".join(lines + [""] + [f"{number}. {reason}" for number, reason in enumerate(reasons, start=1)])


def describe_cell(cell: Cell, reasons: List[str]) -> str:
    words = [f"{form} {difference:.0e}" for form, difference in cell.differences.items()]
    for reason in reasons_of(cell):
        if reason not in reasons:
            reasons.append(reason)
        words.append(f"({reasons.index(reason) + 1})")
    return ", ".join(["**FAILED**"] * bool(cell.failures) + words)


def reasons_of(cell: Cell) -> List[str]:
    """Each reason once, worded the same for every type."""
    reasons: List[str] = []
    for text in cell.reasons:
        reason = text.replace(f" {cell.training.model_type} models", " such models")
        if reason not in reasons:
            reasons.append(reason)
    return reasons


def read_table() -> Dict[Tuple[str, str, str], List[str]]:
    """The cells of the documentation by car, type and environment: formats, and the texts of the reasons."""
    with open(DOCS, encoding="utf-8") as file:
        text = file.read().split(TABLE_BEGIN)[1].split(TABLE_END)[0]
    reasons = dict(re.findall(r"^(\d+)\. (.*)$", text, re.MULTILINE))
    cells = {}
    for line in text.splitlines():
        if line.startswith("| ") and not line.startswith("| car |"):
            title, model_type, *row = (part.strip() for part in line.strip("|").split("|"))
            for trainer, cell in zip(TRAINERS, row):
                words = cell.split(", ") if cell else []
                cells[title, model_type, trainer] = [
                    reasons[word.strip("()")] if word.startswith("(") else word.split()[0] for word in words
                ]
    return cells


def write_table(table: str) -> None:
    with open(DOCS, encoding="utf-8") as file:
        before, rest = file.read().split(TABLE_BEGIN)
    with open(DOCS, "w", encoding="utf-8") as file:
        file.write(before + TABLE_BEGIN + "\n" + table + "\n\n" + TABLE_END + rest.split(TABLE_END)[1])


def main() -> int:
    parser = argparse.ArgumentParser(description="Trains and drives every pair of environment and car.")
    parser.add_argument("--write", action="store_true", help="write the table to docs/compatibility.md")
    arguments = parser.parse_args()
    environments = os.environ.get("DONKEY_ENVIRONMENTS") or os.path.join(REPO, ".environments")
    with tempfile.TemporaryDirectory() as folder:
        cells = run_matrix(
            all_trainings(),
            find_python=lambda name: os.path.join(environments, name, "bin", "python"),
            folder=folder,
        )
    table = make_table(cells)
    print(table)
    failures = [
        f"{cell.car.title} {cell.training.model_type} from {cell.training.trainer}: {failure}"
        for cell in cells
        for failure in cell.failures
    ]
    if failures:
        print("\n".join(["", "Failed:"] + failures))
        return 1
    if arguments.write:
        write_table(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
