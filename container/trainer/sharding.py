"""Which examples each replica of a net trains on in each step. Pure: all machines decide the same."""

import functools
from typing import Callable, NamedTuple, Optional, Tuple

import numpy as np


class Share(NamedTuple):
    """This machine's share of every batch.

    A batch is the same one, of the same size, however many replicas share it. It is cut into `replicas` equal
    parts, of which this machine's `here` replicas take those from `first` on.
    """

    replicas: int
    first: int = 0
    here: int = 1


def make_part(
    examples: int, *, batch_size: int, share: Share, seed: Optional[int]
) -> Callable[[int], Tuple[np.ndarray, np.ndarray]]:
    """A function that makes a replica's part of a batch.

    Args:
        examples: how many there are. Each of them is in one part of one batch of an epoch.
        seed: None keeps the order and weighs all examples alike, for validation. Otherwise each epoch has an
            order of its own.
    Returns:
        n -> the numbers of examples (size,) int64, and their weights (size,) float32. The n-th part is for
        replica n % share.here of this machine, in step n // share.here, counted through all epochs.

        All parts have the same size. Where examples lack, others are repeated with the weight 0. The mean
        of weight x loss over all parts of a batch is the mean loss of its examples; without a seed, the mean
        over all batches of an epoch is that of all examples.
    """
    steps = -(-examples // batch_size)
    size = -(-min(batch_size, examples) // share.replicas)
    whole = size * share.replicas

    @functools.lru_cache(maxsize=2)  # parts of two epochs may be prepared at the same time
    def order_of(epoch: int) -> np.ndarray:
        if seed is None:
            return np.arange(examples)
        return np.random.RandomState((seed + 7919 * epoch) % 2**32).permutation(examples)

    def make(number: int) -> Tuple[np.ndarray, np.ndarray]:
        step, replica = divmod(int(number), share.here)
        epoch, step = divmod(step, steps)
        batch = order_of(epoch)[step * batch_size : (step + 1) * batch_size]
        weights = np.zeros(whole, np.float32)
        weights[: len(batch)] = whole / len(batch) if seed is not None else whole * steps / examples
        mine = slice(share.first + replica, None, share.replicas)
        return np.resize(batch, whole)[mine].astype(np.int64), weights[mine]

    return make
