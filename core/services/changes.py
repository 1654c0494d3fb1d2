"""Numbering changes, so that clients can ask for those that they have not seen yet.

Writers give no numbers: whoever takes one before committing may commit after somebody with a larger one, and
a reader in between would miss the change for ever. Numbers are given to what is committed already, by whoever
reads: see `docs/decisions/0015-changes.md`.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Executable, Select, Table, Update, bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core import clock
from core.ids import new_id
from core.many_rows import insert_rows
from core.queries.changes import DELETIONS, FEEDS, NUMBERED, Kind
from core.services.dialects import insert_into

NUMBERED_AT_ONCE = 2_000
"""Changes a transaction, a tenth of a second's work and two pages: a first copy goes on from page to page."""

DELETION_LIFETIME = timedelta(days=90)
"""A device that was not used for a season copies everything anew, which takes seconds."""

FORGET_BATCH = 1_000
"""Deletions a transaction: the purge must never hold locks for long."""

_OWNER = bindparam("owner", type_=FEEDS.c.user_id.type)
LOCK_FEED = select(FEEDS.c.seq).where(FEEDS.c.user_id == _OWNER).with_for_update()
KEEP_SEQ = update(FEEDS).where(FEEDS.c.user_id == _OWNER).values(seq=bindparam("newest"))


def _waiting(table: Table) -> Select[Any]:
    """Rows to be numbered, locked. Who is changing one holds its lock, and it is left for later: waiting
    while holding those of others could end in a circle."""
    is_waiting: ColumnElement[bool] = table.c.change_seq.is_(None)
    if table is not DELETIONS:
        is_waiting = table.c.numbered_version < table.c.version
    return (
        select(table.c.id)
        .where(table.c.user_id == _OWNER, is_waiting)
        .order_by(table.c.id)
        .limit(bindparam("room"))
        .with_for_update(key_share=True, skip_locked=True)
    )


def _numbering(table: Table) -> Update:
    """A row at a time: where PostgreSQL has to guess how many there are, it reads all of the user's."""
    number: dict[str, Any] = {"change_seq": bindparam("seq")}
    version = {} if table is DELETIONS else {"numbered_version": table.c.version}
    is_it = (table.c.user_id == _OWNER, table.c.id == bindparam("its_id"))
    return update(table).where(*is_it).values({**number, **version})


STATEMENTS = [(_waiting(table), _numbering(table)) for table in (*NUMBERED.values(), DELETIONS)]
DELETE: Mapping[Kind, Any] = {
    kind: delete(table).where(table.c.user_id == bindparam("owner"), table.c.id == bindparam("its_id"))
    for kind, table in NUMBERED.items()
}

FORGET = delete(DELETIONS).where(
    DELETIONS.c.user_id == bindparam("owner"), DELETIONS.c.id == bindparam("its_id")
)
DELETED_ANYTHING = select(DELETIONS.c.user_id).where(DELETIONS.c.user_id == _OWNER).limit(1)
FORGET_SOME = delete(DELETIONS).where(
    DELETIONS.c.user_id == bindparam("owner"), DELETIONS.c.id.in_(bindparam("ids", expanding=True))
)


def _noting(insertion: postgresql.Insert | sqlite.Insert) -> Executable:
    """Ids come from archives too, where two things may have the same: the last one to go is remembered."""
    news = {name: insertion.excluded[name] for name in ("kind", "change_seq", "deleted_at")}
    return insertion.on_conflict_do_update(index_elements=["user_id", "id"], set_=news)


NOTE = {
    "postgresql": _noting(postgresql.insert(DELETIONS)),
    "sqlite": _noting(sqlite.insert(DELETIONS)),
}


def number_changes(session: Session, *, user_id: UUID) -> None:
    """Give the user's committed changes that have none the next numbers, or to the first of them.

    The feed's row stays locked until the transaction ends, so numbers become visible in order.
    """
    seq = newest = _locked_seq(session, user_id)
    for waiting, numbering in STATEMENTS:
        room = seq + NUMBERED_AT_ONCE - newest
        ids = session.scalars(waiting, {"owner": user_id, "room": room}).all()
        if ids:
            numbers = enumerate(ids, newest + 1)
            session.execute(numbering, [{"owner": user_id, "its_id": one, "seq": n} for n, one in numbers])
            newest += len(ids)
    if newest > seq:
        session.execute(KEEP_SEQ, {"owner": user_id, "newest": newest})


def _locked_seq(session: Session, user_id: UUID) -> int:
    seq = session.scalar(LOCK_FEED, {"owner": user_id})
    if seq is None:
        row = {"user_id": user_id, "epoch": new_id(), "seq": 0, "forgotten_seq": 0}
        session.execute(insert_into(session, FEEDS).values(row).on_conflict_do_nothing())
        seq = session.scalar(LOCK_FEED, {"owner": user_id})
    return seq or 0


def delete_for_good(session: Session, kind: Kind, keys: Sequence[tuple[UUID, UUID]]) -> None:
    """Delete rows `(user id, id)` of a numbered table, leaving word of it for those who have a copy.

    It reads nothing, so it fits a pipeline. The caller holds the rows' locks, or the user's.
    """
    now = clock.now()
    session.execute(DELETE[kind], [{"owner": user_id, "its_id": row_id} for user_id, row_id in keys])
    session.execute(
        NOTE[session.get_bind().dialect.name],
        [{"user_id": user_id, "id": row_id, "kind": kind, "deleted_at": now} for user_id, row_id in keys],
    )


def forget_deleted(session: Session, *, user_id: UUID, ids: Sequence[UUID]) -> None:
    """Take back the word of deletions: the rows are there again, as new changes."""
    # Most have deleted nothing, and thousands of ids take a while.
    if session.scalar(DELETED_ANYTHING, {"owner": user_id}) is not None:
        session.execute(FORGET_SOME, {"owner": user_id, "ids": ids})


def delete_many_for_good(session: Session, kind: Kind, *, user_id: UUID, ids: Sequence[UUID]) -> None:
    """As `delete_for_good`, for thousands of a user's; it fits no pipeline."""
    table, now = NUMBERED[kind], clock.now()
    session.execute(delete(table).where(table.c.user_id == user_id, table.c.id.in_(ids)))
    # Ids come from archives too: another kind of thing may have gone under the same one.
    forget_deleted(session, user_id=user_id, ids=ids)
    words = {"user_id": user_id, "kind": kind, "deleted_at": now}
    insert_rows(session, DELETIONS, [{**words, "id": row_id} for row_id in ids])


def forget_deletions(session: Session) -> int:
    """Forget a batch of deletions that are past their lifetime; answers how many there were.

    Who has not seen one of them yet has to start over.
    """
    old = session.execute(
        select(DELETIONS.c.user_id, DELETIONS.c.id, DELETIONS.c.change_seq)
        .where(DELETIONS.c.deleted_at < clock.now() - DELETION_LIFETIME)
        .limit(FORGET_BATCH)
        .with_for_update(skip_locked=True)
    ).all()
    numbers: defaultdict[UUID, list[int | None]] = defaultdict(list)
    for row in old:
        numbers[row.user_id].append(row.change_seq)
    if not old:
        return 0
    feeds = session.execute(
        select(FEEDS.c.user_id, FEEDS.c.seq, FEEDS.c.forgotten_seq)
        .where(FEEDS.c.user_id.in_(numbers))
        # In key order, so that two transactions never wait for each other in a circle.
        .order_by(FEEDS.c.user_id)
        .with_for_update()
    ).all()
    for user_id, seq, forgotten_seq in feeds:
        # What has no number was seen by nobody: forgetting it takes one that no token has reached.
        newest = max(forgotten_seq, *(seq + 1 if one is None else one for one in numbers[user_id]))
        values = {"forgotten_seq": newest, "seq": max(seq, newest)}
        session.execute(update(FEEDS).where(FEEDS.c.user_id == user_id).values(values))
    session.execute(FORGET, [{"owner": row.user_id, "its_id": row.id} for row in old])
    return len(old)


def begin_epochs(session: Session) -> int:
    """Have every client start over: the database was put back to an earlier state. Answers of how many users.

    The numbers since then are given out a second time, for other changes.
    """
    user_ids = session.scalars(select(FEEDS.c.user_id).order_by(FEEDS.c.user_id)).all()
    if user_ids:
        session.execute(
            update(FEEDS).where(FEEDS.c.user_id == _OWNER).values(epoch=bindparam("begun")),
            [{"owner": user_id, "begun": new_id()} for user_id in user_ids],
        )
    return len(user_ids)
