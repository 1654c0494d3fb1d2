"""What is sent to a client, and what is told of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from core import clock
from core.logging import get_logger
from ws_gateway.measures import measures

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A notification as a client gets it, with the requests behind it as far as they are known."""

    seq: int
    body: bytes
    created_at: datetime
    source: Literal["live", "stored"]
    request_ids: Sequence[str] = ()


def tell_sent(message: Outgoing, *, user_id: UUID, connected_at: datetime) -> None:
    """A line and figures of what was handed to the socket.

    What the client has missed while it was away says nothing of how late we are, and after a long absence it
    would be thousands of lines.
    """
    measures().sent.labels(message.source).inc()
    was_there = message.created_at >= connected_at
    # The clock of whoever wrote it may be ahead of ours.
    lag_s = max((clock.now() - message.created_at).total_seconds(), 0.0)
    if was_there:
        measures().lag.observe(lag_s)
    (log.info if was_there else log.debug)(
        "notification.sent",
        user_id=user_id,
        seq=message.seq,
        source=message.source,
        lag_ms=round(lag_s * 1_000, 1),
        request_ids=message.request_ids,
    )
