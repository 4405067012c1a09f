"""Serves the console until it is interrupted, with limits on what a client can send and for how long."""

import signal
import socket
from typing import Any, Callable, List, Optional

import tornado.httpserver
import tornado.ioloop
import tornado.web
from tornado.netutil import bind_sockets

MOST_CONNECTIONS = 64
MOST_BYTES = 2**18  # of a request's body: a list of ranges
MOST_HEADER_BYTES = 2**14
IDLE_S, BODY_S = 30, 10


class Server(tornado.httpserver.HTTPServer):
    """Closes a connection that is one too many."""

    def initialize(self, *arguments: Any, **options: Any) -> None:
        super().initialize(*arguments, **options)
        self._streams: List[Any] = []

    def handle_stream(self, stream: Any, address: Any) -> None:
        self._streams = [each for each in self._streams if not each.closed()]
        if len(self._streams) >= MOST_CONNECTIONS:
            stream.close()
            return
        self._streams.append(stream)
        super().handle_stream(stream, address)


def open_sockets(port: int, *, address: str) -> List[socket.socket]:
    """
    Raises:
        OSError: the port is taken.
    """
    return bind_sockets(port, address=address, family=socket.AF_INET)


def serve(
    application: tornado.web.Application,
    sockets: List[socket.socket],
    *,
    on_start: Optional[Callable[[], None]] = None,
) -> None:
    """Answers requests until Ctrl-C, a hang-up or a polite kill."""
    server = Server(
        application,
        max_header_size=MOST_HEADER_BYTES,
        max_body_size=MOST_BYTES,
        max_buffer_size=2 * MOST_BYTES + 32 * 2**20,  # what an answer may take until the phone has read it
        idle_connection_timeout=IDLE_S,
        body_timeout=BODY_S,
    )
    server.add_sockets(sockets)
    loop = tornado.ioloop.IOLoop.current()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda _number, _frame: loop.add_callback_from_signal(loop.stop))
    if on_start:
        on_start()
    loop.start()
    server.stop()
