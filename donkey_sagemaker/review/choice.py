"""Which records `--delete` means: ranges of their index, or what the review has found."""

import difflib
from typing import Callable, Dict, List, Mapping, Sequence, Set

from ..errors import BadInput
from ..tubs.reader import Tub
from .ranges import Range, parse_range


class UnknownKind(BadInput):
    def __init__(self, word: str, kinds: Sequence[str]) -> None:
        nearest = difflib.get_close_matches(word, kinds, n=1)
        hint = f" Did you mean {nearest[0]}?" if nearest else ""
        super().__init__(
            f"--delete {word}: this is neither a range of records nor the name of a finding.{hint}",
            f"Pass a range such as 120-180 or 900-, or one of these: {', '.join(kinds)}.",
        )


class SeveralTubs(BadInput):
    def __init__(self, word: str, paths: Sequence[str]) -> None:
        super().__init__(
            f"--delete {word}: a range belongs to one tub, but there are several: {', '.join(paths)}.",
            f"Name the tub: --tub={paths[0]}",
        )


class NothingToDelete(BadInput):
    def __init__(self, what: str) -> None:
        super().__init__(
            f"There is nothing to delete: --delete {what} matches no record.",
            "Run `python manage.py sagemaker-tubs` to see what was found.",
        )


class NothingWouldRemain(BadInput):
    def __init__(self, path: str) -> None:
        super().__init__(
            f"This would delete every record of {path}.", "Leave the whole tub out of the training instead."
        )


class Chosen:
    """What --delete asks for.

    Args:
        what: as typed, separated by commas.
        kinds: the names of findings.
    Raises:
        UnknownKind, BackwardsRange
    """

    def __init__(self, what: str, *, kinds: Sequence[str]) -> None:
        self.what = what
        self.ranges: List[Range] = []
        self.kinds: List[str] = []
        self.range_word = ""
        for word in filter(None, (word.strip() for word in what.split(","))):
            typed = parse_range(word)
            if typed:
                self.ranges.append(typed)
                self.range_word = word
            elif word.replace("-", " ") in kinds:
                self.kinds.append(word.replace("-", " "))
            else:
                raise UnknownKind(word, [kind.replace(" ", "-") for kind in kinds])


def choose_records(
    chosen: Chosen,
    tubs: Mapping[str, Tub],
    *,
    find: Callable[[], Dict[str, Set[int]]],
    display: Callable[[str], str],
) -> Dict[str, Set[int]]:
    """The indexes to delete of each tub, by its path: existing records that are not deleted yet.

    Args:
        find: reviews the tubs; returns the indexes of the records with one of these findings, by path.
    Raises:
        SeveralTubs, NothingToDelete, NothingWouldRemain
    """
    if chosen.ranges and len(tubs) > 1:
        raise SeveralTubs(chosen.range_word, [display(path) for path in tubs])
    found = find() if chosen.kinds else {}
    wanted: Dict[str, Set[int]] = {}
    for path, tub in tubs.items():
        existing = read_indexes(tub)
        of_tub = existing & found.get(path, set())
        of_tub |= {each for each in existing if any(first <= each <= last for first, last in chosen.ranges)}
        if of_tub and not existing - of_tub:
            raise NothingWouldRemain(display(path))
        if of_tub:
            wanted[path] = of_tub
    if not wanted:
        raise NothingToDelete(chosen.what)
    return wanted


def read_indexes(tub: Tub) -> Set[int]:
    """Of all usable records that are not deleted."""
    found: Set[int] = set()
    for part in tub.parts(check_pictures=False):
        found.update(record.index for record in part.records)
    return found - tub.deleted_indexes
