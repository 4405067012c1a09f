"""The stand-in's other services: logs, quotas, prices and S3, and who may use them."""

import base64
import json
import re
import time
from email.utils import parsedate_to_datetime
from typing import Any, Dict, List, Tuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, ConnectionClosedError

from aws_fixture import AwsStandIn
from stand_in_jobs import GROUP, Container, aws_error, creation_error, read_log, run_job

# Logs


def test_no_log_group(aws: AwsStandIn) -> None:
    """Before an account's first job there is no log group."""
    logs = aws.client("logs")
    expected = ("ResourceNotFoundException", "The specified log group does not exist.")
    assert aws_error(logs.describe_log_streams, logGroupName=GROUP) == expected
    assert aws_error(logs.get_log_events, logGroupName=GROUP, logStreamName="donkey-1/algo-1-1") == expected


def test_late_lines(aws: AwsStandIn, container: Container) -> None:
    """Lines, and the group itself, may appear long after the job has ended."""
    container("print('hello')")
    aws.set(log_delay_s=30)
    run_job(aws)
    logs = aws.client("logs")
    assert aws_error(logs.describe_log_streams, logGroupName=GROUP)[0] == "ResourceNotFoundException"
    aws.advance(31)
    assert read_log(aws) == ["hello"]
    assert aws_error(logs.get_log_events, logGroupName=GROUP, logStreamName="donkey-1/algo-9-1") == (
        "ResourceNotFoundException",
        "The specified log stream does not exist.",
    )


@pytest.mark.parametrize("empty_pages", [False, True])
def test_log_pages(aws: AwsStandIn, container: Container, empty_pages: bool) -> None:
    """A token that is returned unchanged is the end; an empty page is not."""
    container("for number in range(5): print(number)")
    aws.set(log_page_events=2, log_empty_pages=empty_pages)
    run_job(aws)
    logs = aws.client("logs")
    (stream,) = logs.describe_log_streams(logGroupName=GROUP)["logStreams"]
    where = {"logGroupName": GROUP, "logStreamName": stream["logStreamName"]}
    pages: List[List[str]] = []
    page = logs.get_log_events(startFromHead=True, **where)
    while True:
        pages.append([event["message"] for event in page["events"]])
        token = page["nextForwardToken"]
        page = logs.get_log_events(nextToken=token, startFromHead=True, **where)
        if page["nextForwardToken"] == token:
            break
    full = [["0", "1"], ["2", "3"], ["4"]]
    assert pages == ([[], full[0], [], full[1], [], full[2]] if empty_pages else full)
    assert page["events"] == []
    latest = logs.get_log_events(limit=1, **where) if not empty_pages else {"events": [{"message": "4"}]}
    assert [event["message"] for event in latest["events"]] == ["4"]
    assert aws_error(logs.get_log_events, nextToken="x", **where) == (
        "InvalidParameterException",
        "The specified nextToken is invalid.",
    )


# Quotas and prices


def test_events_reach_a_topic_that_allows_it(aws: AwsStandIn, container: Container) -> None:
    """A rule publishes only where the topic's policy lets it; what fails is not lost silently."""
    template = """
Parameters: {{}}
Resources:
  Topic: {{Type: "AWS::SNS::Topic", Properties: {{}}}}
  Email:
    Type: AWS::SNS::Subscription
    Properties: {{TopicArn: !Ref Topic, Protocol: email, Endpoint: me@example.com}}
  Rule:
    Type: AWS::Events::Rule
    Properties:
      EventPattern: {{source: [aws.sagemaker], detail: {{TrainingJobStatus: [Completed]}}}}
      Targets:
        - Id: topic
          Arn: !Ref Topic
          InputTransformer:
            InputPathsMap: {{job: $.detail.TrainingJobName, none: $.detail.Nothing}}
            InputTemplate: '"<job> <none>."'
  Policy:
    Type: AWS::SNS::TopicPolicy
    Properties:
      Topics: [!Ref Topic]
      PolicyDocument:
        Statement:
          - {{Effect: Allow, Principal: {{Service: {service}}}, Action: "sns:Publish", Resource: !Ref Topic}}
"""
    container("")
    cloudformation = aws.client("cloudformation")

    def deploy(name: str, *, service: str) -> None:
        change_set = {"StackName": name, "ChangeSetName": "first"}
        cloudformation.create_change_set(
            ChangeSetType="CREATE",
            TemplateBody=template.format(service=service),
            Capabilities=["CAPABILITY_IAM"],
            **change_set,
        )
        cloudformation.execute_change_set(**change_set)

    deploy("ours", service="events.amazonaws.com")
    run_job(aws, "donkey-1")  # before anybody has agreed to get e-mails
    aws.confirm_email("me@example.com")
    run_job(aws, "donkey-2")
    assert [mail["text"] for mail in aws.mails()[1:]] == ['"donkey-2 ."']  # what an event lacks is left out
    deploy("theirs", service="s3.amazonaws.com")
    run_job(aws, "donkey-3")
    with pytest.raises(AssertionError, match="rule/theirs-Rule-1A2B3C is not authorized"):
        aws.mails()


def test_quotas(aws: AwsStandIn) -> None:
    """Quotas are listed on several pages, and may be those of the account or AWS's defaults."""
    aws.set(quotas={"ml.g5.xlarge for spot training job usage": 4})
    client = aws.client("service-quotas")
    pages = list(client.get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker"))
    assert len(pages) > 1
    values = {quota["QuotaName"]: quota["Value"] for page in pages for quota in page["Quotas"]}
    assert values["ml.g5.xlarge for spot training job usage"] == 4
    assert values["ml.g5.xlarge for training job usage"] == 0
    assert values["ml.m5.large for training job usage"] == 1

    aws.set(lists_own_quotas=False)
    assert client.list_service_quotas(ServiceCode="sagemaker")["Quotas"] == []
    pages = list(client.get_paginator("list_aws_default_service_quotas").paginate(ServiceCode="sagemaker"))
    values = {quota["QuotaName"]: quota["Value"] for page in pages for quota in page["Quotas"]}
    assert values["ml.g5.xlarge for spot training job usage"] == 0


def test_prices(aws: AwsStandIn) -> None:
    """The price list contains training among other uses, and is served in few regions."""
    terms = {"regionCode": "eu-west-1", "instanceName": "ml.g4dn.xlarge"}
    filters = [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in terms.items()]
    query = {"ServiceCode": "AmazonSageMaker", "Filters": filters}
    products = [
        json.loads(text)
        for text in aws.client("pricing", region_name="us-east-1").get_products(**query)["PriceList"]
    ]
    assert sorted(each["product"]["attributes"]["component"] for each in products) == [
        "Hosting",
        "Processing",
        "Training",
    ]
    (training,) = [each for each in products if each["product"]["attributes"]["component"] == "Training"]
    (term,) = training["terms"]["OnDemand"].values()
    (dimension,) = term["priceDimensions"].values()
    assert (dimension["unit"], float(dimension["pricePerUnit"]["USD"])) == ("Hrs", 0.822)
    with pytest.raises(ConnectionClosedError):
        aws.client("pricing").get_products(**query)


# S3


def test_bucket_owner(aws: AwsStandIn) -> None:
    """Access is denied if a bucket's owner is not the expected one, or not the caller's account."""
    s3 = aws.client("s3")
    s3.put_object(Bucket=aws.bucket, Key="k", Body=b"x", ExpectedBucketOwner=aws.account_id)
    denied = ("AccessDenied", "Access Denied")
    assert aws_error(s3.get_object, Bucket=aws.bucket, Key="k", ExpectedBucketOwner="999999999999") == denied
    aws.set(bucket_owners={aws.bucket: "999999999999"})
    assert aws_error(s3.get_object, Bucket=aws.bucket, Key="k") == denied
    assert aws_error(s3.get_object, Bucket=aws.bucket, Key="k", ExpectedBucketOwner="999999999999") == denied
    assert aws_error(s3.head_bucket, Bucket=aws.bucket, ExpectedBucketOwner=aws.account_id) == (
        "403",
        "Forbidden",
    )


def test_bucket_region(aws: AwsStandIn) -> None:
    """The error for a bucket in another region names that region."""
    elsewhere = {"LocationConstraint": "us-west-2"}
    aws.client("s3", region_name="us-west-2").create_bucket(Bucket="far", CreateBucketConfiguration=elsewhere)
    assert aws.client("s3").get_bucket_location(Bucket="far")["LocationConstraint"] == "us-west-2"
    request = AWSRequest("GET", aws.endpoint_url + "/far?list-type=2")  # boto3 would follow
    keys = Credentials(aws.environment["AWS_ACCESS_KEY_ID"], "secret")
    S3SigV4Auth(keys, "s3", "eu-west-1").add_auth(request)
    with pytest.raises(HTTPError) as caught:
        urlopen(Request(request.url, headers=dict(request.headers.items())), timeout=20)
    assert (caught.value.code, caught.value.headers["x-amz-bucket-region"]) == (301, "us-west-2")


def test_missing_key(aws: AwsStandIn) -> None:
    """Without permission to list a bucket, a missing key is an AccessDenied."""
    s3 = aws.client("s3")
    assert aws_error(s3.get_object, Bucket=aws.bucket, Key="none")[0] == "NoSuchKey"
    assert aws_error(s3.head_object, Bucket=aws.bucket, Key="none")[0] == "404"
    aws.set(denied=["s3:ListBucket"])
    assert aws_error(s3.get_object, Bucket=aws.bucket, Key="none") == ("AccessDenied", "Access Denied")
    assert aws_error(s3.head_object, Bucket=aws.bucket, Key="none")[0] == "403"
    assert aws_error(s3.list_objects_v2, Bucket=aws.bucket)[0] == "AccessDenied"


def test_checksum(aws: AwsStandIn) -> None:
    """A body with a wrong checksum is rejected."""
    wrong = base64.b64encode(b"0" * 16).decode()
    s3 = aws.client("s3")
    assert aws_error(s3.put_object, Bucket=aws.bucket, Key="k", Body=b"x", ContentMD5=wrong) == (
        "BadDigest",
        "The Content-MD5 you specified did not match the calculated checksum.",
    )


def test_resume(aws: AwsStandIn) -> None:
    """The rest of an object can be downloaded as long as the object has not changed."""
    s3 = aws.client("s3")
    etag = s3.put_object(Bucket=aws.bucket, Key="k", Body=b"0123456789")["ETag"]
    rest = s3.get_object(Bucket=aws.bucket, Key="k", Range="bytes=4-", IfMatch=etag)
    assert (rest["Body"].read(), rest["ContentRange"]) == (b"456789", "bytes 4-9/10")
    s3.put_object(Bucket=aws.bucket, Key="k", Body=b"another")
    assert (
        aws_error(s3.get_object, Bucket=aws.bucket, Key="k", Range="bytes=4-", IfMatch=etag)[0]
        == "PreconditionFailed"
    )


@pytest.mark.parametrize(
    "operation, arguments",
    [
        ("create_multipart_upload", {"Key": "k"}),
        ("head_object", {"Key": "k"}),
        ("head_bucket", {}),
        ("delete_object", {"Key": "k"}),
        ("list_multipart_uploads", {}),
        ("list_objects", {}),
        ("list_objects_v2", {}),
        ("get_bucket_location", {}),
        ("put_bucket_lifecycle_configuration", {"LifecycleConfiguration": {"Rules": []}}),
    ],
)
def test_s3_operations_have_names(aws: AwsStandIn, operation: str, arguments: Dict[str, Any]) -> None:
    """Faults and records use the names of S3's operations."""
    client = aws.client("s3")
    try:
        getattr(client, operation)(Bucket=aws.bucket, **arguments)
    except ClientError:
        pass
    assert [client.meta.method_to_api_mapping[operation]] == [
        each["operation"] for each in aws.requests("s3")
    ]


def test_multipart_upload(aws: AwsStandIn) -> None:
    """A part is recorded as a part, and the parts become one object."""
    s3 = aws.client("s3")
    where = {"Bucket": aws.bucket, "Key": "k"}
    upload = s3.create_multipart_upload(**where)["UploadId"]
    part = s3.upload_part(PartNumber=1, UploadId=upload, Body=b"whole", **where)
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(UploadId=upload, MultipartUpload=parts, **where)
    assert s3.get_object(**where)["Body"].read() == b"whole"
    assert [
        each["operation"] for each in aws.requests("s3")
    ] == "CreateMultipartUpload UploadPart CompleteMultipartUpload GetObject".split()


# Access


def test_identity(aws: AwsStandIn) -> None:
    """STS returns the owner of an access key."""
    assert aws.client("sts").get_caller_identity()["Arn"] == "arn:aws:iam::123456789012:user/donkey"


@pytest.mark.parametrize(
    "service, operation, arguments, unknown, expired",
    [
        (
            "s3",
            "list_buckets",
            {},
            ("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."),
            ("ExpiredToken", "The provided token has expired."),
        ),
        (
            "sagemaker",
            "list_training_jobs",
            {},
            ("UnrecognizedClientException", "The security token included in the request is invalid."),
            ("ExpiredTokenException", "The security token included in the request is expired"),
        ),
        (
            "sts",
            "get_caller_identity",
            {},
            ("InvalidClientTokenId", "The security token included in the request is invalid."),
            ("ExpiredToken", "The security token included in the request is expired"),
        ),
    ],
)
def test_credentials(
    aws: AwsStandIn,
    service: str,
    operation: str,
    arguments: Dict[str, Any],
    unknown: Tuple[str, str],
    expired: Tuple[str, str],
) -> None:
    """Each service has its own errors for unknown keys and expired tokens."""
    stranger = aws.client(service, aws_access_key_id="AKIASTRANGER")
    assert aws_error(getattr(stranger, operation), **arguments) == unknown
    aws.set(expired=True)
    assert aws_error(getattr(aws.client(service), operation), **arguments) == expired


def test_clock_skew(aws: AwsStandIn) -> None:
    """S3 accepts a clock that is off by 15 minutes, other services by 5."""
    aws.set(skew_s=600)
    assert "ResponseMetadata" in aws.client("s3").list_buckets()
    code, text = aws_error(aws.client("sagemaker").list_training_jobs)
    assert code == "InvalidSignatureException"
    stamp = r"\d{8}T\d{6}Z"
    assert re.fullmatch(
        rf"Signature expired: {stamp} is now earlier than {stamp} \({stamp} - 5 min\.\)", text
    )
    aws.set(skew_s=-600)
    code, text = aws_error(aws.client("sts").get_caller_identity)
    assert code == "SignatureDoesNotMatch"
    assert re.fullmatch(
        rf"Signature not yet current: {stamp} is still later than {stamp} \({stamp} \+ 5 min\.\)", text
    )
    aws.set(skew_s=1000)
    assert aws_error(aws.client("s3").list_buckets) == (
        "RequestTimeTooSkewed",
        "The difference between the request time and the current time is too large.",
    )


def test_response_date(aws: AwsStandIn) -> None:
    """The Date of a response is AWS's clock, which a client can compare with its own."""
    aws.set(skew_s=800)
    date = aws.client("s3").list_buckets()["ResponseMetadata"]["HTTPHeaders"]["date"]
    assert 790 < parsedate_to_datetime(date).timestamp() - time.time() < 810


@pytest.mark.parametrize(
    "action, resource",
    [
        ("iam:PassRole", "arn:aws:iam::123456789012:role/donkey-sagemaker"),
        ("sagemaker:CreateTrainingJob", "arn:aws:sagemaker:eu-west-1:123456789012:training-job/donkey-1"),
        ("sagemaker:AddTags", "arn:aws:sagemaker:eu-west-1:123456789012:training-job/donkey-1"),
    ],
)
def test_denied_create(aws: AwsStandIn, container: Container, action: str, resource: str) -> None:
    """Starting a job takes three permissions, and AWS says which one is missing."""
    container("")
    aws.set(denied=[action])
    assert creation_error(aws, Tags=[{"Key": "a", "Value": "b"}]) == (
        "AccessDeniedException",
        (
            f"User: arn:aws:iam::123456789012:user/donkey is not authorized to perform: {action} on resource:"
            f" {resource} because no identity-based policy allows the {action} action"
        ),
    )


@pytest.mark.parametrize(
    "service, operation, arguments, action, code",
    [
        ("s3", "put_object", {"Bucket": "donkey-stand-in", "Key": "k"}, "s3:PutObject", "AccessDenied"),
        ("s3", "get_bucket_location", {"Bucket": "donkey-stand-in"}, "s3:GetBucketLocation", "AccessDenied"),
        ("iam", "get_role", {"RoleName": "donkey-sagemaker"}, "iam:GetRole", "AccessDenied"),
        (
            "ecr",
            "describe_images",
            {"repositoryName": "donkey"},
            "ecr:DescribeImages",
            "AccessDeniedException",
        ),
        (
            "logs",
            "describe_log_streams",
            {"logGroupName": "g"},
            "logs:DescribeLogStreams",
            "AccessDeniedException",
        ),
        (
            "service-quotas",
            "list_service_quotas",
            {"ServiceCode": "sagemaker"},
            "servicequotas:ListServiceQuotas",
            "AccessDeniedException",
        ),
    ],
)
def test_denied(
    aws: AwsStandIn, service: str, operation: str, arguments: Dict[str, Any], action: str, code: str
) -> None:
    """Any action of any service can be denied."""
    aws.set(denied=[action])
    actual, text = aws_error(getattr(aws.client(service), operation), **arguments)
    assert actual == code
    assert f"is not authorized to perform: {action} on resource: " in text
