"""The state of a training after an epoch: what a spot job that was interrupted goes on from.

One file, so that it is of one epoch; arrays and JSON, so that reading it runs nothing. It comes back from a
bucket: a damaged one and one of another training are told and left alone.
"""

import json
import os
import zipfile
import zlib
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from donkey_sagemaker.untrusted_json import parse_json

from .atomic import written_whole
from .say import say

FILE_NAME = "training.npz"
_ABOUT = "about"
_GROUPS = ("weights", "optimizer", "best_weights")

Shape = Tuple[int, ...]


class State(NamedTuple):
    """All of a training between two epochs."""

    history: Dict[str, List[float]]  # of each metric, by epoch
    best_epoch: int  # counted from 1; 0 while no epoch had a validation loss that is a number
    finished: bool  # nothing is left to train: early stop, or the last epoch
    seconds: float  # trained so far
    weights: List[np.ndarray]  # of the net, in Keras's order
    optimizer: List[np.ndarray]
    best_weights: List[np.ndarray]  # as weights, or empty

    @property
    def epochs(self) -> int:
        return len(self.history["loss"])


class Checkpoint:
    """The file in checkpoints/.

    Args:
        folder: /opt/ml/checkpoints.
        training: what a state must be of to be gone on from, in JSON's types: data, settings, versions.
    """

    def __init__(self, folder: str, training: Dict[str, Any]) -> None:
        self.path = os.path.join(folder, FILE_NAME)
        self.training = training

    def write(self, state: State) -> None:
        about = {name: value for name, value in state._asdict().items() if name not in _GROUPS}
        about["training"] = self.training
        arrays = {_ABOUT: np.frombuffer(json.dumps(about, sort_keys=True).encode("utf-8"), np.uint8)}
        for group in _GROUPS:
            for number, array in enumerate(getattr(state, group)):
                arrays[f"{group}_{number}"] = array
        with written_whole(self.path) as file:
            np.savez(file, **arrays)

    def read(self, weights: Sequence[Shape], optimizer: Sequence[Shape]) -> Optional[State]:
        """The state to go on from; None where there is none, said where there is one that will not do.

        Args:
            weights, optimizer: shapes of the arrays that this training's net and its optimizer take.
        """
        if not os.path.exists(self.path):
            return None
        try:
            about, groups = _read(self.path)
            if about.pop("training") != self.training:
                raise ValueError("it is of another training")
            state = State(**dict(about, **groups))
            _check(state, list(weights), list(optimizer))
        except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
            say(f"The checkpoint is left out, training starts anew: {error}")
            return None
        return state


def _read(path: str) -> Tuple[Dict[str, Any], Dict[str, List[np.ndarray]]]:
    with zipfile.ZipFile(path) as archive:
        # Ours are stored: one that unpacks to more than it is was made by somebody else.
        if sum(member.file_size for member in archive.infolist()) > os.path.getsize(path):
            raise ValueError("it is packed")
    with np.load(path, allow_pickle=False) as arrays:
        about = parse_json(arrays[_ABOUT].tobytes())
        groups: Dict[str, List[np.ndarray]] = {}
        for group in _GROUPS:
            count = sum(name.rpartition("_")[0] == group for name in arrays.files)
            groups[group] = [arrays[f"{group}_{number}"] for number in range(count)]
    return about, groups


def _check(state: State, weights: List[Shape], optimizer: List[Shape]) -> None:
    best = weights if state.best_epoch else []
    for arrays, wanted in (
        (state.weights, weights),
        (state.optimizer, optimizer),
        (state.best_weights, best),
    ):
        if [array.shape for array in arrays] != wanted:
            raise ValueError("it is of another net")
    lengths = {len(values) for values in state.history.values()}
    if len(lengths) != 1 or not 0 <= state.best_epoch <= state.epochs:
        raise ValueError("its history is not whole")
