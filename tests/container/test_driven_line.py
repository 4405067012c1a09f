"""The line that a drive shows, measured on the demo's drives."""

import os
import sys
from types import SimpleNamespace

import pytest

np = pytest.importorskip("numpy", reason="the trainer needs numpy")
pytest.importorskip("PIL.Image", reason="the trainer needs Pillow")

sys.path.insert(
    0, os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "demo")
)

import driver  # noqa: E402
from donkey_sagemaker.tubs.record import Record  # noqa: E402
from scene import Scene  # noqa: E402
from track import Track  # noqa: E402
from trainer.driven_line import LATENCY, Run, find_runs, make_line  # noqa: E402
from trainer.turning import Turning  # noqa: E402
from trainer.views import Camera  # noqa: E402

CAMERA = Camera(height_m=0.15, pitch_deg=20.0, fov_deg=100.0)  # the default; the demo's is another one
FRAMES = 60
SURE = Turning(per_s=1.9, correlation=0.95, pairs=200)


@pytest.fixture(scope="module")
def drive():
    """The frames of a driver who is pushed, so that the car turns otherwise than it is steered."""
    track = Track(1)
    scene = Scene(track, seed=64)
    frames = list(driver.drive(track, seed=1, frames=FRAMES))
    return frames, [scene.picture(each.state.x, each.state.y, each.state.heading) for each in frames]


def example(index, angle=0.0, session=""):
    return SimpleNamespace(records=[Record("tub", index, session, None, "", angle, 0.3, {}, "")])


def make(drive, pictures=None, turning=SURE, radius_m=None, slide=0, angles=None):
    frames, seen = drive
    angles = [each.angle for each in frames] if angles is None else angles
    return make_line(
        [example(index, angle) for index, angle in enumerate(angles)],
        [Run(0, FRAMES)],
        turning,
        picture_of=(pictures or seen).__getitem__,
        shape=seen[0].shape,
        camera=CAMERA,
        radius_m=radius_m,
        slide=slide,
    )


def true_turns(frames):
    headings = np.unwrap([each.state.heading for each in frames])
    return np.diff(headings)


def test_the_line_bends_as_the_car_turned(drive):
    """Not as it was steered, whatever the stick says."""
    frames, _ = drive
    truth = true_turns(frames)
    for angles in (None, np.random.RandomState(1).uniform(-1, 1, FRAMES)):
        turns = make(drive, angles=angles).turns
        assert np.corrcoef(turns[:-1], truth)[0, 1] > 0.95
        assert turns[:-1].sum() == pytest.approx(truth.sum(), abs=0.1 + 0.1 * abs(truth.sum()))
        assert turns[-1] == 0


def test_where_the_pictures_show_nothing_the_steering_counts(drive):
    """In the dark, the car is taken to follow its commands, late if it is known to be late."""
    frames, seen = drive
    dark = [np.zeros_like(picture) for picture in seen]
    angles = np.array([each.angle for each in frames])
    np.testing.assert_allclose(make(drive, dark).turns[:-1], -1.9 * 0.05 * angles[:-1])
    trimmed = make(drive, dark, turning=SURE._replace(trim_per_s=0.4))
    np.testing.assert_allclose(trimmed.turns[:-1], -1.9 * 0.05 * angles[:-1] - 0.02)
    assert trimmed.trim == pytest.approx(0.02)
    late = make(drive, dark, turning=SURE._replace(lag=4)).turns[3:-1]
    np.testing.assert_allclose(late, -1.9 * 0.05 * angles[:-4])
    unsure = make(drive, dark, turning=SURE._replace(correlation=0.3)).turns[:-1]
    np.testing.assert_allclose(unsure, -0.55 / 0.6 / 0.5 * 0.05 * angles[:-1])


def test_the_car_of_the_line(drive):
    """How far it drives and turns in a frame, and how late it follows its commands."""
    line = make(drive)
    assert line.turn == pytest.approx(1.9 * 0.05)
    assert line.step_m == pytest.approx(0.55 / 0.6 * 0.05)
    assert make(drive, radius_m=1.0).step_m == pytest.approx(1.9 * 0.05)  # then its speed is known
    assert make(drive, turning=None, radius_m=1.0).turn == pytest.approx(0.55 / 0.6 * 0.05)
    lags = [(1, 0), (5, 0), (5, 3), (9, 0)]
    latencies = [make(drive, turning=SURE._replace(lag=lag), slide=slide).latency for lag, slide in lags]
    assert latencies == [LATENCY, 4, LATENCY, 8]


def test_runs_are_unbroken():
    """A gap, another session, and an example that was not chosen end a run."""
    examples = [example(index) for index in (0, 1, 2, 4, 5)] + [
        example(6, session="b"),
        example(7, session="b"),
    ]
    assert find_runs(examples, set(range(7))) == [Run(0, 3), Run(3, 5), Run(5, 7)]
    assert find_runs(examples, {0, 2, 3, 4}) == [Run(0, 1), Run(2, 3), Run(3, 5)]
    assert find_runs(examples, set()) == []
