"""One container of a training job: a child process with its own /opt/ml."""

import os
import shutil
import signal
import subprocess
import threading
from typing import Callable, Dict, List, Optional

from .images import Image

OPT_ML = "/opt/ml"
KEPT_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH")  # of this machine; the rest is the image's


class NotExecutable(Exception):
    """The container's entry point is not in its image; the text is Docker's."""

    def __init__(self, word: str) -> None:
        super().__init__(f'exec: "{word}": executable file not found in $PATH')


class Container:
    """Starts immediately.

    Args:
        folder: of this container: `opt_ml` in it is its /opt/ml, `image` what the image brings.
        command: what starts in it, in the container's own paths.
        write_line: called with every line that it prints.
    """

    def __init__(
        self,
        folder: str,
        image: Image,
        *,
        command: List[str],
        environment: Dict[str, str],
        write_line: Callable[[str], None],
    ) -> None:
        self._folder = folder
        self._opt_ml = os.path.join(folder, "opt_ml")
        self._write_image(image)
        kept = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
        kept["PATH"] = self._in_image("bin") + os.pathsep + kept.get("PATH", os.defpath)
        kept.update(HOME=folder, TMPDIR=folder, SAGEMAKER_BASE_DIR=self._opt_ml)
        kept.update(image.environment)
        kept.update(environment)
        translated = [self._translate(word) for word in command]
        without_python = "python3" in command and not image.python
        if without_python or not shutil.which(translated[0], path=kept["PATH"]):
            raise NotExecutable(command[0])
        self._process = self._start(translated, kept)
        self._printer = threading.Thread(target=self._print, args=(write_line,), daemon=True)
        self._printer.start()

    def _start(self, command: List[str], environment: Dict[str, str]) -> "subprocess.Popen[bytes]":
        # As process 1 of its container a program ignores SIGTERM unless it asks for it: so does one here.
        shell = ["/bin/sh", "-c", 'trap "" TERM; exec "$0" "$@"']
        return subprocess.Popen(
            shell + command,
            cwd=self._folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _write_image(self, image: Image) -> None:
        files = dict(image.files)
        if image.python:
            for name in ("python", "python3"):
                files["bin/" + name] = f'#!/bin/sh\nexec "{image.python}" "$@"\n'
        for path, text in files.items():
            real = self._in_image(path)
            os.makedirs(os.path.dirname(real), exist_ok=True)
            with open(real, "w") as file:
                file.write(text)
            os.chmod(real, 0o755)

    def _in_image(self, path: str) -> str:
        return os.path.join(self._folder, "image", path.lstrip("/"))

    def _translate(self, word: str) -> str:
        """A container's own paths, as they are on this machine."""
        if os.path.exists(self._in_image(word)) and word.startswith("/"):
            return self._in_image(word)
        return word.replace(OPT_ML + "/", self._opt_ml + "/")

    def _print(self, write_line: Callable[[str], None]) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            write_line(line.decode("utf-8", "replace").rstrip("\r\n"))

    def poll(self) -> Optional[int]:
        """Its exit code as Docker returns it (137: killed), or None while it runs."""
        code = self._process.poll()
        if code is None:
            return None
        return code if code >= 0 else 128 - code

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        """Ends all its processes, as with the end of a container, and waits for its last line."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()
        self._printer.join()
