"""Clients of the gateway: one socket, and a listener that comes back whenever it is cut off."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Self

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from tests.cast import Person
from tests.system.system import PATIENCE_S, System

RECONNECT_PAUSE_S = 0.1


@contextmanager
def open_socket(system: System, person: Person, *, since: int | None = None) -> Iterator[ClientConnection]:
    """A socket that has said who it is."""
    # Connecting to the loopback needs no proxy, whatever the environment names.
    with connect(system.gateway_url, proxy=None, open_timeout=PATIENCE_S, close_timeout=1) as socket:
        token = person.tokens["access_token"]
        socket.send(json.dumps({"type": "auth", "token": token, "since": since}))
        yield socket


def receive(socket: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(socket.recv(PATIENCE_S))
    return message


def until_ready(socket: ClientConnection) -> tuple[list[dict[str, Any]], int]:
    """The notifications that are replayed, and the number that the gateway is ready at."""
    replayed = []
    while (message := receive(socket))["type"] != "ready":
        replayed.append(message)
    return replayed, int(message["seq"])


class Listener:
    """Notes every notification of a person; when it is cut off it comes back with `since`."""

    def __init__(self, system: System, person: Person) -> None:
        self._system = system
        self._person = person
        self._is_closed = threading.Event()
        self.messages: list[dict[str, Any]] = []
        self.connections = 0
        self._thread = threading.Thread(target=self._run, name=f"listener of {person.username}", daemon=True)
        self._thread.start()

    @property
    def seqs(self) -> list[int]:
        return [message["seq"] for message in self.messages]

    @property
    def last_seq(self) -> int:
        return int(self.messages[-1]["seq"]) if self.messages else 0

    def close(self) -> None:
        self._is_closed.set()
        self._thread.join(PATIENCE_S)

    def _run(self) -> None:
        while not self._is_closed.is_set():
            # Whatever cut it off: it comes back, and says how far it had got.
            with suppress(OSError, WebSocketException, EOFError):
                self._listen()
            self._is_closed.wait(RECONNECT_PAUSE_S)

    def _listen(self) -> None:
        with open_socket(self._system, self._person, since=self.last_seq) as socket:
            self.connections += 1
            while not self._is_closed.is_set():
                with suppress(TimeoutError):
                    message = json.loads(socket.recv(RECONNECT_PAUSE_S))
                    if message["type"] == "notification":
                        self.messages.append(message)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
