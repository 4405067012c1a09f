"""The training images, built and run for real without a network (`make containers`)."""

import io
import json
import os
import subprocess
import zipfile

import pytest

import container_images
from donkey_sagemaker.cloud.code import build_trainer
from opt_ml_factory import make_opt_ml
from trainer_process import TRAIN_PATH, TrainerProcess

pytestmark = pytest.mark.containers

BUDGET_MB = 250  # beside the packages themselves
MODELS = {
    "dk22": ("categorical", [("pilot", "hdf5")]),
    "dk54": ("linear", [("pilot.keras", "keras"), ("pilot.tflite", "tflite")]),
}


class Image:
    """A built image, a container of it to run, and another to look into, as running leaves its own traces."""

    def __init__(self, generation):
        self.generation = generation
        self.name = container_images.build(generation)
        self.containers = [container_images.answer(["buildah", "from", self.name]) for _ in range(2)]
        self.root = container_images.answer(["buildah", "mount", self.containers[1]])
        described = container_images.answer(["buildah", "inspect", "--type", "image", self.name])
        self.described = json.loads(described)
        self.config = self.described["Docker"]["config"]

    def train(self, base, *, user="root"):
        """`docker run IMAGE train` as SageMaker does it, with no network at all."""
        command = ["unshare", "-n", "buildah", "run", "--isolation", "chroot", "--user", user]
        command += ["--volume", base + ":/opt/ml", self.containers[0], "--"]
        return TrainerProcess(command + self.config["Entrypoint"] + ["train"], base)

    def find(self, *starts):
        """(path, bytes) of every file below, or in all of the image."""
        for start in starts or [""]:
            for folder, _, names in os.walk(self.root + start):
                for name in names:
                    path = os.path.join(folder, name)
                    yield path[len(self.root) :], os.lstat(path).st_size


@pytest.fixture(scope="module", params=sorted(MODELS))
def image(request):
    image = Image(request.param)
    yield image
    subprocess.check_call(["buildah", "rm"] + image.containers, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def tub_path(tmp_path_factory, repo_path, generation_python):
    path = str(tmp_path_factory.mktemp("drawn") / "data")
    draw = os.path.join(repo_path, "demo", "draw_tub.py")
    subprocess.check_call([generation_python("py313"), draw, "--out", path, "--records", "160"])
    return path


def make_base(folder, tub_path, generation):
    model_type, models = MODELS[generation]
    config = "MAX_EPOCHS = 2\n"
    return make_opt_ml(str(folder), tub_path, model_type=model_type, models=models, config=config)


def test_it_trains_like_this_machine_does(image, tub_path, tmp_path, generation_python):
    """The same tub, seed and generation: the same numbers from the container and from a local trainer.

    TensorFlow 1.4 adds up in the order in which its threads are done: two runs differ on one machine, too.
    """
    container = image.train(make_base(tmp_path / "container", tub_path, image.generation))
    assert container.end() == 0, "\n".join(container.lines)
    in_container = container.unpack(tmp_path / "from_container")
    assert [model.format for model in in_container.models] == [
        form for _, form in MODELS[image.generation][1]
    ]

    base = make_base(tmp_path / "local", tub_path, image.generation)
    local = TrainerProcess([generation_python(image.generation), TRAIN_PATH], base)
    assert local.end() == 0, "\n".join(local.lines)
    here = local.unpack(tmp_path / "from_here")
    assert in_container.records == here.records
    close = 1e-6 if image.generation != "dk22" else 0.5
    for metric, values in here.history.items():
        if metric in ("loss", "val_loss"):
            assert in_container.history[metric] == pytest.approx(values, rel=close), metric


def test_it_trains_as_another_user_too(image, tub_path, tmp_path):
    """No file of the image is written to, and no home is needed."""
    base = make_base(tmp_path / "ml", tub_path, image.generation)
    subprocess.check_call(["chown", "-R", "1234:1234", base])
    subprocess.check_call(["chmod", "755", str(tmp_path)])
    container = image.train(base, user="1234:1234")
    assert container.end() == 0, "\n".join(container.lines)
    assert container.unpack(tmp_path / "archive").metrics["epochs"] == 2


def test_it_keeps_to_its_size(image):
    """The packages' own files and a budget for the system, Python and byte code."""
    sizes = dict(image.find())
    packages = sum(
        size for path, size in sizes.items() if "/site-packages/" in path and not path.endswith(".pyc")
    )
    whole_mb, packages_mb = sum(sizes.values()) / 1e6, packages / 1e6
    print("{}: {:.0f} MB, {:.0f} MB of them packages".format(image.generation, whole_mb, packages_mb))
    assert whole_mb - packages_mb <= BUDGET_MB


def test_nothing_is_left_of_the_building(image):
    """No compiler, no history, no cache, nothing in /tmp."""
    paths = [path for path, _ in image.find()]
    left = [
        path
        for path in paths
        if path.startswith(("/tmp/", "/generations/", "/root/.cache/", "/var/lib/apt/lists/"))
        or os.path.basename(path) in ("gcc", "cc", "g++", "make", ".bash_history", ".python_history")
    ]
    assert left == []


def test_it_holds_our_code_and_no_more_of_us(image):
    """The same files as trainer.pyz, with the byte code; no tub, config or key."""
    with zipfile.ZipFile(io.BytesIO(build_trainer())) as archive:
        ours = {"/opt/donkey/" + name.replace("__main__.py", "train") for name in archive.namelist()}
    found = {path for path, _ in image.find("/opt/donkey") if "__pycache__" not in path}
    assert found == ours
    assert not [name for name in image.config["Env"] if name.startswith(("AWS", "PIP", "HTTP"))]


def test_sagemaker_takes_its_manifest(image):
    """Docker's, not OCI's, for amd64; the entry point takes SIGTERM itself."""
    manifest = json.loads(image.described["Manifest"])
    assert manifest["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
    assert image.described["Docker"]["architecture"] == "amd64"
    assert image.config["Entrypoint"] == ["python3", "/opt/donkey/train"]
    assert image.config["Cmd"] == ["train"]
