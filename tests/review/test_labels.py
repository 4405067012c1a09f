"""Opposite commands for nearly the same picture, and the same records twice."""

import numpy as np

from donkey_sagemaker.review.duplicates import Seen
from donkey_sagemaker.review.labels import (
    EVIDENCE,
    extend_runs,
    find_contradictions,
    measure_deviation,
    weigh_runs,
)
from donkey_sagemaker.review.review import review_footage
from footage_factory import lap, make_footage


def test_a_stretch_that_was_steered_the_other_way() -> None:
    """Only there, although every place was driven several times."""
    footage = make_footage(lap(1600))
    assert not list(find_contradictions(footage))
    angles = footage.angles.copy()
    angles[800:900] *= -1
    (finding,) = find_contradictions(footage._replace(angles=angles))
    assert all(790 <= first and last < 910 for first, last in finding.ranges)
    assert finding.records >= 60


def test_what_is_wrong_for_another_reason_is_not_reported_twice() -> None:
    """Steering while driving backwards contradicts nobody."""
    footage = make_footage(lap(1600))
    angles, throttles = footage.angles.copy(), footage.throttles.copy()
    angles[800:900] *= -1
    throttles[800:900] = -0.3
    found = review_footage(footage._replace(angles=angles, throttles=throttles), Seen())
    kinds = [finding.kind for finding in found]
    assert "backwards" in kinds and "contradictory" not in kinds


def test_a_driver_who_does_what_he_likes_contradicts_nobody() -> None:
    """Where even the neighbours do not agree, nothing is proposed."""
    angles = np.random.RandomState(3).uniform(-1, 1, 1600).astype(np.float32)
    assert not list(find_contradictions(make_footage(lap(1600), angles=angles)))


def test_a_driver_who_goes_either_way_contradicts_nobody() -> None:
    """Where many stretches are steered to the other side, nobody knows which ones are wrong."""
    footage = make_footage(lap(1600))
    sides = np.where(np.random.RandomState(2).rand(40) < 0.5, -1, 1).repeat(40)
    assert not list(find_contradictions(footage._replace(angles=footage.angles * sides)))


def test_what_pictures_hardly_explain_contradicts_nobody() -> None:
    """The same stretch is reported if the other steering follows the pictures, not if it is nervous."""
    footage = make_footage(lap(1600))
    angles = footage.angles.copy()
    angles[800:900] *= -1
    noise = np.random.RandomState(4).normal(0, angles.std(), 1600).astype(np.float32)
    assert list(find_contradictions(footage._replace(angles=angles + 0.1 * noise)))
    assert not list(find_contradictions(footage._replace(angles=angles + 0.55 * noise)))


def test_a_driver_who_sometimes_does_something_else_contradicts_nobody() -> None:
    """Most of the steering follows the pictures, but a third of it has nothing to do with them."""
    footage = make_footage(lap(1600))
    angles = footage.angles.copy()
    angles[800:900] *= -1
    assert list(find_contradictions(footage._replace(angles=angles)))
    strays = np.random.RandomState(5).rand(1600) < 0.33
    angles[strays] = np.random.RandomState(6).normal(0, 2 * angles.std(), 1600)[strays]
    assert not list(find_contradictions(footage._replace(angles=angles)))


def test_several_stretches_of_several_kinds() -> None:
    """Commands of another moment, which are neither right nor opposite, do not hide the opposite ones."""
    footage = make_footage(lap(1600))
    angles = footage.angles.copy()
    angles[300:400] *= -1
    angles[500:660] = footage.angles[720:880]
    angles[1200:1300] *= -1
    (finding,) = find_contradictions(footage._replace(angles=angles))
    marked = np.zeros(1600, bool)
    for first, last in finding.ranges:
        marked[first : last + 1] = True
    assert marked[300:400].sum() >= 60 and marked[1200:1300].sum() >= 60
    assert marked.sum() - marked[300:400].sum() - marked[1200:1300].sum() - marked[500:660].sum() <= 20


def test_what_is_doubtful_beside_the_opposite_belongs_to_it() -> None:
    """Commands of another moment are opposite in one bend and otherwise only unlike the usual ones."""
    runs, doubtful, starts = (np.zeros(400, bool) for _ in range(3))
    runs[100:130] = True
    doubtful[80:105] = doubtful[135:170] = doubtful[182:200] = doubtful[300:350] = True
    assert np.flatnonzero(extend_runs(runs, doubtful, starts)).tolist() == list(range(80, 170))
    starts[135] = True
    assert np.flatnonzero(extend_runs(runs, doubtful, starts)).tolist() == list(range(80, 130))


def test_a_run_needs_evidence() -> None:
    """The same deviation says much where the usual steering is strong, and little where it is weak."""
    expected = np.tile([0.5, -0.5], 200)
    expected[200:230] *= 0.1
    angles = expected + np.random.RandomState(1).normal(0, 0.1, 400)
    runs = np.zeros(400, bool)
    runs[50:80] = runs[200:230] = True
    angles[runs] -= 2 * expected[runs]
    kept, least = weigh_runs(runs, angles, expected, measure_deviation((angles - expected)[~runs]))
    assert np.flatnonzero(kept).tolist() == list(range(50, 80))
    assert EVIDENCE < least < 30 * 2 * 0.5**2 / 0.05**2


def test_the_same_records_twice_in_a_tub_and_in_another() -> None:
    """The later ones are reported, with the tub that has them already."""
    seen = Seen()
    digests = np.arange(600, dtype=np.uint32)
    digests[400:450] = digests[100:150]
    footage = make_footage(lap(600), digests=digests)
    (finding,) = seen.find_duplicates(footage)
    assert finding.ranges == [(400, 449)]
    assert finding.evidence == "the same pictures came before in this tub"
    other = make_footage(lap(600), digests=np.arange(550, 1150, dtype=np.uint32))
    other.tub.name = "other"
    (finding,) = seen.find_duplicates(other)
    assert (finding.ranges, finding.evidence) == ([(0, 49)], "the same pictures came before in tub")


def test_chance_and_a_frozen_camera_are_no_duplicates() -> None:
    """Single equal checksums, and pictures that repeat right away."""
    digests = np.arange(600, dtype=np.uint32)
    digests[[300, 310, 330]] = digests[[5, 6, 7]]
    digests[400:440] = digests[400]
    assert not list(Seen().find_duplicates(make_footage(lap(600), digests=digests)))
