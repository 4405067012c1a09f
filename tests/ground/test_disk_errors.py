"""What the owner reads when the disk is full, read-only or another user's."""

import errno
import os
import re

import pytest

from donkey_sagemaker import cli
from donkey_sagemaker.disk_errors import explain_disk_error


def make_error(number, path=None):
    return OSError(number, os.strerror(number), path)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk(tmp_path, number):
    """The system does not say which disk is full, so the room on each that is written to is shown."""
    problem = explain_disk_error(make_error(number), car_path=str(tmp_path))
    assert re.fullmatch(
        rf"The disk is full: [\d.]+ [GM]B free in {tmp_path} and [\d.]+ [GM]B free in \S+\.", problem.what
    )


@pytest.mark.parametrize(
    "number, what, fix",
    [
        (errno.EROFS, "/car/a b cannot be written: its disk is read-only.", "Restart the computer, "),
        (errno.EIO, "/car/a b cannot be read or written: its disk has an error.", "Copy what you need "),
        (
            errno.EACCES,
            "/car/a b cannot be used: Permission denied.",
            "Make it yours again: `sudo chown -R $(id -un) '/car/a b'`",
        ),
    ],
)
def test_another_problem(number, what, fix):
    problem = explain_disk_error(make_error(number, "/car/a b"), car_path="/car")
    assert problem.what == what
    assert problem.fix.startswith(fix)


@pytest.mark.parametrize("number", [errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ELOOP, errno.EINVAL])
def test_something_else_in_the_place_of_a_file(number):
    """Only in the car's folder: elsewhere it has nothing to do with this program's files."""
    problem = explain_disk_error(make_error(number, "/car/.sagemaker/lock"), car_path="/car")
    assert problem.what == f"/car/.sagemaker/lock cannot be used: {os.strerror(number)}."
    assert problem.fix == "Move it away, and run the same command again."
    assert explain_disk_error(make_error(number, "/elsewhere"), car_path="/car") is None


@pytest.mark.parametrize("error", [make_error(errno.ECONNRESET), make_error(errno.ENOENT), ValueError()])
def test_what_has_nothing_to_do_with_the_disk(error):
    assert explain_disk_error(error, car_path=".") is None


def test_every_verb_explains_it(tmp_path, monkeypatch, capsys):
    """It is never an unexpected error."""
    (tmp_path / "config.py").write_text("")

    def fail(*args, **kwargs):
        raise make_error(errno.EROFS, "/car/.sagemaker")

    for verb in ("train", "jobs", "stop", "rollback"):
        monkeypatch.setattr(cli.load_command(verb), "open_the_car", fail)
        assert cli.main([verb], car_path=str(tmp_path)) == 2
        assert capsys.readouterr().err.startswith(
            "/car/.sagemaker cannot be written: its disk is read-only.\n"
        )
