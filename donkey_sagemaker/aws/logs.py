"""CloudWatch Logs: a stream that is read as it grows, and the log of a training job."""

from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Optional, Tuple

from ..cloud.cloud import JobLog
from .errors import AwsError

if TYPE_CHECKING:  # importing it takes boto3, which `--help` does not need
    from .connection import Connection

LOG_GROUP = "/aws/sagemaker/TrainingJobs"


class Position(NamedTuple):
    """How far a stream has been read."""

    token: Optional[str] = None  # of the next page; CloudWatch forgets it after a day
    events: int = 0  # number of events so far


BEGINNING = Position()


def read_stream(
    connection: "Connection", *, group: str, stream: str, start: Position = BEGINNING
) -> Tuple[List[Dict[str, Any]], Position]:
    """The events after a position, and the position after them. A missing group or stream has no events.

    Raises:
        NotAllowed, Unreachable
    """
    events: List[Dict[str, Any]] = []
    token, skipped = start.token, 0
    seen = {token}
    while True:
        parameters = {"logGroupName": group, "logStreamName": stream, "startFromHead": True}
        if token is not None:
            parameters["nextToken"] = token
        try:
            page = connection.call("logs", "GetLogEvents", parameters)
        except AwsError as error:
            if error.code == "ResourceNotFoundException":
                return [], start
            if error.code != "InvalidParameterException" or token is None:
                raise
            # The token has expired: read the stream from its beginning and skip what is known.
            token, skipped = None, start.events
            events, seen = [], {None}
            continue
        events += page["events"]
        if page["nextForwardToken"] in seen:  # the last one is the end, so far; an empty page is not
            return events[skipped:], Position(token, start.events + len(events) - skipped)
        token = page["nextForwardToken"]
        seen.add(token)


class AwsJobLog(JobLog):
    """The log of a job: each of its instances has a stream of its own.

    Args:
        prefix: of the names of its streams.
    """

    def __init__(self, connection: "Connection", prefix: str) -> None:
        self._connection = connection
        self._prefix = prefix
        self._positions: Dict[str, Position] = {}
        self._unread: List[Dict[str, Any]] = []  # events of some streams, when reading another one failed

    def read(self) -> List[str]:
        for stream in self._streams():
            events, self._positions[stream] = read_stream(
                self._connection,
                group=LOG_GROUP,
                stream=stream,
                start=self._positions.get(stream, BEGINNING),
            )
            self._unread += events
        events = sorted(self._unread, key=lambda event: event["timestamp"])
        self._unread = []
        return [line for event in events for line in event["message"].splitlines()]

    def _streams(self) -> List[str]:
        parameters = {"logGroupName": LOG_GROUP, "logStreamNamePrefix": self._prefix}
        try:
            pages = list(self._connection.pages("logs", "DescribeLogStreams", parameters))
        except AwsError as error:
            if error.code != "ResourceNotFoundException":  # an account's first job creates the log group
                raise
            return []
        return [stream["logStreamName"] for page in pages for stream in page["logStreams"]]
