"""A job as it goes: its states and epochs, until it has ended and its log is drained.

A watcher costs nothing and a job does, so it outlasts hours without a network. What ends it early is
Ctrl-C (the story's matter) and a login that has expired.
"""

import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from .. import contract
from ..aws.errors import NotAllowed, Unreachable
from ..cloud.failures import is_capacity_failure
from ..cloud.images import is_own
from ..cloud.prices import Price, job_cost
from ..ui import PlainUi, format_seconds, format_usd

LAST_LINES = 20  # of the log, shown when a job fails
LONGEST_WAIT_S = 60.0  # between two tries to reach AWS
RUNNING = ("InProgress", "Stopping")


class Ended(NamedTuple):
    state: Dict[str, Any]  # as DescribeTrainingJob tells it
    last_lines: List[str]

    @property
    def has_model(self) -> bool:
        return "ModelArtifacts" in self.state

    @property
    def lacks_capacity(self) -> bool:
        """True if no machine of that type was to be had, so that another type may do."""
        if self.state["SecondaryStatus"] == "MaxWaitTimeExceeded":
            return not self.has_model
        return is_capacity_failure(self.state.get("FailureReason", ""))


class Meter:
    """What a job has cost."""

    def __init__(self, price: Optional[Price], count: int) -> None:
        self._price = price
        self._count = count

    def cost(self, billed_s: float) -> Optional[float]:
        """In US dollars; None where no price is known or nothing is paid."""
        return job_cost(billable_s=billed_s, count=self._count, price=self._price) if self._price else None

    def so_far(self, state: Dict[str, Any]) -> str:
        started = state.get("TrainingStartTime")
        cost = self.cost(max(time.time() - started, 0)) if started else None
        return "" if cost is None else format_usd(cost) + " so far"


def make_meter(cloud: Any, state: Dict[str, Any]) -> Meter:
    machine = state.get("ResourceConfig", {})
    price = cloud.hourly_price(machine["InstanceType"]) if machine else None
    return Meter(price, machine.get("InstanceCount", 1))


def watch(cloud: Any, ui: PlainUi, job: str, *, whole_log: bool, sleep: Callable[[float], None]) -> Ended:
    """Shows states and epochs until the job has ended and its log is drained.

    Args:
        cloud, ui: as the stories are handed them.
        whole_log: shows every line that the container prints. One that is not ours shows them anyway.
    Raises:
        NoSuchJob, LoginExpired
    """
    lines: List[str] = []
    shown: List[str] = []
    quiet_s = 0.0
    meter: Optional[Meter] = None
    line_to_cloud = _Line(cloud, ui, sleep)
    log = _Log(line_to_cloud, job)

    def tell_states(states: List[str]) -> None:
        for number, text in enumerate(states):
            if text not in shown[number : number + 1]:
                ui.say("State: " + text)
        shown[:] = states

    with ui.epochs() as show:
        while True:
            # The state first: what was printed before the end is in the log by then.
            state = line_to_cloud.ask(lambda: cloud.describe_job(job))
            new_lines = log.read()
            meter = meter or make_meter(cloud, state)
            has_ended = state["TrainingJobStatus"] not in RUNNING
            tell_states(_states(state)[: -1 if has_ended else None])  # the last one when the log is drained
            for line in map(_printable, new_lines):
                progress = contract.parse_progress(line)
                if progress:
                    show(progress, meter.so_far(state))
                elif line.startswith(contract.LOG_PREFIX):
                    ui.say(line[len(contract.LOG_PREFIX) :])
                elif whole_log or _is_foreign(state):
                    ui.say(line)
                lines = (lines + [line])[-LAST_LINES:]
            quiet_s = 0.0 if new_lines else quiet_s + cloud.poll_s
            if has_ended and quiet_s > cloud.log_lag_s:
                tell_states(_states(state))
                return Ended(state, lines)
            sleep(cloud.poll_s)


class _Line:
    """Asks again for as long as there is no network."""

    def __init__(self, cloud: Any, ui: PlainUi, sleep: Callable[[float], None]) -> None:
        self.cloud, self.ui, self._sleep = cloud, ui, sleep

    def ask(self, question: Callable[[], Any]) -> Any:
        lost_at, wait_s = 0.0, float(self.cloud.poll_s)
        while True:
            try:
                answer = question()
            except Unreachable as error:
                if not lost_at:
                    lost_at = time.time()
                    self.ui.warn(f"{error.what} The job goes on; trying again until AWS answers.")
                self._sleep(wait_s)
                wait_s = min(wait_s * 2, LONGEST_WAIT_S)
                continue
            if lost_at:
                self.ui.say(f"AWS answers again, after {format_seconds(time.time() - lost_at)}.")
            return answer


class _Log:
    """A job's log; an empty one where it may not be read, for the job and its model need no reader."""

    def __init__(self, line_to_cloud: _Line, job: str) -> None:
        self._line, self._job = line_to_cloud, job
        self._position: Any = None
        self._may_be_read = True

    def read(self) -> List[str]:
        """The lines that have come since the last time."""
        if not self._may_be_read:
            return []
        try:
            lines, self._position = self._line.ask(
                lambda: self._line.cloud.read_log(self._job, self._position)
            )
        except NotAllowed as refusal:
            self._may_be_read = False
            self._line.ui.warn(f"{refusal.what} The job goes on without its log. {refusal.fix}")
            return []
        return lines


def _is_foreign(state: Dict[str, Any]) -> bool:
    """True for an image that does not mark what it prints for the user."""
    image = state.get("AlgorithmSpecification", {})
    return (
        "TrainingImage" in image and "ContainerEntrypoint" not in image and not is_own(image["TrainingImage"])
    )


def _states(state: Dict[str, Any]) -> List[str]:
    """All states so far, in a few words; what AWS adds to one is worth reading where machines are short."""
    texts = []
    for transition in state.get("SecondaryStatusTransitions") or [{"Status": state["SecondaryStatus"]}]:
        message = transition.get("StatusMessage") or ""
        texts.append(transition["Status"] + (": " + message if "capacity" in message.lower() else ""))
    return texts


def _printable(line: str) -> str:
    """Without what would steer the terminal: a container can print anything."""
    return "".join(letter if letter.isprintable() or letter == "\t" else "?" for letter in line)
