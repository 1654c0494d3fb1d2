"""A real HTTP server in threads of the test process, and what it has been sent."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

from core.commands.ports import LOOPBACK

PATIENCE_S = 30.0


@dataclass(frozen=True)
class Received:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> Any:
        """The body, once the library of Standard Webhooks has verified it."""
        return Webhook(secret).verify(self.body, self.headers)


@dataclass(frozen=True)
class Reply:
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"ok"


@dataclass
class Receiver:
    """`reply` decides what a request is answered with; while `gate` is closed nobody gets an answer."""

    reply: Callable[[Received], Reply] = lambda _request: Reply()
    received: list[Received] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    port: int = 0
    most_at_once: int = 0
    _at_once: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.gate.set()

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}/hook"

    def url_of(self, host: str) -> str:
        """The same receiver by another of the loopback's names, `127.0.0.2` and so on."""
        return f"http://{host}:{self.port}/hook"

    @property
    def ids(self) -> list[str]:
        return [request.id for request in self.received]

    @contextmanager
    def running(self) -> Iterator["Receiver"]:
        server = _Server(("0.0.0.0", self.port), self._handler())
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.gate.set()
            server.shutdown()
            server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                receiver._answer(self, Received(self.path, dict(self.headers.items()), body))

            def log_message(self, *_arguments: Any) -> None:
                """Nothing: the test shows what matters."""

        return Handler

    def _answer(self, handler: BaseHTTPRequestHandler, request: Received) -> None:
        with self._lock:
            self.received.append(request)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            self.gate.wait(PATIENCE_S)
            reply = self.reply(request)
            handler.send_response(reply.status)
            for name, value in {**reply.headers, "Content-Length": str(len(reply.body))}.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(reply.body)
        except (BrokenPipeError, ConnectionResetError):
            handler.close_connection = True  # the other side has had enough
        finally:
            with self._lock:
                self._at_once -= 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    block_on_close = False
