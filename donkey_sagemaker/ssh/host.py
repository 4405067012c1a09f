"""The program on the host. A car starts it over ssh, sends requests and reads the answers.

    python3 PROGRAM serve WORD          answers requests, each a line that starts with WORD, until they end
    python3 PROGRAM job ROOT CAR JOB    runs a job; for the queue
    python3 PROGRAM prepare             installs what trains; for the owner

It trusts the car, which has a login here anyway, but keeps each car in its own folder.
"""

import os
import platform
import re
import select
import sys
from typing import IO, Any, Callable, Dict, List, Optional, Tuple

from ..cloud.errors import NoSuchJob
from ..disk_errors import free_text, is_full
from ..errors import DonkeySagemakerError
from ..local.interpreter import CannotTrain, NoInterpreter
from .boot import FOLDER
from .machine import describe_machine, find_gpus, find_python, find_versions
from .messages import BLOCK_BYTES, MAX_LINE_BYTES, SIZE, decode, encode
from .queued import CAR_ID, CARS, QueuedCloud, run_job
from .queues import Queue, QueueFailed, find_queue

IDLE_S = 600.0  # after which a car that is silent has to connect again

_JOB = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")
_KEY_PART = re.compile(r"[^/\0]+")

Reply = Tuple[Dict[str, Any], bytes]


class Refused(Exception):
    """A request that is not carried out.

    Args:
        kind: `backend.SshCloud` knows these.
    """

    def __init__(self, kind: str, text: str = "") -> None:
        super().__init__(text)
        self.kind = kind


class Server:
    """
    Args:
        root: this program's folder on the host.
        program: path of the program itself.
    """

    def __init__(self, root: str, program: str) -> None:
        self._root = root
        self._program = program
        self._verbs: Dict[str, Callable[[Dict[str, Any], bytes], Reply]] = {
            name[len("do_") :]: getattr(self, name) for name in dir(self) if name.startswith("do_")
        }

    def answer(self, fields: Dict[str, Any], body: bytes) -> Reply:
        """The answer to a request, also to one that fails."""
        try:
            return self._verbs[fields["verb"]](fields, body)
        except Refused as refused:
            return {"error": refused.kind, "text": str(refused)}, b""
        except QueueFailed as error:
            return {"error": "QueueFailed", "text": str(error)}, b""
        except NoSuchJob as error:
            return {"error": "NoSuchJob", "text": error.what}, b""
        except OSError as error:
            if is_full(error):
                return {"error": "DiskFull", "text": free_text(self._root)}, b""
            return {"error": "Failed", "text": str(error)}, b""
        except DonkeySagemakerError as error:
            return {"error": "Failed", "text": error.what}, b""
        except Exception as error:  # noqa: BLE001 - the car shows it; nobody here would see a traceback
            return {"error": "Failed", "text": f"{type(error).__name__}: {error}"}, b""

    def _cloud(self, fields: Dict[str, Any]) -> QueuedCloud:
        if not CAR_ID.fullmatch(fields["car"]):
            raise Refused("Failed", "not the id of a car")
        if "name" in fields and not _JOB.fullmatch(fields["name"]):
            raise Refused("NoSuchJob")
        return QueuedCloud(
            self._root,
            fields["car"],
            queue=self._find_queue(),
            program=self._program,
            machine=platform.node(),
        )

    def _find_queue(self) -> Optional[Queue]:
        return find_queue(self._root, slots=max(1, len(find_gpus())))

    def _object_path(self, fields: Dict[str, Any]) -> Tuple[QueuedCloud, str]:
        cloud, key = self._cloud(fields), fields["key"]
        if any(not _KEY_PART.fullmatch(part) or part in (".", "..") for part in key.split("/")):
            raise Refused("NoSuchObject")
        return cloud, cloud.object_path(key)

    # Objects

    def do_list_objects(self, fields: Dict[str, Any], _body: bytes) -> Reply:
        return {"sizes": self._cloud(fields).list_objects(fields["prefix"])}, b""

    def do_put(self, fields: Dict[str, Any], body: bytes) -> Reply:
        cloud, _path = self._object_path(fields)
        cloud.put(fields["key"], body, once=fields["keep"])
        return {}, b""

    def do_get(self, fields: Dict[str, Any], _body: bytes) -> Reply:
        _cloud, path = self._object_path(fields)
        try:
            with open(path, "rb") as file:
                status = os.fstat(file.fileno())
                file.seek(fields["offset"])
                body = file.read(BLOCK_BYTES)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise Refused("NoSuchObject") from error
        etag = f"{status.st_ino}-{status.st_mtime_ns}-{status.st_size}"
        return {"etag": etag, "total": status.st_size}, body

    # Jobs

    def do_start_job(self, fields: Dict[str, Any], _body: bytes) -> Reply:
        cloud = self._cloud(fields)
        if self._find_queue() is None:
            raise Refused("NoQueue")
        cloud.start_queued(fields["request"], python=self._find_python(fields))
        return {}, b""

    def do_describe_job(self, fields: Dict[str, Any], _body: bytes) -> Reply:
        return {"state": self._cloud(fields).read_description(fields["name"])}, b""

    def do_list_jobs(self, fields: Dict[str, Any], _body: bytes) -> Reply:
        cloud = self._cloud(fields)
        return {"states": [cloud.read_description(name) for name in cloud.job_names()]}, b""

    def do_stop_job(self, fields: Dict[str, Any], _body: bytes) -> Reply:
        self._cloud(fields).stop_job(fields["name"])
        return {}, b""

    def do_read_log(self, fields: Dict[str, Any], _body: bytes) -> Reply:
        """Complete lines, or a block of a line that is longer."""
        path = os.path.join(self._cloud(fields).folder, "jobs", fields["name"], "log")
        if not os.path.isfile(path):
            return {}, b""
        with open(path, "rb") as file:
            file.seek(fields["offset"])
            text = file.read(BLOCK_BYTES)
        end = text.rfind(b"\n") + 1
        return {}, text[:end] if end or len(text) < BLOCK_BYTES else text

    def do_find_owner(self, fields: Dict[str, Any], _body: bytes) -> Reply:
        """Which car has started a job; None if no car has."""
        self._cloud(fields)  # checks the names
        root = os.path.join(self._root, CARS)
        for car in sorted(os.listdir(root)) if os.path.isdir(root) else []:
            if CAR_ID.fullmatch(car) and os.path.isdir(os.path.join(root, car, "jobs", fields["name"])):
                return {"owner": car}, b""
        return {"owner": None}, b""

    # The host

    def do_describe_host(self, _fields: Dict[str, Any], _body: bytes) -> Reply:
        return describe_machine(self._root), b""

    def do_check_queue(self, _fields: Dict[str, Any], _body: bytes) -> Reply:
        queue = self._find_queue()
        if queue is None:
            raise Refused("NoQueue")
        waiting = sum(not entry.is_running for entry in queue.entries())
        return {"queue": queue.name, "waiting": waiting}, b""

    def do_check_python(self, fields: Dict[str, Any], _body: bytes) -> Reply:
        python = self._find_python(fields)
        return {"path": python, "versions": find_versions(python)}, b""

    def _find_python(self, fields: Dict[str, Any]) -> str:
        try:
            return find_python(self._root, fields.get("python"))
        except (CannotTrain, NoInterpreter) as error:
            raise Refused("CannotTrain", str(fields.get("python") or sys.executable)) from error


def serve(server: Server, word: str, *, requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answers until the requests end, or none has come for a long time."""

    def send(fields: Dict[str, Any], body: bytes = b"") -> None:
        answers.write(encode(word, fields, body))
        answers.write(body)
        answers.flush()

    send({})
    while select.select([requests], [], [], IDLE_S)[0]:
        line = requests.readline(MAX_LINE_BYTES)
        if not line.endswith(b"\n"):
            return
        fields = decode(word, line)
        body = requests.read(fields[SIZE])
        if len(body) < fields[SIZE]:
            return  # the connection was lost in the middle
        send(*server.answer(fields, body))


def make_root() -> str:
    """This program's folder; only its owner may read it: it holds copies of myconfig.py with passwords."""
    root = os.path.join(os.path.expanduser("~"), FOLDER)
    os.makedirs(root, mode=0o700, exist_ok=True)
    os.chmod(root, 0o700)
    return root


def main(arguments: Optional[List[str]] = None) -> None:
    program, verb, *rest = sys.argv if arguments is None else arguments
    program = os.path.abspath(program)
    if verb == "serve":
        answers = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)  # what else is printed here is no answer
        (word,) = rest
        serve(Server(make_root(), program), word, requests=sys.stdin.buffer, answers=answers)
    elif verb == "job":
        root, car, name = rest
        run_job(root, car, name, machine=platform.node())
    elif verb == "prepare":
        from .prepare import prepare

        sys.exit(prepare(make_root(), program))
    else:
        sys.exit(f"no such verb: {verb}")
