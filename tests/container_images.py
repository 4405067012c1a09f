#!/usr/bin/env python3
"""Builds the training images without a daemon and without an image registry, with buildah and debootstrap.

    python3 tests/container_images.py dk22-cpu dk54-gpu

Uses the build context and the command of `sagemaker-image --docker` with buildah. Stand-ins replace the
official base images of the Dockerfile: Debian with a Python from pyenv replaces Python's, and a few words
replace the CUDA of TensorFlow's own GPU image. Needs root, pyenv's Pythons, and both tools
(Debian: apt-get install --no-install-recommends buildah debootstrap).
"""

import argparse
import contextlib
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from typing import Iterator, List, Tuple

from environments import REPO, find_python

if __name__ == "__main__":
    sys.path.append(REPO)

from donkey_sagemaker.commands.image import ImagePlan, tool_commands
from donkey_sagemaker.training.trainer_code import zip_build_context

IMAGES = [f"{name}-{device}" for name in ("dk22", "dk50", "dk53", "dk54") for device in ("cpu", "gpu")]
CUDA8 = "tensorflow/tensorflow:1.4.1-gpu-py3"
# Files of that image, and whether TensorFlow is linked to them (readelf -d of its wheel). As in the packages
# of NVIDIA and Ubuntu 16.04, each is a link to a file with a longer version.
CUDA8_FILES = {
    "usr/local/cuda-8.0/targets/x86_64-linux/lib/libcublas.so.8.0": True,
    "usr/local/cuda-8.0/targets/x86_64-linux/lib/libcudart.so.8.0": True,
    "usr/local/cuda-8.0/targets/x86_64-linux/lib/libcufft.so.8.0": True,
    "usr/local/cuda-8.0/targets/x86_64-linux/lib/libcurand.so.8.0": True,
    "usr/local/cuda-8.0/targets/x86_64-linux/lib/libcusolver.so.8.0": True,
    "usr/local/cuda-8.0/targets/x86_64-linux/lib/libnppi.so.8.0": False,
    "usr/lib/x86_64-linux-gnu/libcudnn.so.6": True,
    "usr/lib/x86_64-linux-gnu/libgomp.so.1": True,
}

DEBIAN = "bookworm"
# The libraries that pyenv's Pythons are linked to. The official images have the same ones.
LIBRARIES = (
    "ca-certificates libbz2-1.0 libexpat1 libffi8 liblzma5 libncursesw6 libnsl2 libreadline8 libsqlite3-0 "
    "libssl3 libtirpc3 libuuid1 zlib1g"
).split()
LEFT_BEHIND = ["*/test", "*/tests", "*.a", "__pycache__", "share", "site-packages", "idlelib", "tkinter"]
REMOVED = ["var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"]
# How this machine reaches its package index. Users of the official images have their own way.
OF_THIS_MACHINE = [path for path in ("/etc/ssl/certs", "/etc/pip.conf") if os.path.exists(path)]
PIPS = {"3.6": ["pip==21.2.4", "setuptools==57.5.0", "wheel==0.37.1"]}  # as in the official image


def build(name: str, *, stage: bool = False) -> str:
    """Builds an image, such as "dk54-cpu", unless it exists, and returns its full name.

    Args:
        stage: builds only the stage of that name in the Dockerfile, without any package.
    """
    context = zip_build_context()
    digest = hashlib.sha256(context).hexdigest()[:12]
    image = "localhost/donkey-{}:{}-{}".format("stage" if stage else "sagemaker", name, digest)
    if exists(image):
        print(f"{image}: up to date", flush=True)
        return image
    generation, _, device = name.partition("-")
    bases = {official_base(generation): build_base(generation)}
    if name == "dk22-gpu":
        bases[CUDA8] = build_cuda8()
    started = time.monotonic()
    _, command, _, _ = tool_commands("buildah", ImagePlan(image, generation, device))
    options = ["--isolation", "chroot", "--network", "host"] + volumes() + ["--target", name] * stage
    for official, base in bases.items():
        options += ["--build-context", f"{official}=container-image://{base}"]
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(io.BytesIO(context)) as archive:
            archive.extractall(folder)
        run(command[:2] + options + command[2:], folder=folder)
    for base in bases.values():  # buildah of 2022 leaves a container for each stage that has no steps
        for left in output_of(["buildah", "containers", "--quiet", "--filter", "ancestor=" + base]).split():
            run(["buildah", "rm", left])
    print(f"{image}: built in {time.monotonic() - started:.0f} s", flush=True)
    return image


def official_base(generation: str) -> str:
    """The Python image that the Dockerfile starts from."""
    with open(os.path.join(REPO, "container", "Dockerfile")) as file:
        (image,) = re.findall(f"^FROM (.+) AS {generation}-cpu$", file.read(), re.MULTILINE)
    return image


def build_base(generation: str) -> str:
    """Builds the stand-in for a generation's Python image."""
    python = find_python(generation)
    base = f"localhost/donkey-base:{DEBIAN}-{python.version}"
    if exists(base):
        return base
    debian = build_debian()
    started = time.monotonic()
    home = os.path.dirname(os.path.dirname(os.path.realpath(python.path)))
    with tempfile.TemporaryDirectory() as folder, container_of(debian) as container:
        archive = os.path.join(folder, "python.tar")
        excluded = ["--exclude=" + pattern for pattern in LEFT_BEHIND]
        run(["tar", "-C", home] + excluded + ["-cf", archive, "bin", "lib"])
        run(["buildah", "add", "--quiet", container, archive, "/usr/local"])
        in_container = ["buildah", "run", "--isolation", "chroot", "--network", "host"] + volumes()
        in_container += [container, "--"]
        run(in_container + ["ldconfig"])
        run(in_container + ["python3", "-m", "ensurepip"])
        pips = PIPS.get(python.version.rpartition(".")[0])
        if pips:
            run(in_container + ["python3", "-m", "pip", "install", "-q", "--no-cache-dir"] + pips)
        run(["buildah", "commit", "--quiet", "--format", "docker", container, base])
    print(f"{base}: built in {time.monotonic() - started:.0f} s", flush=True)
    return base


def build_debian() -> str:
    """Builds the Debian that all stand-ins start from."""
    image = "localhost/donkey-base:" + DEBIAN
    if exists(image):
        return image
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, container_of("scratch") as container:
        debian = os.path.join(folder, "debian")
        run(["debootstrap", "--variant=minbase", "--include=" + ",".join(LIBRARIES), DEBIAN, debian])
        for path in REMOVED:
            shutil.rmtree(os.path.join(debian, path))
        run(["buildah", "copy", "--quiet", container, debian, "/"])
        run(["buildah", "commit", "--quiet", "--format", "docker", container, image])
    print(f"{image}: built in {time.monotonic() - started:.0f} s", flush=True)
    return image


def build_cuda8() -> str:
    """Builds the stand-in for TensorFlow's own image of 2017."""
    image = "localhost/donkey-base:cuda8"
    if exists(image):
        return image
    with tempfile.TemporaryDirectory() as folder, container_of("scratch") as container:
        for name in CUDA8_FILES:
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path + ".21", "w") as file:
                file.write(os.path.basename(name))
            os.symlink(os.path.basename(path) + ".21", path)
        run(["buildah", "copy", "--quiet", container, folder, "/"])
        run(["buildah", "commit", "--quiet", "--format", "docker", container, image])
    return image


def measure(root: str) -> Tuple[float, float]:
    """The MB of all files of an image, and of its packages' files without byte code."""
    whole = packages = 0
    for folder, _, names in os.walk(root):
        for name in names:
            size = os.lstat(os.path.join(folder, name)).st_size
            whole += size
            if "/site-packages" in folder and not name.endswith(".pyc"):
                packages += size
    return whole / 1e6, packages / 1e6


@contextlib.contextmanager
def container_of(image: str) -> Iterator[str]:
    container = output_of(["buildah", "from", image])
    try:
        yield container
    finally:
        run(["buildah", "rm", container])


def volumes() -> List[str]:
    return [f"--volume={path}:{path}:ro" for path in OF_THIS_MACHINE]


def exists(image: str) -> bool:
    return bool(output_of(["buildah", "images", "--quiet", "--filter", "reference=" + image]))


def output_of(command: List[str]) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, universal_newlines=True).stdout.strip()


def run(command: List[str], *, folder: str = REPO) -> None:
    """Runs a command. If it fails, this program ends with the command's output."""
    done = subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
    )
    if done.returncode:
        raise SystemExit(f"{done.stdout}failed: {' '.join(command)}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Builds training images and prints their size.")
    parser.add_argument("names", nargs="+", metavar="IMAGE", choices=IMAGES, help=", ".join(IMAGES))
    for name in parser.parse_args().names:
        with container_of(build(name)) as container:
            whole_mb, packages_mb = measure(output_of(["buildah", "mount", container]))
        print(f"{name}: {whole_mb:.0f} MB, of which {packages_mb:.0f} MB are packages", flush=True)


if __name__ == "__main__":
    main()
