"""Answers that are not AWS's: captive portals, proxies, and whatever lacks what an operation must return."""

import ast
import os

import boto3
import pytest

import donkey_sagemaker.aws
from aws_cloud import BODY, JOB, KEY, error_message
from donkey_sagemaker.aws.answers import ANSWERS, ForeignAnswer, check_answer, describe_page
from donkey_sagemaker.cloud.errors import NotAllowed, Unreachable

SERVICES = (
    *("s3", "sagemaker", "logs", "sts", "iam", "ecr", "codebuild", "cloudformation", "service-quotas"),
    *("pricing", "batch"),
)
PAGE = "<html><head><title>Hotel Wi-Fi</title></head><body>Log in<br></body></html>"
XHTML = (
    '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title>Hotel Wi-Fi</title></head>'
    "<body><p>Log in</p></body></html>"
)
FOREIGN = {
    "page": {"status": 200, "code": "text/html; charset=utf-8", "message": PAGE},
    "xhtml": {"status": 200, "code": "application/xhtml+xml", "message": XHTML},
    "empty": {"status": 200, "code": "text/plain", "message": ""},
    "json": {"status": 200, "code": "application/json", "message": '{"login": true}'},
    "forbidden": {"status": 403, "code": "text/html", "message": PAGE},
    "missing": {"status": 404, "code": "text/html", "message": ""},
    "redirect": {"status": 302, "code": "text/html", "message": PAGE},
    "unavailable": {"status": 503, "code": "text/html", "message": PAGE},
}
METADATA = {"RequestId": "1", "HTTPStatusCode": 200}


def test_every_operation_has_a_row():
    """What the package calls is checked, and nothing else is listed."""
    operations = set()
    for service in SERVICES:
        client = boto3.Session().client(service, region_name="eu-west-1")
        operations.update(client.meta.service_model.operation_names)
    texts = set()
    (folder,) = donkey_sagemaker.aws.__path__
    for name in os.listdir(folder):
        if name.endswith(".py") and name not in ("answers.py", "policies.py"):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                tree = ast.parse(file.read())
            # Text is a Constant with a value, or in Python 3.6 a Str with an s
            texts.update(
                text
                for node in ast.walk(tree)
                for text in [getattr(node, "value", getattr(node, "s", None))]
                if isinstance(text, str)
            )
    by_botocore = {"AssumeRole", "AssumeRoleWithWebIdentity"}
    too_new = {name for name in ANSWERS if "ServiceJob" in name or name == "GetJobQueueSnapshot"}
    known = set(ANSWERS) - (too_new - operations)  # boto3 for Python 3.6 lacks them
    assert texts & operations == known | by_botocore


def use_everything(cloud, folder):
    """Each operation that a training needs; returns what came back."""
    list(cloud.preflight([]))
    cloud.put(KEY, BODY)
    assert cloud.list_objects(KEY) == {KEY: len(BODY)}
    path = os.path.join(str(folder), "object")
    cloud.download(KEY, path, advance=lambda count: None)
    with open(path, "rb") as file:
        assert file.read() == BODY
    os.remove(path)
    assert [job.name for job in cloud.list_jobs()] == [JOB]
    assert cloud.describe_job(JOB).status == "Completed"
    assert cloud.open_log(JOB).read() == ["hello from train"]
    cloud.stop_job(JOB)


@pytest.fixture
def done(aws, cloud, request_for):
    """A job that has ended."""
    cloud.start_job(request_for())
    aws.wait_for_job(JOB)


@pytest.mark.parametrize("answer", FOREIGN)
def test_what_is_not_an_answer_is_asked_again(answer, aws, open_cloud, done, tmp_path, pauses):
    """Each operation meets a portal once; whatever that answers, it is believed by none."""
    operations = [
        *("GetCallerIdentity", "GetRole", "ListTrainingJobs", "DescribeTrainingJob", "DescribeLogStreams"),
        *("GetLogEvents", "StopTrainingJob"),
    ]
    if answer != "redirect":  # botocore follows S3's by itself
        operations += ["GetBucketLocation", "ListObjectsV2", "PutObject", "GetObject"]
    for operation in operations:
        aws.fault("foreign", operation=operation, **FOREIGN[answer])
    use_everything(open_cloud(), tmp_path)
    assert len(pauses) == len(operations)


@pytest.mark.parametrize("answer", FOREIGN)
def test_a_job_is_not_believed_to_run(answer, aws, cloud, request_for):
    """The portal's answer is none; then AWS starts one job."""
    request = request_for()
    aws.fault("foreign", operation="CreateTrainingJob", times=2, **FOREIGN[answer])
    cloud.start_job(request)
    assert [job.name for job in cloud.list_jobs()] == [JOB]
    assert len(aws.requests("sagemaker", "CreateTrainingJob")) == 3


@pytest.mark.parametrize(
    "answer, why",
    [
        ("page", 'it is the web page "Hotel Wi-Fi".'),
        ("empty", "it has no TrainingJobSummaries."),
        ("forbidden", 'it is the web page "Hotel Wi-Fi".'),
    ],
)
def test_a_portal_that_stays_is_named(answer, why, aws, cloud, pauses):
    """After several tries."""
    aws.fault("foreign", operation="ListTrainingJobs", times=None, **FOREIGN[answer])
    assert error_message(Unreachable, cloud.list_jobs) == (
        f"The answer to ListTrainingJobs is not from AWS [ForeignAnswer]: {why} A captive portal or a proxy "
        "may have sent it.\n"
        "Open a web page in a browser on this network and log in, or use another network; then run the "
        "command again: it continues where it stopped."
    )
    assert len(pauses) == 5


def test_a_bucket_whose_region_is_not_answered(aws, cloud, pauses):
    """A 500 whose body botocore cannot read is sent again; for as long as it stays, the check is left out."""
    aws.fault("foreign", operation="GetBucketLocation", times=2, status=500, code="text/plain", message="x")
    findings = {each.subject: each for each in cloud.preflight([])}
    assert findings["bucket"].text == "donkey-stand-in in eu-west-1" and len(pauses) == 2
    aws.fault(
        "foreign", operation="GetBucketLocation", times=None, status=500, code="text/plain", message="x"
    )
    findings = {each.subject: each for each in cloud.preflight([])}
    assert findings["bucket"].text == "donkey-stand-in in a region that AWS does not name at the moment"
    assert findings["bucket"].error is None


def test_a_role_that_iam_does_not_describe_stops_no_job(aws, cloud):
    """The check is left out: only one that found something wrong may stop a training."""
    aws.fault("error", operation="GetRole", times=None)
    (role,) = [each for each in cloud.preflight([]) if each.subject == "role"]
    assert role.error is None and not role.checked and "InternalError" in role.text


def test_a_lost_job_that_may_not_be_described_is_not_forgotten(aws, cloud, request_for):
    """It may run, so the launch counts as unanswered: the same command finds out."""
    request = request_for()
    aws.fault("lose_response", operation="CreateTrainingJob")
    aws.set(denied=["sagemaker:DescribeTrainingJob"])
    message = error_message(Unreachable, lambda: cloud.start_job(request))
    assert "is not allowed to use sagemaker:DescribeTrainingJob" in message
    aws.set(denied=[])
    cloud.start_job(request)
    assert [job.name for job in cloud.list_jobs()] == [JOB]


@pytest.mark.parametrize("code", ["ResourceLimitExceeded", "ExpiredTokenException", "AccessDeniedException"])
def test_a_lost_job_is_found_whatever_the_next_try_meets(code, aws, cloud, request_for):
    """It uses the quota itself, for instance."""
    request = request_for()
    aws.fault("lose_response", operation="CreateTrainingJob")
    aws.fault("error", operation="CreateTrainingJob", status=400, code=code, message="No.")
    cloud.start_job(request)
    assert [job.name for job in cloud.list_jobs()] == [JOB]


def test_a_rejected_job_is_not_looked_for(aws, cloud, request_for):
    """Where no response was lost, the job does not exist."""
    request = request_for()
    aws.fault("error", operation="CreateTrainingJob", status=400, code="AccessDeniedException", message="No.")
    with pytest.raises(NotAllowed):
        cloud.start_job(request)
    assert not aws.requests("sagemaker", "DescribeTrainingJob")


def test_pages_without_an_end(aws, cloud, connection):
    """A token that comes again would be followed for ever."""
    connection.call = lambda *request: {"TrainingJobSummaries": [], "NextToken": "again"}
    message = error_message(Unreachable, cloud.list_jobs)
    assert "its NextToken is that of an earlier page" in message


@pytest.mark.parametrize(
    "operation, response, problem",
    [
        ("PutObject", {}, "it has no ETag."),
        ("PutObject", {"ETag": 5}, "its ETag is not a text."),
        ("CreateTrainingJob", {"TrainingJobArn": None}, "it has no TrainingJobArn."),
        ("GetCallerIdentity", {"Account": "x", "Arn": "arn:aws:iam::1:user/x"}, "its Account is 'x'."),
        ("ListObjectsV2", {"Name": "b", "Contents": {}}, "its Contents is not a list."),
        ("ListObjectsV2", {"Name": "b", "Contents": [3]}, "its Contents is not a structure."),
        ("ListObjectsV2", {"Name": "b", "Contents": [{"Size": 1}]}, "it has no Contents.Key."),
        (
            "ListObjectsV2",
            {"Name": "b", "Contents": [{"Key": "k", "Size": 10**400}]},
            "its Contents.Size is not a possible number.",
        ),
        (
            "ListObjectsV2",
            {"Name": "b", "Contents": [{"Key": "k", "Size": float("nan")}]},
            "its Contents.Size is not a possible number.",
        ),
        (
            "DescribeTrainingJob",
            {"TrainingJobName": "j", "TrainingJobStatus": "Login"},
            "its TrainingJobStatus is 'Login'.",
        ),
        ("DescribeStacks", {"Stacks": []}, "its Stacks has 0 members."),
        ("StopTrainingJob", {"ResponseMetadata": {}}, "it has no request id."),
    ],
)
def test_what_is_missing_is_named(operation, response, problem):
    """Members that must be there, and their types."""
    with pytest.raises(ForeignAnswer) as caught:
        check_answer(operation, dict({"ResponseMetadata": METADATA}, **response))
    assert str(caught.value) == problem


def test_what_is_recognized_of_a_portal():
    """Where it leads to, or the title of its page."""
    assert describe_page(PAGE, {}) == 'it is the web page "Hotel Wi-Fi".'
    assert describe_page("<HTML>", {}) == "it is a web page."
    assert (
        describe_page("", {"location": "http://10.0.0.1/login"}) == "it redirects to http://10.0.0.1/login."
    )
    assert describe_page("<title" * 10**6, {}) == ""  # within seconds
    assert describe_page('{"message": "Rate exceeded"}', {}) == ""
