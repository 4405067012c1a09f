"""How a model drives along its own tub: reading what anybody may have written, and the sentence about it."""

import pytest

from donkey_sagemaker.driving import MOST_PLACES, Driving, DrivingPlace, describe_driving, read_driving

VALUES = {
    "metres": 200.0,
    "times_off": 5,
    "mean_distance_m": 0.064,
    "lane_m": 0.7,
    "latency_frames": 2,
    "held_out": True,
    "starts": 96,
    "places": [{"tub": "data/tub", "index": 812, "times": 4}, {"tub": "data/tub", "index": 40, "times": 1}],
}


def test_what_a_trainer_writes_is_read():
    """Every figure, and the places."""
    driving = read_driving(VALUES)
    assert driving == Driving(
        metres=200.0,
        times_off=5,
        mean_distance_m=0.064,
        lane_m=0.7,
        latency_frames=2,
        held_out=True,
        starts=96,
        places=[DrivingPlace("data/tub", 812, 4), DrivingPlace("data/tub", 40, 1)],
    )
    assert driving.times_off_per_100_m == 2.5


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize(
    "value",
    [
        None,
        -1,
        "5",
        [],
        {},
        float("nan"),
        float("inf"),
        1e300,
        [None],
        [{"tub": "a\nb", "index": 1, "times": 1}],
    ],
)
def test_what_makes_no_sense_is_not_read(name, value):
    """One field of a hostile artifact at a time."""
    if name == "places" and value == []:
        assert read_driving(dict(VALUES, places=[])).places == []
    else:
        assert read_driving(dict(VALUES, **{name: value})) is None


@pytest.mark.parametrize(
    "values", [None, {}, [], 3, "x", dict(VALUES, metres=True), dict(VALUES, times_off=1.5)]
)
def test_an_artifact_may_have_none(values):
    """Earlier trainers write none."""
    assert read_driving(values) is None


def test_only_a_few_places_are_read():
    """However many there are."""
    places = VALUES["places"] * 10**5
    assert len(read_driving(dict(VALUES, places=places)).places) == MOST_PLACES


def test_the_sentence():
    """As train prints it."""
    driving = read_driving(VALUES)
    assert describe_driving(driving) == (
        "On your own tub, it would leave the line 2.5 times in 100 m, and drive 6 cm beside it on average "
        "(kicked off it 96 times; the lane is 0.7 m wide)"
    )
    assert describe_driving(driving._replace(times_off=0, held_out=False)) == (
        "On your own tub, it would not leave the line, and drive 6 cm beside it on average "
        "(kicked off it 96 times; the lane is 0.7 m wide). It was trained on this part of the tub, which"
        " flatters it"
    )
