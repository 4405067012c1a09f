"""Proof of driving: the trained model drives along the owner's own tub, from places beside its line.

A low validation loss does not show that a model finds back to its line. So it drives a simulated car
(simulated_drive.py) whose pictures are views of the recorded ones (views.py). The car starts again and again
START_M beside the line and START_TURN turned, to either side, and whenever it leaves the lane it is placed
back on the line. docs/driving.md shows how well that predicts true driving.
"""

import math
import threading
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from donkey_sagemaker.contract import PROVING, format_driving

from .dataset import Dataset
from .driven_line import Run, find_runs, make_line
from .job import Job
from .log import log
from .net_driver import NetDriver
from .pilot import Pilot
from .reading import Inputs
from .recorded_pictures import RecordedPictures
from .simulated_drive import Line, Moment, Start, drive
from .tensorflow_versions import full_precision
from .turning import find_turning
from .views import View

STARTS = 96
FRAMES = 50  # of each drive: 2.5 s at donkeycar's 20 Hz
APART = 4  # places between two starts with the same kick, where a tub is small: neighbours say the same
FEWEST_FRAMES = 25  # of a drive that says something
STEERS = 0.7  # of a constant's times off the lane: a net that leaves it less often has learned to steer
BRIEF_STARTS = 48  # of a brief proof, whose drives take FEWEST_FRAMES
FEWEST_PLACES = 100  # that were not trained on, to leave out all that were
START_M, START_TURN = 0.2, math.radians(10)
MOST_PLACES = 5
SAME_PLACE = 20  # records between two places where the car leaves the lane

# Why a type cannot be driven
IMPOSSIBLE = {"imu": "the gyroscope of a simulated car is not known"}


class Place(NamedTuple):
    """Where cars leave the lane."""

    example: int  # one of the dataset's
    times: int


class Proof(NamedTuple):
    """What the model drove."""

    moments: List[Moment]
    line: Line
    starts: int
    held_out: bool  # the model was not trained on this part of the tub
    half_lane_m: float
    show: Callable[[int, View], np.ndarray]  # number of a picture, view -> the picture as the net sees it

    @property
    def metres(self) -> float:
        return float(sum(moment.metres.sum() for moment in self.moments))

    @property
    def times_off(self) -> int:
        return int(sum(moment.are_off.sum() for moment in self.moments))

    @property
    def mean_distance_m(self) -> float:
        return float(np.abs(np.concatenate([moment.shifts_m for moment in self.moments])).mean())

    def find_places(self) -> List[Place]:
        """Where it leaves the lane most often, at most MOST_PLACES."""
        left = sorted(int(place) for moment in self.moments for place in moment.places[moment.are_off])
        groups: List[List[int]] = []
        for place in left:
            if groups and place - groups[-1][0] < SAME_PLACE:
                groups[-1].append(place)
            else:
                groups.append([place])
        groups.sort(key=len, reverse=True)
        return [Place(group[len(group) // 2], len(group)) for group in groups[:MOST_PLACES]]


@full_precision()
def prove(pilot: Pilot, dataset: Dataset, inputs: Inputs, *, stop: threading.Event) -> Optional[Proof]:
    """Drives the net as it is now. None, with the reason in the log, where that is not possible."""
    job, started = inputs.job, time.time()
    if not job.driving_proof or stop.is_set():
        return None
    reason = IMPOSSIBLE.get(job.model_type)
    runs, held_out = choose_runs(dataset)
    if not reason and not runs:
        reason = f"no {FEWEST_FRAMES} records follow one another"
    if reason:
        log(f"The model does not drive on the tub: {reason}")
        return None
    log(f"{PROVING} along the tub")
    starts = make_starts(runs)
    pictures = RecordedPictures(dataset, inputs, job.camera)
    line = _find_line(dataset, job, pictures, starts)
    proof = _drive(pilot, dataset, job, pictures, line, starts, held_out=held_out, frames=FRAMES, stop=stop)
    if proof is None:
        return None
    log(f"Driven {proof.metres:.0f} m along the tub in {time.time() - started:.0f} s")
    if proof.metres:
        print(format_driving(100 * proof.times_off / proof.metres, proof.mean_distance_m), flush=True)
    return proof


class Brief(NamedTuple):
    """A brief proof."""

    proof: Proof
    steers: bool  # clearly better than a car that always steers the same


class BriefProver:
    """Compares nets by a drive from few starts and over few frames, and says nothing.

    Nets that are trained on the same examples drive along the same line, which is found once.
    """

    def __init__(self) -> None:
        self._lines: Dict[Any, Tuple[Line, int]] = {}  # and how often the best constant leaves it

    @full_precision()
    def prove(
        self, pilot: Pilot, dataset: Dataset, inputs: Inputs, *, stop: threading.Event
    ) -> Optional[Brief]:
        """None where `prove` has none."""
        job = inputs.job
        runs, held_out = choose_runs(dataset)
        if not job.driving_proof or stop.is_set() or not runs or job.model_type in IMPOSSIBLE:
            return None
        starts = make_starts(runs, BRIEF_STARTS)
        pictures = RecordedPictures(dataset, inputs, job.camera)
        key = _identify(dataset, job)
        if key not in self._lines:
            line = _find_line(dataset, job, pictures, starts)
            self._lines[key] = line, _drive_constantly(line, starts, half_lane_m=job.lane_m / 2)
        line, constant = self._lines[key]
        frames = FEWEST_FRAMES
        proof = _drive(
            pilot, dataset, job, pictures, line, starts, held_out=held_out, frames=frames, stop=stop
        )
        return proof and Brief(proof, steers=proof.times_off < STEERS * constant)


def _drive(
    pilot: Pilot,
    dataset: Dataset,
    job: Job,
    pictures: RecordedPictures,
    line: Line,
    starts: Sequence[Start],
    *,
    held_out: bool,
    frames: int,
    stop: threading.Event,
) -> Optional[Proof]:
    steer = NetDriver(pilot, dataset.examples, pictures.show)
    moments = []
    for moment in drive(starts, line, steer, half_lane_m=job.lane_m / 2, frames=frames):
        if stop.is_set():
            return None
        moments.append(moment)
    return Proof(moments, line, len(starts), held_out, job.lane_m / 2, pictures.show)


def _drive_constantly(line: Line, starts: Sequence[Start], *, half_lane_m: float) -> int:
    """How often a car leaves the lane that always steers as the driver does on average."""
    angle = float(line.angles.mean())
    moments = drive(
        starts,
        line,
        lambda sights: np.full(len(sights), angle),
        half_lane_m=half_lane_m,
        frames=FEWEST_FRAMES,
    )
    return int(sum(moment.are_off.sum() for moment in moments))


def _identify(dataset: Dataset, job: Job) -> Any:
    """Equal where the line is."""
    driven = np.array([(each.numbers[-1], each.records[-1].angle) for each in dataset.examples])
    validated = np.array([each.place for each in dataset.validation])
    return job.camera, job.turning_radius_m, job.slide, driven.tobytes(), validated.tobytes()


def _find_line(dataset: Dataset, job: Job, pictures: RecordedPictures, starts: Sequence[Start]) -> Line:
    examples = dataset.examples
    return make_line(
        examples,
        find_runs(examples, {place for start in starts for place in range(start.place, start.end)}),
        find_turning(((each.records[-1], each.numbers[-1]) for each in examples), pictures, job.camera),
        picture_of=lambda place: pictures[examples[place].numbers[-1]],
        shape=pictures.shape,
        camera=job.camera,
        radius_m=job.turning_radius_m,
        slide=job.slide,
    )


def choose_runs(dataset: Dataset) -> Tuple[List[Run], bool]:
    """(the stretches to drive, whether the model was not trained on them).

    Single validation examples among those of the training are no stretch, so all examples are driven then.
    """
    places = {example.place for example in dataset.validation}
    for chosen, is_held_out in ((places, True), (set(range(len(dataset.examples))), False)):
        runs = [run for run in find_runs(dataset.examples, chosen) if run.size >= FEWEST_FRAMES]
        if sum(run.size for run in runs) >= FEWEST_PLACES or not is_held_out:
            break
    return runs, is_held_out


def make_starts(runs: Sequence[Run], most: int = STARTS) -> List[Start]:
    """At most so many, evenly spread, each of which has room for FEWEST_FRAMES. The four kicks take turns."""
    kicks = [(side * START_M, turned * START_TURN) for side in (-1, 1) for turned in (-1, 1)]
    places = [(place, run) for run in runs for place in range(run.first, run.end - FEWEST_FRAMES + 1)]
    count = min(most, len(kicks) * -(-len(places) // APART))
    starts = []
    for number, chosen in enumerate(np.linspace(0, len(places) - 1, count).astype(int)):
        place, run = places[chosen]
        starts.append(Start(place, min(run.end, place + FRAMES), *kicks[number % len(kicks)]))
    return starts


def summarize_proof(proof: Proof, examples: Sequence[Any], job: Job) -> Dict[str, Any]:
    """For artifact.json; donkey_sagemaker/driving.py reads it."""
    places = []
    for place in proof.find_places():
        record = examples[place.example].records[-1]
        places.append(
            {"tub": job.tub_paths.get(record.tub, record.tub), "index": record.index, "times": place.times}
        )
    return {
        "metres": round(proof.metres, 2),
        "times_off": proof.times_off,
        "mean_distance_m": round(proof.mean_distance_m, 4),
        "lane_m": 2 * proof.half_lane_m,
        "latency_frames": proof.line.latency,
        "held_out": proof.held_out,
        "starts": proof.starts,
        "places": places,
    }
