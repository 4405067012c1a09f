"""The contract between the car and the container."""

import math

from donkey_sagemaker.contract import (
    Progress,
    Step,
    decode_hyperparameters,
    encode_hyperparameters,
    format_progress,
    format_step,
    parse_progress,
    parse_step,
)

PROGRESS = Progress(
    epoch=3, epochs=100, loss=0.0213, val_loss=0.0312, best_val_loss=0.03, images=800, seconds=1.25
)
STEP = Step(epoch=3, epochs=100, batch=30, batches=120, images_per_s=2100.4, left_s=28.2)


def test_progress_survives_its_line():
    """The car reads the values that the trainer prints."""
    assert parse_progress(format_progress(PROGRESS)) == PROGRESS


def test_the_progress_line_is_fixed():
    """CloudWatch's metric definitions and older cars depend on exactly this line."""
    assert format_progress(PROGRESS) == (
        "[donkey] epoch=3/100 loss=0.0213 val_loss=0.0312 best_val_loss=0.03 images=800 seconds=1.250"
    )


def test_progress_is_found_behind_a_log_prefix():
    """Docker and CloudWatch may put a timestamp before the line."""
    assert parse_progress("2026-01-01T00:00:00Z " + format_progress(PROGRESS) + "\r") == PROGRESS


def test_losses_that_are_not_numbers_are_still_progress():
    """A training that diverges reports nan."""
    progress = parse_progress(format_progress(PROGRESS._replace(loss=math.nan, best_val_loss=math.inf)))
    assert progress is not None and math.isnan(progress.loss) and progress.best_val_loss == math.inf


def test_other_lines_are_not_progress():
    """Keras's own output and a truncated line do not report an epoch."""
    assert parse_progress("Epoch 3/100") is None
    assert parse_progress(format_progress(PROGRESS)[:-20]) is None
    assert (
        parse_progress("[donkey] epoch=3/100 loss=low val_loss=1 best_val_loss=1 images=1 seconds=1") is None
    )


def test_a_step_survives_its_line():
    """How far an epoch is; neither line is taken for the other."""
    assert parse_step("2026-01-01T00:00:00Z " + format_step(STEP) + "\r") == STEP
    assert parse_step(format_progress(PROGRESS)) is None and parse_progress(format_step(STEP)) is None
    assert parse_step(format_step(STEP).replace("30/", "9" * 5000 + "/")) is None


def test_each_hyperparameter_is_json():
    """The images of 2018 decode every value without a fallback, so text must have quotes."""
    assert encode_hyperparameters({"with_slide": 2, "sagemaker_region": "eu-west-1", "floor": None}) == {
        "floor": "null",
        "sagemaker_region": '"eu-west-1"',
        "with_slide": "2",
    }


def test_hyperparameters_of_both_encodings_are_read():
    """People and AWS's SDK send plain text, this plugin sends JSON."""
    assert decode_hyperparameters({"a": '"x"', "b": "x", "c": "2", "d": "[1, 2]"}) == {
        "a": "x",
        "b": "x",
        "c": 2,
        "d": [1, 2],
    }
