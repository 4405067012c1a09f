"""A page in a real browser: headless Chromium, at the width of a phone."""

import http.server
import importlib.util
import json
import re
import subprocess
import threading
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple
from urllib.parse import unquote

import pytest

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


# axe-core runs in a copy of each page, without the policy that would forbid it.
AUDIT = """<body><script>
(async () => {{
  const found = [];
  for (const [page, width] of {views}) {{
    const frame = document.createElement("iframe");
    frame.style = `border:0;width:${{width}}px;height:800px`;
    frame.src = page;
    await new Promise(loaded => {{ frame.onload = loaded; document.body.append(frame); }});
    const seen = frame.contentDocument;
    const result = await frame.contentWindow.axe.run(seen, {{resultTypes: ["violations"]}});
    for (const fault of result.violations)
      found.push([page, width, fault.impact, fault.id, fault.nodes.map(node => node.html.slice(0, 120))]);
    if (seen.documentElement.scrollWidth > width)
      found.push([page, width, "serious", "too wide", [`${{seen.documentElement.scrollWidth}} pixels`]]);
    frame.remove();
  }}
  document.title = "found" + encodeURIComponent(JSON.stringify(found));
}})();
</script>"""
POLICY = re.compile('<meta http-equiv="Content-Security-Policy"[^>]*>')


class Seen(NamedTuple):
    """What a page is like once it is drawn."""

    text: str
    width: int  # of what it needs, pixels
    broken: int  # pictures that could not be drawn
    pictures: int
    smallest: float  # letters, pixels
    errors: List[str]  # that the browser wrote down


class Fault(NamedTuple):
    """What axe-core says about a page."""

    page: str
    width: int
    impact: str  # minor, moderate, serious, critical
    rule: str
    elements: List[str]


def look_at(chromium: str, page: Path, *, width: int) -> Seen:
    """Draws the page as wide as that, with a profile of its own."""
    pages = {"/": OUTSIDE.format(width=width), "/page.html": page.read_text(encoding="utf-8")}
    found, errors = browse(chromium, pages, profile=page.parent / "profile")
    return Seen(errors=errors, **found)


def audit(
    chromium: str, pages: Dict[str, str], *, widths: Sequence[int], dark: bool, profile: Path
) -> List[Fault]:
    """What axe-core finds in these pages, by name, at each width; skips where axe-core is not installed."""
    script = "<script>" + read_axe() + "</script></head>"
    served = {f"/{name}": POLICY.sub("", page).replace("</head>", script, 1) for name, page in pages.items()}
    views = json.dumps([(name, width) for name in pages for width in widths])
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    found, _errors = browse(chromium, {"/": AUDIT.format(views=views), **served}, scheme, profile=profile)
    return [Fault(*fault) for fault in found]


def read_axe() -> str:
    spec = importlib.util.find_spec("axe_core_python")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("axe-core is not installed")
    return (Path(spec.submodule_search_locations[0]) / "axe.min.js").read_text(encoding="utf-8")


def browse(chromium: str, pages: Dict[str, str], *flags: str, profile: Path) -> Tuple[Any, List[str]]:
    """Opens "/" of these pages.

    Returns:
        what a script there left in the title, and the errors that the browser wrote down.
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path in pages else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(pages.get(self.path, "").encode())

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
                *flags,
                f"--user-data-dir={profile}",
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
    assert found, done.stdout.decode()[-3000:] + done.stderr.decode()
    return json.loads(unquote(found.group(1))), errors
