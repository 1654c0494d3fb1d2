"""Whoever waits for a row that somebody else has locked holds nobody else up."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from core.database import Database
from core.models import Category
from tests.cast import Cast

PATIENCE_S = 5
"""Well below the ten seconds for which a request may wait for a lock."""


@pytest.fixture(autouse=True)
def _only_where_rows_are_locked(database: Database) -> None:
    if database.dialect == "sqlite":
        pytest.skip("SQLite has one write lock and none of rows")


def test_a_locked_category_delays_its_own_user_only(cast: Cast, database: Database) -> None:
    category = cast.owner.client.get("/v1/categories").json()["items"][0]["id"]
    body = {"amount": "1.00", "category_id": category}
    with ThreadPoolExecutor(1) as pool, database.transaction() as session:
        session.execute(select(Category.id).where(Category.id == category).with_for_update())
        blocked = pool.submit(cast.owner.client.post, "/v1/expenses", json=body)
        for _ in range(3):
            answer = cast.member.client.post("/v1/expenses", json={"amount": "2.00"}, timeout=PATIENCE_S)
            assert answer.status_code == 201, answer.text
        refused = blocked.result(PATIENCE_S)
    assert refused.status_code == 503
    assert refused.headers["Retry-After"]
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert cast.owner.client.post("/v1/expenses", json=body).status_code == 201
