"""Every error of jobs, roles, images and builds, with its whole message."""

from typing import List

from account_errors import IMAGE, JOB, REGION, ROLE, Example, failed
from aws_cloud import ROLE_FIX
from donkey_sagemaker.aws.errors import (
    AwsError,
    BadRole,
    JobNameTaken,
    NoSuchImage,
    with_alternative,
)
from donkey_sagemaker.cloud.errors import (
    NoCapacity,
    NoQuota,
    NoSuchJob,
)
from donkey_sagemaker.errors import CloudRefused

JOB_ERRORS: List[Example] = [
    # Starting a job
    Example(
        with_alternative(
            failed(
                "CreateTrainingJob",
                "ResourceLimitExceeded",
                "The account-level service limit 'ml.g4dn.xlarge for training job usage' is 0 Instances, "
                "with current utilization of 0 Instances and a request delta of 1 Instances. Please use AWS "
                "Service Quotas to request an increase for this quota.",
            ),
            "ml.m5.xlarge",
            region=REGION,
        ),
        NoQuota,
        "This account's quota for ml.g4dn.xlarge for training job usage in eu-west-1 is 0, with 0 in "
        "use [ResourceLimitExceeded].",
        'Set SAGEMAKER_INSTANCE_TYPE = "ml.m5.xlarge", which has quota, or request a higher one, by '
        "that name, at "
        "https://eu-west-1.console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas",
    ),
    Example(
        failed(
            "CreateTrainingJob",
            "ResourceLimitExceeded",
            "The account-level service limit 'Number of instances across all training jobs' is 4 Instances, "
            "with current utilization of 4 Instances and a request delta of 1 Instances. Please use "
            "AWS Service Quotas to request an increase for this quota.",
        ),
        CloudRefused,
        'This account\'s quota for "Number of instances across all training jobs" in eu-west-1 is 4 '
        "Instances, "
        "with 4 in use; this job needs 1 [ResourceLimitExceeded].",
        "Wait until other jobs have ended (`python manage.py sagemaker-jobs` lists them), or request a "
        "higher quota, by that name, at "
        "https://eu-west-1.console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas",
    ),
    Example(
        failed(
            "CreateTrainingJob",
            "ResourceLimitExceeded",
            "The account-level service limit 'Longest run time for a training job' is 432000 Seconds, "
            "with current utilization of 0 Seconds and a request delta of 1209600 Seconds. Please use "
            "AWS Service Quotas to request an increase for this quota.",
        ),
        CloudRefused,
        'This account\'s quota for "Longest run time for a training job" in eu-west-1 is 432000 Seconds, '
        "with 0 in use; this job needs 1209600 [ResourceLimitExceeded].",
        "Set SAGEMAKER_MAX_RUNTIME_S to at most 432000, or request a higher quota, by that name, at "
        "https://eu-west-1.console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas",
    ),
    Example(
        failed(
            "CreateTrainingJob",
            "ResourceLimitExceeded",
            "The account-level service limit 'Size of EBS volume for a training job instance' is 1024 "
            "Gigabytes, "
            "with current utilization of 0 Gigabytes and a request delta of 2000 Gigabytes. Please use "
            "AWS Service Quotas to request an increase for this quota.",
        ),
        CloudRefused,
        'This account\'s quota for "Size of EBS volume for a training job instance" in eu-west-1 is 1024 '
        "Gigabytes, "
        "with 0 in use; this job needs 2000 [ResourceLimitExceeded].",
        "Set SAGEMAKER_VOLUME_GB to at most 1024, or request a higher quota, by that name, at "
        "https://eu-west-1.console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas",
    ),
    Example(
        failed(
            "CreateTrainingJob",
            "ResourceLimitExceeded",
            "The requested resource training-job/ml.p2.xlarge is not available in this region",
        ),
        NoCapacity,
        "There are no ml.p2.xlarge instances in eu-west-1 [ResourceLimitExceeded].",
        "Set SAGEMAKER_INSTANCE_TYPE to another type, such as a newer one of the same size.",
    ),
    Example(
        failed("CreateTrainingJob", "ValidationException", "Unsupported instance type ml.t2.medium"),
        NoCapacity,
        "SageMaker does not train on this instance type [ValidationException]: Unsupported instance "
        "type ml.t2.medium",
        'Set SAGEMAKER_INSTANCE_TYPE to a supported type, such as "ml.m5.xlarge".',
    ),
    Example(
        failed("CreateTrainingJob", "CapacityError", "Unable to provision requested ML compute capacity."),
        NoCapacity,
        "AWS has no free instance for this job [CapacityError]: Unable to provision requested ML "
        "compute capacity.",
        "Set SAGEMAKER_INSTANCE_TYPE to a list of types to try in turn.",
    ),
    Example(
        failed("CreateTrainingJob", "ResourceInUse", "Training job names must be unique", resource=JOB),
        JobNameTaken,
        "There is already another job named donkey-pilot-1 [ResourceInUse].",
        "Train again: `python manage.py sagemaker-train` gives the job a new name.",
    ),
    Example(
        failed("DescribeTrainingJob", "ValidationException", "Requested resource not found.", resource=JOB),
        NoSuchJob,
        "There is no job named donkey-pilot-1 on AWS in eu-west-1.",
        "`python manage.py sagemaker-jobs` lists the jobs that exist.",
    ),
    Example(
        failed("GetRole", "NoSuchEntity", resource=ROLE),
        BadRole,
        "The role arn:aws:iam::123456789012:role/donkey does not exist [NoSuchEntity].",
        ROLE_FIX,
    ),
    Example(
        failed(
            "CreateTrainingJob",
            "ValidationException",
            f"Could not assume role {ROLE}. Please ensure that the role exists and allows principal "
            "'sagemaker.amazonaws.com' to assume the role.",
        ),
        BadRole,
        "The role arn:aws:iam::123456789012:role/donkey cannot be assumed by SageMaker "
        "[ValidationException].",
        ROLE_FIX,
    ),
    Example(
        failed(
            "CreateTrainingJob",
            "ValidationException",
            'No S3 objects found under S3 URL "s3://my-cars/x" given in input data source. Please ensure '
            "that "
            "the bucket exists in the selected region (eu-west-1).",
        ),
        CloudRefused,
        "SageMaker finds no data at s3://my-cars/x [ValidationException].",
        "Give the role in SAGEMAKER_ROLE_ARN the permissions s3:ListBucket and s3:GetObject on that bucket.",
    ),
    Example(
        failed(
            "CreateTrainingJob",
            "ValidationException",
            f"Cannot find the requested image: {IMAGE}. Please check if your ECR image exists.",
        ),
        NoSuchImage,
        "There is no image 123456789012.dkr.ecr.eu-west-1.amazonaws.com/donkey-sagemaker:dk54-cpu "
        "[ValidationException].",
        'Correct SAGEMAKER_IMAGE in myconfig.py, or set it to "auto".',
    ),
    Example(
        failed(
            "StartBuild",
            "ResourceNotFoundException",
            "Project cannot be found: arn:aws:codebuild:eu-west-1:123456789012:project/donkey-sagemaker",
        ),
        CloudRefused,
        "There is no CodeBuild project for training images in eu-west-1 [ResourceNotFoundException]: "
        "Project cannot be found: arn:aws:codebuild:eu-west-1:123456789012:project/donkey-sagemaker",
        "Run `python manage.py sagemaker-setup` as an administrator of the AWS account: it creates one.",
    ),
    Example(
        failed(
            "StartBuild",
            "AccountLimitExceededException",
            "Cannot have more than 0 builds in queue for the account",
        ),
        CloudRefused,
        "CodeBuild is not enabled for this account yet, which is common for a new one "
        "[AccountLimitExceededException]: Cannot have more than 0 builds in queue for the account",
        "Build the image on this machine: `python manage.py sagemaker-image --docker`, or ask AWS Support to "
        "enable CodeBuild.",
    ),
    Example(
        failed(
            "StartBuild",
            "AccountLimitExceededException",
            "Cannot have more than 1 builds in queue for the account",
        ),
        CloudRefused,
        "CodeBuild runs as many builds as this account may [AccountLimitExceededException]: Cannot have more "
        "than 1 builds in queue for the account",
        "Wait until another build has ended, then run the command again.",
    ),
    Example(
        failed(
            "DescribeRepositories",
            "RepositoryNotFoundException",
            "The repository with name 'donkey-sagemaker' does not exist in the registry with id "
            "'123456789012'",
        ),
        CloudRefused,
        "There is no repository for training images in eu-west-1 [RepositoryNotFoundException]: The "
        "repository with name 'donkey-sagemaker' does not exist in the registry with id "
        "'123456789012'",
        "Run `python manage.py sagemaker-setup` as an administrator of the AWS account: it creates one.",
    ),
    Example(
        failed(
            "CreateTrainingJob",
            "ValidationException",
            "Access denied for repository: x in registry ID: 999999999999.",
        ),
        CloudRefused,
        "SageMaker is not allowed to read the training image [ValidationException]: Access denied "
        "for repository: x in registry ID: 999999999999.",
        "Give the role in SAGEMAKER_ROLE_ARN the permissions ecr:BatchGetImage and "
        "ecr:GetDownloadUrlForLayer on it.",
    ),
    Example(
        failed(
            "CreateTrainingJob",
            "ValidationException",
            "Invalid training image. Please provide a valid Amazon Elastic Container Registry path",
        ),
        CloudRefused,
        "SageMaker cannot use this training image [ValidationException]: Invalid training image. "
        "Please provide a valid Amazon Elastic Container Registry path",
        "Push it to a private ECR repository in eu-west-1 and set SAGEMAKER_IMAGE to its URI.",
    ),
    Example(
        failed(
            "CreateTrainingJob",
            "ValidationException",
            "Invalid MaxWaitTimeInSeconds. It is only supported when EnableManagedSpotTraining is set to "
            "true",
        ),
        CloudRefused,
        "AWS does not accept the time limits of this job [ValidationException]: Invalid "
        "MaxWaitTimeInSeconds. It is only supported when EnableManagedSpotTraining is set to true",
        "Leave SAGEMAKER_SPOT and SAGEMAKER_MAX_RUNTIME_S at their defaults.",
    ),
    Example(
        failed(
            "CreateTrainingJob", "ValidationException", "1 validation error detected: Value 'x' at 'tags'"
        ),
        CloudRefused,
        "AWS does not accept this job [ValidationException]: 1 validation error detected: Value 'x' "
        "at 'tags'",
        "Run `python manage.py sagemaker-train --dry-run --debug` to see the request, and change the setting "
        "that causes this.",
    ),
    Example(
        failed("ListTrainingJobs", "Strange", "So it is."),
        AwsError,
        "AWS rejected ListTrainingJobs [Strange]: So it is.",
        "If that does not say what to change, run the command again with --debug and report what it prints.",
    ),
    Example(
        failed("DescribeImages", "ImageNotFoundException", resource="donkey-sagemaker:dk99-cpu"),
        NoSuchImage,
        "There is no image donkey-sagemaker:dk99-cpu [ImageNotFoundException].",
        'Correct SAGEMAKER_IMAGE in myconfig.py, or set it to "auto".',
    ),
]
