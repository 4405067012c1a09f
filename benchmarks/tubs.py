"""The tubs for the measurements: a real one if there is one, otherwise a drawn one. Repeats them, too."""

import json
import os
import shutil
import tarfile
from typing import List

from donkey_sagemaker.tubs.files import FolderFiles
from donkey_sagemaker.tubs.reader import V2, Tub, read_tub
from workbench import REPO, Workbench

_DATA = os.path.join(os.path.dirname(REPO), "shared", "data")
REAL_TUB = os.path.join(_DATA, "tub_v2_kerb.tar.gz")
REAL_V1_TUB = os.path.join(_DATA, "tub_v1_lobby.tar.gz")
CATALOG_RECORDS = 1000  # donkeycar's own limit


class NotV2(Exception):
    def __init__(self, path: str) -> None:
        super().__init__(f"{path} is not a v2 tub. Name one with --tub, or leave --tub out.")


def make_tub(bench: Workbench) -> str:
    """Unpacks the real tub, or draws one."""
    return _make_tub(bench, "tubs", archive_path=REAL_TUB, options=["--records", "6000"])


def make_v1_tub(bench: Workbench) -> str:
    """The same in the old layout. One tub only: donkeycar 2 mixes up the records of several."""
    options = ["--records", "8000", "--layout", "v1"]
    path = _make_tub(bench, "v1-tubs", archive_path=REAL_V1_TUB, options=options)
    if os.path.exists(os.path.join(path, "meta.json")):
        return path
    return os.path.join(path, min(os.listdir(path)))  # drawn: a folder of tubs


def _make_tub(bench: Workbench, name: str, *, archive_path: str, options: List[str]) -> str:
    folder = os.path.join(bench.folder, name)
    path = os.path.join(folder, "tub")
    if os.path.isfile(archive_path):
        with tarfile.open(archive_path) as archive:
            if hasattr(tarfile, "data_filter"):
                archive.extractall(folder, filter="data")
            else:
                archive.extractall(folder)
    else:
        draw = os.path.join(REPO, "demo", "draw_tub.py")
        bench.run([bench.python, draw, "--out", path] + options, cwd=bench.folder)
    return path


def make_extras_tub(bench: Workbench, path: str, *, records: int) -> str:
    """Draws one drive with the columns of every type. One session: donkeycar's sequences ignore its end."""
    options = ["--records", str(records), "--sessions", "1", "--extras"]
    draw = os.path.join(REPO, "demo", "draw_tub.py")
    bench.run([bench.python, draw, "--out", path] + options, cwd=bench.folder)
    return path


def read_v2(path: str) -> Tub:
    """The tub in a folder, as our trainer reads it.

    Raises:
        NotV2: it has another layout.
    """
    tub = read_tub(FolderFiles(path), name="tub", path=path)
    if tub.layout != V2:
        raise NotV2(path)
    return tub


def count_bytes(path: str) -> int:
    """The size of all files of a tub."""
    return sum(
        os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(path) for name in names
    )


def repeat_tub(path: str, target: str, *, records: int) -> None:
    """Makes a tub of so many records by repeating another tub's. Pictures are hard links.

    A longer one starts with the records of a shorter one, as if the car had driven on.
    """
    os.makedirs(os.path.join(target, "images"))
    originals = read_v2(path).records
    catalogs: List[str] = []
    lines: List[str] = []
    for index in range(records):
        turn, place = divmod(index, len(originals))
        record = originals[place]
        name = f"{index}_cam_image_array_.jpg"
        _link(os.path.join(path, record.image), os.path.join(target, "images", name))
        fields = dict(record.fields, _index=index, _session_id=f"{record.session}_{turn}")
        fields["cam/image_array"] = name
        lines.append(json.dumps(fields, sort_keys=True) + "\n")
    for start in range(0, records, CATALOG_RECORDS):
        part = lines[start : start + CATALOG_RECORDS]
        catalogs.append(f"catalog_{len(catalogs)}.catalog")
        with open(os.path.join(target, catalogs[-1]), "w") as file:
            file.writelines(part)
        about = {"start_index": start, "line_lengths": [len(line) for line in part]}
        with open(os.path.join(target, catalogs[-1] + "_manifest"), "w") as file:
            json.dump(about, file)
    with open(os.path.join(path, "manifest.json"), encoding="utf-8") as file:
        head = file.read().splitlines()[:-1]
    last = {"paths": catalogs, "current_index": records, "max_len": CATALOG_RECORDS, "deleted_indexes": []}
    with open(os.path.join(target, "manifest.json"), "w", encoding="utf-8") as file:
        file.write("\n".join(head + [json.dumps(last)]) + "\n")


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, target)
