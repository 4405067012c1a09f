"""Which command belongs to which picture, and which pictures belong together."""

import pytest

from donkey_sagemaker.tubs.record import Record
from trainer.examples import choose_commands, lag_commands, limit_throttle, sequences, smooth_throttle


def make_records(indexes, *, tub="tub", session="s", throttle=0.5):
    return [
        Record(
            tub=tub,
            index=index,
            session=session,
            timestamp_ms=None,
            image=f"images/{index}.jpg",
            angle=index / 100,
            throttle=throttle,
            others={"imu/acl_x": index},
            source="catalog_0.catalog",
        )
        for index in indexes
    ]


def with_throttles(*throttles, first=0, session="s"):
    return [
        make_records([index], throttle=throttle, session=session)[0]
        for index, throttle in enumerate(throttles, first)
    ]


def test_the_throttle_is_averaged_over_its_neighbours():
    """At the ends of a run there are fewer of them, and the steering stays."""
    smoothed = smooth_throttle(with_throttles(0.0, 0.3, 0.6, 0.9), 1)
    assert [record.throttle for record in smoothed] == pytest.approx([0.15, 0.3, 0.6, 0.75])
    assert [record.fields["user/throttle"] for record in smoothed] == [each.throttle for each in smoothed]
    assert [record.angle for record in smoothed] == [0.0, 0.01, 0.02, 0.03]


def test_the_throttle_is_not_averaged_across_a_gap_or_a_session():
    """What was driven at another time says nothing about this moment."""
    records = (
        with_throttles(0.2, 0.4)
        + with_throttles(0.9, first=5)
        + with_throttles(0.5, 0.7, first=6, session="t")
    )
    smoothed = smooth_throttle(records, 20)
    assert [record.throttle for record in smoothed] == pytest.approx([0.3, 0.3, 0.9, 0.6, 0.6])
    assert smooth_throttle([], 20) == []


def test_no_lag_changes_nothing():
    """SAGEMAKER_SLIDE = 0 trains like `donkey train`."""
    records = make_records([0, 1, 5])
    assert lag_commands(records, 0) == records


def test_a_picture_gets_the_command_of_two_frames_later():
    """with_slide = 2: picture 0 learns command 2, also in the fields that donkeycar reads."""
    lagged = lag_commands(make_records([0, 1, 2, 3]), 2)
    assert [(record.image, record.angle) for record in lagged] == [
        ("images/0.jpg", 0.02),
        ("images/1.jpg", 0.03),
    ]
    assert [record.fields["user/angle"] for record in lagged] == [0.02, 0.03]
    assert [record.fields["imu/acl_x"] for record in lagged] == [0, 1]


def test_the_lag_does_not_change_the_original_records():
    """It makes new ones."""
    records = make_records([0, 1])
    lag_commands(records, 1)
    assert records[0].fields["user/angle"] == 0.0


def test_the_lag_never_crosses_a_gap():
    """Index 3 is missing, so the commands after it belong to another moment."""
    lagged = lag_commands(make_records([0, 1, 2, 4, 5, 6]), 2)
    assert [record.index for record in lagged] == [0, 4]


def test_the_lag_never_crosses_a_session_or_a_tub():
    """Two drives may have consecutive numbers nevertheless."""
    other_session = make_records([0, 1], session="a") + make_records([2, 3], session="b")
    assert [record.index for record in lag_commands(other_session, 1)] == [0, 2]
    other_tub = make_records([0, 1], tub="a") + make_records([2, 3], tub="b")
    assert [record.index for record in lag_commands(other_tub, 1)] == [0, 2]


def test_records_at_or_under_the_minimum_throttle_are_left_out():
    """A record at the minimum is left out, too."""
    records = make_records([0], throttle=0.1) + make_records([1], throttle=0.11)
    assert [record.index for record in limit_throttle(records, minimum=0.1, floor=None)] == [1]


def test_lower_throttle_is_raised_to_the_floor():
    """Only of records that are kept, and only if it is lower."""
    records = (
        make_records([0], throttle=0.05) + make_records([1], throttle=0.15) + make_records([2], throttle=0.5)
    )
    limited = limit_throttle(records, minimum=0.1, floor=0.2)
    assert [(r.index, r.throttle, r.fields["user/throttle"]) for r in limited] == [
        (1, 0.2, 0.2),
        (2, 0.5, 0.5),
    ]


def test_sequences_are_runs_without_a_gap():
    """0 1 2 . 4 5 6 7 has three runs of three."""
    found = sequences(make_records([0, 1, 2, 4, 5, 6, 7]), 3)
    assert [[record.index for record in run] for run in found] == [[0, 1, 2], [4, 5, 6], [5, 6, 7]]


def test_sequences_never_cross_a_session_or_a_tub():
    """donkeycar's own collator would join these."""
    records = (
        make_records([0, 1], session="a") + make_records([2, 3], session="b") + make_records([4, 5], tub="c")
    )
    assert [[record.index for record in run] for run in sequences(records, 2)] == [[0, 1], [2, 3], [4, 5]]


def test_no_sequence_length_gives_each_record_alone():
    """For types whose net takes a single picture."""
    assert [[record.index for record in run] for run in sequences(make_records([3, 9]), 0)] == [[3], [9]]


def driven(mode, **pilot):
    (record,) = make_records([7])
    return record._replace(others=dict({"user/mode": mode}, **pilot))


PILOT = {"pilot/angle": 0.9, "pilot/throttle": 0.8}


@pytest.mark.parametrize(
    "autopilot, record, commands",
    [
        ("skip", driven("user", **PILOT), (0.07, 0.5)),
        ("skip", driven("local", **PILOT), None),
        ("skip", driven("local_angle", **PILOT), None),
        ("skip", driven(None), (0.07, 0.5)),
        ("skip", driven(["local"]), (0.07, 0.5)),
        ("user", driven("local", **PILOT), (0.07, 0.5)),
        ("pilot", driven("user", **PILOT), (0.07, 0.5)),
        ("pilot", driven("local", **PILOT), (0.9, 0.8)),
        ("pilot", driven("local_angle", **PILOT), (0.9, 0.5)),
        ("pilot", driven("local"), None),
        ("pilot", driven("local", **{"pilot/angle": float("nan"), "pilot/throttle": 0.5}), None),
        ("pilot", driven("local", **{"pilot/angle": "0.5", "pilot/throttle": 0.5}), None),
    ],
)
def test_what_the_autopilot_drove(autopilot, record, commands):
    """With RECORD_DURING_AI, user/angle is an idle stick: it is not the driver's command."""
    chosen = choose_commands([record], autopilot)
    assert [(each.angle, each.throttle) for each in chosen] == ([commands] if commands else [])
    assert [each.fields["user/angle"] for each in chosen] == ([commands[0]] if commands else [])


def test_a_lag_does_not_cross_what_the_autopilot_drove():
    """The driver's next command belongs to another moment."""
    records = make_records([0, 1, 2, 3])
    records[1] = records[1]._replace(others={"user/mode": "local"})
    lagged = lag_commands(choose_commands(records, "skip"), 1)
    assert [(record.index, record.angle) for record in lagged] == [(2, 0.03)]
