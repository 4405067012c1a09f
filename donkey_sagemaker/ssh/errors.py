"""What can go wrong between a car and its host, and how it is recognized in what ssh prints."""

import os
import re
import shlex
from typing import Callable, NamedTuple, Tuple

from ..cloud.errors import Unreachable
from ..errors import BadInput, CloudRefused, DonkeySagemakerError
from .address import Host

LONGEST_TEXT = 300  # characters of another program's text in a message


def clean(text: object) -> str:
    """A text of another machine in one line, without control characters."""
    words = "".join(each if each.isprintable() else " " for each in str(text)[: 4 * LONGEST_TEXT]).split()
    return " ".join(words)[:LONGEST_TEXT]


class NoHost(BadInput):
    def __init__(self) -> None:
        super().__init__(
            'SAGEMAKER_BACKEND is "ssh", but SAGEMAKER_HOST does not name the machine that trains.',
            'Set it in myconfig.py, for example SAGEMAKER_HOST = "me@pc.local".',
        )


class NoSsh(BadInput):
    def __init__(self) -> None:
        super().__init__(
            "This machine has no ssh program.", "Install it: `sudo apt-get install openssh-client`."
        )


class HostUnreachable(Unreachable):
    def __init__(self, host: Host, text: str) -> None:
        super().__init__(
            f"{host.name} cannot be reached over ssh: {text}.",
            f"Check that it is switched on and in this network: `{host.command('true')}`.",
        )


class HostNotFound(Unreachable):
    def __init__(self, host: Host, text: str) -> None:
        super().__init__(
            f"No machine named {host.name} can be found: {text}.",
            f"Check SAGEMAKER_HOST and the network: `{host.command('true')}`.",
        )


class KeyRejected(CloudRefused):
    def __init__(self, host: Host, text: str) -> None:
        copy = " ".join(host.words("ssh-copy-id"))
        if not _has_key():
            copy = "ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519 && " + copy
        super().__init__(
            f"{host.address} does not accept an ssh key of this machine: {text}.",
            f"Copy one to it, which asks for the password there once: `{copy}`.",
        )


class UnknownHostKey(CloudRefused):
    def __init__(self, host: Host, _text: str) -> None:
        super().__init__(
            f"This machine has never connected to {host.name}, so it does not know its host key.",
            f"Connect once, compare the fingerprint and answer yes: `{host.command('true')}`.",
        )


class ChangedHostKey(CloudRefused):
    def __init__(self, host: Host, _text: str) -> None:
        entry = f"[{host.name}]:{host.port}" if host.port else host.name
        super().__init__(
            f"The host key of {host.name} is not the one that this machine knows: it is another machine, or "
            "one that was reinstalled.",
            f"If you know why, forget the old key and connect once: `ssh-keygen -R {shlex.quote(entry)} && "
            f"{host.command('true')}`.",
        )


class BadSshConfig(BadInput):
    def __init__(self, _host: Host, text: str) -> None:
        super().__init__(f"ssh cannot read its configuration: {text}.", "Correct ~/.ssh/config.")


class NoPython(CloudRefused):
    def __init__(self, host: Host, _text: str) -> None:
        super().__init__(
            f"{host.name} has no python3.",
            f"Install it there: `{host.command('-t sudo apt-get install python3')}`.",
        )


class HostFailed(CloudRefused):
    def __init__(self, host: Host, text: str) -> None:
        super().__init__(
            f"The program on {host.name} failed: {text}.",
            f"Log in and look at its disk and its python3: `{' '.join(host.words('ssh'))}`.",
        )


class NoQueue(CloudRefused):
    def __init__(self, host: Host) -> None:
        super().__init__(
            f"{host.name} has no queue for trainings: neither task-spooler nor Slurm is installed there.",
            f"Install task-spooler: `{host.command('-t sudo apt-get install task-spooler')}`.",
        )


class QueueFailed(CloudRefused):
    def __init__(self, host: Host, text: str) -> None:
        super().__init__(
            f"The queue of {host.name} does not work: {text}.",
            f"Log in and look at it: `{' '.join(host.words('ssh'))}`.",
        )


class CannotTrainThere(CloudRefused):
    """
    Args:
        text: the Python that was tried.
        program: path of this program on the host.
    """

    def __init__(self, host: Host, text: str, program: str) -> None:
        prepare = host.command(f"python3 {shlex.quote(program)} prepare")
        super().__init__(
            f"Training on {host.name} needs donkeycar and TensorFlow, but {text} there does not have both.",
            f"Install them there, which takes a few minutes and 3 GB: `{prepare}`; "
            "or set SAGEMAKER_PYTHON to a Python there that has them.",
        )


class HostDiskFull(CloudRefused):
    def __init__(self, host: Host, text: str) -> None:
        show = host.command("du -sh .donkey-sagemaker/*")
        super().__init__(
            f"The disk of {host.name} is full: {text}.",
            f"Free some space there; this shows what takes it: `{show}`.",
        )


def _has_key() -> bool:
    folder = os.path.expanduser("~/.ssh")
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return any(re.fullmatch(r"id_\w+\.pub", name) for name in names)


class _Row(NamedTuple):
    pattern: str  # in what ssh prints
    error: Callable[[Host, str], DonkeySagemakerError]


# The first row that matches counts. ssh ends with exit code 255 where it failed itself.
_ROWS: Tuple[_Row, ...] = (
    _Row("REMOTE HOST IDENTIFICATION HAS CHANGED", ChangedHostKey),
    _Row("Host key verification failed", UnknownHostKey),
    _Row("Could not resolve hostname", HostNotFound),
    _Row(r"Permission denied \(|Too many authentication failures", KeyRejected),
    _Row("Bad configuration option|terminating, .*bad configuration", BadSshConfig),
)


def explain_ssh(host: Host, exit_code: int, printed: str, default: str) -> DonkeySagemakerError:
    """Why a connection ended.

    Args:
        printed: by ssh, or by what it has run there, on standard error.
        default: where nothing was printed.
    """
    lines = [line for line in printed.splitlines() if line.strip()]
    last = clean(lines[-1]).rstrip(".") if lines else default
    if exit_code in (126, 127):
        return NoPython(host, last)
    if exit_code == 255:
        for row in _ROWS:
            if re.search(row.pattern, printed):
                return row.error(host, last)
    if exit_code in (0, 255) or exit_code < 0:
        return HostUnreachable(host, last)
    return HostFailed(host, last)
