"""The files beside config.py and myconfig.py that these use, so that a job can execute both as the car does.

A child process executes the config in the car's folder and notes what it imports and opens there. A second
one executes it in a folder that holds only what is going to be sent: what is missing is found before the job.
"""

import ast
import json
import os
import subprocess
import tempfile
from typing import Any, Dict, Iterator, List, Optional, Sequence, Set

from ..child_process import module_command
from ..contract import CONFIG_NAME, JOB_NAME, MYCONFIG_NAME
from ..errors import BadInput

TIME_LIMIT_S = 60
MAX_BYTES = 10 * 10**6  # of all files beside the config: a config does not need a tub or a model


class ConfigFailsInJob(BadInput):
    def __init__(self, why: str, myconfig: str) -> None:
        super().__init__(
            f"The car's config cannot be loaded in the job, which only has the files that are sent: {why}",
            "Move what the config needs into the car's folder, and let "
            f"{CONFIG_NAME} or {myconfig} import it, or open it relative to __file__.",
        )


class FileNotSent(BadInput):
    """A file that the config uses stays on the car."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"The car's config uses {name}, which cannot be sent to the job: {why}.",
            "Copy what the config needs of it into another file in the car's folder, and use that one.",
        )


class ConfigTooSlow(BadInput):
    def __init__(self) -> None:
        super().__init__(
            f"The car's config has not been loaded after {TIME_LIMIT_S} s.",
            f"Remove what it waits for from {CONFIG_NAME} or myconfig.py, and run the command again.",
        )


def find_config_files(
    car_path: str,
    *,
    myconfig: str = MYCONFIG_NAME,
    modules: Sequence[str] = (),
    scratch: Optional[str] = None,
) -> Dict[str, bytes]:
    """What a job needs to execute the car's config: config.py, myconfig.py, and what they import and open.

    Args:
        myconfig: file that is used as myconfig.py, relative to the car's folder.
        modules: paths of the owner's modules that only the training loads. They are not executed here; what
            they import from the car's folder is a part of the result.
        scratch: folder for temporary files, which are left there after a power cut; the system's by default.
    Returns:
        contents by the file's name in the job, with "/" in it for a file in a folder.
    Raises:
        FileNotSent, ConfigFailsInJob, ConfigTooSlow
    """
    used = _execute(car_path, myconfig, scratch=scratch)
    names = {*used["modules"], *used["opened"]}
    for path in modules:
        names |= _find_imported(path, car_path, set())
    files = {name: _read(car_path, name) for name in sorted(names - {CONFIG_NAME, myconfig})}
    if sum(map(len, files.values())) > MAX_BYTES:
        largest = max(files, key=lambda name: len(files[name]))
        raise FileNotSent(
            largest, f"with it, the files that the config uses have over {MAX_BYTES // 10**6} MB"
        )
    files[CONFIG_NAME] = _read_bytes(os.path.join(car_path, CONFIG_NAME))
    if os.path.isfile(os.path.join(car_path, myconfig)):
        files[MYCONFIG_NAME] = _read_bytes(os.path.join(car_path, myconfig))
    _rehearse(files, car_path, myconfig, scratch=scratch)
    return files


def _rehearse(files: Dict[str, bytes], car_path: str, myconfig: str, *, scratch: Optional[str]) -> None:
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        for name, body in files.items():
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(body)
        hidden = [car_path, os.path.expanduser("~")]
        result = _execute(folder, MYCONFIG_NAME, hidden=hidden, scratch=scratch)
    if result["error"]:
        why = result["error"]["what"].replace(os.path.realpath(folder) + os.sep, "")
        raise ConfigFailsInJob(why, myconfig)


def _execute(
    folder: str, myconfig: str, *, hidden: Sequence[str] = (), scratch: Optional[str]
) -> Dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=scratch) as own:
        task_path, result_path = os.path.join(own, "task.json"), os.path.join(own, "result.json")
        task = {"folder": folder, "myconfig": myconfig, "hidden": list(hidden), "result": result_path}
        with open(task_path, "w", encoding="utf-8") as file:
            json.dump(task, file)
        command = module_command(__package__ + ".config_child", task_path)
        try:
            ended = subprocess.run(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=TIME_LIMIT_S,
            )
        except subprocess.TimeoutExpired as error:
            raise ConfigTooSlow() from error
        if not os.path.exists(result_path):  # it called sys.exit, or crashed
            lines = ended.stderr.decode("utf-8", "replace").strip().splitlines() or ["it printed nothing"]
            why = f"Python ended with exit code {ended.returncode} ({lines[-1][:200]})"
            raise ConfigFailsInJob(why, myconfig)
        with open(result_path, encoding="utf-8") as file:
            result: Dict[str, Any] = json.load(file)
            return result


def _find_imported(path: str, car_path: str, known: Set[str]) -> Set[str]:
    """The files of the car's folder that a module imports, and those that these import; in `known`, too."""
    for name in _imported_names(path):
        base = name.replace(".", os.sep)
        for file_name in (base + ".py", os.path.join(base, "__init__.py")):
            if file_name not in known and os.path.isfile(os.path.join(car_path, file_name)):
                known.add(file_name)
                _find_imported(os.path.join(car_path, file_name), car_path, known)
    return known


def _imported_names(path: str) -> Iterator[str]:
    """Dotted names that may be modules: for `from a.b import c`, a, a.b and a.b.c."""
    try:
        tree = ast.parse(_read_bytes(path))
    except (SyntaxError, ValueError):
        return  # the training reports it
    for node in ast.walk(tree):
        names: List[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            yield from (".".join(parts[: count + 1]) for count in range(len(parts)))


def _read(car_path: str, name: str) -> bytes:
    path = os.path.join(car_path, name)
    parts: List[str] = name.split(os.sep)
    if any(part.startswith(".") for part in parts):
        raise FileNotSent(name, "hidden files and folders may hold secrets")
    inside = os.path.realpath(car_path) + os.sep
    if not os.path.realpath(path).startswith(inside):
        raise FileNotSent(name, "it is a link to a file outside the car's folder")
    if name in (CONFIG_NAME, MYCONFIG_NAME, JOB_NAME):
        raise FileNotSent(name, "the job has another file of that name")
    return _read_bytes(path)


def _read_bytes(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
