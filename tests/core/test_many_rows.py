"""Rows by the thousand arrive whole, however long it takes to make them."""

import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text

from core import clock, many_rows
from core.database import Database
from core.ids import new_id
from core.many_rows import insert_rows
from core.models import Deletion, table_of
from tests.core.services.spender import Spender

DELETIONS = table_of(Deletion)


def deletions(user_id: UUID, ids: list[UUID]) -> Iterator[dict[str, Any]]:
    words = {"user_id": user_id, "kind": "expense", "deleted_at": clock.now()}
    return ({**words, "id": one} for one in ids)


def stored_ids(database: Database) -> set[UUID]:
    with database.reading_rows() as rows:
        return set(rows.scalars(select(DELETIONS.c.id)))


@pytest.mark.parametrize("count", [0, 1, 3, 4, 8])
def test_the_last_rows_are_there_too(database: Database, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(many_rows, "ROWS_A_COPY", 3)
    owner, ids = Spender(database), [new_id() for _ in range(count)]
    with database.transaction() as session:
        insert_rows(session, DELETIONS, deletions(owner.id, ids))
    assert stored_ids(database) == set(ids)


def test_rows_may_take_longer_to_make_than_a_statement_may(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of a large import do on a slow machine: all of it in one COPY would be interrupted."""
    monkeypatch.setattr(many_rows, "ROWS_A_COPY", 2)
    database, ids = Database(postgres_url, pool_size=1), [new_id() for _ in range(6)]

    def slowly(rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for row in rows:
            time.sleep(0.5)
            yield row

    owner = Spender(database)
    with database.transaction() as session:
        session.execute(text("SET LOCAL statement_timeout = '2s'"))
        insert_rows(session, DELETIONS, slowly(deletions(owner.id, ids)))
    assert stored_ids(database) == set(ids)
    database.close()
