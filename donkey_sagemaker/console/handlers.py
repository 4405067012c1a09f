"""The addresses of the console, and what each of them shows or starts."""

import os
import re
from typing import Any, List, Tuple

import tornado.web

from ..car.ledger import NoPendingJob
from ..car.model_history import find_models
from ..car.models_page import COMPARISON_NAME
from ..untrusted_file import read_file
from .doctor_page import show_doctor
from .home_page import show_activity, show_home
from .layout import address, live, path_of
from .model_pages import NoModel, find_named, key_of, show_comparison, show_model, show_models
from .run_page import find_job_name, find_report, show_run
from .train_page import HERE, BadForm, find_places, read_words, show_train
from .tub_pages import Stretch, find_stretch, read_findings, show_tub, show_tubs
from .web import COOKIE_S, REPORT_POLICY, Console, Handler, one_line

_RANGES = re.compile(r"[0-9]{1,15}(-[0-9]{1,15})?(,[0-9]{1,15}(-[0-9]{1,15})?)*")
_PAGE_BYTES = 16 * 2**20  # of a report


class Enter(Handler):
    """The address with the token, which a phone opens once."""

    is_open = True

    def show(self) -> None:
        console = self.console
        if not console.tokens.allows(str(self.request.remote_ip)):
            self.refuse(429, "That was too often.", "Wait for a minute.")
        elif not console.keys.accepts_token(self.get_query_argument("token", "")):
            self.refuse(
                403, "This address is not valid any more.", "Open the one that the terminal shows now."
            )
        else:
            # Python 3.6 cannot set SameSite, so the header is written by hand
            self.add_header(
                "Set-Cookie",
                f"{console.cookie}={console.keys.cookie}; Path=/; Max-Age={COOKIE_S}; HttpOnly; SameSite=Lax",
            )
            self.redirect("/", status=303)


class Asset(Handler):
    """The style and the script, which say nothing about the car."""

    is_open = True

    def show(self, ending: str) -> None:
        console = self.console
        kind, text = ("text/css", console.style) if ending == "css" else ("text/javascript", console.script)
        self.set_header("Content-Type", kind + "; charset=utf-8")
        self.set_header("Cache-Control", "private, max-age=31536000, immutable")
        self.finish(text)


class Home(Handler):
    def show(self, part: str) -> None:
        console, car = self.console, self.console.reader.car()
        activity = "\n".join(show_activity(car, console.runs, console.forms))
        if part:
            self.finish(activity)
            return
        tubs, problem = console.reader.tubs()
        text = f"{problem.what} {problem.fix}" if problem else ""
        self.page(car.name, live("/live", activity), *show_home(car, tubs, problem=text), current="/")


class Tubs(Handler):
    def show(self) -> None:
        tubs, problem = self.console.reader.tubs()
        if problem:
            raise problem
        self.page("Tubs", *show_tubs(self.console.reader.car(), tubs), current="/tubs")


class OneTub(Handler):
    def show(self, key: str) -> None:
        console = self.console
        found = console.reader.tub(key)
        stretch = None
        if self.get_query_argument("first", ""):
            first, last = self._number("first"), self._number("last")
            end = max(0, found.timeline.size - 1)
            chosen = [
                self._number(name) if self.get_query_argument(name, "") else None for name in ("start", "end")
            ]
            stretch = Stretch(min(first, end), min(max(first, last), end), *chosen)
        elif self.get_query_argument("index", ""):
            stretch = find_stretch(found, self._number("index"), self._number("until"))
        review = console.runs.last("tubs", subject=found.path)
        findings = read_findings(console.runs.read_json(review)) if review else []
        car = console.reader.car()
        markup = show_tub(
            car, console.forms, found, stretch, review=review, findings=findings, notice=self.notice()
        )
        self.page(car.display(found.path), *markup, current="/tubs")

    def _number(self, name: str) -> int:
        text = self.get_query_argument(name, "")
        if not re.fullmatch("[0-9]{1,15}", text):
            raise tornado.web.HTTPError(404)
        return int(text)


class Picture(Handler):
    """A small picture of a record."""

    def show(self, key: str, position: str) -> None:
        found = self.console.reader.tub(key)
        jpeg = self.console.thumbnails.get(found, int(position))
        if jpeg is None:
            raise tornado.web.HTTPError(404)
        self.set_header("Content-Type", "image/jpeg")
        self.set_header("Cache-Control", "private, max-age=86400")
        self.finish(jpeg)


class ChangeTub(Handler):
    """Reviews a tub, deletes records of it, or restores them."""

    def change(self, key: str, what: str) -> None:
        found = self.console.reader.tub(key)
        name, back = self.console.reader.car().display(found.path), path_of("tubs", key)
        tub = f"--tub={found.path}"
        if what == "review":
            self.start(["tubs", tub, "--json"], title=f"Reviewing {name}", subject=found.path, back=back)
        elif what == "restore":
            self.start(
                ["tubs", tub, "--restore"], title=f"Restoring records of {name}", subject="change", back=back
            )
        else:
            first, last = (self.get_body_argument(field, "").strip() for field in ("first", "last"))
            ranges = self.get_body_argument("ranges", "") or f"{first}-{last}"
            if not _RANGES.fullmatch(ranges):
                raise BadForm(f"{first or 'Nothing'} to {last or 'nothing'} is no stretch of records")
            words = ["tubs", tub, f"--delete={ranges}", "--yes"]
            self.start(words, title=f"Deleting records of {name}", subject="change", back=back)


class Train(Handler):
    def show(self) -> None:
        console = self.console
        tubs, problem = console.reader.tubs()
        if problem:
            raise problem
        self.page("Train", *show_train(console.reader.car(), console.forms, tubs), current="/train")

    def change(self) -> None:
        console = self.console
        form = one_line(self.request.body_arguments)
        words = read_words(console.reader.car(), form, console.reader.tubs()[0])
        is_plan = "--dry-run" in words
        self.start(
            words, title="What it will cost" if is_plan else "Training", subject="plan" if is_plan else ""
        )


class Attach(Handler):
    """Watches a job that runs already, or installs what was kept aside."""

    def change(self, what: str) -> None:
        job = self.get_body_argument("job", "")
        car = self.console.reader.car()
        try:
            car.ledger.read(job)
        except NoPendingJob as error:
            raise BadForm("This car has no such job") from error
        words = ["train", f"--attach={job}", "--json", "--no-bell"]
        if what == "install":
            self.start(words + ["--install=always"], title=f"Installing the model of {job}")
        else:
            self.start(words, title="Training")


class OneRun(Handler):
    def show(self, run_id: str, part: str) -> None:
        console = self.console
        car, runs = console.reader.car(), console.runs
        run = runs.read(run_id)
        markup = "\n".join(show_run(car, runs, console.forms, run))
        if part:
            self.finish(markup)
        elif run.is_running or run.has_result and run.back:
            self.page(run.title, live(path_of("runs", run_id) + "/live", markup))
        else:
            self.page(run.title, markup)

    def change(self, run_id: str, what: str) -> None:
        console = self.console
        runs = console.runs
        run = runs.read(run_id)
        job = find_job_name(runs.read_output(run))
        if what == "start":
            # What was shown is what is started, and a second tap finds it started
            if run.code != 0 or "--dry-run" not in run.words:
                raise BadForm("This is not the plan of a training")
            words = [word for word in run.words if word != "--dry-run"]
            self.start(words, title="Training", run_id=run_id[:16] + "-start")
        elif not run.is_running or not run.trains or job is None:
            self.redirect(path_of("runs", run_id), status=303)
        elif what == "detach":
            runs.interrupt(run)
            self.redirect(path_of("runs", run_id), status=303)
        else:
            self.start(
                ["stop", job],
                title=f"Stopping {job}",
                back=path_of("runs", run_id),
                run_id=run_id[:16] + "-stop",
            )


class Models(Handler):
    def show(self) -> None:
        car = self.console.reader.car()
        self.page("Models", *show_models(find_models(car)), current="/models")


class OneModel(Handler):
    def show(self) -> None:
        car = self.console.reader.car()
        model = find_named(find_models(car), self.get_query_argument("name", ""))
        markup = show_model(car, self.console.forms, model, notice=self.notice())
        self.page(model.name, *markup, current="/models")


class ForeignPage(Handler):
    """A page that a command has left; it may not do anything."""

    def finish_page(self, path: str) -> None:
        try:
            content = read_file(path, max_bytes=_PAGE_BYTES)
        except OSError as error:
            raise tornado.web.HTTPError(404) from error
        self.set_header("Content-Security-Policy", REPORT_POLICY)
        self.finish(content)


class Report(ForeignPage):
    """The report of a training."""

    def show(self, name: str) -> None:
        model = find_named(find_models(self.console.reader.car()), name)
        path = find_report(model.paths)
        if path is None:
            raise tornado.web.HTTPError(404)
        self.finish_page(path)


class Comparison(ForeignPage):
    """The page of the last comparison."""

    def show(self) -> None:
        self.finish_page(os.path.join(self.console.reader.car().models_path, COMPARISON_NAME))


class Compare(Handler):
    def show(self) -> None:
        console = self.console
        names = self.get_query_arguments("model")
        if len(names) != 2 or names[0] == names[1]:
            raise BadForm("Two models can be compared: tick exactly two")
        car = console.reader.car()
        models = find_models(car)
        pair = [find_named(models, name) for name in names]
        run = console.runs.last("models", subject=" ".join(names))
        has_page = os.path.isfile(os.path.join(car.models_path, COMPARISON_NAME))
        markup = show_comparison(pair, console.forms, console.runs, run=run, has_page=has_page)
        self.page("Two models", *markup, current="/models")

    def change(self) -> None:
        models = find_models(self.console.reader.car())
        names = [key_of(find_named(models, self.get_body_argument(name, ""))) for name in ("one", "other")]
        if any(name.startswith("-") for name in names):
            raise NoModel
        back = "/compare?" + "&".join(address("", model=name)[1:] for name in names)
        self.start(
            ["models", *names, "--report"], title="Driving both models", subject=" ".join(names), back=back
        )


class Rollback(Handler):
    def change(self) -> None:
        car = self.console.reader.car()
        name = self.get_body_argument("model", "")
        if name.startswith("-") or name not in [model.name.split("~")[0] for model in find_models(car)]:
            raise NoModel
        words = ["rollback", name] + ["--forward"] * bool(self.get_body_argument("forward", ""))
        back = address("/model", name=self.get_body_argument("shown", name))
        self.start(words, title=f"Bringing back a version of {name}", subject=name, back=back)


class Doctor(Handler):
    def show(self) -> None:
        runs = self.console.runs
        run = runs.last("doctor")
        content = runs.read_json(run) if run else None
        self.page("Doctor", *show_doctor(self.console.forms, run, content), current="/doctor")

    def change(self) -> None:
        is_here = find_places(self.console.reader.car())[0].name == HERE
        words = ["doctor", "--json"] + ["--local"] * is_here
        self.start(words, title="Checking the car", back="/doctor")


class Missing(Handler):
    def prepare(self) -> None:
        raise tornado.web.HTTPError(404)


ROUTES: List[Tuple[str, Any]] = [
    (r"/()", Home),
    (r"/(live)", Home),
    (r"/enter", Enter),
    (r"/console\.(css|js)", Asset),
    (r"/tubs", Tubs),
    (r"/tubs/([0-9a-f]{12})", OneTub),
    (r"/tubs/([0-9a-f]{12})/pictures/([0-9]{1,12})", Picture),
    (r"/tubs/([0-9a-f]{12})/(review|delete|restore)", ChangeTub),
    (r"/train", Train),
    (r"/(attach|install)", Attach),
    (r"/runs/([0-9a-f]{16}(?:-[a-z]{1,8})?)()", OneRun),
    (r"/runs/([0-9a-f]{16}(?:-[a-z]{1,8})?)/(live)", OneRun),
    (r"/runs/([0-9a-f]{16}(?:-[a-z]{1,8})?)/(start|stop|detach)", OneRun),
    (r"/models", Models),
    (r"/model", OneModel),
    (r"/models/([^/]{1,300})/report", Report),
    (r"/comparison", Comparison),
    (r"/compare", Compare),
    (r"/rollback", Rollback),
    (r"/doctor", Doctor),
]


def make_application(console: Console) -> tornado.web.Application:
    return tornado.web.Application(
        [(pattern, handler, {"console": console}) for pattern, handler in ROUTES],
        default_handler_class=Missing,
        default_handler_args={"console": console},
        compress_response=True,
        log_function=lambda handler: None,
    )
