"""A server on the loopback that answers as AWS does, except to one operation, whose answers are mutated.

Everything is drawn from one seeded generator, so that a run can be repeated.
"""

import json
import random
import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn
from urllib.parse import parse_qs, urlsplit

from aws_answers import BATCH_ANSWERS, ETAG, JSON_ANSWERS, OBJECT, XML_ANSWERS

PAGES = (
    b"",
    b"<html><head><title>Hotel Wi-Fi</title></head><body>Log in<br></body></html>",
    b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><body><p>Log in</p></body></html>',
    b"Squid\r\nERR_ACCESS_DENIED",
    b"\x00\xff\xfe\x80" * 50,
    b"{",
    b"[]",
    b"null",
    b'"text"',
    b"1e999",
    b"<a>" * 3000,
    b"[" * 3000,
    b'{"a":' * 3000,
    b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;&b;</a>',
    b"<Error><Code>AccessDenied</Code></Error>",
    b"<Error><Code><a/></Code><Message><b/></Message></Error>",
    b"<ErrorResponse><Error>text</Error></ErrorResponse>",
    b"<Error>text</Error>",
    b'{"__type": 5, "message": {"a": []}}',
    b'{"__type": "Throttling", "message": null}',
)
JUNK = (
    *(None, True, False, 0, -1, 10**400, 1e308, float("inf"), float("nan"), 2**63, "", "x" * 5000, "0", "-1"),
    *("9" * 4000, "\x1b[31m\u202e", "\ud800", "1e400", "NaN", "2026-99-99T00:00:00Z", "0001-01-01T00:00:00"),
    *([], {}, [[]], [None], {"a": {}}, ["text"], [5], {"member": 1}),
)
STATUSES = (204, 206, 301, 302, 304, 307, 400, 401, 403, 404, 407, 409, 412, 416, 429, 500, 502, 503, 511)
HEADERS = (
    ("Content-Length", "abc"),
    ("Content-Length", "-5"),
    ("Content-Length", "0"),
    ("Content-Length", "99999"),
    ("Content-Length", "9" * 400),
    ("Transfer-Encoding", "chunked"),
    ("Content-Encoding", "gzip"),
    ("Content-Type", "text/html"),
    ("Content-Range", "bytes x-y/z"),
    ("Content-Range", "bytes 0-5/6"),
    ("Location", "http://127.0.0.1:1/login"),
    ("ETag", ""),
    ("ETag", '"abc-2"'),
    ("ETag", "\xff" * 300),
    ("x-amz-server-side-encryption", "aws:kms"),
    ("Date", "yesterday"),
    ("Date", "Thu, 01 Jan 99999 00:00:00 GMT"),
)
_ELEMENT = re.compile(r"<(\w+)>([^<]*)</\1>")


class Answer:
    """What is sent: raw parts, so that each can be wrong."""

    def __init__(self, operation):
        self.status = 200
        self.headers = {"x-amzn-RequestId": "1", "x-amz-request-id": "1"}
        if operation in JSON_ANSWERS:
            self.body = json.dumps(JSON_ANSWERS[operation]).encode()
            self.headers["Content-Type"] = "application/x-amz-json-1.1"
        else:
            self.body = OBJECT if operation == "GetObject" else XML_ANSWERS[operation].encode()
            self.headers["Content-Type"] = "text/xml"
        if operation in ("PutObject", "GetObject"):
            self.headers["ETag"] = ETAG
        self.length = None  # that of the body
        self.is_silent = False  # the connection ends without an answer

    def encode(self):
        if self.is_silent:
            return b""
        headers = dict(self.headers)
        headers.setdefault("Content-Length", str(len(self.body) if self.length is None else self.length))
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {self.status} X\r\n{head}Connection: close\r\n\r\n".encode("latin-1") + self.body


def mutate(operation, chance):
    """An answer to the operation in which one or two things are wrong."""
    answer = Answer(operation)
    for _ in range(chance.choice((1, 1, 2))):
        chance.choice(MUTATIONS)(answer, chance)
    return answer


def _truncate(answer, chance):
    """At the end of the connection, or with a length that fits."""
    length = len(answer.body)
    answer.body = answer.body[: chance.randrange(length + 1)]
    answer.length = chance.choice((None, length))


def _replace_body(answer, chance):
    answer.body = chance.choice(PAGES)
    if chance.random() < 0.5:
        answer.headers = {"Content-Type": chance.choice(("text/html", "text/plain", "application/json"))}


def _flip_bytes(answer, chance):
    body = bytearray(answer.body)
    for _ in range(min(len(body), chance.choice((1, 5, 50)))):
        body[chance.randrange(len(body))] = chance.randrange(256)
    answer.body = bytes(body)


def _change_status(answer, chance):
    answer.status = chance.choice(STATUSES)
    if chance.random() < 0.5:
        _replace_body(answer, chance)


def _change_header(answer, chance):
    name, value = chance.choice(HEADERS)
    answer.headers[name] = value


def _drop_headers(answer, chance):
    for name in chance.sample(sorted(answer.headers), chance.randrange(len(answer.headers) + 1)):
        del answer.headers[name]


def _send_nothing(answer, chance):
    answer.is_silent = True


def _change_values(answer, chance):
    """In the structure of JSON or XML: members of other types, missing, nested or many times there."""
    try:
        value = json.loads(answer.body.decode())
    except (ValueError, RecursionError):
        answer.body = _change_xml(answer.body.decode("latin-1"), chance).encode("latin-1", "replace")
        return
    for _ in range(chance.choice((1, 1, 3))):
        value = _change_json(value, chance)
    answer.body = json.dumps(value).encode()


def _change_json(value, chance):
    if isinstance(value, dict) and value and chance.random() < 0.85:
        name = chance.choice(sorted(value))
        if chance.random() < 0.15:
            return {key: each for key, each in value.items() if key != name}
        return dict(value, **{name: _change_json(value[name], chance)})
    if isinstance(value, list) and value and chance.random() < 0.85:
        number = chance.randrange(len(value))
        if chance.random() < 0.15:
            return value * chance.choice((0, 2, 50))
        return [*value[:number], _change_json(value[number], chance), *value[number + 1 :]]
    if isinstance(value, str) and chance.random() < 0.2 and value.startswith("{"):
        return json.dumps(_change_json(json.loads(value), chance))
    return chance.choice(JUNK)


def _change_xml(text, chance):
    found = list(_ELEMENT.finditer(text))
    if not found:
        return text
    element = chance.choice(found)
    name, content = element.groups()
    junk = chance.choice([str(each) for each in JUNK]).replace("\x1b", "&#x202e;")
    replacement = chance.choice(
        (
            "",
            f"<{name}>{junk}</{name}>",
            f"<{name}><{name}>{content}</{name}></{name}>",
            f"<{name}/>",
            element.group() * chance.choice((2, 200)),
            f"<Other>{content}</Other>",
            "<deep>" * 500 + content + "</deep>" * 500,
            f"{content}",
        )
    )
    return text[: element.start()] + replacement + text[element.end() :]


MUTATIONS = (
    *(_truncate, _replace_body, _flip_bytes, _change_status, _change_header, _drop_headers, _send_nothing),
    *(_change_values,) * 5,
)


class FuzzedAws(ThreadingMixIn, HTTPServer):
    """
    Attributes:
        operation: the one whose answers are mutated.
        asked: how often it was asked since it was set.
    """

    daemon_threads = True

    def __init__(self, seed):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.chance = random.Random(seed)
        self.operation = ""
        self.asked = 0
        self.sent = b""  # the last mutated answer
        self._answer = self._times = None
        self._events = 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def endpoint_url(self):
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def has_right_checksum(self):
        """Whether the object that is sent is not the one of the checksum that is sent with it."""
        headers = self._answer.headers if self._answer else {}
        return headers.get("ETag") == ETAG and "x-amz-server-side-encryption" not in headers

    def fuzz(self, operation, *, times=None):
        """The next answers to this operation are one mutated answer, or a new one each time.

        Args:
            times: how many; afterwards AWS answers.
        """
        self.operation, self.asked, self._times = operation, 0, times
        self._answer = mutate(operation, self.chance) if self.chance.random() < 0.7 else None

    def answer(self, operation):
        if operation != self.operation or self._times == self.asked:
            sent = Answer(operation).encode()
        else:
            self.asked += 1
            sent = self.sent = (self._answer or mutate(operation, self.chance)).encode()
        self._events += 1  # a stack has new events each time
        return sent.replace(b"<EventId>0</EventId>", f"<EventId>{self._events % 10}</EventId>".encode())

    def handle_error(self, request, client_address):
        """Nothing: clients go away."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.close_connection = True
        answer = self.server.answer(self._operation(body))
        if (
            self.headers.get("Range")
            and answer.startswith(b"HTTP/1.1 200")
            and self._operation(body) == "GetObject"
        ):
            start = int(self.headers["Range"][len("bytes=") : -1])
            answer = answer.replace(b"Content-Length: 1024", f"Content-Length: {1024 - start}".encode())
            answer = answer.replace(OBJECT, OBJECT[start:])
        self.wfile.write(answer)

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST

    def log_message(self, format, *arguments):
        """Nothing."""

    def _operation(self, body):
        if "X-Amz-Target" in self.headers:
            return self.headers["X-Amz-Target"].rpartition(".")[2]
        if self.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
            return parse_qs(body.decode())["Action"][0]
        parts = urlsplit(self.path)
        for operation in BATCH_ANSWERS:
            if parts.path == f"/v1/{operation.lower()}":
                return operation
        query = parse_qs(parts.query, keep_blank_values=True)
        for mark, operation in (
            ("location", "GetBucketLocation"),
            ("list-type", "ListObjectsV2"),
            ("versions", "ListObjectVersions"),
            ("delete", "DeleteObjects"),
        ):
            if mark in query:
                return operation
        return "PutObject" if self.command == "PUT" else "GetObject"
