"""Builds the training images and runs them without a network (`make containers`)."""

import io
import json
import os
import signal
import subprocess
import zipfile

import pytest

import container_images
from donkey_sagemaker.training.trainer_code import build_trainer
from opt_ml_factory import make_opt_ml
from trainer_process import TrainerProcess

pytestmark = pytest.mark.containers

BUDGET_MB = 250  # in addition to the packages themselves
# By generation: the type and the models to train
MODELS = {
    "dk22": ("categorical", [("pilot", "hdf5")]),
    "dk54": ("linear", [("pilot.keras", "keras"), ("pilot.tflite", "tflite")]),
}
# By generation: the template of `donkey createcar`, and the layout of its tubs
CARS = {"dk22": ("donkey2", "v1"), "dk54": ("complete", "v2")}


class Image:
    """A built image with two containers: one to run, and one to inspect, because running leaves traces."""

    def __init__(self, generation):
        self.generation = generation
        self.name = container_images.build(generation + "-cpu")
        self.containers = [container_images.output_of(["buildah", "from", self.name]) for _ in range(2)]
        self.roots = [container_images.output_of(["buildah", "mount", each]) for each in self.containers]
        described = container_images.output_of(["buildah", "inspect", "--type", "image", self.name])
        self.described = json.loads(described)
        self.config = self.described["Docker"]["config"]

    def command(self, base, *, user="root"):
        """The `docker run IMAGE` of SageMaker, without any network."""
        command = ["unshare", "--net", "buildah", "run", "--isolation", "chroot", "--user", user]
        return command + ["--volume", base + ":/opt/ml", self.containers[0], "--"] + self.config["Entrypoint"]

    def train(self, base, *, user="root"):
        return TrainerProcess(self.command(base, user=user) + ["train"], base)

    def train_as_process_1(self, base):
        """Like Docker, and unlike buildah, in its own PID namespace."""
        root = self.roots[0]
        os.makedirs(root + "/opt/ml", exist_ok=True)
        inside = ["chroot", root, "env", "--ignore-environment"] + self.config["Env"]
        script = 'mount --bind "$1" "$0/opt/ml"; mount --rbind /dev "$0/dev"; mount -t proc proc "$0/proc"\n'
        script += 'shift; exec "$@"'
        command = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", script]
        return TrainerProcess(command + [root, base] + inside + self.config["Entrypoint"] + ["train"], base)

    def find(self, *starts):
        """The path of every file below these folders, or of the whole image."""
        for start in starts or [""]:
            for folder, _, names in os.walk(self.roots[1] + start):
                for name in names:
                    yield os.path.join(folder, name)[len(self.roots[1]) :]


@pytest.fixture(scope="module", params=sorted(MODELS))
def image(request):
    image = Image(request.param)
    yield image
    subprocess.check_call(["buildah", "rm"] + image.containers, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def tubs(tmp_path_factory, repo_path, generation_python):
    """The path of a drawn tub, by its layout."""
    paths = {layout: str(tmp_path_factory.mktemp("drawn") / layout) for layout in ("v1", "v2")}
    draw = [generation_python("py313"), os.path.join(repo_path, "demo", "draw_tub.py"), "--records", "160"]
    for layout, path in paths.items():
        subprocess.check_call(draw + ["--layout", layout, "--out", path])
    return paths


@pytest.fixture
def make_base(image, tubs, tmp_path):
    """A function that makes a /opt/ml and returns its path."""

    def make(*, epochs):
        model_type, models = MODELS[image.generation]
        config = f"MAX_EPOCHS = {epochs}\n"
        return make_opt_ml(
            str(tmp_path / "ml"), tubs["v2"], model_type=model_type, models=models, config=config
        )

    return make


@pytest.fixture
def car(image, aws, tmp_path, generation_python):
    """A car of that generation. Its AWS account has the image."""
    uri = aws.push_image("donkey-sagemaker", image.generation + "-cpu")
    words = " ".join(image.command('"$SAGEMAKER_BASE_DIR"'))  # the /opt/ml that the stand-in makes
    aws.image(uri, command=["sh", "-c", f'exec {words} "$@"', "sh"])
    path = str(tmp_path / "mycar")
    bin_path = os.path.dirname(generation_python(image.generation))
    template, _ = CARS[image.generation]
    donkey = [bin_path + "/python", bin_path + "/donkey", "createcar", "--template", template, "--path", path]
    subprocess.check_call(donkey, cwd=str(tmp_path), stdout=subprocess.DEVNULL)
    subprocess.check_call([bin_path + "/donkey-sagemaker", "install", "--path", path])
    with open(os.path.join(path, "myconfig.py"), "a") as file:
        file.write("\nMAX_EPOCHS = 2\nBATCH_SIZE = 32\n")
        for name in ("region", "bucket", "role_arn", "endpoint_url"):
            file.write(f"SAGEMAKER_{name.upper()} = {getattr(aws, name)!r}\n")
    return path


def test_it_trains_like_the_cars_own_machine(image, car, aws, tubs, generation_python):
    """sagemaker-train has the same losses in this image on AWS and with --local, and installs both models."""
    histories = []
    _, layout = CARS[image.generation]
    for name, options in (("there", []), ("here", ["--local"])):
        command = [generation_python(image.generation), "manage.py", "sagemaker-train", "--tub", tubs[layout]]
        command += ["--type", MODELS[image.generation][0], "--model", "models/" + name] + options
        done = subprocess.run(
            command,
            cwd=car,
            env=dict(os.environ, **aws.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        printed = done.stdout.decode()
        assert done.returncode == 0, printed
        assert "is running {}\n".format("on this machine" if options else "on AWS in eu-west-1") in printed
        with open(os.path.join(car, "models", name + ".history.json")) as file:
            histories.append(json.load(file))
    there, here = histories
    assert there.keys() == here.keys() and len(here["val_loss"]) == 2
    assert here["loss"][1] < here["loss"][0]
    for metric, values in here.items():
        assert there[metric] == pytest.approx(values, rel=1e-6), metric


def test_a_stop_reaches_it_as_process_1(image, make_base, tmp_path):
    """The kernel keeps SIGTERM from a process 1 without a handler. The trainer leaves its best model."""
    container = image.train_as_process_1(make_base(epochs=10000))
    container.read_until("epoch=2/10000")
    with open(f"/proc/{container.process.pid}/task/{container.process.pid}/children") as file:
        os.kill(int(file.read()), signal.SIGTERM)
    assert container.end() == 0, "\n".join(container.lines)
    artifact = container.unpack(tmp_path / "archive")
    assert artifact.metrics["stopped"] is True and artifact.metrics["epochs"] == len(container.epochs())
    assert [model.format for model in artifact.models] == [form for _, form in MODELS[image.generation][1]]


def test_it_trains_as_another_user_too(image, make_base, tmp_path):
    """It writes to no file of the image and needs no home folder."""
    base = make_base(epochs=1)
    subprocess.check_call(["chown", "-R", "1234:1234", base])
    subprocess.check_call(["chmod", "755", str(tmp_path)])
    container = image.train(base, user="1234:1234")
    assert container.end() == 0, "\n".join(container.lines)
    assert container.unpack(tmp_path / "archive").metrics["epochs"] == 1


def test_it_keeps_to_its_size(image):
    """The packages' own files, plus a budget for the system, Python and byte code."""
    whole_mb, packages_mb = container_images.measure(image.roots[1])
    assert packages_mb > 100
    assert whole_mb - packages_mb <= BUDGET_MB


def test_the_build_leaves_nothing_behind(image):
    """No compiler, no history, no cache, nothing in /tmp."""
    paths = list(image.find())
    left = [
        path
        for path in paths
        if path.startswith(("/tmp/", "/generations/", "/root/.cache/", "/var/lib/apt/lists/"))
        or os.path.basename(path) in ("gcc", "cc", "g++", "make", ".bash_history", ".python_history")
    ]
    assert left == []


def test_it_contains_only_the_trainer(image):
    """It has the files of trainer.pyz, with byte code, and no tub, config or key."""
    with zipfile.ZipFile(io.BytesIO(build_trainer())) as archive:
        ours = {"/opt/donkey/" + name.replace("__main__.py", "train") for name in archive.namelist()}
    found = {path for path in image.find("/opt/donkey") if "__pycache__" not in path}
    assert found == ours
    assert not [name for name in image.config["Env"] if name.startswith(("AWS", "PIP", "HTTP"))]


def test_sagemaker_accepts_its_manifest(image):
    """It is Docker's, not OCI's, for amd64, and the entry point receives SIGTERM directly."""
    manifest = json.loads(image.described["Manifest"])
    assert manifest["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
    assert image.described["Docker"]["architecture"] == "amd64"
    assert image.config["Entrypoint"] == ["python3", "/opt/donkey/train"]
    assert image.config["Cmd"] == ["train"]


def test_cuda_8_is_copied_from_tensorflows_own_image():
    """The libraries that the wheel for GPUs needs are there as files, not as broken links, and no others."""
    with container_images.container_of(container_images.build("dk22-gpu", stage=True)) as container:
        folder = container_images.output_of(["buildah", "mount", container]) + "/usr/local/lib"
        found = {name: os.path.islink(os.path.join(folder, name)) for name in os.listdir(folder)}
    wanted = {
        os.path.basename(path): False for path, is_wanted in container_images.CUDA8_FILES.items() if is_wanted
    }
    others = {name for name in found if not name.startswith(("python", "pkgconfig", "libpython"))}
    assert {name: found[name] for name in others} == wanted
