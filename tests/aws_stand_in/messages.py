"""EventBridge and SNS as far as the stack of setup uses them: rules, a topic, and the e-mails that arrive."""

import datetime
import json
import re
import threading
import uuid
from typing import Any, Dict, Iterator, List, Optional

from iam import is_allowed_service

from .account import ACCOUNT_ID, REGION

MOST_TEMPLATE_CHARS = 8192
PLACEHOLDER = re.compile(r"<([A-Za-z0-9_-]+)>")
PATH = re.compile(r"\$(\.[A-Za-z0-9_-]+)+")  # EventBridge wants dots, no brackets


class CannotPublish(Exception):
    """What EventBridge notices only when an event comes, and reports as a failed invocation."""


class Topic:
    def __init__(self) -> None:
        self.policy: Dict[str, Any] = {"Version": "2012-10-17", "Statement": []}
        self.subscribers: Dict[str, bool] = {}  # by address, whether it has been confirmed


_lock = threading.Lock()
topics: Dict[str, Topic] = {}  # by ARN
rules: Dict[str, Dict[str, Any]] = {}  # the properties in the template, by ARN
mails: List[Dict[str, str]] = []  # that have arrived, the oldest first
failed_invocations: List[str] = []


def reset() -> None:
    with _lock:
        for each in (topics, rules):
            each.clear()
        del mails[:], failed_invocations[:]


def subscribe(topic_arn: str, address: str) -> None:
    """Nothing is sent before the owner of the address has agreed."""
    with _lock:
        topics[topic_arn].subscribers[address] = False
        mails.append({"to": address, "text": "You have chosen to subscribe to the topic: " + topic_arn})


def unsubscribe(topic_arn: str, address: str) -> None:
    with _lock:
        if topic_arn in topics:
            topics[topic_arn].subscribers.pop(address, None)


def confirm(address: str) -> None:
    """Somebody clicks on the link in the message that came first."""
    with _lock:
        for topic in topics.values():
            if address in topic.subscribers:
                topic.subscribers[address] = True


def read_mails() -> Dict[str, Any]:
    with _lock:
        return {"mails": list(mails), "failed": list(failed_invocations)}


def check_rule(properties: Dict[str, Any]) -> None:
    """
    Raises:
        ValueError: what EventBridge would reject.
    """
    for target in properties["Targets"]:
        transformer = target["InputTransformer"]
        paths, template = transformer["InputPathsMap"], transformer["InputTemplate"]
        wrong = [path for path in paths.values() if not PATH.fullmatch(path)]
        unknown = set(PLACEHOLDER.findall(template)) - set(paths)
        lines = template.rstrip("\n").split("\n")
        if wrong or unknown or len(template) > MOST_TEMPLATE_CHARS:
            raise ValueError(f"Invalid InputTransformer: {wrong} {unknown} {len(template)}")
        for line in lines:
            if not isinstance(json.loads(line), str):  # each line has to be in quotes
                raise ValueError("Invalid InputTemplate: " + line)


def send_event(source: str, kind: str, *, arn: str, seconds: float, detail: Dict[str, Any]) -> None:
    """An AWS service reports what has happened."""
    time = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    event = {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": kind,
        "source": source,
        "account": ACCOUNT_ID,
        "time": f"{time:%Y-%m-%dT%H:%M:%SZ}",
        "region": REGION,
        "resources": [arn],
        "detail": detail,
    }
    with _lock:
        for rule_arn, rule in list(rules.items()):
            if not matches(rule["EventPattern"], event):
                continue
            for target in rule["Targets"]:
                try:
                    _publish(rule_arn, target, event)
                except CannotPublish as error:
                    failed_invocations.append(str(error))


def matches(pattern: Dict[str, Any], event: Dict[str, Any]) -> bool:
    """Whether an event has all that a pattern names."""
    for name, wanted in pattern.items():
        value = event.get(name)
        if isinstance(wanted, dict):
            if not isinstance(value, dict) or not matches(wanted, value):
                return False
        elif not any(_matches_one(each, value) for each in wanted):
            return False
    return True


def _matches_one(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, dict):
        ((operator, operand),) = wanted.items()
        if operator == "anything-but":
            return not _matches_one(operand, value)
        if operator != "prefix":
            raise ValueError("an operator that the stand-in does not know: " + operator)
        return isinstance(value, str) and value.startswith(operand)
    return wanted == value


def _publish(rule_arn: str, target: Dict[str, Any], event: Dict[str, Any]) -> None:
    topic = topics.get(target["Arn"])
    if topic is None:
        raise CannotPublish("there is no topic " + target["Arn"])
    context = {"aws:SourceArn": rule_arn, "aws:SourceAccount": ACCOUNT_ID}
    if not is_allowed_service(topic.policy, "events.amazonaws.com", "sns:Publish", target["Arn"], context):
        raise CannotPublish(f"{rule_arn} is not authorized to perform: SNS:Publish on {target['Arn']}")
    text = transform(target["InputTransformer"], event)
    for address, is_confirmed in topic.subscribers.items():
        if is_confirmed:
            mails.append({"to": address, "text": text})


def transform(transformer: Dict[str, Any], event: Dict[str, Any]) -> str:
    """What the target gets: an e-mail shows the quotes of the template. What an event lacks is left out."""
    values = {name: _find(event, path) for name, path in transformer["InputPathsMap"].items()}
    template = transformer["InputTemplate"].rstrip("\n")
    return PLACEHOLDER.sub(lambda match: _as_text(values[match.group(1)]), template)


def _find(event: Any, path: str) -> Optional[Any]:
    for name in _names(path):
        event = event.get(name) if isinstance(event, dict) else None
    return event


def _names(path: str) -> Iterator[str]:
    yield from path.split(".")[1:]


def _as_text(value: Any) -> str:
    """Within a JSON string."""
    if value is None:
        return ""
    return json.dumps(value)[1:-1] if isinstance(value, str) else json.dumps(value)
