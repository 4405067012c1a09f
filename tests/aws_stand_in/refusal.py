"""What AWS says when it refuses, in each of its three languages."""

import json
from typing import Dict, NamedTuple, Optional
from xml.sax.saxutils import escape


class Answer(NamedTuple):
    """One HTTP response."""

    status: int
    headers: Dict[str, str]
    body: bytes


class Lost(Exception):
    """No answer: the connection ends."""


class Refusal(Exception):
    """An error of AWS: its code, its words, its HTTP status.

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


def make_refusal_answer(refusal: Refusal, service: str) -> Answer:
    """The refusal as that service writes it."""
    headers = dict(refusal.headers)
    if service == "s3":
        elements = {"Code": refusal.code, "Message": refusal.message}
        elements.update(refusal.details, RequestId="STANDIN", HostId="STANDIN")
        body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{_xml(elements)}</Error>'
        headers["Content-Type"] = "application/xml"
    elif service in ("sts", "iam", "cloudformation"):
        fault = "Receiver" if refusal.status >= 500 else "Sender"
        error = _xml({"Type": fault, "Code": refusal.code, "Message": refusal.message})
        body = f"<ErrorResponse><Error>{error}</Error><RequestId>STANDIN</RequestId></ErrorResponse>"
        headers["Content-Type"] = "text/xml"
    else:
        body = json.dumps({"__type": refusal.code, "message": refusal.message})
        headers.update({"Content-Type": "application/x-amz-json-1.1", "x-amzn-ErrorType": refusal.code})
    return Answer(refusal.status, headers, body.encode())


def _xml(elements: Dict[str, str]) -> str:
    return "".join(f"<{name}>{escape(text)}</{name}>" for name, text in elements.items())
