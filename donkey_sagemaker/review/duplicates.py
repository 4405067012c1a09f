"""The same pictures twice, within a tub or in several."""

from typing import Dict, Iterator, Set

import numpy as np

from .camera import measure_exposure
from .finding import Finding, find_runs, make_finding
from .footage import Footage

SHORTEST = 5  # consecutive records whose pictures all exist elsewhere; a single one is chance


class Seen:
    """The pictures of the tubs that were looked at, by their checksums: about 100 bytes each."""

    def __init__(self) -> None:
        self._tubs: Dict[int, str] = {}

    def find_duplicates(self, footage: Footage) -> Iterator[Finding]:
        """Records whose pictures came before; then remembers those of this tub."""
        known = np.zeros(footage.size, bool)
        origins: Set[str] = set()
        previous = None
        for place, digest in enumerate(footage.digests.tolist()):
            if digest == previous:  # a frozen camera, which is another finding
                known[place] = place > 0 and known[place - 1]
            elif digest in self._tubs:
                known[place] = True
            else:
                self._tubs[digest] = footage.tub.name
            previous = digest
        known &= ~measure_exposure(footage).blind  # black pictures are all the same
        runs = find_runs(known, footage.starts, shortest=SHORTEST, gap=1)
        if runs.any():
            origins = {self._tubs[digest] for digest in footage.digests[runs & known].tolist()}
            where = ", ".join("this tub" if name == footage.tub.name else name for name in sorted(origins))
            yield make_finding("duplicate", footage, runs, 1.0, f"the same pictures came before in {where}")
