"""Deleting the own account: all of it, and nothing else."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import insert, select

from core import clock
from core.database import Database
from core.ids import new_id
from core.job_names import EVALUATE_BUDGETS
from core.models import (
    Alert,
    Attachment,
    Base,
    BudgetAmount,
    BudgetCategory,
    Category,
    ChangeFeed,
    DailyConversion,
    DailySpending,
    Deletion,
    Delivery,
    DigestRun,
    Expense,
    ExpenseLine,
    ExpenseRule,
    ExpenseTag,
    Export,
    IdempotencyKey,
    Import,
    ImportedRecord,
    ImportMapping,
    ImportRow,
    Notification,
    NotificationSettings,
    OutboxRow,
    PaceAlert,
    RecurringExpense,
    RecurringOccurrence,
    Report,
    User,
)
from tests.api.accounts import add_budget, count, pointers, register_ada
from tests.cast import PASSWORD, Cast, Person, register

OF_A_USER = {
    "users",
    "outbox",
    *(table.name for table in Base.metadata.sorted_tables if "user_id" in table.primary_key.columns),
}
"""Tables whose rows are each some user's alone."""


def delete_me(
    person: Person, password: str = PASSWORD, headers: dict[str, str] | None = None
) -> httpx.Response:
    return person.client.request("DELETE", "/v1/me", json={"password": password}, headers=headers)


def test_it_needs_the_password(cast: Cast) -> None:
    answer = delete_me(cast.owner, "not my password")
    assert answer.status_code == 403
    assert "password" in answer.json()["detail"]
    assert pointers(cast.owner.client.request("DELETE", "/v1/me", json={})) == ["/password"]
    assert cast.owner.client.get("/v1/me").status_code == 200


def test_it_heeds_the_version_that_it_is_based_on(cast: Cast) -> None:
    assert delete_me(cast.owner, headers={"If-Match": '"7"'}).status_code == 412
    assert cast.owner.client.get("/v1/me").status_code == 200
    assert delete_me(cast.owner, headers={"If-Match": '"1"'}).status_code == 204


def test_everything_that_was_the_users_is_gone_and_nothing_else(
    client: httpx.Client, database: Database
) -> None:
    with register(client, "stranger") as stranger:
        add_one_of_everything(database, stranger.id)
        before = contents(database)
        key = {"Idempotency-Key": "registration-1"}
        assert register_ada(client, key).status_code == 201
        login = client.post("/v1/auth/login", json={"login": "ada", "password": PASSWORD}).json()
        client.headers["Authorization"] = f"Bearer {login['access_token']}"
        user_id = UUID(client.get("/v1/me").json()["id"])
        add_one_of_everything(database, user_id)
        grown = contents(database)
        assert {name for name in OF_A_USER if len(grown[name]) <= len(before[name])} == set()
        assert client.request("DELETE", "/v1/me", json={"password": PASSWORD}).status_code == 204
        assert contents(database) == before


def test_its_tokens_and_its_login_are_dead_at_once(cast: Cast, client: httpx.Client) -> None:
    assert delete_me(cast.owner).status_code == 204
    assert cast.owner.client.get("/v1/me").status_code == 401
    login = client.post("/v1/auth/login", json={"login": "owner", "password": PASSWORD})
    refresh = client.post("/v1/auth/refresh", json={"refresh_token": cast.owner.tokens["refresh_token"]})
    assert (login.status_code, refresh.status_code) == (401, 401)
    assert cast.member.client.get("/v1/me").status_code == 200


def test_the_name_is_free_again(cast: Cast, client: httpx.Client) -> None:
    delete_me(cast.owner)
    with register(client, "owner") as again:
        assert again.id != cast.owner.id


def test_of_two_deletions_at_once_both_find_the_account_gone(cast: Cast, database: Database) -> None:
    with ThreadPoolExecutor(4) as threads:
        answers = sorted(threads.map(lambda _: delete_me(cast.owner).status_code, range(4)))
    assert answers[0] == 204
    assert set(answers[1:]) <= {204, 401}
    assert count(database, User) == 2


def test_what_is_written_while_an_account_is_deleted_goes_with_it(
    cast: Cast, client: httpx.Client, database: Database
) -> None:
    before = contents(database)
    with register(client, "ada") as ada, ThreadPoolExecutor(8) as threads:

        def write(n: int) -> int:
            key = {"Idempotency-Key": f"key-{n}"}
            if n % 3 == 0:
                return ada.client.post("/v1/expenses", json={"amount": "1.00"}, headers=key).status_code
            if n % 3 == 1:
                items = [{"amount": "1.00"}] * 3
                return ada.client.post("/v1/expenses/bulk", json={"items": items}, headers=key).status_code
            timezone = "Asia/Tokyo" if n % 2 else "UTC"
            return ada.client.patch("/v1/me", json={"timezone": timezone}).status_code

        early = [threads.submit(write, n) for n in range(12)]
        deletion = threads.submit(delete_me, ada)
        late = [threads.submit(write, n) for n in range(12, 36)]
        assert deletion.result().status_code == 204
        answers = {write.result() for write in early + late}
    assert answers <= {200, 201, 401, 404, 409}
    assert contents(database) == before


def contents(database: Database) -> dict[str, list[str]]:
    """Every row of every table."""
    with database.reading() as session:
        return {
            table.name: sorted(str(tuple(row)) for row in session.execute(select(table)))
            for table in Base.metadata.sorted_tables
        }


def add_one_of_everything(database: Database, user_id: UUID) -> None:
    """A row at least in every table, so that a table which deletion forgets would show."""
    now, today = clock.now(), date(2026, 1, 1)
    budget_id, expense_id, import_id = add_budget(database, user_id), new_id(), new_id()
    own, recurring_id = {"user_id": user_id}, new_id()
    alert = {
        **own,
        "id": new_id(),
        "budget_id": budget_id,
        "period_start": today,
        "period_end": today,
        "threshold": 80,
        "spent_minor": 80,
        "limit_minor": 100,
        "currency": "EUR",
        "created_at": now,
    }
    with database.transaction() as session:
        category_id = session.scalars(select(Category.id).where(Category.user_id == user_id)).first()
        in_budget = {**own, "budget_id": budget_id}
        in_expense = {**own, "expense_id": expense_id}
        first = {**in_expense, "position": 0}
        total = {"day": today, "category_id": category_id, "currency": "EUR", "amount_minor": 100, "count": 1}
        rows: list[tuple[type[Base], dict[str, Any]]] = [
            (BudgetAmount, {**in_budget, "effective_on": today, "amount_minor": 100}),
            (BudgetCategory, {**in_budget, "category_id": category_id}),
            (Alert, alert),
            (PaceAlert, {**in_budget, "period_start": today, "created_at": now}),
            (Expense, {**own, **_expense(expense_id, today, now)}),
            (ExpenseLine, {**first, "category_id": category_id, "amount_minor": 100}),
            (ExpenseTag, {**first, "tag": "trip"}),
            (DailySpending, {**own, **total}),
            (DailyConversion, {**own, **total, "into_currency": "USD", "converted_minor": 110}),
            (Attachment, {**in_expense, **_attachment(now)}),
            (ExpenseRule, {**own, **_rule(now)}),
            (RecurringExpense, {**own, **_recurring(recurring_id, today, now)}),
            (RecurringOccurrence, {**own, **_occurrence(recurring_id, today, now)}),
            (Export, {**own, **_export(now)}),
            (Import, {**own, **_import(import_id, now)}),
            (ImportRow, {**own, **_import_row(import_id)}),
            (
                ImportedRecord,
                {**own, "import_id": import_id, "kind": "expense", "id": expense_id, "version": 1},
            ),
            (ImportMapping, {**own, "fingerprint": "f", "mapping": {}, "used_at": now}),
            (Report, {**own, **_report(today, now)}),
            (ChangeFeed, {**own, "epoch": new_id(), "seq": 1, "forgotten_seq": 0}),
            (Deletion, {**own, "id": new_id(), "kind": "expense", "deleted_at": now}),
            (Notification, {**own, "seq": 1, "kind": "digest.ready", "data": {}, "created_at": now}),
            (Delivery, {**own, **_delivery(user_id, now)}),
            (NotificationSettings, {**own, **_settings(now)}),
            (DigestRun, {**own, **_digest(today, now)}),
            (IdempotencyKey, {**own, "key": "one", "fingerprint": b"f" * 32, "created_at": now}),
        ]
        for job in (EVALUATE_BUDGETS, "a job of later"):
            staged = {"job": job, "key": str(user_id), "payload": {}, "created_at": now, "available_at": now}
            rows.append((OutboxRow, staged))
        for model, values in rows:
            session.execute(insert(model).values(values))


def _expense(expense_id: UUID, today: date, now: datetime) -> dict[str, Any]:
    return {
        "id": expense_id,
        "amount_minor": 100,
        "currency": "EUR",
        "spent_on": today,
        "search_text": "",
        "source": "manual",
        "line_count": 1,
        "tag_count": 1,
        "version": 1,
        "created_at": now,
        "updated_at": now,
    }


def _delivery(channel_id: UUID, now: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "channel_id": channel_id,
        "seq": 1,
        "state": "pending",
        "host": "",
        "attempts": 0,
        "available_at": now,
        "created_at": now,
    }


def _settings(now: datetime) -> dict[str, Any]:
    return {
        "choices": {},
        "lets_exceeded_pass": False,
        "digest_frequency": "off",
        "digest_hour": 8,
        "digest_weekday": 1,
        "digest_day": 1,
        "has_empty_digests": False,
        "version": 1,
        "updated_at": now,
    }


def _digest(today: date, now: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "frequency": "daily",
        "period_start": today,
        "period_end": today,
        "state": "queued",
        "created_at": now,
    }


def _attachment(now: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "name": "receipt.pdf",
        "media_type": "application/pdf",
        "size": 1,
        "sha256": "0" * 64,
        "created_at": now,
    }


def _recurring(recurring_id: UUID, today: date, now: datetime) -> dict[str, Any]:
    return {
        "id": recurring_id,
        "amount_minor": 100,
        "currency": "EUR",
        "tags": [],
        "lines": [],
        "rule": "FREQ=DAILY",
        "starts_on": today,
        "is_variable": False,
        "is_paused": False,
        "handled_through": today,
        "reminded_through": today,
        "version": 1,
        "created_at": now,
        "updated_at": now,
    }


def _occurrence(recurring_id: UUID, today: date, now: datetime) -> dict[str, Any]:
    stamps = {"created_at": now, "updated_at": now}
    return {"recurring_id": recurring_id, "due_on": today, "state": "posted", **stamps}


def _export(now: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "format": "csv",
        "filters": {},
        "sort": "spent_on",
        "name": "expenses.csv",
        "state": "queued",
        "progress": 0,
        "created_at": now,
    }


def _import(import_id: UUID, now: datetime) -> dict[str, Any]:
    counts = ("row", "problem", "duplicate", "credit", "chosen", "committed")
    return {
        "id": import_id,
        "state": "queued",
        "name": "may.csv",
        "size": 1,
        "has_own_mapping": False,
        "findings": {},
        **{f"{name}_count": 0 for name in counts},
        "version": 1,
        "created_at": now,
        "updated_at": now,
    }


def _report(today: date, now: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "kind": "monthly",
        "period_start": today.replace(day=1),
        "currency": "EUR",
        "state": "queued",
        "is_awaited": True,
        "version": 1,
        "bears_until": today,
        "created_at": now,
        "updated_at": now,
    }


def _import_row(import_id: UUID) -> dict[str, Any]:
    row = {"position": 0, "line": 2, "state": "ready", "is_pending": False, "data": "{}"}
    return {"import_id": import_id, **row}


def _rule(now: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "name": "Trips",
        "position": 1,
        "condition": {},
        "add_tags": ["trip"],
        "is_active": True,
        "version": 1,
        "created_at": now,
        "updated_at": now,
    }
