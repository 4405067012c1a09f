"""Compares the commands of the finished model with those of the driver, on recorded pictures."""

from typing import Any, Callable, List, NamedTuple, Sequence

import numpy as np

from .feed import Feed
from .pilot import Pilot

ANGLE, THROTTLE = 0, 1  # columns of commands
STRETCH = 100  # examples, five seconds at donkeycar's 20 Hz
PICTURES = 12  # of each kind
APART = 20  # examples between two pictures in the report, because neighbours look alike


class Compared(NamedTuple):
    """Examples with the commands of driver and model, (n, 2) each: angle and throttle."""

    examples: Sequence[Any]  # of dataset.Example
    driven: np.ndarray
    predicted: np.ndarray

    @property
    def angle_errors(self) -> np.ndarray:
        """(n,), not negative."""
        return np.abs(self.predicted[:, ANGLE] - self.driven[:, ANGLE])


class Review(NamedTuple):
    validation: Compared  # pictures that were not trained on
    stretch: Compared  # consecutive examples, also from training, where the steering differs most
    worst: List[int]  # indexes into `validation`
    typical: List[int]


Predict = Callable[[Sequence[Any]], np.ndarray]


def review(examples: Sequence[Any], validation: Sequence[Any], *, predict: Predict) -> Review:
    """Finds the examples and the stretch that say most about the model.

    Args:
        examples: all of them, in the order they were driven.
        validation: those that were not trained on.
        predict: examples -> commands (n, 2).
    """
    chosen = sorted(validation, key=lambda example: example.place)
    compared = compare(chosen, predict)
    of_validation = np.array([example.place for example in chosen])
    errors = compared.angle_errors
    worst_first = np.argsort(-errors, kind="stable")
    typical_first = np.argsort(np.abs(errors - np.median(errors)), kind="stable")
    return Review(
        validation=compared,
        stretch=compare(find_stretch(examples, of_validation, errors), predict),
        worst=spread(worst_first, of_validation),
        typical=spread(typical_first, of_validation),
    )


def compare(examples: Sequence[Any], predict: Predict) -> Compared:
    driven = [(example.records[-1].angle, example.records[-1].throttle) for example in examples]
    return Compared(examples, np.array(driven, np.float64), predict(examples))


def find_stretch(examples: Sequence[Any], places: np.ndarray, errors: np.ndarray) -> Sequence[Any]:
    """The STRETCH examples of one session with the largest mean error of the validation examples among them.

    Args:
        places: indexes of the validation examples into `examples`, ascending.
        errors: of the validation examples.
    """

    def session(place: int) -> Any:
        record = examples[place].records[-1]
        return record.tub, record.session

    starts = [n > 0 and session(places[n]) != session(places[n - 1]) for n in range(len(places))]
    session_numbers = np.cumsum(starts)
    first = np.searchsorted(places, places - STRETCH // 2)
    first = np.maximum(first, np.searchsorted(session_numbers, session_numbers))
    last = np.searchsorted(places, places + STRETCH // 2)
    last = np.minimum(last, np.searchsorted(session_numbers, session_numbers, side="right"))
    totals = np.concatenate([[0.0], np.cumsum(errors)])
    middle = places[int(np.argmax((totals[last] - totals[first]) / (last - first)))]
    start, end = middle, middle + 1
    while start > max(0, middle - STRETCH // 2) and session(start - 1) == session(middle):
        start -= 1
    while end < min(len(examples), middle + STRETCH // 2) and session(end) == session(middle):
        end += 1
    return examples[start:end]


def spread(ranked: np.ndarray, places: np.ndarray) -> List[int]:
    """The first few of a ranking that are not neighbours of one another on the drive."""
    chosen: List[int] = []
    for number in ranked.tolist():
        if all(abs(places[number] - places[other]) >= APART for other in chosen):
            chosen.append(number)
        if len(chosen) == PICTURES:
            break
    return chosen


def predict(pilot: Pilot, feed: Feed) -> np.ndarray:
    """The pilot's commands (n, 2) for each example, in the feed's order.

    A pilot that remembers its own commands gets the driver's, as in training.
    """
    commands: List[np.ndarray] = []
    batches = feed.batches()
    for _ in range(feed.steps):
        inputs, _ = next(batches)
        outputs = pilot.net.predict_on_batch(dict(zip(feed.examples.inputs, inputs)))
        outputs = outputs if isinstance(outputs, list) else [outputs]
        for raw in zip(*(np.asarray(output) for output in outputs)):
            commands.append(pilot.make_commands(list(raw))[: THROTTLE + 1])
    return np.stack(commands)
