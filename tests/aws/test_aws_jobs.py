"""Training jobs on AWS: started, refused, described, listed and stopped."""

import json
import time

import pytest

from aws_cloud import JOB, LOGIN_FIX, QUOTAS_PAGE, REGISTRY, ROLE_FIX, STOCK_IMAGE, USER, error_message
from donkey_sagemaker.aws.errors import BadRole, JobNameTaken, NoSuchImage
from donkey_sagemaker.aws.limits import RequestOutOfLimits
from donkey_sagemaker.cloud.errors import NoCapacity, NoQuota, NoSuchJob, NotAllowed
from donkey_sagemaker.cloud.images import Image
from donkey_sagemaker.cloud.machines import has_fixed_disk
from donkey_sagemaker.errors import CloudRefused

JOB_ARN = "arn:aws:sagemaker:eu-west-1:123456789012:training-job/" + JOB


def test_job_runs_to_its_end(aws, cloud, request_for):
    """A job runs; its times are seconds since the epoch, and its whole log can be read."""
    request = request_for()
    before = time.time()
    cloud.start_job(request)
    aws.wait_for_job(JOB)
    job = cloud.describe_job(JOB)
    assert job.status == "Completed" and not job.is_running
    assert job.role_arn == cloud.role_arn and job.image == request["AlgorithmSpecification"]["TrainingImage"]
    assert before - 1 < job.created <= job.training_started <= job.training_ended < before + 60
    assert [each.status for each in job.transitions][-1] == job.secondary_status == "Completed"
    log = cloud.open_log(JOB)
    assert log.read() == ["hello from train"]
    assert log.read() == []


def test_complete_request_is_sent(connection, cloud, request_for):
    """boto3 1.23 does not know ContainerEntrypoint, but AWS receives it."""
    request = request_for(image=Image(STOCK_IMAGE, stock=True), keep_alive_s=60)
    request["Unheard"] = {"Of": [1]}
    sent = []
    connection.client("sagemaker").meta.events.register(
        "before-send.sagemaker.CreateTrainingJob", lambda request, **_: sent.append(json.loads(request.body))
    )
    with pytest.raises(CloudRefused):
        cloud.start_job(request)
    assert sent == [request]
    assert "ContainerEntrypoint" in sent[0]["AlgorithmSpecification"]


def test_lost_response(aws, cloud, request_for, pauses):
    """The job that was started is recognized, and there is only one."""
    request = request_for()
    aws.fault("lose_response", operation="CreateTrainingJob")
    cloud.start_job(request)
    assert len(aws.requests("sagemaker", "CreateTrainingJob")) == 2 and len(pauses) == 1
    assert [job.name for job in cloud.list_jobs()] == [JOB]


def test_another_process_has_started_it(aws, cloud, request_for):
    """The job itself uses the quota: it is recognized, whichever of the two AWS complains about."""
    request = request_for()
    cloud.start_job(request)
    in_use = (
        "The account-level service limit 'ml.m5.xlarge for training job usage' is 1 Instances, with current"
    )
    in_use += " utilization of 1 Instances and a request delta of 1 Instances."
    error = {"code": "ResourceLimitExceeded", "message": in_use, "status": 400}
    aws.fault("error", operation="CreateTrainingJob", **error)
    cloud.start_job(request)
    aws.fault("error", operation="CreateTrainingJob", **error)
    with pytest.raises(NoQuota):
        cloud.start_job(dict(request, TrainingJobName="donkey-another"))


def test_job_name_is_taken(cloud, request_for):
    """A job of the same name with other input is a different job."""
    request = request_for()
    cloud.start_job(request)
    cloud.start_job(request)  # exactly the same: it counts as started
    request["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"] += "2"
    assert (
        error_message(JobNameTaken, lambda: cloud.start_job(request))
        == "There is already another job named donkey-pilot-1 [ResourceInUse].\n"
        "Train again: `python manage.py sagemaker-train` gives the job a new name."
    )


def test_request_out_of_limits_is_not_sent(aws, cloud, request_for):
    """A request that breaks a rule of AWS is rejected before it is sent."""
    request = request_for()
    request["Tags"] = [{"Key": "x" * 129, "Value": ""}]
    with pytest.raises(RequestOutOfLimits):
        cloud.start_job(request)
    assert not aws.requests("sagemaker")


def set_type(instance_type):
    def change(request):
        request["ResourceConfig"]["InstanceType"] = instance_type
        if has_fixed_disk(instance_type):
            del request["ResourceConfig"]["VolumeSizeInGB"]

    return change


def set_image(uri):
    def change(request):
        request["AlgorithmSpecification"]["TrainingImage"] = uri

    return change


def set_role(arn):
    def change(request):
        request["RoleArn"] = arn

    return change


def set_uri(uri):
    def change(request):
        request["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"] = uri

    return change


def unchanged(request):
    pass


PASS_ROLE = """{
  "Effect": "Allow",
  "Action": "iam:PassRole",
  "Resource": "arn:aws:iam::123456789012:role/donkey-sagemaker",
  "Condition": {
    "StringEquals": {
      "iam:PassedToService": "sagemaker.amazonaws.com"
    }
  }
}"""

INPUT_FIX = "Give the role in SAGEMAKER_ROLE_ARN the permissions s3:ListBucket and s3:GetObject on"
INPUT_FIX += " that bucket."


# Changes of the account and of the request; the error and its message
REJECTED_REQUESTS = {
    "quota": (
        {},
        set_type("ml.g4dn.xlarge"),
        NoQuota,
        "This account's quota for ml.g4dn.xlarge for training job usage in eu-west-1 is 0, with 0 in use "
        '[ResourceLimitExceeded].\nSet SAGEMAKER_INSTANCE_TYPE = "ml.m5.large", which has quota, or request '
        "a higher one, by that name, at " + QUOTAS_PAGE,
    ),
    "quota, no access to the others": (
        {"denied": ["servicequotas:*"]},
        set_type("ml.g4dn.xlarge"),
        NoQuota,
        "This account's quota for ml.g4dn.xlarge for training job usage in eu-west-1 is 0, with 0 in use "
        "[ResourceLimitExceeded].\nRequest a higher one, by that name, at " + QUOTAS_PAGE,
    ),
    "not in this region": (
        {},
        set_type("ml.p2.xlarge"),
        NoCapacity,
        (
            "There are no ml.p2.xlarge instances in eu-west-1 [ResourceLimitExceeded].\n"
            "Set SAGEMAKER_INSTANCE_TYPE to another type, such as a newer one of the same size."
        ),
    ),
    "unsupported type": (
        {"unsupported": ["ml.m5.2xlarge"]},
        set_type("ml.m5.2xlarge"),
        NoCapacity,
        (
            "SageMaker does not train on this instance type [ValidationException]: Unsupported instance"
            ' type ml.m5.2xlarge\nSet SAGEMAKER_INSTANCE_TYPE to a supported type, such as "ml.m5.xlarge".'
        ),
    ),
    "no such type": (
        {},
        set_type("ml.m5.gigantic"),
        NoCapacity,
        None,
    ),
    "pass role": (
        {"denied": ["iam:PassRole"]},
        unchanged,
        NotAllowed,
        USER + " is not allowed to use iam:PassRole on arn:aws:iam::123456789012:role/donkey-sagemaker "
        "[AccessDeniedException]: no identity-based policy allows the iam:PassRole action.\n"
        "Add this statement to the policy of that user or role:\n" + PASS_ROLE,
    ),
    "create": (
        {"denied": ["sagemaker:CreateTrainingJob"]},
        unchanged,
        NotAllowed,
        USER
        + " is not allowed to use sagemaker:CreateTrainingJob on "
        + JOB_ARN
        + " [AccessDeniedException]: no "
        "identity-based policy allows the sagemaker:CreateTrainingJob action.\n"
        'Add this statement to the policy of that user or role:\n{\n  "Effect": "Allow",\n'
        '  "Action": "sagemaker:CreateTrainingJob",\n'
        '  "Resource": "arn:aws:sagemaker:eu-west-1:123456789012:training-job/donkey-*"\n}',
    ),
    "role": (
        {},
        set_role("arn:aws:iam::123456789012:role/nobody"),
        BadRole,
        "The role arn:aws:iam::123456789012:role/nobody cannot be assumed by SageMaker "
        "[ValidationException].\n" + ROLE_FIX,
    ),
    "input": (
        {},
        set_uri("s3://donkey-stand-in/nothing"),
        CloudRefused,
        "SageMaker finds no data at s3://donkey-stand-in/nothing [ValidationException].\n" + INPUT_FIX,
    ),
    "image": (
        {},
        set_image(REGISTRY + "donkey-sagemaker:dk99-cpu"),
        NoSuchImage,
        "There is no image " + REGISTRY + "donkey-sagemaker:dk99-cpu [ValidationException].\n"
        'Correct SAGEMAKER_IMAGE in myconfig.py, or set it to "auto".',
    ),
    "repository": (
        {},
        set_image(REGISTRY + "nothing:1"),
        NoSuchImage,
        (
            "There is no image nothing in registry ID: 123456789012 [ValidationException].\n"
            'Correct SAGEMAKER_IMAGE in myconfig.py, or set it to "auto".'
        ),
    ),
    "image of another account": (
        {},
        set_image("999999999999.dkr.ecr.eu-west-1.amazonaws.com/x:1"),
        CloudRefused,
        (
            "SageMaker is not allowed to read the training image [ValidationException]: Access denied for"
            " repository: x in registry ID: 999999999999.\nGive the role in SAGEMAKER_ROLE_ARN the"
            " permissions ecr:BatchGetImage and ecr:GetDownloadUrlForLayer on it."
        ),
    ),
    "image of another region": (
        {},
        set_image("123456789012.dkr.ecr.us-east-1.amazonaws.com/x:1"),
        CloudRefused,
        (
            "SageMaker cannot use this training image [ValidationException]: Invalid training image. Please"
            " provide a valid Amazon Elastic Container Registry path of the Docker image to run.\nPush it to"
            " a private ECR repository in eu-west-1 and set SAGEMAKER_IMAGE to its URI."
        ),
    ),
    "login": (
        {"expired": True},
        unchanged,
        CloudRefused,
        "Your AWS login has expired [ExpiredTokenException]. A job that has started keeps running.\n"
        + LOGIN_FIX,
    ),
}


@pytest.mark.parametrize("case", REJECTED_REQUESTS)
def test_rejected_request(case, aws, cloud, request_for):
    """Each error of CreateTrainingJob says what is wrong and the one thing to do."""
    account, change, kind, expected = REJECTED_REQUESTS[case]
    request = request_for()
    aws.set(**account)
    change(request)
    text = error_message(kind, lambda: cloud.start_job(request))
    assert expected is None or text == expected


def test_quota_in_use(aws, cloud, request_for):
    """The error says that another job uses the quota."""
    aws.set(phase_s={"Starting": 600})
    cloud.start_job(request_for("donkey-1"))
    text = error_message(NoQuota, lambda: cloud.start_job(request_for("donkey-2")))
    assert text.startswith(
        "This account's quota for ml.m5.xlarge for training job usage in eu-west-1 is 1, with 1 in use "
        "[ResourceLimitExceeded].\n"
    )


def test_no_such_job(cloud):
    """A missing job can be neither described nor stopped."""
    expected = (
        "There is no job named donkey-nobody on AWS in eu-west-1.\n"
        "`python manage.py sagemaker-jobs` lists the jobs that exist."
    )
    assert error_message(NoSuchJob, lambda: cloud.describe_job("donkey-nobody")) == expected
    assert error_message(NoSuchJob, lambda: cloud.stop_job("donkey-nobody")) == expected


def test_stop(aws, cloud, request_for):
    """A job is stopped; stopping it again after its end does nothing."""
    aws.set(phase_s={"Starting": 600})
    cloud.start_job(request_for())
    cloud.stop_job(JOB)
    aws.wait_for_job(JOB)
    assert cloud.describe_job(JOB).status == "Stopped"
    cloud.stop_job(JOB)


def test_list_is_sorted_and_has_several_pages(aws, cloud, request_for):
    """All jobs of this program are listed, the newest first, and no others."""
    aws.set(quotas={"ml.m5.xlarge for training job usage": 20})
    names = [f"donkey-{number}" for number in range(12)]
    for name in names[:6] + ["not-donkey-like"] + names[6:]:
        cloud.start_job(request_for(name))
    jobs = cloud.list_jobs()
    assert [job.name for job in jobs] == names[::-1]
    assert isinstance(jobs[0].created, float)
    assert len(aws.requests("sagemaker", "ListTrainingJobs")) == 2
