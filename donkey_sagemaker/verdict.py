"""The verdict on a model: a level, one sentence, and the one thing to do next.

The trainer judges what it measured, for artifact.json and the report. The car judges the same numbers again,
beside what only the car knows: the model that would be replaced, and how long this car takes for a picture.
docs/judging.md has the measurements behind the numbers here.
"""

from typing import Any, Dict, Iterator, Mapping, NamedTuple, Optional

from .contract import ROBUST
from .driving import Driving, read_driving
from .quality import Comparison, Steering, Validation, read_number, read_validation

GOOD, USABLE, WEAK, BAD, UNKNOWN = "good", "usable", "weak", "bad", "not judged"
LEVELS = (GOOD, USABLE, WEAK, BAD, UNKNOWN)
MOST_TEXT = 500  # letters of a sentence

GOOD_SHARE, USABLE_SHARE = 0.3, 0.4  # of the error of the best constant
GOOD_OFF, WEAK_OFF = 10.0, 25.0  # times off the line per 100 m
FEW_RECORDS = 1000  # to train on
ENOUGH_EPOCHS = 40  # by which a net with few records has begun to steer
LEAST_LATE, LATE_GAIN = 2, 0.15  # frames, and how much better the steering must fit what the driver does then
BIAS_SHARE = 0.5  # of the error
OVERFIT_FACTOR = 1.5  # of the training loss
BEND_FACTOR = 3.0

_HOW = {
    GOOD: "It steers much like the driver",
    USABLE: "It steers roughly like the driver",
    WEAK: "It has learned to steer, but not well",
}
_DRIVE = "Drive it: on blocks first, then with little throttle."
_LOOK = (
    "Look at the worst pictures in its report, and delete the driver's mistakes: "
    "`python manage.py sagemaker-tubs`."
)
_CATCH_UP = "Train longer, or on all tubs that the previous model was trained on."
_NEW_IMAGE = "Bring the training image up to date: `python manage.py sagemaker-image`."
_FIND_BACK = "Train it to find back: `--set SAGEMAKER_RECIPE=robust`."
_RECORD_OR_MEASURE = "Record more laps, and measure the camera for SAGEMAKER_CAMERA (docs/driving.md)."
_RECORD_MORE = "Record more laps with bends: 3,000 records are a good start."


class Verdict(NamedTuple):
    level: str  # one of LEVELS
    sentence: str
    advice: str  # one thing to do, with the option or setting to paste


class Facts(NamedTuple):
    """What a verdict is made of; None where it is not known."""

    validation: Optional[Validation]
    training: Optional[float] = None  # examples that it was trained on
    loss: Optional[float] = None
    val_loss: Optional[float] = None
    epochs: Optional[float] = None
    best_epoch: Optional[float] = None
    max_epochs: Optional[float] = None
    driving: Optional[Driving] = None
    is_robust: bool = False  # trained with the recipe that teaches it to find back
    # What only the car knows
    comparison: Optional[Comparison] = None
    previous: str = ""  # the path of the model that it was compared with
    ms: Optional[float] = None  # for a picture, in the fastest format
    limit_ms: Optional[float] = None  # that the drive loop has for it


def read_facts(artifact: Mapping[str, Any]) -> Facts:
    """From the content of artifact.json, which anybody may have written: what makes no sense is not known."""
    records, metrics, config = (_section(artifact, name) for name in ("records", "metrics", "config"))
    return Facts(
        validation=read_validation(_section(artifact, "validation")),
        training=_known(records, "training"),
        loss=_known(metrics, "loss"),
        val_loss=_known(metrics, "val_loss"),
        epochs=_known(metrics, "epochs"),
        best_epoch=_known(metrics, "best_epoch"),
        max_epochs=_known(config, "MAX_EPOCHS"),
        driving=read_driving(artifact.get("driving")),
        is_robust=artifact.get("recipe") == ROBUST,
    )


def read_verdict(values: Any) -> Optional[Verdict]:
    """From JSON that anybody may have written; None if it is not a verdict that may be printed."""
    if not isinstance(values, dict) or values.get("level") not in LEVELS:
        return None
    verdict = Verdict(values["level"], values.get("sentence", ""), values.get("advice", ""))
    if all(isinstance(text, str) and text.isprintable() and len(text) <= MOST_TEXT for text in verdict):
        return verdict
    return None


def _section(artifact: Mapping[str, Any], name: str) -> Dict[str, Any]:
    section = artifact.get(name)
    return section if isinstance(section, dict) else {}


def _known(section: Mapping[str, Any], name: str) -> Optional[float]:
    try:
        return read_number(section.get(name))
    except ValueError:
        return None


def why_unknown(validation: Optional[Validation]) -> Optional[str]:
    """What keeps a model from being judged alone; None if nothing does."""
    if validation is None:
        return "the image that trained the model leaves no validation results"
    return validation.why_not_judged()


def find_flaw(facts: Facts) -> Optional[str]:
    """Why the car is better off without the model, as a clause; None if it is not."""
    validation, comparison = facts.validation, facts.comparison
    dead = validation.why_dead() if validation and not validation.why_not_judged() else None
    if dead or comparison is None or not comparison.is_clearly_worse:
        return dead
    return f"it steers clearly worse than {facts.previous} ({describe_errors(comparison)})"


def describe_errors(comparison: Comparison) -> str:
    return (
        f"on {comparison.pictures} validation pictures the new model's steering is off by"
        f" {comparison.error:.3f} on average, the previous one's by {comparison.previous_error:.3f}"
    )


def make_verdict(facts: Facts) -> Verdict:
    """The level from how the model steers; the advice from what is most likely to make it better."""
    validation, flaw = facts.validation, find_flaw(facts)
    if flaw:
        is_dead = validation is not None and flaw == validation.why_dead()
        return Verdict(BAD, f"{flaw[0].upper()}{flaw[1:]}.", _revive(facts) if is_dead else _CATCH_UP)
    reason = why_unknown(validation)
    if validation is None or reason:
        return Verdict(
            UNKNOWN, f"It cannot be judged: {reason}.", _NEW_IMAGE if validation is None else _RECORD_MORE
        )
    level = _grade(facts, validation)
    sentence = (
        f"{_HOW[level]}: off by {validation.error:.3f} on average, where always steering the same would be"
        f" off by {validation.constant_error:.3f}"
    )
    problem = next((each for each in _find_problems(facts, validation) if each.is_one_of(level)), None)
    if problem is None:
        return Verdict(level, sentence + ".", _DRIVE if level == GOOD else _LOOK)
    return Verdict(level, f"{sentence}; {problem.what}.", problem.advice)


def _grade(facts: Facts, validation: Validation) -> str:
    """How it steers, and not better than how it drove."""
    level = GOOD if validation.share <= GOOD_SHARE else USABLE if validation.share <= USABLE_SHARE else WEAK
    if facts.driving and facts.driving.times_off_per_100_m > WEAK_OFF:
        return WEAK
    if level == GOOD and (_is_slow(facts) or facts.driving and facts.driving.times_off_per_100_m > GOOD_OFF):
        return USABLE
    return level


class _Problem(NamedTuple):
    what: str  # a clause
    advice: str
    matters_if_good: bool = False

    def is_one_of(self, level: str) -> bool:
        return self.matters_if_good or level != GOOD


def _find_problems(facts: Facts, validation: Validation) -> Iterator[_Problem]:
    """The most certain cause first."""
    driving, steering = facts.driving, validation.steering
    if _is_slow(facts):
        yield _Problem(
            f"this car needs {facts.ms:.0f} ms a picture, but has {facts.limit_ms:.0f}",
            "Train with smaller pictures (IMAGE_W, IMAGE_H), or set a lower DRIVE_LOOP_HZ in myconfig.py.",
            matters_if_good=True,
        )
    if driving and driving.times_off_per_100_m > GOOD_OFF:
        yield _Problem(
            f"in the trial drive it left the line {driving.times_off_per_100_m:.1f} times per 100 m",
            _RECORD_OR_MEASURE if facts.is_robust else _FIND_BACK,
            matters_if_good=True,
        )
    if facts.epochs is not None and facts.epochs == facts.best_epoch == facts.max_epochs:
        yield _Problem(
            "it was still improving when the training ended",
            f"Train longer: `--epochs={2 * facts.epochs:.0f}`.",
        )
    if steering and steering.late_frames >= LEAST_LATE and _gain(steering) > LATE_GAIN:
        yield _Problem(
            f"it steers as the driver does {steering.late_frames:.0f} frames later",
            "The commands are late. Measure by how much and train again: `--set SAGEMAKER_SLIDE=auto`.",
        )
    if steering and abs(steering.bias) > BIAS_SHARE * validation.error:
        side = "right" if steering.bias > 0 else "left"
        yield _Problem(
            f"it pulls to the {side} by {abs(steering.bias):.3f}",
            "Drive the track in the other direction as well, and train on both.",
        )
    if facts.val_loss and facts.loss and facts.val_loss > OVERFIT_FACTOR * facts.loss:
        yield _Problem(
            f"it knows its own pictures better (loss {facts.loss:.4f}) than new ones ({facts.val_loss:.4f})",
            "Record more laps, on other days and in other light: more epochs would not help.",
        )
    if facts.training is not None and facts.training < FEW_RECORDS:
        yield _Problem(
            f"{facts.training:.0f} records are few to learn from",
            _RECORD_MORE,
        )
    if steering and steering.bends and steering.bend_error > BEND_FACTOR * steering.straight_error:
        yield _Problem(
            f"bends are its weakness (off by {steering.bend_error:.3f} there, elsewhere by"
            f" {steering.straight_error:.3f})",
            "Record more laps of the bends, slowly and on the line that it should drive.",
        )


def _gain(steering: Steering) -> float:
    """How much better the steering fits what the driver does later."""
    return 1 - steering.late_error / steering.late_error_without if steering.late_error_without else 0.0


def _is_slow(facts: Facts) -> bool:
    return facts.ms is not None and facts.limit_ms is not None and facts.ms > facts.limit_ms


def _revive(facts: Facts) -> str:
    """What to do about a model that has not learned to steer: nets begin late, and with few records later."""
    if facts.epochs is not None and facts.epochs < ENOUGH_EPOCHS:
        if facts.epochs == facts.max_epochs:
            return f"Train longer: `--epochs={max(2 * facts.epochs, ENOUGH_EPOCHS):.0f}`."
        return f"Let it train on while the loss stands still: `--set EARLY_STOP_PATIENCE={ENOUGH_EPOCHS}`."
    if facts.training is not None and facts.training < FEW_RECORDS:
        return _RECORD_MORE
    return "Find what is wrong with the records: `python manage.py sagemaker-tubs`."
