"""sagemaker-train on AWS, played by a stand-in: real boto3 over HTTP, real cars, real checks of the model."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("tensorflow", reason="a car's donkeycar and TensorFlow check the model")

from donkey_sagemaker import cli
from donkey_sagemaker.aws import backend as aws_module
from donkey_sagemaker.aws import connection
from donkey_sagemaker.aws.account import Account
from donkey_sagemaker.aws.policies import Names, make_car_policy
from donkey_sagemaker.aws.stack import Stack
from donkey_sagemaker.car.car import open_car
from donkey_sagemaker.car.config import read_config
from donkey_sagemaker.car.runtime import find_runtime
from donkey_sagemaker.resources import container_path
from donkey_sagemaker.training import watch
from iam import actions_of, is_allowed
from shared_cars import RECORDS
from small_donkeycar import install_small_donkeycar

GENERATION = find_runtime().generation  # of the car that these tests run on
HERE = os.path.dirname(os.path.abspath(__file__))
TRAIN = ["train", "--model", "models/pilot"]
BUILD = "donkey-sagemaker:1"  # the first one's id
MADE = ("REGION", "BUCKET", "ROLE_ARN")  # settings that setup writes


@pytest.fixture
def car(create_car, drawn_tub, tmp_path):
    """A car of `donkey createcar` with a drawn tub as its data."""
    path = create_car(tmp_path / "mycar")
    os.rmdir(str(path / "data"))
    shutil.copytree(drawn_tub, str(path / "data"))
    with open(str(path / "myconfig.py"), "a") as file:
        file.write("\nMAX_EPOCHS = 1\n")
    return path


class Owner:
    """A car's owner at the terminal."""

    def __init__(self, path, capsys):
        self.path = path
        self._capsys = capsys
        self.out = self.err = ""

    def types(self, *words):
        """Runs a command in the car; its exit code."""
        code = cli.main(list(words), car_path=str(self.path))
        self.out, self.err = self._capsys.readouterr()
        return code

    def configures(self, line):
        with open(str(self.path / "myconfig.py"), "a") as file:
            file.write(line + "\n")

    @property
    def models(self):
        return sorted(name for name in os.listdir(str(self.path / "models")) if name != "database.json")


@pytest.fixture
def owner(car, aws, monkeypatch, capsys):
    """A car whose myconfig.py knows the account."""
    for name, value in aws.environment.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setattr(aws_module.AwsCloud, "poll_s", 0.1)
    monkeypatch.setattr(aws_module.AwsCloud, "log_lag_s", 0.3)
    owner = Owner(car, capsys)
    owner.configures(
        f"SAGEMAKER_REGION = {aws.region!r}\nSAGEMAKER_BUCKET = {aws.bucket!r}\nSAGEMAKER_ROLE_ARN ="
        f" {aws.role_arn!r}\nSAGEMAKER_ENDPOINT_URL = {aws.endpoint_url!r}"
    )
    return owner


@pytest.fixture
def newcomer(owner, monkeypatch):
    """An owner whose account has nothing for the car yet."""
    monkeypatch.setattr(Stack, "poll_s", 0.0)
    owner.configures("".join(f"SAGEMAKER_{name} = None\n" for name in MADE))
    return owner


@pytest.fixture
def image(owner, aws, small_model):
    """Makes our own image behave in a certain way, and gives the car the small donkeycar."""
    install_small_donkeycar(owner.path)

    def make(behaviour="trains"):
        uri = aws.push_image("donkey-sagemaker", GENERATION + "-cpu")
        script = os.path.join(HERE, "canned_container.py")
        aws.image(uri, command=[sys.executable, script, str(small_model), behaviour])
        return uri

    return make


def await_epochs(aws, *, attempts=1):
    """Until so many containers of the newest job have learned something and can be told to stop."""
    sagemaker, logs = aws.client("sagemaker"), aws.client("logs")
    job = sagemaker.list_training_jobs(SortBy="CreationTime", SortOrder="Descending")
    name = job["TrainingJobSummaries"][0]["TrainingJobName"]
    aws.wait_for_job(name, "Training")
    group = "/aws/sagemaker/TrainingJobs"

    def count_those(stream):
        page = logs.get_log_events(
            logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True
        )
        return sum("epoch=2" in event["message"] for event in page["events"])

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        time.sleep(0.05)
        try:
            streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=name)["logStreams"]
        except logs.exceptions.ResourceNotFoundException:  # nothing was ever printed
            continue
        if sum(map(count_those, streams)) >= attempts:
            return name
    raise AssertionError("no epoch came")


def started(aws):
    return [each for each in aws.requests("sagemaker", "CreateTrainingJob") if each["status"] == 200]


def installed(owner):
    return {"pilot.tflite", "pilot.png", "pilot.history.json"} <= set(owner.models)


def test_a_tub_goes_to_aws_and_a_driving_model_comes_back(owner, aws):
    """Our image runs the trainer; states, epochs and the bill are told."""
    uri = aws.push_image("donkey-sagemaker", GENERATION + "-cpu")
    aws.image(uri, command=[sys.executable, os.path.join(container_path(), "train")])
    assert owner.types(*TRAIN) == 0, owner.err
    assert installed(owner)
    for line in (
        r"Training a linear model for donkeycar 5\.\d\.\d from data",
        r"0\.257 USD an hour \(ml\.m5\.xlarge in eu-west-1, from AWS's price list today\); this job likely "
        r"0\.006 USD in 90 s \(1 epoch, reckoned before its first job\), at most 1\.03 USD",
        rf"{RECORDS} good records",
        r"Sent 2 of 2 shards, \S+ MB in \S+ s \(\S+ MB/s\)",
        r"Job donkey-pilot-\S+ is running on AWS in eu-west-1",
        r"State: Downloading",
        r"State: Training",
        r"epoch   1/1  .* left, 0\.\d+ USD so far",
        r"State: Completed",
        r"Billed \d+ s: 0\.\d+ USD",
        r"Driven by this car's donkeycar as tflite: off by at most .*",
        r"  python manage.py drive --model models/pilot\.(savedmodel|keras) --type linear",
    ):
        assert re.search(f"^{line}$", owner.out, re.MULTILINE), (line, owner.out)
    assert len(aws.requests("s3", "PutObject")) < 20
    assert owner.types("jobs") == 0
    assert re.search(
        r"^donkey-pilot-\S+ +Completed +installed +\S+ s +0\.\d+ USD +models/pilot, validation loss",
        owner.out,
        re.MULTILINE,
    )


def test_from_an_empty_account_and_back(newcomer, aws, trained_model):
    """setup, doctor, image, train, teardown; the car asks AWS what its policy allows, no more and no less."""
    owner = newcomer
    assert owner.types("setup") == 0, owner.err
    before = len(aws.permissions())
    assert owner.types("doctor") == 0, owner.out
    assert re.search("^ok +bucket +donkey-sagemaker-bucket-1a2b3c in eu-west-1$", owner.out, re.MULTILINE)
    assert owner.types("image") == 0, owner.err
    settings = open_car(str(owner.path), flags={}, myconfig="myconfig.py").settings
    Account(settings, connection.Connection(settings)).builder.stop(BUILD)
    script = os.path.join(HERE, "canned_container.py")
    aws.image("*/donkey-sagemaker:*", command=[sys.executable, script, str(trained_model), "waits"])
    aws.set(lists_own_quotas=False)
    assert owner.types(*TRAIN, "--detach") == 0, owner.err
    assert owner.types("jobs") == 0
    assert owner.types("stop", "--install") == 0, owner.err
    assert installed(owner)

    config = read_config(str(owner.path)).values
    region, bucket, role_arn = [config["SAGEMAKER_" + name] for name in MADE]
    policy = make_car_policy(
        Names("aws", region, aws.account_id, bucket, prefix="donkeycar", role_arn=role_arn)
    )
    asked = aws.permissions()[before:]
    assert [each for each in asked if not is_allowed(policy, *each)] == []
    assert actions_of(policy) - {action for action, _ in asked} == set()

    assert owner.types("setup", "--teardown", "--yes") == 0, owner.err
    assert bucket not in [each["Name"] for each in aws.client("s3").list_buckets()["Buckets"]]


@pytest.mark.generations
def test_two_commands_from_an_empty_account_to_a_model(newcomer, aws, generation_python):
    """Setup, and a training in AWS's own image, to which the trainer and what it lacks travel."""
    owner = newcomer
    aws.image("*/tensorflow-training:*", python=generation_python("stock"))
    assert owner.types("setup") == 0, owner.err
    assert owner.types(*TRAIN) == 0, owner.err
    assert installed(owner)
    (request,) = started(aws)
    assert "off by at most" in owner.out


def test_nothing_is_paid_for_twice(owner, aws, image):
    """The same command while its job runs goes on with it, also when its start was never heard of."""
    image("waits")
    aws.fault("lose_response", operation="CreateTrainingJob")
    assert owner.types(*TRAIN, "--detach") == 0, owner.err
    await_epochs(aws)
    assert owner.types(*TRAIN, "--detach") == 0
    assert "is this very training: going on with it" in owner.out
    assert len(started(aws)) == 1
    (job,) = aws.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]
    assert owner.types("stop", "--install") == 0, owner.err
    assert job["TrainingJobName"] + " is asked to stop." in owner.out and installed(owner)


def test_another_machine_goes_on_with_it(owner, aws, image, tmp_path):
    """The same car cloned elsewhere finds the job that runs, and gets the model."""
    shutil.copytree(str(owner.path), str(tmp_path / "clone" / "mycar"))
    image("waits")
    assert owner.types(*TRAIN, "--detach") == 0, owner.err
    await_epochs(aws)
    owner.path = tmp_path / "clone" / "mycar"
    assert owner.types("stop") == 0
    assert "What it had learned is installed by:\n  python manage.py sagemaker-train --attach=" in owner.out
    assert owner.types("train", "--attach") == 0, owner.err
    assert installed(owner)


def test_a_job_of_another_car_is_not_attached_to(owner, aws, image, tmp_path):
    """Only by mistake would one car get another's model."""
    shutil.copytree(str(owner.path), str(tmp_path / "other"))
    image("waits")
    assert owner.types(*TRAIN, "--detach") == 0, owner.err
    await_epochs(aws)
    owner.path = tmp_path / "other"
    assert owner.types("train", "--attach") == 2
    assert owner.err == "No job of this car is waiting.\n`donkey-sagemaker jobs` lists its jobs.\n"
    assert owner.types("jobs") == 0
    assert re.search(r"^donkey-pilot-\S+ +InProgress +- ", owner.out, re.MULTILINE)


def test_a_failed_job_tells_its_cause_and_the_end_of_its_log(owner, aws, image):
    """And what to do; the car keeps what it has."""
    image("fails")
    assert owner.types(*TRAIN) == 1
    assert re.match(
        r"The job donkey-pilot-\S+ failed: The pictures are all black\.\nThe last lines of its log:\n"
        r"  \[donkey\] 128 examples to train, 32 to validate\n  a line that is not for the user\n",
        owner.err,
    ), owner.err
    assert "a line that is not for the user" not in owner.out and "pilot.tflite" not in owner.models


def test_debug_shows_the_whole_log(owner, image):
    """Also what is not meant for the user."""
    image()
    assert owner.types(*TRAIN, "--debug") == 0
    assert "\na line that is not for the user\n" in owner.out


def test_the_next_type_is_tried_where_the_first_has_no_capacity(owner, aws, image):
    """Under a new name, with the same files; what failed is told."""
    image()
    aws.set(capacity={"ml.m5.xlarge": {"wait_s": 0, "fails": True}})
    owner.configures('SAGEMAKER_INSTANCE_TYPE = ["ml.m5.xlarge", "ml.m5.large"]')
    assert owner.types(*TRAIN) == 0, owner.err
    assert "Warning: no capacity for ml.m5.xlarge: trying ml.m5.large\n" in owner.out
    names = re.findall(r"^Job (\S+) is running", owner.out, re.MULTILINE)
    assert len(set(names)) == 2 and installed(owner)
    assert owner.types("jobs") == 0
    assert re.search(rf"^{names[0]} +Failed +failed ", owner.out, re.MULTILINE)


def test_no_capacity_anywhere_is_told(owner, aws, image):
    """With what to do."""
    image()
    aws.set(capacity={"ml.m5.xlarge": {"wait_s": 0, "fails": True}})
    assert owner.types(*TRAIN) == 1
    assert "CapacityError" in owner.err and "SAGEMAKER_INSTANCE_TYPE" in owner.err


def test_a_type_without_quota_is_left_out(owner, aws, image):
    """Where another one has quota; before anything is sent."""
    image()
    owner.configures('SAGEMAKER_INSTANCE_TYPE = ["ml.g4dn.xlarge", "ml.m5.xlarge"]')
    aws.push_image("donkey-sagemaker", GENERATION + "-gpu")
    assert owner.types(*TRAIN) == 0, owner.err
    assert "quota for ml.g4dn.xlarge for training job usage in eu-west-1 is 0" in owner.out
    assert len(started(aws)) == 1


def test_no_quota_at_all_is_refused_before_anything_is_sent(owner, aws):
    """Exit code 3, the quota's name, and a type that has quota."""
    aws.push_image("donkey-sagemaker", GENERATION + "-gpu")
    assert owner.types(*TRAIN, "--instance-type", "ml.g5.xlarge") == 3
    assert (
        "ml.g5.xlarge for training job usage" in owner.err and '"ml.m5.large", which has quota' in owner.err
    )
    assert not aws.requests("s3", "PutObject")


def test_hours_without_a_network_do_not_end_the_watch(owner, aws, image, monkeypatch):
    """It says so once, and goes on when AWS answers again."""
    image("waits")
    assert owner.types(*TRAIN, "--detach") == 0, owner.err
    await_epochs(aws)
    assert owner.types("stop") == 0
    aws.fault("refuse", operation="DescribeTrainingJob", times=60)
    monkeypatch.setattr(connection, "DEFAULT_TIMING", connection.Timing(pauses_s=(0.0, 0.0)))
    monkeypatch.setattr(watch, "LONGEST_WAIT_S", 0.1)
    assert owner.types("train", "--attach") == 0, owner.err
    assert owner.out.count("The job goes on; trying again until AWS answers.") == 1
    assert "AWS answers again, after " in owner.out and installed(owner)


def test_a_log_that_may_not_be_read_loses_no_model(owner, aws, image):
    """The missing permission is told, the job watched to its end, and its model installed."""
    image()
    aws.set(denied=["logs:*"])
    assert owner.types(*TRAIN) == 0, owner.err
    assert installed(owner)
    denied = "is not allowed to use logs:DescribeLogStreams on arn:aws:logs:eu-west-1:123456789012:"
    assert owner.out.count(denied) == 1
    assert "The job goes on without its log." in owner.out


def test_an_expired_login_says_that_the_job_goes_on(owner, aws, image):
    """Exit code 3; after a new login --attach goes on."""
    image("waits")
    assert owner.types(*TRAIN, "--detach") == 0, owner.err
    await_epochs(aws)
    aws.set(expired=True)
    assert owner.types("train", "--attach") == 3
    assert owner.err.startswith("Your AWS login has expired [ExpiredToken") and "goes on" in owner.err
    aws.set(expired=False)
    assert owner.types("stop", "--install") == 0, owner.err
    assert installed(owner)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "refuse", "operation": "PutObject", "times": 3},
        {"kind": "cut_request", "operation": "PutObject", "times": 2},
        {"kind": "lose_response", "operation": "PutObject", "times": 2},
        {"kind": "error", "operation": "PutObject", "times": 2, "status": 503, "code": "SlowDown"},
        {"kind": "cut_response", "operation": "GetObject", "times": 3},
        {"kind": "corrupt_response", "operation": "GetObject", "times": 1},
        {"kind": "refuse", "operation": "CreateTrainingJob", "times": 2},
        {
            "kind": "error",
            "operation": "*TrainingJob",
            "times": 3,
            "status": 400,
            "code": "ThrottlingException",
        },
    ],
    ids=lambda fault: "{kind}-{operation}".format(**fault),
)
def test_a_flaky_link_loses_nothing(owner, aws, image, fault):
    """One job, one model, whatever broke on the way."""
    image()
    aws.fault(**fault)
    assert owner.types(*TRAIN) == 0, owner.err
    assert installed(owner)
    (job,) = aws.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]


def test_a_dry_run_sends_nothing(owner, aws, image):
    """It prints the request, each object that a real run would send, and the price."""
    image()
    assert owner.types(*TRAIN, "--dry-run") == 0, owner.err
    request, _ = json.JSONDecoder().raw_decode(owner.out[owner.out.index("{") :])
    assert request["ResourceConfig"] == {
        "InstanceCount": 1,
        "InstanceType": "ml.m5.xlarge",
        "VolumeSizeInGB": 30,
    }
    assert ", at most 1.03 USD" in owner.out and "Would send 2 of 2 shards" in owner.out
    assert re.search(rf"^To s3://{aws.bucket}, \S+ MB:$", owner.out, re.MULTILINE)
    assert not aws.requests("s3", "PutObject") and not aws.requests("sagemaker", "CreateTrainingJob")


@pytest.mark.parametrize("is_own", [True, pytest.param(False, marks=pytest.mark.generations)])
def test_a_dry_run_names_each_object_that_is_sent(owner, aws, image, is_own):
    """No more and no less, before the first job and before another one."""
    if is_own:
        image()
    aws.set(phase_s={"Starting": 1e6}, quotas={"ml.m5.xlarge for training job usage": 2})
    for epochs in (1, 2):
        owner.configures(f"MAX_EPOCHS = {epochs}")
        assert owner.types(*TRAIN, "--dry-run") == 0, owner.err
        said = re.findall(r"^ +\S+ [kM]B  donkeycar/(\S+)$", owner.out, re.MULTILINE)
        before = len(aws.requests("s3", "PutObject"))
        assert owner.types(*TRAIN, "--detach") == 0, owner.err
        put = [each["path"].partition("/donkeycar/")[2] for each in aws.requests("s3", "PutObject")[before:]]
        assert without_times(said) == without_times(put)
        assert any(key.endswith("/launch.json") for key in said)


def without_times(keys):
    """Sorted, with one name for every job."""
    return sorted(re.sub(r"jobs/donkey-pilot-[0-9-]+/", "jobs/JOB/", key) for key in keys)


def test_a_job_that_could_cost_too_much_is_not_started(owner, aws, image):
    """SAGEMAKER_MAX_COST_USD holds for the longest that it may run."""
    image()
    owner.configures("SAGEMAKER_MAX_COST_USD = 0.5")
    assert owner.types(*TRAIN) == 2
    assert (
        owner.err == "This job could cost 1.03 USD on ml.m5.xlarge; SAGEMAKER_MAX_COST_USD = 0.5.\n"
        "Lower SAGEMAKER_MAX_RUNTIME_S, choose another --instance-type, or allow more.\n"
    )
    assert not aws.requests("s3", "PutObject")


def test_auto_takes_the_best_type_that_has_quota(owner, aws, image):
    """Says why, and leaves the types without quota unmentioned; the next job is reckoned from this one."""
    image()
    owner.configures('SAGEMAKER_INSTANCE_TYPE = "auto"')
    aws.set(quotas={"ml.m5.large for training job usage": 0}, phase_s={"Downloading": 60})
    aws.speed(60)
    assert owner.types(*TRAIN) == 0, owner.err
    assert (
        "Lowest cost of the machines with quota: ml.c5.xlarge, likely 0.006 USD in 90 s\n"
        "  before ml.m5.xlarge, likely 0.006 USD in 90 s\n" in owner.out
    )
    assert "Warning" not in owner.out
    (job,) = aws.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]
    told = aws.client("sagemaker").describe_training_job(TrainingJobName=job["TrainingJobName"])
    assert told["ResourceConfig"]["InstanceType"] == "ml.c5.xlarge"
    assert owner.types(*TRAIN, "--dry-run", "--type", "linear") == 0, owner.err
    assert "(1 epoch, by this car's last job)" in owner.out


def test_a_hang_up_detaches_and_the_job_goes_on(owner, aws, image):
    """As a closed laptop or a lost ssh connection does; --attach installs what came of it."""
    image("waits")
    program = (
        "import sys; from donkey_sagemaker import cli; from donkey_sagemaker.aws.backend import AwsCloud;"
        "AwsCloud.poll_s = 0.1; sys.exit(cli.main(sys.argv[1:]))"
    )
    watching = subprocess.Popen(
        [sys.executable, "-c", program] + TRAIN,
        cwd=str(owner.path),
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    for line in watching.stdout:
        if b"epoch   2/2" in line:
            break
    watching.send_signal(signal.SIGHUP)
    _, error = watching.communicate(timeout=60)
    assert watching.returncode == 130, error.decode()
    assert re.match(rb"Detached: the job donkey-pilot-\S+ goes on\.\n", error)
    assert owner.types("stop", "--install") == 0, owner.err
    assert installed(owner)


def test_spot_jobs_ask_for_checkpoints(owner, aws, image):
    """And outlast the loss of their machine."""
    image("waits")
    assert owner.types(*TRAIN, "--spot", "--detach") == 0, owner.err
    name = await_epochs(aws)
    told = aws.client("sagemaker").describe_training_job(TrainingJobName=name)
    assert told["EnableManagedSpotTraining"] and told["CheckpointConfig"]["S3Uri"].endswith(
        name + "/checkpoints"
    )
    assert owner.types("stop", "--install") == 0, owner.err
    assert installed(owner)


def test_an_interrupted_spot_job_is_watched_to_its_model(owner, aws, image):
    """SageMaker starts it again by itself; the watch tells of it, and what it has learned is installed."""
    image("waits")
    assert owner.types(*TRAIN, "--spot", "--detach") == 0, owner.err
    name = await_epochs(aws)
    aws.interrupt(name)
    await_epochs(aws, attempts=2)
    assert owner.types("stop", "--install") == 0, owner.err
    assert "State: Training\nState: Interrupted\nState: Starting\n" in owner.out
    assert installed(owner) and len(started(aws)) == 1


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
    """It knows v1 zips and JSON hyperparameters; its log is shown, its lone model gets the asked name."""
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
