"""CodeBuild: one project, whose builds print some lines and then push an image or fail."""

import contextlib
from typing import Any, Callable, Dict

from moto.ecr.exceptions import ImageAlreadyExistsException

from .account import REGION, Account
from .aws_error import AwsError
from .logs import Logs
from .storage import find_bucket

PROJECT = "donkey-sagemaker"
REQUESTS = 2  # for the state of a build, until it ends


class BuildApi:
    def __init__(self, account: Account, logs: Logs, push_image: Callable[[str, str], str]) -> None:
        self._account = account
        self._logs = logs
        self._push_image = push_image
        self._builds: Dict[str, Dict[str, Any]] = {}
        self._requests: Dict[str, int] = {}
        self._tokens: Dict[str, str] = {}  # idempotency token -> build

    def StartBuild(self, parameters: Dict[str, Any]) -> Dict[str, Any]:
        if parameters["projectName"] != PROJECT or not self._account.has_build_project:
            raise AwsError(
                "ResourceNotFoundException", "Project cannot be found: " + parameters["projectName"]
            )
        bucket, _, key = parameters["sourceLocationOverride"].partition("/")
        found = find_bucket(bucket)
        if found is None or key not in found.keys:
            raise AwsError("InvalidInputException", "The source cannot be found: " + key)
        token = parameters.get("idempotencyToken")
        if token in self._tokens:
            return {"build": self._builds[self._tokens[token]]}
        build_id = f"{PROJECT}:{len(self._builds) + 1}"
        self._builds[build_id] = {
            "id": build_id,
            "buildStatus": "IN_PROGRESS",
            "currentPhase": "SUBMITTED",
            "environment": {
                "environmentVariables": parameters["environmentVariablesOverride"],
                "type": "LINUX_CONTAINER",
                "image": "aws/codebuild/standard:7.0",
                "computeType": "BUILD_GENERAL1_SMALL",
            },
            "phases": [],
            "logs": {},
        }
        self._requests[build_id] = 0
        if token is not None:
            self._tokens[token] = build_id
        return {"build": self._builds[build_id]}

    def BatchGetBuilds(self, parameters: Dict[str, Any]) -> Dict[str, Any]:
        builds = [self._builds[each] for each in parameters["ids"] if each in self._builds]
        for build in builds:
            self._advance(build)
        return {"builds": builds}

    def StopBuild(self, parameters: Dict[str, Any]) -> Dict[str, Any]:
        self._builds[parameters["id"]]["buildStatus"] = "STOPPED"
        return {"build": self._builds[parameters["id"]]}

    def _advance(self, build: Dict[str, Any]) -> None:
        if build["buildStatus"] != "IN_PROGRESS":
            return
        stream = build["id"].replace(":", "/")
        self._requests[build["id"]] += 1
        if self._requests[build["id"]] <= REQUESTS:
            build["currentPhase"] = "BUILD"
            build["logs"] = {"groupName": "/aws/codebuild/" + PROJECT, "streamName": stream}
            self._logs.append(stream, "Step {} of the build".format(self._requests[build["id"]]))
        elif self._account.build_failure:
            self._logs.append(stream, "ERROR: " + self._account.build_failure)
            contexts = [{"statusCode": "COMMAND_EXECUTION_ERROR", "message": self._account.build_failure}]
            build["phases"] = [{"phaseType": "BUILD", "phaseStatus": "FAILED", "contexts": contexts}]
            build["buildStatus"] = "FAILED"
        else:
            variables = build["environment"]["environmentVariables"]
            (image,) = [each["value"] for each in variables if each["name"] == "IMAGE"]
            assert REGION in image
            with contextlib.suppress(ImageAlreadyExistsException):
                self._push_image(*image.partition("/")[2].split(":"))
            build["buildStatus"] = "SUCCEEDED"
