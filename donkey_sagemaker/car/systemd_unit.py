"""The unit with which systemd runs sagemaker-follow from the car's start on. Pure."""

from typing import Sequence

from ..systemd import escape, quote_command

NAME = "donkey-follow.service"

_UNIT = """\
# Keep this as ~/.config/systemd/user/{name}:
#   mkdir -p ~/.config/systemd/user
#   {command} > ~/.config/systemd/user/{name}
#   systemctl --user enable --now {name}
#   loginctl enable-linger
# The last command starts it with the computer, before anybody logs in. What it does:
#   journalctl --user -u {name}

[Unit]
Description=Installs the models of this car's trainings

[Service]
WorkingDirectory={folder}
ExecStart={start}
Nice=10
Restart=on-failure
RestartSec=60
# Settings that are wrong stay wrong
RestartPreventExitStatus=2

[Install]
WantedBy=default.target
"""


def make_unit(*, car_path: str, start: Sequence[str], command: str) -> str:
    """
    Args:
        start: the words that run sagemaker-follow in the car's folder.
        command: what the owner types to print this unit.
    """
    return _UNIT.format(
        name=NAME,
        command=command,
        folder=escape(car_path),  # the rest of the line is the path, blanks included
        start=quote_command(start),
    )
