"""SageMaker's folders and configuration files for the container."""

import pytest

from opt_ml_factory import write
from trainer.opt_ml import JobUnreadable, OptMl


@pytest.fixture
def opt_ml(tmp_path):
    return OptMl({"SAGEMAKER_BASE_DIR": str(tmp_path)})


def test_opt_ml_is_the_default_base():
    """AWS's own toolkit uses the same variable for another one."""
    assert OptMl({}).model == "/opt/ml/model"


@pytest.mark.parametrize(
    "text, values",
    [
        (b'{"a": "\\"x\\"", "b": "2", "c": "null"}', {"a": "x", "b": 2, "c": None}),
        (b'{"a": "x", "b": "ml.m5.xlarge"}', {"a": "x", "b": "ml.m5.xlarge"}),
    ],
)
def test_hyperparameters_come_in_two_encodings(opt_ml, text, values):
    """As JSON, like this program and the images of 2018, or as plain text, like users of boto3."""
    write(opt_ml.base, "input/config/hyperparameters.json", text)
    assert opt_ml.hyperparameters() == values


def test_a_missing_hyperparameters_file_means_none(opt_ml):
    """SageMaker does not always write the file."""
    assert opt_ml.hyperparameters() == {}


@pytest.mark.parametrize(
    "text, why", [(b"[1]", "it is not a JSON object: [1]"), (b"{", "Expecting property name")]
)
def test_a_file_that_is_not_a_json_object_is_an_error(opt_ml, text, why):
    """The message has its path."""
    write(opt_ml.base, "input/config/hyperparameters.json", text)
    with pytest.raises(JobUnreadable) as raised:
        opt_ml.hyperparameters()
    path = opt_ml.base + "/input/config/hyperparameters.json"
    assert raised.value.what.startswith(f"The job's {path} cannot be read: {why}")


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
def test_hosts_with_any_field_missing(opt_ml, text, hosts):
    """resourceconfig.json does not always have all fields. This machine comes first."""
    if text is not None:
        write(opt_ml.base, "input/config/resourceconfig.json", text)
    assert opt_ml.hosts() == hosts


def test_zips_are_found_at_any_depth(opt_ml):
    """SageMaker makes folders of the slashes in a key. Other files are ignored."""
    for name in ("b.zip", "a/c.zip", "a/readme.txt"):
        write(opt_ml.base, "input/data/train/" + name, b"")
    folder = opt_ml.base + "/input/data/train"
    assert opt_ml.zips("train") == [folder + "/a/c.zip", folder + "/b.zip"]
