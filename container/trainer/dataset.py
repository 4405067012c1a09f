"""A job's examples: records that pass every filter, with their pictures, to train on and to validate with."""

import math
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

import numpy as np

from donkey_sagemaker.contract import ROBUST, STRETCHES
from donkey_sagemaker.errors import BadInput
from donkey_sagemaker.tubs.record import Record

from .examples import choose_commands, lag_commands, limit_throttle, sequences, smooth_throttle
from .feed import Arrays, Change, Columns, Feed
from .job import Job
from .log import log
from .pictures import PictureStore, WrongShape, change_pictures, find_opencv, fit_shape
from .pilot import Pilot
from .reading import Inputs
from .recovery import (
    ONE_SIDED_TYPES,
    SHOWN_VIEWS,
    TYPICAL_RADIUS_M,
    bends_both_ways,
    describe_view,
    find_radius,
    make_variants,
    show_from,
)
from .split import GAP_S, draw_frames, draw_stretches
from .takeovers import CORRECTION_S, Takeovers, find_takeovers
from .turning import find_turning
from .views import Camera, Viewer

FRAMES_PER_S = 20  # of donkeycar's drive loop, if the config does not say
SMOOTHED_S = 1.0  # before and after a record, in which its throttle is averaged by the robust recipe
SHOWN_PARTS = (1 / 4, 3 / 4)  # of the drive, whose examples the report shows from different places


class TooFewExamples(BadInput):
    def __init__(self, count: int, left_out: Dict[str, int]) -> None:
        reasons = ", ".join(f"{n} x {reason}" for reason, n in sorted(left_out.items()))
        why = f" (left out: {reasons})" if reasons else ""
        super().__init__(
            f"{count or 'No'} examples are left to train on{why}.",
            "Record more, or relax TRAIN_FILTER, SAGEMAKER_MIN_THROTTLE, SAGEMAKER_SLIDE and"
            " SAGEMAKER_VALIDATION.",
        )


class Example(NamedTuple):
    records: Sequence[Record]  # one, or a sequence
    numbers: Sequence[int]  # of their pictures
    place: int  # among all examples, in the order they were driven
    columns: Columns

    @property
    def inputs(self) -> Arrays:
        return {name: column[self.place] for name, column in self.columns.inputs.items()}

    @property
    def targets(self) -> Arrays:
        return {name: column[self.place] for name, column in self.columns.targets.items()}


class Dataset(NamedTuple):
    """All examples, in the order they were driven, and how they are split."""

    pilot: Pilot
    examples: List[Example]
    training: List[Example]
    validation: List[Example]
    store: PictureStore
    left_out: Dict[str, int]  # reason -> records or sequences
    batch_size: int
    repeated: List[Example] = []  # of the training examples, those that count more than once, again
    # Of the robust recipe: the car, and what the recipe leaves to do for each picture that is fed
    camera: Optional[Camera] = None
    radius_m: float = TYPICAL_RADIUS_M
    mirror: bool = False
    prepare: Optional[Callable[[np.ndarray], np.ndarray]] = None

    def training_feed(self, *, seed: int) -> Feed:
        return self.feed(self.training + self.repeated, seed=seed)

    def feed(self, examples: Sequence[Example], *, seed: Optional[int] = None) -> Feed:
        """A feed of these examples: as the recipe shows them if there is a seed, as recorded otherwise."""
        pilot = self.pilot
        if seed is not None and self.camera is not None:
            stacked = make_variants(
                pilot,
                [(each.records, each.numbers) for each in examples],
                radius_m=self.radius_m,
                mirror=self.mirror,
                seed=seed,
            )
        else:
            stacked = examples[0].columns.choose([each.place for each in examples])
        return Feed(
            stacked,
            self.store,
            picture_inputs=pilot.picture_inputs,
            divisor=pilot.picture_divisor,
            batch_size=self.batch_size,
            camera=self.camera,
            change=self._prepare_first(pilot.finish if seed is None else pilot.augment),
            shuffle_seed=seed,
        )

    def _prepare_first(self, change: Optional[Change]) -> Optional[Change]:
        prepare, shape = self.prepare, self.pilot.picture_shape
        if prepare is None:
            return change

        def prepare_and_change(pictures: np.ndarray, seed: int) -> None:
            for picture in pictures:
                picture[...] = fit_shape(prepare(picture), shape)
            if change is not None:
                change(pictures, seed)

        return prepare_and_change

    def show(self, example: Example) -> np.ndarray:
        """The example's picture, the last one of a sequence, as the car's own net will see it."""
        return self.show_picture(example.numbers[-1])

    def show_picture(self, number: int) -> np.ndarray:
        """The same for a picture in the store."""
        return self._finish(self.store[number])

    def show_views(self) -> List[Tuple[np.ndarray, float, str]]:
        """Some examples from different places: the picture, the steering, where. Empty without the recipe."""
        if self.camera is None:
            return []
        viewer = Viewer(self.camera, self.store.shape, cv2=find_opencv())
        shown = []
        for part in SHOWN_PARTS:
            example = self.examples[int(part * len(self.examples))]
            for view in SHOWN_VIEWS:
                (*_, record) = show_from(view, example.records, radius_m=self.radius_m)
                picture = viewer(self.store[example.numbers[-1]], view)
                shown.append((self._finish(picture), record.angle, describe_view(view)))
        return shown

    def _finish(self, picture: np.ndarray) -> np.ndarray:
        if self.prepare is not None:
            picture = self.prepare(picture)
        return fit_shape(self.pilot.show(picture), self.pilot.picture_shape)


def make_dataset(pilot: Pilot, inputs: Inputs, *, keeps_pictures: bool = False) -> Dataset:
    """Selects and splits the examples, and prepares their pictures as the pilot requires.

    Args:
        keeps_pictures: leave them as recorded in the store, for the dataset of another pilot, and prepare
            them each time they are fed.
    Raises:
        TooFewExamples: there are none to train on, or none to validate with.
        WrongShape: the pictures are not of the size that the net takes.
    """
    job = inputs.job
    numbers = {(each.tub, each.image): number for number, each in enumerate(inputs.pictured)}
    left_out: Dict[str, int] = {}
    takeovers = _find_takeovers(inputs)
    selected = _select_records(pilot, inputs, left_out, mistakes=takeovers.mistakes)
    used = list(dict.fromkeys(numbers[each.tub, each.image] for records in selected for each in records))
    # A view is what the camera sees, so it comes before the car's transformations.
    late = pilot.prepare if job.recipe == ROBUST or keeps_pictures else None
    store = inputs.pictures()
    if late is None:
        store = _prepare_pictures(pilot, store, used)
    _count(left_out, "picture cannot be decoded", len(store.faults.keys() & set(used)))
    examples: List[Example] = []
    columns = Columns(len(selected), picture_inputs=pilot.picture_inputs)
    for records in selected:
        of_records = tuple(numbers[record.tub, record.image] for record in records)
        if any(number in store.faults for number in of_records):
            continue
        try:
            place = columns.append(*pilot.example(records, of_records))
        except (KeyError, IndexError, TypeError, ValueError) as error:
            _count(left_out, _describe_lack(error))
        else:
            examples.append(Example(records, of_records, place, columns))
    training, validation = _split(examples, job, left_out)
    if not training or not validation:
        raise TooFewExamples(len(training), left_out)
    radius_m, mirror = TYPICAL_RADIUS_M, False
    if job.recipe == ROBUST:
        training = _smooth_throttle(training, examples, int(round(SMOOTHED_S * _frames_per_s(job))))
        radius_m = job.turning_radius_m or _find_radius(examples, store, job.camera)
        mirror = _may_mirror(pilot, examples)
    return Dataset(
        pilot=pilot,
        examples=examples,
        training=training,
        validation=validation,
        store=store,
        left_out=left_out,
        batch_size=int(job.config.get("BATCH_SIZE", 128)),
        repeated=_repeat(training, takeovers, weight=job.takeover_weight),
        camera=job.camera if job.recipe == ROBUST else None,
        radius_m=radius_m,
        mirror=mirror,
        prepare=late,
    )


def _find_takeovers(inputs: Inputs) -> Takeovers:
    """Those of all tubs."""
    frames_per_s = _frames_per_s(inputs.job)
    found = [find_takeovers(tub.records, frames_per_s=frames_per_s) for tub in inputs.tubs.values()]
    return Takeovers(
        sum(each.times for each in found),
        set().union(*(each.mistakes for each in found)),
        set().union(*(each.corrections for each in found)),
    )


def _frames_per_s(job: Job) -> float:
    value = job.config.get("DRIVE_LOOP_HZ")
    return float(value) if isinstance(value, (int, float)) and value > 0 else FRAMES_PER_S


def _repeat(training: List[Example], takeovers: Takeovers, *, weight: int) -> List[Example]:
    """The examples of the driver's corrections, as often as they count beyond once."""
    corrections = [
        each for each in training if (each.records[-1].tub, each.records[-1].index) in takeovers.corrections
    ]
    if corrections and weight > 1:
        times = "once" if takeovers.times == 1 else f"{takeovers.times} times"
        log(
            f"The driver took over from the autopilot {times}: the {len(corrections)} examples of the"
            f" {CORRECTION_S:.0f} s after that count {weight} times (SAGEMAKER_TAKEOVER_WEIGHT)"
        )
    return corrections * (weight - 1)


def _select_records(
    pilot: Pilot, inputs: Inputs, left_out: Dict[str, int], *, mistakes: Set[Tuple[str, int]]
) -> List[Tuple[Record, ...]]:
    """The records of each example, and in `left_out` how many were dropped for which reason.

    Args:
        mistakes: records of the autopilot that must not be learned, as (tub, index).
    """
    job = inputs.job
    selected: List[Tuple[Record, ...]] = []
    for tub in inputs.tubs.values():
        for fault in tub.set_aside:
            _count(left_out, fault.reason)
        _count(left_out, "deleted", tub.deleted)
        driven = choose_commands(tub.records, job.autopilot)
        _count(left_out, "driven by the autopilot", len(tub.records) - len(driven))
        if job.autopilot == "pilot":
            learned = [record for record in driven if (record.tub, record.index) not in mistakes]
            _count(left_out, "just before the driver took over", len(driven) - len(learned))
            driven = learned
        lagged = lag_commands(driven, job.slide)
        _count(left_out, f"no command {job.slide} frames later", len(driven) - len(lagged))
        accepted = [record for record in lagged if pilot.train_filter(record)]
        _count(left_out, "TRAIN_FILTER", len(lagged) - len(accepted))
        limited = limit_throttle(accepted, minimum=job.min_throttle, floor=job.floor_throttle)
        _count(left_out, f"throttle at or under {job.min_throttle}", len(accepted) - len(limited))
        selected.extend(sequences(limited, pilot.sequence_length))
    return selected


def _count(left_out: Dict[str, int], reason: str, count: int = 1) -> None:
    if count:
        left_out[reason] = left_out.get(reason, 0) + count


def _prepare_pictures(pilot: Pilot, store: PictureStore, used: List[int]) -> PictureStore:
    if pilot.prepare is not None:
        return change_pictures(store, used, pilot.prepare, pilot.picture_shape)
    if store.shape != pilot.picture_shape:
        raise WrongShape(store.shape, pilot.picture_shape)
    return store


def _find_radius(examples: List[Example], store: PictureStore, camera: Camera) -> float:
    recorded = ((each.records[-1], each.numbers[-1]) for each in examples)
    turning = find_turning(recorded, store, camera)
    radius_m = find_radius(turning)
    if turning is not None and radius_m is not None:
        log(
            f"At full steering the car turns by {math.degrees(turning.per_s):.0f} degrees a second, which the"
            f" pictures show; it steers back as a car with a turning radius of {radius_m:.2f} m"
        )
        return radius_m
    log(
        "The pictures do not show how much the car turns; it steers back as a car with a turning radius of"
        f" {TYPICAL_RADIUS_M} m. SAGEMAKER_TURNING_RADIUS_M sets another one"
    )
    return TYPICAL_RADIUS_M


def _may_mirror(pilot: Pilot, examples: List[Example]) -> bool:
    """Whether the recipe shows half of the pictures mirrored."""
    if pilot.model_type in ONE_SIDED_TYPES:
        return False
    if bends_both_ways([each.records[-1].angle for each in examples]):
        return True
    log("The bends are mostly to one side, so no pictures are shown mirrored")
    return False


def _describe_lack(error: Exception) -> str:
    """What a record lacks for this type of model, in words."""
    if isinstance(error, KeyError):
        return f"{error.args[0]} missing"
    return str(error)


def _smooth_throttle(training: List[Example], examples: List[Example], frames: int) -> List[Example]:
    """The training examples with the throttle that they show to the net; those that validate keep theirs."""
    smoothed = smooth_throttle([each.records[-1] for each in examples], frames)
    return [each._replace(records=[*each.records[:-1], smoothed[each.place]]) for each in training]


def _split(
    examples: List[Example], job: Job, left_out: Dict[str, int]
) -> Tuple[List[Example], List[Example]]:
    train_fraction = float(job.config.get("TRAIN_TEST_SPLIT", 0.8))
    if job.validation != STRETCHES:
        return draw_frames(examples, train_fraction=train_fraction, seed=job.seed)
    training, validation, in_gap = draw_stretches(
        examples,
        lambda example: example.records,
        train_fraction=train_fraction,
        gap_frames=math.ceil(GAP_S * _frames_per_s(job)),
        seed=job.seed,
    )
    _count(left_out, "beside a stretch that validates", len(in_gap))
    return training, validation
