"""A load generator: HTTP/1.1 over a fixed number of connections, each sending its next request at once.

It speaks to the socket itself: a full HTTP client would take more of the machine's cores than the server.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import median

WARM_UP_S = 1.0
"""Requests that are sent but not counted: pools fill, statements are prepared."""


@dataclass
class Outcome:
    """What a run measured: requests a second, and their latencies in milliseconds."""

    seconds: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return len(self.latencies_ms) / self.seconds

    def percentile(self, share: float) -> float:
        ordered = sorted(self.latencies_ms)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@dataclass(frozen=True)
class Summary:
    """The median of several runs."""

    rate: float
    p50_ms: float
    p99_ms: float

    @classmethod
    def of(cls, runs: list[Outcome]) -> "Summary":
        for run in runs:
            if run.failures:
                raise RuntimeError(f"{len(run.failures)} requests failed; the first: {run.failures[0]}")
        return cls(
            median(run.rate for run in runs),
            median(run.percentile(0.5) for run in runs),
            median(run.percentile(0.99) for run in runs),
        )


def request(method: str, path: str, token: str = "", body: bytes = b"") -> bytes:
    """The bytes of a request."""
    head = f"{method} {path} HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(body)}\r\n"
    if body:
        head += "Content-Type: application/json\r\n"
    if token:
        head += f"Authorization: Bearer {token}\r\n"
    return head.encode() + b"\r\n" + body


async def run_load(
    port: int, requests: Iterator[bytes], *, connections: int, seconds: float, warm_up_s: float = WARM_UP_S
) -> Outcome:
    """Send requests over so many connections for so long; failures are answers other than 2xx."""
    outcome = Outcome()
    start = time.perf_counter() + warm_up_s
    clients = [_Client(requests, outcome, start, start + seconds) for _ in range(connections)]
    loop = asyncio.get_running_loop()
    for client in clients:
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*(client.done for client in clients))
    outcome.seconds = seconds
    return outcome


class _Client(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    def __init__(self, requests: Iterator[bytes], outcome: Outcome, start: float, end: float) -> None:
        self._requests, self._outcome, self._start, self._end = requests, outcome, start, end
        self._buffer = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        length = _answer_length(self._buffer)
        if length is None or len(self._buffer) < length:
            return
        answer, self._buffer = self._buffer[:length], self._buffer[length:]
        now = time.perf_counter()
        if answer[9:10] != b"2":
            self._outcome.failures.append(answer[:500].decode(errors="replace"))
        elif self._start <= self._sent_at and now <= self._end:
            self._outcome.latencies_ms.append((now - self._sent_at) * 1000)
        if now >= self._end:
            self._transport.close()
        else:
            self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)
        if error is not None:
            self._outcome.failures.append(repr(error))

    def _send(self) -> None:
        following = next(self._requests, None)
        if following is None:
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(following)


def _answer_length(buffer: bytes) -> int | None:
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = buffer[:end].lower()
    at = head.find(b"content-length:")
    length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
    return end + 4 + length


def measure(
    port: int, make_requests: Callable[[], Iterator[bytes]], *, connections: int, seconds: float, runs: int
) -> Summary:
    """The median of several runs."""
    return Summary.of(
        [
            asyncio.run(run_load(port, make_requests(), connections=connections, seconds=seconds))
            for _ in range(runs)
        ]
    )
