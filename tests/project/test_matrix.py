"""Trains and drives a sample of the matrix and compares it with the table in the documentation."""

from typing import Callable, List

import pytest

from donkey_sagemaker.contract import TYPES
from matrix import (
    CARS,
    CLASSIC,
    MODERN,
    STOCK,
    TRAINERS,
    Cell,
    Training,
    make_table,
    read_table,
    reasons_of,
    run_matrix,
)

# linear and categorical from old and new environments, each other type once
SAMPLE = [
    Training("dk22", CLASSIC, "categorical"),
    Training("dk22", MODERN, "linear"),
    Training("dk22", MODERN, "imu"),
    Training("dk50", MODERN, "memory"),
    Training("dk53", CLASSIC, "linear"),
    Training("dk53", MODERN, "behavior"),
    Training("dk54", CLASSIC, "categorical"),
    Training("dk54", MODERN, "categorical"),
    Training("dk54", MODERN, "rnn"),
    Training("dk54", MODERN, "3d"),
    Training(STOCK, CLASSIC, "linear"),
    Training(STOCK, MODERN, "inferred"),
    Training(STOCK, MODERN, "localizer"),
]


@pytest.mark.generations
def test_the_table_is_true(generation_python: Callable[[str], str], tmp_path: object) -> None:
    """Every sampled pair has the formats, or the reasons for missing ones, that the documentation shows."""
    table = read_table()
    lines: List[str] = []
    cells = run_matrix(SAMPLE, find_python=generation_python, folder=str(tmp_path), report=lines.append)
    print(make_table(cells))
    assert [(cell.car.title, cell.training, cell.failures) for cell in cells if cell.failures] == []
    assert len(cells) == sum(training.kind == car.kind for training in SAMPLE for car in CARS)
    for cell in cells:
        where = (cell.car.title, cell.training.model_type, cell.training.trainer)
        assert table[where] == list(cell.differences) + reasons_of(cell)


def test_the_table_is_complete() -> None:
    """It has every car, every type and every environment."""
    table = read_table()
    for car in CARS:
        for model_type in TYPES[:2] if car.kind == CLASSIC else TYPES:
            for trainer in TRAINERS:
                assert table[car.title, model_type, trainer]
    assert len(table) == sum(len(TRAINERS) * (2 if car.kind == CLASSIC else len(TYPES)) for car in CARS)


def test_a_failure_is_shown() -> None:
    """A failed cell is marked in the table, and each reason is listed once."""
    training = Training("dk54", MODERN, "linear")
    reasons = ["No linear models.", "No linear models.", "Never."]
    failed = Cell(CARS[2], training, {"h5": 3.2e-08, "tflite": 0.5}, reasons, ["tflite differs by 0.5"])
    other = Cell(CARS[3], training, {}, ["Never."], [])
    assert make_table([failed, other]).splitlines() == [
        "| car | type | TF 1.4 | TF 2.9 | TF 2.15 | TF 2.19 | TF 2.21 |",
        "|---|---|---|---|---|---|---|",
        "| 5.0, TF 2.9 | linear |  |  |  | **FAILED**, h5 3e-08, tflite 5e-01, (1), (2) |  |",
        "| 5.3, TF 2.15 | linear |  |  |  | (2) |  |",
        "",
        "1. No such models.",
        "2. Never.",
    ]
