"""A job as it goes: its states and epochs, until it has ended and its log is drained."""

from typing import Any, Callable, Dict, List, NamedTuple

from .. import contract

LAST_LINES = 20  # of the log, shown when a job fails


class Ended(NamedTuple):
    state: Dict[str, Any]  # as DescribeTrainingJob tells it
    last_lines: List[str]


def watch(cloud: Any, ui: Any, job: str, *, sleep: Callable[[float], None]) -> Ended:
    """Shows states and epochs until the job has ended and its log is drained.

    Args:
        cloud, ui: as the stories are handed them.
    """
    lines: List[str] = []
    position, last_state = 0, ""
    with ui.epochs() as show:
        while True:
            # The state first: what was printed before the end is in the log by then.
            state = cloud.describe_job(job)
            new_lines, position = cloud.read_log(job, position)
            for line in new_lines:
                progress = contract.parse_progress(line)
                if progress:
                    show(progress)
                elif line.startswith(contract.TOLD):
                    ui.say(line[len(contract.TOLD) :])
                lines = (lines + [line])[-LAST_LINES:]
            if state["SecondaryStatus"] != last_state:
                last_state = state["SecondaryStatus"]
                ui.say("State: " + last_state)
            if state["TrainingJobStatus"] not in ("InProgress", "Stopping") and not new_lines:
                return Ended(state, lines)
            sleep(cloud.poll_s)
