"""The table of docs/driving.md that compares the proof of driving with the truth."""

import os
import re
import sys

import pytest

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.append(os.path.join(REPO, "benchmarks"))

if sys.version_info < (3, 8):
    pytest.skip("the benchmarks need Python 3.8", allow_module_level=True)

from proof import BEGIN, END, PAGE, make_block, rank, spearman  # noqa: E402


def result(name: str, *, off: int, proof_off: int, distance_m: float, val_loss: float, **planted) -> dict:
    planted = dict({"recipe": "robust", "slide": 0, "noise": 0.0}, **planted)
    truth = {"metres": 200.0, "times_off": off, "mean_distance_m": 0.05}
    proof = {"metres": 100.0, "times_off": proof_off, "mean_distance_m": distance_m, "seconds": 4.0}
    return {
        "name": name,
        "planted": planted,
        "epoch": 3,
        "val_loss": val_loss,
        "truth": truth,
        "proof": proof,
    }


def test_ranks() -> None:
    """Equal values share the mean of their ranks."""
    assert rank([0.5, 3, 0.5, 1]) == [1.5, 4, 1.5, 3]
    assert spearman([1, 2, 30], [0.1, 0.5, 0.6]) == pytest.approx(1.0)
    assert spearman([3, 2, 1], [0.1, 0.5, 0.6]) == pytest.approx(-1.0)
    assert spearman([1, 2, 3, 4], [1, 2, 4, 3]) == pytest.approx(0.8)
    assert spearman([1, 1, 1], [1, 2, 3]) == 0


def test_the_table() -> None:
    """The best driver comes first."""
    results = [
        result("f1b", off=8, proof_off=0, distance_m=0.09, val_loss=0.01, slide=3),
        result("f3b", off=20, proof_off=5, distance_m=0.08, val_loss=0.02, noise=0.6),
        result("f6b", off=2, proof_off=0, distance_m=0.06, val_loss=0.03),
    ]
    block = make_block(results, {"CPU": "one"})
    assert block.startswith(
        "3 models; each drove 200 m on unseen tracks and 100 m in the proof, which took 4.0 s"
    )
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in block.splitlines() if "|" in line]
    assert ["of the proof's times off", "0.87"] in lines
    assert ["of the proof's mean distance", "0.50"] in lines
    assert ["of the validation loss", "-0.50"] in lines
    assert [line for line in lines if "epoch 3" in line[0]] == [
        ["robust, 1,600 records, steady and late, epoch 3", "1.0", "0.0", "5.0 cm", "6.0 cm", "0.0300"],
        ["robust, 800 records, steady, epoch 3, slide 3", "4.0", "0.0", "5.0 cm", "9.0 cm", "0.0100"],
        ["robust, 1,200 records, pushed, epoch 3, noise 0.6", "10.0", "5.0", "5.0 cm", "8.0 cm", "0.0200"],
    ]


def test_the_page_has_a_place_for_the_table() -> None:
    """And the table there is one that the benchmark has written."""
    with open(PAGE, encoding="utf-8") as file:
        text = file.read()
    (table,) = re.findall(re.escape(BEGIN) + "(.*?)" + re.escape(END), text, re.DOTALL)
    assert re.search(
        r"^\d+ models; each drove \d+ m on unseen tracks and \d+ m in the proof", table, re.MULTILINE
    )
