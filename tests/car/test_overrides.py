"""--set and --epochs: other values of the car's config for one training."""

import argparse

import pytest

from donkey_sagemaker.car.overrides import BadOverride, read_overrides
from donkey_sagemaker.commands._options import open_the_car
from donkey_sagemaker.parser import make_parser
from donkey_sagemaker.settings import BadSettings
from donkey_sagemaker.ui import PlainUi


@pytest.fixture
def open_car(tmp_path):
    (tmp_path / "config.py").write_text(
        "MAX_EPOCHS = 100\nBATCH_SIZE = 128\nAUGMENTATIONS = []\nIMAGE_W = 160\n"
    )
    (tmp_path / "myconfig.py").write_text("BATCH_SIZE = 64\nSAGEMAKER_HYPERPARAMETERS = {'other': 1}\n")

    def open_it(*options) -> argparse.Namespace:
        arguments = make_parser("train").parse_args(["train", *options])
        return open_the_car(arguments, str(tmp_path), PlainUi())

    return open_it


@pytest.mark.parametrize(
    "text, value",
    [
        ("A=1", 1),
        ("A=0.5", 0.5),
        ("A=True", True),
        ("A=None", None),
        ("A=adam", "adam"),
        ("A='adam'", "adam"),
        ("A=['BLUR', 'BRIGHTNESS']", ["BLUR", "BRIGHTNESS"]),
        ("A=BLUR=1", "BLUR=1"),
        ("A=", ""),
        ("A=__import__('os').getcwd()", "__import__('os').getcwd()"),
    ],
)
def test_values_are_literals_or_texts(text, value):
    """Nothing is executed."""
    assert read_overrides([text]) == {"A": value}


@pytest.mark.parametrize("text", ["BATCH_SIZE", "batch_size=1", "=1", "A B=1", "--x=1", ""])
def test_what_is_no_setting_is_refused(text):
    """The message shows how to write it."""
    with pytest.raises(BadOverride) as refused:
        read_overrides([text])
    assert "--set BATCH_SIZE=64" in refused.value.fix


def test_they_come_before_both_files(open_car):
    """In the plan of the training on the car, and in the job."""
    car = open_car("--set", "BATCH_SIZE=32", "--set=AUGMENTATIONS=['BLUR']", "--epochs=5")
    assert [car.config.get(name) for name in ("BATCH_SIZE", "AUGMENTATIONS", "MAX_EPOCHS", "IMAGE_W")] == [
        32,
        ["BLUR"],
        5,
        160,
    ]
    assert car.settings.hyperparameters == {
        "other": 1,
        "BATCH_SIZE": 32,
        "AUGMENTATIONS": ["BLUR"],
        "MAX_EPOCHS": 5,
    }
    assert open_car().config.get("BATCH_SIZE") == 64
    assert open_car().settings.hyperparameters == {"other": 1}


def test_this_programs_own_settings_too(open_car):
    """They are checked like those in myconfig.py, and are no hyperparameters."""
    car = open_car("--set", "SAGEMAKER_SEED=7")
    assert car.settings.seed == 7 and car.settings.hyperparameters == {"other": 1}
    for text in ("SAGEMAKER_SEED=x", "SAGEMAKER_SEDE=7"):
        with pytest.raises(BadSettings) as refused:
            open_car("--set", text)
        assert "SAGEMAKER_SE" in refused.value.what and "--set" in refused.value.what


def test_a_setting_that_the_car_lacks_is_named(open_car):
    """With the one that was meant; what the trainer reads is always known."""
    with pytest.raises(BadOverride) as refused:
        open_car("--set", "BATCHSIZE=1")
    assert refused.value.fix == "Did you mean BATCH_SIZE?"
    with pytest.raises(BadOverride) as refused:
        open_car("--set", "WHEELBASE=1")
    assert "has no WHEELBASE" in refused.value.what
    assert open_car("--set", "LEARNING_RATE=0.01").config.get("LEARNING_RATE") == 0.01


def test_what_the_pilot_is_built_from_stays(open_car):
    """The car would reject the model: its own config says something else."""
    with pytest.raises(BadOverride) as refused:
        open_car("--set", "IMAGE_W=120")
    assert refused.value.fix == "Set IMAGE_W in myconfig.py."
