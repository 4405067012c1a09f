"""What setup makes, as one CloudFormation stack: planned as a change set, carried out, taken away.

A `connection` here is what `aws/connection.py` asks AWS through.
"""

import uuid
from typing import Any, Dict, Iterator, List, NamedTuple, Optional

from ..errors import CloudRefused
from ..training.watch import RUNNING
from .errors import NoSuchBucket, Refused

NAME = "donkey-sagemaker"
SETTINGS_BY_OUTPUT = {
    "Region": "SAGEMAKER_REGION",
    "Bucket": "SAGEMAKER_BUCKET",
    "RoleArn": "SAGEMAKER_ROLE_ARN",
}

_STACK_TYPE = "AWS::CloudFormation::Stack"
_WRECKS = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED")
_EXISTENCE_CHECK = "AWS::EarlyValidation::ResourceExistenceCheck"
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")


class StackBusy(CloudRefused):
    def __init__(self, status: str) -> None:
        super().__init__(
            f"The stack {NAME} is being changed at this moment [{status}].",
            "Wait some minutes, then start again.",
        )


class StackStuck(CloudRefused):
    def __init__(self, status: str, region: str) -> None:
        super().__init__(
            f"The stack {NAME} is in a state that only its owner can end [{status}].",
            'Choose it, then "Continue update rollback", at '
            f"https://{region}.console.aws.amazon.com/cloudformation/home?region={region}",
        )


class NameTaken(CloudRefused):
    """AWS does not say which: it tells that by an operation which older boto3 do not have."""

    def __init__(self, region: str) -> None:
        super().__init__(
            f"The stack {NAME} cannot be made: something of a name that it needs is there already, made by"
            f" other means [{_EXISTENCE_CHECK}].",
            "Delete what there is of these, then start again:\n"
            f"  aws ecr delete-repository --region {region} --repository-name {NAME} --force\n"
            f"  aws codebuild delete-project --region {region} --name {NAME}\n"
            f"  aws logs delete-log-group --region {region} --log-group-name /aws/codebuild/{NAME}",
        )


class PlanRefused(CloudRefused):
    def __init__(self, reason: str) -> None:
        super().__init__(
            "AWS cannot tell what would change in the stack {}: {}".format(NAME, reason.rstrip(". ") + "."),
            "Mend that, then start again.",
        )


class StackFailed(CloudRefused):
    """Making, changing or deleting came to no good end.

    Args:
        failure: the first thing that went wrong, where AWS tells it.
        status: of the stack, after AWS has taken back what it had done.
    """

    def __init__(self, failure: Optional["Event"], status: str) -> None:
        what = f"The stack {NAME} could not be {_deed(status)}"
        if failure:
            what += f": {failure.resource} ({failure.type}): {failure.reason}".rstrip(". ")
        super().__init__(
            f"{what} [{status}].",
            (
                "Mend that, then delete what is left: `python manage.py sagemaker-setup --teardown`."
                if status.startswith("DELETE")
                else "Mend that, then start again: what was left is put right."
            ),
        )
        self.is_forbidden = failure is not None and (
            "not authorized to perform" in failure.reason or "AccessDenied" in failure.reason
        )


class ObjectsKept(CloudRefused):
    def __init__(self, bucket: str, error: Dict[str, Any]) -> None:
        super().__init__(
            "s3://{}/{} cannot be deleted [{}]: {}".format(
                bucket, error.get("Key", ""), error.get("Code", ""), error.get("Message", "")
            ),
            "Delete it at https://console.aws.amazon.com/s3, then start again.",
        )


class Change(NamedTuple):
    """One thing that a plan adds, modifies or removes."""

    action: str  # "Add", "Modify" or "Remove"
    resource: str  # its name in the template
    type: str  # as "AWS::S3::Bucket"
    is_replaced: bool  # a new one in place of the old one


class Event(NamedTuple):
    """One thing that happened to the stack or to one of its resources."""

    id: str
    resource: str
    type: str
    status: str  # as "CREATE_IN_PROGRESS"
    reason: str

    @property
    def is_end(self) -> bool:
        """Whether the stack itself has come to rest."""
        return self.type == _STACK_TYPE and not self.status.endswith("_IN_PROGRESS")


class Plan(NamedTuple):
    """A change set that waits to be carried out."""

    id: str
    stack_id: str
    is_new: bool  # there is no stack yet
    changes: List[Change]


class Contents(NamedTuple):
    """What a bucket holds."""

    objects: int
    bytes: int


class Stack:
    """The one stack of an account and region."""

    poll_s = 2.0  # between two looks at what goes on

    def __init__(self, connection: Any) -> None:
        self._aws = connection

    def describe(self) -> Optional[Dict[str, Any]]:
        """DescribeStacks of it, if it is there."""
        try:
            (stack,) = self._ask("DescribeStacks", StackName=NAME)["Stacks"]
        except Refused as refusal:
            if refusal.code != "ValidationError" or "does not exist" not in refusal.what:
                raise
            return None
        return stack

    def outputs(self) -> Dict[str, str]:
        """What the template's Outputs have come to; nothing where there is no stack."""
        return {each["OutputKey"]: each["OutputValue"] for each in (self.describe() or {}).get("Outputs", [])}

    def is_wreck(self) -> bool:
        """Whether an earlier try left what can only be deleted."""
        stack = self.describe()
        return stack is not None and stack["StackStatus"] in _WRECKS

    def plan(self, template: str, parameters: Dict[str, Optional[str]]) -> Plan:
        """Asks AWS what would change; nothing does.

        Args:
            parameters: the template's; None for what the stack has, or the template's default.
        Raises:
            StackBusy, StackStuck, NameTaken, PlanRefused
        """
        stack = self.describe()
        status = stack["StackStatus"] if stack else "REVIEW_IN_PROGRESS"
        if status == "UPDATE_ROLLBACK_FAILED":
            raise StackStuck(status, self._aws.region)
        if status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
            raise StackBusy(status)
        is_new = status == "REVIEW_IN_PROGRESS"
        known = {each["ParameterKey"] for each in stack.get("Parameters", [])} if stack else set()
        name = "setup-" + uuid.uuid4().hex
        try:
            self._ask(
                "CreateChangeSet",
                StackName=NAME,
                ChangeSetName=name,
                ChangeSetType="CREATE" if is_new else "UPDATE",
                TemplateBody=template,
                Capabilities=["CAPABILITY_IAM"],
                Parameters=[
                    (
                        {"ParameterKey": key, "UsePreviousValue": True}
                        if value is None
                        else {"ParameterKey": key, "ParameterValue": value}
                    )
                    for key, value in parameters.items()
                    if value is not None or (key in known and not is_new)
                ],
            )
        except Refused as refusal:
            if refusal.code != "AlreadyExistsException":  # ours, whose answer was lost
                raise
        return self._wait_for_plan(name, is_new=is_new)

    def _wait_for_plan(self, name: str, *, is_new: bool) -> Plan:
        parameters = {"StackName": NAME, "ChangeSetName": name}
        while True:
            pages = list(self._aws.pages("cloudformation", "DescribeChangeSet", parameters))
            status, reason = pages[0]["Status"], pages[0].get("StatusReason", "")
            if not status.endswith(("_PENDING", "_IN_PROGRESS")):
                break
            self._aws.sleep(self.poll_s)
        changes = [read_change(each) for page in pages for each in page.get("Changes", [])]
        plan = Plan(pages[0]["ChangeSetId"], pages[0]["StackId"], is_new, changes)
        if status == "FAILED":
            self.drop(plan)
            if _EXISTENCE_CHECK in reason:
                raise NameTaken(self._aws.region)
            if not any(words in reason for words in _NO_CHANGES):
                raise PlanRefused(reason)
            return plan._replace(changes=[])
        return plan

    def drop(self, plan: Plan) -> None:
        """Takes a plan back, and the empty stack that it was made for."""
        self._ask("DeleteChangeSet", ChangeSetName=plan.id, StackName=NAME)
        if plan.is_new:
            self._ask("DeleteStack", StackName=plan.stack_id)

    def carry_out(self, plan: Plan) -> Iterator[Event]:
        """What happens, as it happens, until all is done.

        Raises:
            StackFailed: after AWS has taken back what it had done.
        """
        seen = self._events(plan.stack_id)
        try:
            self._ask("ExecuteChangeSet", ChangeSetName=plan.id, StackName=NAME)
        except Refused as refusal:
            if refusal.code != "InvalidChangeSetStatus":  # begun already: the first answer was lost
                raise
        return self._follow(plan.stack_id, seen)

    def delete(self) -> Iterator[Event]:
        """What happens, as it happens, until all is gone.

        Raises:
            StackBusy, StackFailed
        """
        stack = self.describe()
        if stack is None:
            return iter(())
        status, stack_id = stack["StackStatus"], stack["StackId"]
        if status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
            raise StackBusy(status)
        seen = self._events(stack_id)
        self._ask("DeleteStack", StackName=stack_id)
        return self._follow(stack_id, seen)

    def _follow(self, stack_id: str, seen: List[Event]) -> Iterator[Event]:
        told = {event.id for event in seen}
        failure: Optional[Event] = None
        while True:
            for event in self._events(stack_id):
                if event.id in told:
                    continue
                told.add(event.id)
                if failure is None and is_failure(event):
                    failure = event
                yield event
                if event.is_end:
                    if event.status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE"):
                        raise StackFailed(failure, event.status)
                    return
            self._aws.sleep(self.poll_s)

    def _events(self, stack_id: str) -> List[Event]:
        """All of them, the oldest first."""
        pages = self._aws.pages("cloudformation", "DescribeStackEvents", {"StackName": stack_id})
        return [read_event(each) for page in pages for each in page["StackEvents"]][::-1]

    def _ask(self, operation: str, **parameters: Any) -> Dict[str, Any]:
        return self._aws.ask("cloudformation", operation, parameters)

    # What would be in the way of deleting it

    def running_jobs(self) -> List[str]:
        """Our jobs in this account and region that have not ended; one that stops has its model to upload."""
        return [
            job["TrainingJobName"]
            for status in RUNNING
            for page in self._aws.pages(
                "sagemaker", "ListTrainingJobs", {"NameContains": "donkey-", "StatusEquals": status}
            )
            for job in page["TrainingJobSummaries"]
        ]

    def look_into(self, bucket: str) -> Optional[Contents]:
        """None where it is gone already."""
        pages = self._aws.pages(
            "s3",
            "ListObjectsV2",
            self._in(bucket),
            tokens=("ContinuationToken", "NextContinuationToken"),
        )
        try:
            sizes = [each["Size"] for page in pages for each in page.get("Contents", [])]
        except NoSuchBucket:
            return None
        return Contents(len(sizes), sum(sizes))

    def empty(self, bucket: str) -> Iterator[int]:
        """Deletes all objects, and all versions of them if it keeps any; tells how many with each step.

        Raises:
            ObjectsKept
        """
        while True:
            page = self._aws.ask("s3", "ListObjectVersions", self._in(bucket))
            found = page.get("Versions", []) + page.get("DeleteMarkers", [])
            if not found:
                return
            objects = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found]
            answer = self._aws.ask(
                "s3", "DeleteObjects", dict(self._in(bucket), Delete={"Objects": objects, "Quiet": True})
            )
            for error in answer.get("Errors", []):
                raise ObjectsKept(bucket, error)
            yield len(objects)

    def _in(self, bucket: str) -> Dict[str, Any]:
        return {"Bucket": bucket, "ExpectedBucketOwner": self._aws.account()}


def read_change(change: Dict[str, Any]) -> Change:
    """One of DescribeChangeSet's."""
    resource = change["ResourceChange"]
    return Change(
        action=resource["Action"],
        resource=resource["LogicalResourceId"],
        type=resource["ResourceType"],
        is_replaced=resource.get("Replacement") == "True",
    )


def read_event(event: Dict[str, Any]) -> Event:
    """One of DescribeStackEvents'."""
    return Event(
        id=event["EventId"],
        resource=event["LogicalResourceId"],
        type=event["ResourceType"],
        status=event["ResourceStatus"],
        reason=event.get("ResourceStatusReason", ""),
    )


def is_failure(event: Event) -> bool:
    """Whether it tells of a fault of its own: what was cancelled for another's tells nothing."""
    return (
        event.status.endswith("_FAILED")
        and event.type != _STACK_TYPE
        and not event.reason.endswith("cancelled")
    )


def _deed(status: str) -> str:
    """What was tried, by how the stack ended."""
    if status.startswith("DELETE"):
        return "deleted"
    return "changed" if status.startswith("UPDATE") else "made"
