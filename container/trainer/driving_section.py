"""The report's section about the drive along the tub: figures, where the model gets lost, and a replay."""

import io
from typing import Any, List, NamedTuple, Sequence

import numpy as np
from PIL import Image, ImageDraw

from donkey_sagemaker.driving import describe_driving, read_driving
from donkey_sagemaker.page import (
    DRIVEN,
    PREDICTED,
    cards,
    count_card,
    escape,
    figure,
    film,
    image,
    paragraph,
    section,
)

from .driving_proof import Proof, summarize_proof
from .job import Job
from .pictures import draw_steering
from .recovery import describe_view, steer_back
from .replay import make_film
from .views import View

BEFORE = 8  # frames before a car leaves the lane: the picture at which the model should have acted
LANE_PIXELS = 18  # height of the strip below a picture that shows the lane
FILM_STEP = 2  # frames


class Pose(NamedTuple):
    """A car at one moment."""

    example: int
    view: View
    angle: float  # what the model steers
    is_off: bool


def make_driving_section(proof: Proof, examples: Sequence[Any], job: Job) -> str:
    driving = read_driving(summarize_proof(proof, examples, job))
    if driving is None:  # the net's outputs are not numbers
        return ""
    paths = [follow(proof, car) for car in range(proof.starts)]
    parts = [
        cards(
            [
                (f"{driving.times_off_per_100_m:.1f}", "times off the line in 100 m"),
                (f"{100 * driving.mean_distance_m:.0f} cm", "from the line on average"),
                (f"{driving.metres:.0f} m", f"driven, from {driving.starts} starts"),
                count_card(driving.latency_frames, "frame", " from a picture to its command"),
            ]
        ),
        paragraph(describe_driving(driving)),
        (
            "<p>The pictures are what the camera would see from there. The solid line shows the steering "
            'that <span class="driven">leads back</span>, the dashed line the '
            '<span class="predicted">model</span>\'s; the dot shows where in its lane the car is.</p>'
        ),
    ]
    figures = []
    for place in proof.find_places():
        path, moment = _find_exit(paths, place.example)
        pose = path[max(0, moment - BEFORE)]
        record = examples[pose.example].records[-1]
        where = f"{job.tub_paths.get(record.tub, record.tub)}, record {record.index}"
        caption = f"{escape(where)}<br>{escape(describe_view(pose.view))}<br>then off the line" + (
            f", {place.times} times here" if place.times > 1 else ""
        )
        drawn = image(_encode(_draw(proof, examples, pose)), kind="jpeg", alt=f"What the car sees at {where}")
        figures.append(figure(drawn, caption))
    if figures:
        parts += ["<h3>Where it leaves the line</h3>", f'<div class="pictures">{"".join(figures)}</div>']
    worst = [_draw(proof, examples, pose) for pose in max(paths, key=_how_bad)[::FILM_STEP]]
    content = make_film(worst)
    if content:
        drawn = film(content, still=_encode(worst[-1]), alt="The worst of its drives, as a film")
        shown = figure(drawn, "The drive that goes worst.", style="chart")
        parts.append(f'<details open=""><summary>Replay</summary>{shown}</details>')
    return section("Driving on your tub", *parts)


def follow(proof: Proof, car: int) -> List[Pose]:
    """What one car did, frame by frame."""
    poses = []
    for moment in proof.moments:
        for number in np.flatnonzero(moment.cars == car):
            view = View(shift_m=float(moment.shifts_m[number]), turn=float(moment.turns[number]))
            poses.append(
                Pose(
                    int(moment.places[number]),
                    view,
                    float(moment.angles[number]),
                    bool(moment.are_off[number]),
                )
            )
    return poses


def _how_bad(path: Sequence[Pose]) -> Any:
    return sum(pose.is_off for pose in path), sum(abs(pose.view.shift_m) for pose in path)


def _find_exit(paths: Sequence[Sequence[Pose]], example: int) -> Any:
    """(the path, the moment) of the car that leaves the lane nearest to this place."""
    exits = [
        (abs(pose.example - example), car, moment)
        for car, path in enumerate(paths)
        for moment, pose in enumerate(path)
        if pose.is_off
    ]
    _, car, moment = min(exits)
    return paths[car], moment


def _draw(proof: Proof, examples: Sequence[Any], pose: Pose) -> Image.Image:
    """What a car sees, with the steering that leads back and the model's, above its place in the lane."""
    line = proof.line
    back = steer_back(float(line.angles[pose.example]), pose.view, radius_m=line.step_m / line.turn)
    seen = proof.show(examples[pose.example].numbers[-1], pose.view)
    picture = draw_steering(seen, driven=back, predicted=pose.angle)
    width, height = picture.size
    whole = Image.new("RGB", (width, height + LANE_PIXELS), "white")
    whole.paste(picture, (0, 0))
    pen = ImageDraw.Draw(whole)
    middle, radius = height + LANE_PIXELS / 2, LANE_PIXELS / 2 - 3
    pen.line([(0, middle), (width, middle)], fill="#bbbbbb", width=2)
    pen.line([(width / 2, height), (width / 2, height + LANE_PIXELS)], fill=DRIVEN, width=2)
    across = width / 2 * (1 + max(-0.95, min(0.95, pose.view.shift_m / proof.half_lane_m)))
    box = [across - radius, middle - radius, across + radius, middle + radius]
    pen.ellipse(box, fill="red" if pose.is_off else PREDICTED)
    return whole


def _encode(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, format="JPEG", quality=70)
    return file.getvalue()
