"""The content of the Dockerfile, in addition to the rules of hadolint, which `make check` runs."""

import io
import os
import re
import zipfile

import pytest

from donkey_sagemaker.resources import container_path
from donkey_sagemaker.training.trainer_code import build_trainer

GENERATIONS = ("dk22", "dk50", "dk53", "dk54")
PIN = r"[\w.-]+==[\w.]+(; python_version < \"[\d.]+\")?"


@pytest.fixture(scope="module")
def text():
    with open(os.path.join(container_path(), "Dockerfile")) as file:
        return file.read()


@pytest.fixture(scope="module")
def instructions(text):
    """(instruction, text) pairs of the Dockerfile, with continued lines joined."""
    lines = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    return [tuple(line.split(None, 1)) for line in lines if line.strip()]


def of(instructions, name):
    return [text for instruction, text in instructions if instruction == name]


def test_bases_are_official_and_pinned(instructions):
    """Each has a full version or is another stage."""
    stages = set()
    for text in of(instructions, "FROM"):
        image, _, stage = text.partition(" AS ")
        pinned = r"python:\d+\.\d+\.\d+-slim-\w+|tensorflow/tensorflow:1\.4\.1-gpu-py3|\$\{BASE\}"
        assert image in stages or re.fullmatch(pinned, image), text
        stages.add(stage)
    wanted = {f"{generation}-{device}" for generation in GENERATIONS for device in ("cpu", "gpu")}
    assert wanted <= stages


def test_no_rule_of_hadolint_is_disabled(text):
    """There are no exceptions."""
    assert not re.search("# *hadolint", text)


def test_it_starts_without_a_shell(instructions):
    """A shell would not pass on SIGTERM."""
    assert of(instructions, "ENTRYPOINT") == ['["python3", "/opt/donkey/train"]']
    assert of(instructions, "CMD") == ['["train"]']


def test_nothing_secret_goes_in(instructions):
    """Build arguments stay in the image's history, but these three are harmless. ADD could download files."""
    assert {text.split("=")[0] for text in of(instructions, "ARG")} == {"GENERATION", "DEVICE", "BASE"}
    assert of(instructions, "ADD") == []


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_every_package_is_pinned(generation, device):
    """The list of each image, with the lists that it includes, has one TensorFlow and no package twice."""
    lines = read_list(f"{generation}-{device}.txt")
    for line in lines:
        assert re.fullmatch(PIN, line), line
    names = [re.sub("[-_.]+", "-", line.split("==")[0]).lower() for line in lines]
    assert len(names) == len(set(names))
    assert len([name for name in names if re.fullmatch("tensorflow(-cpu|-gpu)?", name)]) == 1


def read_list(name):
    lines = []
    with open(os.path.join(container_path(), "generations", name)) as file:
        for line in file.read().splitlines():
            if line.startswith("-r "):
                lines += read_list(line[3:])
            elif line and not line.startswith("#"):
                lines.append(line)
    return lines


def test_it_copies_the_files_of_the_trainer(instructions, repo_path):
    """They are the files of trainer.pyz, to which new modules are added automatically."""
    with zipfile.ZipFile(io.BytesIO(build_trainer())) as archive:
        wanted = {name.replace("__main__.py", "train") for name in archive.namelist()}
    copied = set()
    for text in of(instructions, "COPY"):
        *sources, target = text.split()
        for source in [] if sources[0].startswith("--from") else sources:
            path = os.path.join(repo_path, source)
            names = os.listdir(path) if os.path.isdir(path) else [os.path.basename(path)]
            folder = target if os.path.isdir(path) or target.endswith("/") else os.path.dirname(target)
            copied |= {
                os.path.normpath(os.path.join(folder, name)) for name in names if name != "__pycache__"
            }
    assert copied == wanted


def test_the_context_is_what_an_image_needs(repo_path):
    """Everything except two folders is excluded, so no tub, key or environment can get into a layer."""
    with open(os.path.join(repo_path, ".dockerignore")) as file:
        lines = [line for line in file.read().splitlines() if not line.startswith("#")]
    assert lines == ["*", "!container", "!donkey_sagemaker", "**/__pycache__"]
