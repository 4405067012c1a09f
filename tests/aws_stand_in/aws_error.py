"""The errors of AWS, in each of its three formats."""

import json
from typing import Dict, NamedTuple, Optional
from xml.sax.saxutils import escape


class Response(NamedTuple):
    """One HTTP response."""

    status: int
    headers: Dict[str, str]
    body: bytes


class ConnectionLost(Exception):
    """The connection ends without a response."""


class AwsError(Exception):
    """An error of AWS: its code, message and HTTP status.

    Args:
        details: further elements of an S3 error.
        headers: further headers.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int = 400,
        details: Optional[Dict[str, str]] = None,
        headers: Optional[Dict[str, str]] = None,
    ) -> None:
        super().__init__(code + ": " + message)
        self.code = code
        self.message = message
        self.status = status
        self.details = details or {}
        self.headers = headers or {}


def make_error_response(error: AwsError, service: str) -> Response:
    """The error in the format of that service."""
    headers = dict(error.headers)
    if service == "s3":
        elements = {"Code": error.code, "Message": error.message}
        elements.update(error.details, RequestId="STANDIN", HostId="STANDIN")
        body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{_xml(elements)}</Error>'
        headers["Content-Type"] = "application/xml"
    elif service in ("sts", "iam", "cloudformation"):
        fault = "Receiver" if error.status >= 500 else "Sender"
        element = _xml({"Type": fault, "Code": error.code, "Message": error.message})
        body = f"<ErrorResponse><Error>{element}</Error><RequestId>STANDIN</RequestId></ErrorResponse>"
        headers["Content-Type"] = "text/xml"
    else:
        body = json.dumps({"__type": error.code, "message": error.message})
        headers.update({"Content-Type": "application/x-amz-json-1.1", "x-amzn-ErrorType": error.code})
    return Response(error.status, headers, body.encode())


def _xml(elements: Dict[str, str]) -> str:
    return "".join(f"<{name}>{escape(text)}</{name}>" for name, text in elements.items())
