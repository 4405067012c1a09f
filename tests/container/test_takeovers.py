"""Where the driver took over from the autopilot."""

from donkey_sagemaker.tubs.record import Record
from trainer.takeovers import find_takeovers


def make_records(modes, *, first=0, session="s"):
    """A record for each letter: u for the user, l for the autopilot, a where it only steers."""
    names = {"u": "user", "l": "local", "a": "local_angle"}
    return [
        Record(
            tub="tub",
            index=index,
            session=session,
            timestamp_ms=None,
            image=f"{index}.jpg",
            angle=0.0,
            throttle=0.5,
            others={"user/mode": names[mode]},
            source="catalog_0.catalog",
        )
        for index, mode in enumerate(modes, first)
    ]


def indexes(found):
    return sorted(index for _, index in found)


def test_a_drive_without_autopilot():
    """Most tubs are driven by hand from the first record to the last."""
    assert find_takeovers(make_records("uuuu"), frames_per_s=2) == (0, set(), set())


def test_the_driver_takes_over():
    """The second before it shows the mistake, the two seconds after it how to correct it."""
    takeovers = find_takeovers(make_records("uulllluuuuuull"), frames_per_s=2)
    assert takeovers.times == 1
    assert indexes(takeovers.mistakes) == [4, 5]
    assert indexes(takeovers.corrections) == [6, 7, 8, 9]


def test_the_autopilot_only_steers():
    """In mode local_angle, the driver's own throttle is recorded; a takeover is the same."""
    takeovers = find_takeovers(make_records("aauu"), frames_per_s=1)
    assert (takeovers.times, indexes(takeovers.mistakes), indexes(takeovers.corrections)) == (1, [1], [2, 3])


def test_the_autopilot_drives_again_soon():
    """A short correction is all that counts, and what follows is the autopilot's."""
    takeovers = find_takeovers(make_records("lullulll"), frames_per_s=1)
    assert takeovers.times == 2
    assert indexes(takeovers.corrections) == [1, 4]
    assert indexes(takeovers.mistakes) == [0, 3]


def test_a_pause_is_no_takeover():
    """After a gap or in another session, nobody knows what the car did in between."""
    records = make_records("ll") + make_records("uu", first=5) + make_records("uu", first=7, session="t")
    assert find_takeovers(records, frames_per_s=1) == (0, set(), set())


def test_a_correction_ends_at_a_gap():
    """What was recorded after a pause does not belong to the takeover."""
    records = make_records("lu") + make_records("uuu", first=10)
    assert indexes(find_takeovers(records, frames_per_s=2).corrections) == [1]


def test_records_without_a_mode():
    """Tubs of other programs have no user/mode: they were driven by hand."""
    records = [record._replace(others={}) for record in make_records("uuu")]
    assert find_takeovers(records, frames_per_s=2).times == 0
