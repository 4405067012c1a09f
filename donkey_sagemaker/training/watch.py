"""A job as it runs: its states and epochs, until it has ended and its log is complete.

Watching costs nothing and a job does, so it survives hours without a network. Only Ctrl-C and a refusal of
AWS, as after a login has expired, end it early.
"""

import itertools
import time
from typing import Callable, List, NamedTuple, Optional, TypeVar

from .. import contract
from ..cloud.cloud import Cloud, JobLog
from ..cloud.errors import NotAllowed, Unreachable
from ..cloud.images import is_own
from ..cloud.job import JobState
from ..cloud.job_queue import WAITING
from ..cloud.prices import Price, job_cost
from ..errors import CloudRefused
from ..ui import PlainUi, describe_step, format_seconds, format_usd
from .timing import Timing

LAST_LINES = 20  # of the log, shown when a job fails
LONGEST_WAIT_S = 60.0  # between two tries to reach AWS
DENIED_S = (
    120.0  # AWS may deny to describe a job for a moment, such as when its permissions have just changed
)
LONGEST_LOG_S = 120.0  # after the job's end; a log that comes later is not worth waiting for

Sleep = Callable[[float], None]
T = TypeVar("T")


class Ended(NamedTuple):
    """A job that has ended."""

    state: JobState
    last_lines: List[str]  # of its log


class Meter:
    """What a job costs."""

    def __init__(self, price: Optional[Price], count: int) -> None:
        self._price = price
        self._count = count

    def cost(self, billed_s: float) -> Optional[float]:
        """In US dollars; None where no price is known or nothing is billed."""
        return job_cost(billable_s=billed_s, count=self._count, price=self._price) if self._price else None

    def so_far(self, state: JobState) -> str:
        started = state.training_started
        cost = self.cost(max((state.training_ended or time.time()) - started, 0)) if started else None
        return "" if cost is None else f"{format_usd(cost)} so far"


def make_meter(cloud: Cloud, state: JobState) -> Meter:
    price = cloud.hourly_price(state.instance_type) if state.instance_type else None
    return Meter(price, state.instance_count)


def watch(
    cloud: Cloud,
    ui: PlainUi,
    job: str,
    *,
    whole_log: bool,
    sleep: Sleep,
    timing: Optional[Timing] = None,
    on_trained: Callable[[], None] = lambda: None,
) -> Ended:
    """Shows states and epochs until the job has ended and its log is complete.

    Args:
        whole_log: show every line that the container prints. Those of another author's image are always
            shown.
        timing: gets to know each epoch.
        on_trained: called when our trainer has done all but to write the model.
    Raises:
        NoSuchJob, CloudRefused: such as an expired login.
    """
    timing = timing or Timing(started=time.time())
    connection = PatientConnection(cloud, ui, sleep)
    log = _Log(cloud.open_log(job), ui)
    states = _States(ui)
    last_lines: List[str] = []
    activity = ""  # what the log says about what the job does
    quiet_s = ended_s = 0.0
    meter: Optional[Meter] = None
    has_type = False  # AWS may take a while to choose one
    with ui.epochs() as epochs:
        while True:
            # The state first: what was printed before the end is in the log by then.
            state = connection.ask(lambda: cloud.describe_job(job), denied_s=DENIED_S)
            new_lines = log.read()
            if meter is None or not has_type:
                meter, has_type = make_meter(cloud, state), state.instance_type is not None
                if state.instance_type in state.candidates[1:]:
                    lacking = state.candidates[: state.candidates.index(state.instance_type)]
                    ui.warn(
                        f"no capacity for {', '.join(lacking)}: {cloud.provider} took {state.instance_type}"
                    )
            states.show(state, with_last=state.is_running)  # the last one once the log is complete
            activity = activity if state.secondary_status == "Training" else ""
            is_waiting = state.secondary_status == WAITING
            if is_waiting:
                timing.start_again()
            for line in new_lines:
                progress, step = contract.parse_progress(line), contract.parse_step(line)
                if progress:
                    timing.see_epoch(progress, is_running=state.is_running)
                    is_last = progress.epoch == progress.epochs
                    left = timing.describe() or ("the model is written next" if is_last else "")
                    epochs.show_epoch(progress, _join(left, meter.so_far(state)))
                    activity = f"Epoch {progress.epoch}/{progress.epochs} done"
                elif step:
                    timing.see_step(step)
                    epochs.show_step(step, _join(timing.describe(), meter.so_far(state)))
                    activity = describe_step(step)
                elif line.startswith(contract.LOG_PREFIX):
                    text = line[len(contract.LOG_PREFIX) :]
                    ui.print(text)
                    if text.startswith((contract.PROVING, contract.WRITING)):
                        timing.see_last_epoch()
                    if text.startswith(contract.WRITING):
                        on_trained()
                    says_it = timing.has_begun or text.startswith(contract.TRYING)
                    activity = text if says_it else activity
                elif whole_log or _is_foreign(state):
                    ui.print(line)
                last_lines = (last_lines + [line])[-LAST_LINES:]
            epochs.show_activity(
                activity or _ACTIVITIES.get(state.secondary_status, state.secondary_status or state.status),
                _join("" if is_waiting else timing.describe(), meter.so_far(state)),
            )
            quiet_s = 0.0 if new_lines or log.is_behind else quiet_s + cloud.poll_s
            ended_s = 0.0 if state.is_running else ended_s + cloud.poll_s
            if not state.is_running and (quiet_s > cloud.log_lag_s or ended_s > LONGEST_LOG_S):
                states.show(state, with_last=True)
                return Ended(state, last_lines)
            sleep(cloud.poll_s)


# What a job does in a state, for whoever waits
_ACTIVITIES = {
    WAITING: "Waiting in the queue",
    "Starting": "Starting",
    "Pending": "Waiting for a machine",
    "Downloading": "Copying the tubs",
    "Training": "Preparing the first epoch",
    "Uploading": "Storing the model",
    "Completed": "Waiting for the end of the log",
}


def _join(*notes: str) -> str:
    return ", ".join(note for note in notes if note)


class _States:
    """Prints each state of a job once."""

    def __init__(self, ui: PlainUi) -> None:
        self._ui = ui
        self._shown: List[str] = []

    def show(self, state: JobState, *, with_last: bool) -> None:
        texts = _describe_states(state)
        texts = texts if with_last else texts[:-1]
        for number, text in enumerate(texts):
            if text not in self._shown[number : number + 1]:
                self._ui.print(f"State: {text}")
        self._shown = texts


class PatientConnection:
    """Asks again for as long as there is no network, and for a while if it is not allowed."""

    def __init__(self, cloud: Cloud, ui: PlainUi, sleep: Sleep) -> None:
        self._poll_s = cloud.poll_s
        self._provider = cloud.provider
        self._ui = ui
        self._sleep = sleep

    def ask(self, question: Callable[[], T], *, denied_s: float = 0.0) -> T:
        """
        Args:
            denied_s: for how long to ask again although it is not allowed.
        """
        lost_at, wait_s = 0.0, float(self._poll_s)
        while True:
            try:
                answer = question()
            except (Unreachable, NotAllowed) as error:
                is_denied = isinstance(error, NotAllowed)
                if is_denied and denied_s <= 0:
                    raise
                if not lost_at:
                    lost_at = time.time()
                    until = "for two minutes" if is_denied else f"until {self._provider} answers"
                    self._ui.warn(f"{error.what} The job continues; trying again {until}.")
                denied_s -= wait_s if is_denied else 0
                self._sleep(wait_s)
                wait_s = min(wait_s * 2, LONGEST_WAIT_S)
                continue
            if lost_at:
                lost = format_seconds(time.time() - lost_at)
                self._ui.print(f"{self._provider} answers again, after {lost}.")
            return answer


class _Log:
    """A job's log; an empty one where AWS does not return it, since the job does not depend on it."""

    def __init__(self, log: JobLog, ui: PlainUi) -> None:
        self.is_behind = False  # the last call could not reach AWS
        self._log = log
        self._ui = ui
        self._is_readable = True

    def read(self) -> List[str]:
        """The lines that were added since the last call."""
        if not self._is_readable:
            return []
        try:
            lines = self._log.read()
        except Unreachable as error:
            if not self.is_behind:
                self._ui.warn(f"{error.what} The job continues; its log follows later.")
            self.is_behind = True
            return []
        except CloudRefused as error:
            self._is_readable = False
            self._ui.warn(f"{error.what} The job continues without its log. {error.fix}")
            return []
        self.is_behind = False
        return lines


def _is_foreign(state: JobState) -> bool:
    """Whether the image does not mark what it prints for the user."""
    return state.image is not None and not state.has_own_entrypoint and not is_own(state.image)


def _describe_states(state: JobState) -> List[str]:
    """All states so far, in a few words; a message is worth reading where machines are short.

    SageMaker has several entries for a state whose messages differ.
    """

    def is_shown(status: str, message: str) -> bool:
        return bool(message) and (status in (WAITING, "Pending") or "capacity" in message.lower())

    texts = [
        f"{status}: {message}" if is_shown(status, message) else status
        for status, message in state.transitions
    ]
    return [text for text, _ in itertools.groupby(texts)]
