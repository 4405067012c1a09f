"""`donkey train` on the split that our trainer uses for the same seed.

    python donkey_train.py SEED SPLIT.json [OPTIONS of donkey train]

The indexes of the training and validation records are written to SPLIT.json for comparison. donkeycar's
random number generators start from SEED. Nothing else is changed.
"""

import json
import random
import sys
from typing import Any, List, Tuple

import numpy as np
import tensorflow
from donkeycar.management.base import execute_from_command_line
from donkeycar.pipeline import training

from trainer.split import draw_frames


def main() -> None:
    seed, split_path = int(sys.argv[1]), sys.argv[2]
    sys.argv = ["donkey", "train"] + sys.argv[3:]

    def split_as_ours(
        records: List[Any], shuffle: bool = True, test_size: float = 0.2
    ) -> Tuple[List[Any], List[Any]]:
        chosen = draw_frames(records, train_fraction=1 - test_size, seed=seed)
        with open(split_path, "w") as file:
            json.dump([[index_of(example) for example in side] for side in chosen], file)
        return chosen

    training.train_test_split = split_as_ours
    random.seed(seed)
    np.random.seed(seed)
    tensorflow.random.set_seed(seed)
    execute_from_command_line()


def index_of(example: Any) -> int:
    """The index of its record, or of the last record of its sequence."""
    record = example[-1] if isinstance(example, list) else example
    return record.underlying["_index"]


if __name__ == "__main__":
    main()
