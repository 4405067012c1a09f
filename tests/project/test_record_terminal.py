"""The recorder of docs/pictures/train.svg, in the environment that has a terminal emulator."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable
from xml.etree import ElementTree

import pytest

pytestmark = pytest.mark.generations

SVG = "{http://www.w3.org/2000/svg}"
PRINTS = r"print('first'); print('\x1b[36msecond \u2801\x1b[0m'); raise SystemExit(3)"


@pytest.fixture
def python(generation_python: Callable[[str], str]) -> str:
    return generation_python("check")


def evaluate(python: str, repo_path: str, expression: str) -> Any:
    """The value of an expression in which `r` is the recorder."""
    imports = "import sys, json; sys.path.insert(0, 'docs'); import record_terminal as r"
    code = f"{imports}; print(json.dumps({expression}))"
    return json.loads(subprocess.check_output([python, "-c", code], cwd=repo_path))


def test_the_output_of_a_command_is_recorded(python: str, repo_path: str, tmp_path: Path) -> None:
    """It shows the command and its output in colour, braille as dots, and returns the command's exit code."""
    svg = tmp_path / "it.svg"
    script = os.path.join(repo_path, "docs", "record_terminal.py")
    command = [python, script, str(svg), "--folder", str(tmp_path), "--", sys.executable, "-c", PRINTS]
    assert subprocess.call(command) == 3
    root = ElementTree.parse(str(svg)).getroot()
    rows = [("".join(row.itertext()), row) for row in root.iter(SVG + "g") if row.get("id")]
    texts = [text for text, _ in rows]
    assert texts[0].startswith("$ " + sys.executable) and "first" in texts
    (second,) = [row for text, row in rows if text == "second"]
    assert [part.get("fill") or part.get("stroke") for part in second] == ["#57c7d4", "#57c7d4"]
    assert second[0].get("d") == "M58 2.25h0"  # the upper left dot of the eighth letter


def test_long_waits_are_cut_short(python: str, repo_path: str) -> None:
    """So are quick changes; half-drawn screens and mere changes of colour are left out. The last stays."""
    one, half, two, blue, three = (
        [[[0, text, colour]]] for text, colour in (("1", ""), ("", ""), ("2", ""), ("2", "b"), ("3", ""))
    )
    shown = [(0.0, one), (60.0, half), (60.0625, two), (61.0, blue), (63.0, three), (63.5, one)]
    assert evaluate(python, repo_path, f"r.cut({shown!r})") == [[one, 1.0], [two, 1.0], [one, 8.0]]
