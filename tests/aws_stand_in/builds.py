"""CodeBuild: one project, whose builds say a line, take a look or two, and push or fail."""

import contextlib
from typing import Any, Callable, Dict

from moto.ecr.exceptions import ImageAlreadyExistsException

from .account import REGION, Account
from .aws_error import AwsError
from .logs import Logs
from .storage import find_bucket

PROJECT = "donkey-sagemaker"
LOOKS = 2  # at a build, until it is over


class BuildApi:
    def __init__(self, account: Account, logs: Logs, push_image: Callable[[str, str], str]) -> None:
        self._account = account
        self._logs = logs
        self._push_image = push_image
        self._builds: Dict[str, Dict[str, Any]] = {}
        self._looks: Dict[str, int] = {}

    def StartBuild(self, asked: Dict[str, Any]) -> Dict[str, Any]:
        if asked["projectName"] != PROJECT or not self._account.has_build_project:
            raise AwsError("ResourceNotFoundException", "Project cannot be found: " + asked["projectName"])
        bucket, _, key = asked["sourceLocationOverride"].partition("/")
        found = find_bucket(bucket)
        if found is None or key not in found.keys:
            raise AwsError("InvalidInputException", "The source cannot be found: " + key)
        build_id = f"{PROJECT}:{len(self._builds) + 1}"
        self._builds[build_id] = {
            "id": build_id,
            "buildStatus": "IN_PROGRESS",
            "currentPhase": "SUBMITTED",
            "environment": {
                "environmentVariables": asked["environmentVariablesOverride"],
                "type": "LINUX_CONTAINER",
                "image": "aws/codebuild/standard:7.0",
                "computeType": "BUILD_GENERAL1_SMALL",
            },
            "phases": [],
            "logs": {},
        }
        self._looks[build_id] = 0
        return {"build": self._builds[build_id]}

    def BatchGetBuilds(self, asked: Dict[str, Any]) -> Dict[str, Any]:
        builds = [self._builds[each] for each in asked["ids"] if each in self._builds]
        for build in builds:
            self._go_on(build)
        return {"builds": builds}

    def StopBuild(self, asked: Dict[str, Any]) -> Dict[str, Any]:
        self._builds[asked["id"]]["buildStatus"] = "STOPPED"
        return {"build": self._builds[asked["id"]]}

    def _go_on(self, build: Dict[str, Any]) -> None:
        if build["buildStatus"] != "IN_PROGRESS":
            return
        stream = build["id"].replace(":", "/")
        self._looks[build["id"]] += 1
        if self._looks[build["id"]] <= LOOKS:
            build["currentPhase"] = "BUILD"
            build["logs"] = {"groupName": "/aws/codebuild/" + PROJECT, "streamName": stream}
            self._logs.append(stream, "Step {} of the build".format(self._looks[build["id"]]))
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
