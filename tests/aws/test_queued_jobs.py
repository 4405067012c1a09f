"""Jobs that wait in a queue of AWS Batch: in turn, exactly once, and out of it again."""

import json

import boto3
import pytest

from aws_cloud import error_message
from donkey_sagemaker.aws.errors import JobNameTaken
from donkey_sagemaker.aws.quotas import describe_small_quota
from donkey_sagemaker.aws.service_jobs import (
    CannotAskQueue,
    JobQueue,
    NoSuchQueue,
    QueueClosed,
    describe_too_old,
    is_known,
)
from donkey_sagemaker.cloud.errors import NoSuchJob, NotAllowed
from donkey_sagemaker.cloud.job_queue import make_queued_name
from stand_in_jobs import wait_for
from troubleshooting import find_missing

pytestmark = pytest.mark.skipif(
    not is_known(boto3.Session().client("batch", region_name="eu-west-1").meta.service_model.operation_names),
    reason="boto3 does not know service jobs",
)
QUEUE = "donkey-sagemaker"
QUOTA = "ml.m5.xlarge for training job usage"


def name_of(number):
    return make_queued_name("pilot", now=1.8e9 + number)


@pytest.fixture
def has_queue(administrator, aws):
    """Setup has created a queue for one instance."""
    assert administrator.types("setup", "--job-queue=1") == 0, administrator.err


@pytest.fixture
def queued(has_queue, open_cloud):
    """A function that opens the cloud of a car, or of a team, with that queue."""
    return lambda **values: open_cloud(job_queue=QUEUE, **values)


@pytest.fixture
def submit(queued, request_for):
    """A function that starts a job and returns its name."""

    def start(number, *, team="red", **values):
        request = request_for(name_of(number))
        request["Tags"] = [{"Key": "team", "Value": team}]
        queued(**values).start_job(request)
        return name_of(number)

    return start


def hold(aws, seconds=1000):
    """Jobs stay where they are until the clock is advanced."""
    aws.set(phase_s={"Starting": seconds})


def await_state(cloud, name, text, tries=400):
    """Asks until the state of a job is that one, in its words."""
    seen = []
    for _ in range(tries):
        state = cloud.describe_job(name)
        seen.append(describe(state))
        if seen[-1] == text:
            return state
    raise AssertionError(seen[-5:])


def describe(state):
    last = state.transitions[-1]
    return f"{last.status}: {last.message}" if state.secondary_status == "Waiting" else state.secondary_status


def test_teams_take_turns(aws, queued, submit):
    """Four jobs on one instance: each starts once, the place is known, and red's second waits for blue's."""
    cloud = queued()
    hold(aws)
    first, second, third = (submit(number) for number in range(3))
    await_state(cloud, first, "Starting")
    blue = submit(3, team="blue")
    await_state(cloud, blue, "Waiting: 1st of 3 in the queue donkey-sagemaker")
    await_state(cloud, second, "Waiting: 2nd of 3 in the queue donkey-sagemaker")
    await_state(cloud, third, "Waiting: 3rd of 3 in the queue donkey-sagemaker")
    assert [job.name for job in cloud.list_jobs()] == [blue, third, second, first]
    fleet = cloud.list_fleet(since=0)
    assert [(job.team, job.state.is_running) for job in fleet] == [
        *(("blue", True), ("red", True), ("red", True), ("red", True))
    ]
    for name in (first, blue, second, third):
        await_state(cloud, name, "Starting")
        aws.advance(1000)
        state = await_state(cloud, name, "Completed")
        assert state.name == name and cloud.open_log(name).read() == ["hello from train"]
    assert len({job.name for job in cloud.list_jobs()}) == len(cloud.list_fleet(since=0)) == 4
    started = aws.client("sagemaker").list_training_jobs(NameContains="AWSBatchdonkey-")
    assert len(started["TrainingJobSummaries"]) == 4


def test_stopped_while_it_waits(aws, queued, submit):
    """It leaves the queue at once and costs nothing; the one that trains is stopped as ever."""
    cloud = queued()
    hold(aws)
    first, second = submit(0), submit(1)
    await_state(cloud, first, "Starting")
    await_state(cloud, second, "Waiting: 1st of 1 in the queue donkey-sagemaker")
    cloud.stop_job(second)
    state = await_state(cloud, second, "Stopped")
    assert state.status == "Stopped" and not state.has_model and state.billable_s is None
    cloud.stop_job(second)  # has ended
    cloud.stop_job(first)
    await_state(cloud, first, "Stopped")
    assert not cloud.release_instances(first)


def test_submitted_twice(aws, queued, submit, request_for):
    """After a crash the same job is found by another process; a lost response does not repeat it."""
    hold(aws)
    aws.fault("lose_response", operation="SubmitServiceJob")
    name = submit(0)
    assert submit(0) == name  # of a process that knows nothing of the first
    aws.advance(900)  # Batch does not remember it for ever
    assert submit(0) == name
    assert len(queued().list_jobs()) == 1
    other = request_for(name)
    other["AlgorithmSpecification"]["TrainingImage"] += "2"
    assert error_message(JobNameTaken, lambda: queued().start_job(other)) == (
        f"There is already another job named {name} in the queue.\n"
        "Train again: `python manage.py sagemaker-train` gives the job a new name."
    )
    assert len(queued().list_jobs()) == 1


def test_what_batch_has_forgotten(aws, queued, submit, open_cloud):
    """Its training job is found by its name, also by a car without the setting."""
    name = submit(0)
    await_state(queued(), name, "Completed")
    gone = {"status": 404, "code": "ClientException", "message": "Service job does not exist"}
    aws.fault("error", operation="DescribeServiceJob", times=None, **gone)
    for cloud in (queued(), open_cloud()):
        assert cloud.describe_job(name).status == "Completed"
        assert cloud.open_log(name).read() == ["hello from train"]
        cloud.stop_job(name)
    assert error_message(NoSuchJob, lambda: queued().describe_job(name_of(7))).startswith(
        f"There is no job named {name_of(7)} on AWS in eu-west-1.\n"
    )


def test_the_quota_is_in_use_elsewhere(aws, queued, submit, request_for):
    """Batch tries again, as it is asked to, and the job trains when there is room."""
    cloud = queued()
    hold(aws)
    other = request_for("donkey-other")
    cloud.start_job(other)  # past the queue
    name = submit(0)
    reason = "Received status from SageMaker: The account-level service limit 'ml.m5.xlarge for training job"
    batch = aws.client("batch")
    wait_for(lambda: reason in str(batch.list_service_jobs(jobQueue=QUEUE, jobStatus="RUNNABLE")))
    assert describe(cloud.describe_job(name)) == "Waiting: 1st of 1 in the queue donkey-sagemaker"
    aws.advance(1000)
    aws.wait_for_job("donkey-other")
    aws.advance(10)
    await_state(cloud, name, "Starting")


def test_no_machine(aws, queued, submit):
    """Batch starts another training job once there is one; until then the job counts as waiting."""
    cloud = queued()
    aws.set(capacity={"ml.m5.xlarge": {"wait_s": 0, "fails": True}})
    name = submit(0)
    for _ in range(50):
        assert cloud.describe_job(name).is_running
    assert describe(cloud.describe_job(name)) == "Waiting: 1st of 1 in the queue donkey-sagemaker"
    aws.set(capacity={"ml.m5.xlarge": {"fails": False}})
    aws.advance(10)
    await_state(cloud, name, "Completed")


def test_preflight(aws, queued, open_cloud, request_for):
    """The queue exists and takes jobs; otherwise the message says what to do."""

    def check(cloud):
        return {each.subject: each for each in cloud.preflight([request_for()])}.get("job queue")

    assert check(queued()).text == QUEUE
    assert check(open_cloud()) is None
    missing = check(open_cloud(job_queue="other"))
    assert isinstance(missing.error, NoSuchQueue)
    assert missing.error.what == "There is no job queue named other in eu-west-1."
    aws.set(denied=["batch:DescribeJobQueues"])
    assert "batch:DescribeJobQueues" in check(queued()).error.what


def test_an_old_boto3():
    """It says so, and what happens instead."""
    assert not is_known(["SubmitJob"])
    assert describe_too_old("1.23.10", 3600) == (
        "boto3 1.23.10 cannot use job queues, which need 1.40 and Python 3.9. Without the queue, this command"
        " waits up to 60 minutes for other jobs to end, if they use all of the quota"
    )


def test_the_keys_of_two_cars(aws, has_queue, administrator, open_cloud, request_for, monkeypatch):
    """Each adds jobs in its own name, sees its place, and takes only its own jobs out of the queue."""
    iam = aws.client("iam")
    clouds, roles = {}, {}
    for user in ("blue", "red"):
        key = aws.create_car_key(user)
        assert administrator.types("setup", "--job-queue=1", f"--user={user}") == 0, administrator.err
        assert f"  SAGEMAKER_JOB_QUEUE = '{QUEUE}'\n  SAGEMAKER_FOLDER = '{user}'\n" in administrator.out
        (roles[user],) = (
            each["Arn"] for each in iam.list_roles(PathPrefix=f"/donkey-sagemaker/{user}/")["Roles"]
        )
        request = request_for(name_of(user == "red"))
        with monkeypatch.context() as patched:
            for variable, value in key.items():
                patched.setenv(variable, value)
            clouds[user] = open_cloud(job_queue=QUEUE, folder=user)
            hold(aws)
            clouds[user].start_job(dict(request, RoleArn=roles[user]))
    blue, red = name_of(False), name_of(True)
    await_state(clouds["blue"], blue, "Starting")
    await_state(clouds["red"], red, "Waiting: 1st of 1 in the queue donkey-sagemaker")
    assert "batch:TerminateServiceJob" in error_message(NotAllowed, lambda: clouds["blue"].stop_job(red))
    foreign = dict(request_for(name_of(7)), RoleArn=roles["red"])
    assert "iam:PassRole" in error_message(NotAllowed, lambda: clouds["blue"].start_job(foreign))
    queue = JobQueue(clouds["blue"]._connection, QUEUE)
    own = dict(foreign, RoleArn=roles["blue"])
    denied = error_message(NotAllowed, lambda: queue.submit(own, share="red", car="red"))
    assert "batch:SubmitServiceJob" in denied
    clouds["red"].stop_job(red)
    await_state(clouds["red"], red, "Stopped")
    clouds["blue"].stop_job(blue)
    await_state(clouds["blue"], blue, "Stopped")


def test_setup(administrator, aws, submit):
    """The queue is created, gets another size, and is deleted; not while a job waits in it."""
    hold(aws)
    submit(0), submit(1)
    assert f"SAGEMAKER_JOB_QUEUE = '{QUEUE}'" in "\n".join(administrator.settings)
    assert administrator.types("setup", "--teardown", "--yes") == 2
    assert administrator.err.splitlines()[-2].endswith(f"{name_of(1)}, {name_of(0)} are still running.")
    assert administrator.types("setup", "--job-queue=2") == 0
    assert administrator.out.splitlines()[1] == "  change  JobEnvironment AWS::Batch::ServiceEnvironment"
    warning = "Warning: " + describe_small_quota(QUOTA, 1, 2, "eu-west-1")
    assert f"{warning}\n" in administrator.out
    assert administrator.types("setup", "--job-queue=3", "--dry-run") == 0
    assert "Warning: " + describe_small_quota(QUOTA, 1, 3, "eu-west-1") in administrator.out
    aws.set(quotas={QUOTA: 2})
    assert administrator.types("setup", "--job-queue=2") == 0 and "Warning" not in administrator.out
    assert administrator.types("setup") == 0 and "up to date" in administrator.out
    assert administrator.types("setup", "--no-job-queue") == 0
    deleted = [line for line in administrator.out.splitlines() if line.startswith("  delete  Job")]
    assert len(deleted) == 3
    assert "myconfig.py: SAGEMAKER_JOB_QUEUE = None\n" in administrator.out
    assert administrator.types("setup", "--job-queue=1001") == 2
    assert "--job-queue=1001 is not a number from 1 to 1000." in administrator.err


def test_a_payload_of_another_program(aws, queued, submit):
    """Whatever a car has sent: the lists of all others stay readable."""
    hold(aws)
    submit(0)
    batch = aws.client("batch")
    for number, payload in enumerate(
        (
            {"ResourceConfig": {"InstanceCount": 1}, "RoleArn": aws.role_arn, "Tags": 5},
            {"ResourceConfig": {"InstanceCount": 1}, "RoleArn": aws.role_arn, "InputDataConfig": [[]]},
        )
    ):
        batch.submit_service_job(
            jobName=name_of(number + 5),
            jobQueue=QUEUE,
            serviceJobType="SAGEMAKER_TRAINING",
            shareIdentifier="other",
            serviceRequestPayload=json.dumps(payload),
        )
    await_state(queued(), name_of(0), "Starting")
    assert {job.name for job in queued().list_jobs()} == {name_of(number) for number in (0, 5, 6)}
    assert len(queued().list_fleet(since=0)) == 3


def test_troubleshooting(repo_path):
    """The page has each of these messages."""
    too_old = "Warning: job queue: " + describe_too_old("1.23.10", 3600)
    errors = [
        NoSuchQueue(QUEUE, "eu-west-1"),
        QueueClosed(QUEUE, "is disabled (valid)", region="eu-west-1"),
    ]
    assert find_missing(repo_path, [(error.what, error.fix) for error in errors]) == []
    with open(f"{repo_path}/docs/troubleshooting.md", encoding="utf-8") as file:
        page = file.read()
    small = "Warning: " + describe_small_quota(QUOTA, 1, 4, "eu-west-1")
    assert f"### {too_old}\n" in page and f"### {small}\n" in page
    unknown = CannotAskQueue("donkey-pilot-qmx1rtofg")
    assert unknown.what.replace(boto3.__version__, "1.23.10") in page and unknown.fix in page
