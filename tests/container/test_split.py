"""Which examples are trained on, and which validate."""

import pytest

from donkey_sagemaker.tubs.record import Record
from trainer.split import MOST_STRETCHES, draw_frames, draw_stretches


def make_examples(indexes, *, tub="tub", length=1):
    """Examples of `length` records each, as those of a sequence model."""
    records = [
        Record(
            tub=tub,
            index=index,
            session="s",
            timestamp_ms=None,
            image=f"{index}.jpg",
            angle=0.0,
            throttle=0.5,
            others={},
            source="catalog_0.catalog",
        )
        for index in indexes
    ]
    return [records[end - length : end] for end in range(length, len(records) + 1)]


def draw(examples, *, train_fraction=0.8, gap_frames=20, seed=1):
    return draw_stretches(examples, list, train_fraction=train_fraction, gap_frames=gap_frames, seed=seed)


def frames_of(examples):
    return {(record.tub, record.index) for example in examples for record in example}


def test_the_seed_decides_which_frames_validate():
    """The same seed gives the same split, another seed another one, and nothing is lost or duplicated."""
    whole = list(range(100))
    training, validation = draw_frames(whole, train_fraction=0.8, seed=7)
    assert (training, validation) == draw_frames(whole, train_fraction=0.8, seed=7)
    assert training != draw_frames(whole, train_fraction=0.8, seed=8)[0]
    assert len(training) == 80
    assert sorted(training + validation) == whole


def test_the_frames_are_the_same_on_every_machine():
    """The archive and the local test see the same validation pictures, whatever the Python."""
    assert draw_frames(list(range(10)), train_fraction=0.5, seed=1) == ([6, 8, 9, 7, 5], [3, 0, 4, 1, 2])


@pytest.mark.parametrize("length", [1, 5])
@pytest.mark.parametrize("count", [100, 987, 5000])
def test_no_neighbour_of_a_validation_frame_is_trained_on(count, length):
    """Frames of both sides are a gap apart, also those of sequences, and the rest is accounted for."""
    examples = make_examples(range(count), length=length)
    training, validation, in_gap = draw(examples)
    assert len(validation) == len(examples) - int(0.8 * len(examples))
    assert len(training) + len(validation) + len(in_gap) == len(examples)
    validating = sorted(index for _, index in frames_of(validation))
    trained = sorted(index for _, index in frames_of(training))
    assert min(abs(one - other) for one in validating[:: max(1, count // 500)] for other in trained) >= 20
    assert len(in_gap) <= MOST_STRETCHES * 2 * (20 + length)


def test_the_stretches_are_spread_over_the_drive():
    """Each part of the drive has one, so a tub of two tracks validates with both."""
    _, validation, _ = draw(make_examples(range(6000)))
    validating = [example[0].index for example in validation]
    parts = {index * MOST_STRETCHES // 6000 for index in validating}
    assert parts == set(range(MOST_STRETCHES))
    starts = [index for before, index in zip([-2] + validating, validating) if index != before + 1]
    assert len(starts) <= MOST_STRETCHES


def test_a_gap_does_not_reach_into_another_tub():
    """Their indexes say nothing about each other."""
    examples = make_examples(range(100), tub="a") + make_examples(range(100), tub="b")
    training, validation, in_gap = draw(examples, train_fraction=0.95)
    (tub,) = {tub for tub, _ in frames_of(validation)}
    assert {other for other, _ in frames_of(in_gap)} == {tub}
    assert len(training) > 100


def test_deleted_records_count_as_time():
    """Where records were deleted, the gap is in frames of the drive, not in records that are left."""
    examples = make_examples([*range(0, 600), *range(630, 1200)])
    training, validation, _ = draw(examples, gap_frames=30)
    trained = {index for _, index in frames_of(training)}
    for _, index in frames_of(validation):
        assert not trained & set(range(index - 29, index + 30))


@pytest.mark.parametrize("train_fraction", [0.0, 0.01, 0.5, 0.99])
@pytest.mark.parametrize("count", range(1, 60))
def test_any_size_and_fraction(count, train_fraction):
    """Every example is in one of the three parts, and some validate."""
    examples = make_examples(range(count))
    parts = draw(examples, train_fraction=train_fraction, gap_frames=2)
    assert sorted(example[0].index for part in parts for example in part) == list(range(count))
    assert parts[1]


def test_the_seed_decides_which_stretches_validate():
    """The same seed holds out the same stretches."""
    examples = make_examples(range(2000))
    assert draw(examples, seed=3) == draw(examples, seed=3)
    assert draw(examples, seed=3)[1] != draw(examples, seed=4)[1]
