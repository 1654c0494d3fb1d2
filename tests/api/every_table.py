"""A row of a user's in every table."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select

from core import clock
from core.database import Database
from core.ids import new_id
from core.job_names import EVALUATE_BUDGETS
from core.models import (
    Alert,
    ApiKey,
    Attachment,
    Base,
    BudgetAmount,
    BudgetCategory,
    Category,
    Challenge,
    ChangeFeed,
    DailyConversion,
    DailySpending,
    Deletion,
    Delivery,
    DigestRun,
    EmailChange,
    Expense,
    ExpenseLine,
    ExpenseRule,
    ExpenseTag,
    Export,
    IdempotencyKey,
    Identity,
    Import,
    ImportedRecord,
    ImportMapping,
    ImportRow,
    Notification,
    NotificationSettings,
    OutboxRow,
    PaceAlert,
    Passkey,
    RecoveryCode,
    RecurringExpense,
    RecurringOccurrence,
    Report,
    SecondFactor,
)
from tests.api.accounts import add_budget

HASH = b"h" * 32


def add_one_of_everything(database: Database, user_id: UUID, *, seq: int = 1) -> None:
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
            (Notification, {**own, "seq": seq, "kind": "digest.ready", "data": {}, "created_at": now}),
            (Delivery, {**own, **_delivery(user_id, now), "seq": seq}),
            (NotificationSettings, {**own, **_settings(now)}),
            (DigestRun, {**own, **_digest(today, now)}),
            (
                ApiKey,
                {**own, "id": new_id(), "name": "Script", "scopes": [], "key_hash": HASH, "created_at": now},
            ),
            (SecondFactor, {**own, "issue": new_id(), "created_at": now, "last_step": 0}),
            (RecoveryCode, {**own, "code_hash": HASH}),
            (Passkey, {**own, **_passkey(now)}),
            (Identity, {**own, "provider": "test", "subject": str(user_id), "created_at": now}),
            (EmailChange, {**own, **_email_change(now)}),
            (Challenge, {**own, **_challenge(now)}),
            (IdempotencyKey, {**own, "key": "one", "fingerprint": b"f" * 32, "created_at": now}),
        ]
        for job in (EVALUATE_BUDGETS, "a job of later"):
            staged = {"job": job, "key": str(user_id), "payload": {}, "created_at": now, "available_at": now}
            rows.append((OutboxRow, staged))
        for model, values in rows:
            session.execute(insert(model).values(values))


def _api_key(now: datetime) -> dict[str, Any]:
    return {"id": new_id(), "name": "Script", "scopes": [], "key_hash": HASH, "created_at": now}


def _passkey(now: datetime) -> dict[str, Any]:
    passkey_id = new_id()
    values = {"name": "Phone", "credential_id": passkey_id.bytes, "public_key": b"", "sign_count": 0}
    return {"id": passkey_id, **values, "created_at": now}


def _email_change(now: datetime) -> dict[str, Any]:
    addresses = {
        "email": "new@example.com",
        "email_key": "new@example.com",
        "previous_email": "a@example.com",
    }
    return {"id": new_id(), **addresses, "asked_at": now}


def _challenge(now: datetime) -> dict[str, Any]:
    values = {"purpose": "second_factor", "data": {}, "attempts": 0, "expires_at": now}
    return {"token_hash": new_id().bytes * 2, **values}


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
