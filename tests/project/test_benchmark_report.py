"""The benchmarks' page: a summary, a section for each topic, and the machine."""

import os
import sys
from pathlib import Path
from typing import Optional

import pytest

BENCHMARKS = os.path.join(
    os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "benchmarks"
)
sys.path.append(BENCHMARKS)

from report import (  # noqa: E402
    Comparison,
    Measured,
    Row,
    Run,
    SingleRuns,
    Topic,
    load_runs,
    make_page,
    make_row,
    save_run,
)


def make_run(name: str, comparison: Comparison) -> Run:
    measured = Measured(Topic("Speed", "In turn."), [comparison], [SingleRuns("All", ["s"], [["1.0"]])])
    return Run(name, "2026-11-26", "bench", {"CPU": "one", "load": name}, measured)


def make_case(what: str, ours: float, *, met: Optional[bool] = True, target: str = "at most 2") -> Row:
    return make_row(what, ours, 1000.0, show="{:,.0f} s", other="zip", target=target, met=met, runs=3)


@pytest.mark.parametrize(
    "page, folder, title, command",
    [
        ("RESULTS.md", "results", "Benchmarks", "python3 benchmarks/run.py"),
        ("GPU.md", "results-gpu", "Benchmarks on a GPU", "python3 benchmarks/run.py --gpu"),
    ],
)
def test_the_pages_are_up_to_date(page: str, folder: str, title: str, command: str) -> None:
    """They are made from the saved runs alone: `python3 benchmarks/run.py --page` writes them."""
    with open(os.path.join(BENCHMARKS, page), encoding="utf-8") as file:
        text = file.read()
    runs = load_runs(os.path.join(BENCHMARKS, folder))
    assert text == make_page(runs, title=title, command=command, folder=folder)


def test_a_saved_run_is_read_back(tmp_path: Path) -> None:
    """Every value of a run survives its JSON file."""
    run = make_run("packing", Comparison("Time", "Medians.", [make_case("tub", 500.0)]))
    save_run(run, str(tmp_path / "results"))
    assert load_runs(str(tmp_path / "results")) == [run]


def test_results_of_two_kinds_of_cpu_stay_side_by_side(tmp_path: Path) -> None:
    """The same measurement on another machine of the same kind takes the place of the first."""
    for features, seconds in (("AVX2", 500.0), ("AVX2, AVX512-VNNI, AMX", 400.0), ("AVX2", 300.0)):
        run = make_run("steps", Comparison("Time", "Medians.", [make_case("linear", seconds)]))
        save_run(run._replace(machine={"CPU features": features}), str(tmp_path))
    assert sorted(os.listdir(str(tmp_path))) == ["steps.avx2-avx512-vnni-amx.json", "steps.avx2.json"]
    page = make_page(load_runs(str(tmp_path)), title="T", command="c", folder="f")
    assert "| linear, AVX2, AVX512-VNNI, AMX | 400 s" in page and "| linear, AVX2 " in page
    assert "500 s" not in page


def test_the_summary_comes_first_and_names_what_is_missed() -> None:
    """A case with a target has a line, one without has none, and runs of a topic share its section."""
    rows = [make_case("small", 1500.0, met=False), make_case("any", 1.0, target="-", met=None)]
    page = make_page(
        [
            make_run("packing", Comparison("Time", "Medians.", rows)),
            make_run("training-linear", Comparison("Time", "Medians.", [make_case("large", 5.0)])),
        ],
        title="T",
        command="c",
        folder="f",
    )
    summary, section, machine = page.split("\n## ")[1:]
    assert summary.splitlines()[2] == "1 of 2 targets are met. Not met: Time, small."
    assert [line.split("|")[1].strip() for line in summary.splitlines()[6:] if line] == [
        "Time: large",
        "Time: small",
    ]
    assert "| 1,500 s | 1,000 s (zip) | 1.50  | at most 2 | **no** |" in summary
    assert "| 5 s     | 1,000 s (zip) | 0.005 | at most 2 | yes    |" in summary
    assert section.startswith("Speed\n\nIn turn.\n\n**Time.** Medians.\n\n| case ")
    assert [line.split("|")[1].strip() for line in section.splitlines()[8:] if line] == [
        "large",
        "small",
        "any",
    ]
    assert "| CPU     | one |" in machine and "| packing         | 2026-11-26 | `bench` |" in machine


def test_many_cases_are_one_line_of_the_summary() -> None:
    """It shows their range and how many meet the target."""
    rows = [make_case(str(number), 100.0 * number, met=number < 9) for number in range(5, 11)]
    page = make_page(
        [make_run("feeding", Comparison("Rate", "Medians.", rows))], title="T", command="c", folder="f"
    )
    (line,) = [line for line in page.splitlines() if line.startswith("| Rate: 6 cases |")]
    assert [cell.strip() for cell in line.split("|")[2:-1]] == [
        "500 s to 1,000 s",
        "1,000 s (zip) to 1,000 s (zip)",
        "0.50 to 1.00",
        "at most 2",
        "4 of 6",
    ]
