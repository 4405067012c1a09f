"""What the pictures of a tub say about something else: a ridge regression, cross-validated over blocks."""

from typing import Callable

import numpy as np

from .footage import normalize

FOLDS = 4
RIDGE = 0.1
MOST = 6000  # records that a fold is fitted to
_CHUNK = 2000


def fold_of(records: int, *, block: int) -> np.ndarray:
    """The fold of each record: neighbours look alike, so *block* of them share one. (n,)"""
    folds: np.ndarray = np.arange(records) // block % FOLDS
    return folds


def predict_from_pictures(
    thumbs: np.ndarray,
    targets: np.ndarray,
    *,
    trained: np.ndarray,
    block: int,
    describe: Callable[[np.ndarray], np.ndarray] = normalize,
) -> np.ndarray:
    """What the other folds' pictures and targets say about each picture.

    Args:
        thumbs: (n, 15, 20) uint8.
        targets: (n, k) float32.
        trained: (n,) bool, the records that are fitted.
        block: consecutive records of one fold.
        describe: what the regression sees of pictures, (n, p) float32, whose squares sum up to about 300.
    Returns:
        (n, k) float32
    """
    folds = fold_of(len(thumbs), block=block)
    predicted = np.zeros(targets.shape, np.float32)
    for fold in range(FOLDS):
        rows = np.flatnonzero(trained & (folds != fold))
        if not rows.size:
            continue
        rows = rows[np.linspace(0, rows.size - 1, min(MOST, rows.size)).astype(int)]
        x, y = describe(thumbs[rows]), targets[rows]
        x_mean, y_mean = x.mean(0), y.mean(0)
        x -= x_mean
        weights = solve(x.T @ x, x.T @ (y - y_mean), rows=rows.size)
        wanted = np.flatnonzero(folds == fold)
        for first in range(0, wanted.size, _CHUNK):
            part = wanted[first : first + _CHUNK]
            predicted[part] = (describe(thumbs[part]) - x_mean) @ weights + y_mean
    return predicted


def solve(gram: np.ndarray, products: np.ndarray, *, rows: int) -> np.ndarray:
    """The weights of a ridge regression.

    Args:
        gram: (p, p), of the inputs with each other.
        products: (p,) or (p, k), of the inputs with the targets.
    """
    ridge = np.diag(np.full(len(gram), RIDGE * rows, gram.dtype))
    weights: np.ndarray = np.linalg.solve(gram + ridge, products)
    return weights
