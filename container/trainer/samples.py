"""Sample pictures with the commands that the car's own pilot must give for them."""

from typing import Any, Dict, List, Sequence

import numpy as np

from .devices import full_precision

SAMPLES = 8
DECIDED = 0.01  # how far the first of several classes must be ahead of the second


@full_precision()
def make_samples(
    pilot: Any, pictures: Sequence[np.ndarray], others: Sequence[Sequence[np.ndarray]]
) -> Dict[str, np.ndarray]:
    """Drives the pilot over pictures in a row, as a car would, and keeps what it said.

    A pilot that chooses between classes jumps where two are close, and rounding on another machine may
    tip it: `decided` marks the steps at which every choice was clear. What the net itself says must be
    the same at every step.

    Args:
        pictures: what the net sees, uint8 (height, width, depth) each, recorded one after the other.
        others: the further inputs of each step, in the net's order.
    Returns:
        pictures (n, height, width, depth) uint8, raw (n, r) of the net and outputs (n, m) of the pilot,
        float64, decided (n,) bool,
        other_0, other_1, ... (n, size).
    """
    raws: List[np.ndarray] = []
    outputs: List[np.ndarray] = []
    decided: List[bool] = []
    pilot.rewind()
    for picture, further in zip(pictures, others):
        raw, commands = pilot.drive(picture, further)
        raws.append(np.concatenate(raw).astype(np.float64))
        outputs.append(commands)
        decided.append(all(is_decided(output) for output in raw))
    samples = {
        "pictures": np.stack(pictures),
        "raw": np.stack(raws),
        "outputs": np.stack(outputs),
        "decided": np.array(decided),
    }
    for number in range(len(others[0])):
        samples[f"other_{number}"] = np.stack([further[number] for further in others])
    return samples


def is_decided(output: np.ndarray) -> bool:
    """False for probabilities whose first two are nearly even; True for all else."""
    if output.size < 2 or np.any(output < 0) or abs(float(output.sum()) - 1) > 1e-3:
        return True
    second, first = np.sort(output)[-2:]
    return bool(first - second >= DECIDED)
