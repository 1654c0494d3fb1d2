"""What the tests of accounts share."""

from datetime import date
from typing import Any
from uuid import UUID

import httpx
import jwt
from sqlalchemy import func, insert, select, update

from core import clock
from core.database import Database
from core.ids import new_id
from core.models import Base, Budget, User
from tests.cast import PASSWORD, Person

NEW_PASSWORD = "another horse, no battery"

ADA = {"username": "Ada", "email": "Ada@Example.com", "password": PASSWORD}


def register_ada(
    client: httpx.Client, headers: dict[str, str] | None = None, **changes: Any
) -> httpx.Response:
    return client.post("/v1/auth/register", json={**ADA, **changes}, headers=headers)


def pointers(answer: httpx.Response) -> list[str]:
    """The fields that a 422 names."""
    assert answer.status_code == 422, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    return [error["pointer"] for error in answer.json()["errors"]]


def count(database: Database, model: type[Base]) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(model)) or 0


def add_budget(database: Database, user_id: UUID, **changes: Any) -> UUID:
    now = clock.now()
    values: dict[str, Any] = {
        "user_id": user_id,
        "id": new_id(),
        "name": "All",
        "currency": "EUR",
        "period_kind": "monthly",
        "period_every": 1,
        "period_anchor": date(2026, 1, 1),
        "thresholds": [80, 100],
        "rollover": "none",
        "has_pace_alert": False,
        "starts_on": date(2026, 1, 1),
        "version": 1,
        "created_at": now,
        "updated_at": now,
    }
    with database.transaction() as session:
        session.execute(insert(Budget).values({**values, **changes}))
    budget_id: UUID = values["id"]
    return budget_id


def status_with(client: httpx.Client, token: str) -> int:
    return client.get("/v1/me", headers={"Authorization": f"Bearer {token}"}).status_code


def session_of(person: Person) -> UUID:
    claims = jwt.decode(person.tokens["access_token"], options={"verify_signature": False})
    return UUID(claims["sid"])


def deactivate(database: Database, user_id: UUID) -> None:
    with database.transaction() as session:
        session.execute(update(User).where(User.id == user_id).values(is_active=False))
