"""Ranges of `_index`: as a user types them, and as findings have them."""

import re
from typing import AbstractSet, Iterable, List, Optional, Tuple

from ..errors import BadInput

Range = Tuple[int, int]  # the first and the last `_index`, both included
LAST = 2**53  # greater than every index of a tub
_TYPED = re.compile(r"([0-9]{1,15})(?:(-)([0-9]{1,15})?)?")


class BackwardsRange(BadInput):
    def __init__(self, text: str, *, first: int, last: int) -> None:
        super().__init__(
            f"The range {text} ends before it begins.",
            f"Write the smaller index first: --delete {last}-{first}",
        )


def parse_range(text: str) -> Optional[Range]:
    """A range like 120-180, 900- (to the end) or 7; None if *text* is none.

    Raises:
        BackwardsRange
    """
    match = _TYPED.fullmatch(text)
    if not match:
        return None
    first = int(match.group(1))
    last = first if not match.group(2) else int(match.group(3) or LAST)
    if last < first:
        raise BackwardsRange(text, first=first, last=last)
    return first, last


def make_ranges(indexes: Iterable[int], *, bridges: AbstractSet[int] = frozenset()) -> List[Range]:
    """Indexes as ranges, ascending; a gap in which all records are deleted already does not split one.

    Args:
        bridges: the deleted indexes.
    """
    ranges: List[Range] = []
    for index in sorted(set(indexes)):
        if ranges:
            first, last = ranges[-1]
            if index - last <= 1 + len(bridges) and all(gap in bridges for gap in range(last + 1, index)):
                ranges[-1] = (first, index)
                continue
        ranges.append((index, index))
    return ranges


def format_ranges(ranges: List[Range], *, most: int = 4) -> str:
    """The ranges as they can be typed; only the first few, and how many more there are."""
    texts = [str(first) if first == last else f"{first}-{last}" for first, last in ranges[:most]]
    more = len(ranges) - most
    return ", ".join(texts) + (f" and {more} more" if more > 0 else "")
