"""CloudFormation for the resources that setup makes; buckets, roles, policies and repositories are moto's."""

import json
import re
import uuid
from typing import Any, Callable, Dict, List, Optional, Tuple
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import yaml  # type: ignore[import-untyped, unused-ignore]
from moto.ecr.models import ecr_backends
from moto.iam.models import iam_backends
from moto.s3.models import s3_backends

from .account import ACCOUNT_ID, REGION, USER_ARN, Account
from .refusal import Answer, Refusal

STACK = "AWS::CloudFormation::Stack"
AT_A_LOOK = 5  # events that come between two looks at them


class Resource:
    """One of a stack's: what `Ref` and `GetAtt Arn` of it give, and the properties that it was made with."""

    def __init__(self, name: str, properties: Dict[str, Any]) -> None:
        self.name = name
        self.arn = name
        self.properties = properties


class StackState:
    def __init__(self, name: str) -> None:
        self.name = name
        self.id = f"arn:aws:cloudformation:{REGION}:{ACCOUNT_ID}:stack/{name}/{uuid.uuid4()}"
        self.status = "REVIEW_IN_PROGRESS"
        self.template: Dict[str, Any] = {}
        self.parameters: Dict[str, str] = {}
        self.resources: Dict[str, Resource] = {}
        self.events: List[Dict[str, Any]] = []
        self.shown = 0  # events that may be seen so far
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

    def go(self, status: str, reason: str = "") -> None:
        self.status = status
        self.note(self.name, STACK, status, reason)


class Broken(Exception):
    """A resource cannot be made; its text is AWS's reason."""


class StackApi:
    """Each operation is the method of its name: form fields in, the result's members out."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._stacks: List[StackState] = []
        self._change_sets: Dict[str, Dict[str, Any]] = {}

    def answer(self, operation: str, body: bytes) -> Answer:
        result = getattr(self, operation)(read_form(body))
        text = '<{0}Response xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><{0}Result>{1}</{0}Result></{0}Response>'
        return Answer(200, {"Content-Type": "text/xml"}, text.format(operation, _xml(result)).encode())

    def DescribeStacks(self, asked: Dict[str, Any]) -> Dict[str, Any]:
        stack = self._find(asked["StackName"])
        scope = Scope(stack, stack.parameters)
        told: Dict[str, Any] = {
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
            told["Outputs"] = [
                {"OutputKey": key, "OutputValue": scope.resolve(output["Value"])}
                for key, output in stack.template.get("Outputs", {}).items()
            ]
        return {"Stacks": [told]}

    def DescribeStackEvents(self, asked: Dict[str, Any]) -> Dict[str, Any]:
        stack = self._find(asked["StackName"], deleted=True)
        stack.shown = min(len(stack.events), stack.shown + AT_A_LOOK)
        return {"StackEvents": stack.events[: stack.shown][::-1]}

    def CreateChangeSet(self, asked: Dict[str, Any]) -> Dict[str, Any]:
        if "CAPABILITY_IAM" not in asked.get("Capabilities", []):
            raise Refusal("InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_IAM]")
        stack = next(
            (each for each in self._stacks if each.name == asked["StackName"] and _lives(each)), None
        )
        if asked["ChangeSetType"] == "CREATE":
            if stack and stack.status != "REVIEW_IN_PROGRESS":
                text = "Stack [{}] already exists and cannot be created again with the changeSet [{}]."
                raise Refusal("ValidationError", text.format(stack.name, asked["ChangeSetName"]))
            if stack is None:
                stack = StackState(asked["StackName"])
                self._stacks.append(stack)
        elif stack is None:
            raise _no_stack(asked["StackName"])
        elif stack.status in ("ROLLBACK_COMPLETE", "DELETE_FAILED"):
            text = "Stack:{} is in {} state and can not be updated."
            raise Refusal("ValidationError", text.format(stack.id, stack.status))
        template = read_template(asked["TemplateBody"])
        parameters = _parameters(template, asked.get("Parameters", []), stack)
        change_set = {
            "ChangeSetId": "arn:aws:cloudformation:{}:{}:changeSet/{}".format(
                REGION, ACCOUNT_ID, asked["ChangeSetName"]
            ),
            "stack": stack,
            "template": template,
            "parameters": parameters,
            "changes": _changes(stack, template, parameters),
            "looks": 0,
        }
        if asked["ChangeSetName"] in self._change_sets:
            raise Refusal(
                "AlreadyExistsException", "ChangeSet {} already exists".format(asked["ChangeSetName"])
            )
        self._change_sets[asked["ChangeSetName"]] = change_set
        return {"Id": change_set["ChangeSetId"], "StackId": stack.id}

    def DescribeChangeSet(self, asked: Dict[str, Any]) -> Dict[str, Any]:
        change_set = self._change_sets[asked["ChangeSetName"].rsplit("/", 1)[-1]]
        change_set["looks"] += 1
        told = {
            "ChangeSetId": change_set["ChangeSetId"],
            "StackId": change_set["stack"].id,
            "Status": "CREATE_PENDING" if change_set["looks"] == 1 else "CREATE_COMPLETE",
            "Changes": change_set["changes"],
        }
        if change_set["looks"] > 1 and _is_taken(change_set):
            text = "The following hook(s)/validation failed: [AWS::EarlyValidation::ResourceExistenceCheck]. "
            text += (
                "To troubleshoot Early Validation errors, use the DescribeEvents API for detailed failure "
            )
            told.update(Status="FAILED", StatusReason=text + "information.")
        elif change_set["looks"] > 1 and not change_set["changes"]:
            text = "The submitted information didn't contain changes. Submit different information."
            told.update(Status="FAILED", StatusReason=text)
        return told

    def DeleteChangeSet(self, asked: Dict[str, Any]) -> Dict[str, Any]:
        del self._change_sets[asked["ChangeSetName"].rsplit("/", 1)[-1]]
        return {}

    def ExecuteChangeSet(self, asked: Dict[str, Any]) -> Dict[str, Any]:
        change_set = self._change_sets.pop(asked["ChangeSetName"].rsplit("/", 1)[-1], None)
        if change_set is None:
            raise Refusal("InvalidChangeSetStatus", "ChangeSet cannot be executed in its current status")
        stack = change_set["stack"]
        deed = "CREATE" if stack.status == "REVIEW_IN_PROGRESS" else "UPDATE"
        stack.go(deed + "_IN_PROGRESS", "User Initiated")
        old = stack.template, stack.parameters
        stack.template, stack.parameters = change_set["template"], change_set["parameters"]
        if self._apply(stack, deed):
            stack.go(deed + "_COMPLETE")
        elif deed == "CREATE":
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

    def DeleteStack(self, asked: Dict[str, Any]) -> Dict[str, Any]:
        stack = self._find(asked["StackName"], deleted=True)
        if _lives(stack):
            stack.go("DELETE_IN_PROGRESS", "User Initiated")
            stack.go("DELETE_COMPLETE" if self._remove_all(stack) else "DELETE_FAILED")
        return {}

    def _find(self, name: str, *, deleted: bool = False) -> StackState:
        """By its name the living one; by its id whichever."""
        for stack in self._stacks:
            if stack.id == name or (stack.name == name and (_lives(stack) or deleted)):
                return stack
        raise _no_stack(name)

    def _apply(self, stack: StackState, deed: str) -> bool:
        """Makes or changes what the template has; False where one of them fails."""
        scope = Scope(stack, stack.parameters)
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
                maker = MAKERS.get(kind, _make_plain)
                stack.resources[logical_id] = maker(_physical(stack, logical_id), properties, known)
            except Broken as reason:
                stack.note(logical_id, kind, verb + "_FAILED", str(reason))
                stack.note("Other", kind, verb + "_FAILED", "Resource creation cancelled")
                return False
            stack.note(logical_id, kind, verb + "_COMPLETE")
        for logical_id in set(stack.resources) - set(scope.wanted()):
            del stack.resources[logical_id]
        return True

    def _check(self, kind: str, verb: str) -> None:
        service, name = kind.split("::")[1:]
        action = f"{service.lower()}:{verb.capitalize()}{name}"
        if not self._account.may(action):
            text = "User: {} is not authorized to perform: {} (Service: {}, Status Code: 403)"
            raise Broken(text.format(USER_ARN, action, service))

    def _remove_all(self, stack: StackState) -> bool:
        for logical_id, resource in list(stack.resources.items())[::-1]:
            kind = stack.template["Resources"][logical_id]["Type"]
            try:
                REMOVERS.get(kind, lambda _: None)(resource)
            except Broken as reason:
                stack.note(logical_id, kind, "DELETE_FAILED", str(reason))
                return False
            stack.note(logical_id, kind, "DELETE_COMPLETE")
            del stack.resources[logical_id]
        return True


class Scope:
    """What a template's expressions mean in a stack with these parameters."""

    def __init__(self, stack: StackState, parameters: Dict[str, str], template: Any = None) -> None:
        self._stack = stack
        self._parameters = parameters
        self._template = template or stack.template

    def wanted(self) -> List[str]:
        """Resources that no condition leaves out."""
        resources = self._template["Resources"]
        return [name for name in resources if self._holds(resources[name].get("Condition"))]

    def resolve(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.resolve(each) for each in value]
        if not isinstance(value, dict):
            return value
        if "Ref" in value:
            return self._ref(value["Ref"])
        if "Fn::GetAtt" in value:
            return self._attribute(value["Fn::GetAtt"])
        if "Fn::Sub" in value:
            return re.sub(r"\$\{([^}]+)\}", lambda match: str(self._named(match.group(1))), value["Fn::Sub"])
        if "Fn::If" in value:
            condition, yes, no = value["Fn::If"]
            return self.resolve(yes if self._holds(condition) else no)
        found = {key: self.resolve(each) for key, each in value.items()}
        return {key: each for key, each in found.items() if each is not None}

    def _named(self, name: str) -> Any:
        return self._attribute(name) if re.fullmatch(r"\w+\.\w+", name) else self._ref(name)

    def _ref(self, name: str) -> Any:
        fixed = {
            "AWS::Partition": "aws",
            "AWS::Region": REGION,
            "AWS::AccountId": ACCOUNT_ID,
            "AWS::StackName": self._stack.name,
            "AWS::NoValue": None,
        }
        if name in fixed:
            return fixed[name]
        if name in self._parameters:
            return self._parameters[name]
        resource = self._stack.resources.get(name)
        return resource.name if resource else f"(to be made: {name})"

    def _attribute(self, path: str) -> str:
        resource = self._stack.resources.get(path.split(".")[0])
        return resource.arn if resource else f"(to be made: {path})"

    def _holds(self, condition: Any) -> bool:
        if condition is None:
            return True
        if isinstance(condition, str):
            return self._holds(self._template["Conditions"][condition])
        if "Fn::Not" in condition:
            return not self._holds(condition["Fn::Not"][0])
        left, right = condition["Fn::Equals"]
        return self.resolve(left) == self.resolve(right)


def _changes(stack: StackState, template: Dict[str, Any], parameters: Dict[str, str]) -> List[Dict[str, Any]]:
    scope = Scope(stack, parameters, template)
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
                "ResourceType": template["Resources"][name]["Type"],
            },
        }
        for action, name in changes
    ]


def _is_taken(change_set: Dict[str, Any]) -> bool:
    """Whether there is a repository already of the name of one that would be made."""
    resources = change_set["template"]["Resources"]
    changes = [each["ResourceChange"] for each in change_set["changes"]]
    added = [resources[each["LogicalResourceId"]] for each in changes if each["Action"] == "Add"]
    names = [each.get("Properties", {}).get("RepositoryName") for each in added]
    return any(name in ecr_backends[ACCOUNT_ID][REGION].repositories for name in names)


def _parameters(template: Dict[str, Any], asked: List[Dict[str, str]], stack: StackState) -> Dict[str, str]:
    values = {name: str(rule.get("Default", "")) for name, rule in template["Parameters"].items()}
    for each in asked:
        key = each["ParameterKey"]
        if key not in values:
            raise Refusal("ValidationError", f"Parameters: [{key}] do not exist in the template")
        previous = each.get("UsePreviousValue") == "true"
        values[key] = stack.parameters[key] if previous else each["ParameterValue"]
    return values


def _lives(stack: StackState) -> bool:
    return stack.status != "DELETE_COMPLETE"


def _no_stack(name: str) -> Refusal:
    return Refusal("ValidationError", f"Stack with id {name} does not exist")


def _physical(stack: StackState, logical_id: str) -> str:
    return f"{stack.name}-{logical_id}-1A2B3C"


# What moto keeps


def _make_plain(name: str, properties: Dict[str, Any], known: Optional[Resource]) -> Resource:
    return Resource(known.name if known else str(properties.get("Name", name)), properties)


def _make_bucket(name: str, properties: Dict[str, Any], known: Optional[Resource]) -> Resource:
    if known is None:
        s3_backends[ACCOUNT_ID]["aws"].create_bucket(name.lower(), REGION)
    return Resource(name.lower(), properties)


def _make_role(name: str, properties: Dict[str, Any], known: Optional[Resource]) -> Resource:
    iam = iam_backends[ACCOUNT_ID]["aws"]
    if known is None:
        iam.create_role(name, json.dumps(properties["AssumeRolePolicyDocument"]), "/", None, "", [], None)
    for policy in properties["Policies"]:
        iam.put_role_policy(name, policy["PolicyName"], json.dumps(policy["PolicyDocument"]))
    role = Resource(name, properties)
    role.arn = iam.get_role(name).arn
    return role


def _make_policy(name: str, properties: Dict[str, Any], known: Optional[Resource]) -> Resource:
    iam = iam_backends[ACCOUNT_ID]["aws"]
    for user in properties.get("Users", []):
        if user not in iam.users:
            raise Broken(f"The user with name {user} cannot be found. (Service: Iam, Status Code: 404)")
    if known is None:
        document = json.dumps(properties["PolicyDocument"])
        known = Resource(iam.create_policy("", "/", document, name, []).arn, properties)
    for user in known.properties.get("Users", []):
        if known.name in iam.users[user].managed_policies:
            iam.detach_user_policy(known.name, user)
    for user in properties.get("Users", []):
        iam.attach_user_policy(known.name, user)
    return Resource(known.name, properties)


def _make_repository(_: str, properties: Dict[str, Any], known: Optional[Resource]) -> Resource:
    name, registry = properties["RepositoryName"], ecr_backends[ACCOUNT_ID][REGION]
    if known is None:
        registry.create_repository(name, ACCOUNT_ID, {}, None, "MUTABLE", [])
    return Resource(name, properties)


def _remove_bucket(resource: Resource) -> None:
    s3 = s3_backends[ACCOUNT_ID]["aws"]
    if resource.name in s3.buckets and s3.delete_bucket(resource.name) is None:
        raise Broken("The bucket you tried to delete is not empty (Service: S3, Status Code: 409)")


def _remove_role(resource: Resource) -> None:
    for policy in resource.properties["Policies"]:
        iam_backends[ACCOUNT_ID]["aws"].delete_role_policy(resource.name, policy["PolicyName"])
    iam_backends[ACCOUNT_ID]["aws"].delete_role(resource.name)


def _remove_policy(resource: Resource) -> None:
    iam = iam_backends[ACCOUNT_ID]["aws"]
    for user in resource.properties.get("Users", []):
        iam.detach_user_policy(resource.name, user)
    if iam.get_policy(resource.name).attachment_count:
        raise Broken("Cannot delete a policy attached to entities. (Service: Iam, Status Code: 409)")
    iam.delete_policy(resource.name)


def _remove_repository(resource: Resource) -> None:
    force = resource.properties.get("EmptyOnDelete", False)
    ecr_backends[ACCOUNT_ID][REGION].delete_repository(resource.name, force=force)


MAKERS: Dict[str, Callable[[str, Dict[str, Any], Optional[Resource]], Resource]] = {
    "AWS::S3::Bucket": _make_bucket,
    "AWS::IAM::Role": _make_role,
    "AWS::IAM::ManagedPolicy": _make_policy,
    "AWS::ECR::Repository": _make_repository,
}
REMOVERS: Dict[str, Callable[[Resource], None]] = {
    "AWS::S3::Bucket": _remove_bucket,
    "AWS::IAM::Role": _remove_role,
    "AWS::IAM::ManagedPolicy": _remove_policy,
    "AWS::ECR::Repository": _remove_repository,
}


class _Loader(yaml.SafeLoader):
    """With CloudFormation's short forms: !Ref X is {"Ref": "X"}, !Sub X {"Fn::Sub": "X"}."""


def _read_tag(loader: Any, tag: str, node: Any) -> Any:
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    else:
        value = loader.construct_sequence(node, deep=True)
    return {tag if tag == "Ref" else "Fn::" + tag: value}


_Loader.add_multi_constructor("!", _read_tag)


def read_template(text: str) -> Dict[str, Any]:
    return yaml.load(text, _Loader)


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
