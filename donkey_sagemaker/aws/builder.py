"""The CodeBuild project that builds training images, and the registry that they are pushed to."""

import uuid
from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Optional, Tuple

from ..cloud.images import OWN_REPOSITORY
from ..cloud.partitions import find_partition
from .logs import BEGINNING, Position, read_stream

if TYPE_CHECKING:  # importing it takes boto3, which `--help` does not need
    from .connection import Connection

PROJECT = "donkey-sagemaker"


class Build(NamedTuple):
    state: str  # IN_PROGRESS, SUCCEEDED, FAILED, FAULT, TIMED_OUT or STOPPED
    phase: str  # as BUILD
    reason: str  # why it failed, as its first failed phase reports it; empty if nothing is reported
    log: Optional[Tuple[str, str]]  # group and stream, once it has them


class Builder:
    """Starts builds and follows them.

    Attributes:
        registry: the host name of the account's registry.
    """

    def __init__(self, connection: "Connection") -> None:
        self._connection = connection
        domain = find_partition(connection.region).domain
        self.registry = f"{connection.account_id()}.dkr.ecr.{connection.region}.{domain}"

    def uri(self, tag: str) -> str:
        return f"{self.registry}/{OWN_REPOSITORY}:{tag}"

    def check_repository(self) -> None:
        """
        Raises:
            CloudRefused: there is none. Only sagemaker-setup may create it: its stack fails if the repository
                exists already.
        """
        self._connection.call("ecr", "DescribeRepositories", {"repositoryNames": [OWN_REPOSITORY]})

    def password(self) -> str:
        """The base64 text of "AWS:PASSWORD" for `docker login`; a secret that is valid for hours."""
        response = self._connection.call("ecr", "GetAuthorizationToken", {})
        return response["authorizationData"][0]["authorizationToken"]

    def start(self, request: Dict[str, Any]) -> str:
        """StartBuild. If the build was started but the response was lost, that build is returned.

        Args:
            request: see `make_build_request`.
        Returns:
            the build's id.
        Raises:
            CloudRefused: the account has no such project.
        """
        request = dict(request, idempotencyToken=uuid.uuid4().hex)
        return self._connection.call("codebuild", "StartBuild", request)["build"]["id"]

    def describe(self, build_id: str) -> Build:
        (build,) = self._connection.call("codebuild", "BatchGetBuilds", {"ids": [build_id]})["builds"]
        reasons = [
            f"{phase['phaseType']}: {context['message']}"
            for phase in build.get("phases", [])
            for context in phase.get("contexts", [])
            if context.get("message")
        ]
        logs = build.get("logs", {})
        has_log = logs.get("groupName") and logs.get("streamName")
        log = (logs["groupName"], logs["streamName"]) if has_log else None
        return Build(build["buildStatus"], build.get("currentPhase", ""), reasons[0] if reasons else "", log)

    def read_log(self, build: Build, start: Optional[Position]) -> Tuple[List[str], Optional[Position]]:
        """The lines after a position, None for the beginning, and the position after them."""
        if build.log is None:
            return [], start
        group, stream = build.log
        events, end = read_stream(self._connection, group=group, stream=stream, start=start or BEGINNING)
        return [event["message"].rstrip("\n") for event in events], end

    def stop(self, build_id: str) -> None:
        self._connection.call("codebuild", "StopBuild", {"id": build_id})


def make_build_request(
    *, source: str, buildspec: str, uri: str, generation: str, device: str
) -> Dict[str, Any]:
    """StartBuild's arguments.

    Args:
        source: bucket and key of the zipped build context, as "BUCKET/KEY".
        buildspec: the text of templates/buildspec.yml.
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
