"""Stored answers to POSTs that carry an idempotency key.

The key is claimed in the transaction of the effect: a second request with it waits for the first one and then
finds its answer, and an effect that was rolled back leaves no key behind.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import and_, bindparam, delete, or_, select, update
from sqlalchemy.orm import Session

from core import clock
from core.errors import Conflict, Overloaded
from core.models import IdempotencyKey, table_of
from core.services.dialects import insert_into
from core.services.purging import delete_some

KEY_LIFETIME = timedelta(hours=24)
"""Long enough for any client's retries; after that the same key is a new request."""

TABLE = table_of(IdempotencyKey)


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request that is to have one effect: the same fingerprint means the same request."""

    owner_id: UUID
    key: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    status: int
    body: bytes | None
    location: str | None
    etag: str | None


def claim_keys(session: Session, requests: Sequence[KeyedRequest]) -> list[StoredAnswer | Conflict | None]:
    """For each request None if it is the first with its key, else the stored answer or the conflict.

    No two of the requests may have the same key. Waits for other transactions that hold one of the keys.
    """
    now = clock.now()
    rows = [
        {"user_id": one.owner_id, "key": one.key, "fingerprint": one.fingerprint, "created_at": now}
        # In key order, so that two transactions never wait for each other in a circle.
        for one in sorted(requests, key=lambda one: (one.owner_id, one.key))
    ]
    insert = insert_into(session, TABLE).values(rows)
    # An answer that has outlived its promise makes room at once; the purge may come an hour later.
    claim = insert.on_conflict_do_update(
        index_elements=["user_id", "key"],
        set_={
            "fingerprint": insert.excluded.fingerprint,
            "created_at": insert.excluded.created_at,
            **dict.fromkeys(("status", "body", "location", "etag")),
        },
        where=TABLE.c.created_at < now - KEY_LIFETIME,
    )
    returned = session.execute(claim.returning(TABLE.c.user_id, TABLE.c.key))
    claimed = {(row.user_id, row.key) for row in returned}
    taken = [one for one in requests if (one.owner_id, one.key) not in claimed]
    stored = _stored(session, taken) if taken else {}
    return [None if (one.owner_id, one.key) in claimed else _answer(one, stored) for one in requests]


def store_answers(session: Session, answers: Iterable[tuple[KeyedRequest, StoredAnswer]]) -> None:
    """Keep the answers of claimed requests for whoever asks again."""
    session.execute(
        update(TABLE)
        .where(TABLE.c.user_id == bindparam("owner"), TABLE.c.key == bindparam("its_key"))
        .values(
            status=bindparam("new_status"),
            body=bindparam("new_body"),
            location=bindparam("new_location"),
            etag=bindparam("new_etag"),
        ),
        [
            {
                "owner": request.owner_id,
                "its_key": request.key,
                "new_status": answer.status,
                "new_body": answer.body,
                "new_location": answer.location,
                "new_etag": answer.etag,
            }
            for request, answer in answers
        ],
    )


def release_keys(session: Session, requests: Iterable[KeyedRequest]) -> None:
    """Give up claims: the requests had no effect, and may be sent again in a better form."""
    session.execute(
        delete(TABLE).where(TABLE.c.user_id == bindparam("owner"), TABLE.c.key == bindparam("its_key")),
        [{"owner": one.owner_id, "its_key": one.key} for one in requests],
    )


def purge_keys(session: Session) -> int:
    """Delete some of the answers that are past their lifetime; answers how many."""
    return delete_some(session, TABLE, TABLE.c.created_at < clock.now() - KEY_LIFETIME)


def _stored(
    session: Session, requests: Sequence[KeyedRequest]
) -> dict[tuple[UUID, str], tuple[bytes, StoredAnswer]]:
    # Not pairs of owner and key: for those SQLite reads the whole table.
    wanted = (and_(TABLE.c.user_id == one.owner_id, TABLE.c.key == one.key) for one in requests)
    rows = session.execute(select(TABLE).where(or_(*wanted)))
    return {
        (row.user_id, row.key): (row.fingerprint, StoredAnswer(row.status, row.body, row.location, row.etag))
        for row in rows
    }


def _answer(
    request: KeyedRequest, stored: Mapping[tuple[UUID, str], tuple[bytes, StoredAnswer]]
) -> StoredAnswer | Conflict:
    found = stored.get((request.owner_id, request.key))
    if found is None:  # purged or deleted between the two statements
        raise Overloaded("this Idempotency-Key has just been forgotten; try again")
    fingerprint, answer = found
    if fingerprint != request.fingerprint:
        return Conflict("this Idempotency-Key was used for another request")
    return answer
