"""CloudFormation: the stack that setup creates, with its change sets and events."""

import uuid
from typing import Any, Dict, List, Tuple
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from moto.ecr.models import ecr_backends

from .account import ACCOUNT_ID, REGION, USER_ARN, Account
from .aws_error import AwsError, Response
from .stack_resources import MAKERS, REMOVERS, CannotChange, Resource, make_plain
from .template import Scope, read_template

STACK = "AWS::CloudFormation::Stack"
NEW_EVENTS = 5  # that appear with each request for them


class StackState:
    def __init__(self, name: str) -> None:
        self.name = name
        self.id = f"arn:aws:cloudformation:{REGION}:{ACCOUNT_ID}:stack/{name}/{uuid.uuid4()}"
        self.status = "REVIEW_IN_PROGRESS"
        self.template: Dict[str, Any] = {}
        self.parameters: Dict[str, str] = {}
        self.resources: Dict[str, Resource] = {}
        self.events: List[Dict[str, Any]] = []
        self.shown = 0  # events that are visible so far
        self.note(name, STACK, self.status)

    def note(self, logical_id: str, kind: str, status: str, reason: str = "") -> None:
        event = {
            "EventId": str(uuid.uuid4()),
            "StackId": self.id,
            "StackName": self.name,
            "LogicalResourceId": logical_id,
            "ResourceType": kind,
            "ResourceStatus": status,
            "Timestamp": "2026-11-22T00:00:00Z",
        }
        self.events.append(dict(event, ResourceStatusReason=reason) if reason else event)

    def scope(self) -> Scope:
        return Scope(self.name, self.template, parameters=self.parameters, resources=self.resources)

    def go(self, status: str, reason: str = "") -> None:
        self.status = status
        self.note(self.name, STACK, status, reason)


class StackApi:
    """Each operation is a method, which gets the form fields and returns the members of the result."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._stacks: List[StackState] = []
        self._change_sets: Dict[str, Dict[str, Any]] = {}

    def handle(self, operation: str, body: bytes) -> Response:
        result = getattr(self, operation)(read_form(body))
        text = '<{0}Response xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><{0}Result>{1}</{0}Result></{0}Response>'
        return Response(200, {"Content-Type": "text/xml"}, text.format(operation, _xml(result)).encode())

    def DescribeStacks(self, request: Dict[str, Any]) -> Dict[str, Any]:
        stack = self._find(request["StackName"])
        scope = stack.scope()
        description: Dict[str, Any] = {
            "StackId": stack.id,
            "StackName": stack.name,
            "StackStatus": stack.status,
            "CreationTime": "2026-11-22T00:00:00Z",
            "Parameters": [
                {"ParameterKey": key, "ParameterValue": value} for key, value in stack.parameters.items()
            ],
        }
        if stack.status in (
            "CREATE_COMPLETE",
            "UPDATE_COMPLETE",
            "UPDATE_ROLLBACK_COMPLETE",
            "DELETE_FAILED",
        ):
            description["Outputs"] = [
                {"OutputKey": key, "OutputValue": scope.resolve(output["Value"])}
                for key, output in stack.template.get("Outputs", {}).items()
                if scope.holds(output.get("Condition"))
            ]
        return {"Stacks": [description]}

    def DescribeStackEvents(self, request: Dict[str, Any]) -> Dict[str, Any]:
        stack = self._find(request["StackName"], deleted=True)
        stack.shown = min(len(stack.events), stack.shown + NEW_EVENTS)
        return {"StackEvents": stack.events[: stack.shown][::-1]}

    def CreateChangeSet(self, request: Dict[str, Any]) -> Dict[str, Any]:
        if "CAPABILITY_IAM" not in request.get("Capabilities", []):
            raise AwsError("InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_IAM]")
        stack = next(
            (each for each in self._stacks if each.name == request["StackName"] and _exists(each)), None
        )
        if request["ChangeSetType"] == "CREATE":
            if stack and stack.status != "REVIEW_IN_PROGRESS":
                text = "Stack [{}] already exists and cannot be created again with the changeSet [{}]."
                raise AwsError("ValidationError", text.format(stack.name, request["ChangeSetName"]))
            if stack is None:
                stack = StackState(request["StackName"])
                self._stacks.append(stack)
        elif stack is None:
            raise _no_stack(request["StackName"])
        elif stack.status in ("ROLLBACK_COMPLETE", "DELETE_FAILED"):
            text = "Stack:{} is in {} state and can not be updated."
            raise AwsError("ValidationError", text.format(stack.id, stack.status))
        template = read_template(request["TemplateBody"])
        parameters = _parameters(template, request.get("Parameters", []), stack)
        change_set = {
            "ChangeSetId": "arn:aws:cloudformation:{}:{}:changeSet/{}".format(
                REGION, ACCOUNT_ID, request["ChangeSetName"]
            ),
            "stack": stack,
            "template": template,
            "parameters": parameters,
            "changes": _changes(stack, template, parameters),
            "requests": 0,
        }
        if request["ChangeSetName"] in self._change_sets:
            raise AwsError(
                "AlreadyExistsException", "ChangeSet {} already exists".format(request["ChangeSetName"])
            )
        self._change_sets[request["ChangeSetName"]] = change_set
        return {"Id": change_set["ChangeSetId"], "StackId": stack.id}

    def DescribeChangeSet(self, request: Dict[str, Any]) -> Dict[str, Any]:
        change_set = self._change_sets[request["ChangeSetName"].rsplit("/", 1)[-1]]
        change_set["requests"] += 1
        description = {
            "ChangeSetId": change_set["ChangeSetId"],
            "StackId": change_set["stack"].id,
            "Status": "CREATE_PENDING" if change_set["requests"] == 1 else "CREATE_COMPLETE",
            "Changes": change_set["changes"],
        }
        if change_set["requests"] > 1 and _is_taken(change_set):
            text = "The following hook(s)/validation failed: [AWS::EarlyValidation::ResourceExistenceCheck]. "
            text += (
                "To troubleshoot Early Validation errors, use the DescribeEvents API for detailed failure "
            )
            description.update(Status="FAILED", StatusReason=text + "information.")
        elif change_set["requests"] > 1 and not change_set["changes"]:
            text = "The submitted information didn't contain changes. Submit different information."
            description.update(Status="FAILED", StatusReason=text)
        return description

    def DeleteChangeSet(self, request: Dict[str, Any]) -> Dict[str, Any]:
        del self._change_sets[request["ChangeSetName"].rsplit("/", 1)[-1]]
        return {}

    def ExecuteChangeSet(self, request: Dict[str, Any]) -> Dict[str, Any]:
        change_set = self._change_sets.pop(request["ChangeSetName"].rsplit("/", 1)[-1], None)
        if change_set is None:
            raise AwsError("InvalidChangeSetStatus", "ChangeSet cannot be executed in its current status")
        stack = change_set["stack"]
        action = "CREATE" if stack.status == "REVIEW_IN_PROGRESS" else "UPDATE"
        stack.go(action + "_IN_PROGRESS", "User Initiated")
        old = stack.template, stack.parameters
        stack.template, stack.parameters = change_set["template"], change_set["parameters"]
        if self._apply(stack, action, kinds=_kinds(old[0])):
            stack.go(action + "_COMPLETE")
        elif action == "CREATE":
            stack.go(
                "ROLLBACK_IN_PROGRESS", "The following resource(s) failed to create. Rollback requested."
            )
            self._remove_all(stack)
            stack.go("ROLLBACK_COMPLETE")
        else:
            stack.template, stack.parameters = old
            stack.go("UPDATE_ROLLBACK_IN_PROGRESS", "The following resource(s) failed to update.")
            stack.go("UPDATE_ROLLBACK_COMPLETE")
        return {}

    def DeleteStack(self, request: Dict[str, Any]) -> Dict[str, Any]:
        stack = self._find(request["StackName"], deleted=True)
        if _exists(stack):
            stack.go("DELETE_IN_PROGRESS", "User Initiated")
            stack.go("DELETE_COMPLETE" if self._remove_all(stack) else "DELETE_FAILED")
        return {}

    def _find(self, name: str, *, deleted: bool = False) -> StackState:
        """By name the existing stack; by id also a deleted one."""
        for stack in self._stacks:
            if stack.id == name or (stack.name == name and (_exists(stack) or deleted)):
                return stack
        raise _no_stack(name)

    def _apply(self, stack: StackState, action: str, *, kinds: Dict[str, str]) -> bool:
        """Creates or updates the resources of the template; False if one of them fails.

        Args:
            kinds: those of the template before this one.
        """
        scope = stack.scope()
        for logical_id in scope.wanted():
            kind = stack.template["Resources"][logical_id]["Type"]
            properties = scope.resolve(stack.template["Resources"][logical_id].get("Properties", {}))
            known = stack.resources.get(logical_id)
            if known and known.properties == properties:
                continue
            verb = "UPDATE" if known else "CREATE"
            stack.note(logical_id, kind, verb + "_IN_PROGRESS")
            try:
                self._check(kind, verb)
                maker = MAKERS.get(kind, make_plain)
                stack.resources[logical_id] = maker(_physical(stack, logical_id), properties, known)
            except CannotChange as reason:
                stack.note(logical_id, kind, verb + "_FAILED", str(reason))
                stack.note("Other", kind, verb + "_FAILED", "Resource creation cancelled")
                return False
            stack.note(logical_id, kind, verb + "_COMPLETE")
        for logical_id in set(stack.resources) - set(scope.wanted()):
            REMOVERS.get(kinds[logical_id], lambda _: None)(stack.resources.pop(logical_id))
            stack.note(logical_id, kinds[logical_id], "DELETE_COMPLETE")
        return True

    def _check(self, kind: str, verb: str) -> None:
        service, name = kind.split("::")[1:]
        action = f"{service.lower()}:{verb.capitalize()}{name}"
        if not self._account.may(action):
            text = "User: {} is not authorized to perform: {} (Service: {}, Status Code: 403)"
            raise CannotChange(text.format(USER_ARN, action, service))

    def _remove_all(self, stack: StackState) -> bool:
        for logical_id, resource in list(stack.resources.items())[::-1]:
            kind = stack.template["Resources"][logical_id]["Type"]
            try:
                REMOVERS.get(kind, lambda _: None)(resource)
            except CannotChange as reason:
                stack.note(logical_id, kind, "DELETE_FAILED", str(reason))
                return False
            stack.note(logical_id, kind, "DELETE_COMPLETE")
            del stack.resources[logical_id]
        return True


def _changes(stack: StackState, template: Dict[str, Any], parameters: Dict[str, str]) -> List[Dict[str, Any]]:
    scope = Scope(stack.name, template, parameters=parameters, resources=stack.resources)
    changes: List[Tuple[str, str]] = []
    for name in scope.wanted():
        known = stack.resources.get(name)
        if known is None:
            changes.append(("Add", name))
        elif known.properties != scope.resolve(template["Resources"][name].get("Properties", {})):
            changes.append(("Modify", name))
    changes += [("Remove", name) for name in stack.resources if name not in scope.wanted()]
    return [
        {
            "Type": "Resource",
            "ResourceChange": {
                "Action": action,
                "LogicalResourceId": name,
                "ResourceType": _kinds(stack.template if action == "Remove" else template)[name],
            },
        }
        for action, name in changes
    ]


def _kinds(template: Dict[str, Any]) -> Dict[str, str]:
    return {name: each["Type"] for name, each in template.get("Resources", {}).items()}


def _is_taken(change_set: Dict[str, Any]) -> bool:
    """Whether a repository of the same name as a new one exists already."""
    resources = change_set["template"]["Resources"]
    changes = [each["ResourceChange"] for each in change_set["changes"]]
    added = [resources[each["LogicalResourceId"]] for each in changes if each["Action"] == "Add"]
    names = [each.get("Properties", {}).get("RepositoryName") for each in added]
    return any(name in ecr_backends[ACCOUNT_ID][REGION].repositories for name in names)


def _parameters(template: Dict[str, Any], given: List[Dict[str, str]], stack: StackState) -> Dict[str, str]:
    values = {name: str(rule.get("Default", "")) for name, rule in template["Parameters"].items()}
    for each in given:
        key = each["ParameterKey"]
        if key not in values:
            raise AwsError("ValidationError", f"Parameters: [{key}] do not exist in the template")
        previous = each.get("UsePreviousValue") == "true"
        values[key] = stack.parameters[key] if previous else each["ParameterValue"]
    return values


def _exists(stack: StackState) -> bool:
    return stack.status != "DELETE_COMPLETE"


def _no_stack(name: str) -> AwsError:
    return AwsError("ValidationError", f"Stack with id {name} does not exist")


def _physical(stack: StackState, logical_id: str) -> str:
    return f"{stack.name}-{logical_id}-1A2B3C"


# What moto keeps


def read_form(body: bytes) -> Dict[str, Any]:
    """The fields of a query request: A=1, L.member.1=x and L.member.1.K=v become {"A": "1", "L": [...]}."""
    fields: Dict[str, Any] = {}
    for name, value in parse_qsl(body.decode(), keep_blank_values=True):
        head, _, rest = name.partition(".member.")
        if not rest:
            fields[name] = value
            continue
        number, _, key = rest.partition(".")
        items = fields.setdefault(head, [])
        if int(number) > len(items):
            items.append({} if key else value)
        if key:
            items[int(number) - 1][key] = value
    return fields


def _xml(value: Any) -> str:
    if isinstance(value, dict):
        return "".join(f"<{name}>{_xml(each)}</{name}>" for name, each in value.items())
    if isinstance(value, list):
        return "".join(f"<member>{_xml(each)}</member>" for each in value)
    return escape(str(value))
