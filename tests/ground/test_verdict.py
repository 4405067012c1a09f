"""The verdict: its level, the reason that it gives, and what to do next."""

import math
from typing import Any, Dict, Optional

import pytest

from donkey_sagemaker import verdict
from donkey_sagemaker.driving import Driving
from donkey_sagemaker.paired_errors import Paired
from donkey_sagemaker.quality import Comparison
from donkey_sagemaker.verdict import (
    BAD,
    GOOD,
    UNKNOWN,
    USABLE,
    WEAK,
    Facts,
    Verdict,
    make_verdict,
    read_facts,
    read_verdict,
)

# A complete training of the demo's track: docs/judging.md
ANGLE = {
    "driven_std": 0.357,
    "predicted_std": 0.31,
    "error": 0.044,
    "constant_error": 0.291,
    "gain": 0.247,
    "gain_standard_error": 0.02,
    "squared_gain": 0.12,
    "squared_gain_standard_error": 0.01,
    "bias": 0.013,
    "bends": 0.82,
    "left_bends": 0.74,
    "bend_error": 0.05,
    "straight_error": 0.02,
    "late_frames": 0,
    "late_error": 0.044,
    "late_error_without": 0.044,
}
ARTIFACT: Dict[str, Any] = {
    "validation": {"pictures": 500, "angle": ANGLE},
    "records": {"training": 2400, "validation": 600, "left_out": {}},
    "metrics": {"loss": 0.03, "val_loss": 0.01, "epochs": 20, "best_epoch": 15},
    "config": {"MAX_EPOCHS": 100},
}
DRIVING = Driving(
    metres=100.0,
    times_off=5,
    mean_distance_m=0.06,
    lane_m=0.7,
    latency_frames=2,
    held_out=True,
    starts=96,
    places=[],
)
DEAD = {"predicted_std": 0.01, "error": 0.289, "gain": 0.002, "squared_gain": 0.0}


def facts_of(*, angle: Optional[Dict[str, Any]] = None, pictures: int = 500, **changes: Any) -> Facts:
    facts = read_facts(
        dict(ARTIFACT, validation={"pictures": pictures, "angle": dict(ANGLE, **(angle or {}))})
    )
    return facts._replace(**changes)


def with_share(share: float, **angle: float) -> Dict[str, float]:
    return dict(angle, error=share * ANGLE["constant_error"])


def test_a_good_model() -> None:
    """Nothing is left to do but to drive it."""
    assert make_verdict(facts_of()) == Verdict(
        GOOD,
        "It steers much like the driver: off by 0.044 on average, where always steering the same would be off"
        " by 0.291.",
        "Drive it: on blocks first, then with little throttle.",
    )


@pytest.mark.parametrize(
    "share, level",
    [
        (verdict.GOOD_SHARE, GOOD),
        (verdict.GOOD_SHARE + 1e-6, USABLE),
        (verdict.USABLE_SHARE, USABLE),
        (verdict.USABLE_SHARE + 1e-6, WEAK),
    ],
)
def test_the_level_is_how_far_off_the_steering_is(share: float, level: str) -> None:
    """Relative to what always steering the same would be."""
    assert make_verdict(facts_of(angle=with_share(share))).level == level


def test_a_model_without_a_reason_for_its_errors() -> None:
    """The pictures show what the numbers do not."""
    found = make_verdict(facts_of(angle=with_share(0.35)))
    assert found.sentence.startswith("It ") and found.sentence.endswith(
        "steering the same would be off by 0.291."
    )
    assert found.advice == (
        "Look at the worst pictures in its report, and delete the driver's mistakes: "
        "`python manage.py sagemaker-tubs`."
    )


@pytest.mark.parametrize(
    "changes, advice",
    [
        ({"epochs": 40}, "Find what is wrong with the records: `python manage.py sagemaker-tubs`."),
        ({"epochs": None}, "Find what is wrong with the records: `python manage.py sagemaker-tubs`."),
        ({"epochs": 39, "max_epochs": 39}, "Train longer: `--epochs=78`."),
        ({"epochs": 2, "max_epochs": 2}, "Train longer: `--epochs=40`."),
        ({"epochs": 39}, "Let it train on while the loss stands still: `--set EARLY_STOP_PATIENCE=40`."),
        ({"epochs": 40, "training": 999}, "Record more laps with bends: 3,000 records are a good start."),
    ],
)
def test_a_dead_model(changes: Any, advice: str) -> None:
    """What is wrong with it is why the car keeps its current model."""
    facts = facts_of(angle=DEAD, **changes)
    assert make_verdict(facts) == Verdict(
        BAD,
        "Its steering hardly varies (by 0.010 on 500 validation pictures, the driver's by 0.357).",
        advice,
    )
    assert verdict.find_flaw(facts) == (
        "its steering hardly varies (by 0.010 on 500 validation pictures, the driver's by 0.357)"
    )


def comparison_of(error: float, previous_error: float) -> Comparison:
    return Comparison(500, error, previous_error, Paired(error - previous_error, 0.001), is_fair=True)


def test_a_model_that_is_worse_than_the_previous_one() -> None:
    """However good it is alone."""
    facts = facts_of(comparison=comparison_of(0.044, 0.03), previous="models/pilot.h5")
    assert make_verdict(facts) == Verdict(
        BAD,
        "It steers clearly worse than models/pilot.h5 (on 500 validation pictures the new model's steering is"
        " off by 0.044 on average, the previous one's by 0.030).",
        "Train longer, or on all tubs that the previous model was trained on.",
    )
    better = facts._replace(comparison=comparison_of(0.044, 0.06))
    assert make_verdict(better).level == GOOD and verdict.find_flaw(better) is None


@pytest.mark.parametrize(
    "facts, sentence, advice",
    [
        (
            facts_of(pictures=74),
            "It cannot be judged: 74 validation pictures are too few: at least 75 are needed.",
            "Record more laps with bends: 3,000 records are a good start.",
        ),
        (
            facts_of(angle={"driven_std": 0.049}),
            "It cannot be judged: the driver steers almost straight on all validation pictures.",
            "Record more laps with bends: 3,000 records are a good start.",
        ),
        (
            Facts(None),
            "It cannot be judged: the image that trained the model leaves no validation results.",
            "Bring the training image up to date: `python manage.py sagemaker-image`.",
        ),
    ],
)
def test_nothing_to_judge_by(facts: Facts, sentence: str, advice: str) -> None:
    """It is neither good nor bad."""
    assert make_verdict(facts) == Verdict(UNKNOWN, sentence, advice)
    assert verdict.find_flaw(facts) is None


LATE = {"late_frames": 4, "late_error": 0.1, "late_error_without": 0.145}


@pytest.mark.parametrize(
    "angle, changes, what, advice",
    [
        ({}, {"epochs": 10, "best_epoch": 10, "max_epochs": 10}, "it was still improving", "`--epochs=20`"),
        (LATE, {}, "it steers as the driver does 4 frames later", "`--set SAGEMAKER_SLIDE=auto`"),
        ({"bias": 0.06}, {}, "it pulls to the right by 0.060", "in the other direction"),
        ({"bias": -0.06}, {}, "it pulls to the left by 0.060", "in the other direction"),
        (
            {},
            {"val_loss": 0.046},
            "it knows its own pictures better (loss 0.0300) than new",
            "more epochs would not",
        ),
        ({}, {"training": 999}, "999 records are few", "3,000 records"),
        (
            {"bend_error": 0.061},
            {},
            "bends are its weakness (off by 0.061 there, elsewhere by 0.020)",
            "bends",
        ),
    ],
)
def test_the_reason_for_what_is_not_good(angle: Any, changes: Any, what: str, advice: str) -> None:
    """One reason and one thing to do; of a good model neither matters."""
    found = make_verdict(facts_of(angle=with_share(0.35, **angle), **changes))
    assert f"would be off by 0.291; {what}" in found.sentence and found.sentence.endswith(".")
    assert advice in found.advice
    good = make_verdict(facts_of(angle=angle, **changes))
    assert (good.level, good.advice) == (GOOD, "Drive it: on blocks first, then with little throttle.")


@pytest.mark.parametrize(
    "angle, changes",
    [
        ({}, {"epochs": 10, "best_epoch": 9, "max_epochs": 10}),  # it has been better before
        ({}, {"epochs": 9, "best_epoch": 9, "max_epochs": 10}),  # it was stopped
        (dict(LATE, late_frames=1), {}),
        (dict(LATE, late_error=0.124), {}),
        ({"bias": 0.05}, {}),
        ({}, {"val_loss": 0.045}),
        ({}, {"training": 1000}),
        ({"bend_error": 0.06}, {}),
        ({"late_error": 0.0, "late_error_without": 0.0, "late_frames": 2}, {}),
    ],
)
def test_what_is_no_reason(angle: Any, changes: Any) -> None:
    """Just below what counts."""
    assert ";" not in make_verdict(facts_of(angle=with_share(0.35, **angle), **changes)).sentence


@pytest.mark.parametrize(
    "times_off, level",
    [(10, GOOD), (11, USABLE), (25, USABLE), (26, WEAK)],
)
def test_a_model_that_was_driven(times_off: int, level: str) -> None:
    """A model is not better than how it drives."""
    found = make_verdict(facts_of(driving=DRIVING._replace(times_off=times_off)))
    assert found.level == level
    if level != GOOD:
        assert f"; in the trial drive it left the line {times_off}.0 times per 100 m." in found.sentence
        assert found.advice == "Train it to find back: `--set SAGEMAKER_RECIPE=robust`."
        robust = make_verdict(facts_of(driving=DRIVING._replace(times_off=times_off), is_robust=True))
        assert robust.advice == (
            "Record more laps, and measure the camera for SAGEMAKER_CAMERA (docs/driving.md)."
        )


def test_a_car_that_is_too_slow() -> None:
    """A good model is of little use there."""
    found = make_verdict(facts_of(ms=90.0, limit_ms=50.0))
    assert found.level == USABLE and found.sentence.endswith("; this car needs 90 ms a picture, but has 50.")
    assert found.advice.startswith("Train with smaller pictures (IMAGE_W, IMAGE_H)")
    assert make_verdict(facts_of(ms=50.0, limit_ms=50.0)).level == GOOD


@pytest.mark.parametrize(
    "artifact",
    [
        {},
        {"validation": [], "records": "many", "metrics": None, "config": 3, "driving": [1]},
        {"validation": {"pictures": math.inf}, "records": {"training": {}}, "metrics": {"loss": math.nan}},
        {"driving": dict(DRIVING._asdict(), metres=0), "config": {"MAX_EPOCHS": True}},
        {"driving": dict(DRIVING._asdict(), times_off=-1)},
    ],
)
def test_numbers_that_make_no_sense_are_not_known(artifact: Any) -> None:
    """Anybody may have written them."""
    assert read_facts(artifact) == Facts(None)


def test_what_an_earlier_trainer_measured() -> None:
    """Without where the steering is wrong, the level is the same."""
    angle = {name: ANGLE[name] for name in list(ANGLE)[:8]}
    found = make_verdict(read_facts(dict(ARTIFACT, validation={"pictures": 500, "angle": angle})))
    assert found == make_verdict(facts_of())


def test_the_driving_is_read() -> None:
    """As the trainer leaves it."""
    assert read_facts(dict(ARTIFACT, driving=DRIVING._asdict())).driving == DRIVING
    assert read_facts(dict(ARTIFACT, recipe="robust")).is_robust
    assert not read_facts(dict(ARTIFACT, recipe="donkeycar")).is_robust


WRITTEN = {"level": GOOD, "sentence": "It steers.", "advice": "Drive it."}


def test_a_verdict_is_read_as_it_was_written() -> None:
    """From the ledger."""
    found = make_verdict(facts_of())
    assert read_verdict(found._asdict()) == found
    assert read_verdict(WRITTEN) == Verdict(GOOD, "It steers.", "Drive it.")


@pytest.mark.parametrize(
    "values",
    [
        None,
        [],
        {},
        dict(WRITTEN, level="best"),
        dict(WRITTEN, level=[]),
        dict(WRITTEN, sentence=None),
        dict(WRITTEN, sentence="\x1b[2J"),
        dict(WRITTEN, advice="two\nlines"),
        dict(WRITTEN, advice="x" * 501),
        dict(WRITTEN, advice=3),
    ],
)
def test_a_verdict_that_may_not_be_printed(values: Any) -> None:
    """Whoever wrote it."""
    assert read_verdict(values) is None
