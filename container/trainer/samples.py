"""Sample pictures, with the commands that the car's own pilot must give for them."""

from typing import Dict, List, Sequence

import numpy as np

from .pilot import Pilot
from .tensorflow_versions import full_precision

SAMPLES = 8
DECIDED = 0.01  # the likeliest class must be ahead of the second by this much


@full_precision()
def make_samples(
    pilot: Pilot, pictures: Sequence[np.ndarray], others: Sequence[Sequence[np.ndarray]]
) -> Dict[str, np.ndarray]:
    """Drives the pilot over pictures in a row, as a car would, and keeps its commands.

    A pilot that chooses between classes may choose differently on another machine when two of them are close.
    `decided` marks the steps at which every choice was clear. The net's own outputs must be the same at every
    step.

    Args:
        pictures: as the net sees them, uint8 (height, width, depth) each, in the order they were recorded.
        others: the further inputs of each step, in the net's order.
    Returns:
        pictures (n, height, width, depth) uint8; raw (n, r), the net's outputs, and outputs (n, m), the
        pilot's commands, both float64; decided (n,) bool; other_0, other_1, ... (n, size).
    """
    raws: List[np.ndarray] = []
    outputs: List[np.ndarray] = []
    decided: List[bool] = []
    pilot.rewind()
    for picture, further in zip(pictures, others):
        raw, commands = pilot.predict_step(picture, further)
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
    """False for probabilities of which the two highest are almost equal, True otherwise."""
    if output.size < 2 or np.any(output < 0) or abs(float(output.sum()) - 1) > 1e-3:
        return True
    second, first = np.sort(output)[-2:]
    return bool(first - second >= DECIDED)
