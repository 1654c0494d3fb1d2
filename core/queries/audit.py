"""Reading audit trails, and proving that nothing of them was changed, removed or moved."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    LargeBinary,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    extract,
    func,
    or_,
    select,
    type_coerce,
    union,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from core.database import Reader, dialect_of, is_undecodable
from core.models import AuditEvent, AuditHead, User, table_of
from core.rules.audit_chain import BEGINNING, link_hash

EVENTS, HEADS, USERS = table_of(AuditEvent), table_of(AuditHead), table_of(User)

BATCH = 5_000
"""Rows in memory at a time."""

NOBODY = UUID(int=0)

FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

LONGEST_SHOWN = 64
"""Bytes of what stands for a user and is no id."""


def _microseconds(at: ColumnElement[datetime], dialect: str) -> ColumnElement[int]:
    """Since 1970. NULL for what no clock of ours says, such as infinity, and on SQLite for a text that is
    spelled otherwise than ours: that is a change too."""
    if dialect == "postgresql":
        return case((at.between(FIRST, LAST), cast(extract("epoch", at) * 1_000_000, BigInteger)))
    # SQLite would round a fraction to milliseconds, and the last half of one up to the next second.
    whole, fraction = func.substr(at, 1, 19), cast(func.substr(at, 21), Integer)
    spelled = func.strftime("%Y-%m-%d %H:%M:%S", whole).concat(func.printf(".%06d", fraction))
    seconds = cast(func.strftime("%s", whole), Integer)
    return case((and_(at == spelled, fraction.between(0, 999_999)), seconds * 1_000_000 + fraction))


def _chain_of(dialect: str, *, is_whole: bool) -> Select[Any]:
    """The events of a trail as what their digests are made of: ids as 32 hexadecimal digits, instants as
    microseconds. To make objects of them and texts again would take longer than all the rest.

    A whole one has no lower bound, so that a number that no event of ours has is looked at as well.
    """

    def digits(column: ColumnElement[Any]) -> ColumnElement[str]:
        if dialect == "postgresql":
            return func.replace(cast(column, Text), "-", "")
        return type_coerce(column, Text)

    columns = EVENTS.c
    chain = (
        select(
            columns.seq,
            _microseconds(columns.at, dialect),
            digits(columns.actor_id),
            columns.action,
            digits(columns.object_id),
            columns.details,
            columns.hash,
        )
        .where(columns.user_id == bindparam("user_id"))
        .order_by(columns.seq)
        .limit(bindparam("size"))
    )
    return chain if is_whole else chain.where(columns.seq > bindparam("after"))


DIALECTS = ("postgresql", "sqlite")
CHAIN = {dialect: _chain_of(dialect, is_whole=True) for dialect in DIALECTS}
REST_OF_CHAIN = {dialect: _chain_of(dialect, is_whole=False) for dialect in DIALECTS}
HEAD = select(HEADS.c.seq, HEADS.c.hash).where(HEADS.c.user_id == bindparam("user_id"))


@dataclass(frozen=True, slots=True)
class AuditFilter:
    user_id: UUID | None = None
    actor_id: UUID | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """Number and digest of an event, from which a proof goes on."""

    seq: int = 0
    hash: bytes = BEGINNING


START = Link()


@dataclass(frozen=True, slots=True)
class ChainProof:
    """What was found in a user's trail: how many events were proved, and what is wrong with the rest.

    With a `reached` the proof has stopped there, and goes on from there.
    """

    user_id: UUID
    events: int
    problem: str | None = None
    reached: Link | None = None


def list_activity(session: Session, *, user_id: UUID, before: int | None, limit: int) -> Sequence[AuditEvent]:
    """What was done in the user's account, the newest first."""
    query = select(AuditEvent).where(AuditEvent.user_id == user_id)
    if before is not None:
        query = query.where(AuditEvent.seq < before)
    return session.scalars(query.order_by(AuditEvent.seq.desc()).limit(limit)).all()


def list_audit_events(
    session: Session,
    *,
    filters: AuditFilter,
    before: tuple[datetime, UUID, int] | None,
    limit: int,
) -> Sequence[AuditEvent]:
    """What was done in all accounts, the newest first. For administrators."""
    wanted = [
        *((AuditEvent.user_id == filters.user_id,) if filters.user_id else ()),
        *((AuditEvent.actor_id == filters.actor_id,) if filters.actor_id else ()),
        *((AuditEvent.action == filters.action,) if filters.action else ()),
        *((AuditEvent.at >= filters.since,) if filters.since else ()),
        *((AuditEvent.at < filters.until,) if filters.until else ()),
    ]
    if before is not None:
        at, user_id, seq = before
        same_user = and_(AuditEvent.user_id == user_id, AuditEvent.seq < seq)
        later = or_(AuditEvent.user_id < user_id, same_user)
        wanted += [AuditEvent.at <= at, or_(AuditEvent.at < at, later)]
    order = (AuditEvent.at.desc(), AuditEvent.user_id.desc(), AuditEvent.seq.desc())
    return session.scalars(select(AuditEvent).where(*wanted).order_by(*order).limit(limit)).all()


def audited_users(reader: Reader, *, after: UUID | None = None, limit: int | None = None) -> Sequence[UUID]:
    """All users, and whoever else has events, in the order of their ids.

    Who has a head is not asked: without one a trail would not be looked at.
    """
    ids = union(select(USERS.c.id.label("user_id")), select(EVENTS.c.user_id)).subquery().c.user_id
    query = select(ids).order_by(ids).limit(limit)
    if dialect_of(reader) == "sqlite":
        query = query.where(_is_id(ids))
    return reader.scalars(query if after is None else query.where(ids > after)).all()


def trails_of_nobody(reader: Reader) -> list[ChainProof]:
    """Of what stands for a user in the trails and is no id as we write them: no other proof gets there.

    SQLite takes any text or bytes for one, and an id in capitals is shown as the user's own.
    """
    if dialect_of(reader) == "postgresql":
        return []
    ids = union(select(EVENTS.c.user_id), select(HEADS.c.user_id)).subquery().c.user_id
    beginning = func.substr(cast(ids, LargeBinary), 1, LONGEST_SHOWN, type_=LargeBinary)
    found = sorted(reader.scalars(select(beginning).where(~_is_id(ids))))
    texts = [given.decode(errors="backslashreplace") for given in found]
    return [ChainProof(NOBODY, 0, f"{text!r} is no user's id") for text in texts]


def _is_id(column: ColumnElement[UUID]) -> ColumnElement[bool]:
    """Whether it is one of SQLite's ids: a text of 32 lower-case hexadecimal digits."""
    length = func.length(cast(column, LargeBinary))  # GLOB and `length` of a text end at the first NUL
    is_text, digits = func.typeof(column) == "text", type_coerce(column, Text).op("GLOB")("[0-9a-f]" * 32)
    return and_(is_text, length == 32, digits)


def verify_chain(
    reader: Reader, *, user_id: UUID, since: Link = START, limit: int | None = None
) -> ChainProof:
    """Walk the user's trail from its beginning, while others may add to it.

    Whatever was changed, removed, added or moved breaks the chain at its place; the head tells what was cut
    off at the end. `since` is where an earlier proof has stopped at its `limit` of events.
    """
    try:
        return _walk(reader, user_id, since, limit)
    except DBAPIError as error:
        # Somebody has put it there: it must not stop the proof of all others.
        if not is_undecodable(error):
            raise
        return ChainProof(user_id, since.seq, "a text in it cannot be read")


def _walk(reader: Reader, user_id: UUID, since: Link, limit: int | None) -> ChainProof:
    user, seq, previous = user_id.hex, since.seq, since.hash
    promised = 0
    while True:
        for number, at_us, actor, action, object_, details, stored in _chain(reader, user_id, after=seq):
            if number != seq + 1:
                return ChainProof(user_id, seq, f"event {seq + 1} is missing")
            previous = link_hash(
                previous,
                user=user,
                seq=number,
                at_us=at_us,
                actor=actor,
                action=action,
                object_=object_,
                details=details,
            )
            if previous != stored:
                return ChainProof(user_id, seq, f"event {number} or the one before it was changed")
            seq = number
            if limit is not None and seq - since.seq >= limit:
                return ChainProof(user_id, seq, reached=Link(seq, previous))
        head = reader.execute(HEAD, {"user_id": user_id}).first()
        if head is None:
            # A moment ago it may have been deleted, with the account and all events.
            is_lost = seq and find_link(reader, user_id=user_id, seq=1) is not None
            return ChainProof(user_id, seq, "the head is missing" if is_lost else None)
        if (head.seq, head.hash) == (seq, previous):
            return ChainProof(user_id, seq)
        # On SQLite it may be a text. One that is further on may have been moved since the events were read,
        # unless what it says by now was looked for in vain.
        if not isinstance(head.seq, int) or head.seq <= seq or promised > seq:
            return ChainProof(user_id, seq, f"the head says {head.seq} events, and there are {seq}")
        promised = head.seq


def find_link(reader: Reader, *, user_id: UUID, seq: int) -> bytes | None:
    """The digest of an event; None when there is no such."""
    return reader.scalar(select(EVENTS.c.hash).where(EVENTS.c.user_id == user_id, EVENTS.c.seq == seq))


def moved_heads(reader: Reader, *, since: datetime | None) -> Iterator[tuple[UUID, int, bytes]]:
    """Number and digest of the newest event of each trail that has grown since; of all for None."""
    query = select(HEADS.c.user_id, HEADS.c.seq, HEADS.c.hash)
    if since is not None:
        query = query.where(HEADS.c.at >= since)
    for user_id, seq, digest in reader.execute(query.order_by(HEADS.c.user_id)):
        yield user_id, seq, bytes(digest)


def _chain(reader: Reader, user_id: UUID, *, after: int) -> Iterator[Any]:
    """Rows as `_chain_of` has them."""
    dialect = dialect_of(reader)
    chain = CHAIN[dialect] if after == START.seq else REST_OF_CHAIN[dialect]
    while rows := reader.execute(chain, {"user_id": user_id, "after": after, "size": BATCH}).all():
        yield from rows
        chain, after = REST_OF_CHAIN[dialect], rows[-1].seq
