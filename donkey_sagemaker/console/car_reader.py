"""The car as it is now, read again when its configuration has changed."""

import hashlib
import os
from typing import Dict, List, NamedTuple, Optional, Tuple

from ..car.car import Car, open_car
from ..contract import CONFIG_NAME
from ..errors import BadInput
from ..tubs.files import CATALOG, MANIFEST, FolderFiles
from ..tubs.names import natural_order
from ..tubs.paths import find_tubs
from ..tubs.reader import Tub, read_tub
from ..tubs.timeline import Timeline

_LISTS = ("exclude.json", MANIFEST)  # what says which records are deleted


class NoSuchTub(BadInput):
    def __init__(self) -> None:
        super().__init__("This car has no such tub any more.", "Choose one of the list.")


class FoundTub(NamedTuple):
    key: str  # stands for its path in addresses of the console
    path: str
    changed: float  # when records were added, deleted or restored; seconds since the epoch
    tub: Tub
    timeline: Timeline

    @property
    def records(self) -> int:
        """About how many are not deleted."""
        return max(0, self.timeline.size - len(self.tub.deleted_indexes))


class CarReader:
    """
    Args:
        path: the car's folder.
        myconfig: name of its myconfig.py.
        local: work with this machine in place of AWS, as --local does.
    """

    def __init__(self, path: str, *, myconfig: str, local: bool) -> None:
        self.path = os.path.abspath(path)
        self.myconfig = myconfig
        self._flags = {"backend": "local"} if local else {}
        self._car: Optional[Car] = None
        self._read_at: List[float] = []
        self._tubs: Dict[str, FoundTub] = {}

    def car(self) -> Car:
        """
        Raises:
            BadInput: its configuration has an error.
        """
        paths = [os.path.join(self.path, name) for name in (CONFIG_NAME, self.myconfig)]
        changed = [os.stat(path).st_mtime if os.path.exists(path) else 0.0 for path in paths]
        if self._car is None or changed != self._read_at:
            self._car = open_car(self.path, flags=self._flags, myconfig=self.myconfig)
            self._read_at = changed
        return self._car

    def tubs(self) -> Tuple[List[FoundTub], Optional[BadInput]]:
        """The tubs in the car's DATA_PATH; none, and why, where there are none."""
        car = self.car()
        try:
            found = find_tubs("", default=car.data_path, car_path=car.path)
        except BadInput as error:
            return [], error
        kept = {}
        for each in found:
            known = self._tubs.get(each.path)
            changed = _changed_at(each.path)
            if known is None or known.changed != changed:
                tub = read_tub(FolderFiles(each.path), name=each.name, path=each.path)
                known = FoundTub(_key_of(each.path), each.path, changed, tub, Timeline(tub))
            kept[each.path] = known
        self._tubs = kept
        return list(kept.values()), None

    def tub(self, key: str) -> FoundTub:
        """
        Raises:
            NoSuchTub
        """
        known = [found for found in self._tubs.values() if found.key == key]
        if known and known[0].changed == _changed_at(known[0].path):
            return known[0]  # without looking for others, as each picture asks for its tub
        for found in self.tubs()[0]:
            if found.key == key:
                return found
        raise NoSuchTub


def _key_of(path: str) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def _changed_at(path: str) -> float:
    """By its lists, its last catalog, and its folder, in which the records of a v1 tub are."""
    last: List[str] = []
    if os.path.exists(os.path.join(path, MANIFEST)):
        catalogs = [name for name in os.listdir(path) if CATALOG.fullmatch(name)]
        last = sorted(catalogs, key=natural_order)[-1:]
    paths = [os.path.join(path, name) for name in [*_LISTS, *last, ""]]
    return max((os.stat(each).st_mtime for each in paths if os.path.exists(each)), default=0.0)
