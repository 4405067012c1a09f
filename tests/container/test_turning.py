"""How strongly a car turns, found in the pictures and the steering of the demo's drives."""

import os
import sys

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
from trainer.pictures import PictureStore  # noqa: E402
from trainer.recovery import LARGEST_RADIUS_M, LEAST_RADIUS_M, find_radius  # noqa: E402
from trainer.turning import FEWEST_PAIRS, LAGS, Turning, find_turning  # noqa: E402
from trainer.views import Camera  # noqa: E402

CAMERA = Camera(height_m=0.17, pitch_deg=22.0, fov_deg=100.0)
FRAMES = 120


@pytest.fixture(scope="module")
def drive():
    """The frames of a steady driver on a curved track, and the store of their pictures."""
    track = Track(1)
    scene = Scene(track, seed=64)
    frames = list(driver.drive(track, seed=1, frames=FRAMES, push_size=0.0))
    store = PictureStore(FRAMES, (120, 160, 3))
    for number, frame in enumerate(frames):
        store[number] = scene.picture(frame.state.x, frame.state.y, frame.state.heading)
    return frames, store


def record(angles, *, frame_ms=50, session=lambda index: ""):
    """Records with this steering, each with the number of its picture."""
    return [
        (Record("tub", index, session(index), index * frame_ms, "", angle, 0.3, {}, ""), index)
        for index, angle in enumerate(angles)
    ]


def measure(frames):
    """The true turning at full steering, radians a second."""
    return -float(np.polyfit([each.angle for each in frames], [each.turn_rate for each in frames], 1)[0])


@pytest.mark.parametrize("lag", [0, 3])
def test_the_turning_is_found(drive, lag):
    """Also if the car follows its commands late."""
    frames, store = drive
    angles = [each.angle for each in frames]
    found = find_turning(record(angles[lag:] + angles[-1:] * lag), store, CAMERA)
    assert found.is_sure and found.correlation > 0.9 and found.pairs > FEWEST_PAIRS
    assert found.per_s == pytest.approx(measure(frames), rel=0.15)


def test_the_trim_is_found(drive):
    """A driver who steers 0.2 further left for the same bends has a car that turns right by itself."""
    frames, store = drive
    angles = [each.angle for each in frames]
    usual = find_turning(record(angles), store, CAMERA)
    trimmed = find_turning(record([angle - 0.2 for angle in angles]), store, CAMERA)
    assert trimmed.per_s == pytest.approx(usual.per_s)
    assert trimmed.trim_per_s - usual.trim_per_s == pytest.approx(0.2 * usual.per_s)
    assert abs(usual.trim_per_s) < 0.05 * usual.per_s
    assert (usual.lag, usual.frame_s) == (trimmed.lag, 0.05) and usual.lag <= 2


def test_the_time_between_records_counts(drive):
    """At half the rate, the car turns half as fast. Without possible times, the rate is 20 a second."""
    frames, store = drive
    angles = [each.angle for each in frames]
    fast = find_turning(record(angles), store, CAMERA)
    slow = find_turning(record(angles, frame_ms=100), store, CAMERA)
    assert slow.per_s == pytest.approx(fast.per_s / 2)
    untimed = [(each._replace(timestamp_ms=None), number) for each, number in record(angles)]
    assert find_turning(untimed, store, CAMERA) == fast
    assert find_turning(record(angles, frame_ms=1), store, CAMERA) == fast


def test_steering_that_does_not_fit_is_not_believed(drive):
    """A stick that did not steer, or one whose sides are exchanged."""
    frames, store = drive
    random = np.random.RandomState(1)
    for angles in (random.uniform(-1, 1, FRAMES), [-each.angle for each in frames], [0.0] * FRAMES):
        assert find_radius(find_turning(record(angles), store, CAMERA)) is None


def test_too_little_to_compare(drive):
    """Records of different sessions do not belong together, and pictures without contrast show nothing."""
    frames, store = drive
    angles = [each.angle for each in frames]
    assert find_turning(record(angles, session=lambda index: str(index // LAGS)), store, CAMERA) is None
    assert find_turning(record(angles), PictureStore(FRAMES, (120, 160, 3)), CAMERA) is None
    assert find_turning([], store, CAMERA) is None
    few = find_turning(record(angles[: FEWEST_PAIRS // 2]), store, CAMERA)
    assert not few.is_sure and find_radius(few) is None


def test_the_radius_that_the_tub_shows():
    """Of a car that is 0.55 m further in 0.6 s; a tub is not believed to show an impossible car."""
    assert find_radius(Turning(per_s=2.2, correlation=0.8, pairs=100)) == pytest.approx(0.55 / 0.6 / 2.2)
    assert find_radius(Turning(per_s=0.1, correlation=0.8, pairs=100)) == LARGEST_RADIUS_M
    assert find_radius(Turning(per_s=50.0, correlation=0.8, pairs=100)) == LEAST_RADIUS_M
    assert find_radius(Turning(per_s=2.2, correlation=0.79, pairs=100)) is None
    assert find_radius(None) is None
