"""SageMaker's folders and what it writes down for the container."""

import pytest

from opt_ml_factory import write
from trainer.opt_ml import ConfigUnreadable, OptMl


@pytest.fixture
def opt_ml(tmp_path):
    return OptMl({"SAGEMAKER_BASE_DIR": str(tmp_path)})


def test_opt_ml_is_the_base_unless_told_otherwise():
    """The variable is that of AWS's own toolkit."""
    assert OptMl({}).model == "/opt/ml/model"


@pytest.mark.parametrize(
    "text, values",
    [
        (b'{"a": "\\"x\\"", "b": "2", "c": "null"}', {"a": "x", "b": 2, "c": None}),
        (b'{"a": "x", "b": "ml.m5.xlarge"}', {"a": "x", "b": "ml.m5.xlarge"}),
    ],
)
def test_hyperparameters_come_in_two_encodings(opt_ml, text, values):
    """Each as JSON, as we and the 2018 images have it, or bare, as boto3's users send it."""
    write(opt_ml.base, "input/config/hyperparameters.json", text)
    assert opt_ml.hyperparameters() == values


def test_no_hyperparameters_are_none(opt_ml):
    """SageMaker need not write the file."""
    assert opt_ml.hyperparameters() == {}


@pytest.mark.parametrize("text, why", [(b"[1]", "it holds [1]"), (b"{", "Expecting property name")])
def test_a_file_that_is_no_json_object_is_told(opt_ml, text, why):
    """With its path."""
    write(opt_ml.base, "input/config/hyperparameters.json", text)
    with pytest.raises(ConfigUnreadable) as refusal:
        opt_ml.hyperparameters()
    path = opt_ml.base + "/input/config/hyperparameters.json"
    assert refusal.value.what.startswith(f"SageMaker's {path} cannot be read: {why}")


@pytest.mark.parametrize(
    "text, hosts",
    [
        (None, ["algo-1"]),
        (b"{}", ["algo-1"]),
        (b'{"hosts": null}', ["algo-1"]),
        (b'{"current_host": "algo-2"}', ["algo-2"]),
        (b'{"current_host": "algo-2", "hosts": ["algo-1", "algo-2"]}', ["algo-2", "algo-1"]),
    ],
)
def test_hosts_whatever_is_missing(opt_ml, text, hosts):
    """Fields of resourceconfig.json come and go; this machine is the first."""
    if text is not None:
        write(opt_ml.base, "input/config/resourceconfig.json", text)
    assert opt_ml.hosts() == hosts


def test_zips_are_found_however_deep(opt_ml):
    """A key with folders becomes folders; what is no zip is not ours."""
    for name in ("b.zip", "a/c.zip", "a/readme.txt"):
        write(opt_ml.base, "input/data/train/" + name, b"")
    folder = opt_ml.base + "/input/data/train"
    assert opt_ml.zips("train") == [folder + "/a/c.zip", folder + "/b.zip"]
