#!/usr/bin/env python3
"""Builds the training images without a daemon and without an image registry, with buildah and debootstrap.

    python3 tests/container_images.py dk22 dk54

The official Python images are stood in for by Debian with the Python that pyenv has; all else is the
Dockerfile as it is. Needs root, pyenv's Python of that version, and both tools (Debian: apt-get install
--no-install-recommends buildah debootstrap).
"""

import argparse
import glob
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from typing import Iterator, List

from environments import REPO, find_python

DEBIAN = "bookworm"
# What pyenv's Pythons are linked to; the official images hold the same.
LIBRARIES = (
    "ca-certificates libbz2-1.0 libexpat1 libffi8 liblzma5 libncursesw6 libnsl2 libreadline8 libsqlite3-0 "
    "libssl3 libtirpc3 libuuid1 zlib1g"
).split()
LEFT_BEHIND = ["*/test", "*/tests", "*.a", "__pycache__", "share", "site-packages", "idlelib", "tkinter"]
REMOVED = ["var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"]
# This machine's way to its package index, which the official images' users have of their own.
OF_THIS_MACHINE = [path for path in ("/etc/ssl/certs", "/etc/pip.conf") if os.path.exists(path)]
PIPS = {"3.6": ["pip==21.2.4", "setuptools==57.5.0", "wheel==0.37.1"]}  # of the official image


def build(generation: str) -> str:
    """Builds the CPU image of a generation unless it is there, and returns its name."""
    image = "localhost/donkey-sagemaker:{}-cpu-{}".format(generation, digest_of_image())
    if exists(image):
        print("{}: up to date".format(image), flush=True)
        return image
    base = build_base(generation)
    started = time.monotonic()
    command = ["buildah", "bud", "--isolation", "chroot", "--network", "host", "--format", "docker"]
    command += ["--build-arg", "GENERATION=" + generation, "--build-arg", "BASE=" + base]
    for path in OF_THIS_MACHINE:
        command += ["--volume", "{0}:{0}:ro".format(path)]
    command += ["--file", os.path.join(REPO, "container", "Dockerfile"), "--tag", image, REPO]
    run(command, quiet=True)
    print("{}: built in {:.0f} s, {}".format(image, time.monotonic() - started, size_of(image)))
    return image


def build_base(generation: str) -> str:
    """What stands in for the official image of that Python."""
    python = find_python(generation)
    base = "localhost/donkey-base:{}-{}".format(DEBIAN, python.version)
    if exists(base):
        return base
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        debian = os.path.join(folder, "debian")
        run(
            ["debootstrap", "--variant=minbase", "--include=" + ",".join(LIBRARIES), DEBIAN, debian],
            quiet=True,
        )
        for path in (
            "var/cache/apt",
            "var/lib/apt/lists",
            "usr/share/doc",
            "usr/share/man",
            "usr/share/locale",
        ):
            shutil.rmtree(os.path.join(debian, path))
        home = os.path.dirname(os.path.dirname(os.path.realpath(python.path)))
        excluded = ["--exclude=" + pattern for pattern in LEFT_BEHIND]
        archive = os.path.join(folder, "python.tar")
        run(["tar", "-C", home] + excluded + ["-cf", archive, "bin", "lib"])
        run(["tar", "-C", os.path.join(debian, "usr", "local"), "-xf", archive])
        container = answer(["buildah", "from", "scratch"])
        try:
            run(["buildah", "copy", "--quiet", container, debian, "/"], quiet=True)
            in_container = ["buildah", "run", "--isolation", "chroot", "--network", "host"]
            for path in OF_THIS_MACHINE:
                in_container += ["--volume", "{0}:{0}:ro".format(path)]
            in_container += [container, "--"]
            run(in_container + ["ldconfig"])
            run(in_container + ["python3", "-m", "ensurepip"], quiet=True)
            pips = PIPS.get(python.version.rpartition(".")[0])
            if pips:
                run(
                    in_container + ["python3", "-m", "pip", "install", "-q", "--no-cache-dir"] + pips,
                    quiet=True,
                )
            run(["buildah", "commit", "--quiet", "--format", "docker", container, base], quiet=True)
        finally:
            run(["buildah", "rm", container], quiet=True)
    print("{}: built in {:.0f} s, {}".format(base, time.monotonic() - started, size_of(base)))
    return base


def digest_of_image() -> str:
    """Of all that an image is made of."""
    digest = hashlib.sha256()
    for path in sorted(files_of_image()):
        digest.update("{} {}\n".format(os.path.relpath(path, REPO), os.path.getsize(path)).encode())
        with open(path, "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()[:12]


def files_of_image() -> Iterator[str]:
    for pattern in ("container/**", "donkey_sagemaker/tubs/*.py", "donkey_sagemaker/*.py"):
        for path in glob.glob(os.path.join(REPO, pattern), recursive=True):
            if os.path.isfile(path) and not path.endswith(".pyc"):
                yield path


def exists(image: str) -> bool:
    return bool(answer(["buildah", "images", "--quiet", "--filter", "reference=" + image]))


def size_of(image: str) -> str:
    (told,) = json.loads(answer(["buildah", "images", "--json", "--filter", "reference=" + image]))
    return told["size"]


def answer(command: List[str]) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, universal_newlines=True).stdout.strip()


def run(command: List[str], *, quiet: bool = False) -> None:
    """Runs a command and ends this program where it fails, with what it printed."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.STDOUT if quiet else None,
        universal_newlines=True,
    )
    if done.returncode:
        raise SystemExit("{}failed: {}".format(done.stdout or "", " ".join(command)))


def main() -> None:
    parser = argparse.ArgumentParser(description="Builds training images.")
    parser.add_argument("generations", nargs="+", metavar="GENERATION", help="dk22, dk50, dk53, dk54")
    for generation in parser.parse_args().generations:
        build(generation)


if __name__ == "__main__":
    main()
