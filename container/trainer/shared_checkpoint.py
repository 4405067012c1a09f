"""The checkpoint of a training on several machines: all of them continue from the leader's."""

import os
import tempfile
from typing import Any, Dict, Optional, Sequence

from .checkpoint import Checkpoint, Shape, State
from .cluster import Crew


class SharedCheckpoint(Checkpoint):
    """One that only the leader reads and writes.

    Each machine has checkpoints/ of its own, which SageMaker fills from the same place in the bucket, and
    from which it uploads what changes.

    Args:
        folder: /opt/ml/checkpoints; None if the job keeps no checkpoint.
    """

    def __init__(self, folder: Optional[str], training: Dict[str, Any], *, crew: Crew) -> None:
        super().__init__(folder or "", training)
        self._keeps = folder is not None and crew.is_leader
        self._crew = crew

    def write(self, state: State) -> None:
        if self._keeps:
            super().write(state)

    def read(self, weights: Sequence[Shape], optimizer: Sequence[Shape]) -> Optional[State]:
        """As in Checkpoint. Every machine must call it, and gets the same."""
        content = b""
        if self._keeps and os.path.exists(self.path):
            with open(self.path, "rb") as file:
                content = file.read()
        content = self._crew.broadcast(content)
        if not content:
            return None
        with tempfile.TemporaryDirectory() as folder:
            received = Checkpoint(folder, self.training)
            with open(received.path, "wb") as file:
                file.write(content)
            return received.read(weights, optimizer)
