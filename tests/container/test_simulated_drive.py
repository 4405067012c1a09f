"""The simulated car and its drive along a line, with plain functions in place of a net."""

import math

import pytest

np = pytest.importorskip("numpy", reason="the trainer needs numpy")
pytest.importorskip("PIL.Image", reason="the trainer needs Pillow")

from trainer.recovery import steer_back  # noqa: E402
from trainer.simulated_drive import LARGEST_TURN, Line, Start, drive  # noqa: E402

FRAMES, STEP_M, RADIUS_M = 600, 0.046, 0.5
ANGLES = 0.6 * np.sin(np.arange(FRAMES) / 25)  # of a driver who follows bends to both sides
KICKS = [(side * 0.2, turned * math.radians(10)) for side in (-1, 1) for turned in (-1, 1)]
STARTS = [Start(place, FRAMES, *kick) for place in range(10, 500, 40) for kick in KICKS]


def make_line(latency=2, angles=ANGLES):
    turn = STEP_M / RADIUS_M
    return Line(turns=-turn * angles, angles=angles, step_m=STEP_M, turn=turn, trim=0.0, latency=latency)


def make_pilot(gain=1.0, bias=0.0, angles=ANGLES):
    """Pure pursuit of the line, whose correction is multiplied."""

    def steer(sights):
        driven = np.array([angles[sight.place] for sight in sights])
        back = [steer_back(angles[sight.place], sight.view, radius_m=RADIUS_M) for sight in sights]
        return driven + gain * (np.array(back) - driven) + bias

    return steer


def run(steer, line=None, starts=STARTS, frames=50):
    """(times off the lane, mean distance from the line, metres) of all drives."""
    moments = list(drive(starts, line or make_line(), steer, half_lane_m=0.35, frames=frames))
    shifts = np.abs(np.concatenate([moment.shifts_m for moment in moments]))
    times_off = sum(moment.are_off.sum() for moment in moments)
    return times_off, shifts.mean(), sum(moment.metres.sum() for moment in moments)


def test_a_perfect_pilot_returns_to_the_line():
    """From every start, in time; and one that starts on the line stays there."""
    moments = list(drive(STARTS, make_line(), make_pilot(), half_lane_m=0.35, frames=50))
    assert not any(moment.are_off.any() for moment in moments)
    assert np.abs(moments[-1].shifts_m).max() < 0.06
    on_line = [Start(start.place, start.end, 0.0, 0.0) for start in STARTS]
    assert run(make_pilot(), starts=on_line)[:2] == (0, pytest.approx(0, abs=0.01))


def test_the_metres_are_those_of_the_line():
    """Cars that start on the line cover it at the pace of the recorded drive."""
    _, _, metres = run(make_pilot(), starts=[Start(50, FRAMES, 0.0, 0.0)], frames=100)
    assert metres == pytest.approx(100 * STEP_M, rel=0.01)
    moments = list(drive([Start(50, 60, 0.0, 0.0)], make_line(), make_pilot(), half_lane_m=1, frames=100))
    assert [int(moment.places[0]) for moment in moments] == list(range(50, 60))


def test_worse_pilots_drive_worse():
    """A perfect one, a weak one, a biased one, one that copies the driver and one that does nothing."""
    pilots = [
        make_pilot(),
        make_pilot(gain=0.5),
        make_pilot(bias=0.3),
        make_pilot(gain=0.0),
        lambda sights: np.zeros(len(sights)),
    ]
    driven = [run(steer) for steer in pilots]
    assert [times for times, _, _ in driven[:3]] == [0, 0, 0]
    assert driven[0][1] < driven[1][1] < driven[2][1]
    assert 0 < driven[3][0] < driven[4][0] / 2


def test_a_pilot_that_does_nothing_leaves_the_lane_at_bends_only():
    """Also where the driver's line is straight, it is where it was put."""
    ahead = [Start(place, FRAMES, 0.0, 0.0) for place in range(10, 500, 20)]
    straight = np.zeros(FRAMES)
    assert run(lambda sights: np.zeros(len(sights)), make_line(angles=straight), starts=ahead)[:2] == (0, 0)
    assert run(lambda sights: np.zeros(len(sights)), starts=ahead)[0] > 25


def test_more_latency_is_worse():
    """The same pilot, whose commands take effect later and later."""
    distances = [run(make_pilot(), make_line(latency))[1] for latency in (0, 2, 4, 6, 8)]
    assert distances == sorted(distances) and distances[-1] > 2 * distances[0]
    assert [run(make_pilot(), make_line(latency))[0] > 0 for latency in (0, 4, 8)] == [False, False, True]


def test_late_pilots_are_worse():
    """One that steers as it should have steered some frames ago."""

    def late(frames):
        def steer(sights):
            angles = ANGLES[[max(0, sight.place - frames) for sight in sights]]
            return make_pilot()(sights) - ANGLES[[sight.place for sight in sights]] + angles

        return steer

    distances = [run(late(frames))[1] for frames in (0, 4, 8)]
    assert distances == sorted(distances) and distances[-1] > 1.3 * distances[0]


def test_a_servo_that_is_not_in_its_middle():
    """The driver steers left to drive straight ahead; whoever does not drifts to the right."""
    angles = np.full(FRAMES, -0.2)
    turn = STEP_M / RADIUS_M
    line = Line(np.zeros(FRAMES), angles, step_m=STEP_M, turn=turn, trim=0.2 * turn, latency=2)
    on_line = [Start(10, FRAMES, 0.0, 0.0)]
    copied = list(drive(on_line, line, lambda _: np.full(1, -0.2), half_lane_m=0.35, frames=40))
    assert copied[-1].shifts_m[0] == pytest.approx(0, abs=1e-9)
    straight = list(drive(on_line, line, lambda _: np.zeros(1), half_lane_m=9, frames=40))
    assert straight[-1].shifts_m[0] > 0.2 and straight[-1].turns[0] < 0


def test_left_and_right_are_alike():
    """In a mirrored world, everything is mirrored."""
    mirrored = [Start(start.place, start.end, -start.shift_m, -start.turn) for start in STARTS]
    one = drive(STARTS, make_line(), make_pilot(gain=0.3, bias=0.2), half_lane_m=0.35, frames=50)
    other = drive(
        mirrored,
        make_line(angles=-ANGLES),
        make_pilot(gain=0.3, bias=-0.2, angles=-ANGLES),
        half_lane_m=0.35,
        frames=50,
    )
    count = 0
    for ours, theirs in zip(one, other):
        np.testing.assert_allclose(ours.shifts_m, -theirs.shifts_m, atol=1e-12)
        np.testing.assert_allclose(ours.turns, -theirs.turns, atol=1e-12)
        assert np.array_equal(ours.are_off, theirs.are_off)
        count += ours.are_off.sum()
    assert count > 0


def test_a_car_off_the_lane_is_placed_back():
    """On the line, along it, and it drives on."""
    moments = list(
        drive([Start(10, FRAMES, 0.0, 0.0)], make_line(), lambda _: np.ones(1), half_lane_m=0.35, frames=60)
    )
    off = [number for number, moment in enumerate(moments) if moment.are_off[0]]
    assert len(off) >= 2
    for number in off[:-1]:
        before, after = moments[number], moments[number + 1]
        assert abs(before.shifts_m[0]) > 0.35 or abs(before.turns[0]) > LARGEST_TURN
        assert after.shifts_m[0] == after.turns[0] == 0
        assert after.places[0] == before.places[0] + 1


def test_a_net_that_gives_no_numbers_drives_straight_ahead():
    """Its steering is not a number."""
    broken = run(lambda sights: np.full(len(sights), np.nan))
    assert broken == run(lambda sights: np.zeros(len(sights)))
