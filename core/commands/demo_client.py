"""What `make demo` needs of a client: JSON over HTTP, and the alerts of one user as they arrive."""

import json
import threading
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from time import perf_counter
from typing import Any, Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from core.errors import OutlayError

TIMEOUT_S = 10.0


class DemoError(OutlayError):
    """The system did not do what the demo needs."""


class Api:
    """One connection to the API, kept open; `token` is sent once it is set."""

    def __init__(self, address: str) -> None:
        self._connection = HTTPConnection(address, timeout=TIMEOUT_S)
        self._address = address
        self.token = ""

    def get(self, path: str) -> Any:
        return self._call("GET", path, None)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self._call("POST", path, body)

    def _call(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            self._connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = self._connection.getresponse()
            content = answer.read()
        except (OSError, HTTPException) as error:
            raise DemoError(
                f"no API answers at {self._address} ({error}); start one with: make run"
            ) from error
        if answer.status >= 400:
            raise DemoError(
                f"{method} {path} was answered {answer.status}: {content.decode(errors='replace')}"
            )
        return json.loads(content)


@dataclass(slots=True)
class Alerts:
    """The budget alerts of a user, noted with the time at which each arrived."""

    socket: ClientConnection
    received: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    @classmethod
    def listen(cls, address: str, token: str) -> Self:
        """Connect, authenticate, and note alerts from now on."""
        try:
            socket = connect(f"ws://{address}/ws/notifications", proxy=None, open_timeout=TIMEOUT_S)
            socket.send(json.dumps({"type": "auth", "token": token, "since": None}))
            ready = json.loads(socket.recv(TIMEOUT_S))
        except (OSError, ConnectionClosed) as error:
            raise DemoError(
                f"no gateway lets us in at {address} ({error}); start one with: make run"
            ) from error
        if ready["type"] != "ready":
            raise DemoError(f"the gateway began with {ready}")
        alerts = cls(socket)
        threading.Thread(target=alerts._note, daemon=True).start()
        return alerts

    def wait_for(self, count: int, timeout_s: float) -> None:
        """Return as soon as so many alerts have arrived, or after the time."""
        with self.changed:
            self.changed.wait_for(lambda: len(self.received) >= count, timeout_s)

    def _note(self) -> None:
        for text in self.socket:
            arrived = perf_counter()
            message = json.loads(text)
            if message.get("kind") == "budget.threshold":
                with self.changed:
                    self.received.append((arrived, message["data"]))
                    self.changed.notify_all()
