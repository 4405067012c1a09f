"""sagemaker-tubs with each generation of donkeycar, and what its own Tub reads afterwards."""

import json
import os
import subprocess
from pathlib import Path
from typing import Callable, List

import numpy as np
import pytest

from footage_factory import draw_pictures, steer, with_pause, write_tub

pytestmark = pytest.mark.generations

RECORDS, PAUSE = 300, slice(150, 210)
READ = {
    "v2": """
import sys
from donkeycar.parts.tub_v2 import Tub
print("read:", [record["_index"] for record in Tub(sys.argv[1], read_only=True)])
""",
    "v1": """
import sys
from donkeycar.parts.datastore import Tub
tub = Tub(sys.argv[1])
print("read:", sorted(set(tub.get_index(shuffled=False)) - set(getattr(tub, "exclude", ()))))
""",
}


def write_v1(folder: Path, source: Path) -> None:
    """The same records as donkeycar 2 writes them."""
    folder.mkdir()
    (folder / "meta.json").write_text(
        json.dumps(
            {
                "inputs": ["cam/image_array", "user/angle", "user/throttle", "user/mode"],
                "types": ["image_array", "float", "float", "str"],
                "start": 1500000000,
            }
        )
    )
    for line in (source / "catalog_0.catalog").read_text().splitlines():
        record = json.loads(line)
        index = record["_index"]
        image = f"{index}_cam-image_array_.jpg"
        (folder / image).write_bytes((source / "images" / record["cam/image_array"]).read_bytes())
        fields = {name: record[name] for name in ("user/angle", "user/throttle", "user/mode")}
        (folder / f"record_{index}.json").write_text(json.dumps(dict(fields, **{"cam/image_array": image})))


@pytest.fixture(scope="module")
def driven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a v1 and a v2 tub in which the car stands still for three seconds."""
    folder = tmp_path_factory.mktemp("driven")
    places = with_pause(PAUSE.start, PAUSE.stop - PAUSE.start, RECORDS)
    throttles = 0.3 + 0.1 * np.sin(places / 9)
    throttles[PAUSE] = 0.0
    write_tub(folder / "v2", draw_pictures(places), angles=steer(places), throttles=throttles)
    write_v1(folder / "v1", folder / "v2")
    return folder


@pytest.mark.parametrize(
    "environment, layout, leaves_out",
    [
        ("dk22", "v1", False),  # it does not know deleted records, and must not stumble over them
        ("dk25", "v1", False),
        ("dk50", "v2", True),
        ("dk53", "v2", True),
        ("dk54", "v2", True),
    ],
)
def test_review_delete_and_restore(
    environment: str,
    layout: str,
    leaves_out: bool,
    driven: Path,
    generation_python: Callable[[str], str],
    tmp_path: Path,
) -> None:
    """The same words everywhere; donkeycar 4 and later leaves out exactly what was deleted."""
    python = generation_python(environment)
    subprocess.check_call(["cp", "-r", str(driven / layout), str(tmp_path / "data")])
    (tmp_path / "config.py").write_text("")
    (tmp_path / "manage.py").write_text("")

    def tubs(*words: str) -> str:
        command = [python, "-m", "donkey_sagemaker", "tubs", "--tub", "data", *words]
        return subprocess.check_output(command, cwd=str(tmp_path)).decode()

    def read() -> List[int]:
        command = [python, "-c", READ[layout], str(tmp_path / "data")]
        out = subprocess.check_output(command, stderr=subprocess.DEVNULL).decode()
        (line,) = [line for line in out.splitlines() if line.startswith("read: ")]
        indexes: List[int] = json.loads(line[len("read: ") :])
        return indexes

    everything = read()
    assert len(everything) == RECORDS
    assert "standing still: " in tubs() and os.path.exists(str(tmp_path / "tubs.html"))
    assert "Deleted." in tubs("--delete", "still", "--yes")
    deleted = set(everything) - set(read())
    assert deleted == set() or leaves_out
    if leaves_out:
        assert set(range(152, 208)) <= deleted <= set(range(148, 213))
    assert "nothing suspicious" in tubs()
    assert "records restored" in tubs("--restore")
    assert read() == everything
