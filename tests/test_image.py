"""sagemaker-image: by AWS, played by a stand-in, and by this machine's docker, played by a script."""

import io
import json
import os
import platform
import re
import stat
import sys
import zipfile

import pytest

from donkey_sagemaker.aws.account import Account
from donkey_sagemaker.aws.connection import Connection
from donkey_sagemaker.car.car import open_car
from donkey_sagemaker.car.runtime import Runtime
from donkey_sagemaker.cloud.errors import NotAllowed
from donkey_sagemaker.commands import image as image_module
from donkey_sagemaker.commands.image import (
    BuildFailed,
    BuildStopped,
    NoRegistry,
    NoTool,
    OtherMachine,
    ToolFailed,
)
from donkey_sagemaker.errors import CloudRefused
from donkey_sagemaker.training.trainer_code import zip_build_context

URI = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/donkey-sagemaker:dk22-cpu"
RUNTIME = Runtime("3.6.15", "aarch64", {"donkeycar": "2.2.4"})
AT_THE_END = f"SAGEMAKER_IMAGE = '{URI}'  # written by donkey-sagemaker\n"


class Ui:
    def __init__(self):
        self.lines = []

    def say(self, text):
        self.lines.append(text)


@pytest.fixture
def owner(aws, tmp_path, monkeypatch):
    """A function that says `sagemaker-image` in a car, and gives what was printed."""
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "config.py").write_text("")
    config = "SAGEMAKER_REGION = {!r}\nSAGEMAKER_BUCKET = {!r}\nSAGEMAKER_ENDPOINT_URL = {!r}\n"
    (tmp_path / "myconfig.py").write_text(config.format(aws.region, aws.bucket, aws.endpoint_url))

    aws.client("ecr").create_repository(repositoryName="donkey-sagemaker")  # as setup does

    def say(*, docker=False, dry_run=False, sleep=lambda seconds: None, **flags):
        car = open_car(str(tmp_path), flags=flags, myconfig="myconfig.py")
        ui = Ui()
        account = None if flags else Account(car.settings, Connection(car.settings, sleep=sleep))
        image_module.make_image(car, account, ui, RUNTIME, docker=docker, dry_run=dry_run, sleep=sleep)
        return ui.lines

    say.myconfig = lambda: (tmp_path / "myconfig.py").read_text()
    return say


def test_aws_builds_and_pushes(owner, aws):
    """The log is followed to its end, and the jobs to come are told of the image."""
    assert owner() == [
        "Build donkey-sagemaker:1 is running on AWS in eu-west-1",
        "  Step 1 of the build",
        "  Step 2 of the build",
        f"Pushed {URI}; SAGEMAKER_IMAGE in myconfig.py names it",
    ]
    assert owner.myconfig().endswith("\n" + AT_THE_END)
    images = aws.client("ecr").describe_images(repositoryName="donkey-sagemaker")["imageDetails"]
    assert [each["imageTags"] for each in images] == [["dk22-cpu"]]


def test_a_failed_build_is_an_error(owner, aws):
    """With the phase's own words and the end of the log; nothing is written into myconfig.py."""
    aws.set(build_failure="COPY failed: no such file")
    before = owner.myconfig()
    with pytest.raises(BuildFailed) as failure:
        owner()
    assert failure.value.what == (
        f"The image {URI} could not be built: BUILD: COPY failed: no such file\n"
        "The last lines of its log:\n"
        "  Step 1 of the build\n  Step 2 of the build\n  ERROR: COPY failed: no such file"
    )
    assert owner.myconfig() == before


def test_ctrl_c_stops_the_build(owner, aws):
    """AWS would go on and bill."""

    def interrupt(_seconds):
        raise KeyboardInterrupt

    with pytest.raises(BuildStopped) as stopped:
        owner(sleep=interrupt)
    assert stopped.value.what == f"Interrupted: the build of {URI} was stopped."
    assert len(aws.requests("codebuild", "StopBuild")) == 1


@pytest.mark.parametrize("here", [False, True])
def test_before_setup_nothing_is_built(owner, docker, aws, here):
    """The registry is made by setup alone: its stack would not come to be beside one from elsewhere."""
    aws.client("ecr").delete_repository(repositoryName="donkey-sagemaker")
    with pytest.raises(CloudRefused) as refusal:
        owner(docker=here)
    assert refusal.value.what == (
        "There is no repository for training images in eu-west-1 [RepositoryNotFoundException]: The "
        "repository with name 'donkey-sagemaker' does not exist in the registry with id '123456789012'"
    )
    assert not aws.requests("codebuild") and not aws.requests("s3")
    assert aws.requests("ecr", "GetAuthorizationToken") == []


def test_no_project_is_told(owner, aws):
    """By its name, and where it says how to make one."""
    aws.set(has_build_project=False)
    with pytest.raises(CloudRefused) as refusal:
        owner()
    assert refusal.value.what == (
        "There is no CodeBuild project for training images in eu-west-1 [ResourceNotFoundException]: "
        "Project cannot be found: donkey-sagemaker"
    )


def test_who_may_not_build_is_told_the_permission(owner, aws):
    """As with every other request."""
    aws.set(denied=["codebuild:StartBuild"])
    with pytest.raises(NotAllowed) as refusal:
        owner()
    assert "codebuild:StartBuild" in refusal.value.what


def test_a_dry_run_sends_nothing(owner, aws):
    """What would be put and started, as JSON."""
    (text,) = owner(dry_run=True)
    told = json.loads(text)
    assert told["StartBuild"]["sourceLocationOverride"] == "{}/{}".format(aws.bucket, told["PutObject"])
    variables = {each["name"]: each["value"] for each in told["StartBuild"]["environmentVariablesOverride"]}
    assert variables == {
        "REGISTRY": "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
        "IMAGE": URI,
        "GENERATION": "dk22",
        "DEVICE": "cpu",
    }
    assert [each["operation"] for each in aws.requests()] == ["CreateRepository", "GetCallerIdentity"]


def test_local_training_needs_no_image(owner):
    """There is nothing to push it to."""
    with pytest.raises(NoRegistry) as refusal:
        owner(backend="local")
    assert refusal.value.what == "Training on this machine needs no image."


@pytest.fixture
def docker(tmp_path, monkeypatch):
    """A docker that writes down how it was called and what it found; it fails at the verb of FAILS."""
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


def test_docker_builds_here(owner, docker, aws):
    """From a folder of the context alone; the password goes through standard input, and does not stay."""
    lines = owner(docker=True)
    (login, password, _, _), (build, _, names, attestations), (push, _, _, _), (logout, _, _, _) = docker()
    assert login == ["login", "--username", "AWS", "--password-stdin", URI.partition("/")[0]]
    assert password and password not in "".join(login + build + push + logout + lines)
    assert build == (
        "build --platform linux/amd64 --file container/Dockerfile --build-arg GENERATION=dk22 "
        f"--build-arg DEVICE=cpu --tag {URI} .".split()
    )
    assert (names, attestations) == (["container", "donkey_sagemaker"], "1")
    assert push == ["push", URI]
    assert logout == ["logout", URI.partition("/")[0]]
    assert owner.myconfig().endswith("\n" + AT_THE_END)


def test_nothing_is_pushed_after_a_failed_build(owner, docker, monkeypatch):
    """The tool itself has said why."""
    monkeypatch.setenv("FAILS", "build")
    before = owner.myconfig()
    with pytest.raises(ToolFailed) as failure:
        owner(docker=True)
    assert failure.value.what.startswith("`docker build --platform linux/amd64 ")
    assert failure.value.what.endswith(" .` ended with exit code 3.")
    assert [call[0][0] for call in docker()] == ["login", "build", "logout"]
    assert owner.myconfig() == before


def test_an_image_that_could_not_be_pushed_is_not_named(owner, docker, monkeypatch):
    """Jobs to come would look for it."""
    monkeypatch.setenv("FAILS", "push")
    before = owner.myconfig()
    with pytest.raises(ToolFailed) as failure:
        owner(docker=True)
    assert failure.value.what == f"`docker push {URI}` ended with exit code 3."
    assert [call[0][0] for call in docker()] == ["login", "build", "push", "logout"]
    assert owner.myconfig() == before


def test_a_dry_run_prints_the_commands(owner, docker):
    """And runs none."""
    lines = owner(docker=True, dry_run=True)
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
def test_a_docker_of_today_is_asked_for_its_own_manifest(owner, docker, monkeypatch, version, asked):
    """One that keeps images as containerd does would push OCI's; podman by that name knows no such option."""
    monkeypatch.setenv("BUILDX", version)
    build = owner(docker=True, dry_run=True)[1]
    assert build.startswith("docker buildx build " if asked else "docker build ")
    assert ("--output type=image,oci-mediatypes=false" in build) == asked


def test_podman_and_buildah_are_asked_for_dockers_manifest():
    """SageMaker refuses OCI's."""
    plan = image_module.Plan(URI, "dk22", "cpu")
    for tool in ("podman", "buildah"):
        _, build, _, _ = image_module.tool_commands(tool, plan)
        assert " ".join(build).startswith(tool + " build --platform linux/amd64 ")
        assert build[build.index("--format") + 1] == "docker"
        assert "BASE=dk22-cpu" in build


def test_codebuild_pushes_what_sagemaker_takes(repo_path):
    """For amd64, without attestations, Docker's manifest; in one phase, which ends at the first failure."""
    with open(os.path.join(repo_path, "templates", "buildspec.yml")) as file:
        text = file.read()
    assert re.findall(r"^  (\w+):$", text, re.MULTILINE) == ["build"]
    assert "    on-failure: ABORT\n" in text
    login, build, push = re.findall(r"^      - (.+)$", text, re.MULTILINE)
    assert login.endswith('docker login --username AWS --password-stdin "$REGISTRY"')
    assert build.startswith("BUILDX_NO_DEFAULT_ATTESTATIONS=1 docker buildx build --platform linux/amd64 ")
    assert " --output type=image,oci-mediatypes=false " in build and push == 'docker push "$IMAGE"'


def test_no_tool_is_told(owner, tmp_path, monkeypatch):
    """With what to do."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoTool) as refusal:
        owner(docker=True)
    assert refusal.value.what == "There is no docker, podman, buildah on this machine."


def test_a_pi_cannot_build_here(owner, docker, monkeypatch):
    """Its image would not run on SageMaker's machines."""
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(OtherMachine) as refusal:
        owner(docker=True)
    assert refusal.value.what == "SageMaker's machines are x86_64, and this one is aarch64."


def test_the_context_is_laid_out_as_a_checkout(repo_path):
    """So that the Dockerfile finds in it what it copies, from an installed wheel, too."""
    with zipfile.ZipFile(io.BytesIO(zip_build_context())) as archive:
        names = archive.namelist()
        for name in names:
            with open(os.path.join(repo_path, *name.split("/")), "rb") as file:
                assert archive.read(name) == file.read()
    assert {"container/Dockerfile", "container/train", "container/trainer/main.py"} <= set(names)
    assert {"container/generations/dk22-cpu.txt", "donkey_sagemaker/tubs/reader.py"} <= set(names)
