"""What has changed of a user's own data, in the order of numbers that `core/services/changes.py` gives.

A number becomes visible together with all numbers below it, and whatever is committed later gets a larger
one. So who has read up to a number misses nothing by asking only for what comes after it: see
`docs/decisions/0015-changes.md`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta
from sqlalchemy import (
    BigInteger,
    Select,
    String,
    Table,
    bindparam,
    cast,
    false,
    literal,
    null,
    select,
    true,
    union_all,
)

from core.database import Reader
from core.errors import StartOver
from core.models import Budget, Category, ChangeFeed, Deletion, Expense, RecurringExpense, table_of

Kind = Literal["category", "budget", "recurring_expense", "expense"]

NUMBERED: Mapping[Kind, Table] = {
    "category": table_of(Category),
    "budget": table_of(Budget),
    "recurring_expense": table_of(RecurringExpense),
    "expense": table_of(Expense),
}
"""What a copy consists of. What others refer to is numbered before them, so a first copy has it first."""

DELETIONS = table_of(Deletion)
FEEDS = table_of(ChangeFeed)

MAX_SEQ = 2**62
"""A forged token must not reach the database with what it cannot hold."""

Seq = Annotated[int, Meta(ge=0, le=MAX_SEQ)]


class Position(msgspec.Struct, array_like=True, frozen=True):
    """How far a client has read: up to the number `seq`, of what was numbered in the `epoch`.

    `start` was the newest number when the client began with nothing: what had gone by then it never had.
    """

    epoch: UUID
    seq: Seq
    start: Seq


@dataclass(frozen=True, slots=True)
class Change:
    """That something is new or different, or `is_gone` for good; `seq` is None until it has a number."""

    seq: int | None
    kind: Kind
    id: UUID
    is_gone: bool


@dataclass(frozen=True, slots=True)
class ChangePage:
    """Some changes in order, and where the next ones begin."""

    changes: Sequence[Change]
    next: Position
    has_more: bool

    @property
    def has_unnumbered(self) -> bool:
        return any(change.seq is None for change in self.changes)

    def ids(self, kind: Kind) -> list[UUID]:
        """Of what of this kind is there, or was when it was asked for."""
        return [change.id for change in self.changes if change.kind == kind and not change.is_gone]


FEED = select(FEEDS.c.epoch, FEEDS.c.seq, FEEDS.c.forgotten_seq).where(FEEDS.c.user_id == bindparam("owner"))


def _changed(kind: Kind, table: Table) -> tuple[Select[Any], Select[Any]]:
    """The rows that have a larger number, and those that wait for one."""
    columns = (literal(kind, String).label("kind"), table.c.id, false().label("is_gone"))
    own = table.c.user_id == bindparam("owner")
    return (
        select(table.c.change_seq, *columns)
        .where(own, table.c.change_seq > bindparam("since"))
        .order_by(table.c.change_seq)
        .limit(bindparam("count")),
        select(cast(null(), BigInteger).label("change_seq"), *columns)
        .where(own, table.c.numbered_version < table.c.version)
        .order_by(table.c.id)
        .limit(bindparam("count")),
    )


def _gone() -> tuple[Select[Any], Select[Any]]:
    columns = (DELETIONS.c.change_seq, DELETIONS.c.kind, DELETIONS.c.id, true().label("is_gone"))
    own = select(*columns).where(DELETIONS.c.user_id == bindparam("owner")).limit(bindparam("count"))
    seq = DELETIONS.c.change_seq
    return (
        own.where(seq > bindparam("gone_since")).order_by(seq),
        own.where(seq.is_(None)).order_by(DELETIONS.c.id),
    )


def _all_of_them() -> Any:
    """One statement, so that all is of the same moment: a number is never without those below it.

    SQLite takes a limit within a union only below another SELECT.
    """
    parts = [part for kind, table in NUMBERED.items() for part in _changed(kind, table)]
    return union_all(*(select(part.subquery()) for part in (*parts, *_gone())))


CHANGES = _all_of_them()

STALE = "what this token has not seen is forgotten; start over without one, and with an empty copy"


def list_changes(session: Reader, *, user_id: UUID, since: Position | None, limit: int) -> ChangePage | None:
    """What comes after the position, without one everything there is; None while nothing was ever numbered.

    What waits for a number comes last, and will come again once it has one.

    Raises:
        StartOver: deletions since then have been forgotten, or the position is of another epoch.
    """
    feed = session.execute(FEED, {"owner": user_id}).one_or_none()
    if feed is None:
        if since is not None:
            raise StartOver(STALE)
        return None
    position = since or Position(feed.epoch, 0, feed.seq)
    known = max(position.seq, position.start)
    if position.epoch != feed.epoch or not feed.forgotten_seq <= known <= feed.seq:
        raise StartOver(STALE)
    bounds = {"since": position.seq, "gone_since": known, "count": limit + 1}
    rows = session.execute(CHANGES, {"owner": user_id, **bounds}).all()
    found = [Change(*row) for row in sorted(rows, key=lambda row: (row[0] is None, row[0]))]
    shown = found[:limit]
    has_more = len(found) > limit
    last = shown[-1].seq if has_more else None
    following = Position(feed.epoch, feed.seq if last is None else last, position.start)
    return ChangePage(shown, following, has_more)
