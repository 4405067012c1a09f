"""A page in a real browser: headless Chromium, at the width of a phone."""

import http.server
import json
import re
import subprocess
import threading
from pathlib import Path
from typing import Any, List, NamedTuple
from urllib.parse import unquote

TIME_LIMIT_S = 120

# The page is looked at from outside, for it lets no script run in it.
OUTSIDE = """<iframe id="page" src="page.html" style="border:0;width:{width}px;height:800px"></iframe><script>
document.getElementById("page").addEventListener("load", event => {{
  const seen = event.target.contentDocument;
  const letters = element => parseFloat(getComputedStyle(element).fontSize);
  const found = {{
    text: seen.body.innerText,
    width: seen.documentElement.scrollWidth,
    broken: [...seen.images].filter(image => !image.naturalWidth).length,
    pictures: seen.images.length,
    smallest: Math.min(...[...seen.querySelectorAll("body *")].map(letters)),
  }};
  document.title = "found" + encodeURIComponent(JSON.stringify(found));
}});
</script>"""


class Seen(NamedTuple):
    """What a page is like once it is drawn."""

    text: str
    width: int  # of what it needs, pixels
    broken: int  # pictures that could not be drawn
    pictures: int
    smallest: float  # letters, pixels
    errors: List[str]  # that the browser wrote down


def look_at(chromium: str, page: Path, *, width: int) -> Seen:
    """Draws the page as wide as that, with a profile of its own."""
    pages = {
        "/": OUTSIDE.format(width=width).encode(),
        "/page.html": page.read_bytes(),
    }

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path in pages else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(pages.get(self.path, b""))

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        done = subprocess.run(
            [
                chromium,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--user-data-dir={}".format(page.parent / "profile"),
                "--enable-logging=stderr",
                "--virtual-time-budget=10000",
                "--dump-dom",
                f"http://127.0.0.1:{server.server_port}/",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=TIME_LIMIT_S,
            check=True,
        )
    finally:
        server.shutdown()
        server.server_close()
    errors = [line for line in done.stderr.decode().splitlines() if "CONSOLE" in line]
    found = re.search(r"<title>found([^<]+)</title>", done.stdout.decode())
    assert found, done.stdout.decode() + done.stderr.decode()
    return Seen(errors=errors, **json.loads(unquote(found.group(1))))
