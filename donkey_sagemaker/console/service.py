"""A unit of systemd that starts the console when the car is switched on."""

import getpass
import os
import sys
from typing import List

from ..systemd import escape, quote_command

UNIT_NAME = "donkey-console.service"
_UNIT = """[Unit]
Description=donkey-sagemaker console of {name}
Wants=network-online.target
After=network-online.target

[Service]
User={user}
WorkingDirectory={folder}
ExecStart={command}
Nice=10
# A training that runs goes on when the console is stopped or restarted
KillMode=process
Restart=on-failure
RestartSec=5

[Install]
WantedBy=multi-user.target
"""


def make_unit(car_path: str, options: List[str]) -> str:
    """The text of the unit.

    Args:
        options: of the console.
    """
    command = [sys.executable, "-m", "donkey_sagemaker", "console", *options]
    return _UNIT.format(
        name=escape(os.path.basename(car_path)),
        user=getpass.getuser(),
        folder=escape(car_path),
        command=quote_command(command),
    )
