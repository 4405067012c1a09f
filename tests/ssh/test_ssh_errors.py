"""What is wrong between a car and its host, with one command that fixes it."""

import os
import shutil
import sys

import pytest

from donkey_sagemaker.cloud.errors import Unreachable
from donkey_sagemaker.ssh import errors
from donkey_sagemaker.ssh.address import Host, parse_host
from donkey_sagemaker.ssh.errors import clean, explain_ssh
from ssh_host import NAME

PC = Host("me@pc.local", "2222")


def refuse(cloud):
    with pytest.raises(errors.DonkeySagemakerError) as caught:
        cloud.list_objects("")
    return caught.value


def test_a_key_that_the_host_does_not_know(open_ssh_car, ssh_host):
    """The command copies one there."""
    ssh_host.write_client(key="other_key")
    error = refuse(open_ssh_car())
    assert type(error) is errors.KeyRejected
    assert error.what.startswith(f"{NAME} does not accept an ssh key of this machine: ")
    assert f"ssh-copy-id {NAME}`." in error.fix


def test_a_host_key_that_is_not_known(open_ssh_car, ssh_host):
    """Nobody but the owner can compare the fingerprint."""
    ssh_host.trust(None)
    error = refuse(open_ssh_car())
    assert error.what == f"This machine has never connected to {NAME}, so it does not know its host key."
    assert error.fix == f"Connect once, compare the fingerprint and answer yes: `ssh {NAME} true`."


def test_a_host_key_that_has_changed(open_ssh_car, ssh_host):
    """Nothing is sent to what may be another machine."""
    ssh_host.trust("other_key")
    error = refuse(open_ssh_car())
    assert type(error) is errors.ChangedHostKey
    assert f"`ssh-keygen -R {NAME} && ssh {NAME} true`" in error.fix
    assert not os.path.exists(ssh_host.root)


def test_a_host_that_is_switched_off(open_ssh_car, ssh_host):
    """It may be switched on again, so this is no final answer."""
    ssh_host.stop()
    error = refuse(open_ssh_car())
    assert isinstance(error, Unreachable)
    assert error.fix == f"Check that it is switched on and in this network: `ssh {NAME} true`."


def test_a_host_that_does_not_exist(open_ssh_car):
    """The name is in the message."""
    error = refuse(open_ssh_car(host="me@no-such-host.invalid:2222"))
    assert type(error) is errors.HostNotFound
    assert error.what.startswith("No machine named no-such-host.invalid can be found: ")
    assert error.fix == "Check SAGEMAKER_HOST and the network: `ssh -p 2222 me@no-such-host.invalid true`."


def test_a_car_without_ssh(open_ssh_car, monkeypatch, tmp_path):
    """The command installs it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    error = refuse(open_ssh_car())
    assert error.fix == "Install it: `sudo apt-get install openssh-client`."


def test_a_host_without_a_queue(open_ssh_car, ssh_host):
    """It is reported before anything is sent, and no job starts."""
    ssh_host.uninstall("tsp")
    cloud = open_ssh_car()
    found = {finding.subject: finding for finding in cloud.preflight([])}
    assert type(found["queue"].error) is errors.NoQueue
    assert found["queue"].error.fix == (
        f"Install task-spooler: `ssh {NAME} -t sudo apt-get install task-spooler`."
    )
    with pytest.raises(errors.NoQueue):
        cloud.start_job({"TrainingJobName": "donkey-x-1", "StoppingCondition": {"MaxRuntimeInSeconds": 1}})
    assert cloud.list_jobs() == []


def test_another_program_named_ts(open_ssh_car, ssh_host):
    """moreutils has one that puts the time in front of lines; task-spooler's may have that name, too."""
    ssh_host.uninstall("tsp")
    path = os.path.join(os.path.dirname(ssh_host.home), "bin", "ts")
    with open(path, "w") as file:
        file.write("#!/bin/sh\necho 'Unknown option: V'\nexit 1\n")
    os.chmod(path, 0o700)
    found = {finding.subject: finding for finding in open_ssh_car().preflight([])}
    assert type(found["queue"].error) is errors.NoQueue
    os.remove(path)
    os.symlink(shutil.which("tsp"), path)
    found = {finding.subject: finding for finding in open_ssh_car().preflight([])}
    assert found["queue"].text == "task-spooler, no job waits"


def test_a_host_that_cannot_train(open_ssh_car, ssh_host):
    """The command installs what is missing there."""
    os.symlink(sys.executable, os.path.join(ssh_host.home, "empty"))
    cloud = open_ssh_car(python=os.path.join(ssh_host.home, "no-such-python"))
    found = {finding.subject: finding for finding in cloud.preflight([])}
    error = found["python"].error
    assert "no-such-python there does not have both" in error.what
    assert f"`ssh {NAME} python3 .donkey-sagemaker/code/" in error.fix and ".pyz prepare`" in error.fix


@pytest.mark.parametrize(
    "text, address, port",
    [
        ("pc", "pc", None),
        ("me@pc.local", "me@pc.local", None),
        ("me@pc.local:2222", "me@pc.local", "2222"),
        ("ssh://me@192.168.0.7:22", "me@192.168.0.7", "22"),
    ],
)
def test_ways_to_name_a_host(text, address, port):
    """As ssh itself has them."""
    assert parse_host(text) == Host(address, port)


@pytest.mark.parametrize(
    "text", ["", "-oProxyCommand=x", "me@-x", "pc local", "pc;x", "pc:0", "pc/x", "a@b@c"]
)
def test_what_is_no_host(text):
    """ssh would take some of these for options."""
    with pytest.raises(ValueError):
        parse_host(text)


@pytest.mark.parametrize(
    "code, printed, error",
    [
        (255, "ssh: connect to host pc.local port 22: Connection refused\n", errors.HostUnreachable),
        (255, "kex_exchange_identification: Connection closed by remote host\n", errors.HostUnreachable),
        (255, "client_loop: send disconnect: Broken pipe\n", errors.HostUnreachable),
        (255, "Received disconnect: 2: Too many authentication failures\n", errors.KeyRejected),
        (255, "/root/.ssh/config: line 1: Bad configuration option: x\n", errors.BadSshConfig),
        (1, "Traceback (most recent call last):\nOSError: [Errno 28] No space left\n", errors.HostFailed),
        (127, "fish: Unknown command: python3\n", errors.NoPython),
    ],
)
def test_what_ssh_prints(code, printed, error):
    """Each way to fail is recognized."""
    found = explain_ssh(PC, code, printed, "nothing")
    assert type(found) is error
    assert "ssh -p 2222 me@pc.local" in found.fix or error in (errors.BadSshConfig, errors.KeyRejected)


def test_a_text_of_a_host_cannot_steer_the_terminal():
    """It is one line of printable characters."""
    assert clean("a\x1b[31m\nb\u202e" + "x" * 1000) == ("a [31m b " + "x" * 1000)[:300]
