"""What AWS says no with, in the user's words: an exception for each thing that a user can mend.

Pure. `answers.explain_refusal` makes most of them from an `Answer`; the rest are raised where a look at the
account (`preflight.py`) or at the settings (`aws.py`) finds what AWS would refuse.
"""

import json
import re
import time
from typing import Any, Dict, NamedTuple, Optional

from ..errors import BadInput, CloudRefused

_QUOTAS_PAGE = "https://{}.console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas"
_TRAIN = "`python manage.py sagemaker-train`"
_ATTACH = "`python manage.py sagemaker-train --attach`"
_RUN_SETUP = "Run `python manage.py sagemaker-setup` as an administrator of the AWS account: it makes it."


class Answer(NamedTuple):
    """AWS's no, or botocore's before it came to that, and what it was the answer to."""

    operation: str  # as "PutObject"
    code: str  # AWS's, as "AccessDenied", or the name of botocore's exception
    text: str
    action: str = ""  # what IAM calls the operation, as "s3:PutObject"
    resource: str = "*"  # what it was done to: an ARN where IAM knows it by one
    region: str = ""
    profile: Optional[str] = None
    status: int = 0  # of HTTP; 0 where there was no response
    our_time: float = 0.0  # seconds since the epoch
    their_time: Optional[float] = None  # by the response's Date
    found: Dict[str, Optional[str]] = {}  # parts of the text, by the names in the table of answers.py

    @property
    def name(self) -> str:
        """The resource by the user's name for it: a job, or a bucket with the key."""
        return self.resource.rpartition(":::")[2].rpartition("training-job/")[2]

    @property
    def bucket(self) -> str:
        return self.name.partition("/")[0]


# Settings and credentials of this machine


class NoRegion(BadInput):
    def __init__(self) -> None:
        super().__init__(
            "No AWS region is set.",
            'Set SAGEMAKER_REGION in myconfig.py, such as "eu-west-1": that of your bucket, or one near you.',
        )


class NoBucket(BadInput):
    def __init__(self, region: str) -> None:
        super().__init__(
            "SAGEMAKER_BUCKET is not set: there is no place for tubs and models.",
            "Let `python manage.py sagemaker-setup` make it, or set SAGEMAKER_BUCKET in myconfig.py to a "
            f"bucket in {region}.",
        )


class NoRole(BadInput):
    def __init__(self) -> None:
        super().__init__(
            "SAGEMAKER_ROLE_ARN is not set: a job needs a role to read and write the bucket as.",
            "Let `python manage.py sagemaker-setup` make it, or set SAGEMAKER_ROLE_ARN in myconfig.py to the "
            "ARN of a role for SageMaker.",
        )


class NoProfile(BadInput):
    def __init__(self, answer: Answer) -> None:
        super().__init__(
            "There is no AWS profile named {profile} [{code}].".format(code=answer.code, **answer.found),
            "Make it with `aws configure --profile {profile}`; `aws configure list-profiles` shows the "
            "others.".format(**answer.found),
        )


class BadConfigFile(BadInput):
    def __init__(self, answer: Answer) -> None:
        super().__init__(
            f"The AWS settings of this machine cannot be used [{answer.code}]: {answer.text}",
            "Mend ~/.aws/config and ~/.aws/credentials, or write them anew with `aws configure`.",
        )


class NoCredentials(BadInput):
    def __init__(self, answer: Answer) -> None:
        super().__init__(
            "There are no AWS credentials {} [{}].".format(
                "in the profile " + answer.profile if answer.profile else "on this machine", answer.code
            ),
            f"Enter those of your IAM user: `aws configure{_option(answer.profile)}`.",
        )


class CredentialsFailed(BadInput):
    """What is to give them does not: a program of the profile's, or one that is not installed."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(
            "The AWS credentials {} cannot be had [{}]: {}".format(
                "of the profile " + answer.profile if answer.profile else "of this machine",
                answer.code,
                answer.text,
            ),
            "Do what it says; where a login has ended, log in again: `aws login` or `aws sso login`.",
        )


class BadCredentials(CloudRefused):
    def __init__(self, answer: Answer) -> None:
        super().__init__(
            "AWS does not accept the credentials {} in {} [{}].".format(
                "of the profile " + answer.profile if answer.profile else "of this machine",
                answer.region,
                answer.code,
            ),
            "Make a new access key in the IAM console and enter it: `aws"
            f" configure{_option(answer.profile)}`. (A region that is off by default must be enabled first.)",
        )


class LoginExpired(CloudRefused):
    """Nothing that runs on AWS is touched by it."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(
            f"Your AWS login has expired [{answer.code}]. A job that was started goes on.",
            f"Log in again (`aws sso login{_option(answer.profile)}`, or enter new keys) and repeat the"
            f" command; back to a job: {_ATTACH}.",
        )


class NotSignedUp(CloudRefused):
    def __init__(self, answer: Answer) -> None:
        super().__init__(
            f"This AWS account is not ready for use [{answer.code}]: {answer.text}",
            "Complete the sign-up at https://portal.aws.amazon.com/billing/signup and wait for its e-mail.",
        )


class NotAllowed(CloudRefused):
    """IAM says no. AWS mostly tells who may not do what; S3 often no more than "Access Denied"."""

    def __init__(self, answer: Answer) -> None:
        self.code = answer.code
        self.is_explained = answer.found.get("action") is not None  # to members of the account AWS does
        action = answer.found.get("action") or answer.action
        resource = answer.found.get("resource") or answer.resource
        because = answer.found.get("because") or ""
        statement: Dict[str, Any] = {"Effect": "Allow", "Action": action, "Resource": _all_like(resource)}
        if action == "iam:PassRole":
            statement["Condition"] = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
        super().__init__(
            "{} may not {} on {} [{}]{}.".format(
                answer.found.get("who") or "Your AWS user",
                action,
                resource,
                answer.code,
                ": " + because.rstrip(". ") if because else "",
            ),
            (
                "Have the deny taken away by whoever manages this AWS account."
                if "explicit deny" in because
                else "Add this statement to the policy of that user or role:\n"
                + json.dumps(statement, indent=2)
            ),
        )


class WrongClock(CloudRefused):
    def __init__(self, *, ours: float, theirs: Optional[float], code: str = "") -> None:
        super().__init__(
            "The clock of this machine says {}{}; AWS refuses what is signed at the wrong time{}.".format(
                _moment(ours),
                ", that of AWS " + _moment(theirs) if theirs is not None else "",
                _bracket(code),
            ),
            "Set the clock: `sudo timedatectl set-ntp true` (a Raspberry Pi forgets the time without power).",
        )

    @classmethod
    def of(cls, answer: Answer) -> "WrongClock":
        return cls(ours=answer.our_time, theirs=answer.their_time, code=answer.code)


class UntrustedServer(CloudRefused):
    """Its certificate may be good, and the clock wrong."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(
            f"At {_moment(answer.our_time)}, this machine's time, the certificate of AWS cannot be verified"
            f" [{answer.code}]: {answer.text}",
            "If that time is wrong, set the clock: `sudo timedatectl set-ntp true`. If not, something in the "
            "network opens TLS: set AWS_CA_BUNDLE to its certificate.",
        )


# What passes


class Unreachable(CloudRefused):
    """Nothing is known of what became of the request; to try again later is right."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(
            f"AWS cannot be reached [{answer.code}]: {answer.text}",
            "Check the network and SAGEMAKER_REGION, then run the command again: it goes on where it was.",
        )


class Busy(Unreachable):
    """AWS was reached, and asks to come again later."""

    def __init__(self, answer: Answer) -> None:
        CloudRefused.__init__(
            self,
            f"AWS put {answer.operation} off again and again [{answer.code}]: {answer.text}",
            "Wait some minutes, then run the command again: it goes on where it was.",
        )


class ObjectChanged(Unreachable):
    """It was replaced while it was fetched: to be fetched again from its start."""

    def __init__(self, answer: Answer) -> None:
        CloudRefused.__init__(
            self,
            f"s3://{answer.name} changed again and again while it was fetched [{answer.code}].",
            f"Leave it alone and fetch it again: {_ATTACH}.",
        )


# The bucket


class NoSuchBucket(CloudRefused):
    def __init__(self, answer: Answer) -> None:
        super().__init__(
            f"There is no bucket named {answer.bucket} [{answer.code}].",
            f"Correct SAGEMAKER_BUCKET, or make the bucket: `aws s3 mb s3://{answer.bucket} --region"
            f" {answer.region}`.",
        )


class OtherOwner(CloudRefused):
    def __init__(self, bucket: str, *, account: str, code: str) -> None:
        super().__init__(
            f"The bucket {bucket} is none that your account {account} may use [{code}].",
            "Set SAGEMAKER_BUCKET to a bucket of this account, or SAGEMAKER_PROFILE to one of its owner's.",
        )


class WrongRegion(CloudRefused):
    """
    Args:
        there: the bucket's region, where it is known.
        here: the job's.
    """

    def __init__(self, bucket: str, *, there: Optional[str], here: str, code: str = "") -> None:
        super().__init__(
            "The bucket {} is in {}, the job would be in {}{}: SageMaker wants both in one region.".format(
                bucket, there or "another region", here, _bracket(code)
            ),
            "Set SAGEMAKER_REGION to {}, or SAGEMAKER_BUCKET to a bucket in {}.".format(
                f'"{there}"' if there else "that of the bucket", here
            ),
        )

    @classmethod
    def of(cls, answer: Answer) -> "WrongRegion":
        return cls(answer.bucket, there=answer.found["there"], here=answer.region, code=answer.code)


class NoSuchObject(CloudRefused):
    def __init__(self, answer: Answer) -> None:
        super().__init__(f"s3://{answer.name} is not there [{answer.code}].", f"Train again: {_TRAIN}.")


class ObjectDamaged(CloudRefused):
    def __init__(self, uri: str) -> None:
        super().__init__(
            f"{uri} arrives with another checksum than the bucket has for it, each time.",
            f"Fetch it over another network: {_ATTACH}.",
        )


# The job


class NoSuchJob(CloudRefused):
    def __init__(self, name: str, *, place: str) -> None:
        super().__init__(
            f"There is no job named {name} {place}.",
            "`python manage.py sagemaker-jobs` lists those that there are.",
        )

    @classmethod
    def of(cls, answer: Answer) -> "NoSuchJob":
        return cls(answer.name, place="on AWS in " + answer.region)


class NameTaken(CloudRefused):
    def __init__(self, answer: Answer) -> None:
        super().__init__(
            f"There is another job named {answer.name} already [{answer.code}].",
            f"Train again: {_TRAIN} gives the job a new name.",
        )


class BadRole(CloudRefused):
    def __init__(self, role: str, *, trouble: str, code: str = "") -> None:
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        super().__init__(
            f"The role {role} {trouble}{_bracket(code)}.",
            "Set SAGEMAKER_ROLE_ARN to a role of this account whose trust policy has this statement:\n"
            + json.dumps(statement, indent=2),
        )

    @classmethod
    def missing(cls, answer: Answer) -> "BadRole":
        return cls(answer.resource, trouble="is not there", code=answer.code)

    @classmethod
    def untrusting(cls, answer: Answer) -> "BadRole":
        return cls(str(answer.found["role"]), trouble="cannot be assumed by SageMaker", code=answer.code)


class NoInput(CloudRefused):
    def __init__(self, answer: Answer) -> None:
        super().__init__(
            "SageMaker finds nothing at {} [{}].".format(answer.found["uri"], answer.code),
            "Give the role of SAGEMAKER_ROLE_ARN s3:ListBucket and s3:GetObject on that bucket.",
        )


class NoSuchImage(CloudRefused):
    def __init__(self, image: str, *, code: str) -> None:
        super().__init__(
            f"There is no image {image} [{code}].",
            'Correct SAGEMAKER_IMAGE in myconfig.py, or set it to "auto".',
        )

    @classmethod
    def of(cls, answer: Answer) -> "NoSuchImage":
        return cls(answer.found.get("image") or answer.name, code=answer.code)


class NoBuilder(CloudRefused):
    def __init__(self, answer: Answer) -> None:
        super().__init__(
            f"There is no CodeBuild project for training images in {answer.region} [{answer.code}]:"
            f" {answer.text}",
            _RUN_SETUP,
        )


class NoRepository(CloudRefused):
    def __init__(self, answer: Answer) -> None:
        super().__init__(
            f"There is no registry for training images in {answer.region} [{answer.code}]: {answer.text}",
            _RUN_SETUP,
        )


class ImageDenied(CloudRefused):
    def __init__(self, answer: Answer) -> None:
        super().__init__(
            f"SageMaker may not read the training image [{answer.code}]: {answer.text}",
            "Give the role of SAGEMAKER_ROLE_ARN ecr:BatchGetImage and ecr:GetDownloadUrlForLayer on it.",
        )


class BadImage(CloudRefused):
    def __init__(self, answer: Answer) -> None:
        super().__init__(
            f"SageMaker cannot use this training image [{answer.code}]: {answer.text}",
            f"Push it to a private ECR repository in {answer.region} and set SAGEMAKER_IMAGE to that.",
        )


class BadTimeLimit(CloudRefused):
    def __init__(self, answer: Answer) -> None:
        super().__init__(
            f"AWS does not accept the time limits of this job [{answer.code}]: {answer.text}",
            "Leave SAGEMAKER_SPOT and SAGEMAKER_MAX_RUNTIME_S at their defaults.",
        )


class BadRequest(CloudRefused):
    def __init__(self, answer: Answer) -> None:
        super().__init__(
            f"AWS does not accept this job [{answer.code}]: {answer.text}",
            "Look with `python manage.py sagemaker-train --dry-run` at what is sent, and change the setting "
            "behind it.",
        )


class Refused(CloudRefused):
    """Whatever nobody foresaw."""

    def __init__(self, answer: Answer) -> None:
        self.code = answer.code
        super().__init__(
            f"AWS refused {answer.operation} [{answer.code}]: {answer.text}",
            "If that does not say what to change, run it again with --debug and report what it prints.",
        )


# The machine


class NoCapacity(CloudRefused):
    """This type of machine cannot be had; another may."""


class NoQuota(NoCapacity):
    """The account may not have so many machines of the type.

    Args:
        quota: its name, as the console shows it, e.g. "ml.g4dn.xlarge for training job usage".
        numbers: its limit and what of it is in use or needed.
        instead: a type that has quota, if one is known.
    """

    def __init__(
        self, quota: str, *, numbers: str, region: str, instead: Optional[str] = None, code: str = ""
    ) -> None:
        self.instance_type = quota.split(" ")[0]
        self._quota, self._numbers, self._region, self._code = quota, numbers, region, code
        super().__init__(
            f"This account's quota for {quota} in {region} {numbers}{_bracket(code)}.",
            "{} for a higher one, by that name, at {}".format(
                f'Set SAGEMAKER_INSTANCE_TYPE = "{instead}", which has quota, or ask' if instead else "Ask",
                _QUOTAS_PAGE.format(region),
            ),
        )

    @classmethod
    def of(cls, answer: Answer) -> "NoQuota":
        numbers = "is {limit}, with {used} in use".format(**answer.found)
        return cls(str(answer.found["quota"]), numbers=numbers, region=answer.region, code=answer.code)

    def with_instead(self, instance_type: str) -> "NoQuota":
        """The same refusal, with a type that has quota."""
        return NoQuota(
            self._quota, numbers=self._numbers, region=self._region, instead=instance_type, code=self._code
        )


class NotInRegion(NoCapacity):
    def __init__(self, answer: Answer) -> None:
        super().__init__(
            "There are no {} machines in {} [{}].".format(answer.found["type"], answer.region, answer.code),
            "Set SAGEMAKER_INSTANCE_TYPE to another type, such as a newer one of its size.",
        )


class UnsupportedType(NoCapacity):
    def __init__(self, answer: Answer) -> None:
        super().__init__(
            f"SageMaker does not train on this type of machine [{answer.code}]: {answer.text}",
            'Set SAGEMAKER_INSTANCE_TYPE to a type that it does, such as "ml.m5.xlarge".',
        )


class NoMachine(NoCapacity):
    def __init__(self, answer: Answer) -> None:
        super().__init__(
            f"AWS has no machine for this job [{answer.code}]: {answer.text}",
            "Set SAGEMAKER_INSTANCE_TYPE to a list of types to try in turn.",
        )


def _all_like(resource: str) -> str:
    """One object, job or stream stands for all of its kind: the next one would be refused as well."""
    for pattern in (r"(:::[^/]+/[^/]+/).+", r"(:training-job/donkey-).+", r"(:log-stream:).+"):
        resource = re.sub(pattern, r"\1*", resource)
    return resource


def _option(profile: Optional[str]) -> str:
    return " --profile " + profile if profile else ""


def _bracket(code: str) -> str:
    return f" [{code}]" if code else ""


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
