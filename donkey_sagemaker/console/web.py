"""What every answer of the console needs: who asks, from where, and how errors look.

Tornado is what every donkeycar brings: 4.5 on a car of 2018, 6 on one of today.
"""

import hashlib
import os
from typing import Any, Dict, List
from urllib.parse import urlsplit

import tornado.web

from ..contract import MYCONFIG_NAME
from ..disk_errors import explain_disk_error
from ..errors import DonkeySagemakerError
from ..page import STYLE, paragraph
from .access import Keys, RateLimit, is_own_host
from .car_reader import CarReader
from .layout import Forms, heading, link, make_document, output, path_of
from .runs import NoSuchRun, Runs, new_id
from .thumbnails import Thumbnails

COOKIE_S = 365 * 24 * 3600
POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; script-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# A report is somebody else's page: it may show its own pictures, and nothing more
REPORT_POLICY = (
    "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'"
)
_HERE = os.path.dirname(os.path.abspath(__file__))
MOST_TOKENS, MOST_CHANGES, PERIOD_S = 20, 60, 60.0


class Console:
    """What all handlers share.

    Args:
        reader: the car.
        keys: of the token.
        names: what browsers may call this machine.
        port: of this console; each console on a machine has a cookie of its own.
    """

    def __init__(self, reader: CarReader, keys: Keys, *, names: List[str], port: int) -> None:
        self.reader = reader
        self.keys = keys
        self.names = names
        self.cookie = f"console_{port}"
        self.forms = Forms(keys.form)
        self.thumbnails = Thumbnails()
        self.tokens = RateLimit(MOST_TOKENS, PERIOD_S)
        self.changes = RateLimit(MOST_CHANGES, PERIOD_S)
        with open(os.path.join(_HERE, "console.css"), encoding="utf-8") as file:
            self.style = STYLE + file.read()
        with open(os.path.join(_HERE, "console.js"), encoding="utf-8") as file:
            self.script = file.read()
        self.assets = hashlib.sha256((self.style + self.script).encode("utf-8")).hexdigest()[:8]

    @property
    def runs(self) -> Runs:
        return Runs(self.reader.car())


class Handler(tornado.web.RequestHandler):
    """Checks host, cookie and form before any page is made."""

    is_open = False  # whether it answers without the cookie
    # What the address shows, and what its forms do; both get the parts of its path
    show: Any = None
    change: Any = None

    def initialize(self, console: Console) -> None:
        self.console = console

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "same-origin")  # "no-referrer" hides the origin of our own forms
        self.set_header("Cache-Control", "no-cache, private")
        self.set_header("Content-Type", "text/html; charset=utf-8")

    def prepare(self) -> None:
        if not is_own_host(self.request.host or "", names=self.console.names):
            self.refuse(
                403, "This is not the address of the console.", "Open the one that its terminal shows."
            )
        elif self.is_open:
            return
        elif not self.console.keys.accepts_cookie(self.get_cookie(self.console.cookie) or ""):
            self.refuse(
                403,
                "This phone does not have the key to the console.",
                "Open the address that its terminal shows.",
            )
        elif self.request.method == "POST":
            self._check_form()

    def _check_form(self) -> None:
        """A form of another site has neither our key nor our origin."""
        origin = self.request.headers.get("Origin")
        if origin and urlsplit(origin).netloc.lower() != (self.request.host or "").lower():
            self.refuse(403, "This form is from another site.", "Use the pages of the console.")
        elif not self.console.keys.accepts_form(self.get_body_argument("form", "")):
            self.refuse(
                403, "This form is not from the console.", "Go back, load the page again, and try again."
            )
        elif not self.console.changes.allows(str(self.request.remote_ip)):
            self.refuse(429, "That was too often.", "Wait for a minute.")

    def get(self, *arguments: str) -> None:
        self._answer(self.show, arguments)

    def post(self, *arguments: str) -> None:
        self._answer(self.change, arguments)

    def _answer(self, method: Any, arguments: Any) -> None:
        if method is None:
            raise tornado.web.HTTPError(405)
        try:
            method(*arguments)
        except NoSuchRun as error:
            self.refuse(404, error.what, error.fix)
        except DonkeySagemakerError as error:
            self.refuse(400, error.what, error.fix)
        except OSError as error:
            problem = explain_disk_error(error, car_path=self.console.reader.path)
            if problem is None:
                raise
            self.refuse(500, problem.what, problem.fix)

    def refuse(self, status: int, what: str, fix: str) -> None:
        self.set_status(status)
        self.set_header("Cache-Control", "no-store")
        has_nav = status not in (403, 429)
        self.page("Not possible", heading("Not possible"), output(what), paragraph(fix), has_nav=has_nav)

    def write_error(self, status_code: int, **_details: Any) -> None:
        texts = {404: "There is no such page.", 405: "There is no such page.", 413: "That was too much."}
        text = texts.get(status_code, "An unexpected error occurred. The terminal of the console shows it.")
        self.finish(
            make_document("Error", heading("Error"), paragraph(text), link("First page", "/", style="button"))
        )

    def page(self, title: str, *markup: str, current: str = "", has_nav: bool = True) -> None:
        assets = self.console.assets
        self.finish(make_document(title, *markup, current=current, assets=assets, has_nav=has_nav))

    def notice(self) -> str:
        """What the last command that leads to this page has printed, once it has ended."""
        run_id = self.get_query_argument("done", "")
        if not run_id:
            return ""
        try:
            run = self.console.runs.read(run_id)
        except NoSuchRun:
            return ""
        if "--json" in run.words:  # the page shows what it has found
            return ""
        return (
            f'<div class="notice" role="status">{output(self.console.runs.read_output(run), lines=8)}</div>'
        )

    def start(
        self, words: List[str], *, title: str, subject: str = "", back: str = "", run_id: str = ""
    ) -> None:
        """Starts a command of this program, once for each run_id, and shows it.

        Args:
            back: the address of the page that shows the result.
        """
        reader = self.console.reader
        run_id = run_id or self.get_body_argument("run", "") or new_id()
        if reader.myconfig != MYCONFIG_NAME:
            words = [*words, f"--myconfig={reader.myconfig}"]
        if back:
            back += ("&" if "?" in back else "?") + f"done={run_id}"
        self.console.runs.start(run_id, words, title=title, subject=subject, back=back)
        self.redirect(path_of("runs", run_id), status=303)


def one_line(values: Dict[str, List[bytes]]) -> Dict[str, List[str]]:
    """A form's fields as text, without line ends."""
    return {
        name: [" ".join(value.decode("utf-8", "replace").split()) for value in given]
        for name, given in values.items()
    }
