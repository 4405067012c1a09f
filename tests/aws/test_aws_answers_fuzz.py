"""Hundreds of answers that AWS never gives, seeded: each ends in a result or in an explained error."""

import itertools
import os
import signal

import boto3
import pytest
from botocore.loaders import create_loader

from aws_answers import BATCH_ANSWERS, IMAGE, JOB, OBJECT, QUEUED_JOB, ROLE, STACK
from aws_cloud import bare_settings, message
from doctor_car import RUNS
from donkey_sagemaker import cli
from donkey_sagemaker.aws import connection as connection_module
from donkey_sagemaker.aws.answers import ANSWERS
from donkey_sagemaker.aws.backend import AwsCloud
from donkey_sagemaker.aws.bucket import Bucket
from donkey_sagemaker.aws.builder import Builder
from donkey_sagemaker.aws.connection import Connection, Timing
from donkey_sagemaker.aws.jobs import release_instances, search_jobs
from donkey_sagemaker.aws.stack import Plan, Stack
from donkey_sagemaker.car.car import open_car
from donkey_sagemaker.cloud.images import Image
from donkey_sagemaker.cloud.request import JobKeys, make_request
from donkey_sagemaker.errors import DonkeySagemakerError
from donkey_sagemaker.training import watch as watch_module
from donkey_sagemaker.training.tune_space import describe_values
from donkey_sagemaker.training.tuning_space import read_values
from donkey_sagemaker.ui import PlainUi
from fuzzed_aws import FuzzedAws
from job_factory import make_job
from tub_factory import make_v2

SEED = int(os.environ.get("FUZZ_SEED", "15"))
INPUTS = int(os.environ.get("FUZZ_INPUTS", "640"))
VERBS = 57  # three rounds
LONGEST_S = 5
HANGS_S = 30
TIMING = Timing(connect_timeout_s=2, read_timeout_s=2, pauses_s=(0.0,), transfer_pauses_s=(0.0, 0.0))

pytestmark = pytest.mark.minutes


class StillWaiting(Exception):
    """The program waits for something that the server never gives, as a job's end."""


class Sleep:
    """A clock that does not wait, and ends what waits for ever."""

    def __init__(self):
        self.left = 60

    def __call__(self, seconds):
        self.left -= 1
        if not self.left:
            raise StillWaiting


TUNING = "donkey-tune--261129-101112-123"


class Driver:
    """Calls what the commands call, for each operation."""

    def __init__(self, server, folder):
        self.server = server
        self.folder = folder
        self.sleep = Sleep()
        self.settings = bare_settings(
            region="eu-west-1", bucket="my-cars", role_arn=ROLE, endpoint_url=server.endpoint_url
        )
        self.connection = self.connect()
        self.request = make_request(
            JobKeys("my-cars", "donkeycar", JOB),
            self.settings,
            instance_type="ml.m5.xlarge",
            image=Image(IMAGE + ":dk53-cpu", stock=False),
            role_arn=ROLE,
            code_prefix="donkeycar/code/0/",
            tags={},
        )

    def connect(self):
        return Connection(self.settings, timing=TIMING, sleep=lambda seconds: self.sleep(seconds))

    @property
    def cloud(self):
        return AwsCloud(self.settings, self.connection)

    def identify(self):
        connection = self.connect()
        assert connection.account_id().isdigit() and connection.identity()["Arn"]
        connection.server_time()

    def preflight(self):
        findings = list(self.cloud.preflight([self.request]))
        assert all(finding.text for finding in findings)

    def download(self):
        path = os.path.join(self.folder, "object")
        try:
            self.cloud.download("donkeycar/object", path, advance=lambda count: None)
            with open(path, "rb") as file:
                assert file.read() == OBJECT or not self.server.has_right_checksum
        finally:
            for name in os.listdir(self.folder):
                os.remove(os.path.join(self.folder, name))

    def watch(self):
        watch_module.watch(self.cloud, PlainUi(), JOB, whole_log=True, sleep=self.sleep)

    @property
    def queued(self):
        return AwsCloud(self.settings._replace(job_queue="donkey-sagemaker"), self.connection)

    def ask_queue(self):
        assert all(finding.text for finding in self.queued.preflight([self.request]))

    def submit(self):
        """A job that is not in the queue yet."""
        self.queued.start_job(dict(self.request, TrainingJobName=QUEUED_JOB[:-1] + "z"))

    def price(self):
        price = self.cloud.hourly_price("ml.m5.xlarge")
        assert price is None or 0 < price.usd_per_hour < 1e4

    def build(self):
        builder = Builder(self.connection)
        builder.check_repository()
        builder.password().encode("ascii")
        build_id = builder.start({"projectName": "donkey-sagemaker"})
        build = builder.describe(build_id)
        builder.read_log(build, None)
        builder.stop(build_id)

    def stack(self):
        stack = Stack(self.connection)
        stack.outputs()
        stack.is_broken()
        stack.plan("{}", {"A": None})
        list(stack.execute(Plan("1", STACK, is_new=True, changes=[])))
        stack.discard(Plan("1", STACK, is_new=True, changes=[]))
        list(stack.delete())

    def step(self, operation):
        steps = {
            "GetCallerIdentity": self.identify,
            "PutObject": lambda: self.cloud.put("donkeycar/object", b"x" * 100),
            "GetObject": self.download,
            "ListObjectVersions": self.empty_bucket,
            "DeleteObjects": self.empty_bucket,
            "CreateTrainingJob": lambda: self.cloud.start_job(self.request),
            "StopTrainingJob": lambda: self.cloud.stop_job(JOB),
            "UpdateTrainingJob": lambda: release_instances(self.connection, JOB),
            "ListTrainingJobs": lambda: self.cloud.list_jobs(),
            "Search": lambda: search_jobs(self.connection, since=1767268800.0),
            "DescribeTrainingJob": self.watch,
            "DescribeLogStreams": self.watch,
            "GetLogEvents": self.watch,
            "GetProducts": self.price,
            "DescribeRepositories": lambda: self.cloud.choose_image("dk53", instance_type="ml.m5.xlarge"),
            **dict.fromkeys(
                ("GetAuthorizationToken", "StartBuild", "StopBuild", "BatchGetBuilds"), self.build
            ),
            **dict.fromkeys(("DescribeStacks", "DescribeStackEvents"), self.stack),
            **dict.fromkeys((name for name in ANSWERS if name.endswith("ChangeSet")), self.stack),
            "DeleteStack": self.stack,
            "DescribeJobQueues": self.ask_queue,
            "SubmitServiceJob": self.submit,
            "ListServiceJobs": lambda: self.queued.list_jobs(),
            "TerminateServiceJob": lambda: self.queued.stop_job(QUEUED_JOB),
            **dict.fromkeys(
                ("DescribeServiceJob", "GetJobQueueSnapshot"), lambda: self.queued.describe_job(QUEUED_JOB)
            ),
            "CreateHyperParameterTuningJob": lambda: self.cloud.tuner.start(
                {"HyperParameterTuningJobName": TUNING}
            ),
            "DescribeHyperParameterTuningJob": lambda: self.cloud.tuner.describe(TUNING),
            "StopHyperParameterTuningJob": lambda: self.cloud.tuner.stop(TUNING),
            "ListTrainingJobsForHyperParameterTuningJob": self.list_trials,
        }
        return steps.get(operation, self.preflight)

    def list_trials(self):
        for trial in self.cloud.tuner.list_trials(TUNING):
            describe_values(read_values(trial.texts))

    def empty_bucket(self):
        list(itertools.islice(Bucket(self.connection, "my-cars").delete_objects(), 50))


def fail_after(seconds):
    """A hang ends in a traceback that shows where."""

    def give_up(number, frame):
        raise AssertionError(f"it takes more than {seconds} s")

    signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIADONKEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    handler = signal.getsignal(signal.SIGALRM)
    server = FuzzedAws(SEED)
    yield server
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, handler)
    server.shutdown()
    server.server_close()


def test_no_answer_is_unforeseen(server, tmp_path, capsys):
    """Every operation, many times: a result, or an error that is meant to be read, within seconds."""
    driver = Driver(server, str(tmp_path))
    driver.preflight()  # makes the clients, which takes seconds on a Raspberry Pi
    answered = explained = 0
    knows_queues = driver.queued.queue is not None  # boto3 for Python 3.6 does not
    operations = sorted(name for name in ANSWERS if knows_queues or name not in BATCH_ANSWERS)
    for number, operation in zip(range(INPUTS), itertools.cycle(operations)):
        server.fuzz(operation)
        driver.sleep = Sleep()
        fail_after(HANGS_S)
        try:
            driver.step(operation)()
            answered += 1
        except StillWaiting:
            assert operation.startswith("Describe")
        except DonkeySagemakerError as error:
            explained += 1
            assert error.what and error.fix and len(message(error)) < 3000
        except BaseException:
            print(f"input {number}, {operation}: {server.sent[:2000]!r}")
            raise
        assert server.asked or operation == "ListAWSDefaultServiceQuotas", operation
    assert answered > INPUTS / 10 and explained > INPUTS / 10
    capsys.readouterr()


@pytest.fixture
def car(server, tmp_path, monkeypatch):
    """A car whose ledger has the job that the server describes."""
    for name in ("connect_timeout_s", "read_timeout_s"):
        assert getattr(TIMING, name) < LONGEST_S
    monkeypatch.setattr(connection_module, "DEFAULT_TIMING", TIMING)
    loader = create_loader()  # each command would read the same service models, which takes half a second

    class Session(boto3.Session):
        def __init__(self, **options):
            super().__init__(**options)
            self._session.register_component("data_loader", loader)

    monkeypatch.setattr(connection_module.boto3, "Session", Session)
    monkeypatch.setattr(AwsCloud, "poll_s", 0.01)
    monkeypatch.setattr(AwsCloud, "log_lag_s", 0.02)
    monkeypatch.setattr(watch_module, "LONGEST_WAIT_S", 0.01)
    monkeypatch.setattr(watch_module, "LONGEST_LOG_S", 0.1)
    monkeypatch.setattr(watch_module, "DENIED_S", 0.1)
    path = tmp_path / "mycar"
    path.mkdir()
    (path / "config.py").write_text("DEFAULT_MODEL_TYPE = 'linear'\nMAX_EPOCHS = 1\n")
    (path / "myconfig.py").write_text(
        f"SAGEMAKER_REGION = 'eu-west-1'\nSAGEMAKER_BUCKET = 'my-cars'\nSAGEMAKER_ROLE_ARN = {ROLE!r}\n"
        f"SAGEMAKER_ENDPOINT_URL = {server.endpoint_url!r}\nSAGEMAKER_CAR = {RUNS!r}\n"
    )
    make_v2(path / "data", 10)
    return path


OPERATIONS_OF_VERBS = [
    (["jobs"], ["ListTrainingJobs"]),
    (["jobs", "--fleet"], ["Search", "GetProducts"]),
    (["models", "--fleet"], ["Search"]),
    (
        ["doctor"],
        [
            *("GetCallerIdentity", "GetRole", "GetBucketLocation", "ListObjectsV2", "DescribeImages"),
            *("DescribeRepositories", "ListServiceQuotas", "GetProducts", "GetObject"),
        ],
    ),
    (["stop", JOB], ["StopTrainingJob", "DescribeTrainingJob"]),
    (
        ["train", f"--attach={JOB}"],
        [
            *("DescribeTrainingJob", "DescribeLogStreams", "GetLogEvents", "GetProducts", "ListObjectsV2"),
            *("GetObject", "GetCallerIdentity"),
        ],
    ),
]


def test_no_verb_ends_in_a_traceback(server, car, capsys):
    """Real commands, whose first answers are wrong; each ends with an exit code of the manual."""
    inputs = [(verb, operation) for verb, operations in OPERATIONS_OF_VERBS for operation in operations]
    codes = set()
    requests = [Driver(server, str(car)).request]
    for number, (verb, operation) in zip(range(VERBS), itertools.cycle(inputs)):
        opened = open_car(str(car), flags={})
        opened.ledger.write(
            make_job(name=JOB, bucket="my-cars", base=f"{car}/models/pilot", requests=requests)
        )
        server.fuzz(operation, times=server.chance.choice((1, 4, 12)))
        fail_after(HANGS_S)
        code = cli.main(verb, car_path=str(car))
        out, err = capsys.readouterr()
        report = f"input {number}, {verb}, {operation}: {server.sent[:2000]!r}\n{out}\n{err}"
        assert code in (0, 1, 2, 3) and "unexpected error" not in err and "Traceback" not in out + err, report
        codes.add(code)
    assert len(codes) > 2
