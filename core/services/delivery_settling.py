"""What becomes of deliveries once their message was sent, or was not."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, bindparam, update
from sqlalchemy.orm import Session

from core import clock
from core.database import dialect_of
from core.queries.deliveries import CHANNELS, DELIVERIES, IS_WAITING, has_got_through
from core.rules.deliveries import JITTER_PERCENT, Fate, Outcome, next_try_at
from core.rules.messages import Message
from core.services.dialects import recordset
from core.services.locks import lock_users
from core.services.notifications import NewNotification, notify

DISABLED = "channel.disabled"

AWAY_PAUSE = timedelta(seconds=60)
"""So much later a message is tried again that nothing could be done with."""

MAX_ERROR_CHARACTERS = 500

GIVEN_UP = "nothing has got through for three days"

_KEY = (
    DELIVERIES.c.user_id == bindparam("owner"),
    DELIVERIES.c.id == bindparam("its_id"),
    DELIVERIES.c.attempts == bindparam("its_attempts"),
    IS_WAITING,
)
CHANGED = ("state", "available_at", "first_tried_at", "last_status", "last_error", "sent_at")
SETTLE_ONE = update(DELIVERIES).where(*_KEY).values({name: bindparam(f"new_{name}") for name in CHANGED})
_GIVEN = recordset(
    "rows",
    {
        "owner": DELIVERIES.c.user_id.type,
        "its_id": DELIVERIES.c.id.type,
        "its_attempts": DELIVERIES.c.attempts.type,
        **{f"new_{name}": DELIVERIES.c[name].type for name in CHANGED},
    },
)
SETTLE_MANY = (
    update(DELIVERIES)
    .where(
        DELIVERIES.c.user_id == _GIVEN.c.owner,
        DELIVERIES.c.id == _GIVEN.c.its_id,
        DELIVERIES.c.attempts == _GIVEN.c.its_attempts,
        IS_WAITING,
    )
    .values({name: _GIVEN.c[f"new_{name}"] for name in CHANGED})
)
SWITCH_OFF = (
    update(CHANNELS)
    .where(
        CHANNELS.c.user_id == bindparam("owner"),
        CHANNELS.c.id == bindparam("its_id"),
        CHANNELS.c.state == "active",
    )
    .values(
        state="off",
        off_reason=bindparam("reason"),
        off_at=bindparam("now"),
        version=CHANNELS.c.version + 1,
        updated_at=bindparam("now"),
    )
    .returning(
        CHANNELS.c.user_id, CHANNELS.c.id, CHANNELS.c.kind, CHANNELS.c.name, CHANNELS.c.url, CHANNELS.c.host
    )
)
END_REST = (
    update(CHANNELS)
    .where(CHANNELS.c.user_id == bindparam("owner"), CHANNELS.c.id == bindparam("its_id"))
    .values(sent_at=None)
)

Channel = tuple[UUID, UUID]


@dataclass(frozen=True, slots=True)
class Settled:
    """A message that was tried, and how that ended."""

    message: Message
    outcome: Outcome


def settle_messages(session: Session, settled: Sequence[Settled]) -> list[Message]:
    """Note how messages have ended, as far as their leases still hold.

    A channel whose other end wants nothing any more, or that nothing has got through on for three days, is
    switched off, and its user is told on all the others.

    Answers the messages that are not tried any more.
    """
    now = clock.now()
    rows: list[dict[str, Any]] = []
    switched_off: dict[Channel, str] = {}
    resting_no_more: set[Channel] = set()
    dead: list[Message] = []
    for one in settled:
        receiver = one.message.receiver
        if one.outcome.fate is not Fate.SENT and receiver.kind != "webhook":
            resting_no_more.add((receiver.user_id, receiver.id))
        new, reason = _new_values(session, one, now)
        rows += new
        if any(values["new_state"] == "dead" for values in new):
            dead.append(one.message)
        if reason is not None:
            switched_off[receiver.user_id, receiver.id] = reason
    # Users, channels, deliveries: in this order everywhere, so that nobody waits in a circle.
    _switch_off(session, switched_off, now)
    for owner, channel_id in sorted(resting_no_more):
        session.execute(END_REST, {"owner": owner, "its_id": channel_id})
    rows.sort(key=lambda row: (row["owner"], row["its_id"]))
    if dialect_of(session) == "postgresql":
        session.execute(SETTLE_MANY, {"rows": msgspec.json.encode(rows).decode()})
    elif rows:
        session.execute(SETTLE_ONE, rows)
    return dead


def _new_values(session: Session, settled: Settled, now: datetime) -> tuple[list[dict[str, Any]], str | None]:
    """What a message's deliveries become, and why its channel is to be switched off, if it is."""
    message, outcome = settled.message, settled.outcome
    owner, channel_id = message.receiver.user_id, message.receiver.id
    rows, reason = [], outcome.error if outcome.fate is Fate.GONE else None
    # Those of one message come up again together.
    jitter = secrets.randbelow(JITTER_PERCENT + 1)
    for part in message.parts:
        values = _values_of(outcome, part.first_tried_at, now, jitter)
        is_given_up = values["new_state"] == "dead" and outcome.fate is Fate.FAILED
        if is_given_up and not has_got_through(
            session, user_id=owner, channel_id=channel_id, since=part.first_tried_at
        ):
            reason = f"{GIVEN_UP}; the last time: {outcome.error}"
        rows.append({"owner": owner, "its_id": part.delivery_id, "its_attempts": part.attempts, **values})
    return rows, reason


def _values_of(outcome: Outcome, first_tried_at: datetime, now: datetime, jitter: int) -> dict[str, Any]:
    state, available_at = "failed", now
    first: datetime | None = first_tried_at
    match outcome.fate:
        case Fate.SENT:
            state = "sent"
        case Fate.GONE | Fate.MOOT:
            state = "dead"
        case Fate.AWAY:
            # However long that lasts, no message is given up for it.
            available_at, first = now + AWAY_PAUSE, None
        case Fate.FAILED:
            again_at = next_try_at(
                first_tried_at=first_tried_at,
                now=now,
                jitter_percent=jitter,
                retry_after=outcome.retry_after,
            )
            state, available_at = ("dead", now) if again_at is None else ("failed", again_at)
    return {
        "new_state": state,
        "new_available_at": available_at,
        "new_first_tried_at": first,
        "new_last_status": outcome.status,
        "new_last_error": outcome.error[:MAX_ERROR_CHARACTERS] or None,
        "new_sent_at": now if state == "sent" else None,
    }


def _switch_off(session: Session, reasons: Mapping[Channel, str], now: datetime) -> None:
    if not reasons:
        return
    users = lock_users(session, {owner for owner, _ in reasons})
    news = []
    for owner, channel_id in sorted(reasons):
        reason = reasons[owner, channel_id]
        parameters = {"owner": owner, "its_id": channel_id, "reason": reason, "now": now}
        channel = session.execute(SWITCH_OFF, parameters).first()
        if channel is not None and owner in users:
            news.append(NewNotification(owner, DISABLED, _notice(channel, reason)))
    notify(session, news, users=users)


def _notice(channel: Row[Any], reason: str) -> dict[str, Any]:
    """What is told of a channel that was switched off. Its URL may hold secrets, so it is cut short."""
    return {
        "channel_id": str(channel.id),
        "kind": channel.kind,
        "name": channel.name,
        "url": shown_url(channel.kind, channel.url, channel.host),
        "reason": reason,
    }


def shown_url(kind: str, url: str, host: str) -> str | None:
    """Scheme and host of a channel's URL; of a public push service the scheme, as the host is a token."""
    if kind == "email":
        return None
    scheme = url.partition("://")[0].lower()
    return f"{scheme}://…" if host == scheme else f"{scheme}://{host}"
