"""The server: reads requests, applies faults, and sends responses."""

import email.utils
import socket
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Dict, NoReturn, Optional

from . import control
from .aws_error import AwsError, ConnectionLost, Response, make_error_response
from .aws_request import AwsRequest, read_head, with_body
from .faults import Fault, Link
from .world import World

CHUNK_BYTES = 64 * 1024


class StandInServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, world: World) -> None:
        super().__init__(("127.0.0.1", 0), Connection)
        self.world = world
        self.up = Link()
        self.down = Link()

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Many tests are about lost clients; any other error is printed to standard error."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: StandInServer

    def do_POST(self) -> None:
        if self.path.startswith(control.PATH):
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            response = control.handle(self.server.world, self.path[len(control.PATH) :], body)
            self._send(response, {"bytes_out": 0})
            return
        try:
            self._serve(read_head(self.command, self.path, self.headers))
        except ConnectionLost:
            self.close_connection = True

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST

    def handle_expect_100(self) -> bool:
        return True  # sent when the body is wanted, for a fault has its turn first

    def log_message(self, format: str, *arguments: Any) -> None:
        """Does nothing: the world keeps records."""

    def _serve(self, request: AwsRequest) -> None:
        world = self.server.world
        record = world.record(request)
        # STS and IAM name the operation in the body alone.
        fault = world.faults.find(request) if request.operation else None
        if fault and fault.kind == "refuse":
            self._reset()
        request = with_body(request, self._read_body(record, cut=bool(fault and fault.kind == "cut_request")))
        if not record["operation"]:
            record["operation"] = request.operation
            fault = world.faults.find(request)
            if fault and fault.kind in ("refuse", "cut_request"):
                self._reset()
        if fault and fault.kind == "foreign":
            self._send_foreign(fault)
            return
        response = self._handle(request, fault)
        record["status"] = response.status
        if fault and fault.kind == "lose_response":
            self._reset()
        if fault and fault.kind == "corrupt_response":
            response = response._replace(body=response.body[:-1] + bytes([response.body[-1] ^ 1]))
        self._send(response, record, cut=bool(fault and fault.kind == "cut_response"))

    def _handle(self, request: AwsRequest, fault: Optional[Fault]) -> Response:
        try:
            if fault and fault.kind == "hang":
                self._wait_for_the_client_to_go()
            if fault and fault.kind == "error":
                raise AwsError(fault.code, fault.message, status=fault.status)
            return self.server.world.handle(request)
        except AwsError as error:
            return make_error_response(error, request.service)

    # The line

    def _read_body(self, record: Dict[str, Any], *, cut: bool) -> bytes:
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()
        size = int(self.headers.get("Content-Length", "0"))
        wanted = size // 2 if cut else size
        chunks = []
        while wanted:
            chunk = self.rfile.read(min(wanted, CHUNK_BYTES))
            if not chunk:
                raise ConnectionLost
            self.server.up.carry(len(chunk), bytes_per_s=self.server.world.account.upload_bytes_per_s)
            record["bytes_in"] += len(chunk)
            wanted -= len(chunk)
            chunks.append(chunk)
        if cut:
            self._reset()
        return b"".join(chunks)

    def _send(self, response: Response, record: Dict[str, Any], *, cut: bool = False) -> None:
        self.send_response_only(response.status)
        account = self.server.world.account
        headers = {name: value for name, value in response.headers.items() if name.lower() != "date"}
        headers["x-amz-request-id" if record.get("service") == "s3" else "x-amzn-RequestId"] = "STANDIN"
        headers["Date"] = email.utils.formatdate(time.time() + account.skew_s, usegmt=True)
        body = response.body
        if self.command == "HEAD":  # whose Content-Length is that of the object
            body = b""
        else:
            headers = {name: value for name, value in headers.items() if name.lower() != "content-length"}
            headers["Content-Length"] = str(len(body))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        end = len(body) // 2 if cut else len(body)
        for start in range(0, end, CHUNK_BYTES):
            chunk = body[start : min(end, start + CHUNK_BYTES)]
            self.server.down.carry(len(chunk), bytes_per_s=account.download_bytes_per_s)
            record["bytes_out"] += len(chunk)
            self.wfile.write(chunk)
        if cut:
            raise ConnectionLost

    def _send_foreign(self, fault: Fault) -> None:
        """As a captive portal answers: without any of AWS's headers."""
        body = fault.message.encode()
        self.send_response_only(fault.status)
        self.send_header("Content-Type", fault.code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _reset(self) -> NoReturn:
        """Resets the connection, as a broken network does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise ConnectionLost

    def _wait_for_the_client_to_go(self) -> NoReturn:
        while self.connection.recv(CHUNK_BYTES):
            pass
        raise ConnectionLost
