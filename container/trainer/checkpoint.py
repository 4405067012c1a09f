"""The state of a training after an epoch, from which an interrupted spot job continues.

It is a single file, so that all of it is of the same epoch, and it holds arrays and JSON, so that reading it
runs no code. It comes back from a bucket, so a damaged file, or one of another training, is ignored with a
message.
"""

import json
import os
import zipfile
import zlib
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from donkey_sagemaker.atomic import open_atomic
from donkey_sagemaker.untrusted_json import parse_json

from .log import log

FILE_NAME = "training.npz"
_ABOUT = "about"
_GROUPS = ("weights", "optimizer", "best_weights")

Shape = Tuple[int, ...]


class State(NamedTuple):
    """Everything that a training needs between two epochs."""

    history: Dict[str, List[float]]  # of each metric, by epoch
    best_epoch: int  # counted from 1; 0 if no validation loss was a number yet
    finished: bool  # stopped early, so there is nothing left to train
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
        training: identifies the training (data, settings, versions), in JSON's types. A state of another one
            is not used.
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
        with open_atomic(self.path, only_writer=True) as file:
            np.savez(file, **arrays)

    def read(self, weights: Sequence[Shape], optimizer: Sequence[Shape]) -> Optional[State]:
        """The state to continue from; None if there is none. One that cannot be used is reported.

        Args:
            weights, optimizer: shapes of the arrays that this training's net and its optimizer take.
        """
        if not os.path.exists(self.path):
            return None
        try:
            about, groups = _read(self.path)
            if about.pop("training") != self.training:
                raise ValueError("it belongs to another training")
            state = State(**dict(about, **groups))
            _check(state, list(weights), list(optimizer))
        except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
            log(f"The checkpoint is ignored and training starts from the beginning: {error}")
            return None
        return state


def _read(path: str) -> Tuple[Dict[str, Any], Dict[str, List[np.ndarray]]]:
    with zipfile.ZipFile(path) as archive:
        # A checkpoint is stored uncompressed: a file that unpacks to more than its size is not from here.
        if sum(member.file_size for member in archive.infolist()) > os.path.getsize(path):
            raise ValueError("it is compressed")
    with np.load(path, allow_pickle=False) as arrays:
        about = parse_json(arrays[_ABOUT].tobytes())
        groups: Dict[str, List[np.ndarray]] = {}
        for group in _GROUPS:
            count = sum(name.rpartition("_")[0] == group for name in arrays.files)
            groups[group] = [arrays[f"{group}_{number}"] for number in range(count)]
    return about, groups


def _check(state: State, weights: List[Shape], optimizer: List[Shape]) -> None:
    best = weights if state.best_epoch else []
    for arrays, expected in (
        (state.weights, weights),
        (state.optimizer, optimizer),
        (state.best_weights, best),
    ):
        if [array.shape for array in arrays] != expected:
            raise ValueError("it belongs to another net")
    lengths = {len(values) for values in state.history.values()}
    if len(lengths) != 1 or not 0 <= state.best_epoch <= state.epochs:
        raise ValueError("its history is incomplete")
