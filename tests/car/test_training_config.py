"""The settings that the trainer reads, checked before anything is sent."""

import subprocess

import pytest

from donkey_sagemaker.car.training_config import (
    AUGMENTATIONS,
    TRANSFORMATIONS,
    BadTrainingConfig,
    check_training_config,
)

CONFIG = {
    "IMAGE_W": 160,
    "IMAGE_H": 120,
    "IMAGE_DEPTH": 3,
    "MAX_EPOCHS": 100,
    "BATCH_SIZE": 128,
    "TRAIN_TEST_SPLIT": 0.8,
    "TRANSFORMATIONS": [],
    "POST_TRANSFORMATIONS": [],
    "AUGMENTATIONS": [],
    "ROI_CROP_LEFT": 0,
    "ROI_CROP_TOP": 45,
    "ROI_CROP_RIGHT": 0,
    "ROI_CROP_BOTTOM": 0,
    "BLUR_GAUSSIAN": True,
    "BLUR_KERNEL": 5,
    "BLUR_KERNEL_Y": None,
}


def problems(donkeycar=(5, 3), **changes):
    try:
        check_training_config(dict(CONFIG, **changes), donkeycar=donkeycar)
    except BadTrainingConfig as error:
        head, *lines = error.what.split("\n  ")
        assert head == "The training cannot use these settings of the car's config:"
        return lines
    return []


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {
            "TRANSFORMATIONS": ["CROP"],
            "POST_TRANSFORMATIONS": ["BLUR"],
            "AUGMENTATIONS": ["BRIGHTNESS", "BLUR"],
        },
        {"TRANSFORMATIONS": ["RGB2GRAY", "GRAY2RGB"]},
        {
            "TRANSFORMATIONS": ["CANNY"],
            "IMAGE_DEPTH": 1,
            "CANNY_LOW_THRESHOLD": 60,
            "CANNY_HIGH_THRESHOLD": 110,
            "CANNY_APERTURE": 3,
        },
        {"TRANSFORMATIONS": ["SCALE"], "SCALE_WIDTH": 1.0, "SCALE_HEIGHT": 1.0},
        {"CUSTOM_X_MODULE": __file__, "CUSTOM_X_CLASS": "X", "TRANSFORMATIONS": ["CUSTOM_X", "RGB2GRAY"]},
        {"AUGMENTATIONS": None, "TRANSFORMATIONS": None},
    ],
)
def test_what_donkeycar_trains_with(changes):
    """Nothing is wrong with it."""
    assert problems(**changes) == []


def test_donkeycar_2_knows_no_transformations():
    """A name that it does not read is not its business; its numbers are."""
    assert problems((2, 2), TRANSFORMATIONS=["X"], AUGMENTATIONS=7) == []
    assert len(problems((2, 2), MAX_EPOCHS=0)) == 1


@pytest.mark.parametrize(
    "changes, problem",
    [
        (
            {"AUGMENTATIONS": ["BLURR"]},
            "AUGMENTATIONS: there is no 'BLURR', did you mean BLUR?; those that exist: BRIGHTNESS, BLUR",
        ),
        (
            {"AUGMENTATIONS": ["MULTIPLY"]},
            "AUGMENTATIONS: MULTIPLY is one of donkeycar 4; it is named BRIGHTNESS now",
        ),
        ({"AUGMENTATIONS": "BLUR"}, "AUGMENTATIONS = 'BLUR': must be a list of names"),
        (
            {"TRANSFORMATIONS": ["CROPP"]},
            "TRANSFORMATIONS: there is no 'CROPP', did you mean CROP?; those that exist: "
            + ", ".join(TRANSFORMATIONS),
        ),
        ({"TRANSFORMATIONS": [3]}, "TRANSFORMATIONS = [3]: must be a list of names"),
        (
            {"POST_TRANSFORMATIONS": ["CANNY", "GRAY2RGB"]},
            (
                "POST_TRANSFORMATIONS: CANNY needs CANNY_LOW_THRESHOLD, "
                "CANNY_HIGH_THRESHOLD, CANNY_APERTURE, which the config does not set"
            ),
        ),
        (
            {"TRANSFORMATIONS": ["RGB2GRAY"]},
            (
                "TRANSFORMATIONS: RGB2GRAY gives pictures of 1 channels, but IMAGE_DEPTH is 3; add "
                "GRAY2RGB after it"
            ),
        ),
        (
            {"TRANSFORMATIONS": ["SCALE"], "SCALE_WIDTH": 0.5, "SCALE_HEIGHT": 0.5},
            (
                "TRANSFORMATIONS: SCALE gives pictures of 80x60, but the net takes IMAGE_W x IMAGE_H,"
                " 160x120; leave it out, and set IMAGE_W and IMAGE_H instead"
            ),
        ),
        (
            {"TRANSFORMATIONS": ["CUSTOM_X"], "CUSTOM_X_MODULE": "/none.py", "CUSTOM_X_CLASS": "X"},
            "TRANSFORMATIONS: CUSTOM_X_MODULE = '/none.py': there is no such file",
        ),
        (
            {"TRANSFORMATIONS": ["CUSTOM_X"]},
            "TRANSFORMATIONS: CUSTOM_X needs CUSTOM_X_MODULE, CUSTOM_X_CLASS, which the config does not set",
        ),
        ({"MAX_EPOCHS": 0}, "MAX_EPOCHS = 0: must be a whole number of at least 1"),
        ({"MAX_EPOCHS": True}, "MAX_EPOCHS = True: must be a whole number of at least 1"),
        ({"BATCH_SIZE": 12.5}, "BATCH_SIZE = 12.5: must be a whole number of at least 1"),
        ({"TRAIN_TEST_SPLIT": 1.0}, "TRAIN_TEST_SPLIT = 1.0: must be a number between 0 and 1"),
        ({"TRAIN_TEST_SPLIT": float("nan")}, "TRAIN_TEST_SPLIT = nan: must be a number between 0 and 1"),
        ({"LEARNING_RATE": 0}, "LEARNING_RATE = 0: must be a number above 0"),
    ],
)
def test_what_a_job_would_fail_over(changes, problem):
    """It is named before anything is sent, with what is allowed."""
    assert problems(**changes) == [problem]


def test_everything_that_is_wrong_is_listed():
    """So that it can be corrected at once."""
    changes = {"MAX_EPOCHS": 0, "AUGMENTATIONS": ["BLURR"], "TRANSFORMATIONS": ["CROPP", "CROP"]}
    config = {name: value for name, value in CONFIG.items() if name != "ROI_CROP_LEFT"}
    with pytest.raises(BadTrainingConfig) as error:
        check_training_config(dict(config, **changes), donkeycar=(5, 4))
    assert error.value.what.count("\n") == 4 and "CROP needs ROI_CROP_LEFT," in error.value.what
    assert error.value.fix == "Correct each one in myconfig.py, and run the command again."


@pytest.mark.generations
@pytest.mark.parametrize("name", ["dk50", "dk53", "dk54"])
def test_these_are_donkeycars_own_names(name, generation_python, create_car, tmp_path):
    """Its own code makes each of them from its own default config, and nothing of another name."""
    code = """
import sys
from donkeycar.config import load_config
from donkeycar.parts.image_transformations import image_transformer
from donkeycar.pipeline.augmentations import ImageAugmentation
config = load_config(sys.argv[1])
for name in sys.argv[2].split(","):
    image_transformer(name, config)
for name in sys.argv[3].split(","):
    config.AUGMENTATIONS = [name]
    ImageAugmentation(config, "AUGMENTATIONS")
for name in ("CROPP", "RGB2GREY"):
    try:
        image_transformer(name, config)
    except ValueError:
        continue
    raise SystemExit(name)
"""
    python = generation_python(name)
    car = create_car(tmp_path / "mycar", python=python)
    command = [python, "-c", code, str(car / "config.py"), ",".join(TRANSFORMATIONS), ",".join(AUGMENTATIONS)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout.decode()
