"""The three rings of the tests, each with its duration: `pytest -m seconds`, `-m minutes`, `-m whole`.

seconds: pure functions and files.
minutes: starts a server, a browser, or a process that imports TensorFlow.
whole: needs the environments of other generations, or builds training images.
"""

import re
from typing import Any, Dict, Iterable, List, Tuple

import pytest

RINGS = ("seconds", "minutes", "whole")
SLOW_FIXTURES = {
    "aws",
    "chromium",
    "create_car",
    "drawn_tub",
    "ssh_host",
}  # whoever asks for `trained_model` asks for both


# Tests of what calls boto3. The whole ring runs them on Python 3.6, with the last boto3 for it, and on 3.13.
BOTO3_MODULES = re.compile(r"test_(aws(?!_stand_in).*|image|setup)")


def find_ring(item: Any) -> str:
    """The ring of a test, by its marker or by what it asks for."""
    if item.get_closest_marker("generations") or item.get_closest_marker("containers"):
        return "whole"
    if item.get_closest_marker("minutes") or SLOW_FIXTURES & set(item.fixturenames):
        return "minutes"
    return "seconds"


def describe_rings(reports: Iterable[Tuple[str, str, float]]) -> List[str]:
    """One line for each ring that ran; each report is its ring, the test's name and a duration in s."""
    tests: Dict[str, set] = {}
    durations: Dict[str, float] = {}
    for ring, name, duration_s in reports:
        tests.setdefault(ring, set()).add(name)
        durations[ring] = durations.get(ring, 0.0) + duration_s
    return [f"{ring}: {len(tests[ring])} tests, {durations[ring]:.0f} s" for ring in RINGS if ring in tests]


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items: List[Any]) -> None:
    long = set()
    for item in items:
        ring = find_ring(item)
        item.add_marker(ring)
        if "aws" in item.fixturenames and BOTO3_MODULES.fullmatch(item.module.__name__):
            item.add_marker("boto3")
        if ring != "seconds":
            long.add(item.module)
    # What takes long first: the others fill the gaps at the end
    items.sort(key=lambda item: (not item.get_closest_marker("longest"), item.module not in long))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reports = [
        (ring, report.nodeid, report.duration)
        for each in terminalreporter.stats.values()
        for report in each
        if hasattr(report, "keywords") and hasattr(report, "duration")
        for ring in RINGS
        if ring in report.keywords
    ]
    terminalreporter.section("rings")
    for line in describe_rings(reports):
        terminalreporter.write_line(line)
