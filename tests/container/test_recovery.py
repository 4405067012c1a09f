"""The steering of the robust recipe, and which views it draws."""

import math
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
from track import Track  # noqa: E402
from trainer.feed import Examples  # noqa: E402
from trainer.recovery import (  # noqa: E402
    LARGEST_SHIFT_M,
    LARGEST_TURN,
    LOOK_AHEAD_M,
    VARIANTS,
    bends_both_ways,
    draw_views,
    show_from,
    steer_back,
)
from trainer.views import AS_RECORDED, View  # noqa: E402


def make_record(index, angle):
    return Record("tub", index, "", None, f"{index}.jpg", angle, 0.3, {}, "a.catalog")


def test_the_steering_back_is_that_of_a_driver():
    """The demo's driver, placed beside the line and turned, corrects the steering as the recipe does."""
    track = Track(2)
    assert driver.LOOK_AHEAD_M == LOOK_AHEAD_M
    radius_m = driver.WHEELBASE_M / math.tan(driver.MAX_STEER)
    random = np.random.RandomState(1)
    ours, theirs = [], []
    for arc in np.linspace(0, track.length, 200):
        x, y, heading = track.point(arc)
        on_line = driver.pursue(track, driver.State(x, y, heading, 1.0))
        view = View(random.uniform(-0.1, 0.1), random.uniform(-0.1, 0.1))
        x, y, _ = track.point(arc, offset=view.shift_m)
        beside = driver.pursue(track, driver.State(x, y, heading + view.turn, 1.0))
        ours.append(steer_back(0.0, view, radius_m=radius_m))
        theirs.append(beside - on_line)
    assert np.corrcoef(ours, theirs)[0, 1] > 0.98
    assert np.polyfit(theirs, ours, 1)[0] == pytest.approx(1.0, abs=0.1)


def test_the_steering_stays_in_its_range():
    """Labels outside of -1 to 1 would teach a net what no car can do."""
    for angle, view, expected in (
        (0.9, View(-0.2, 0.2), 1.0),
        (-0.9, View(0.2, -0.2), -1.0),
        (0.9, View(-0.2, 0.2, mirrored=True), -1.0),
        (0.4, AS_RECORDED, 0.4),
        (0.4, View(mirrored=True), -0.4),
    ):
        assert steer_back(angle, view, radius_m=0.5) == expected


@pytest.mark.parametrize(
    ("angles", "expected"),
    [
        ([-0.5, 0.0, 0.5], True),
        ([-0.5] * 10 + [0.5] * 7, True),
        ([-0.5] * 5 + [0.5] * 10, False),
        ([0.5] * 5 + [-0.09] * 5, False),  # a correction is no bend
        ([0.0], False),
        ([], False),
    ],
)
def test_only_a_drive_with_bends_to_both_sides_is_mirrored(angles, expected):
    """Nets hardly learn from a world that the car never sees beside the one that it does."""
    assert bends_both_ways(angles) is expected


@pytest.mark.parametrize("mirror", [True, False])
def test_the_views_of_a_record(mirror):
    """Half are from its own place, half are mirrored if they may be; the others are spread evenly."""
    random = np.random.RandomState(1)
    drawn = [draw_views(random, mirror=mirror) for _ in range(500)]
    assert all(len(views) == VARIANTS and views[0] == AS_RECORDED for views in drawn)
    assert all([view.mirrored for view in views] == [False, False, mirror, mirror] for views in drawn)
    assert all(views[2][:2] == (0.0, 0.0) for views in drawn)
    for number in (1, 3):
        for largest, values in zip(
            (LARGEST_SHIFT_M, LARGEST_TURN), np.array([views[number][:2] for views in drawn]).T
        ):
            assert np.abs(values).max() <= largest and values.std() == pytest.approx(
                largest / 3**0.5, rel=0.1
            )
    again = np.random.RandomState(1)
    assert drawn == [draw_views(again, mirror=mirror) for _ in range(500)]


def test_only_the_last_command_of_a_sequence_steers_back():
    """Those before it are what a memory pilot remembers; a mirrored world mirrors them."""
    records = [make_record(index, angle) for index, angle in enumerate((0.1, 0.2, 0.3))]
    assert show_from(AS_RECORDED, records, radius_m=0.4) == records
    for mirrored, sign in ((False, 1), (True, -1)):
        view = View(0.1, 0.05, mirrored)
        shown = show_from(view, records, radius_m=0.4)
        assert [record.angle for record in shown] == [
            sign * 0.1,
            sign * 0.2,
            steer_back(0.3, view, radius_m=0.4),
        ]
        assert {record.throttle for record in shown} == {0.3}
    assert records[2].angle == 0.3


def test_every_epoch_chooses_other_variants():
    """A batch of the same examples chooses the same ones; over many batches, all occur equally often."""
    examples = Examples({}, {"y": np.zeros(3 * 10, np.float32)}, variants=3)
    assert len(examples) == 10
    random = np.random.RandomState(1)
    chosen = [random.permutation(10) for _ in range(300)]
    rows = np.array([examples.choose_rows(batch, 1) for batch in chosen])
    assert np.array_equal(rows % 10, np.array(chosen))
    assert np.bincount(rows.ravel() // 10) == pytest.approx(np.full(3, 1000), rel=0.1)
    np.testing.assert_array_equal(examples.choose_rows(chosen[0], 1), rows[0])
    assert np.any(examples.choose_rows(chosen[0], 2) != rows[0])
    single = Examples({}, {"y": np.zeros(10, np.float32)})
    np.testing.assert_array_equal(single.choose_rows(chosen[0], 1), chosen[0])
