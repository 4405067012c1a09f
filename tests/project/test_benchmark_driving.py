"""The table of docs/driving.md: means and spreads over the seeds, of what each model drove."""

import argparse
import os
import re
import sys

import pytest

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.append(os.path.join(REPO, "benchmarks"))

if sys.version_info < (3, 8):
    pytest.skip("the benchmarks need Python 3.8", allow_module_level=True)

from driving import BEGIN, END, PAGE, SIDES, describe, make_block  # noqa: E402

OPTIONS = argparse.Namespace(seeds=2, types="linear", records=2400, epochs=10, batch_size=128)


def driven(times_off: int, distance_m: float) -> dict:
    kicked = {
        "metres": 200.0 if times_off < 99 else 1.0,
        "times_off": times_off,
        "mean_distance_m": distance_m,
    }
    return {"kicked": kicked, "nominal": dict(kicked, times_off=0)}


def test_means_and_spreads() -> None:
    """Times off are per 100 m, distances are centimetres; seeds that were not asked for do not count."""
    finished = {
        f"linear {seed}": {side.title: driven(times_off, 0.05) for side in SIDES}
        for seed, times_off in ((1, 10), (2, 14), (3, 99))
    }
    block = make_block(finished, {"CPU": "one"}, sides=SIDES, options=OPTIONS)
    lines = [line for line in block.splitlines() if "linear" in line]
    assert block.startswith("2 seeds of 2,400 records and 10 epochs in batches of 128; 200 m with kicks")
    for line, side in zip(lines, SIDES):
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        assert cells == ["linear", side.title, "6.0 ± 1.4", "5.0 ± 0.0 cm", "0.0 ± 0.0", "5.0 ± 0.0 cm"]
    assert len(lines) == len(SIDES)


def test_one_seed_has_no_spread() -> None:
    """The first result of a long run can be printed."""
    assert describe([2.04]) == "2.0" and describe([2.04, 4.04]) == "3.0 ± 1.4"


def test_the_page_has_a_place_for_the_table() -> None:
    """And the table there is one that the benchmark has written."""
    with open(PAGE, encoding="utf-8") as file:
        text = file.read()
    (table,) = re.findall(re.escape(BEGIN) + "(.*?)" + re.escape(END), text, re.DOTALL)
    assert re.search(r"^\d+ seeds? of [\d,]+ records and \d+ epochs in batches of \d+;", table, re.MULTILINE)
