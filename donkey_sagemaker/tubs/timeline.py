"""A tub by the position of its records: only those that are looked at are parsed.

So a page about a million records needs no more memory, and little more time, than one about a thousand.
"""

from typing import List, NamedTuple, Optional, Sequence, Tuple

from .files import RECORD
from .reader import V1, Tub
from .record import Record


class _Catalog(NamedTuple):
    name: str
    first: int  # position of its first record
    lines: int


class Timeline:
    """
    Args:
        tub: as it is now; make another timeline once it has grown.

    Attributes:
        size: the number of positions. Not every position has a record that can be used.
    """

    def __init__(self, tub: Tub) -> None:
        self.tub = tub
        self._numbers: List[int] = []
        self._catalogs: List[_Catalog] = []
        if tub.layout == V1:
            matches = (RECORD.fullmatch(name) for name in tub.files.names())
            self._numbers = sorted(int(match.group(1)) for match in matches if match)
            self.size = len(self._numbers)
            return
        self.size = 0
        for name in tub.catalogs:
            lines = len(self._lines_of(name))
            self._catalogs.append(_Catalog(name, self.size, lines))
            self.size += lines

    def read(self, positions: Sequence[int]) -> List[Tuple[int, Record]]:
        """(position, record) for those of the positions, ascending, that have a usable record."""
        found: List[Tuple[int, Optional[Record]]] = []
        if self.tub.layout == V1:
            found = [(each, self._read_v1(each)) for each in positions if 0 <= each < self.size]
        for catalog in self._catalogs:
            inside = [each - catalog.first for each in positions if 0 <= each - catalog.first < catalog.lines]
            lines = self._lines_of(catalog.name) if inside else []
            for number in inside:
                if number < len(lines):
                    record = self.tub.parse_record(lines[number], source=catalog.name)
                    found.append((catalog.first + number, record))
        return [(position, record) for position, record in found if record]

    def _read_v1(self, position: int) -> Optional[Record]:
        number = self._numbers[position]
        name = f"record_{number}.json"
        try:
            return self.tub.parse_record(self.tub.files.read(name), source=name, number=number)
        except OSError:
            return None

    def _lines_of(self, catalog: str) -> List[bytes]:
        try:
            return self.tub.files.read(catalog).splitlines()
        except OSError:
            return []
