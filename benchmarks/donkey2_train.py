"""`manage.py train` of donkeycar 2.2 for a given number of epochs, on the split that our trainer uses.

    python donkey2_train.py EPOCHS SEED manage.py train --tub=TUB --model=MODEL

Nothing else is changed. Runs on Python 3.6.
"""

import os
import runpy
import sys
from typing import Any

import pandas
from donkeycar.parts.keras import KerasPilot

from trainer.split import draw_frames


def main() -> None:
    epochs, seed = int(sys.argv[1]), int(sys.argv[2])
    del sys.argv[:3]
    original_train = KerasPilot.train

    def train(self: Any, *arguments: Any, **options: Any) -> Any:
        return original_train(self, *arguments, epochs=epochs, use_early_stop=False, **options)

    def sample(self: Any, frac: float, random_state: int) -> Any:
        """The training records. donkeycar validates with the others."""
        return self.iloc[draw_frames(range(len(self)), train_fraction=frac, seed=seed)[0]]

    KerasPilot.train = train
    pandas.DataFrame.sample = sample
    sys.path.insert(0, os.path.dirname(os.path.abspath(sys.argv[0])))
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
