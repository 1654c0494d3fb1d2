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
from sqlalchemy import DateTime, Text, bindparam, delete, insert, select, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import Session

from core import clock
from core.database import after_commit, before_commit, dialect_of
from core.logging import AUDIT, get_logger
from core.many_rows import execute_for_rows
from core.models import AuditEvent, AuditHead, table_of
from core.rules.audit_chain import BEGINNING, link_hash, microseconds

EVENTS, HEADS = table_of(AuditEvent), table_of(AuditHead)

COLLECTED = "outlay.audit"

APPEND = text("SELECT append_to_audit(CAST(:events AS json), :at)").bindparams(
    bindparam("events", type_=Text), bindparam("at", type_=DateTime(timezone=True))
)
"""PostgreSQL chains the events by itself (migration 0029). To look the heads up first, and then send what was
chained here, would make the transaction of an expense take half as long again."""

_HEADS = select(HEADS.c.user_id, HEADS.c.seq, HEADS.c.hash).where(
    HEADS.c.user_id.in_(bindparam("user_ids", expanding=True))
)
_EVENTS = insert(EVENTS)
_NEW_HEAD = sqlite.insert(HEADS)
_MOVE = _NEW_HEAD.on_conflict_do_update(
    index_elements=[HEADS.c.user_id],
    set_={name: _NEW_HEAD.excluded[name] for name in ("seq", "at", "hash")},
)

EVERYDAY = frozenset({"expense", "category", "budget", "notification", "recurring_expense", "rule"})
"""Nouns of actions that the log is not told of one by one: what is done all day is in the trail itself. Not
those that only begin like them: `notification_settings`."""

encode = msgspec.json.Encoder().encode

log = get_logger(AUDIT)


class Origin(msgspec.Struct, frozen=True):
    """From where something was done: by which session or API key, and from which address."""

    session_id: UUID | None = None
    ip_address: str | None = None
    request_id: str | None = None


UNKNOWN = Origin()


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
        given = {
            "session_id": self.origin.session_id,
            "ip_address": self.origin.ip_address,
            "request_id": self.origin.request_id,
            "changes": self.changes or None,
        }
        return encode({name: value for name, value in given.items() if value}).decode()


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
    events = [_event(action) for action in actions]
    now = clock.now()
    if dialect_of(session) == "postgresql":
        session.execute(APPEND, {"events": encode(events).decode(), "at": now})
    else:
        _append_chained(session, events, now)
    after_commit(session, partial(_tell, actions))


def _event(action: Action) -> dict[str, Any]:
    return {
        "user_id": action.user_id,
        "actor_id": action.actor_id,
        "action": action.name,
        "object_id": action.object_id,
        "details": action.details,
    }


def _append_chained(session: Session, events: Sequence[dict[str, Any]], now: datetime) -> None:
    """As `APPEND`, for SQLite, where nobody else writes meanwhile."""
    at_us = microseconds(now)
    user_ids = {event["user_id"] for event in events}
    heads = {user_id: {"user_id": user_id, "seq": 0, "hash": BEGINNING} for user_id in user_ids}
    for row in session.connection().execute(_HEADS, {"user_ids": list(user_ids)}).mappings():
        heads[row["user_id"]] = dict(row)
    for event in events:
        head = heads[event["user_id"]]
        head["seq"] += 1
        head["hash"] = link_hash(
            head["hash"],
            user=event["user_id"].hex,
            seq=head["seq"],
            at_us=at_us,
            actor=_digits(event["actor_id"]),
            action=event["action"],
            object_=_digits(event["object_id"]),
            details=event["details"],
        )
        event |= {"seq": head["seq"], "at": now, "hash": head["hash"]}
    execute_for_rows(session, _EVENTS, events)
    execute_for_rows(session, _MOVE, ({**head, "at": now} for head in heads.values()))


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
