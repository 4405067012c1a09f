"""What somebody could try against the console, each with its answer."""

import base64
import html
import os
import re
import socket
import time
from pathlib import Path
from typing import Iterator, List, Tuple

import pytest

from console_process import Client, ConsoleProcess

pytest.importorskip("tornado", reason="the console needs it")
pytestmark = pytest.mark.minutes

SECRET = "AKIA-my-secret-password"
PIXEL = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgICAgMCAgIDAwMDBAYEBAQEBAgGBgUGCQgKCgkICQkKDA8MCgsOCwkJDRENDg8QEBEQ"
    "CgwSExIQEw8QEBD/yQALCAABAAEBAREA/8wABgAQEAX/2gAIAQEAAD8A0s8g/9k="
)


@pytest.fixture(scope="module")
def car(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A car's folder with one tub of two records, a model with a report, and secrets."""
    path = tmp_path_factory.mktemp("web") / "mycar"
    (path / "data" / "images").mkdir(parents=True)
    (path / "config.py").write_text(
        'import os\nDATA_PATH = os.path.join(os.path.dirname(__file__), "data")\n'
    )
    (path / "manage.py").write_text("")
    (path / "myconfig.py").write_text(f'SAGEMAKER_BACKEND = "local"\nWIFI_PASSWORD = "{SECRET}"\n')
    lines = []
    for index in range(2):
        name = f"{index}.jpg"
        (path / "data" / "images" / name).write_bytes(PIXEL)
        lines.append(
            f'{{"_index": {index}, "user/angle": 0.1, "user/throttle": 0.1, "cam/image_array": "{name}"}}\n'
        )
    # A record that names a file of the machine, and one whose picture is a link to it
    lines.append(
        '{"_index": 2, "user/angle": 0, "user/throttle": 0, "cam/image_array": "../../myconfig.py"}\n'
    )
    lines.append('{"_index": 3, "user/angle": 0, "user/throttle": 0, "cam/image_array": "3.jpg"}\n')
    (path / "data" / "images" / "3.jpg").symlink_to(path / "myconfig.py")
    (path / "data" / "catalog_0.catalog").write_text("".join(lines))
    (path / "data" / "manifest.json").write_text(
        '[]\n[]\n{}\n{}\n{"paths": ["catalog_0.catalog"], "current_index": 4, "max_len": 1000}\n'
    )
    (path / "models").mkdir()
    (path / "models" / "pilot.history.json").write_text('{"val_loss": [0.5, 0.2]}')
    (path / "models" / "pilot.h5").write_bytes(b"model")
    (path / "models" / "pilot.html").write_text("<script>alert(1)</script>")
    return path


@pytest.fixture(scope="module")
def console(car: Path) -> Iterator[ConsoleProcess]:
    process = ConsoleProcess(car)
    yield process
    assert process.end() == 0


@pytest.fixture(scope="module")
def phone(console: ConsoleProcess) -> Client:
    return console.phone()


PATHS = ["/", "/live", "/tubs", "/train", "/models", "/model?name=pilot", "/models/pilot/report", "/doctor"]


@pytest.mark.parametrize("path", PATHS)
def test_without_the_key_nothing_is_shown(console: ConsoleProcess, path: str) -> None:
    """Neither without a cookie nor with one that was guessed."""
    client = console.client()
    for client.cookie in ("", f"console_{console.port}=", f"console_{console.port}=" + "0" * 64):
        status, _headers, body = client.get(path)
        assert status == 403
        assert b"pilot" not in body and b"mycar" not in body and b"data" not in body.replace(b"data:,", b"")


def test_without_the_key_nothing_is_started(console: ConsoleProcess, phone: Client, car: Path) -> None:
    """The key of a form alone is not enough."""
    client = console.client()
    client.form = phone.form
    assert client.post("/doctor")[0] == 403
    assert not (car / ".sagemaker" / "console" / "runs").exists()


def test_every_page_is_there_with_the_key(phone: Client) -> None:
    """So that the tests above do not pass because of wrong addresses."""
    assert [phone.get(path)[0] for path in PATHS] == [200] * len(PATHS)


def test_the_cookie(console: ConsoleProcess) -> None:
    """No script can read it, no other site sends it with a form, and it is not the key itself."""
    _status, headers, _body = console.client().get("/enter?token=" + console.token)
    words = headers["Set-Cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(words)
    assert console.token not in headers["Set-Cookie"]


def test_guessing_the_key(car: Path) -> None:
    """After twenty tries in a minute, not even the right one is accepted."""
    console = ConsoleProcess(car)
    try:
        client = console.client()
        codes = [client.get(f"/enter?token=guess{number}")[0] for number in range(21)]
        assert codes == [403] * 20 + [429]
        assert client.get("/enter?token=" + console.token)[0] == 429
    finally:
        console.end()


def test_another_site_cannot_send_a_form(phone: Client, car: Path) -> None:
    """Neither without our key, nor with a wrong one, nor from its own origin."""
    for values, origin in (
        ({"form": ""}, ""),
        ({"form": "0" * 64}, ""),
        ({}, "http://evil.example"),
        ({}, "null"),
    ):
        assert phone.post("/doctor", values, **({"Origin": origin} if origin else {}))[0] == 403
    assert phone.ask("POST", "/doctor", b"{}", {"Content-Type": "application/json"})[0] == 403
    assert not (car / ".sagemaker" / "console" / "runs").exists()


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8890", "127.0.0.1.evil.example"])
def test_dns_rebinding(console: ConsoleProcess, phone: Client, host: str) -> None:
    """A site whose name points to this machine gets nothing, not even with the cookie or the key."""
    assert phone.get("/", Host=host)[0] == 403
    assert phone.get("/enter?token=" + console.token, Host=host)[0] == 403
    assert phone.get("/console.css", Host=host)[0] == 403


TRAVERSALS = [
    "/../myconfig.py",
    "/..%2f..%2fmyconfig.py",
    "/models/..%2f..%2fmyconfig.py/report",
    "/models/pilot%2f..%2f..%2fmyconfig.py/report",
    "/model?name=../myconfig.py",
    "/compare?model=../config.py&model=../myconfig.py",
    "/runs/../../../myconfig.py",
    "/runs/..%2f..%2f..%2f/live",
    "/tubs/..%2f..%2fmyconf",
    "/tubs/TUB/pictures/..%2f..%2fmyconfig.py",
    "/tubs/TUB/pictures/2",
    "/tubs/TUB/pictures/3",
    "/tubs/TUB/pictures/999999999999",
    "/tubs/TUB?first=-1&last=5",
    "/tubs/TUB?first=99999999999999999999&last=5",
    "/console.py",
    "/%00",
]


@pytest.mark.parametrize("path", TRAVERSALS)
def test_no_path_leads_out(phone: Client, path: str) -> None:
    """Of tubs, models and reports; nor do records and links of a tub that somebody has made for that."""
    tub = re.findall(r"/tubs/([0-9a-f]{12})", phone.get("/tubs")[2].decode())[0]
    status, _headers, body = phone.get(path.replace("TUB", tub))
    assert status in (400, 404), body
    assert SECRET.encode() not in body


def test_nothing_of_myconfig_is_shown(phone: Client, car: Path) -> None:
    """On no page."""
    assert SECRET.encode() not in b"".join(phone.get(path)[2] for path in PATHS)


def test_reports_can_do_nothing(phone: Client) -> None:
    """They are shown with a policy that lets no script run, whatever somebody has put there."""
    _status, headers, body = phone.get("/models/pilot/report")
    assert body == b"<script>alert(1)</script>"
    assert headers["Content-Security-Policy"].startswith("sandbox; default-src 'none';")


def test_headers_of_every_page(phone: Client) -> None:
    """No frame of another site, no foreign script, no guessing of types."""
    _status, headers, _body = phone.get("/")
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Server" not in headers


def test_words_of_a_form_are_no_options(phone: Client) -> None:
    """What a form names must exist in this car; it never becomes an option or a path of a command."""
    for path, values in (
        ("/rollback", {"model": "--debug"}),
        ("/rollback", {"model": "../../etc"}),
        ("/compare", {"one": "--report", "other": "pilot"}),
        ("/attach", {"job": "--myconfig=/etc/passwd"}),
        ("/install", {"job": "../../x"}),
        ("/train", {"place": "local", "tub": "../../etc"}),
        ("/train", {"place": "aws", "tub": "x"}),
        ("/runs/0123456789abcdef/start", {}),
        ("/tubs/" + "0" * 12 + "/delete", {"first": "1", "last": "2"}),
    ):
        assert phone.post(path, values)[0] in (400, 404), path


def test_a_stretch_must_be_numbers(phone: Client) -> None:
    """It becomes part of an option of sagemaker-tubs."""
    tub = re.findall(r"/tubs/([0-9a-f]{12})", phone.get("/tubs")[2].decode())[0]
    for values in ({"first": "1", "last": "x"}, {"ranges": "1-2 --yes"}, {"ranges": "still"}, {}):
        assert phone.post(f"/tubs/{tub}/delete", values)[0] == 400


def ask_slowly(port: int, data: bytes) -> Tuple[float, bytes]:
    """Sends that, waits, and returns how long the connection stayed open, and the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=90) as connection:
        connection.sendall(data)
        started, answer = time.monotonic(), b""
        while True:
            try:
                block = connection.recv(65536)
            except ConnectionError:
                block = b""
            if not block:
                return time.monotonic() - started, answer
            answer += block


def test_huge_uploads(console: ConsoleProcess) -> None:
    """A body or a header that is too large is not even read."""
    head = b"POST /doctor HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n"
    took_s, answer = ask_slowly(console.port, head % 10**10)
    assert took_s < 5 and b" 200 " not in answer.split(b"\r\n")[0]
    took_s, answer = ask_slowly(console.port, b"GET / HTTP/1.1\r\nX: " + b"x" * 2**20)
    assert took_s < 5 and b"mycar" not in answer


def test_slow_clients(console: ConsoleProcess, phone: Client) -> None:
    """A body that does not come is waited for ten seconds; meanwhile others are answered."""
    head = b"POST /doctor HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\nform="
    with socket.create_connection(("127.0.0.1", console.port), timeout=90) as slow:
        slow.sendall(head)
        assert phone.get("/doctor")[0] == 200
        slow.settimeout(30)
        assert slow.recv(1000) == b""


def test_many_connections(console: ConsoleProcess, phone: Client) -> None:
    """Those beyond 64 are closed, and once some have gone, others are answered."""
    opened: List[socket.socket] = []
    try:
        for _number in range(80):
            opened.append(socket.create_connection(("127.0.0.1", console.port), timeout=10))
        opened[-1].settimeout(10)
        assert opened[-1].recv(10) == b""
    finally:
        for connection in opened:
            connection.close()
    deadline = time.monotonic() + 10
    while True:
        try:
            assert phone.get("/doctor")[0] == 200
            break
        except OSError:
            assert time.monotonic() < deadline


def test_too_many_changes(car: Path) -> None:
    """Sixty forms in a minute are enough for any finger."""
    console = ConsoleProcess(car)
    try:
        phone = console.phone()
        codes = [phone.post("/rollback", {"model": "none"})[0] for _ in range(61)]
        assert codes == [400] * 60 + [429]
    finally:
        console.end()


def test_something_is_in_the_way(phone: Client, car: Path) -> None:
    """The page says what a command in a terminal would: what, where, and what to do."""
    runs = car / ".sagemaker" / "console" / "runs"
    aside = runs.with_name("aside")
    has_runs = runs.exists()
    if has_runs:
        runs.rename(aside)
    runs.write_text("")
    status, _headers, body = phone.post("/doctor")
    runs.unlink()
    if has_runs:
        aside.rename(runs)
    assert status == 500
    assert f"{runs} cannot be used: " in html.unescape(body.decode())
    assert "Move it away, and run the same command again." in body.decode()


def test_the_key_stays_until_a_new_one_is_made(car: Path) -> None:
    """A phone is let in again after a restart; not after --new-key."""
    first = ConsoleProcess(car)
    phone = first.phone()
    first.end()
    for options, status in (((), 200), (("--new-key",), 403)):
        again = ConsoleProcess(car, *options, port=first.port)
        try:
            assert phone.get("/")[0] == status
            assert (again.token == first.token) == (status == 200)
        finally:
            again.end()


def test_other_machines_reach_it_only_with_lan(console: ConsoleProcess, car: Path) -> None:
    """Without the option, it listens on the loopback alone."""
    listening = open(f"/proc/{console.pid}/net/tcp").read()
    port = f"{console.port:04X}"
    assert re.findall(rf"([0-9A-F]{{8}}):{port} 00000000:0000 0A", listening) == ["0100007F"]
    other = ConsoleProcess(car, "--lan")
    try:
        listening = open(f"/proc/{other.pid}/net/tcp").read()
        assert re.findall(rf"([0-9A-F]{{8}}):{other.port:04X} 00000000:0000 0A", listening) == ["00000000"]
        assert other.phone().get("/")[0] == 200
    finally:
        other.end()


def test_its_process_is_nice(console: ConsoleProcess) -> None:
    """The program that drives the car goes first."""
    assert os.getpriority(os.PRIO_PROCESS, console.pid) == 10
