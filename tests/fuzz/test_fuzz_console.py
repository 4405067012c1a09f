"""What the console reads of its commands: files that a power cut damages, or that somebody has copied."""

import json
import random
from pathlib import Path
from typing import Any, Dict, List

import pytest

from donkey_sagemaker.car.car import open_car
from donkey_sagemaker.console.doctor_page import show_doctor
from donkey_sagemaker.console.home_page import show_activity
from donkey_sagemaker.console.layout import Forms
from donkey_sagemaker.console.run_page import show_progress, show_run
from donkey_sagemaker.console.runs import Runs
from donkey_sagemaker.console.tub_pages import read_findings
from fuzzing import needs_fence, repeat
from mutations import mutate_json

pytestmark = [pytest.mark.minutes, needs_fence]
COUNT = 300
FILES: Dict[str, Any] = {
    "request.json": {
        "words": ["train", "--json"],
        "title": "Training",
        "subject": "",
        "back": "/tubs",
        "started": 1.7e9,
        "process": 4242,
    },
    "result.json": {"code": 0, "ended": 1.7e9},
    "progress.json": {
        "doing": "Training",
        "note": "about 2 min left",
        "done": 3,
        "total": 7,
        "epochs": [[0.5, 0.4], [0.3, None]],
        "max_epochs": 9,
    },
    "output": {
        "tubs": [
            {
                "findings": [
                    {
                        "kind": "still",
                        "ranges": [[1, 5]],
                        "records": 5,
                        "confidence": 0.9,
                        "evidence": "x",
                        "to_do": "y",
                        "effect": "z",
                    }
                ]
            }
        ]
    },
}
DOCTOR = [{"check": "tub", "state": "wrong", "found": "none", "fix": "Record one."}]


def test_runs(tmp_path: Path) -> None:
    """Every page is made, whatever is in them, and nothing of it becomes markup."""
    (tmp_path / "config.py").write_text("")
    car = open_car(str(tmp_path), flags={})
    runs, forms = Runs(car), Forms("key")
    folder = Path(runs.folder) / "0123456789abcdef"
    folder.mkdir(parents=True)

    def check_run(dice: random.Random, made: List[str]) -> None:
        for name, content in FILES.items():
            (folder / name).write_text(json.dumps(content))
        name = dice.choice(list(FILES))
        data, change = mutate_json(FILES[name], dice)
        made.append(f"{name}: {change}")
        (folder / name).write_bytes(data)
        pages = show_activity(car, runs, forms)
        for run in runs.all():
            pages += [*show_run(car, runs, forms, run), show_progress(run)]
            read_findings(runs.read_json(run))
        doctor, change = mutate_json(DOCTOR, dice)
        made.append(f"doctor: {change}")
        (folder / "output").write_bytes(doctor)
        for run in runs.all():
            pages += show_doctor(forms, run, runs.read_json(run))
        text = "\n".join(pages)
        text.encode("utf-8")
        assert "<script" not in text

    repeat(check_run, COUNT)
