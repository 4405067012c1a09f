"""A console as its owner starts it, in a process of its own."""

import http.client
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple
from urllib.parse import urlencode

LIMIT_S = 60.0


class ConsoleProcess:
    """
    Args:
        options: as typed.
        python: of the environment in which it runs.
        program: what is typed before the options.

    Attributes:
        enter: the address with the key.
        printed: the lines that it has printed.
    """

    def __init__(
        self,
        car: Path,
        *options: str,
        python: str = sys.executable,
        program: Sequence[str] = ("-m", "donkey_sagemaker", "console"),
        port: int = 0,
    ) -> None:
        self.car = car
        self.printed: List[str] = []
        self.enter = ""
        self._process = subprocess.Popen(
            [python, *program, f"--port={port}", *options],
            cwd=str(car),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            universal_newlines=True,
        )
        threading.Thread(target=self._read, daemon=True).start()
        deadline = time.monotonic() + LIMIT_S
        while not any("Ctrl-C ends" in line for line in self.printed):
            assert self._process.poll() is None and time.monotonic() < deadline, self.printed
            time.sleep(0.02)
        self.enter = re.findall(
            r"http://127\.0\.0\.1:\S+", "\n".join(self.printed) + "\n" + self._loopback()
        )[-1]

    def _loopback(self) -> str:
        """The address for a browser on this machine, also of a console that phones can open."""
        address = re.findall(r"http://[^/\s]+:(\d+)(/enter\?token=\S+)", "\n".join(self.printed))[0]
        return "http://127.0.0.1:{}{}".format(*address)

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self.printed.append(line.rstrip("\n"))

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def port(self) -> int:
        return int(re.findall(r":(\d+)/", self.enter)[0])

    @property
    def token(self) -> str:
        return self.enter.partition("token=")[2]

    def end(self) -> int:
        """Ends it as Ctrl-C does; returns its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            return self._process.wait(20)
        finally:
            self._process.kill()
            self._process.wait()

    def client(self) -> "Client":
        """A browser without a key."""
        return Client(self.port)

    def phone(self) -> "Client":
        """A browser that has opened the address with the key."""
        client = self.client()
        status, headers, _body = client.get("/enter?token=" + self.token)
        assert status == 303, status
        client.cookie = headers["Set-Cookie"].partition(";")[0]
        page = client.get("/doctor")[2].decode()
        client.form = re.findall('name="form" value="([0-9a-f]+)"', page)[0]
        return client


class Client:
    """Sends single requests.

    Attributes:
        cookie: what the browser has kept.
        form: the key of the console's own forms.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self.cookie = ""
        self.form = ""

    def get(self, path: str, **headers: str) -> Tuple[int, Dict[str, str], bytes]:
        return self.ask("GET", path, None, headers)

    def post(self, path: str, values: Any = (), **headers: str) -> Tuple[int, Dict[str, str], bytes]:
        """Sends a form; the key is added unless the values have one."""
        given = list(dict(values).items())
        if "form" not in dict(given):
            given.append(("form", self.form))
        headers.setdefault("Content_Type", "application/x-www-form-urlencoded")
        return self.ask("POST", path, urlencode(given, doseq=True).encode(), headers)

    def ask(
        self, method: str, path: str, body: Optional[bytes], headers: Dict[str, str]
    ) -> Tuple[int, Dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=LIMIT_S)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookie:
            sent.setdefault("Cookie", self.cookie)
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()
