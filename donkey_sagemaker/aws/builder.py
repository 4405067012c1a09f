"""The CodeBuild project that builds training images, and the registry that they are pushed to."""

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from ..cloud.images import OWN_REPOSITORY
from .errors import Refused

PROJECT = "donkey-sagemaker"


class Build(NamedTuple):
    state: str  # IN_PROGRESS, SUCCEEDED, FAILED, FAULT, TIMED_OUT or STOPPED
    phase: str  # as BUILD
    why: str  # the first phase's word on why it failed, or empty
    log: Optional[Tuple[str, str]]  # group and stream, once there is one


class Builder:
    """By the connection of `AwsCloud`."""

    def __init__(self, connection: Any) -> None:
        self._aws = connection
        ending = ".cn" if connection.region.startswith("cn-") else ""
        self.registry = f"{connection.account()}.dkr.ecr.{connection.region}.amazonaws.com{ending}"

    def uri(self, tag: str) -> str:
        return f"{self.registry}/{OWN_REPOSITORY}:{tag}"

    def check_repository(self) -> None:
        """
        Raises:
            NoRepository: setup makes it, and makes its stack only where nobody else has made one.
        """
        self._aws.ask("ecr", "DescribeRepositories", {"repositoryNames": [OWN_REPOSITORY]})

    def password(self) -> str:
        """What `docker login --username AWS` takes, base64 as AWS gives it: "AWS:..."; a secret for hours."""
        answer = self._aws.ask("ecr", "GetAuthorizationToken", {})
        return answer["authorizationData"][0]["authorizationToken"]

    def start(self, request: Dict[str, Any]) -> str:
        """StartBuild; the build's id.

        Raises:
            NoBuilder: the account has no such project.
        """
        return self._aws.ask("codebuild", "StartBuild", request)["build"]["id"]

    def describe(self, build_id: str) -> Build:
        (build,) = self._aws.ask("codebuild", "BatchGetBuilds", {"ids": [build_id]})["builds"]
        troubles = [
            "{}: {}".format(phase["phaseType"], context["message"])
            for phase in build.get("phases", [])
            for context in phase.get("contexts", [])
            if context.get("message")
        ]
        logs = build.get("logs", {})
        log = (logs["groupName"], logs["streamName"]) if logs.get("streamName") else None
        return Build(
            build["buildStatus"], build.get("currentPhase", ""), troubles[0] if troubles else "", log
        )

    def read_log(self, build: Build, token: Optional[str]) -> Tuple[List[str], Optional[str]]:
        """Lines since the token (None: all), and the token to ask with next."""
        lines: List[str] = []
        while build.log is not None:
            parameters = {"logGroupName": build.log[0], "logStreamName": build.log[1], "startFromHead": True}
            if token is not None:
                parameters["nextToken"] = token
            try:
                page = self._aws.ask("logs", "GetLogEvents", parameters)
            except Refused as refusal:
                if refusal.code != "ResourceNotFoundException":  # its first line makes the stream
                    raise
                break
            lines += [event["message"].rstrip("\n") for event in page["events"]]
            if page["nextForwardToken"] == token:
                break
            token = page["nextForwardToken"]
        return lines, token

    def stop(self, build_id: str) -> None:
        self._aws.ask("codebuild", "StopBuild", {"id": build_id})


def make_build_request(
    *, source: str, buildspec: str, uri: str, generation: str, device: str
) -> Dict[str, Any]:
    """StartBuild's arguments.

    Args:
        source: bucket and key of the zipped build context, as "BUCKET/KEY".
    """
    variables = {
        "REGISTRY": uri.partition("/")[0],
        "IMAGE": uri,
        "GENERATION": generation,
        "DEVICE": device,
    }
    return {
        "projectName": PROJECT,
        "sourceTypeOverride": "S3",
        "sourceLocationOverride": source,
        "buildspecOverride": buildspec,
        "privilegedModeOverride": True,  # for the Docker daemon inside
        "environmentVariablesOverride": [
            {"name": name, "value": value, "type": "PLAINTEXT"} for name, value in variables.items()
        ],
    }
