#!/usr/bin/env python3
"""Measures the console with a tub of 20,000 records, and writes the table in docs/console.md.

    .environments/dk53/bin/python benchmarks/console.py --write

The first page is opened by headless Chromium, which has never seen it, in a console that was just started.
The other requests are sent one after the other by a client on this machine. The jitter is that of a loop of
20 Hz beside the console: how far a turn of it is from 50 ms; with the page in use and without, in turns. On a
Linux machine where others work, --first lets all of this go before them; it needs root.
"""

import argparse
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Sequence

sys.path.insert(1, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(2, os.path.join(sys.path[1], "tests"))

import donkey_sagemaker
from console_process import ConsoleProcess
from machine import describe_machine
from phone import Phone
from report import make_table, write_block
from tubs import repeat_tub

REPO = sys.path[1]
PAGE = os.path.join(REPO, "docs", "console.md")
BEGIN, END = "<!-- `benchmarks/console.py` writes from here -->\n", "<!-- to here -->\n"
RECORDS, DRAWN = 20000, 1000
TURN_S = 0.05  # of the drive loop
ROUND_S, ROUNDS = 10.0, 12
REPEATS = 10  # of each request
PER_S = 20  # requests while the page is in use, as of a thumb that scrolls


class Row(NamedTuple):
    what: str
    target: str
    measured: str
    met: bool


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="write the table into docs/console.md")
    parser.add_argument("--first", action="store_true", help="go before what else runs on this machine")
    parser.add_argument("--loop", type=float, metavar="SECONDS", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.loop:
        print(json.dumps(run_loop(options.loop)))
        return
    if options.first:
        # The scheduler's group of this session: the loop and the console keep their places in it
        Path("/proc/self/autogroup").write_text("-19")
    machine = describe_machine({"donkey-sagemaker": donkey_sagemaker.__version__}, repo=REPO)
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(make_car(Path(folder)))
    table = make_table(
        ("with 20,000 records", "target", "measured", "met"),
        [(row.what, row.target, row.measured, "yes" if row.met else "no") for row in rows],
    )
    print(table)
    if options.write:
        if options.first:
            machine["priority"] = "before what else ran"
        described = "; ".join(f"{name}: {value}" for name, value in machine.items())
        write_block(PAGE, f"{table}\n\n{described}\n", begin=BEGIN, end=END)


def make_car(folder: Path) -> Path:
    """A car of this environment's donkeycar with one long tub."""
    car = folder / "mycar"
    python = [sys.executable, "-m"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(
        python + ["donkeycar.management.base", "createcar", "--path", str(car)], check=True, **quiet
    )
    subprocess.run(python + ["donkey_sagemaker", "install", "--path", str(car)], check=True, **quiet)
    draw = [sys.executable, os.path.join(REPO, "demo", "draw_tub.py"), "--records", str(DRAWN)]
    subprocess.run(draw + ["--out", str(folder / "drawn")], check=True, **quiet)
    shutil.rmtree(str(car / "data"))
    repeat_tub(str(folder / "drawn"), str(car / "data"), records=RECORDS)
    return car


def measure(car: Path) -> List[Row]:
    console = ConsoleProcess(car, program=("manage.py", "sagemaker-console"))
    try:
        rows = measure_first_page(console)
        addresses = find_addresses(console)
        rows += measure_requests(console, addresses)
        rows += measure_jitter(console, addresses)
        rows += measure_memory(console)
        return rows
    finally:
        console.end()


def measure_first_page(console: ConsoleProcess) -> List[Row]:
    """From the address with the key to the last picture."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome") or "chromium"
    phone = Phone(chromium)
    try:
        phone.open(console.enter)
        entry = "performance.getEntriesByType('navigation')[0]"
        drawn = "document.images.length && [...document.images].every(each => each.naturalWidth)"
        phone.wait_until(lambda: phone.run(f"{entry}.loadEventEnd > 0 && {drawn}"), "the page does not load")
        ends = "performance.getEntriesByType('resource').map(each => each.responseEnd)"
        took_ms = float(phone.run(f"Math.max({entry}.loadEventEnd, ...{ends})"))
    finally:
        phone.close()
    return [
        Row("first page, until its last picture has come", "1 s", f"{took_ms / 1000:.2f} s", took_ms < 1000),
        Row(
            "first page with style, script and pictures",
            "150 kB",
            f"{phone.received_bytes / 1000:.0f} kB",
            phone.received_bytes < 150000,
        ),
    ]


def find_addresses(console: ConsoleProcess) -> Dict[str, List[str]]:
    """What a phone asks for: by kind, with every picture of a whole tub and of a short stretch."""
    client = console.phone()
    tub = re.findall(r"/tubs/[0-9a-f]{12}", client.get("/tubs")[2].decode())[0]
    views = [tub + f"?first={first}&last={first + 166}" for first in range(0, RECORDS - 167, 1670)]
    near = [tub + f"?first={first}&last={first + 39}" for first in range(0, RECORDS - 40, 1999)]
    pictures: List[str] = []
    for view in [tub, *views, *near]:
        page = client.get(view)[2].decode()
        pictures += re.findall(r'src="(/tubs/[^"]+)"', page)
    return {
        "the first page": ["/"] * REPEATS,
        "the part of a page that is asked for every 2 s": ["/live"] * REPEATS,
        "the list of tubs": ["/tubs"] * REPEATS,
        "the whole tub, 120 pictures": [tub] * REPEATS,
        "a part of a tub": views + near,
        "a small picture": pictures,
        "the other pages": ["/train", "/models", "/doctor"] * REPEATS,
    }


class Connection:
    """One that stays open, as browsers keep it."""

    def __init__(self, console: ConsoleProcess) -> None:
        self._cookie = console.phone().cookie
        self._connection = http.client.HTTPConnection("127.0.0.1", console.port, timeout=60)

    def ask(self, path: str) -> float:
        """How long the answer takes, in ms."""
        started = time.perf_counter()
        headers = {"Cookie": self._cookie, "Accept-Encoding": "gzip"}
        self._connection.request("GET", path, headers=headers)
        answer = self._connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status}")
        return (time.perf_counter() - started) * 1000


def measure_requests(console: ConsoleProcess, addresses: Dict[str, List[str]]) -> List[Row]:
    """A console that was just started has read nothing yet, so the longest time is that of the first one."""
    fresh = ConsoleProcess(console.car)
    rows = []
    try:
        connection = Connection(fresh)
        for what, paths in addresses.items():
            times = sorted(map(connection.ask, paths))
            median, longest = times[len(times) // 2], times[-1]
            measured = f"{median:.1f} ms, at most {longest:.1f} ms"
            rows.append(Row(f"{what}: {len(times)} requests", "100 ms", measured, longest < 100))
    finally:
        fresh.end()
    return rows


def measure_jitter(console: ConsoleProcess, addresses: Dict[str, List[str]]) -> List[Row]:
    """Alone and with the page in use, in turns."""
    late: Dict[bool, List[float]] = {False: [], True: []}
    for _round in range(ROUNDS):
        for is_used in (False, True):
            with subprocess.Popen(
                [sys.executable, __file__, "--loop", str(ROUND_S)],
                stdout=subprocess.PIPE,
            ) as loop:
                ended = threading.Event()
                finger = threading.Thread(target=use, args=(console, addresses, ended))
                if is_used:
                    finger.start()
                printed = loop.communicate()[0]
                ended.set()
                if is_used:
                    finger.join()
            late[is_used] += json.loads(printed)
    alone, beside = (percentile(late[is_used], 99) for is_used in (False, True))
    text = f"{beside - alone:+.2f} ms ({alone:.2f} ms alone, {beside:.2f} ms with the page in use)"
    return [Row("jitter of a 20 Hz loop, 99th percentile", "+1 ms", text, beside - alone < 1)]


def use(console: ConsoleProcess, addresses: Dict[str, List[str]], ended: threading.Event) -> None:
    """Scrolls, zooms and looks at pages; at the lowest priority, since a phone does not run on the car."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
    connection = Connection(console)
    for path in in_turns(list(addresses.values())):
        if ended.wait(1 / PER_S):
            return
        connection.ask(path)


def in_turns(lists: Sequence[List[str]]) -> Iterator[str]:
    turn = 0
    while True:
        for paths in lists:
            yield paths[turn % len(paths)]
        turn += 1


def run_loop(seconds: float) -> List[float]:
    """How far each turn was from its length, in ms: it sleeps for what its work has left, as a car does."""
    late: List[float] = []
    began = last = time.perf_counter()
    while last - began < seconds:
        worked = time.perf_counter() - last
        time.sleep(max(0.0, TURN_S - worked))
        now = time.perf_counter()
        late.append(abs(now - last - TURN_S) * 1000)
        last = now
        sum(number * number for number in range(20000))  # a few milliseconds, as for reading a camera
    return late


def percentile(values: Sequence[float], percent: int) -> float:
    return sorted(values)[len(values) * percent // 100]


def measure_memory(console: ConsoleProcess) -> List[Row]:
    """What the process has taken at most, after all that."""
    status = Path(f"/proc/{console.pid}/status").read_text()
    megabytes = int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024 / 1e6
    return [Row("memory, at most", "60 MB", f"{megabytes:.0f} MB", megabytes < 60)]


if __name__ == "__main__":
    main()
