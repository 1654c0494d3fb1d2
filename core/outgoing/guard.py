"""Holds what apprise connects to by the same rules as webhooks.

apprise knows the addresses of a hundred services and asks for them by `requests`, each in its own way; some
take a host, a path or a file's place from the user's URL, and redirects lead on. So there is no one URL to
check beforehand. What they all have in common is urllib3's `create_connection`: there the name is looked up,
the addresses are checked, and the connection is made to one of those. TLS is verified by the name as before.

It holds within an `Exchange`; outside of one both libraries are as they were.
"""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import requests
from requests import Response, Session
from urllib3.util import connection

from core.outgoing.targets import Policy, check_port, checked_addresses

MAX_ANSWER_BYTES = 262_144
"""Some services answer a list of conversations; nobody's is longer than this."""

TIMEOUT_S = 5.0
"""For connecting and for each piece of an answer. What a whole message may take is up to the caller."""


class AnswerTooLong(requests.RequestException):
    """An answer of more than `MAX_ANSWER_BYTES`."""


class Exchange:
    """What is asked for one message: the statuses of the answers, and the connections."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.statuses: list[int] = []
        self.refusal: str | None = None
        self._sockets: list[socket.socket] = []
        self._is_over = False
        self._lock = threading.Lock()

    def keep(self, connected: socket.socket) -> None:
        """Remember a connection, by a handle of its own: TLS takes the other one over."""
        handle = connected.dup()
        with self._lock:
            self._sockets.append(handle)
            if self._is_over:
                self._end()

    def end(self) -> None:
        """Whoever still reads or writes on one of the connections is interrupted."""
        with self._lock:
            self._is_over = True
            self._end()

    def _end(self) -> None:
        while self._sockets:
            with self._sockets.pop() as handle, contextlib.suppress(OSError):
                handle.shutdown(socket.SHUT_RDWR)


_exchange: ContextVar[Exchange | None] = ContextVar("exchange", default=None)
"""apprise hands its context on to the threads that it uses."""

_connect = connection.create_connection
_request = Session.request


@contextmanager
def exchanging(exchange: Exchange) -> Iterator[None]:
    """Whatever is asked for by `requests` meanwhile belongs to the exchange."""
    _install()
    token = _exchange.set(exchange)
    try:
        yield
    finally:
        _exchange.reset(token)
        exchange.end()


def _install() -> None:
    """Put the guard in place, once and for all: modules are shared by all threads."""
    connection.create_connection = _guarded_connection
    Session.request = _guarded_request  # type: ignore[assignment, method-assign]


def _guarded_connection(address: tuple[str, int], *arguments: Any, **options: Any) -> socket.socket:
    exchange = _exchange.get()
    if exchange is None:
        return _connect(address, *arguments, **options)
    host, port = address
    try:
        check_port(port)
        found = socket.getaddrinfo(
            host.strip("[]"), port, connection.allowed_gai_family(), socket.SOCK_STREAM
        )
        allowed = checked_addresses(found, exchange.policy)
    except Exception as error:
        exchange.refusal = getattr(error, "detail", None)
        raise OSError(str(error)) from error
    # The very address, not the name: that might lead elsewhere by now.
    last: OSError | None = None
    for answer in allowed:
        try:
            connected = _connect((answer[4][0], port), *arguments, **options)
        except OSError as error:
            last = error
            continue
        exchange.keep(connected)
        return connected
    raise last or OSError("the name leads nowhere")


def _guarded_request(self: Session, method: str, url: str, *arguments: Any, **options: Any) -> Response:
    exchange = _exchange.get()
    if exchange is None:
        return _request(self, method, url, *arguments, **options)
    # No proxy and no .netrc of whoever runs this.
    self.trust_env = False
    # Of a redirect `requests` would read the whole body, however long it is.
    options |= {"stream": True, "timeout": TIMEOUT_S, "allow_redirects": False}
    answer = _request(self, method, url, *arguments, **options)
    exchange.statuses.append(answer.status_code)
    body = b""
    for piece in answer.iter_content(16_384):
        body += piece
        if len(body) > MAX_ANSWER_BYTES:
            answer.close()
            raise AnswerTooLong(f"an answer of more than {MAX_ANSWER_BYTES} bytes")
    answer._content = body  # as `requests` keeps what it has read
    return answer
