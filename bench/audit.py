"""Audit trails: how fast a long one is proved."""

import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import insert, make_url

from bench.report import Row
from bench.system import Dialect, System
from core.clock import now
from core.database import Database
from core.ids import new_id
from core.models import AuditEvent, User, table_of
from core.queries.audit import verify_chain
from core.services.audit import Action, Origin, record_action

EVENTS = 300_000
"""What somebody who writes a hundred expenses a day leaves in eight years."""

RUNS = 3

BARE = """
SELECT seq, at, actor_id, action, object_id, details, hash FROM audit_events WHERE user_id = {} ORDER BY seq
"""


def auditing(dialect: Dialect) -> list[Row]:
    """Prove a trail, beside a bare reading of the same columns with a digest of each row."""
    with System(dialect, processes=()) as system:
        user_id = new_id()
        database = Database(system.database_url, pool_size=1)
        _fill(database, user_id)
        floor = _rate(lambda: _read_bare(system.database_url, user_id))
        with database.reading_rows() as rows:

            def prove() -> int:
                proof = verify_chain(rows, user_id=user_id)
                if proof.problem is not None:
                    raise RuntimeError(proof.problem)
                return proof.events

            proved = _rate(prove)
        database.close()
    return [
        Row(f"floor: {EVENTS:,} events read bare, each with SHA-256, on {dialect}", f"{floor:,.0f}/s"),
        Row(
            f"{EVENTS:,} events of an audit trail proved on {dialect}",
            f"{proved:,.0f}/s",
            ratio=f"{proved / floor:.2f}",
        ),
    ]


def _rate(work: Callable[[], int]) -> float:
    """Events a second, the median of several runs."""
    rates = []
    for _ in range(RUNS):
        started = time.perf_counter()
        done = work()
        rates.append(done / (time.perf_counter() - started))
        if done != EVENTS:
            raise RuntimeError(f"{done} events of {EVENTS}")
    return median(rates)


def _fill(database: Database, user_id: UUID) -> None:
    """Recorded as the API records them, a thousand a transaction."""
    moment = now()
    account = {
        "id": user_id, "username": "a", "username_key": "a", "email": "a@example.com", "is_active": True,
        "email_key": "a@example.com", "display_name": "A", "password_hash": "!", "timezone": "UTC",
        "currency": "EUR", "notification_seq": 0, "version": 1, "created_at": moment, "updated_at": moment,
    }  # fmt: skip
    with database.transaction() as session:
        session.execute(insert(table_of(User)), [account])
    session_id = new_id()
    for start in range(0, EVENTS, 1_000):
        with database.transaction() as session:
            for number in range(start, start + 1_000):
                origin = Origin(session_id, "192.0.2.7", f"{number:032x}")
                record_action(session, Action(user_id, "expense.created", user_id, new_id(), origin=origin))
    database.learn(table_of(AuditEvent))


def _read_bare(url: str, user_id: UUID) -> int:
    """By the driver alone."""
    count, digest = 0, b""
    for *_others, details, stored in _bare_rows(url, user_id):
        digest = hashlib.sha256(digest + details.encode() + stored).digest()
        count += 1
    return count


def _bare_rows(url: str, user_id: UUID) -> Iterator[tuple[Any, ...]]:
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        yield from connection.execute(BARE.format("?"), (user_id.hex,))
        connection.close()
        return
    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address) as connected, connected.cursor("bare") as cursor:
        cursor.execute(BARE.format("%s"), (user_id,))
        while rows := cursor.fetchmany(5_000):
            yield from rows
