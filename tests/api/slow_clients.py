"""Clients over bare sockets, and an API that has little patience with them."""

import contextlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from api.connections import ApiProtocol, Patience

LITTLE = Patience(
    connections=50,
    head_s=2.0,
    body_s=2.0,
    body_bytes_per_s=1_000_000,
    reading_s=1.0,
    linger_s=0.5,
    idle_s=1.0,
)

PATIENCE_S = 10.0
"""Of the tests, on a machine that does much else at the time."""


class ImpatientProtocol(ApiProtocol):
    patience = LITTLE


@contextmanager
def connected(client: httpx.Client, **options: int) -> Iterator[socket.socket]:
    """A connection to the API that the client speaks to."""
    raw = socket.socket()
    with raw:
        raw.settimeout(PATIENCE_S)
        if "receive_buffer" in options:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options["receive_buffer"])
        raw.connect((client.base_url.host, client.base_url.port or 0))
        yield raw


def answer_of(raw: socket.socket) -> str:
    """All that comes until the API closes the connection."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := raw.recv(65_536):
            received += piece
    return received.decode()


def head(method: str, path: str, client: httpx.Client, **headers: Any) -> bytes:
    """A request's head, with the credentials of the client."""
    own = {"Host": "test", "Authorization": client.headers.get("Authorization", ""), **headers}
    lines = [
        f"{method} {path} HTTP/1.1",
        *(f"{name.replace('_', '-')}: {value}" for name, value in own.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode()
