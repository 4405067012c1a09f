"""The story of sagemaker-image: the training image of this car's generation, built and pushed."""

import base64
import hashlib
import io
import json
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
import time
import zipfile
from typing import Any, Callable, List, NamedTuple

from ..aws.account import Account
from ..aws.builder import Build, Builder, make_build_request
from ..car.car import Car
from ..car.myconfig import write_setting
from ..car.runtime import Runtime
from ..cloud.cloud import Cloud
from ..cloud.images import own_image_tag
from ..errors import BadInput, DonkeySagemakerError, JobFailed
from ..resources import templates_path
from ..training.trainer_code import zip_build_context
from ..ui import PlainUi

LAST_LINES = 20  # of the log, shown when a build fails
TOOLS = ("docker", "podman", "buildah")


class NoRegistry(BadInput):
    def __init__(self) -> None:
        super().__init__(
            "Training on this machine needs no image.",
            'Leave --local out, or set SAGEMAKER_BACKEND = "aws" in myconfig.py.',
        )


class NoTool(BadInput):
    def __init__(self) -> None:
        super().__init__(
            "There is no {} on this machine.".format(", ".join(TOOLS)),
            "Install one of them, or leave --docker out: AWS builds the image then.",
        )


class OtherMachine(BadInput):
    def __init__(self, machine: str) -> None:
        super().__init__(
            f"SageMaker's machines are x86_64, and this one is {machine}.",
            "Leave --docker out: AWS builds the image then.",
        )


class ToolFailed(JobFailed):
    def __init__(self, command: List[str], code: int) -> None:
        super().__init__(
            "`{}` ended with exit code {}.".format(" ".join(map(shlex.quote, command)), code),
            "Mend what it says above, and run sagemaker-image again.",
        )


class BuildFailed(JobFailed):
    def __init__(self, uri: str, build: Build, log: List[str]) -> None:
        text = f"The image {uri} could not be built: {build.reason or build.state}"
        if log:
            text += "\nThe last lines of its log:\n" + "\n".join("  " + line for line in log)
        super().__init__(text, "Mend what it names, and run sagemaker-image again; nothing was pushed.")


class BuildStopped(DonkeySagemakerError):
    """Ctrl-C while AWS builds."""

    exit_code = 130

    def __init__(self, uri: str) -> None:
        super().__init__(f"Interrupted: the build of {uri} was stopped.", "Run sagemaker-image again for it.")


class Plan(NamedTuple):
    """One image."""

    uri: str
    generation: str
    device: str  # cpu or gpu


def make_image(
    car: Car,
    account: Account,
    ui: PlainUi,
    runtime: Runtime,
    *,
    docker: bool,
    dry_run: bool,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Builds and pushes the image that jobs of this car then run in.

    Args:
        docker: by this machine's docker, podman or buildah instead of by AWS.
        dry_run: only tell what would be done.
    """
    if car.settings.backend == "local":
        raise NoRegistry()
    builder = account.builder
    tag = own_image_tag(runtime.generation, car.settings.instance_type[0])
    plan = Plan(builder.uri(tag), *tag.split("-"))
    if docker:
        is_done = build_here(builder, ui, plan, dry_run=dry_run)
    else:
        is_done = build_there(car, account.open_cloud(), builder, ui, plan, dry_run=dry_run, sleep=sleep)
    if is_done:
        write_setting(os.path.join(car.path, car.myconfig), "SAGEMAKER_IMAGE", plan.uri)
        ui.say(f"Pushed {plan.uri}; SAGEMAKER_IMAGE in {car.myconfig} names it")


def build_there(
    car: Car,
    cloud: Cloud,
    builder: Builder,
    ui: PlainUi,
    plan: Plan,
    *,
    dry_run: bool,
    sleep: Callable[[float], None],
) -> bool:
    """Has CodeBuild build it, and follows its log.

    Raises:
        BuildFailed, BuildStopped, CloudRefused
    """
    context = zip_build_context()
    key = f"{car.settings.prefix}/images/{hashlib.sha256(context).hexdigest()}.zip"
    with open(os.path.join(templates_path(), "buildspec.yml"), encoding="ascii") as file:
        buildspec = file.read()
    request = make_build_request(
        source=f"{cloud.bucket}/{key}",
        buildspec=buildspec,
        uri=plan.uri,
        generation=plan.generation,
        device=plan.device,
    )
    if dry_run:
        ui.say(json.dumps({"PutObject": key, "StartBuild": request}, indent=2))
        return False
    builder.check_repository()
    cloud.put(key, context)
    build_id = builder.start(request)
    ui.say(f"Build {build_id} is running {cloud.place}")
    token: Any = None
    log: List[str] = []
    try:
        while True:
            build = builder.describe(build_id)  # before the log, which is whole when the build is over
            lines, token = builder.read_log(build, token)
            for line in lines:
                ui.say("  " + line)
            log = (log + lines)[-LAST_LINES:]
            if build.state == "SUCCEEDED":
                return True
            if build.state != "IN_PROGRESS":
                raise BuildFailed(plan.uri, build, log)
            sleep(cloud.poll_s)
    except KeyboardInterrupt:
        builder.stop(build_id)
        raise BuildStopped(plan.uri) from None


def build_here(builder: Builder, ui: PlainUi, plan: Plan, *, dry_run: bool) -> bool:
    """Runs docker, podman or buildah, whichever is there first.

    Raises:
        NoTool, OtherMachine, CloudRefused, ToolFailed
    """
    tool = next((tool for tool in TOOLS if shutil.which(tool)), None)
    if tool is None:
        raise NoTool()
    if platform.machine() not in ("x86_64", "AMD64"):
        raise OtherMachine(platform.machine())
    commands = tool_commands(tool, plan, buildx=has_buildx(tool))
    if dry_run:
        for command in commands:
            ui.say(" ".join(map(shlex.quote, command)))
        return False
    login, build, push, logout = commands
    builder.check_repository()
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(io.BytesIO(zip_build_context())) as context:
            context.extractall(folder)
        password = base64.b64decode(builder.password()).partition(b":")[2]
        run(login, folder, typed=password)
        try:
            run(build, folder)
            run(push, folder)
        finally:  # else the password stays in a file of the tool's
            subprocess.run(logout, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return True


def tool_commands(tool: str, plan: Plan, *, buildx: bool = False) -> List[List[str]]:
    """Login, build, push and logout, as this tool takes them; run in the build context.

    SageMaker takes no OCI manifest: each tool is asked for Docker's.
    """
    registry = plan.uri.partition("/")[0]
    build = [tool] + ["buildx"] * buildx + ["build", "--platform", "linux/amd64"]
    build += ["--file", "container/Dockerfile"]
    build += ["--build-arg", "GENERATION=" + plan.generation, "--build-arg", "DEVICE=" + plan.device]
    if buildx:
        build += ["--output", "type=image,oci-mediatypes=false"]
    elif tool != "docker":
        build += ["--format", "docker"]
        # Older ones do not follow a default that is made of two others.
        build += ["--build-arg", f"BASE={plan.generation}-{plan.device}"]
    return [
        [tool, "login", "--username", "AWS", "--password-stdin", registry],
        build + ["--tag", plan.uri, "."],
        [tool, "push", plan.uri],
        [tool, "logout", registry],
    ]


def has_buildx(tool: str) -> bool:
    """Whether this is a Docker that may keep its images as OCI's; an older one cannot."""
    if tool != "docker":
        return False
    asked = subprocess.run([tool, "buildx", "version"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return b"docker/buildx" in asked.stdout  # podman calls itself docker, too


def run(command: List[str], folder: str, *, typed: bytes = b"") -> None:
    """Runs a command that tells the user itself how it goes.

    Raises:
        ToolFailed
    """
    environment = dict(os.environ, DOCKER_BUILDKIT="1", BUILDX_NO_DEFAULT_ATTESTATIONS="1")
    code = subprocess.run(command, cwd=folder, input=typed, env=environment).returncode
    if code:
        raise ToolFailed(command, code)
