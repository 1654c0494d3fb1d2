"""The audit trail: what was done in an account is written down in the transaction that does it.

Events are collected while the transaction goes on and chained as its last step, so the lock of the user's
chain is held for no longer than a commit takes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Boolean, Text, bindparam, delete, func, insert, select, update
from sqlalchemy.orm import Session

from core import clock
from core.database import after_commit, before_commit
from core.logging import AUDIT, get_logger
from core.models import AuditEvent, AuditHead, table_of
from core.rules.audit_chain import BEGINNING, ChainedEvent, chain_hash
from core.services.dialects import insert_into, recordset

EVENTS, HEADS = table_of(AuditEvent), table_of(AuditHead)

COLLECTED = "outlay.audit"

LOCK = (
    select(HEADS.c.user_id, HEADS.c.seq, HEADS.c.at, HEADS.c.hash)
    .where(HEADS.c.user_id.in_(bindparam("user_ids", expanding=True)))
    # In key order, so that two transactions never wait for each other in a circle.
    .order_by(HEADS.c.user_id)
    .with_for_update()
)
MOVE = (
    update(HEADS)
    .where(HEADS.c.user_id == bindparam("its_id"))
    .values(seq=bindparam("newest"), at=bindparam("its_time"), hash=bindparam("its_hash"))
)
APPEND = insert(EVENTS).inline()
_GIVEN = recordset(
    "events", {one.name: one.type for one in EVENTS.columns} | {"hash": Text(), "is_newest": Boolean()}
)
_HASH = func.decode(_GIVEN.c.hash, "base64")
_APPENDED = (
    insert(EVENTS)
    .from_select(
        [one.name for one in EVENTS.columns],
        select(*(_HASH if one.name == "hash" else _GIVEN.c[one.name] for one in EVENTS.columns)),
    )
    .inline()
    .cte("appended")
)
APPEND_AND_MOVE = (
    update(HEADS)
    .where(HEADS.c.user_id == _GIVEN.c.user_id, _GIVEN.c.is_newest)
    .values(seq=_GIVEN.c.seq, at=_GIVEN.c.at, hash=_HASH)
    .add_cte(_APPENDED)
)
"""PostgreSQL takes all events of a transaction, and the heads, in one statement. One for each event would
take twice as long."""

EVERYDAY = frozenset({"expense", "category", "budget", "notification", "recurring_expense", "rule"})
"""Nouns of actions that the log is not told of one by one: what is done all day is in the trail itself. Not
those that only begin like them: `notification_settings`."""

encode = msgspec.json.Encoder().encode

log = get_logger(AUDIT)


@dataclass(frozen=True, slots=True)
class Origin:
    """From where something was done: by which session or API key, and from which address."""

    session_id: UUID | None = None
    ip_address: str | None = None
    request_id: str | None = None


UNKNOWN = Origin()


@dataclass(frozen=True, slots=True)
class Action:
    """What was done in the account of `user_id`: `name` as `noun.verb`, such as `budget.changed`.

    `changes` are the names of changed fields, with the new value only where that is neither secret nor
    private: administrators read it, who never see amounts or notes.
    """

    user_id: UUID
    name: str
    actor_id: UUID | None = None
    object_id: UUID | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
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
    end = session.execute(LOCK, {"user_ids": [user_id]}).first()
    seq, digest = (0, BEGINNING) if end is None else (end.seq, end.hash)

    def tell(_session: Session) -> None:
        log.info("account.deleted", user_id=user_id, actor=actor, seq=seq, hash=bytes(digest).hex())

    after_commit(session, tell)


def erase_trail(session: Session, *, user_id: UUID) -> None:
    """Delete the trail of an account that is deleted itself. Before that, the database refuses it."""
    session.execute(delete(EVENTS).where(EVENTS.c.user_id == user_id))


def _append(session: Session) -> None:
    actions: list[Action] = session.info.pop(COLLECTED)
    heads = _lock_heads(session, {action.user_id for action in actions})
    now, rows = clock.now(), []
    for action in actions:
        seq, _, previous = heads[action.user_id]
        event = ChainedEvent(
            user_id=action.user_id,
            seq=seq + 1,
            at=now,
            actor_id=action.actor_id,
            action=action.name,
            object_id=action.object_id,
            details=action.details,
        )
        digest = chain_hash(previous, event)
        heads[action.user_id] = (event.seq, now, digest)
        rows.append({**_columns(event), "hash": digest})
    newest = {user_id: seq for user_id, (seq, _, _) in heads.items()}
    if session.get_bind().dialect.name == "postgresql":
        given = [{**row, "is_newest": row["seq"] == newest[row["user_id"]]} for row in rows]
        session.execute(APPEND_AND_MOVE, {"events": encode(given).decode()})
    else:
        session.execute(APPEND, rows)
        session.execute(MOVE, [_moved(row) for row in rows if row["seq"] == newest[row["user_id"]]])
    after_commit(session, partial(_tell, actions))


def _moved(newest: Mapping[str, Any]) -> dict[str, Any]:
    its = {"user_id": "its_id", "seq": "newest", "at": "its_time", "hash": "its_hash"}
    return {parameter: newest[name] for name, parameter in its.items()}


def _lock_heads(session: Session, user_ids: set[UUID]) -> dict[UUID, tuple[int, datetime, bytes]]:
    wanted = {"user_ids": sorted(user_ids)}
    found = {row.user_id: (row.seq, row.at, row.hash) for row in session.execute(LOCK, wanted)}
    missing = [
        {"user_id": user_id, "seq": 0, "at": clock.now(), "hash": BEGINNING}
        for user_id in sorted(user_ids - found.keys())
    ]
    if missing:
        session.execute(insert_into(session, HEADS).on_conflict_do_nothing(), missing)
        found = {row.user_id: (row.seq, row.at, row.hash) for row in session.execute(LOCK, wanted)}
    return found


def _columns(event: ChainedEvent) -> dict[str, Any]:
    return {name: getattr(event, name) for name in ChainedEvent.__slots__}


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
