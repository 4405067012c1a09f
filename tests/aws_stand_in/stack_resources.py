"""The resources of a stack; buckets, roles, policies and repositories are created in moto."""

import json
from typing import Any, Callable, Dict, Optional

from moto.ecr.models import ecr_backends
from moto.iam.models import iam_backends
from moto.s3.models import s3_backends

from . import messages, service_queues
from .account import ACCOUNT_ID, REGION
from .storage import bucket_policies


class Resource:
    """A resource: the values of `Ref` and `GetAtt Arn`, and the properties that it was created with."""

    def __init__(self, name: str, properties: Dict[str, Any]) -> None:
        self.name = name
        self.arn = name
        self.properties = properties


class CannotChange(Exception):
    """A resource cannot be created or deleted; the text is AWS's reason."""


def make_plain(name: str, properties: Dict[str, Any], known: Optional[Resource]) -> Resource:
    return Resource(known.name if known else str(properties.get("Name", name)), properties)


def _make_bucket(name: str, properties: Dict[str, Any], known: Optional[Resource]) -> Resource:
    if known is None:
        s3_backends[ACCOUNT_ID]["aws"].create_bucket(name.lower(), REGION)
    return Resource(name.lower(), properties)


def _make_bucket_policy(name: str, properties: Dict[str, Any], _known: Optional[Resource]) -> Resource:
    bucket_policies[properties["Bucket"]] = properties["PolicyDocument"]
    return Resource(name, properties)


def _make_role(name: str, properties: Dict[str, Any], known: Optional[Resource]) -> Resource:
    iam = iam_backends[ACCOUNT_ID]["aws"]
    if known is None:
        trust, path = json.dumps(properties["AssumeRolePolicyDocument"]), properties.get("Path", "/")
        iam.create_role(name, trust, path, None, "", properties.get("Tags", []), None)
        for arn in properties.get("ManagedPolicyArns", []):
            iam.attach_role_policy(arn, name)
    for policy in properties.get("Policies", []):
        iam.put_role_policy(name, policy["PolicyName"], json.dumps(policy["PolicyDocument"]))
    role = Resource(name, properties)
    role.arn = iam.get_role(name).arn
    return role


def _make_policy(name: str, properties: Dict[str, Any], known: Optional[Resource]) -> Resource:
    iam = iam_backends[ACCOUNT_ID]["aws"]
    for user in properties.get("Users", []):
        if user not in iam.users:
            raise CannotChange(f"The user with name {user} cannot be found. (Service: Iam, Status Code: 404)")
    document = json.dumps(properties["PolicyDocument"])
    if known is None:
        known = Resource(iam.create_policy("", "/", document, name, []).arn, properties)
    iam.get_policy(known.name).versions[0].document = document
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


def _make_topic(name: str, properties: Dict[str, Any], known: Optional[Resource]) -> Resource:
    arn = known.name if known else f"arn:aws:sns:{REGION}:{ACCOUNT_ID}:{name}"
    messages.topics.setdefault(arn, messages.Topic())
    return Resource(arn, properties)


def _make_topic_policy(name: str, properties: Dict[str, Any], _known: Optional[Resource]) -> Resource:
    for arn in properties["Topics"]:
        messages.topics[arn].policy = properties["PolicyDocument"]
    return Resource(name, properties)


def _make_subscription(name: str, properties: Dict[str, Any], known: Optional[Resource]) -> Resource:
    if properties["Protocol"] != "email":
        raise CannotChange("The stand-in sends e-mails only")
    if known:  # another address is another subscription
        _remove_subscription(known)
    messages.subscribe(properties["TopicArn"], properties["Endpoint"])
    return Resource(name, properties)


def _make_rule(name: str, properties: Dict[str, Any], _known: Optional[Resource]) -> Resource:
    try:
        messages.check_rule(properties)
    except ValueError as error:
        raise CannotChange(f"{error} (Service: EventBridge, Status Code: 400)") from error
    rule = Resource(name, properties)
    rule.arn = f"arn:aws:events:{REGION}:{ACCOUNT_ID}:rule/{name}"
    messages.rules[rule.arn] = properties
    return rule


def _make_batch(
    make: Callable[[Dict[str, Any]], str],
) -> Callable[[str, Dict[str, Any], Optional[Resource]], Resource]:
    def maker(name: str, properties: Dict[str, Any], _known: Optional[Resource]) -> Resource:
        try:
            return Resource(make(properties), properties)
        except service_queues.Rejected as error:
            raise CannotChange(f"{error} (Service: Batch, Status Code: 400)") from error

    return maker


def _remove_bucket(resource: Resource) -> None:
    s3 = s3_backends[ACCOUNT_ID]["aws"]
    if resource.name in s3.buckets and s3.delete_bucket(resource.name) is None:
        raise CannotChange("The bucket you tried to delete is not empty (Service: S3, Status Code: 409)")


def _remove_role(resource: Resource) -> None:
    for arn in resource.properties.get("ManagedPolicyArns", []):
        iam_backends[ACCOUNT_ID]["aws"].detach_role_policy(arn, resource.name)
    for policy in resource.properties.get("Policies", []):
        iam_backends[ACCOUNT_ID]["aws"].delete_role_policy(resource.name, policy["PolicyName"])
    iam_backends[ACCOUNT_ID]["aws"].delete_role(resource.name)


def _remove_policy(resource: Resource) -> None:
    iam = iam_backends[ACCOUNT_ID]["aws"]
    for user in resource.properties.get("Users", []):
        iam.detach_user_policy(resource.name, user)
    if iam.get_policy(resource.name).attachment_count:
        raise CannotChange("Cannot delete a policy attached to entities. (Service: Iam, Status Code: 409)")
    iam.delete_policy(resource.name)


def _remove_repository(resource: Resource) -> None:
    force = resource.properties.get("EmptyOnDelete", False)
    ecr_backends[ACCOUNT_ID][REGION].delete_repository(resource.name, force=force)


def _remove_subscription(resource: Resource) -> None:
    messages.unsubscribe(resource.properties["TopicArn"], resource.properties["Endpoint"])


MAKERS: Dict[str, Callable[[str, Dict[str, Any], Optional[Resource]], Resource]] = {
    "AWS::S3::Bucket": _make_bucket,
    "AWS::S3::BucketPolicy": _make_bucket_policy,
    "AWS::IAM::Role": _make_role,
    "AWS::IAM::ManagedPolicy": _make_policy,
    "AWS::ECR::Repository": _make_repository,
    "AWS::SNS::Topic": _make_topic,
    "AWS::SNS::TopicPolicy": _make_topic_policy,
    "AWS::SNS::Subscription": _make_subscription,
    "AWS::Events::Rule": _make_rule,
    "AWS::Batch::ServiceEnvironment": _make_batch(service_queues.make_environment),
    "AWS::Batch::SchedulingPolicy": _make_batch(service_queues.make_policy),
    "AWS::Batch::JobQueue": _make_batch(service_queues.make_queue),
}

REMOVERS: Dict[str, Callable[[Resource], Any]] = {
    "AWS::S3::Bucket": _remove_bucket,
    "AWS::S3::BucketPolicy": lambda resource: bucket_policies.pop(resource.properties["Bucket"], None),
    "AWS::IAM::Role": _remove_role,
    "AWS::IAM::ManagedPolicy": _remove_policy,
    "AWS::ECR::Repository": _remove_repository,
    "AWS::SNS::Topic": lambda resource: messages.topics.pop(resource.name, None),
    "AWS::SNS::Subscription": _remove_subscription,
    "AWS::Events::Rule": lambda resource: messages.rules.pop(resource.arn, None),
    "AWS::Batch::ServiceEnvironment": lambda resource: service_queues.environments.pop(resource.name),
    "AWS::Batch::SchedulingPolicy": lambda resource: service_queues.policies.pop(resource.name),
    "AWS::Batch::JobQueue": lambda resource: service_queues.queues.pop(resource.name.rpartition("/")[2]),
}
