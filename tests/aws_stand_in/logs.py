"""CloudWatch Logs: late lines, empty pages, and groups that do not exist yet."""

import threading
from typing import Any, Dict, List, NamedTuple

from .account import ACCOUNT_ID, REGION, Account
from .aws_error import AwsError
from .clock import Clock

GROUPS = ("/aws/sagemaker/TrainingJobs", "/aws/codebuild/donkey-sagemaker")


class Line(NamedTuple):
    time_s: float
    text: str


class Logs:
    """The streams of all log groups; their names are unique."""

    def __init__(self, account: Account, clock: Clock) -> None:
        self._account = account
        self._clock = clock
        self._lock = threading.Lock()
        self._streams: Dict[str, List[Line]] = {}

    def append(self, stream: str, text: str) -> None:
        with self._lock:
            self._streams.setdefault(stream, []).append(Line(self._clock.now(), text))

    def lines(self, prefix: str) -> List[str]:
        """Everything written to the streams of that prefix, delayed or not."""
        with self._lock:
            return [
                line.text
                for name in sorted(self._streams)
                if name.startswith(prefix)
                for line in self._streams[name]
            ]

    def _visible(self) -> Dict[str, List[Line]]:
        """The streams and lines that are old enough to be shown."""
        until = self._clock.now() - self._account.log_delay_s
        with self._lock:
            streams = {
                name: [line for line in lines if line.time_s <= until]
                for name, lines in self._streams.items()
            }
        return {name: lines for name, lines in streams.items() if lines}

    def _check_group(self, name: str, streams: Dict[str, List[Line]]) -> None:
        if name not in GROUPS or not streams:
            raise AwsError("ResourceNotFoundException", "The specified log group does not exist.")

    def DescribeLogStreams(self, parameters: Dict[str, Any]) -> Dict[str, Any]:
        streams = self._visible()
        self._check_group(parameters["logGroupName"], streams)
        prefix = parameters.get("logStreamNamePrefix", "")
        if prefix and parameters.get("orderBy") == "LastEventTime":
            raise AwsError(
                "InvalidParameterException", "Cannot order by LastEventTime with a logStreamNamePrefix."
            )
        names = sorted(name for name in streams if name.startswith(prefix))
        if parameters.get("orderBy") == "LastEventTime":
            names.sort(key=lambda name: streams[name][-1].time_s)
        if parameters.get("descending"):
            names.reverse()
        start = int(parameters.get("nextToken", "0"))
        end = start + min(parameters.get("limit", 50), self._account.log_page_streams)
        response: Dict[str, Any] = {
            "logStreams": [
                {
                    "logStreamName": name,
                    "arn": "arn:aws:logs:{}:{}:log-group:{}:log-stream:{}".format(
                        REGION, ACCOUNT_ID, parameters["logGroupName"], name
                    ),
                    "creationTime": int(streams[name][0].time_s * 1000),
                    "firstEventTimestamp": int(streams[name][0].time_s * 1000),
                    "lastEventTimestamp": int(streams[name][-1].time_s * 1000),
                    "storedBytes": 0,
                }
                for name in names[start:end]
            ]
        }
        if end < len(names):
            response["nextToken"] = str(end)
        return response

    def GetLogEvents(self, parameters: Dict[str, Any]) -> Dict[str, Any]:
        streams = self._visible()
        self._check_group(parameters["logGroupName"], streams)
        if parameters["logStreamName"] not in streams:
            raise AwsError("ResourceNotFoundException", "The specified log stream does not exist.")
        lines = streams[parameters["logStreamName"]]
        size = min(parameters.get("limit", 10000), self._account.log_page_events)
        token = parameters.get("nextToken")
        if token is None:
            start = 0 if parameters.get("startFromHead") else max(0, len(lines) - size)
            direction, seen_empty = "f", False
        else:
            direction, start, seen_empty = _read_token(token)
        if direction == "b":
            start, end = max(0, start - size), start
        else:
            end = min(len(lines), start + size)
        if self._account.log_empty_pages and direction == "f" and start < end and not seen_empty:
            return _page([], f"f/{start}/e", f"b/{start}/s")
        return _page(lines[start:end], f"f/{end}/s", f"b/{start}/s")


def _page(lines: List[Line], forward: str, backward: str) -> Dict[str, Any]:
    return {
        "events": [
            {
                "timestamp": int(line.time_s * 1000),
                "ingestionTime": int(line.time_s * 1000),
                "message": line.text,
            }
            for line in lines
        ],
        "nextForwardToken": forward,
        "nextBackwardToken": backward,
    }


def _read_token(token: str) -> Any:
    try:
        direction, position, mark = token.split("/")
        return direction, int(position), mark == "e"
    except ValueError:
        raise AwsError("InvalidParameterException", "The specified nextToken is invalid.") from None
