"""The rings of the tests."""

from rings import describe_rings


def test_each_ring_reports_its_duration() -> None:
    """A test counts once, with the time of its setup and teardown."""
    reports = [("minutes", "a", 1.0), ("minutes", "a", 2.4), ("seconds", "b", 0.2), ("minutes", "c", 60.0)]
    assert describe_rings(reports) == ["seconds: 1 tests, 0 s", "minutes: 2 tests, 63 s"]
