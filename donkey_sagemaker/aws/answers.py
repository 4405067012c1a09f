"""What each operation of AWS must return. An answer without it comes from a captive portal or a proxy. Pure.

botocore accepts any 200: HTML becomes an empty response, and numbers, texts and lists are whatever was sent.
"""

import datetime
import re
from typing import Any, Dict, Optional

LARGEST_NUMBER = 1e15  # of all that AWS returns; a float cannot hold a whole number of 400 digits
YEARS = range(2000, 2100)  # of all its times

_BEGINNING = 10000  # characters of a page that are searched, which takes time that grows with their square
_ANYTHING = object()
_PATTERN = type(re.compile(""))
_NAME = re.compile(r"[\w-]*")
_BASE64 = re.compile(r"([\w+/]{4})*([\w+/]{2}==|[\w+/]{3}=)?", re.ASCII)
# A new status must not end the watch of a job that runs.
_STATUS = re.compile("InProgress|Completed|Failed|Stopping|Stopped|Deleting")
_TITLE = re.compile(r"<title[^>]*>([^<]*)</title", re.IGNORECASE)

_JOB = {
    "TrainingJobName": str,
    "TrainingJobStatus": _STATUS,
    "CreationTime?": datetime.datetime,
    "TrainingStartTime?": datetime.datetime,
    "TrainingEndTime?": datetime.datetime,
    "WarmPoolStatus?": {"Status": str},
}
_DESCRIPTION = {
    **_JOB,
    "SecondaryStatus?": str,
    "SecondaryStatusTransitions?": [{"Status": str, "StatusMessage?": str}],
    "FailureReason?": str,
    "ModelArtifacts?": {},
    "BillableTimeInSeconds?": float,
    "TrainingTimeInSeconds?": float,
    "ResourceConfig?": {
        "InstanceType?": str,
        "InstanceCount?": float,
        "KeepAlivePeriodInSeconds?": float,
        "InstancePreferences?": [{"InstanceType": str}],
        "SelectedInstanceType?": str,
        "SelectedInstanceCount?": float,
    },
    "AlgorithmSpecification?": {"TrainingImage?": str},
    "RoleArn?": str,
    "InputDataConfig?": [{"ChannelName": str, "DataSource": {"S3DataSource": {"S3Uri": str}}}],
}
_SEARCHED = {
    **_DESCRIPTION,
    "Tags?": [{"Key": str, "Value": str}],
    "OutputDataConfig?": {"S3OutputPath?": str},
    "StoppingCondition?": {"MaxRuntimeInSeconds?": float},
    "FinalMetricDataList?": [{"MetricName": str, "Value": float}],
}
_ATTEMPT = {"serviceResourceId?": {"value": str}}
_VERSION = {"Key": str, "VersionId": str}
_QUOTAS = {"Quotas": [{"QuotaName?": str, "Value?": float}], "NextToken?": str}

# By operation. In a dict, a name that ends in "?" may be missing; `float` is any number; a list has any
# number of members, a tuple exactly one; a pattern is that of a whole text.
ANSWERS: Dict[str, Dict[str, Any]] = {
    # STS and IAM
    "GetCallerIdentity": {"Account": re.compile(r"\d+"), "Arn": re.compile(r"arn:[\w-]+:.+")},
    "GetRole": {"Role": {"Arn": str, "AssumeRolePolicyDocument": {}}},
    # S3
    "GetBucketLocation": {"LocationConstraint?": _NAME},
    "ListObjectsV2": {
        "Name": str,
        "Contents?": [{"Key": str, "Size": float}],
        "NextContinuationToken?": str,
    },
    "PutObject": {"ETag": str},
    "GetObject": {
        "ETag": str,
        "ContentLength": float,
        "Body": _ANYTHING,
        "ContentRange?": str,
        "ServerSideEncryption?": str,
    },
    "ListObjectVersions": {"Name": str, "Versions?": [_VERSION], "DeleteMarkers?": [_VERSION]},
    "DeleteObjects": {"Errors?": [{"Key?": str, "Code?": str, "Message?": str}]},
    # ECR and CodeBuild
    "DescribeImages": {"imageDetails": [{}]},
    "DescribeRepositories": {"repositories": ({"repositoryUri": str},)},
    "GetAuthorizationToken": {"authorizationData": ({"authorizationToken": _BASE64},)},
    "StartBuild": {"build": {"id": str}},
    "StopBuild": {"build": {}},
    "BatchGetBuilds": {
        "builds": (
            {
                "buildStatus": str,
                "currentPhase?": str,
                "phases?": [{"phaseType": str, "contexts?": [{"message?": str}]}],
                "logs?": {"groupName?": str, "streamName?": str},
            },
        )
    },
    # SageMaker
    "CreateTrainingJob": {"TrainingJobArn": str},
    "StopTrainingJob": {},
    "UpdateTrainingJob": {"TrainingJobArn": str},
    "CreateHyperParameterTuningJob": {"HyperParameterTuningJobArn": str},
    "DescribeHyperParameterTuningJob": {
        "HyperParameterTuningJobName": str,
        "HyperParameterTuningJobStatus": re.compile(_STATUS.pattern + "|DeleteFailed"),
        "HyperParameterTuningJobConfig": {"ResourceLimits": {"MaxNumberOfTrainingJobs": float}},
        "FailureReason?": str,
    },
    "ListTrainingJobsForHyperParameterTuningJob": {
        "TrainingJobSummaries": [
            {
                "TrainingJobName": str,
                "TrainingJobStatus": _STATUS,
                "CreationTime": datetime.datetime,
                "TunedHyperParameters": {},
            }
        ],
        "NextToken?": str,
    },
    "StopHyperParameterTuningJob": {},
    "ListTrainingJobs": {"TrainingJobSummaries": [_JOB], "NextToken?": str},
    "DescribeTrainingJob": _DESCRIPTION,
    "Search": {
        "Results": [
            {"TrainingJob": _SEARCHED},
        ],
        "NextToken?": str,
    },
    # Batch
    "DescribeJobQueues": {"jobQueues": [{"state": str, "status?": str, "jobQueueType?": str}]},
    "SubmitServiceJob": {"jobId": str},
    "DescribeServiceJob": {
        "jobId": str,
        "jobName": str,
        "status": str,
        "jobArn?": str,
        "statusReason?": str,
        "createdAt?": float,
        "latestAttempt?": _ATTEMPT,
        "serviceRequestPayload?": str,
    },
    "ListServiceJobs": {"jobSummaryList": [{"jobId": str, "jobName": str}], "nextToken?": str},
    "GetJobQueueSnapshot": {"frontOfQueue?": {"jobs?": [{"jobArn": str}]}},
    "TerminateServiceJob": {},
    # CloudWatch Logs
    "DescribeLogStreams": {"logStreams": [{"logStreamName": str}], "nextToken?": str},
    "GetLogEvents": {"events": [{"timestamp": float, "message": str}], "nextForwardToken": str},
    # Quotas and prices
    "ListServiceQuotas": _QUOTAS,
    "ListAWSDefaultServiceQuotas": _QUOTAS,
    "GetProducts": {"PriceList": [str]},
    # CloudFormation
    "DescribeStacks": {
        "Stacks": (
            {
                "StackId": str,
                "StackStatus": str,
                "Parameters?": [{"ParameterKey": str}],
                "Outputs?": [{"OutputKey": str, "OutputValue": str}],
            },
        )
    },
    "CreateChangeSet": {"Id": str},
    "DescribeChangeSet": {
        "ChangeSetId": str,
        "StackId": str,
        "Status": str,
        "StatusReason?": str,
        "Changes?": [
            {
                "ResourceChange": {
                    "Action": str,
                    "LogicalResourceId": str,
                    "ResourceType": str,
                    "Replacement?": str,
                }
            }
        ],
        "NextToken?": str,
    },
    "ExecuteChangeSet": {},
    "DeleteChangeSet": {},
    "DeleteStack": {},
    "DescribeStackEvents": {
        "StackEvents": [
            {
                "EventId": str,
                "LogicalResourceId": str,
                "ResourceType": str,
                "ResourceStatus": str,
                "ResourceStatusReason?": str,
            }
        ],
        "NextToken?": str,
    },
}


class ForeignAnswer(Exception):
    """An answer that is not AWS's. The text is a sentence that explains why."""


def check_answer(operation: str, response: Dict[str, Any]) -> None:
    """
    Args:
        response: as boto3 returns it.
    Raises:
        ForeignAnswer
    """
    wanted = ANSWERS[operation]
    problem = _find_problem(response, wanted, "")
    if problem:
        raise ForeignAnswer(problem)
    if all(name.endswith("?") for name in wanted):  # nothing in it is AWS's
        _check_number(response.get("ResponseMetadata") or {})


def is_description(value: Any) -> bool:
    """Whether it can be read like a training job that Search has found."""
    return _find_problem(value, _SEARCHED, "") is None


def check_rejection(response: Dict[str, Any]) -> None:
    """
    Args:
        response: of a ClientError.
    Raises:
        ForeignAnswer
    """
    metadata, error = response.get("ResponseMetadata") or {}, response.get("Error") or {}
    page = describe_page(str(error.get("Message")), metadata.get("HTTPHeaders") or {})
    if page:
        raise ForeignAnswer(page)
    code = error.get("Code")
    if not (isinstance(code, str) and code):
        raise ForeignAnswer("it has no error code.")
    # botocore takes the status where there is no code; what stands in front of AWS's servers numbers nothing
    if code.isdigit() and metadata.get("HTTPStatusCode", 0) < 500:
        _check_number(metadata)


def describe_page(text: str, headers: Dict[str, str]) -> str:
    """What is recognizable of a portal: where it redirects to, or the title of its page; otherwise ""."""
    if "location" in headers and "amazonaws" not in headers["location"]:
        return f"it redirects to {headers['location']}."
    beginning = text[:_BEGINNING]
    title = _TITLE.search(beginning)
    if title:
        return f'it is the web page "{title.group(1).strip()}".'
    return "it is a web page." if "<html" in beginning.lower() else ""


def _check_number(metadata: Dict[str, Any]) -> None:
    """AWS numbers each of its answers, whatever is in it."""
    headers = metadata.get("HTTPHeaders") or {}
    numbers = (metadata.get("RequestId"), headers.get("x-amzn-requestid"), headers.get("x-amz-request-id"))
    if not any(isinstance(number, str) and number for number in numbers):
        raise ForeignAnswer("it has no request id.")


def _find_problem(value: Any, wanted: Any, path: str) -> Optional[str]:
    """What is wrong with a value, as a sentence; None if it is as wanted."""
    if wanted is _ANYTHING:
        return None
    if isinstance(wanted, dict):
        return _find_problem_of_members(value, wanted, path)
    if isinstance(wanted, (list, tuple)):
        if not isinstance(value, list):
            return f"its {path} is not a list."
        if isinstance(wanted, tuple) and len(value) != 1:
            return f"its {path} has {len(value)} members."
        problems = (_find_problem(each, wanted[0], path) for each in value)
        return next(filter(None, problems), None)
    if wanted is float:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return None if is_number and 0 <= value < LARGEST_NUMBER else f"its {path} is not a possible number."
    if isinstance(wanted, _PATTERN):
        is_right = isinstance(value, str) and wanted.fullmatch(value)
        return None if is_right else f"its {path} is {str(value)[:50]!r}."
    if wanted is datetime.datetime:
        is_time = isinstance(value, datetime.datetime) and value.year in YEARS
        return None if is_time else f"its {path} is not a possible time."
    return None if isinstance(value, wanted) else f"its {path} is not a text."


def _find_problem_of_members(value: Any, wanted: Dict[str, Any], path: str) -> Optional[str]:
    if not isinstance(value, dict):
        return f"its {path} is not a structure."
    for name, shape in wanted.items():
        key = name.rstrip("?")
        inner = f"{path}.{key}" if path else key
        if value.get(key) is not None:
            problem = _find_problem(value[key], shape, inner)
            if problem:
                return problem
        elif not name.endswith("?"):
            return f"it has no {inner}."
    return None
