"""TCP ports: is one free, and which one to take for a server of our own."""

import errno
import random
import socket
from contextlib import ExitStack

from core.errors import ConfigurationError

LOOPBACK = "127.0.0.1"
ANY_ADDRESS = {"0.0.0.0", "::", ""}  # noqa: S104 - compared with, not listened on

FIRST_OWN_PORT, LAST_OWN_PORT = 20_000, 32_000
"""Below the range from which Linux takes the near ends of connections (32768 and up). Within that range a
client that keeps reconnecting to a server that is down can get connected to itself and block the port."""

ATTEMPTS = 50
"""Enough by far: nearly all ports of the range are free on any machine."""


def free_port() -> int:
    """A loopback port on which nobody listens now."""
    for _ in range(ATTEMPTS):
        port = random.randint(FIRST_OWN_PORT, LAST_OWN_PORT)  # noqa: S311 - no secret
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
    raise ConfigurationError(f"no free port between {FIRST_OWN_PORT} and {LAST_OWN_PORT}")


def require_free(wanted: dict[str, tuple[str, int]]) -> None:
    """See that one can listen on every wanted address, and on all at once.

    Args:
        wanted: the prefix of the variables (`OUTLAY_API`) with its host and port.

    Raises:
        ConfigurationError: names the variable whose value cannot be used, and why.
    """
    with ExitStack() as probes:
        for prefix, (host, port) in wanted.items():
            try:
                family, kind, protocol, _, address = socket.getaddrinfo(
                    host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
                )[0]
                probe = probes.enter_context(socket.socket(family, kind, protocol))
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
                # Two sockets that allow reuse can share an address until one of them listens.
                probe.listen(1)
            except OSError as error:
                raise ConfigurationError(_reason(prefix, host, port, error)) from error


def reachable(host: str, port: int) -> str:
    """Where a server that listens on the host is reached from this machine."""
    name = LOOPBACK if host in ANY_ADDRESS else host
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def _reason(prefix: str, host: str, port: int, error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"{prefix}_PORT: port {port} on {host} is taken; set {prefix}_PORT to a free one"
        case errno.EACCES:
            return f"{prefix}_PORT: may not listen on port {port}; set {prefix}_PORT to one above 1023"
        case _:
            return f"{prefix}_HOST: cannot listen on {host}: {error.strerror}"
