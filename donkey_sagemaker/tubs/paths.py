"""What the user names with --tub: tubs, folders of tubs and globs, found on this computer."""

import glob
import os
from typing import Dict, Iterator, List, NamedTuple

from ..errors import BadInput
from .files import FolderFiles, UnreadableFolder, is_tub
from .names import natural_order, tub_name


class NoSuchFolder(BadInput):
    """A name given with --tub is not there."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"There is no folder {text}.",
            "Name with --tub the folder of a tub, a folder of tubs, or several with commas between them.",
        )


class NoTubInFolder(BadInput):
    """A folder given with --tub neither is a tub nor holds one."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"There is no tub in {text}: no manifest.json, meta.json or record_*.json, nor one folder down.",
            "Record one (python manage.py drive), or name another folder with --tub.",
        )


class FoundTub(NamedTuple):
    """A tub on this computer."""

    name: str  # in the job; unique there
    path: str  # absolute


def find_tubs(text: str, *, default: str, car_path: str) -> List[FoundTub]:
    """The tubs that *text* names, each once, in the order named and folders' tubs in natural order.

    *text* has one or more of these, with commas between them: a tub, a folder with tubs right in it, a
    glob. `~` is the home folder. What is not in the current folder is looked for in the car's. The name
    of a folder that is there may hold a comma.

    Args:
        text: the value of --tub; empty stands for *default*.
        default: the car's DATA_PATH.
        car_path: the car's folder.

    Raises:
        NoSuchFolder: a name, or the match of a glob, is not there.
        NoTubInFolder: it is there and no tub is in it.
    """
    text = text or default
    paths: Dict[str, str] = {}
    for word in _split(text, car_path):
        folders = _find_folders(word, car_path)
        if not folders:
            raise NoSuchFolder(word)
        tubs = [path for folder in folders for path in _tubs_in(folder)]
        if not tubs:
            raise NoTubInFolder(word)
        for path in tubs:
            paths.setdefault(os.path.realpath(path), path)
    if not paths:
        raise NoSuchFolder(text)

    found: Dict[str, FoundTub] = {}
    for path in paths.values():
        name = tub_name(path, taken=found)
        found[name] = FoundTub(name, path)
    return list(found.values())


def _split(text: str, car_path: str) -> Iterator[str]:
    """The words between the commas of *text*; the longest that is a folder goes before its pieces."""
    pieces = text.split(",")
    while pieces:
        ends = range(len(pieces), 1, -1)
        joined = (end for end in ends if _existing(",".join(pieces[:end]).strip(), car_path))
        end = next(joined, 1)
        word = ",".join(pieces[:end]).strip()
        if word:
            yield word
        del pieces[:end]


def _find_folders(word: str, car_path: str) -> List[str]:
    existing = _existing(word, car_path)
    if existing:
        return existing
    for place in _places(word, car_path):
        matches = [path for path in glob.glob(place) if os.path.isdir(path)]
        if matches:
            return sorted(matches, key=natural_order)
    return []


def _existing(word: str, car_path: str) -> List[str]:
    """The folder that *word* names, word for word, in a list that is empty where there is none."""
    return [place for place in _places(word, car_path) if os.path.isdir(place)][:1]


def _places(word: str, car_path: str) -> List[str]:
    """Where *word* may lie, absolute and best first."""
    word = os.path.expanduser(word)
    return [os.path.abspath(word), os.path.abspath(os.path.join(car_path, word))]


def _tubs_in(folder: str) -> List[str]:
    """*folder* if it is a tub, else the tubs right in it."""
    if is_tub(FolderFiles(folder)):
        return [folder]
    with os.scandir(folder) as entries:
        below = sorted((entry.path for entry in entries if entry.is_dir()), key=natural_order)
    return [path for path in below if _is_readable_tub(path)]


def _is_readable_tub(path: str) -> bool:
    """Whether the folder is a tub; one that a search came by and that may not be read is none."""
    try:
        return is_tub(FolderFiles(path))
    except UnreadableFolder:
        return False
