"""What is told of messages that were sent, or were not: ids and figures, never what they say or to whom."""

from collections.abc import Sequence
from typing import get_args

from core.logging import ALERT, get_logger
from core.rules.deliveries import Outcome
from core.rules.messages import Message
from core.rules.notification_kinds import ChannelKind
from workers.measures import measures

MAX_TOLD = 20
"""Numbers of notifications in a line; a mail may be of hundreds."""

alerts = get_logger(ALERT)


def begin_counting() -> None:
    """Tell of zero dead deliveries: of a series that begins with its first burst no increase is seen."""
    for kind in get_args(ChannelKind):
        measures().dead_deliveries.labels(kind)


def tell_tried(message: Message, outcome: Outcome, *, duration_s: float) -> None:
    receiver = message.receiver
    measures().delivery_seconds.labels(receiver.kind, outcome.fate).observe(duration_s)
    alerts.info(
        "delivery.tried",
        outcome=outcome.fate,
        channel=receiver.kind,
        channel_id=receiver.id,
        user_id=receiver.user_id,
        seqs=[part.seq for part in message.parts[:MAX_TOLD]],
        message_id=message.id,
        duration_ms=round(duration_s * 1_000, 1),
    )


def tell_dead(messages: Sequence[Message]) -> None:
    """Of those that are not tried any more, once that is noted."""
    for message in messages:
        receiver = message.receiver
        measures().dead_deliveries.labels(receiver.kind).inc(len(message.parts))
        alerts.warning(
            "delivery.dead",
            channel=receiver.kind,
            channel_id=receiver.id,
            user_id=receiver.user_id,
            message_id=message.id,
        )
