"""What CloudFormation keeps in AWS Batch: job queues for SageMaker, their environments and their shares."""

from typing import Any, Dict

from .account import ACCOUNT_ID, REGION

ARN = f"arn:aws:batch:{REGION}:{ACCOUNT_ID}:"


class Rejected(ValueError):
    """What Batch does not accept; the text is its reason."""


class Queue:
    def __init__(self, properties: Dict[str, Any]) -> None:
        self.name = properties["JobQueueName"]
        self.arn = f"{ARN}job-queue/{self.name}"
        self.state = properties.get("State", "ENABLED")
        (order,) = properties["ServiceEnvironmentOrder"]
        self._environment = order["ServiceEnvironment"]
        self._policy = properties["SchedulingPolicyArn"]
        if properties.get("JobQueueType") != "SAGEMAKER_TRAINING":
            raise Rejected("The stand-in has queues for SageMaker only")
        if self._environment not in environments or self._policy not in policies:
            raise Rejected(f"{self._environment} or {self._policy} does not exist")

    @property
    def capacity(self) -> int:
        """Instances that may run at the same time."""
        (limit,) = environments[self._environment]["CapacityLimits"]
        return int(limit["MaxCapacity"])

    @property
    def share_decay_s(self) -> float:
        """For so long what a share has used counts."""
        return float(policies[self._policy]["FairsharePolicy"].get("ShareDecaySeconds", 600))

    def describe(self) -> Dict[str, Any]:
        return {
            "jobQueueName": self.name,
            "jobQueueArn": self.arn,
            "jobQueueType": "SAGEMAKER_TRAINING",
            "state": self.state,
            "status": "VALID",
            "priority": 1,
            "computeEnvironmentOrder": [],
            "serviceEnvironmentOrder": [{"order": 1, "serviceEnvironment": self._environment}],
            "schedulingPolicyArn": self._policy,
        }


queues: Dict[str, Queue] = {}  # by name
environments: Dict[str, Dict[str, Any]] = {}  # the properties in the template, by ARN
policies: Dict[str, Dict[str, Any]] = {}


def reset() -> None:
    for each in (queues, environments, policies):
        each.clear()


def make_environment(properties: Dict[str, Any]) -> str:
    """Its ARN."""
    (limit,) = properties["CapacityLimits"]
    if (
        properties["ServiceEnvironmentType"] != "SAGEMAKER_TRAINING"
        or limit["CapacityUnit"] != "NUM_INSTANCES"
    ):
        raise Rejected("Invalid service environment")
    if int(limit["MaxCapacity"]) < 1:
        raise Rejected("maxCapacity must be at least 1")
    arn = f"{ARN}service-environment/{properties['ServiceEnvironmentName']}"
    environments[arn] = properties
    return arn


def make_policy(properties: Dict[str, Any]) -> str:
    arn = f"{ARN}scheduling-policy/{properties['Name']}"
    policies[arn] = properties
    return arn


def make_queue(properties: Dict[str, Any]) -> str:
    queue = Queue(properties)
    queues[queue.name] = queue
    return queue.arn
