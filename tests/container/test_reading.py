"""What the trainer reads: shards, which all cars of a bucket share."""

import json
import os

import pytest

pytest.importorskip("numpy", reason="the trainer needs numpy")
pytest.importorskip("donkeycar", reason="the trainer reads pictures as donkeycar does")

from opt_ml_factory import make_opt_ml
from trainer.opt_ml import OptMl
from trainer.reading import WrongShard, read_inputs
from tub_factory import make_record_v2, make_v2


@pytest.fixture
def opt_ml(tmp_path):
    lines = {index: json.dumps(make_record_v2(index)).encode() for index in range(3)}
    make_v2(tmp_path / "tub", 3, lines=lines)
    base = make_opt_ml(str(tmp_path / "ml"), str(tmp_path / "tub"), models=[(".tflite", "tflite")])
    return OptMl({"SAGEMAKER_BASE_DIR": base})


def test_shards_are_what_their_names_say(opt_ml):
    """A shard that another car stored under the digest of this car's pictures is not trained on."""
    folder = opt_ml.channel("train")
    assert read_inputs(opt_ml).tubs["tub"].records
    name = sorted(os.listdir(folder))[0]
    with open(os.path.join(folder, name), "r+b") as file:
        file.seek(100)
        file.write(b"x")
    with pytest.raises(WrongShard) as caught:
        read_inputs(opt_ml)
    assert caught.value.what.startswith(f"{name} has not the content that its name stands for")
    assert caught.value.fix.startswith(f"Delete shards/{name} from the bucket")


def test_a_zip_that_was_put_there_by_hand(opt_ml):
    """Its name is no digest, so it can have any content."""
    folder = opt_ml.channel("train")
    for name in os.listdir(folder):
        os.rename(os.path.join(folder, name), os.path.join(folder, "x" + name[1:]))
    assert read_inputs(opt_ml).tubs["tub"].records
