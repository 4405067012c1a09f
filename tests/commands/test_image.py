"""sagemaker-image: built by AWS, which is a stand-in, and by this machine's docker, which is a script."""

import io
import json
import os
import platform
import re
import stat
import sys
import zipfile

import pytest

from donkey_sagemaker import cli
from donkey_sagemaker.car.car import open_car
from donkey_sagemaker.cloud import open_account
from donkey_sagemaker.cloud.errors import NotAllowed
from donkey_sagemaker.commands.image import (
    BuildFailed,
    BuildStopped,
    ImagePlan,
    NoTool,
    OtherMachine,
    ToolFailed,
    make_image,
    tool_commands,
)
from donkey_sagemaker.errors import CloudRefused, get_notes
from donkey_sagemaker.training.trainer_code import zip_build_context
from donkey_sagemaker.ui import PlainUi

URI = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/donkey-sagemaker:dk22-cpu"
AT_THE_END = f"SAGEMAKER_IMAGE = '{URI}'  # written by donkey-sagemaker\n"


class ListUi(PlainUi):
    def __init__(self):
        super().__init__()
        self.printed = []

    def print(self, text, **style):
        self.printed.append(text)


@pytest.fixture
def build(aws, tmp_path, monkeypatch):
    """A function that runs sagemaker-image for a car of 2018 and returns the lines that it prints."""
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "config.py").write_text("")
    (tmp_path / "myconfig.py").write_text(
        f"SAGEMAKER_REGION = {aws.region!r}\nSAGEMAKER_BUCKET = {aws.bucket!r}\n"
        f"SAGEMAKER_ENDPOINT_URL = {aws.endpoint_url!r}\n"
        "SAGEMAKER_CAR = 'donkeycar 2.2.4, tensorflow 1.4.1, python 3.6'\n"
    )
    aws.client("ecr").create_repository(repositoryName="donkey-sagemaker")  # as setup does

    def build(*, docker=False, dry_run=False, sleep=lambda seconds: None):
        car = open_car(str(tmp_path), flags={})
        ui = ListUi()
        make_image(car, open_account(car.settings), ui, docker=docker, dry_run=dry_run, sleep=sleep)
        return ui.printed

    build.car_path = str(tmp_path)
    build.myconfig = lambda: (tmp_path / "myconfig.py").read_text()
    return build


def test_aws_builds_and_pushes(build, aws):
    """The log is followed to its end, and the next jobs use the image."""
    assert build() == [
        "Build donkey-sagemaker:1 is running on AWS in eu-west-1",
        "  Step 1 of the build",
        "  Step 2 of the build",
        f"Pushed {URI}, and set SAGEMAKER_IMAGE in myconfig.py to it",
    ]
    assert build.myconfig().endswith("\n" + AT_THE_END)
    images = aws.client("ecr").describe_images(repositoryName="donkey-sagemaker")["imageDetails"]
    assert [each["imageTags"] for each in images] == [["dk22-cpu"]]


def test_a_failed_build_is_an_error(build, aws):
    """It reports the reason of the phase and the end of the log; myconfig.py does not change."""
    aws.set(build_failure="COPY failed: no such file")
    before = build.myconfig()
    with pytest.raises(BuildFailed) as caught:
        build()
    assert caught.value.what == (
        f"The image {URI} could not be built: BUILD: COPY failed: no such file\n"
        "The last lines of its log:\n"
        "  Step 1 of the build\n  Step 2 of the build\n  ERROR: COPY failed: no such file"
    )
    assert build.myconfig() == before


def test_a_lost_response_starts_no_second_build(build, aws):
    """CodeBuild recognizes the request by its token."""
    aws.fault("lose_response", operation="StartBuild")
    out = build()
    assert out[0] == "Build donkey-sagemaker:1 is running on AWS in eu-west-1"
    assert len(aws.requests("codebuild", "StartBuild")) == 2


def test_an_error_while_a_build_runs_says_that_it_continues(build, aws):
    """A log that may not be read ends the command, not the build."""
    aws.set(denied=["logs:GetLogEvents"])
    with pytest.raises(NotAllowed) as caught:
        build()
    assert get_notes(caught.value) == [
        "The build donkey-sagemaker:1 continues and is billed until it ends. To end it: `aws codebuild "
        "stop-build --id donkey-sagemaker:1`."
    ]


def test_ctrl_c_stops_the_build(build, aws):
    """Otherwise AWS would continue, and bill it."""

    def interrupt(_seconds):
        raise KeyboardInterrupt

    with pytest.raises(BuildStopped) as caught:
        build(sleep=interrupt)
    assert caught.value.what == f"Interrupted: the build of {URI} was stopped."
    assert len(aws.requests("codebuild", "StopBuild")) == 1


@pytest.mark.parametrize("here", [False, True])
def test_before_setup_nothing_is_built(build, docker, aws, here):
    """Only setup creates the repository: its stack fails if there already is one."""
    aws.client("ecr").delete_repository(repositoryName="donkey-sagemaker")
    with pytest.raises(CloudRefused) as caught:
        build(docker=here)
    assert caught.value.what == (
        "There is no repository for training images in eu-west-1 [RepositoryNotFoundException]: The "
        "repository with name 'donkey-sagemaker' does not exist in the registry with id '123456789012'"
    )
    assert not aws.requests("codebuild") and not aws.requests("s3")
    assert aws.requests("ecr", "GetAuthorizationToken") == []


def test_a_missing_build_project_is_reported(build, aws):
    """Its name is given, and how to create one."""
    aws.set(has_build_project=False)
    with pytest.raises(CloudRefused) as caught:
        build()
    assert caught.value.what == (
        "There is no CodeBuild project for training images in eu-west-1 [ResourceNotFoundException]: "
        "Project cannot be found: donkey-sagemaker"
    )
    assert caught.value.fix == (
        "Run `python manage.py sagemaker-setup` as an administrator of the AWS account: it creates one."
    )


def test_a_missing_permission_is_named(build, aws):
    """As for every other request."""
    aws.set(denied=["codebuild:StartBuild"])
    with pytest.raises(NotAllowed) as caught:
        build()
    assert "codebuild:StartBuild" in caught.value.what


@pytest.mark.parametrize("options", [[], ["--docker"]])
def test_an_image_is_the_administrators(build, docker, aws, monkeypatch, capsys, options):
    """The key of a car starts no build, and says who can."""
    for name, value in aws.create_car_key("blue").items():
        monkeypatch.setenv(name, value)
    assert cli.main(["image", *options], car_path=build.car_path) == 3
    error = capsys.readouterr().err
    assert error.startswith("arn:aws:iam::123456789012:user/blue is not allowed to use ecr:")
    assert error.endswith("action.\nRun it as an administrator of the AWS account.\n")
    assert not aws.requests("codebuild")


def test_a_dry_run_sends_nothing(build, aws):
    """It prints as JSON what would be uploaded and started."""
    (text,) = build(dry_run=True)
    planned = json.loads(text)
    assert planned["StartBuild"]["sourceLocationOverride"] == f"{aws.bucket}/{planned['PutObject']}"
    variables = {
        each["name"]: each["value"] for each in planned["StartBuild"]["environmentVariablesOverride"]
    }
    assert variables == {
        "REGISTRY": "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
        "IMAGE": URI,
        "GENERATION": "dk22",
        "DEVICE": "cpu",
    }
    assert [each["operation"] for each in aws.requests()] == ["CreateRepository", "GetCallerIdentity"]


def test_local_training_needs_no_image(tmp_path, capsys):
    """There is no registry to push it to."""
    (tmp_path / "config.py").write_text("")
    assert cli.main(["image", "--local"], car_path=str(tmp_path)) == 2
    assert capsys.readouterr().err == (
        "Only training on AWS needs an image.\n"
        'Leave --local out, or set SAGEMAKER_BACKEND = "aws" in myconfig.py.\n'
    )


@pytest.fixture
def docker(tmp_path, monkeypatch):
    """A docker that records its arguments, input and folder; it fails at the verb in FAILS."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "docker"
    script.write_text(
        "#!{}\nimport json, os, sys\n"
        "if sys.argv[1:] == ['buildx', 'version']:\n"
        "    sys.exit(print(os.environ.get('BUILDX', '')))\n"
        "with open({!r}, 'a') as file:\n"
        "    file.write(json.dumps([sys.argv[1:], sys.stdin.read(), sorted(os.listdir('.')),\n"
        "        os.environ.get('BUILDX_NO_DEFAULT_ATTESTATIONS')]) + '\\n')\n"
        "sys.exit(3 if sys.argv[1] == os.environ.get('FAILS') else 0)\n".format(
            sys.executable, str(tmp_path / "calls")
        )
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    return lambda: [json.loads(line) for line in (tmp_path / "calls").read_text().splitlines()]


def test_docker_builds_here(build, docker, aws):
    """In a folder with nothing but the context; the password is passed on standard input and not kept."""
    lines = build(docker=True)
    (login, password, _, _), (made, _, names, attestations), (push, _, _, _), (logout, _, _, _) = docker()
    assert login == ["login", "--username", "AWS", "--password-stdin", URI.partition("/")[0]]
    assert password and password not in "".join(login + made + push + logout + lines)
    assert made == (
        "build --platform linux/amd64 --file container/Dockerfile --build-arg GENERATION=dk22 "
        f"--build-arg DEVICE=cpu --tag {URI} .".split()
    )
    assert (names, attestations) == (["container", "donkey_sagemaker"], "1")
    assert push == ["push", URI]
    assert logout == ["logout", URI.partition("/")[0]]
    assert build.myconfig().endswith("\n" + AT_THE_END)


def test_nothing_is_pushed_after_a_failed_build(build, docker, monkeypatch):
    """The tool itself has printed the reason."""
    monkeypatch.setenv("FAILS", "build")
    before = build.myconfig()
    with pytest.raises(ToolFailed) as caught:
        build(docker=True)
    assert caught.value.what.startswith("`docker build --platform linux/amd64 ")
    assert caught.value.what.endswith(" .` ended with exit code 3.")
    assert [call[0][0] for call in docker()] == ["login", "build", "logout"]
    assert build.myconfig() == before


def test_an_image_that_could_not_be_pushed_is_not_used(build, docker, monkeypatch):
    """Otherwise the next jobs would fail without it."""
    monkeypatch.setenv("FAILS", "push")
    before = build.myconfig()
    with pytest.raises(ToolFailed) as caught:
        build(docker=True)
    assert caught.value.what == f"`docker push {URI}` ended with exit code 3."
    assert [call[0][0] for call in docker()] == ["login", "build", "push", "logout"]
    assert build.myconfig() == before


def test_a_dry_run_prints_the_commands(build, docker):
    """It runs none of them."""
    lines = build(docker=True, dry_run=True)
    assert [line.split()[:2] for line in lines] == [
        ["docker", "login"],
        ["docker", "build"],
        ["docker", "push"],
        ["docker", "logout"],
    ]
    with pytest.raises(OSError):
        docker()


@pytest.mark.parametrize(
    "version, asked",
    [("github.com/docker/buildx v0.32.1", True), ("buildah 1.39.3", False), ("", False)],
)
def test_a_current_docker_is_asked_for_dockers_manifest(build, docker, monkeypatch, version, asked):
    """Otherwise it may push an OCI manifest; a podman that is called docker has no such option."""
    monkeypatch.setenv("BUILDX", version)
    command = build(docker=True, dry_run=True)[1]
    assert command.startswith("docker buildx build " if asked else "docker build ")
    assert ("--output type=image,oci-mediatypes=false" in command) == asked


def test_podman_and_buildah_are_asked_for_dockers_manifest():
    """SageMaker does not accept an OCI manifest."""
    plan = ImagePlan(URI, "dk22", "cpu")
    for tool in ("podman", "buildah"):
        _, build, _, _ = tool_commands(tool, plan)
        assert " ".join(build).startswith(tool + " build --platform linux/amd64 ")
        assert build[build.index("--format") + 1] == "docker"
        assert "BASE=dk22-cpu" in build


def test_codebuild_pushes_what_sagemaker_accepts(repo_path):
    """An amd64 image with Docker's manifest, without attestations, in one phase that ends at a failure."""
    with open(os.path.join(repo_path, "templates", "buildspec.yml")) as file:
        text = file.read()
    assert re.findall(r"^  (\w+):$", text, re.MULTILINE) == ["build"]
    assert "    on-failure: ABORT\n" in text
    login, build, push = re.findall(r"^      - (.+)$", text, re.MULTILINE)
    assert login.endswith('docker login --username AWS --password-stdin "$REGISTRY"')
    assert build.startswith("BUILDX_NO_DEFAULT_ATTESTATIONS=1 docker buildx build --platform linux/amd64 ")
    assert " --output type=image,oci-mediatypes=false " in build and push == 'docker push "$IMAGE"'


def test_a_machine_without_any_tool(build, tmp_path, monkeypatch):
    """The message names the tools, and proposes a build on AWS."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoTool) as caught:
        build(docker=True)
    assert caught.value.what == "This machine has none of docker, podman, buildah."
    assert caught.value.fix == "Install one of them, or leave --docker out to have AWS build the image."


def test_a_pi_cannot_build_here(build, docker, monkeypatch):
    """Its image would not run on SageMaker."""
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(OtherMachine) as caught:
        build(docker=True)
    assert caught.value.what == "SageMaker trains on x86_64, and this machine is aarch64."


def test_the_context_is_laid_out_as_a_checkout(repo_path):
    """The Dockerfile finds everything that it copies, even in an installed wheel."""
    with zipfile.ZipFile(io.BytesIO(zip_build_context())) as archive:
        names = archive.namelist()
        for name in names:
            with open(os.path.join(repo_path, *name.split("/")), "rb") as file:
                assert archive.read(name) == file.read()
    assert {"container/Dockerfile", "container/train", "container/trainer/main.py"} <= set(names)
    assert {"container/generations/dk22-cpu.txt", "donkey_sagemaker/tubs/reader.py"} <= set(names)
