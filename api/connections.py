"""The connections of the API's process: whoever is slow, endless or silent is cut off, and nobody else waits.

uvicorn's protocol gives a connection all the time that it wants, for a head, a body, or to read an answer.
This one looks at all connections once a second, which costs each request next to nothing.
"""

import asyncio
import resource
from dataclasses import dataclass
from typing import Any, cast
from weakref import WeakKeyDictionary

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from api.headers import API_POLICY
from api.problems import PROBLEM_JSON, problem_bytes
from core.logging import get_logger

SPARE_FILES = 200
"""Beside the sockets: the databases' and Redis' connections, files that are uploaded and downloaded."""

CHECK_INTERVAL_S = 1.0

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """What a connection is allowed. Tests have less of it."""

    connections: int = 8_000
    """Of a process, some 100 MB; past this the one goes that has asked nothing for the longest, or the
    new one where all have a request under way."""

    head_bytes: int = 64 * 1024
    """Of a request's line and headers, as long as they are not complete; browsers stop far below it."""

    head_s: float = 10.0
    """From the first byte, or the connection itself, to the end of the head."""

    body_s: float = 30.0
    """Before a body must have come at `body_bytes_per_s`. Time in which we do not read does not count."""

    body_bytes_per_s: int = 4 * 1024
    """A poor mobile connection has ten times as much."""

    silence_s: float = 15.0
    """Within a body, however fast it was before: what has come is held in memory meanwhile."""

    trailer_bytes: int = 8 * 1024
    """Between two pieces of a body, and behind the last. No client of ours sends any trailer."""

    answer_s: float = 60.0
    """From the end of the body to the beginning of the answer; the balancer gives up then too."""

    reading_s: float = 30.0
    """In which a client must have taken something of what waits to be sent."""

    linger_s: float = 2.0
    """For what a client still sends after it has been answered: cut at once, it might not see the answer."""

    linger_bytes: int = 16 * 1024 * 1024
    """The same; a file that was not wanted, and no more."""

    leave_s: float = 0.5
    """At the end of the process, for requests that were sent before the client could know of it."""

    idle_s: float = 60.0
    """Between two requests, where uvicorn's own time-out was stopped by a byte that begins none."""


class Crowd:
    """All connections of a process."""

    def __init__(self, state: ServerState, loop: asyncio.AbstractEventLoop, patience: Patience) -> None:
        self._connections = cast("set[ApiProtocol]", state.connections)
        self._loop = loop
        self._max = min(patience.connections, _allowed_files() - SPARE_FILES)
        self._waiting: dict[ApiProtocol, None] = {}
        self._next_check: asyncio.TimerHandle | None = None

    def enter(self, connection: "ApiProtocol") -> None:
        if len(self._connections) > self._max and not self._make_room():
            connection.transport.abort()
            return
        self.await_request(connection)
        if self._next_check is None:
            self._next_check = self._loop.call_later(CHECK_INTERVAL_S, self._check)

    def await_request(self, connection: "ApiProtocol") -> None:
        """The connection has nothing under way, so it may be closed to make room; the oldest first."""
        self._waiting[connection] = None

    def is_asking(self, connection: "ApiProtocol") -> None:
        self._waiting.pop(connection, None)

    def _make_room(self) -> bool:
        oldest = next(iter(self._waiting), None)
        if oldest is None:
            return False
        del self._waiting[oldest]
        oldest.transport.abort()
        return True

    def _check(self) -> None:
        now = self._loop.time()
        for connection in list(self._connections):
            connection.check(now)
        still = bool(self._connections)
        self._next_check = self._loop.call_later(CHECK_INTERVAL_S, self._check) if still else None


_crowds: WeakKeyDictionary[ServerState, Crowd] = WeakKeyDictionary()
"""One for each server, in a process or a thread of a test. uvicorn makes the protocols, and knows of none."""


class ApiProtocol(HttpToolsProtocol):
    patience = Patience()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        crowd = _crowds.get(self.server_state)
        if crowd is None:
            crowd = _crowds[self.server_state] = Crowd(self.server_state, self.loop, self.patience)
        self._crowd = crowd
        self._since = self._checked_at = self._heard_at = self.loop.time()
        self._has_begun = self._has_advanced = False
        self._is_in_head = True
        self._is_first = True
        self._head_bytes = self._body_bytes = self._unwanted_bytes = self._trailer_bytes = 0
        self._is_body_complete = True
        self._stalled_since: float | None = None
        crowd.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._crowd.is_asking(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._heard_at = self.loop.time()
        self._has_advanced = False
        super().data_received(data)
        if self._is_in_head and self._has_begun:
            # A line without an end is not told of before it ends.
            self._head_bytes += len(data)
            if self._head_bytes > self.patience.head_bytes and not self.transport.is_closing():
                self._refuse(431, "the head is too large")
        elif not self._is_body_complete and not self._has_advanced:
            # Neither head nor body: a trailer, of which the parser keeps a field until it ends.
            self._trailer_bytes += len(data)
            if self._trailer_bytes > self.patience.trailer_bytes:
                self.transport.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        # A field behind the body would join the headers, past the proxy that has written or removed those
        # (RFC 9110, section 6.5.1); none has a meaning here.
        if self._is_in_head:
            super().on_header(name, value)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._since = self.loop.time()
        self._has_begun = self._is_in_head = True
        self._is_body_complete = False
        self._head_bytes = self._body_bytes = self._unwanted_bytes = self._trailer_bytes = 0

    def on_headers_complete(self) -> None:
        self._is_in_head = self._is_first = False
        self._has_advanced = True
        self._since = self.loop.time()
        self._crowd.is_asking(self)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        self._has_advanced, self._trailer_bytes = True, 0
        if not self._is_answered:
            super().on_body(body)
        else:
            self._unwanted_bytes += len(body)
            if self._unwanted_bytes > self.patience.linger_bytes:
                self.transport.abort()

    def on_message_complete(self) -> None:
        self._is_body_complete = True
        self._since = self.loop.time()
        super().on_message_complete()
        self._await_request_if_idle()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._since = self.loop.time()
        self._await_request_if_idle()

    def _await_request_if_idle(self) -> None:
        if self._is_body_complete and self._is_answered and not self.transport.is_closing():
            self._has_begun, self._is_in_head = False, True
            self._crowd.await_request(self)

    @property
    def _is_answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled_since = self.loop.time()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stalled_since = None

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, msg)

    def check(self, now: float) -> None:
        """Cut the connection off if it takes more time than it has."""
        took_s, checked_at, self._checked_at = now - self._since, self._checked_at, now
        patience = self.patience
        if self._stalled_since is not None or self.transport.is_closing():
            self._stalled_since = self._stalled_since or now
            if now - self._stalled_since > patience.reading_s:
                self.transport.abort()
        elif self._is_in_head:
            self._check_head(took_s)
        elif self._is_answered:
            if took_s > patience.linger_s:
                self.transport.close()
        elif not self._is_body_complete:
            self._check_body(now, took_s, since_check_s=now - checked_at)
        elif took_s > patience.answer_s and not self.cycle.response_started:
            log.error("request.too_long", seconds=round(took_s))
            self._refuse(503, "this takes too long; look whether it was done before you try again")

    def _check_head(self, took_s: float) -> None:
        if self._has_begun:
            if took_s > self.patience.head_s:
                self._refuse(408, "the head did not come in time")
        elif took_s > (self.patience.head_s if self._is_first else self.patience.idle_s):
            self.transport.close()

    def _check_body(self, now: float, took_s: float, *, since_check_s: float) -> None:
        if self.flow.read_paused:
            self._since += since_check_s
            self._heard_at += since_check_s
            return
        allowed_s = self.patience.body_s + self._body_bytes / self.patience.body_bytes_per_s
        if took_s > allowed_s or now - self._heard_at > self.patience.silence_s:
            self._refuse(408, "the body did not come in time")

    def _refuse(self, status: int, detail: str) -> None:
        """Answer in the application's stead, and close."""
        if self.cycle is not None and not self.cycle.response_complete:
            # The application is told that the client has left; what it still says goes nowhere.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            headers = [*self.server_state.default_headers, *_headers(status, detail)]
            head = b"".join(b"%b: %b\r\n" % header for header in headers)
            self.transport.write(STATUS_LINE[status] + head + b"\r\n" + problem_bytes(status, detail))
        self.transport.close()

    def shutdown(self) -> None:
        """The process ends. What is under way is finished; what comes yet is told to go elsewhere."""
        if not self._is_answered:
            super().shutdown()
            return
        self.app = _leaving
        self.loop.call_later(self.patience.leave_s, self._close_if_idle)

    def _close_if_idle(self) -> None:
        if self._is_answered:
            self.transport.close()


async def _leaving(_scope: Any, _receive: Any, send: Any) -> None:
    detail = "this process ends; try again"
    await send({"type": "http.response.start", "status": 503, "headers": _headers(503, detail)})
    await send({"type": "http.response.body", "body": problem_bytes(503, detail)})


def _headers(status: int, detail: str) -> list[tuple[bytes, bytes]]:
    headers = [
        (b"content-type", PROBLEM_JSON.encode()),
        (b"content-length", b"%d" % len(problem_bytes(status, detail))),
        (b"cache-control", b"no-store"),
        (b"content-security-policy", API_POLICY.encode()),
        (b"connection", b"close"),
    ]
    return headers + ([(b"retry-after", b"1")] if status == 503 else [])


def allow_open_files() -> None:
    """Every connection is an open file, and shells allow a process 1,024 unless it asks for more."""
    wanted = Patience().connections + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _allowed_files() -> int:
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1_000_000 if soft == resource.RLIM_INFINITY else soft
