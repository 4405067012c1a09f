"""From a request that failed to the error that the user reads. Pure."""

import re
from typing import Dict, Optional, Tuple

from ..errors import DonkeySagemakerError
from .error_rows import Row
from .errors import AwsError, FailedRequest
from .request_errors import REQUEST_ROWS, busy
from .service_errors import SERVICE_ROWS

# The first row that matches counts.
ROWS: Tuple[Row, ...] = REQUEST_ROWS + SERVICE_ROWS


def find_row(request: FailedRequest) -> Optional[Tuple[Row, Dict[str, Optional[str]]]]:
    """The first row that matches, and the named groups of its text; None if no row does."""
    for row in ROWS:
        if re.fullmatch(row.operation, request.operation) and re.fullmatch(row.code, request.code):
            match = re.search(row.text, request.text)
            if match:
                return row, match.groupdict()
    return None


def make_error(request: FailedRequest) -> DonkeySagemakerError:
    """The error of the first row that matches; without one, AwsError, or Unreachable for a 5xx."""
    found = find_row(request)
    if found:
        row, matched = found
        return row.make(request._replace(matched=matched))
    return busy(request) if request.status >= 500 else AwsError(request)
