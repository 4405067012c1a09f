"""sagemaker-doctor: its table, its JSON and its exit codes. test_doctor_problems.py has each problem."""

import json
import os
from importlib.util import find_spec

import pytest

pytest.importorskip("boto3")

from doctor_car import make_doctor_car, move_the_tub_away, remove_keys
from tub_factory import write


@pytest.fixture
def car(tmp_path, aws, monkeypatch, capsys):
    return make_doctor_car(tmp_path, aws, monkeypatch, capsys)


def test_a_car_and_an_account_without_problems(car, aws):
    """There is a line for each check, and the next command."""
    aws.client("s3").put_object(Bucket=aws.bucket, Key="donkeycar/shards/0.zip", Body=b"x" * 200000)
    assert car.run_doctor() == 0, car.out
    *lines, title, command = car.out.splitlines()
    assert (title, command) == ("Nothing is wrong. Next:", "  python manage.py sagemaker-train")
    assert all(line.startswith("ok ") for line in lines), car.out
    findings = [line.split(None, 2)[1:] for line in lines]
    assert [subject for subject, _text in findings] == (
        "car runtime model disk folders tub review place memory credentials clock bucket role request image "
        "quota quota price network"
    ).split()
    texts = dict(findings)
    assert texts["runtime"] == "Python 3.11, donkeycar 5.3.0, tflite-runtime 2.14.0"
    assert texts["model"] == "linear, as tflite, h5"
    assert texts["tub"].startswith("9 good records in data, 1 deleted, ")
    assert texts["review"] == "nothing suspicious in 9 records"
    assert texts["place"] == "trains on AWS in eu-west-1"
    assert texts["credentials"] == "arn:aws:iam::123456789012:user/donkey, does not expire"
    assert texts["bucket"] == "donkey-stand-in in eu-west-1"
    assert texts["quota"] == "ml.m5.xlarge for spot training job usage is 1"
    assert texts["price"] == (
        "0.257 USD an hour (ml.m5.xlarge in eu-west-1, from AWS's price list today); this job likely "
        "0.006 USD in 90 s (30 epochs, estimated before its first job), at most 1.03 USD"
    )
    assert texts["network"].startswith("downloaded 0.2 MB in ")


def test_doctor_changes_nothing(car, aws):
    """Nothing is uploaded, started or written; only operations that read are called."""
    before = sorted(os.listdir(str(car.path / "data")))
    assert car.run_doctor() == 0
    assert sorted(os.listdir(str(car.path / "data"))) == before
    assert {each["operation"] for each in aws.requests()} == {
        "GetCallerIdentity",
        "GetBucketLocation",
        "ListObjectsV2",
        "GetRole",
        "DescribeImages",
        "ListServiceQuotas",
        "GetProducts",
    }


def test_a_car_that_trains_on_this_machine(car):
    """It needs no account. If this machine cannot train, that is reported."""
    car.set(BACKEND="local", PYTHON="/nowhere/python")
    code, findings = car.read_findings()
    assert code == 2
    assert findings[-1] == (
        "place",
        "wrong",
        "SAGEMAKER_PYTHON = '/nowhere/python' is not a program that can be run.",
        "Set it to the path of a Python, such as ~/env/bin/python.",
    )


def test_a_temporary_login(car):
    """A login with a session token expires at some time."""
    car.monkeypatch.setenv("AWS_SESSION_TOKEN", "secret-of-a-session")
    code, findings = car.read_findings()
    assert code == 0 and "secret-of-a-session" not in car.out
    (found,) = [found for check, _state, found, _fix in findings if check == "credentials"]
    assert found == "arn:aws:iam::123456789012:user/donkey, temporary"


def test_the_expiry_of_a_login(car):
    """It is shown where the source of the credentials gives it."""
    login = {
        "Version": 1,
        "AccessKeyId": os.environ["AWS_ACCESS_KEY_ID"],
        "SecretAccessKey": "of-the-stand-in",
        "SessionToken": "secret-of-a-session",
        "Expiration": "2099-01-02T03:04:05+01:00",
    }
    remove_keys(car)
    (car.path / "login.json").write_text(json.dumps(login))
    (car.path / "aws_config").write_text(
        "[default]\ncredential_process = cat {}\n".format(car.path / "login.json")
    )
    car.monkeypatch.setenv("AWS_CONFIG_FILE", str(car.path / "aws_config"))
    code, findings = car.read_findings()
    assert code == 0 and "secret-of-a-session" not in car.out
    (found,) = [found for check, _state, found, _fix in findings if check == "credentials"]
    assert found == "arn:aws:iam::123456789012:user/donkey, valid until 2099-01-02 02:04 UTC"


def test_auto_needs_quota_for_one_type_only(car):
    """Types without quota are no problem if others have it; the price is that of the best type."""
    car.set(INSTANCE_TYPE="auto")
    code, findings = car.read_findings()
    assert code == 0
    states = [state for check, state, _found, _fix in findings if check == "quota"]
    assert states.count("fine") == 6 and states.count("unknown") == 6
    (price,) = [found for check, _state, found, _fix in findings if check == "price"]
    assert "(ml.m5.large in" in price


# What cannot be checked is neither fine nor wrong.
NOT_ALLOWED = {
    "role": ("iam:GetRole", "arn:aws:iam::123456789012:user/donkey is not allowed to use iam:GetRole on "),
    "quota": (
        "servicequotas:*",
        "arn:aws:iam::123456789012:user/donkey is not allowed to use servicequotas:ListServiceQuotas on ",
    ),
}


@pytest.mark.parametrize("subject", NOT_ALLOWED)
def test_a_check_that_is_not_allowed_is_reported(subject, car):
    """A training may succeed without this permission."""
    action, text = NOT_ALLOWED[subject]
    car.aws.set(denied=[action])
    code, findings = car.read_findings()
    assert code == 0
    lines = [(state, found) for check, state, found, _fix in findings if check == subject]
    assert lines and all(state == "unknown" and found.startswith(text) for state, found in lines)


def test_several_problems_are_reported_at_once(car):
    """The table has each fix below its problem; a problem of the car decides about the exit code."""
    car.set(ROLE_ARN=None, INSTANCE_TYPE="ml.g5.xlarge")
    move_the_tub_away(car)
    assert car.run_doctor() == 2
    wrong = [line.split()[1] for line in car.out.splitlines() if line.startswith("WRONG")]
    assert wrong == ["tub", "role", "quota"]
    assert (
        f"WRONG  tub         There is no folder {car.path}/data.\n"
        "                   To do: Pass --tub the folder of a tub, a folder of tubs, or several of them "
        "separated by commas.\n"
    ) in car.out


@pytest.mark.parametrize("has_keys", [False, True])
def test_without_a_region_all_else_is_still_looked_at(car, has_keys):
    """The keys are the same in every region, and what is not set is known without AWS."""
    car.set(REGION=None, BUCKET=None, ROLE_ARN=None)
    if not has_keys:
        remove_keys(car)
    code, findings = car.read_findings()
    states = {check: state for check, state, _found, _fix in findings}
    assert code == 2
    assert states == {
        "car": "fine",
        "runtime": "fine",
        "model": "fine",
        "disk": "fine",
        "folders": "fine",
        "tub": "fine",
        "review": "fine",
        "place": "wrong",
        "credentials": "fine" if has_keys else "wrong",
        "bucket": "wrong",
        "role": "wrong",
    }


def test_without_keys_what_is_not_set_is_still_reported(car):
    """One look is enough to know everything that is left to do."""
    car.set(BUCKET=None, ROLE_ARN=None)
    remove_keys(car)
    assert car.run_doctor() == 2
    wrong = [line.split()[1] for line in car.out.splitlines() if line.startswith("WRONG")]
    assert wrong == ["credentials", "bucket", "role"]


def test_bad_records_beside_good_ones_are_counted(car):
    """A training sets them aside, so they are no problem."""
    write(car.path / "data", "images/2_cam_image_array_.jpg", b"")
    code, findings = car.read_findings()
    (found,) = [found for check, _state, found, _fix in findings if check == "tub"]
    assert code == 0 and found.startswith("8 good records in data, 1 deleted, 1 x ")


@pytest.mark.skipif(find_spec("donkeycar") is None, reason="the file describes this Python's donkeycar")
def test_a_car_is_described_for_another_machine(car):
    """SAGEMAKER_CAR can read the file there."""
    assert car.run_doctor("--car") == 0
    path = car.path / "car.json"
    assert car.out == (
        f"Written: {path}. Copy it into the car's folder on the machine that trains, and set SAGEMAKER_CAR = "
        "'car.json' in the myconfig.py there.\n"
    )
    car.set(CAR="car.json")
    code, findings = car.read_findings()
    (found,) = [found for check, _state, found, _fix in findings if check == "runtime"]
    assert code == 0 and "donkeycar " in found
