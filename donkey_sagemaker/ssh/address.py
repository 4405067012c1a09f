"""The host that SAGEMAKER_HOST names, and the commands that reach it."""

import re
from typing import List, NamedTuple, Optional

from ..setting_kinds import HOST_PATTERN


class Host(NamedTuple):
    """A machine as ssh knows it."""

    address: str  # as "me@pc.local", or a name in ~/.ssh/config
    port: Optional[str]

    @property
    def name(self) -> str:
        """Without the user."""
        return self.address.rpartition("@")[2]

    def command(self, remote: str) -> str:
        """A command for the user to paste."""
        return " ".join([*self.words("ssh"), remote])

    def words(self, program: str) -> List[str]:
        """The program, ssh or ssh-copy-id, with this machine as its last argument."""
        return [program, *(["-p", self.port] if self.port else []), self.address]


def parse_host(text: str) -> Host:
    """
    Args:
        text: a value of SAGEMAKER_HOST that was checked.
    """
    match = re.fullmatch(HOST_PATTERN, text)
    if match is None:
        raise ValueError(text)
    return Host(match.group("address"), match.group("port"))
