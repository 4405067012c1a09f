"""What the model does on pictures that it was not trained on, for the car to judge it by.

A few hundred of the validation examples travel in the archive, as JPEGs with the commands of the driver and
of the model, so that the car can drive the model that would be replaced on the same pictures.
"""

import io
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np
from PIL import Image

from donkey_sagemaker.paired_errors import compare_errors

from .dataset import Dataset, Example
from .feed import Columns, Examples, Feed
from .pictures import PictureStore, decode
from .pilot import Pilot
from .review import ANGLE, THROTTLE, compare, predict
from .tensorflow_versions import full_precision

MAX_EXAMPLES = 500
MAX_PIXELS = 20e6  # of all pictures together: about 8 MB of JPEGs
JPEG_QUALITY = 90
STRAIGHT = 0.1  # steering that is smaller, to either side, is that of a straight
# The summary for artifact.json, and the content of validation.npz; None if it is not drivable
Measured = Tuple[Dict[str, Any], Optional[bytes]]
MOST_LATE = 8  # frames, 0.4 s at donkeycar's 20 Hz, by which the steering is shifted to find a lag


class ValidationSet:
    """Validation examples that are spread over the whole drive, and the commands of the driver for them.

    Attributes:
        examples: in the order they were driven.
        drivable: whether the car can drive them one by one. A pilot that also sees its own last commands gets
            others on the car than in training.
    """

    def __init__(self, pilot: Pilot, dataset: Dataset, *, checksums: "Checksums") -> None:
        self._pilot = pilot
        self._dataset = dataset
        self._checksums = checksums
        self.examples = choose(dataset)
        inputs = self.examples[0].inputs
        self._others = pilot.drive_inputs(inputs)
        self.drivable = pilot.picture_shape[2] in (1, 3) and set(inputs) == {
            *self._others,
            *pilot.picture_inputs,
        }
        self._later = find_later(dataset.examples, self.examples)
        self._jpegs: List[bytes] = []
        self._feed: Optional[Feed] = None
        self._trained: Optional[bytes] = None
        self._measured: Dict[int, Measured] = {}  # the last one, by its epoch

    def measure(self, epoch: int) -> Measured:
        """How good the net is with its present weights, which are those of that epoch."""
        if epoch not in self._measured:
            self._measured = {epoch: self._measure()}
        return self._measured[epoch]

    @full_precision()
    def _measure(self) -> Measured:
        if self._feed is None:
            self._feed = self._make_feed()
        feed = self._feed
        compared = compare(self.examples, lambda _: predict(self._pilot, feed))
        summary = summarize(compared.driven, compared.predicted, later=self._later)
        return summary, self._pack(compared.driven, compared.predicted) if self.drivable else None

    def trained(self) -> bytes:
        """Which pictures the net was trained on: their CRC-32s, ascending, as little-endian numbers.

        A later comparison leaves these out, because a model is always good on them.
        """
        if self._trained is None:
            numbers = {self._checksums.of(example) for example in self._dataset.training}
            self._trained = np.array(sorted(numbers), "<u4").tobytes()
        return self._trained

    def _make_feed(self) -> Feed:
        """The pictures as the car will see them: from the JPEGs, so that both models see the same."""
        dataset, names = self._dataset, self._pilot.picture_inputs
        if not self.drivable:
            return dataset.feed(self.examples)
        height, width, depth = self._pilot.picture_shape
        numbers = [np.asarray(example.inputs[names[0]]) for example in self.examples]
        store = PictureStore(sum(each.size for each in numbers), self._pilot.picture_shape)
        columns = Columns(len(self.examples), picture_inputs=names)
        for example, own in zip(self.examples, numbers):
            first = len(self._jpegs)
            for number in own.flat:
                self._jpegs.append(encode(dataset.show_picture(int(number))))
                store[len(self._jpegs) - 1] = decode(self._jpegs[-1], width=width, height=height, depth=depth)
            places = np.arange(first, len(self._jpegs)).reshape(own.shape)
            columns.append(dict(example.inputs, **dict.fromkeys(names, places)), example.targets)
        return Feed(
            Examples(columns.inputs, columns.targets),
            store,
            picture_inputs=names,
            divisor=self._pilot.picture_divisor,
            batch_size=dataset.batch_size,
        )

    def _pack(self, driven: np.ndarray, predicted: np.ndarray) -> bytes:
        """
        jpegs: all JPEGs in a row, uint8; sizes (n, sequence) of each; driven and predicted (n, 2), angle and
        throttle; checksums (n,) uint32, as in `trained`; other_0, other_1, ... (n, size) as in samples.npz.
        """
        count = len(self.examples)
        arrays: Dict[str, Any] = {
            "jpegs": np.frombuffer(b"".join(self._jpegs), np.uint8),
            "sizes": np.array([len(jpeg) for jpeg in self._jpegs], np.int64).reshape(count, -1),
            "driven": driven,
            "predicted": predicted,
            "checksums": np.array([self._checksums.of(each) for each in self.examples], np.uint32),
        }
        for number, name in enumerate(self._others):
            arrays[f"other_{number}"] = np.stack([each.inputs[name] for each in self.examples])
        file = io.BytesIO()
        np.savez(file, **arrays)
        return file.getvalue()


class Checksums:
    """The CRC-32 of the recorded picture of an example, of the last one of a sequence.

    It is that of the file in the tub, so it stays the same whatever transformations a training uses.
    """

    def __init__(self, tubs: Dict[str, Any]) -> None:
        self._tubs = tubs

    def of(self, example: Example) -> int:
        record = example.records[-1]
        return int(self._tubs[record.tub].files.checksum(record.image))


def choose(dataset: Dataset) -> List[Example]:
    """At most MAX_EXAMPLES of the validation examples, evenly spread, in the order they were driven."""
    ordered = sorted(dataset.validation, key=lambda example: example.place)
    height, width, _depth = dataset.pilot.picture_shape
    pixels = height * width * max(1, np.size(ordered[0].inputs[dataset.pilot.picture_inputs[0]]))
    count = max(1, min(MAX_EXAMPLES, len(ordered), int(MAX_PIXELS / pixels)))
    return [ordered[place] for place in np.linspace(0, len(ordered) - 1, count).astype(int)]


def encode(picture: np.ndarray) -> bytes:
    """A JPEG of a picture (height, width, 1 or 3) uint8."""
    file = io.BytesIO()
    plain = picture[:, :, 0] if picture.shape[2] == 1 else picture
    Image.fromarray(plain).save(file, format="JPEG", quality=JPEG_QUALITY, subsampling=0)
    return file.getvalue()


def find_later(examples: Sequence[Example], chosen: Sequence[Example]) -> np.ndarray:
    """What the driver steered 0 to MOST_LATE frames after each of the chosen examples, (n, MOST_LATE + 1).

    NaN where the drive ended before, or a record is missing.
    """
    later = np.full((len(chosen), MOST_LATE + 1), np.nan)
    for row, example in zip(later, chosen):
        first = example.records[-1]
        for frames, other in enumerate(examples[example.place : example.place + MOST_LATE + 1]):
            record = other.records[-1]
            if (record.tub, record.session, record.index) != (first.tub, first.session, first.index + frames):
                break
            row[frames] = record.angle
    return later


def summarize(driven: np.ndarray, predicted: np.ndarray, *, later: np.ndarray) -> Dict[str, Any]:
    """How the model's commands (n, 2) compare with the driver's, and with those of the best constant.

    Args:
        later: the driver's steering from find_later.
    Returns:
        an entry for each output; empty for a model whose commands are not finite, which JSON cannot express.
    """
    if not np.all(np.isfinite(predicted)):
        return {}
    return {
        "pictures": len(driven),
        "angle": dict(
            summarize_output(driven[:, ANGLE], predicted[:, ANGLE]),
            **summarize_steering(driven[:, ANGLE], predicted[:, ANGLE], later),
        ),
        "throttle": summarize_output(driven[:, THROTTLE], predicted[:, THROTTLE]),
    }


def summarize_steering(driven: np.ndarray, predicted: np.ndarray, later: np.ndarray) -> Dict[str, float]:
    """Where the steering (n,) is wrong: to one side, in bends or on straights, or because it comes late."""
    errors = np.abs(predicted - driven)
    bends = np.abs(driven) >= STRAIGHT
    has_all = np.isfinite(later).all(axis=1)
    shifted = np.abs(predicted[has_all, None] - later[has_all])
    by_lag = shifted.mean(axis=0) if has_all.any() else np.zeros(1)
    values = {
        "bias": (predicted - driven).mean(),
        "bends": bends.mean(),
        "left_bends": (driven[bends] < 0).mean() if bends.any() else 0.0,
        "bend_error": errors[bends].mean() if bends.any() else 0.0,
        "straight_error": errors[~bends].mean() if not bends.all() else 0.0,
        "late_frames": by_lag.argmin(),
        "late_error": by_lag.min(),
        "late_error_without": by_lag[0],
    }
    return {name: round(float(value), 8) for name, value in values.items()}


def summarize_output(driven: np.ndarray, predicted: np.ndarray) -> Dict[str, float]:
    """Of one output (n,): how much it varies, and by how much it is better than the best constant.

    No constant has a smaller mean error than the median, and none a smaller squared error than the mean.
    """
    errors, constant_errors = np.abs(predicted - driven), np.abs(np.median(driven) - driven)
    squares, constant_squares = errors**2, (driven.mean() - driven) ** 2
    gain = _compare(constant_errors, errors)
    squared_gain = _compare(constant_squares, squares)
    values = {
        "driven_std": driven.std(),
        "predicted_std": predicted.std(),
        "error": errors.mean(),
        "constant_error": constant_errors.mean(),
        "gain": gain[0],
        "gain_standard_error": gain[1],
        "squared_gain": squared_gain[0],
        "squared_gain_standard_error": squared_gain[1],
    }
    return {name: round(float(value), 8) for name, value in values.items()}


def _compare(errors: np.ndarray, others: np.ndarray) -> Sequence[float]:
    return compare_errors(errors.tolist(), others.tolist()) if len(errors) > 1 else (0.0, 0.0)
