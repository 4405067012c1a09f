"""Finds the tubs that the user names with --tub: tubs, folders of tubs and glob patterns."""

import glob
import os
from typing import Dict, Iterator, List, NamedTuple

from ..errors import BadInput
from .files import IMAGES, FolderFiles, UnreadableFolder, is_tub
from .names import natural_order, tub_name


class NoSuchFolder(BadInput):
    """A folder given with --tub does not exist."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"There is no folder {text}.",
            "Pass --tub the folder of a tub, a folder of tubs, or several of them separated by commas.",
        )


class NoTubInFolder(BadInput):
    """A folder given with --tub is not a tub and does not contain one."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"There is no tub in {text}: neither this folder nor one directly in it contains manifest.json, "
            "meta.json or record_*.json.",
            "Record a tub with `python manage.py drive`, or pass another folder to --tub.",
        )


class FoundTub(NamedTuple):
    """A tub on this computer."""

    name: str  # unique in the job
    path: str  # absolute


def find_tubs(text: str, *, default: str, car_path: str) -> List[FoundTub]:
    """The tubs that *text* names, each once, in the given order; the tubs of a folder are in natural order.

    *text* contains one or more of these, separated by commas: a tub, a folder that directly contains tubs (it
    may be a tub itself), or
    a glob pattern. `~` is the home folder. A path that does not exist in the current folder is relative to
    the car's folder. The name of an existing folder may contain a comma.

    Args:
        text: the value of --tub; if it is empty, *default* is used.
        default: the car's DATA_PATH.
        car_path: the car's folder.

    Raises:
        NoSuchFolder: a folder does not exist, or no folder matches a pattern.
        NoTubInFolder: the folder exists, but there is no tub in it.
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
    """The words of *text* between commas. The longest word that is an existing folder is not split."""
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
    for candidate in _candidates(word, car_path):
        matches = [path for path in glob.glob(candidate) if os.path.isdir(path)]
        if matches:
            return sorted(matches, key=natural_order)
    return []


def _existing(word: str, car_path: str) -> List[str]:
    """A list with the folder of exactly this name; empty if there is none."""
    return [path for path in _candidates(word, car_path) if os.path.isdir(path)][:1]


def _candidates(word: str, car_path: str) -> List[str]:
    """The absolute paths that *word* may mean, the preferred one first."""
    word = os.path.expanduser(word)
    return [os.path.abspath(word), os.path.abspath(os.path.join(car_path, word))]


def _tubs_in(folder: str) -> List[str]:
    """*folder* if it is a tub, and the tubs directly in it.

    donkeycar's AUTO_CREATE_NEW_TUB puts tubs into a data folder that may be a tub already.
    """
    own = [folder] if is_tub(FolderFiles(folder)) else []
    with os.scandir(folder) as entries:
        folders = sorted((entry.path for entry in entries if os.path.isdir(entry.path)), key=natural_order)
    if own:  # its own pictures may be a million, and none of their names is that of a record
        folders = [path for path in folders if os.path.basename(path) != IMAGES.rstrip("/")]
    return own + [path for path in folders if _is_readable_tub(path)]


def _is_readable_tub(path: str) -> bool:
    """Whether the folder is a tub. One that the user did not name and that cannot be read does not count."""
    try:
        return is_tub(FolderFiles(path))
    except UnreadableFolder:
        return False
