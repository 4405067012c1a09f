"""docs/train.ipynb runs from top to bottom with a notebook's Python and TensorFlow, without donkeycar."""

import json
import os
import re
import subprocess
import zipfile
from pathlib import Path
from typing import Callable

import pytest

NOTEBOOK = os.path.join("docs", "train.ipynb")
RUN = """
import nbclient, nbformat, sys
notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
nbformat.write(notebook, sys.argv[1])
"""
# What would take minutes: {a line of the notebook: what replaces it}
SMALLER = {"EPOCHS = 20": "EPOCHS = 1", "EXAMPLE_RECORDS = 3000": "EXAMPLE_RECORDS = 200"}


@pytest.mark.generations
def test_the_notebook_trains_a_model(
    tmp_path: Path, repo_path: str, generation_python: Callable[[str], str]
) -> None:
    """The example's model comes back as files for the car that the notebook names, with its report."""
    with open(os.path.join(repo_path, NOTEBOOK), encoding="utf-8") as file:
        text = file.read()
    for line, smaller in {**SMALLER, 'abspath(\\"..\\")': f'abspath(\\"{repo_path}\\")'}.items():
        assert text.count(line) == 1, line
        text = text.replace(line, smaller)
    path = tmp_path / "train.ipynb"
    path.write_text(text, encoding="utf-8")
    environment = dict(os.environ, IPYTHONDIR=str(tmp_path / "ipython"), JUPYTER_ALLOW_INSECURE_WRITES="1")
    subprocess.run(
        [generation_python("notebook"), "-c", RUN, str(path)], cwd=str(tmp_path), env=environment, check=True
    )
    printed = "".join(
        "".join(output.get("text", ""))
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        for output in cell.get("outputs", [])
    )
    assert "Trained 1 epoch in " in printed, printed
    assert re.search(r"drive --model \S+ --type (tflite_)?linear", printed), printed
    with zipfile.ZipFile(str(tmp_path / "mycar" / "models.zip")) as models:
        assert {"mypilot.tflite", "mypilot.html"} <= set(models.namelist())


def test_the_notebook_is_committed_without_results(repo_path: str) -> None:
    """They would show somebody's machine, and every run would change the file."""
    with open(os.path.join(repo_path, NOTEBOOK), encoding="utf-8") as file:
        cells = json.load(file)["cells"]
    assert cells and not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
