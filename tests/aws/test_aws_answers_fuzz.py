"""Hundreds of answers that AWS never gives, seeded: each ends in a result or in an explained error."""

import itertools
import os
import signal

import pytest

from aws_cloud import bare_settings, message
from donkey_sagemaker import cli
from donkey_sagemaker.aws import connection as connection_module
from donkey_sagemaker.aws.answers import ANSWERS
from donkey_sagemaker.aws.backend import AwsCloud
from donkey_sagemaker.aws.bucket import Bucket
from donkey_sagemaker.aws.builder import Builder
from donkey_sagemaker.aws.connection import Connection, Timing
from donkey_sagemaker.aws.stack import Plan, Stack
from donkey_sagemaker.cloud.images import Image
from donkey_sagemaker.cloud.request import JobKeys, make_request
from donkey_sagemaker.errors import DonkeySagemakerError
from donkey_sagemaker.training.watch import watch
from donkey_sagemaker.ui import PlainUi
from fuzzed_aws import IMAGE, JOB, OBJECT, ROLE, STACK, FuzzedAws

SEED = int(os.environ.get("FUZZ_SEED", "15"))
INPUTS = int(os.environ.get("FUZZ_INPUTS", "640"))
VERBS = 60
LONGEST_S = 5
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
        watch(self.cloud, PlainUi(), JOB, whole_log=True, sleep=self.sleep)

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
            "ListTrainingJobs": lambda: self.cloud.list_jobs(),
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
        }
        return steps.get(operation, self.preflight)

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
    for number, operation in zip(range(INPUTS), itertools.cycle(sorted(ANSWERS))):
        server.fuzz(operation)
        driver.sleep = Sleep()
        fail_after(LONGEST_S)
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
