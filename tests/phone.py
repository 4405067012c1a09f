"""A phone: headless Chromium of 390x844 pixels, driven over the DevTools protocol with a finger."""

import base64
import contextlib
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List, Optional

import pytest

from browser import read_axe

WIDTH, HEIGHT = 390, 844
LIMIT_S = 60.0
POLL_S = 0.05

# What a finger can reach: the middle of an element with that text must not be covered by something else
FIND = """(() => {
  const wanted = %s;
  const named = element => (element.getAttribute("aria-label") || element.innerText || "").trim();
  const all = [...document.querySelectorAll("a, button, label, summary, input[type=checkbox]")];
  const element =
    all.find(each => named(each) === wanted) || all.find(each => named(each).startsWith(wanted));
  if (!element) return null;
  element.scrollIntoView({block: "center"});
  const box = element.getBoundingClientRect();
  const x = box.x + box.width / 2, y = box.y + box.height / 2;
  const hit = document.elementFromPoint(x, y);
  const isHit = hit && (element.contains(hit) || hit.contains(element));
  return {x, y, width: box.width, height: box.height, isHit};
})()"""


class PageGone(Exception):
    """Another page took its place before it had answered."""


class Phone:
    """One page of one browser.

    Attributes:
        taps: how often the finger has touched something.
        errors: what the browser has complained about.
        received_bytes: of all answers, with their headers, as they were transferred.
    """

    def __init__(
        self, chromium: str, *, dark: bool = False, width: int = WIDTH, height: int = HEIGHT
    ) -> None:
        pytest.importorskip("tornado", reason="its WebSocket client drives the browser")
        from tornado.ioloop import IOLoop

        self.taps = 0
        self.errors: List[str] = []
        self.received_bytes = 0
        self._loop = IOLoop(make_current=False)
        self._number = 0
        self._profile = tempfile.mkdtemp(prefix="phone-")
        self._browser = subprocess.Popen(
            [
                chromium,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                "--remote-debugging-port=0",
                "--remote-allow-origins=*",
                f"--blink-settings=preferredColorScheme={0 if dark else 1}",
                f"--user-data-dir={self._profile}",
                "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self._socket = self._connect()
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.send(domain + ".enable")
            size = {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": True}
            self.send("Emulation.setDeviceMetricsOverride", **size)
            self.send("Emulation.setTouchEmulationEnabled", enabled=True)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._browser.kill()
        self._browser.wait()
        self._loop.close(all_fds=True)
        shutil.rmtree(self._profile, ignore_errors=True)

    def _connect(self) -> Any:
        from tornado.httpclient import AsyncHTTPClient
        from tornado.websocket import websocket_connect

        port_path = Path(self._profile) / "DevToolsActivePort"
        deadline = time.monotonic() + LIMIT_S
        while not (port_path.exists() and port_path.read_text().count("\n")):
            assert self._browser.poll() is None and time.monotonic() < deadline, "Chromium does not start"
            time.sleep(POLL_S)
        port = port_path.read_text().split()[0]

        async def connect() -> Any:
            client = AsyncHTTPClient()
            listed = await client.fetch(f"http://127.0.0.1:{port}/json/list")
            client.close()
            (page,) = [each for each in json.loads(listed.body) if each["type"] == "page"]
            return await websocket_connect(page["webSocketDebuggerUrl"], max_message_size=2**26)

        return self._loop.run_sync(connect, timeout=LIMIT_S)

    def send(self, method: str, **parameters: Any) -> Dict[str, Any]:
        """Calls a method of the DevTools protocol and returns its result."""
        self._number += 1
        number = self._number

        async def ask() -> Dict[str, Any]:
            message = {"id": number, "method": method, "params": parameters}
            await self._socket.write_message(json.dumps(message))
            while True:
                text = await self._socket.read_message()
                assert text is not None, "the browser has closed the connection"
                answer = json.loads(text)
                if answer.get("id") == number:
                    return answer
                self._note(answer)

        answer = self._loop.run_sync(ask, timeout=LIMIT_S)
        if "navigated or closed" in answer.get("error", {}).get("message", ""):
            raise PageGone
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    def _note(self, event: Dict[str, Any]) -> None:
        parameters = event.get("params", {})
        if event["method"] == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.errors.append(parameters["entry"]["text"])
        elif event["method"] == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(parameters["exceptionDetails"]))
        elif event["method"] == "Network.loadingFinished":
            self.received_bytes += int(parameters["encodedDataLength"])

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression in the page."""
        result = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def open(self, address: str) -> None:
        self.send("Page.navigate", url=address)
        self.wait_until(lambda: self.run("document.readyState") == "complete", f"{address} does not load")

    def wait_until(self, is_true: Any, what: str, *, limit_s: float = LIMIT_S) -> None:
        deadline = time.monotonic() + limit_s
        while True:
            with contextlib.suppress(PageGone):
                if is_true():
                    return
            assert time.monotonic() < deadline, f"{what}\n{self.text()}"
            time.sleep(POLL_S)

    def wait_for(self, text: str, *, limit_s: float = LIMIT_S) -> None:
        """Until the page shows that."""
        self.wait_until(lambda: text in self.text(), f"the page does not show {text!r}", limit_s=limit_s)

    def text(self) -> str:
        return self.run("document.body ? document.body.innerText : ''") or ""

    @property
    def address(self) -> str:
        """The path and query that the address bar shows."""
        return str(self.run("location.pathname + location.search"))

    def tap(self, name: str) -> None:
        """Touches what has that text or label, or what begins with it, and waits for what follows."""
        place: Optional[Dict[str, Any]] = None

        def find() -> bool:
            nonlocal place
            place = self.run(FIND % json.dumps(name))
            return bool(place and place["isHit"])

        self.wait_until(find, f"a finger cannot reach {name!r}: {place}")
        assert place and place["height"] >= 24, f"{name!r} is too small for a finger: {place}"
        self.taps += 1
        self.run("window.isOld = true")
        touch = [{"x": place["x"], "y": place["y"]}]
        self.send("Input.dispatchTouchEvent", type="touchStart", touchPoints=touch)
        self.send("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def tap_to_go(self, name: str) -> None:
        """The same, and waits until another page is there."""
        self.tap(name)
        self.wait_until(
            lambda: self.run("!window.isOld && document.readyState === 'complete'"),
            f"nothing happens after a tap on {name!r}",
        )

    def type(self, selector: str, text: str) -> None:
        """Fills a field."""
        self.run(f"document.querySelector({json.dumps(selector)}).value = {json.dumps(text)}")

    def go_offline(self, is_offline: bool) -> None:
        self.send(
            "Network.emulateNetworkConditions",
            offline=is_offline,
            latency=0,
            downloadThroughput=-1,
            uploadThroughput=-1,
        )

    def take_picture(self, path: Path) -> None:
        """A screenshot of the whole page."""
        shot = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def audit(self) -> List[str]:
        """What axe-core finds in this page, and whether it is wider than the screen."""
        self.send("Page.setBypassCSP", enabled=True)
        self.run(read_axe() + "; 0")
        found = self.run(
            "axe.run(document, {resultTypes: ['violations']}).then(result => result.violations.map("
            "each => each.impact + ' ' + each.id + ' ' + each.nodes.map(node => node.html).join(' | ')))"
        )
        width = self.run("document.documentElement.scrollWidth")
        screen = self.run("innerWidth")
        return found + ([f"the page is {width} pixels wide"] if width > screen else [])
