"""What AWS answers to each operation that this project calls, as raw bodies."""

import hashlib
import json

JOB = "donkey-pilot-1"
ROLE = "arn:aws:iam::123456789012:role/donkey-sagemaker"
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/donkey-sagemaker"
OBJECT = bytes(range(256)) * 4
ETAG = '"' + hashlib.md5(OBJECT).hexdigest() + '"'
STACK = "arn:aws:cloudformation:eu-west-1:123456789012:stack/donkey-sagemaker/1"
PRODUCT = {
    "product": {"attributes": {"component": "Training", "instanceName": "ml.m5.xlarge"}},
    "terms": {
        "OnDemand": {"a": {"priceDimensions": {"b": {"unit": "Hrs", "pricePerUnit": {"USD": "0.257"}}}}}
    },
}
_BUILD = {
    "id": "donkey-sagemaker:1",
    "buildStatus": "SUCCEEDED",
    "currentPhase": "COMPLETED",
    "phases": [{"phaseType": "BUILD", "contexts": [{"message": "exit status 1"}]}],
    "logs": {"groupName": "/aws/codebuild/donkey-sagemaker", "streamName": "1"},
}
_SUMMARY = {
    "TrainingJobName": JOB,
    "TrainingJobArn": "arn:aws:sagemaker:eu-west-1:123456789012:training-job/" + JOB,
    "TrainingJobStatus": "Completed",
    "CreationTime": 1767268800.5,
    "TrainingEndTime": 1767269800.0,
}
_QUOTAS = {
    "Quotas": [
        {"QuotaName": "ml.m5.xlarge for training job usage", "Value": 4.0},
        {"QuotaName": "ml.g5.xlarge for training job usage", "Value": 0.0},
    ]
}

_DESCRIPTION = dict(
    _SUMMARY,
    SecondaryStatus="Completed",
    SecondaryStatusTransitions=[
        {"Status": "Starting", "StartTime": 1767268801.0, "StatusMessage": "Preparing"},
        {"Status": "Completed", "StartTime": 1767268900.0, "StatusMessage": "Insufficient capacity"},
    ],
    ModelArtifacts={"S3ModelArtifacts": "s3://my-cars/model.tar.gz"},
    BillableTimeInSeconds=240,
    TrainingTimeInSeconds=300,
    TrainingStartTime=1767268900.0,
    ResourceConfig={"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30},
    AlgorithmSpecification={"TrainingImage": IMAGE + ":dk53-cpu", "TrainingInputMode": "File"},
    WarmPoolStatus={"Status": "Available", "ResourceRetainedBillableTimeInSeconds": 60},
    RoleArn=ROLE,
    InputDataConfig=[
        {
            "ChannelName": "tub",
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://my-cars/x"}},
        }
    ],
)

QUEUED_JOB = "donkey-pilot-qmx1rtofg"
_SERVICE_JOB = {
    "jobArn": "arn:aws:batch:eu-west-1:123456789012:service-job/1",
    "jobId": "1",
    "jobName": QUEUED_JOB,
    "serviceJobType": "SAGEMAKER_TRAINING",
    "status": "RUNNABLE",
    "createdAt": 1767268800500,
}
BATCH_ANSWERS = {
    "DescribeJobQueues": {
        "jobQueues": [
            {
                "jobQueueName": "donkey-sagemaker",
                "state": "ENABLED",
                "status": "VALID",
                "jobQueueType": "SAGEMAKER_TRAINING",
            }
        ]
    },
    "SubmitServiceJob": {"jobId": "1", "jobName": QUEUED_JOB},
    "DescribeServiceJob": dict(
        _SERVICE_JOB,
        serviceRequestPayload=json.dumps(
            {"ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1}, "RoleArn": ROLE}
        ),
        latestAttempt={"serviceResourceId": {"name": "TrainingJobArn", "value": _SUMMARY["TrainingJobArn"]}},
        statusReason="",
    ),
    "ListServiceJobs": {"jobSummaryList": [_SERVICE_JOB]},
    "GetJobQueueSnapshot": {"frontOfQueue": {"jobs": [{"jobArn": _SERVICE_JOB["jobArn"]}]}},
    "TerminateServiceJob": {},
}
_TUNING_ARN = (
    "arn:aws:sagemaker:eu-west-1:123456789012:hyper-parameter-tuning-job/donkey-tune--261129-101112-123"
)

JSON_ANSWERS = {
    **BATCH_ANSWERS,
    "CreateTrainingJob": {"TrainingJobArn": _SUMMARY["TrainingJobArn"]},
    "StopTrainingJob": {},
    "UpdateTrainingJob": {"TrainingJobArn": "arn:aws:sagemaker:eu-west-1:123456789012:training-job/x"},
    "ListTrainingJobs": {"TrainingJobSummaries": [_SUMMARY]},
    "DescribeTrainingJob": _DESCRIPTION,
    "Search": {
        "Results": [
            {
                "TrainingJob": dict(
                    _DESCRIPTION,
                    Tags=[{"Key": "team", "Value": "red"}],
                    OutputDataConfig={"S3OutputPath": "s3://my-cars/donkeycar/cars/blue/models"},
                    StoppingCondition={"MaxRuntimeInSeconds": 3600},
                    FinalMetricDataList=[{"MetricName": "epoch", "Value": 2.0, "Timestamp": 1767268800.5}],
                )
            }
        ]
    },
    "CreateHyperParameterTuningJob": {"HyperParameterTuningJobArn": _TUNING_ARN},
    "DescribeHyperParameterTuningJob": {
        "HyperParameterTuningJobName": "donkey-tune--261129-101112-123",
        "HyperParameterTuningJobArn": _TUNING_ARN,
        "HyperParameterTuningJobStatus": "InProgress",
        "HyperParameterTuningJobConfig": {
            "Strategy": "Bayesian",
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 2},
        },
        "CreationTime": 1767268800.5,
    },
    "StopHyperParameterTuningJob": {},
    "ListTrainingJobsForHyperParameterTuningJob": {
        "TrainingJobSummaries": [
            dict(_SUMMARY, TunedHyperParameters={"LEARNING_RATE": "0.002", "recipe": '"robust"'})
        ]
    },
    "DescribeLogStreams": {"logStreams": [{"logStreamName": JOB + "/algo-1"}]},
    "GetLogEvents": {
        "events": [
            {
                "timestamp": 1767268900000,
                "message": "[donkey] epoch=1/2 loss=0.5 val_loss=0.4 best_val_loss=0.4 images=128 seconds=10",
            }
        ],
        "nextForwardToken": "f/1",
        "nextBackwardToken": "b/1",
    },
    "ListServiceQuotas": _QUOTAS,
    "ListAWSDefaultServiceQuotas": _QUOTAS,
    "GetProducts": {"FormatVersion": "aws_v1", "PriceList": [json.dumps(PRODUCT)]},
    "DescribeImages": {"imageDetails": [{"imageDigest": "sha256:1", "imageTags": ["dk53-cpu"]}]},
    "DescribeRepositories": {"repositories": [{"repositoryUri": IMAGE}]},
    "GetAuthorizationToken": {"authorizationData": [{"authorizationToken": "QVdTOnBhc3N3b3Jk"}]},
    "StartBuild": {"build": _BUILD},
    "StopBuild": {"build": _BUILD},
    "BatchGetBuilds": {"builds": [_BUILD]},
}

_POLICY = "%7B%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22sts%3AAssumeRole%22%2C"
_POLICY += "%22Principal%22%3A%7B%22Service%22%3A%22sagemaker.amazonaws.com%22%7D%7D%5D%7D"


def _query(operation, result):
    """A response of STS, IAM or CloudFormation."""
    return (
        f"<{operation}Response><{operation}Result>{result}</{operation}Result>"
        f"<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></{operation}Response>"
    )


_VERSIONS = "<Version><Key>a</Key><VersionId>1</VersionId><Size>3</Size></Version>"
_RESOURCE = "<LogicalResourceId>Bucket</LogicalResourceId><ResourceType>AWS::S3::Bucket</ResourceType>"
_EVENT = (
    f"<EventId>0</EventId><StackId>{STACK}</StackId><LogicalResourceId>donkey-sagemaker</LogicalResourceId>"
    "<ResourceType>AWS::CloudFormation::Stack</ResourceType><ResourceStatus>CREATE_COMPLETE</ResourceStatus>"
    "<Timestamp>2026-01-01T12:00:00Z</Timestamp>"
)
XML_ANSWERS = {
    "GetCallerIdentity": _query(
        "GetCallerIdentity",
        "<Arn>arn:aws:iam::123456789012:user/donkey</Arn><UserId>A</UserId><Account>123456789012</Account>",
    ),
    "GetRole": _query(
        "GetRole",
        f"<Role><Path>/</Path><Arn>{ROLE}</Arn><RoleName>donkey-sagemaker</RoleName><RoleId>A</RoleId>"
        f"<CreateDate>2026-01-01T12:00:00Z</CreateDate>"
        f"<AssumeRolePolicyDocument>{_POLICY}</AssumeRolePolicyDocument></Role>",
    ),
    "GetBucketLocation": "<LocationConstraint>eu-west-1</LocationConstraint>",
    "ListObjectsV2": (
        "<ListBucketResult><Name>my-cars</Name><KeyCount>1</KeyCount><IsTruncated>false</IsTruncated>"
        f"<Contents><Key>donkeycar/object</Key><Size>{len(OBJECT)}</Size>"
        "<LastModified>2026-01-01T12:00:00.000Z</LastModified></Contents></ListBucketResult>"
    ),
    "ListObjectVersions": f"<ListVersionsResult><Name>my-cars</Name>{_VERSIONS}</ListVersionsResult>",
    "DeleteObjects": "<DeleteResult></DeleteResult>",
    "PutObject": "",
    "GetObject": "",
    "DescribeStacks": _query(
        "DescribeStacks",
        f"<Stacks><member><StackId>{STACK}</StackId><StackName>donkey-sagemaker</StackName>"
        "<StackStatus>CREATE_COMPLETE</StackStatus><CreationTime>2026-01-01T12:00:00Z</CreationTime>"
        "<Parameters><member><ParameterKey>A</ParameterKey></member></Parameters>"
        "<Outputs><member><OutputKey>Bucket</OutputKey><OutputValue>my-cars</OutputValue></member></Outputs>"
        "</member></Stacks>",
    ),
    "CreateChangeSet": _query("CreateChangeSet", f"<Id>1</Id><StackId>{STACK}</StackId>"),
    "DescribeChangeSet": _query(
        "DescribeChangeSet",
        f"<ChangeSetId>1</ChangeSetId><StackId>{STACK}</StackId><Status>CREATE_COMPLETE</Status><Changes>"
        f"<member><ResourceChange><Action>Add</Action>{_RESOURCE}</ResourceChange></member></Changes>",
    ),
    "ExecuteChangeSet": _query("ExecuteChangeSet", ""),
    "DeleteChangeSet": _query("DeleteChangeSet", ""),
    "DeleteStack": "<DeleteStackResponse><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>"
    "</DeleteStackResponse>",
    "DescribeStackEvents": _query(
        "DescribeStackEvents", f"<StackEvents><member>{_EVENT}</member></StackEvents>"
    ),
}
