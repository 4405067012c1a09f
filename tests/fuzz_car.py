"""The car of the fuzz tests: a job of this machine has ended, and its model waits to be installed."""

import contextlib
import gzip
import json
import os
import tarfile
import tempfile
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Sequence, Tuple

import pytest

from artifact_factory import listed, make_artifact
from donkey_sagemaker.car import driving_process, runtime
from donkey_sagemaker.car.job import INSTALLED, Bill, Outcome
from donkey_sagemaker.car.ledger import Ledger
from donkey_sagemaker.verdict import Verdict
from fuzzing import Place
from job_factory import make_job
from mutations import Members, mutate_archive, mutate_json, spoil_file  # noqa: F401 - for the tests beside it
from tub_factory import make_v2

JOB = "donkey-pilot-261101-120000-000"
OLDER_JOB = "donkey-older-261001-120000-000"
CAR_ID = "0123456789ab"
KEPT = "kept-abcdefgh"
GOOD = b"\x1c\x00\x00\x00TFL3 good"  # the only model that drives
OLD = b"\x1c\x00\x00\x00TFL3 old"
OLDER = b"\x1c\x00\x00\x00TFL3 older"
SAMPLES = b"the samples"
# The models here are no nets: what is looked for in nets has tests of its own.
SETTINGS = """
SAGEMAKER_BACKEND = "local"
SAGEMAKER_TRUST_MODEL = True
IMAGE_W, IMAGE_H, IMAGE_DEPTH = 160, 120, 3
"""

# Paths in the car
STATE = ".sagemaker"
LEDGER = f"{STATE}/jobs/{JOB}.json"
BACKUP = f"{STATE}/previous/pilot"
LOCAL_JOB = f"{STATE}/local/jobs/{JOB}"
BUCKET = f"{STATE}/local/buckets/local/donkeycar"
LAUNCH = f"{BUCKET}/jobs/{JOB}/launch.json"
ARCHIVE = f"{BUCKET}/models/{JOB}/output/model.tar.gz"
DATABASE = "models/database.json"
HISTORY = "models/pilot.history.json"

REQUEST: Dict[str, Any] = {
    "TrainingJobName": JOB,
    "ResourceConfig": {"InstanceType": "local", "InstanceCount": 1},
    "EnableManagedSpotTraining": False,
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
}
STATE_OF_JOB: Dict[str, Any] = {
    "TrainingJobName": JOB,
    "TrainingJobStatus": "Completed",
    "SecondaryStatus": "Completed",
    "CreationTime": 1793534400.0,
    "TrainingStartTime": 1793534401.0,
    "TrainingEndTime": 1793534461.0,
    "ProcessId": 4194305,  # more than Linux has
    "ModelArtifacts": {"S3ModelArtifacts": f"s3://local/donkeycar/models/{JOB}/output/model.tar.gz"},
}
LAUNCHED: Dict[str, Any] = {
    "format": 1,
    "car": "mycar",
    "car_id": CAR_ID,
    "started": 1793534400.5,
    "model": "models/pilot",
    "models": [[".h5", "h5"], [".tflite", "tflite"]],
    "type": "linear",
    "tubs": ["data"],
    "transfer": None,
    "comment": "wet",
    "set_aside": {"picture empty": 2},
}
OUTCOME = Outcome(
    INSTALLED,
    Bill(240.0, 300.0, 0.0153),
    val_loss=0.1,
    epochs=12,
    trained_s=200.5,
    steering_error=0.05,
    ms=8.0,
    form="tflite",
    verdict=Verdict("good", "It steers.", "Drive it."),
    digests=["0" * 64],
    times_off_per_100_m=2.5,
)
ENTRIES: List[Dict[str, Any]] = [
    {
        "Number": 0,
        "Name": "pilot",
        "Pilot": "KerasLinear",
        "Type": "linear",
        "Tubs": "data",
        "Time": 1790000000.5,
        "History": {"loss": [0.5, 0.25], "val_loss": [0.5, 0.125]},
        "Transfer": None,
        "Comment": "dry",
        "Config": {"IMAGE_W": 160},
    },
    {"Number": 1, "Name": "pilot", "Time": 1780000000.5, "History": {"val_loss": [0.75]}},
]
BACKUP_LIST: Dict[str, Any] = {
    "models": "../../../models",
    "folder": KEPT,
    "kept": ["pilot.tflite"],
    "absent": ["pilot.png"],
    "new_mtimes_ns": {"pilot.tflite": 1790000000000000000, "pilot.png": 1790000000000000000},
    "versions": [{"folder": KEPT, "kept": ["pilot.tflite"], "absent": ["pilot.png"]}],
}


def artifact(**changes: Any) -> Dict[str, Any]:
    files = [listed("pilot.tflite", GOOD, "model", "tflite"), listed("samples.npz", SAMPLES, "samples")]
    files.append(listed("history.json", b"{}", "history"))
    config = {"IMAGE_W": 160, "IMAGE_H": 120, "IMAGE_DEPTH": 3}
    return make_artifact(changes.pop("files", files), **dict({"config": config}, **changes))


def members(text: bytes = b"", *, artifact_of: Any = None, more: Sequence[Tuple[str, bytes]] = ()) -> Members:
    """Those of a good archive.

    Args:
        text: of artifact.json, in place of the good one; or
        artifact_of: its values.
        more: files.
    """
    contents = [
        ("artifact.json", text or json.dumps(artifact_of or artifact()).encode()),
        ("pilot.tflite", GOOD),
        ("samples.npz", SAMPLES),
        ("history.json", b"{}"),
        *more,
    ]
    made = []
    for name, content in contents:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        made.append((info, content))
    return made


def pack(those: Members) -> bytes:
    padded = [info.tobuf() + content + b"\0" * (-len(content) % 512) for info, content in those]
    return gzip.compress(b"".join(padded) + b"\0" * tarfile.RECORDSIZE, 1)


def write_car(path: Path, *, home: Path) -> None:
    """
    Args:
        home: where copies of it will lie, since a ledger has absolute paths.
    """
    job = make_job(
        name=JOB,
        backend="local",
        bucket="local",
        base=str(home / "models" / "pilot"),
        models=LAUNCHED["models"],
        tubs=[str(home / "data")],
        requests=[REQUEST],
        records=1000,
        max_epochs=100,
    )
    ledger = Ledger(str(path / STATE / "jobs"))
    ledger.write(job)
    ledger.write(job._replace(name=OLDER_JOB, backend="aws"), OUTCOME)
    contents: Dict[str, Any] = {
        "config.py": SETTINGS.encode(),
        "models/pilot.tflite": OLD,
        HISTORY: {"loss": [0.5], "val_loss": [0.5]},
        DATABASE: ENTRIES,
        f"{STATE}/car_id": CAR_ID.encode(),
        f"{STATE}/lock": {"process": 4194305, "purpose": "sagemaker-train", "since": 1793534400.5},
        f"{BACKUP}/previous.json": BACKUP_LIST,
        f"{BACKUP}/{KEPT}/pilot.tflite": OLDER,
        f"{LOCAL_JOB}/request.json": REQUEST,
        f"{LOCAL_JOB}/job.json": STATE_OF_JOB,
        f"{LOCAL_JOB}/log": b"",
        f"{LOCAL_JOB}/alive": b"",
        LAUNCH: LAUNCHED,
        ARCHIVE: pack(members()),
    }
    for name, content in contents.items():
        write(path, name, content)
    make_v2(path / "data", 3)


def write(car: Path, name: str, content: Any) -> None:
    """Writes bytes, or JSON of anything else, to a file of the car."""
    file = car / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())


class Drive:
    """In place of the process that drives models: they are bytes, and one of them drives."""

    def __init__(self, car_path: str) -> None:
        pass

    def do(self, task_path: str, result_path: str) -> None:
        with open(task_path, encoding="utf-8") as file:
            task = json.load(file)["task"]
        result: Dict[str, Any] = {"rejection": "", "checked": []}
        for form, path in task["models"]:
            content = b""
            if os.path.isfile(path):
                with open(path, "rb") as file_of_model:
                    content = file_of_model.read()
            if (form, content) != ("tflite", GOOD):
                result["rejection"] = "it does not drive"
            result["checked"].append([form, 0.0, 1.0, 0.5])
        with open(result_path, "w", encoding="utf-8") as file:
            json.dump(result, file)

    def stop(self) -> None:
        pass


class Versions(dict):
    """The versions of installed packages, each looked up once."""

    def __init__(self, find: Callable[[str], str]) -> None:
        self._find = find

    def __call__(self, name: str) -> str:
        if name not in self:
            try:
                self[name] = self._find(name)
            except runtime.metadata.PackageNotFoundError:
                self[name] = ""
        if not self[name]:
            raise runtime.metadata.PackageNotFoundError(name)
        return self[name]


class FuzzPlace(Place):
    def check_models(self) -> None:
        """No model in the car is one that the check has not driven."""
        for folder, _, names in os.walk(str(self.car)):
            if f"{os.sep}{STATE}" in folder:
                continue
            for name in names:
                if name.endswith((".tflite", ".h5", ".hdf5", ".keras", ".pkl")) or name == "pilot":
                    with open(os.path.join(folder, name), "rb") as file:
                        content = file.read(100)
                    assert content in (GOOD, OLD, OLDER), f"{name} contains {content!r}"

    def is_installed(self) -> bool:
        return (self.car / "models" / "pilot.tflite").read_bytes() == GOOD


@contextlib.contextmanager
def patch_checks() -> Iterator[pytest.MonkeyPatch]:
    """No TensorFlow, and nothing that takes its time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(driving_process, "_Child", Drive)
        patch.setattr(os, "fsync", lambda descriptor: None)  # nothing here is about power cuts
        patch.setattr(runtime.metadata, "version", Versions(runtime.metadata.version))
        yield patch


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("fuzz")
    with patch_checks() as patch:
        place = FuzzPlace(folder, lambda path: write_car(path, home=folder / "home" / "mycar"))
        patch.setattr(tempfile, "tempdir", place.temporary)
        yield place


def spoil(place: FuzzPlace, name: str, dice: Any) -> str:
    """Changes a file of the car, mostly its JSON if it has some, or puts something that is no file there."""
    path = place.car / name
    text = path.read_bytes() if path.is_file() else b""
    if dice.random() < 0.75 and text.startswith((b"{", b"[")) and not text.startswith(b"[donkey]"):
        text, made = mutate_json(json.loads(text.decode()), dice)
        path.write_bytes(text)
        return f"{name}: {made}"
    # An owner who links donkeycar's own database wants it written where it really is.
    return spoil_file(str(path), dice, outside=place.victim, links=name != DATABASE)


Verbs = List[List[str]]


def fuzz_file(
    place: FuzzPlace, name: str, verbs: Verbs, *, content: Any = None
) -> Callable[[Any, List[str]], None]:
    """A check that changes one file of the car and runs one or two of the verbs.

    Args:
        content: of a file that the car does not have yet.
    """

    def check_file(dice: Any, made: List[str]) -> None:
        place.reset()
        if content:
            write(place.car, name, content)
        made.append(spoil(place, name, dice))
        for verb in dice.sample(verbs, min(dice.choice((1, 1, 2)), len(verbs))):
            made.append(" ".join(verb))
            place.run(*verb)
            place.check_models()

    return check_file
