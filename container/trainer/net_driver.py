"""Steers many simulated cars with one net, in one batch."""

from collections import deque
from typing import Any, Callable, Deque, Dict, List, Sequence

import numpy as np

from .feed import Arrays
from .pilot import Pilot
from .simulated_drive import Sight
from .views import View

PICTURES_AT_ONCE = 128

Show = Callable[[int, View], np.ndarray]


class NetDriver:
    """What a pilot steers. Each car has a memory of its own drive, for nets that take a sequence.

    All that is not seen, as the state of a behavior model, is as recorded.

    Args:
        examples: of dataset.Example; a sight is from the place of one of them.
        show: number of a recorded picture, view -> the picture as the net sees it.
    """

    def __init__(self, pilot: Pilot, examples: Sequence[Any], show: Show) -> None:
        self._pilot = pilot
        self._examples = examples
        self._show = show
        self._pictures: Dict[int, Deque[np.ndarray]] = {}  # by car
        self._commands: Dict[int, Deque[Any]] = {}  # by car: (angle, throttle) each

    def __call__(self, sights: List[Sight]) -> np.ndarray:
        """The steering for each sight, at most one for each car."""
        at_once = max(1, PICTURES_AT_ONCE // max(1, self._pilot.sequence_length))
        parts = [self._steer(sights[first : first + at_once]) for first in range(0, len(sights), at_once)]
        return np.concatenate(parts)

    def _steer(self, sights: Sequence[Sight]) -> np.ndarray:
        pilot = self._pilot
        inputs = [self._make_inputs(sight) for sight in sights]
        batch = {name: np.stack([each[name] for each in inputs]).astype(np.float32) for name in inputs[0]}
        for name in pilot.picture_inputs:
            batch[name] /= np.float32(pilot.picture_divisor)
        outputs = pilot.net.predict_on_batch(batch)
        outputs = outputs if isinstance(outputs, list) else [outputs]
        angles = []
        for sight, raw in zip(sights, zip(*(np.asarray(output) for output in outputs))):
            angle, throttle = pilot.make_commands(list(raw))[:2]
            if sight.car in self._commands:
                self._commands[sight.car].append((angle, throttle))
            angles.append(angle)
        return np.array(angles, np.float64)

    def _make_inputs(self, sight: Sight) -> Arrays:
        inputs = dict(self._examples[sight.place].inputs)
        for name in self._pilot.picture_inputs:
            inputs[name] = self._see(sight, inputs[name])
        if "mem_in" in inputs:
            inputs["mem_in"] = self._remember(sight, inputs["mem_in"])
        return inputs

    def _see(self, sight: Sight, numbers: np.ndarray) -> np.ndarray:
        """The picture, or the last ones; before its start, a car followed the line at the same distance."""
        if not numbers.ndim:
            return self._show(int(numbers), sight.view)
        if sight.car not in self._pictures:
            before = [self._show(int(number), sight.view) for number in numbers[:-1]]
            self._pictures[sight.car] = deque(before, maxlen=len(numbers))
        seen = self._pictures[sight.car]
        seen.append(self._show(int(numbers[-1]), sight.view))
        return np.stack(seen)

    def _remember(self, sight: Sight, recorded: np.ndarray) -> np.ndarray:
        """The last commands of the pilot itself; before its start, those of the driver."""
        if sight.car not in self._commands:
            pairs = np.reshape(recorded, (-1, 2)).tolist()
            self._commands[sight.car] = deque(pairs, maxlen=len(pairs))
        return np.ravel(self._commands[sight.car])
