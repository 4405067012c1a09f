"""How the program gets onto the host: the package's own code as one zip, sent once and kept there.

The first command on a host is Python itself, with a few lines of code that look for the zip, ask for it if it
is not there, and run it. They contain neither a quote nor a backslash, so that every shell leaves them alone.
"""

import hashlib
import json
import os
import shlex
from typing import List, NamedTuple

from ..fixed_zip import make_zip, read_files
from ..resources import container_path

FOLDER = ".donkey-sagemaker"  # in the home folder there
SEND = "send"  # asks the car for the zip
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_ROOMS = ("", "cloud", "local", "ssh")  # of the package, that the program needs
_MAIN = b"from donkey_sagemaker.ssh.host import main\n\nmain()\n"

# Arguments: the SHA-256 of the zip, its size, the word that starts each line, the zip's path
_BOOT = f"""
import hashlib, os, runpy, sys
digest, size, word, path = sys.argv[1:]
path = os.path.join(os.path.expanduser("~"), path)
def is_there():
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest() == digest
if not is_there():
    folder = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    os.chmod(os.path.dirname(folder), 0o700)
    print(word, "{SEND}", flush=True)
    body = sys.stdin.buffer.read(int(size))
    stage = path + str(os.getpid())
    with open(stage, "wb") as file:
        file.write(body)
        os.fsync(file.fileno())
    os.replace(stage, path)
    if not is_there():
        sys.exit("the program did not arrive whole")
sys.argv = [path, "serve", word]
runpy.run_path(path, run_name="__main__")
"""


class Program(NamedTuple):
    """What runs on the host."""

    body: bytes  # a zip that Python runs
    sha256: str

    @property
    def path(self) -> str:
        """In the home folder there."""
        return f"{FOLDER}/code/{self.sha256[:16]}.pyz"

    def remote_command(self, word: str) -> str:
        """The command for ssh, quoted for the shell there."""
        words: List[str] = ["python3", "-c", f"exec({json.dumps(_BOOT)})"]
        words += [self.sha256, str(len(self.body)), word, self.path]
        return " ".join(map(shlex.quote, words))


def build_program() -> Program:
    """The same bytes for the same code, so that each version is sent once."""
    paths = {}
    for room in _ROOMS:
        folder = os.path.join(_PACKAGE, room)
        for name in os.listdir(folder):
            if name.endswith(".py"):
                paths["/".join(filter(None, ["donkey_sagemaker", room, name]))] = os.path.join(folder, name)
    lists = os.path.join(container_path(), "generations")
    paths.update({f"generations/{name}": os.path.join(lists, name) for name in os.listdir(lists)})
    body = make_zip(dict(read_files(paths), **{"__main__.py": _MAIN}))
    return Program(body, hashlib.sha256(body).hexdigest())
