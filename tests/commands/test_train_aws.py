"""sagemaker-train on AWS, which is a stand-in: real boto3 over HTTP, real cars, real checks of the model."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("tensorflow", reason="a car's donkeycar and TensorFlow check the model")

from aws_owner import (
    STACK_SETTINGS,
    TRAIN,
    await_epochs,
    canned_container,
    is_installed,
    push_own_image,
    started_jobs,
)
from clocked_ui import ClockedUi
from donkey_sagemaker.aws.policies import Names, make_car_policy
from donkey_sagemaker.car.car import open_car
from donkey_sagemaker.car.config import read_config
from donkey_sagemaker.cloud import open_account
from donkey_sagemaker.resources import container_path
from iam import actions_of, is_allowed
from shared_cars import RECORDS

GOLDEN = Path(__file__).parent.parent / "golden" / "first_version"
KMS_KEY = "arn:aws:kms:eu-west-1:123456789012:key/1a2b3c"
FIRST_BUILD = "donkey-sagemaker:1"  # its id


def test_a_tub_goes_to_aws_and_a_driving_model_comes_back(owner, aws):
    """Our own image runs the trainer; states, epochs and the bill are printed."""
    push_own_image(aws, [sys.executable, os.path.join(container_path(), "train")])
    assert owner.types(*TRAIN) == 0, owner.err
    assert is_installed(owner)
    for line in (
        r"Training a linear model for donkeycar 5\.\d\.\d from data",
        r"0\.257 USD an hour \(ml\.m5\.xlarge in eu-west-1, from AWS's price list today\); this job likely "
        r"0\.006 USD in 90 s \(1 epoch, estimated before its first job\), at most 1\.03 USD",
        rf"{RECORDS} good records",
        r"Its page on AWS: https://eu-west-1\.console\.aws\.amazon\.com/sagemaker/home\?region=eu-west-1"
        r"#/jobs/donkey-pilot-\S+",
        r"Its log: https://eu-west-1\.console\.aws\.amazon\.com/cloudwatch/home\?region=eu-west-1"
        r"#logStream:group=/aws/sagemaker/TrainingJobs;prefix=donkey-pilot-\S+;streamFilter=\w+",
        r"Uploaded 2 of 2 shards, \S+ MB in \S+ s \(\S+ MB/s\)",
        r"Job donkey-pilot-\S+ is running on AWS in eu-west-1",
        r"State: Downloading",
        r"State: Training",
        r"epoch   1/1  .*, the model is written next, 0\.\d+ USD so far",
        r"State: Completed",
        r"Billed \d+ s: 0\.\d+ USD",
        r"Driven by this car's donkeycar as tflite: (as in|differs from) training.*, \d+ ms a picture",
        r"  python manage.py drive --model models/pilot\.tflite --type tflite_linear",
    ):
        assert re.search(f"^{line}$", owner.out, re.MULTILINE), (line, owner.out)
    assert len(aws.requests("s3", "PutObject")) < 20
    assert owner.types("jobs") == 0
    assert re.search(
        r"^donkey-pilot-\S+ +installed +\S+ s +0\.\d+ USD +models/pilot, validation loss",
        owner.out,
        re.MULTILINE,
    )


def leave_job_of_earlier_version(owner, aws, model):
    """A job of a version without folders, with its launch.json and its model; returns its name."""
    name = "donkey-other-261128-183948-103"
    bucket = read_config(str(owner.path)).values["SAGEMAKER_BUCKET"]
    put = aws.client("s3").put_object
    launch = json.loads((GOLDEN / "launch.json").read_text())
    forms = [form for form in ("savedmodel", "keras", "tflite") if (model / ("pilot." + form)).exists()]
    launch.update(model="models/pilot", models=[("." + form, form) for form in forms])
    put(Bucket=bucket, Key=f"donkeycar/jobs/{name}/launch.json", Body=json.dumps(launch).encode())
    uri = aws.push_image("donkey-sagemaker", "earlier")
    aws.image(uri, command=canned_container(model, "trains"))
    (stack,) = aws.client("cloudformation").describe_stacks(StackName="donkey-sagemaker")["Stacks"]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    aws.client("sagemaker").create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": uri, "TrainingInputMode": "File"},
        RoleArn=outputs["RoleArn"],
        OutputDataConfig={"S3OutputPath": f"s3://{bucket}/donkeycar/models"},
        ResourceConfig={"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 5},
        StoppingCondition={"MaxRuntimeInSeconds": 100},
    )
    assert aws.wait_for_job(name)["TrainingJobStatus"] == "Completed"
    return name


def release_kept_instance(owner, aws, model):
    """The owner trains with SAGEMAKER_KEEP_ALIVE_S, and gives the instance back."""
    aws.image("*/donkey-sagemaker:*", command=canned_container(model, "trains"))
    aws.set(quotas={"ml.m5.xlarge for training warm pool usage": 1})
    assert owner.types("train", "--model", "models/kept", "--set", "SAGEMAKER_KEEP_ALIVE_S=600") == 0, (
        owner.err
    )
    command = re.search(
        r"^python manage\.py sagemaker-(stop \S+)$", owner.out.replace("  ", ""), re.MULTILINE
    )
    assert owner.types(*command.group(1).split()) == 0
    assert owner.out.endswith("the instance that it has kept is given back.\n")


def test_from_an_empty_account_and_back(newcomer, aws, trained_model, monkeypatch):
    """setup, image, doctor, train, teardown; the car uses exactly the permissions of its policy."""
    owner = newcomer
    administrator = {name: os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    car_key = aws.create_car_key("blue")
    owner.configures(f"SAGEMAKER_KMS_KEY = {KMS_KEY!r}")
    assert owner.types("setup", "--user=blue") == 0, owner.err
    assert owner.types("image") == 0, owner.err
    open_account(open_car(str(owner.path), flags={}).settings).builder.stop(FIRST_BUILD)
    job = leave_job_of_earlier_version(owner, aws, trained_model)
    owner.configures('SAGEMAKER_IMAGE = "auto"')  # the car has to find the image
    for name, value in car_key.items():
        monkeypatch.setenv(name, value)
    before = len(aws.permissions())
    assert owner.types("doctor") == 0, owner.out
    assert re.search("^ok +bucket +donkey-sagemaker-bucket-1a2b3c in eu-west-1$", owner.out, re.MULTILINE)
    aws.image("*/donkey-sagemaker:*", command=canned_container(trained_model, "waits"))
    aws.set(lists_own_quotas=False)
    assert owner.types(*TRAIN, "--detach") == 0, owner.err
    await_epochs(aws)
    assert owner.types("jobs") == 0
    assert owner.types("jobs", "--fleet") == 0
    assert owner.types("stop", "--install") == 0, owner.err
    assert is_installed(owner)
    assert owner.types("train", "--attach=" + job) == 0, owner.err
    assert "launched by an earlier version" in owner.out
    release_kept_instance(owner, aws, trained_model)
    owner.configures('SAGEMAKER_TUNE = {"BATCH_SIZE": [32, 64]}')
    assert owner.types("tune", "--full", "--trials=1", "--detach") == 0, owner.err
    assert owner.types("stop") == 0, owner.err
    assert owner.types("tune", "--attach") in (0, 1), owner.err  # it may have been stopped at once
    asked = aws.permissions()[before:]
    assert owner.types("image") == 3
    assert owner.err.endswith("\nRun it as an administrator of the AWS account.\n")

    config = read_config(str(owner.path)).values
    region, bucket, role_arn = [config["SAGEMAKER_" + name] for name in STACK_SETTINGS]
    policy = make_car_policy(
        Names(
            "aws",
            "amazonaws.com",
            region,
            aws.account_id,
            bucket,
            prefix="donkeycar",
            role_arn=role_arn,
            kms_key=KMS_KEY,
        )
    )
    user = {"aws:username": "blue"}
    assert [each for each in asked if not is_allowed(policy, *each[:2], dict(user, **each[2]))] == []
    assert actions_of(policy) - {action for action, *_ in asked} == set()
    for statement in policy["Statement"]:
        only = dict(policy, Statement=[statement])
        assert any(is_allowed(only, *each[:2], dict(user, **each[2])) for each in asked), statement

    for name, value in administrator.items():
        monkeypatch.setenv(name, value)
    assert owner.types("setup", "--teardown", "--yes") == 0, owner.err
    assert bucket not in [each["Name"] for each in aws.client("s3").list_buckets()["Buckets"]]


@pytest.mark.generations
def test_two_commands_from_an_empty_account_to_a_model(newcomer, aws, generation_python):
    """Setup, then a training in AWS's own image, which downloads the trainer and the missing wheels."""
    owner = newcomer
    aws.image("*/tensorflow-training:*", python=generation_python("stock"))
    assert owner.types("setup") == 0, owner.err
    assert owner.types(*TRAIN) == 0, owner.err
    assert is_installed(owner)
    (request,) = started_jobs(aws)
    assert "Driven by this car's donkeycar as " in owner.out


def test_nothing_is_paid_for_twice(owner, aws, image):
    """The same command attaches to its running job, even if the response to its start was lost."""
    image("waits")
    aws.fault("lose_response", operation="CreateTrainingJob")
    assert owner.types(*TRAIN, "--detach") == 0, owner.err
    await_epochs(aws)
    assert owner.types(*TRAIN, "--detach") == 0
    assert "already trains exactly this: attaching to it" in owner.out
    assert len(started_jobs(aws)) == 1
    (job,) = aws.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]
    assert owner.types("stop", "--install") == 0, owner.err
    assert f"{job['TrainingJobName']} was asked to stop." in owner.out and is_installed(owner)


def test_another_machine_attaches_to_the_job(owner, aws, image, tmp_path):
    """A copy of a car that has trained before finds the running job, and installs its model."""
    car = open_car(str(owner.path), flags={})
    car.ensure_state()
    car.ensure_id()
    shutil.copytree(str(owner.path), str(tmp_path / "clone" / "mycar"))
    image("waits")
    assert owner.types(*TRAIN, "--detach") == 0, owner.err
    await_epochs(aws)
    owner.path = tmp_path / "clone" / "mycar"
    assert owner.types("stop") == 0
    assert "install its best model:\n  python manage.py sagemaker-train --attach=" in owner.out
    assert owner.types("train", "--attach") == 0, owner.err
    assert is_installed(owner)


def test_a_job_of_another_car_is_not_attached_to(owner, aws, image, tmp_path):
    """A car never gets the model of another car by mistake."""
    shutil.copytree(str(owner.path), str(tmp_path / "other"))
    image("waits")
    assert owner.types(*TRAIN, "--detach") == 0, owner.err
    await_epochs(aws)
    owner.path = tmp_path / "other"
    assert owner.types("train", "--attach") == 2
    assert owner.err == "This car has no pending job.\n`python manage.py sagemaker-jobs` lists its jobs.\n"
    assert owner.types("jobs") == 0
    assert re.search(r"^donkey-pilot-\S+ +running +\S+ s +not of this car$", owner.out, re.MULTILINE)


def test_a_failed_job_is_explained_with_the_end_of_its_log(owner, aws, image):
    """The cause comes first; the car keeps what it has."""
    image("fails")
    assert owner.types(*TRAIN) == 1
    assert re.match(
        r"The job donkey-pilot-\S+ failed: The pictures are all black\.\nThe last lines of its log:\n"
        r"  \[donkey\] 128 examples to train, 32 to validate\n  a line that is not for the user\n",
        owner.err,
    ), owner.err
    assert "a line that is not for the user" not in owner.out and "pilot.tflite" not in owner.models


def test_a_job_that_waits_is_never_silent(owner, aws, image, monkeypatch):
    """While the machine starts, which takes minutes on AWS, there is a line at least every 5 seconds."""
    image()
    ui = ClockedUi(monkeypatch)
    aws.set(phase_s={"Starting": 7})
    assert owner.types(*TRAIN, "--json") == 0, owner.err
    assert ui.longest_silence() < 5, ui.lines
    assert any(re.fullmatch(r"(Starting|Waiting for a machine) \([4-7] s\)", text) for _at, text in ui.lines)
    assert json.loads(owner.out.splitlines()[-1])["state"] == "installed"


def test_debug_shows_the_whole_log(owner, image):
    """Even the lines that are not meant for the user."""
    image()
    assert owner.types(*TRAIN, "--debug") == 0
    assert "\na line that is not for the user\n" in owner.out


def test_a_dry_run_sends_nothing(owner, aws, image):
    """It prints what a real run would do and cost; with --debug also the request and each object."""
    image()
    assert owner.types(*TRAIN, "--dry-run") == 0, owner.err
    summary = owner.out.splitlines()
    assert 8 <= len(summary) <= 12
    for line in (
        r"where     on AWS in eu-west-1, an on-demand ml\.m5\.xlarge, stopped after 4\.0 h",
        rf"stores    \S+ MB in s3://{aws.bucket}/donkeycar, \S+ MB of it records",
        r"costs     0\.257 USD an hour .*; this job likely 0\.006 USD in 90 s .*, at most 1\.03 USD",
        r"replaces  nothing",
    ):
        assert any(re.fullmatch(line, each) for each in summary), (line, summary)
    assert owner.types(*TRAIN, "--dry-run", "--debug") == 0, owner.err
    request, _ = json.JSONDecoder().raw_decode(owner.out[owner.out.index("{") :])
    assert request["ResourceConfig"] == {
        "InstanceCount": 1,
        "InstanceType": "ml.m5.xlarge",
        "VolumeSizeInGB": 30,
    }
    assert ", at most 1.03 USD" in owner.out and "Would upload 2 of 2 shards" in owner.out
    assert re.search(rf"^To s3://{aws.bucket}/donkeycar, \S+ MB:$", owner.out, re.MULTILINE)
    assert not aws.requests("s3", "PutObject") and not aws.requests("sagemaker", "CreateTrainingJob")


@pytest.mark.parametrize("is_own", [True, pytest.param(False, marks=pytest.mark.generations)])
def test_a_dry_run_lists_exactly_what_is_uploaded(owner, aws, image, is_own):
    """Before the first job, and before another one."""
    if is_own:
        image()
    aws.set(phase_s={"Starting": 1e6}, quotas={"ml.m5.xlarge for training job usage": 2})
    for epochs in (1, 2):
        owner.configures(f"MAX_EPOCHS = {epochs}")
        assert owner.types(*TRAIN, "--dry-run", "--debug") == 0, owner.err
        listed = re.findall(r"^ +\S+ [kM]B  donkeycar/(\S+)$", owner.out, re.MULTILINE)
        before = len(aws.requests("s3", "PutObject"))
        assert owner.types(*TRAIN, "--detach") == 0, owner.err
        put = [each["path"].partition("/donkeycar/")[2] for each in aws.requests("s3", "PutObject")[before:]]
        assert without_times(listed) == without_times(put)
        assert any(key.endswith("/launch.json") for key in listed)


def without_times(keys):
    """The keys sorted, with the same name for every job."""
    return sorted(re.sub(r"jobs/donkey-pilot-[0-9-]+/", "jobs/JOB/", key) for key in keys)


def test_a_job_that_could_cost_too_much_is_not_started(owner, aws, image):
    """SAGEMAKER_MAX_COST_USD limits the cost of the longest possible run."""
    image()
    owner.configures("SAGEMAKER_MAX_COST_USD = 0.5")
    assert owner.types(*TRAIN) == 2
    assert (
        owner.err == "This job could cost 1.03 USD on ml.m5.xlarge, and SAGEMAKER_MAX_COST_USD is 0.5.\n"
        "Lower SAGEMAKER_MAX_RUNTIME_S, choose another --instance-type, or raise SAGEMAKER_MAX_COST_USD.\n"
    )
    assert not aws.requests("s3", "PutObject")


def test_auto_takes_the_best_type_that_has_quota(owner, aws, image):
    """It prints why, without the types that lack quota; the next job is estimated from this one."""
    image()
    owner.configures('SAGEMAKER_INSTANCE_TYPE = "auto"')
    aws.set(quotas={"ml.m5.large for training job usage": 0}, phase_s={"Downloading": 60})
    aws.speed(60)
    assert owner.types(*TRAIN) == 0, owner.err
    assert (
        "Lowest cost of the instance types with quota: ml.c5.xlarge, likely 0.006 USD in 90 s\n"
        "  ahead of ml.m5.xlarge, likely 0.006 USD in 90 s\n" in owner.out
    )
    assert "Warning" not in owner.out
    (job,) = aws.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]
    state = aws.client("sagemaker").describe_training_job(TrainingJobName=job["TrainingJobName"])
    assert state["ResourceConfig"]["InstanceType"] == "ml.c5.xlarge"
    assert owner.types(*TRAIN, "--dry-run", "--type", "linear") == 0, owner.err
    assert "(1 epoch, judging by this car's last job)" in owner.out


def test_an_instance_that_is_kept(owner, aws, image):
    """It says that the instance is kept, and the command that it prints gives it back."""
    image()
    aws.set(quotas={"ml.m5.xlarge for training warm pool usage": 1})
    owner.configures("SAGEMAKER_KEEP_ALIVE_S = 600")
    assert owner.types(*TRAIN) == 0, owner.err
    assert is_installed(owner)
    lines = owner.out.splitlines()
    said = lines.index(
        "Its instance is kept for up to 10 min for your next training, and billed. If nothing follows, "
        "give it back:"
    )
    command = lines[said + 1].split()
    assert command[:3] == ["python", "manage.py", "sagemaker-stop"]
    assert owner.types("stop", command[3]) == 0
    assert owner.out == f"{command[3]} has ended; the instance that it has kept is given back.\n"
    assert owner.types("stop", command[3]) == 0
    assert "was asked to stop" in owner.out  # nothing is kept any more


SEED_IMAGE = """
import glob, io, json, os, sys, zipfile
base = os.environ["SAGEMAKER_BASE_DIR"]
with open(base + "/input/config/hyperparameters.json") as file:
    values = {name: json.loads(text) for name, text in json.load(file).items()}
values["sagemaker_region"], values["with_slide"]
names = set()
for path in glob.glob(base + "/input/data/train/*.zip"):
    names.update(zipfile.ZipFile(path).namelist())
print("slide", values["with_slide"], "mine", values["mine"], flush=True)
print(sum(os.path.basename(name).startswith("record_") for name in names), "records", flush=True)
with open(sys.argv[1], "rb") as model, open(base + "/model/model.cat", "wb") as target:
    target.write(model.read())
"""


def test_an_image_of_another_author_works(owner, aws, tmp_path):
    """It reads v1 zips and JSON hyperparameters; its log is shown; its model gets the given name."""
    tub = tmp_path / "tub_1"
    write_v1_tub(tub)
    lone = tmp_path / "lone.h5"
    subprocess.check_call([sys.executable, "-c", SAVE_H5, str(lone)], stderr=subprocess.DEVNULL)
    (tmp_path / "train.py").write_text(SEED_IMAGE)
    uri = aws.push_image("robocars", "1")
    aws.image(uri, command=[sys.executable, str(tmp_path / "train.py"), str(lone)])
    owner.configures(f"SAGEMAKER_IMAGE = {uri!r}\nSAGEMAKER_SLIDE = 2")
    owner.configures('SAGEMAKER_HYPERPARAMETERS = {"mine": "x"}')
    assert owner.types("train", "--tub", str(tub), "--model", "models/theirs.h5") == 0, owner.err
    assert "\nslide 2 mine x\n12 records\n" in owner.out
    assert (owner.path / "models" / "theirs.h5").read_bytes() == lone.read_bytes()


SAVE_H5 = """
import sys
from donkeycar.parts.keras import KerasLinear
KerasLinear(input_shape=(120, 160, 3)).interpreter.model.save(sys.argv[1], include_optimizer=False)
"""


def write_v1_tub(path):
    from PIL import Image

    path.mkdir()
    (path / "meta.json").write_text(
        json.dumps({"inputs": ["cam/image_array", "user/angle", "user/throttle"], "types": ["image_array"]})
    )
    picture = io.BytesIO()
    Image.new("RGB", (160, 120)).save(picture, "JPEG")
    for index in range(12):
        name = f"{index}_cam-image_array_.jpg"
        (path / name).write_bytes(picture.getvalue())
        record = {"cam/image_array": name, "user/angle": 0.1, "user/throttle": 0.3}
        (path / f"record_{index}.json").write_text(json.dumps(record))
