"""The one CloudFormation stack with everything that sagemaker-setup creates: planned, executed, deleted.

A plan is a change set: AWS computes what would change before anything does.
"""

import uuid
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, NamedTuple, Optional

from ..cloud.partitions import find_partition
from ..errors import CloudRefused
from .errors import AwsError

if TYPE_CHECKING:  # importing it takes boto3, which `--help` does not need
    from .connection import Connection

NAME = "donkey-sagemaker"
SETTINGS_BY_OUTPUT = {
    "Region": "SAGEMAKER_REGION",
    "Bucket": "SAGEMAKER_BUCKET",
    "RoleArn": "SAGEMAKER_ROLE_ARN",
    "JobQueue": "SAGEMAKER_JOB_QUEUE",
}

_STACK_TYPE = "AWS::CloudFormation::Stack"
_BROKEN = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED")
_EXISTENCE_CHECK = "AWS::EarlyValidation::ResourceExistenceCheck"
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")


class StackBusy(CloudRefused):
    def __init__(self, status: str) -> None:
        super().__init__(
            f"The stack {NAME} is being changed right now [{status}].",
            "Wait a few minutes, then run the command again.",
        )


class StackStuck(CloudRefused):
    def __init__(self, status: str, region: str) -> None:
        super().__init__(
            f"An update of the stack {NAME} could not be rolled back [{status}].",
            'Select the stack, then "Continue update rollback", at '
            + find_partition(region).console_url(region, "cloudformation/home?region=" + region),
        )


class ResourceExists(CloudRefused):
    """AWS names the resource only in an operation that older versions of boto3 do not have."""

    def __init__(self, region: str) -> None:
        super().__init__(
            f"The stack {NAME} cannot be created: a resource with a name that it needs already exists outside"
            f" the stack [{_EXISTENCE_CHECK}].",
            "Delete those of these resources that exist, then run the command again:\n"
            f"  aws ecr delete-repository --region {region} --repository-name {NAME} --force\n"
            f"  aws codebuild delete-project --region {region} --name {NAME}\n"
            f"  aws logs delete-log-group --region {region} --log-group-name /aws/codebuild/{NAME}",
        )


class PlanRefused(CloudRefused):
    def __init__(self, reason: str) -> None:
        super().__init__(
            f"AWS could not plan the changes to the stack {NAME}: {reason.rstrip('. ')}.",
            "Fix that, then run the command again.",
        )


class StackFailed(CloudRefused):
    """The stack could not be created, updated or deleted.

    Args:
        failure: the first resource that failed, if AWS reports one.
        status: of the stack, after the rollback.
    """

    def __init__(self, failure: Optional["Event"], status: str) -> None:
        what = f"The stack {NAME} could not be {_past_action(status)}"
        if failure:
            what += f": {failure.resource} ({failure.type}): {failure.reason}".rstrip(". ")
        super().__init__(
            f"{what} [{status}].",
            (
                "Fix that, then delete the rest: `python manage.py sagemaker-setup --teardown`."
                if status.startswith("DELETE")
                else "Fix that, then run the command again: it cleans up what is left."
            ),
        )
        self.is_forbidden = failure is not None and (
            "not authorized to perform" in failure.reason or "AccessDenied" in failure.reason
        )


class Change(NamedTuple):
    """One resource that a plan adds, modifies or removes."""

    action: str  # "Add", "Modify" or "Remove"
    resource: str  # its name in the template
    type: str  # as "AWS::S3::Bucket"
    is_replaced: bool  # by a new resource


class Event(NamedTuple):
    """Something that happened to the stack or to one of its resources."""

    id: str
    resource: str
    type: str
    status: str  # as "CREATE_IN_PROGRESS"
    reason: str

    @property
    def is_end(self) -> bool:
        """Whether the stack itself has reached its final status."""
        return self.type == _STACK_TYPE and not self.status.endswith("_IN_PROGRESS")


class Plan(NamedTuple):
    """A change set that has not been executed."""

    id: str
    stack_id: str
    is_new: bool  # the stack does not exist yet
    changes: List[Change]


class Stack:
    """The one stack of an account and region."""

    poll_s = 2.0  # between two requests for its progress

    def __init__(self, connection: "Connection") -> None:
        self._connection = connection

    def describe(self) -> Optional[Dict[str, Any]]:
        """The stack as DescribeStacks returns it; None if it does not exist."""
        try:
            (stack,) = self._call("DescribeStacks", StackName=NAME)["Stacks"]
        except AwsError as error:
            if error.code != "ValidationError" or "does not exist" not in error.what:
                raise
            return None
        return stack

    def outputs(self) -> Dict[str, str]:
        """The values of the template's Outputs; empty if the stack does not exist."""
        return {each["OutputKey"]: each["OutputValue"] for each in (self.describe() or {}).get("Outputs", [])}

    def car_users(self) -> List[str]:
        """The IAM users with the policy of a car. Earlier versions gave it to only one."""
        parameters = (self.describe() or {}).get("Parameters", [])
        values = {each["ParameterKey"]: each.get("ParameterValue", "") for each in parameters}
        names = values.get("CarUsers", values.get("CarUser", ""))
        return [name for name in names.split(",") if name]

    def is_broken(self) -> bool:
        """Whether an earlier run left a stack that can only be deleted."""
        stack = self.describe()
        return stack is not None and stack["StackStatus"] in _BROKEN

    def plan(self, template: str, parameters: Dict[str, Optional[str]]) -> Plan:
        """Lets AWS compute what would change, and changes nothing.

        Args:
            parameters: of the template; None keeps the stack's value, or the template's default.
        Raises:
            StackBusy, StackStuck, ResourceExists, PlanRefused
        """
        stack = self.describe()
        status = stack["StackStatus"] if stack else "REVIEW_IN_PROGRESS"
        if status == "UPDATE_ROLLBACK_FAILED":
            raise StackStuck(status, self._connection.region)
        if status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
            raise StackBusy(status)
        is_new = status == "REVIEW_IN_PROGRESS"
        known = {each["ParameterKey"] for each in stack.get("Parameters", [])} if stack else set()
        name = "setup-" + uuid.uuid4().hex
        try:
            self._call(
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
        except AwsError as error:
            if error.code != "AlreadyExistsException":  # created before, but the response was lost
                raise
        return self._wait_for_plan(name, is_new=is_new)

    def _wait_for_plan(self, name: str, *, is_new: bool) -> Plan:
        parameters = {"StackName": NAME, "ChangeSetName": name}
        while True:
            pages = list(self._connection.pages("cloudformation", "DescribeChangeSet", parameters))
            status, reason = pages[0]["Status"], pages[0].get("StatusReason", "")
            if not status.endswith(("_PENDING", "_IN_PROGRESS")):
                break
            self._connection.sleep(self.poll_s)
        changes = [read_change(each) for page in pages for each in page.get("Changes", [])]
        plan = Plan(pages[0]["ChangeSetId"], pages[0]["StackId"], is_new, changes)
        if status == "FAILED":
            self.discard(plan)
            if _EXISTENCE_CHECK in reason:
                raise ResourceExists(self._connection.region)
            if not any(words in reason for words in _NO_CHANGES):
                raise PlanRefused(reason)
            return plan._replace(changes=[])
        return plan

    def discard(self, plan: Plan) -> None:
        """Deletes a plan, and the empty stack that was created for it."""
        self._call("DeleteChangeSet", ChangeSetName=plan.id, StackName=NAME)
        if plan.is_new:
            self._call("DeleteStack", StackName=plan.stack_id)

    def execute(self, plan: Plan) -> Iterator[Event]:
        """Yields what happens, as it happens, until the plan is done.

        Raises:
            StackFailed: after AWS has rolled its changes back.
        """
        seen = self._events(plan.stack_id)
        try:
            self._call("ExecuteChangeSet", ChangeSetName=plan.id, StackName=NAME)
        except AwsError as error:
            if error.code != "InvalidChangeSetStatus":  # already running: the first response was lost
                raise
        return self._follow(plan.stack_id, seen)

    def delete(self) -> Iterator[Event]:
        """Yields what happens, as it happens, until the stack is gone.

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
        self._call("DeleteStack", StackName=stack_id)
        return self._follow(stack_id, seen)

    def _follow(self, stack_id: str, seen: List[Event]) -> Iterator[Event]:
        yielded = {event.id for event in seen}
        failure: Optional[Event] = None
        while True:
            for event in self._events(stack_id):
                if event.id in yielded:
                    continue
                yielded.add(event.id)
                if failure is None and is_failure(event):
                    failure = event
                yield event
                if event.is_end:
                    if event.status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE"):
                        raise StackFailed(failure, event.status)
                    return
            self._connection.sleep(self.poll_s)

    def _events(self, stack_id: str) -> List[Event]:
        """All events, the oldest first."""
        pages = self._connection.pages("cloudformation", "DescribeStackEvents", {"StackName": stack_id})
        return [read_event(each) for page in pages for each in page["StackEvents"]][::-1]

    def _call(self, operation: str, **parameters: Any) -> Dict[str, Any]:
        return self._connection.call("cloudformation", operation, parameters)


def read_change(change: Dict[str, Any]) -> Change:
    """Reads one of DescribeChangeSet's Changes."""
    resource = change["ResourceChange"]
    return Change(
        action=resource["Action"],
        resource=resource["LogicalResourceId"],
        type=resource["ResourceType"],
        is_replaced=resource.get("Replacement") == "True",
    )


def read_event(event: Dict[str, Any]) -> Event:
    """Reads one of DescribeStackEvents' StackEvents."""
    return Event(
        id=event["EventId"],
        resource=event["LogicalResourceId"],
        type=event["ResourceType"],
        status=event["ResourceStatus"],
        reason=event.get("ResourceStatusReason", ""),
    )


def is_failure(event: Event) -> bool:
    """Whether the resource itself failed; one that was cancelled because of another did not."""
    return (
        event.status.endswith("_FAILED")
        and event.type != _STACK_TYPE
        and not event.reason.endswith("cancelled")
    )


def _past_action(status: str) -> str:
    """What was tried, judging by the stack's final status."""
    if status.startswith("DELETE"):
        return "deleted"
    return "updated" if status.startswith("UPDATE") else "created"
