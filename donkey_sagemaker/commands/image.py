"""sagemaker-image: builds and pushes the training image of this car's generation."""

import argparse
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
from typing import TYPE_CHECKING, Callable, List, NamedTuple

from ..aws.builder import make_build_request
from ..car.car import Car
from ..car.myconfig import write_setting
from ..cloud import open_account
from ..cloud.cloud import Cloud
from ..cloud.errors import NotAllowed
from ..cloud.images import own_image_tag
from ..errors import BadInput, DonkeySagemakerError, JobFailed, add_note
from ..interrupts import interrupt_on_hangup
from ..resources import templates_path
from ..training.trainer_code import zip_build_context
from ..ui import PlainUi, make_ui
from ._options import add_car_options, open_the_car
from .setup import NotAdministrator

if TYPE_CHECKING:  # importing them takes boto3, which --help does not need
    from ..aws.account import Account
    from ..aws.builder import Build, Builder

HELP = (
    "Builds a training image of this car's own donkeycar generation and pushes it to the account's registry. "
    "AWS's own images train as well."
)

LAST_LINES = 20  # of the log, shown when a build fails
TOOLS = ("docker", "podman", "buildah")


class NoRegistry(BadInput):
    def __init__(self) -> None:
        super().__init__(
            "Only training on AWS needs an image.",
            'Leave --local out, or set SAGEMAKER_BACKEND = "aws" in myconfig.py.',
        )


class NoTool(BadInput):
    def __init__(self) -> None:
        super().__init__(
            f"This machine has none of {', '.join(TOOLS)}.",
            "Install one of them, or leave --docker out to have AWS build the image.",
        )


class OtherMachine(BadInput):
    def __init__(self, machine: str) -> None:
        super().__init__(
            f"SageMaker trains on x86_64, and this machine is {machine}.",
            "Leave --docker out to have AWS build the image.",
        )


class ToolFailed(JobFailed):
    def __init__(self, command: List[str], code: int) -> None:
        super().__init__(
            f"`{' '.join(map(shlex.quote, command))}` ended with exit code {code}.",
            "Fix what it printed above, then run sagemaker-image again.",
        )


class BuildFailed(JobFailed):
    def __init__(self, uri: str, build: "Build", log: List[str]) -> None:
        what = f"The image {uri} could not be built: {build.reason or build.state}"
        if log:
            what += "\nThe last lines of its log:\n" + "\n".join(f"  {line}" for line in log)
        super().__init__(what, "Nothing was pushed. Fix the cause, then run sagemaker-image again.")


class BuildStopped(DonkeySagemakerError):
    """Ctrl-C while AWS builds."""

    exit_code = 130

    def __init__(self, uri: str) -> None:
        super().__init__(f"Interrupted: the build of {uri} was stopped.", "Run sagemaker-image again.")


class ImagePlan(NamedTuple):
    """One image."""

    uri: str
    generation: str
    device: str  # cpu or gpu


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--docker", action="store_true", help="build it on this machine, with docker, podman or buildah"
    )
    parser.add_argument("--dry-run", action="store_true", help="only show what would be done")
    add_car_options(parser)


def run(arguments: argparse.Namespace, *, car_path: str) -> int:
    ui = make_ui()
    car = open_the_car(arguments, car_path, ui)
    if car.settings.backend != "aws":
        raise NoRegistry()
    account = open_account(car.settings)
    interrupt_on_hangup()
    try:
        make_image(car, account, ui, docker=arguments.docker, dry_run=arguments.dry_run)
    except NotAllowed as error:  # a car's key: whoever may push an image decides what every car's jobs run
        raise NotAdministrator(error, "") from error
    return 0


def make_image(
    car: Car,
    account: "Account",
    ui: PlainUi,
    *,
    docker: bool,
    dry_run: bool,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Builds and pushes the image that jobs of this car then run in.

    Args:
        docker: with this machine's docker, podman or buildah instead of on AWS.
        dry_run: only show what would be done.
    """
    builder = account.builder
    tag = own_image_tag(car.runtime.generation, car.settings.instance_type[0])
    plan = ImagePlan(builder.uri(tag), *tag.split("-"))
    if docker:
        is_pushed = build_here(builder, ui, plan, dry_run=dry_run)
    else:
        cloud = account.open_cloud()
        is_pushed = build_on_aws(car, cloud, builder, ui, plan, dry_run=dry_run, sleep=sleep)
    if is_pushed:
        write_setting(os.path.join(car.path, car.myconfig), "SAGEMAKER_IMAGE", plan.uri)
        ui.print(f"Pushed {plan.uri}, and set SAGEMAKER_IMAGE in {car.myconfig} to it")


def build_on_aws(
    car: Car,
    cloud: Cloud,
    builder: "Builder",
    ui: PlainUi,
    plan: ImagePlan,
    *,
    dry_run: bool,
    sleep: Callable[[float], None],
) -> bool:
    """Has CodeBuild build it, and follows its log.

    Returns:
        whether it was built and pushed.
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
        ui.print_exactly(json.dumps({"PutObject": key, "StartBuild": request}, indent=2))
        return False
    builder.check_repository()
    cloud.put(key, context)
    build_id = builder.start(request)
    ui.print(f"Build {build_id} is running {cloud.place}")
    position = None
    last_lines: List[str] = []
    try:
        while True:
            build = builder.describe(build_id)  # before the log, which is complete when the build is over
            new_lines, position = builder.read_log(build, position)
            for line in new_lines:
                ui.print(f"  {line}")
            last_lines = (last_lines + new_lines)[-LAST_LINES:]
            if build.state == "SUCCEEDED":
                return True
            if build.state != "IN_PROGRESS":
                raise BuildFailed(plan.uri, build, last_lines)
            sleep(cloud.poll_s)
    except KeyboardInterrupt:
        builder.stop(build_id)
        raise BuildStopped(plan.uri) from None
    except BuildFailed:
        raise
    except Exception as error:
        add_note(
            error,
            f"The build {build_id} continues and is billed until it ends. To end it:"
            f" `aws codebuild stop-build --id {build_id}`.",
        )
        raise


def build_here(builder: "Builder", ui: PlainUi, plan: ImagePlan, *, dry_run: bool) -> bool:
    """Builds with docker, podman or buildah, whichever is found first.

    Returns:
        whether it was built and pushed.
    Raises:
        NoTool, OtherMachine, ToolFailed, CloudRefused
    """
    tool = next((tool for tool in TOOLS if shutil.which(tool)), None)
    if tool is None:
        raise NoTool()
    if platform.machine() not in ("x86_64", "AMD64"):
        raise OtherMachine(platform.machine())
    commands = tool_commands(tool, plan, buildx=has_buildx(tool))
    if dry_run:
        for command in commands:
            ui.print_exactly(" ".join(map(shlex.quote, command)))
        return False
    login, build, push, logout = commands
    builder.check_repository()
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(io.BytesIO(zip_build_context())) as context:
            context.extractall(folder)
        password = base64.b64decode(builder.password()).partition(b":")[2]
        run_tool(login, folder, typed=password)
        try:
            run_tool(build, folder)
            run_tool(push, folder)
        finally:  # otherwise the tool keeps the password in a file
            subprocess.run(logout, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return True


def tool_commands(tool: str, plan: ImagePlan, *, buildx: bool = False) -> List[List[str]]:
    """The commands for login, build, push and logout, to be run in the build context.

    SageMaker accepts no OCI manifest, so each tool is asked for Docker's.
    """
    registry = plan.uri.partition("/")[0]
    build = [tool] + ["buildx"] * buildx + ["build", "--platform", "linux/amd64"]
    build += ["--file", "container/Dockerfile"]
    build += ["--build-arg", "GENERATION=" + plan.generation, "--build-arg", "DEVICE=" + plan.device]
    if buildx:
        build += ["--output", "type=image,oci-mediatypes=false"]
    elif tool != "docker":
        build += ["--format", "docker"]
        # Older versions do not expand a default that is made of two other arguments.
        build += ["--build-arg", f"BASE={plan.generation}-{plan.device}"]
    return [
        [tool, "login", "--username", "AWS", "--password-stdin", registry],
        build + ["--tag", plan.uri, "."],
        [tool, "push", plan.uri],
        [tool, "logout", registry],
    ]


def has_buildx(tool: str) -> bool:
    """Whether this is a Docker that may store images in OCI's format; an older one never does."""
    if tool != "docker":
        return False
    asked = subprocess.run([tool, "buildx", "version"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return b"docker/buildx" in asked.stdout  # podman also answers to the name docker


def run_tool(command: List[str], folder: str, *, typed: bytes = b"") -> None:
    """Runs a command that prints its progress itself.

    Raises:
        ToolFailed
    """
    environment = dict(os.environ, DOCKER_BUILDKIT="1", BUILDX_NO_DEFAULT_ATTESTATIONS="1")
    code = subprocess.run(command, cwd=folder, input=typed, env=environment).returncode
    if code:
        raise ToolFailed(command, code)
