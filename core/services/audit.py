"""The audit trail: what was done in an account is written down in the transaction that does it.

Events are collected while the transaction goes on and chained as its last step, so the lock of the user's
chain is held for no longer than a commit takes.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from core import clock
from core.database import after_commit, before_commit, dialect_of, driver_of
from core.logging import AUDIT, get_logger
from core.models import AuditEvent, AuditHead, table_of
from core.rules.audit_chain import BEGINNING, link_hash, microseconds

EVENTS, HEADS = table_of(AuditEvent), table_of(AuditHead)

COLLECTED = "outlay.audit"

_APPEND = "SELECT append_to_audit(%s::json, %s)"
"""PostgreSQL chains the events by itself (migration 0029). To look the heads up first, and then send what was
chained here, would make the transaction of an expense take half as long again."""

_READ_HEADS = """
SELECT user_id, seq, hash FROM audit_heads WHERE user_id IN (SELECT value FROM json_each(?))
"""
_ADD_EVENTS = """
INSERT INTO audit_events (user_id, seq, at, actor_id, action, object_id, details, hash)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_MOVE_HEADS = """
INSERT INTO audit_heads (user_id, seq, at, hash) VALUES (?, ?, ?, ?)
ON CONFLICT (user_id) DO UPDATE SET seq = excluded.seq, at = excluded.at, hash = excluded.hash
"""
"""All of them past SQLAlchemy, whose work on them would take longer than theirs."""

EVERYDAY = frozenset({"expense", "category", "budget", "notification", "recurring_expense", "rule"})
"""Nouns of actions that the log is not told of one by one: what is done all day is in the trail itself. Not
those that only begin like them: `notification_settings`."""

encode = msgspec.json.Encoder().encode

log = get_logger(AUDIT)


class Origin(msgspec.Struct, frozen=True, omit_defaults=True):
    """From where something was done: by which session or API key, and from which address."""

    session_id: UUID | None = None
    ip_address: str | None = None
    request_id: str | None = None


UNKNOWN = Origin()


class _Details(Origin, frozen=True, omit_defaults=True):
    changes: Mapping[str, Any] | None = None


class Action(msgspec.Struct, frozen=True):
    """What was done in the account of `user_id`: `name` as `noun.verb`, such as `budget.changed`.

    `changes` are the names of changed fields, with the new value only where that is neither secret nor
    private: administrators read it, who never see amounts or notes.
    """

    user_id: UUID
    name: str
    actor_id: UUID | None = None
    object_id: UUID | None = None
    changes: Mapping[str, Any] = {}
    origin: Origin = UNKNOWN

    @property
    def details(self) -> str:
        origin = self.origin
        details = _Details(origin.session_id, origin.ip_address, origin.request_id, self.changes or None)
        return encode(details).decode()


def record_action(session: Session, action: Action) -> None:
    """Add to the user's trail, in this transaction."""
    if COLLECTED not in session.info:
        session.info[COLLECTED] = []
        before_commit(session, _append)
    session.info[COLLECTED].append(action)


def tell_of_end(session: Session, *, user_id: UUID, actor: str) -> None:
    """Have the log say once it is done that an account was deleted, and where its trail has ended."""
    its_head = select(HEADS.c.seq, HEADS.c.hash).where(HEADS.c.user_id == user_id).with_for_update()
    seq, digest = session.execute(its_head).one_or_none() or (0, BEGINNING)

    def tell(_session: Session) -> None:
        log.info("account.deleted", user_id=user_id, actor=actor, seq=seq, hash=bytes(digest).hex())

    after_commit(session, tell)


def erase_trail(session: Session, *, user_id: UUID) -> None:
    """Delete the trail of an account that is deleted itself. Before that, the database refuses it."""
    session.execute(delete(EVENTS).where(EVENTS.c.user_id == user_id))


def _append(session: Session) -> None:
    actions: list[Action] = session.info.pop(COLLECTED)
    now = clock.now()
    if dialect_of(session) == "postgresql":
        events = encode([_event(action) for action in actions]).decode()
        with driver_of(session) as connection:
            connection.execute(_APPEND, (events, now))
    else:
        _append_chained(session, actions, now)
    after_commit(session, partial(_tell, actions))


def _event(action: Action) -> dict[str, Any]:
    return {
        "user_id": action.user_id,
        "actor_id": action.actor_id,
        "action": action.name,
        "object_id": action.object_id,
        "details": action.details,
    }


def _append_chained(session: Session, actions: Sequence[Action], now: datetime) -> None:
    """As `_APPEND`, for SQLite, where nobody else writes meanwhile; ids and instants as they stand there."""
    at, at_us = f"{now:%Y-%m-%d %H:%M:%S.%f}", microseconds(now)
    users = {action.user_id.hex for action in actions}
    heads = dict.fromkeys(users, (0, BEGINNING))
    rows = []
    with driver_of(session) as connection:
        for user, seq, digest in connection.execute(_READ_HEADS, (encode(users).decode(),)):
            heads[user] = seq, digest
        for action in actions:
            user, actor, object_ = action.user_id.hex, _digits(action.actor_id), _digits(action.object_id)
            seq, digest = heads[user]
            seq, details = seq + 1, action.details
            digest = link_hash(
                digest,
                user=user,
                seq=seq,
                at_us=at_us,
                actor=actor,
                action=action.name,
                object_=object_,
                details=details,
            )
            heads[user] = seq, digest
            rows.append((user, seq, at, actor, action.name, object_, details, digest))
        connection.executemany(_ADD_EVENTS, rows)
        connection.executemany(
            _MOVE_HEADS, [(user, seq, at, digest) for user, (seq, digest) in heads.items()]
        )


def _digits(given: UUID | None) -> str | None:
    return None if given is None else given.hex


def _tell(actions: list[Action], _session: Session) -> None:
    for action in actions:
        if action.name.partition(".")[0] not in EVERYDAY:
            log.info(
                "audit.event",
                action=action.name,
                user_id=action.user_id,
                actor_id=action.actor_id,
                object_id=action.object_id,
            )
