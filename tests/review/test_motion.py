"""Standing still, stuck, carried, backwards, a frozen camera."""

from typing import Dict, List

import numpy as np

from donkey_sagemaker.review.footage import Footage
from donkey_sagemaker.review.motion import find_motion
from donkey_sagemaker.review.ranges import Range
from footage_factory import draw_pictures, lap, make_footage, with_pause


def find(footage: Footage) -> Dict[str, List[Range]]:
    return {finding.kind: finding.ranges for finding in find_motion(footage)}


def near(ranges: List[Range], first: int, last: int, *, within: int = 2) -> bool:
    """Whether it is one range, right to a record or two."""
    return len(ranges) == 1 and abs(ranges[0][0] - first) <= within and abs(ranges[0][1] - last) <= within


def change(footage: Footage, column: str, where: slice, value: float) -> Footage:
    values = getattr(footage, column).copy()
    values[where] = value
    return footage._replace(**{column: values})


def test_a_drive_that_never_stops_has_no_finding() -> None:
    """With noise in the pictures and a throttle that changes."""
    assert find(make_footage(lap())) == {}


def test_standing_still_is_without_throttle() -> None:
    """The picture changes no more than noise does."""
    found = find(change(make_footage(with_pause(400, 60)), "throttles", slice(400, 460), 0.0))
    assert list(found) == ["still"] and near(found["still"], 400, 459)


def test_stuck_is_with_throttle() -> None:
    """The same pictures, and the driver goes on; the second before it led there."""
    found = find(make_footage(with_pause(400, 30)))
    assert list(found) == ["stuck"] and near(found["stuck"], 380, 429)


def test_what_led_there_begins_with_the_session() -> None:
    """What was driven before it is another drive."""
    footage = make_footage(with_pause(400, 30))
    starts = footage.starts.copy()
    starts[395] = True
    assert near(find(footage._replace(starts=starts))["stuck"], 395, 429)


def test_a_short_stop_is_no_finding() -> None:
    """Half a second without throttle is how one drives."""
    assert find(change(make_footage(with_pause(400, 8)), "throttles", slice(400, 408), 0.0)) == {}


def test_a_frozen_camera_repeats_its_picture_byte_for_byte() -> None:
    """While the commands go on; a slow camera, which repeats one or two, is not frozen."""
    footage = make_footage(with_pause(400, 30))
    found = find(change(footage, "digests", slice(400, 430), 7))
    assert found == {"frozen": [(400, 429)]}
    slow = make_footage(lap())
    digests = slow.digests.copy()
    digests[1::2] = digests[::2]
    assert find(slow._replace(digests=digests)) == {}


def test_noise_free_pictures_of_a_car_that_stands_are_not_frozen() -> None:
    """A simulator draws the same bytes again."""
    footage = change(make_footage(with_pause(400, 60)), "throttles", slice(400, 460), 0.0)
    assert list(find(change(footage, "digests", slice(400, 460), 7))) == ["still"]


def test_backwards_is_with_negative_throttle() -> None:
    """Unless most of the tub is driven so: then it is this car's way."""
    footage = make_footage(lap())
    assert find(change(footage, "throttles", slice(300, 330), -0.3)) == {"backwards": [(300, 329)]}
    assert find(change(footage, "throttles", slice(300, 900), -0.3)) == {}


def test_carried_is_moving_without_throttle_where_nothing_looks_like_driving() -> None:
    """Rolling out without throttle on the track is none."""
    places = lap()
    pictures = draw_pictures(places)
    elsewhere = draw_pictures(np.arange(50) * 7, seed=5)[:, ::-1]
    pictures[500:550] = elsewhere
    footage = make_footage(places, pictures=pictures)
    found = find(change(footage, "throttles", slice(500, 550), 0.0))
    assert list(found) == ["carried"] and near(found["carried"], 500, 549)
    assert find(change(make_footage(places), "throttles", slice(500, 550), 0.0)) == {}


def test_no_run_crosses_the_start_of_a_session() -> None:
    """Two short stops before and after it are no long one."""
    footage = change(make_footage(with_pause(400, 16)), "throttles", slice(400, 416), 0.0)
    assert find(footage) == {}
    assert "still" in find(change(make_footage(with_pause(400, 30)), "throttles", slice(400, 430), 0.0))
    starts = footage.starts.copy()
    starts[415] = True
    stopped = change(make_footage(with_pause(400, 30)), "throttles", slice(400, 430), 0.0)
    assert find(stopped._replace(starts=starts)) == {}


def test_a_tub_of_a_few_records_has_no_finding() -> None:
    """Shorter than one look at the motion."""
    assert find(make_footage(lap(3))) == {}
