"""What people had in a database of an earlier version, written into its tables as they were then.

The rows are spelled out once and for all: they must not change with the models, as old databases do not.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, MetaData, Table, insert, select

from core.security import hash_password
from tests.cast import PASSWORD

Row = dict[str, Any]

NOW = datetime(2025, 11, 3, 8, 15, 30, 123456, tzinfo=UTC)
DAY, MONTH, NEXT_MONTH = date(2025, 11, 2), date(2025, 11, 1), date(2025, 12, 1)
LATER = NOW.replace(year=2125)
HASH = b"h" * 32


def number(n: int) -> UUID:
    """An id, the same one each time."""
    return UUID(int=(0x0198_0000_0000_7000_8000 << 48) + n)


ADA, BOB, CAROL = (number(n) for n in range(1, 4))
FOOD, BREAD, WHOLE, PARTED, BINNED, RATED = (number(n) for n in range(10, 16))
BUDGET, GROUP, ADA_IN, BOB_IN, DINNER, REPAYMENT = (number(n) for n in range(20, 26))
IMPORT, RENT, SESSION = (number(n) for n in range(30, 33))

WRITTEN = {"version": 1, "created_at": NOW, "updated_at": NOW}
ADAS = {"user_id": ADA}


def accounts() -> Iterator[tuple[str, Row]]:
    """As of 0001."""
    yield "users", user(ADA, "ada")
    yield "users", user(BOB, "bob")
    its = {"created_at": NOW, "expires_at": LATER}
    yield "sessions", {**ADAS, "id": SESSION, "user_agent": "curl", "last_used_at": NOW, **its}
    yield "refresh_tokens", {**ADAS, "session_id": SESSION, "token_hash": HASH, **its}
    yield "idempotency_keys", {**ADAS, "key": "one", "fingerprint": HASH, "status": 201, "created_at": NOW}


def user(user_id: UUID, name: str, *, notifications: int = 0) -> Row:
    return {
        "id": user_id, "username": name.title(), "username_key": name, "email": f"{name}@example.com",
        "email_key": f"{name}@example.com", "display_name": name.title(), "timezone": "Europe/Vienna",
        "currency": "EUR", "password_hash": hash_password(PASSWORD, cost=4), "is_active": True,
        "notification_seq": notifications, **WRITTEN,
    }  # fmt: skip


def expenses() -> Iterator[tuple[str, Row]]:
    """As of 0002."""
    for category_id, parent_id, name in ((FOOD, None, "Food"), (BREAD, FOOD, "Bread")):
        named = {"id": category_id, "parent_id": parent_id, "name": name, "name_key": name.lower()}
        yield "categories", {**ADAS, **named, **WRITTEN}
    yield "expenses", {**expense(WHOLE, 1234, category_id=FOOD, note="für später"), "tag_count": 1}
    yield "expenses", {**expense(PARTED, 500), "line_count": 2}
    yield "expenses", {**expense(BINNED, 999, category_id=FOOD), "deleted_at": NOW}
    for position, (category_id, minor) in enumerate([(BREAD, 200), (None, 300)]):
        part = {"position": position, "category_id": category_id, "amount_minor": minor}
        yield "expense_lines", {**ADAS, "expense_id": PARTED, **part}
    yield "expense_tags", {**ADAS, "expense_id": WHOLE, "tag": "trip", "position": 0}
    for category_id, minor in ((FOOD, 1234), (BREAD, 200), (UUID(int=0), 300)):
        yield "daily_spending", {**ADAS, **total(category_id, "EUR", minor)}


def expense(expense_id: UUID, minor: int, **fields: Any) -> Row:
    return {
        **ADAS, "id": expense_id, "amount_minor": minor, "currency": "EUR", "spent_on": DAY,
        "payee": "Bakery", "payee_key": "bakery", "search_text": "bakery", "source": "manual",
        "line_count": 0, "tag_count": 0,
        **WRITTEN, **fields,
    }  # fmt: skip


def total(category_id: UUID, currency: str, minor: int) -> Row:
    return {"day": DAY, "category_id": category_id, "currency": currency, "amount_minor": minor, "count": 1}


def budgets() -> Iterator[tuple[str, Row]]:
    """As of 0003; Carol comes with what she is told of."""
    yield "users", user(CAROL, "carol", notifications=2)
    yield "budgets", {
        **ADAS, "id": BUDGET, "name": "Food", "currency": "EUR", "period_kind": "monthly", "period_every": 1,
        "period_anchor": MONTH, "thresholds": [80, 100], "rollover": "none", "has_pace_alert": True,
        "starts_on": MONTH, "next_period_at": NOW, **WRITTEN,
    }  # fmt: skip
    of_budget = {**ADAS, "budget_id": BUDGET}
    yield "budget_amounts", {**of_budget, "effective_on": MONTH, "amount_minor": 1500}
    yield "budget_categories", {**of_budget, "category_id": FOOD}
    yield "alerts", {
        **of_budget, "id": number(40), "period_start": MONTH, "period_end": NEXT_MONTH, "threshold": 80,
        "spent_minor": 1434, "limit_minor": 1500, "currency": "EUR", "created_at": NOW,
    }  # fmt: skip
    yield "pace_alerts", {**of_budget, "period_start": MONTH, "created_at": NOW}
    told = {"kind": "budget.threshold", "data": {"budget_id": str(BUDGET)}, "created_at": NOW}
    for seq in (1, 2):
        yield "notifications", {"user_id": CAROL, "seq": seq, **told}
    yield "outbox", {
        "job": "evaluate_budgets", "key": str(ADA), "payload": {"from": None}, "attempts": 0,
        "created_at": NOW, "available_at": NOW,
    }  # fmt: skip


def groups() -> Iterator[tuple[str, Row]]:
    """As of 0006: a dinner that Ada has paid, and what Bob has paid back of it."""
    yield "groups", {
        "id": GROUP, "name": "Flat", "currency": "EUR", "simplify_debts": True, "settlement_days": 7,
        "default_split": {"kind": "equal", "member_ids": []}, **WRITTEN,
    }  # fmt: skip
    its = {"group_id": GROUP}
    for member_id, user_id, name, role in ((ADA_IN, ADA, "Ada", "owner"), (BOB_IN, BOB, "Bob", "member")):
        person = {"id": member_id, "user_id": user_id, "display_name": name, "role": role}
        yield "group_members", {**its, **person, "mirrors_expenses": False, **WRITTEN}
    yield "group_invitations", {
        **its, "id": number(41), "email": "eve@example.com", "email_key": "eve@example.com", "role": "member",
        "acceptable_by": "address", "invited_by": ADA_IN, "token_hash": HASH, "issue": 1, "state": "pending",
        "version": 1, "created_at": NOW, "sent_at": NOW, "expires_at": NOW,
    }  # fmt: skip
    done = {"kind": "expense.created", "actor_id": ADA_IN, "subject_id": DINNER, "data": {}}
    yield "group_activity", {**its, "id": number(42), **done, "created_at": NOW}
    shares = {str(ADA_IN): 500, str(BOB_IN): 500}
    yield "group_expenses", {
        **its, "id": DINNER, "amount_minor": 1000, "currency": "EUR", "description": "Dinner",
        "spent_on": DAY,
        "split": {"kind": "equal", "member_ids": [str(ADA_IN), str(BOB_IN)]}, "entry_count": 1,
        "resolved": {"paid": {str(ADA_IN): 1000}, "shares": shares}, "created_by": ADA_IN,
        "updated_by": ADA_IN, "posted_version": 1, **WRITTEN,
    }  # fmt: skip
    for member_id, paid in ((ADA_IN, 1000), (BOB_IN, 0)):
        share = {"expense_id": DINNER, "member_id": member_id, "paid_minor": paid, "share_minor": 500}
        yield "group_shares", {**its, **share}
    yield "settlements", {
        **its, "id": REPAYMENT, "from_member_id": BOB_IN, "to_member_id": ADA_IN, "amount_minor": 200,
        "currency": "EUR", "overpaid_minor": 0, "paid_on": DAY, "state": "confirmed", "recorded_by": BOB_IN,
        "entry_count": 1, **WRITTEN,
    }  # fmt: skip
    yield from _ledger(its)
    yield "debt_reminders", {**its, "from_member_id": BOB_IN, "to_member_id": ADA_IN, "reminded_at": NOW}


def _ledger(its: Row) -> Iterator[tuple[str, Row]]:
    pairs = ((ADA_IN, BOB_IN, 1), (BOB_IN, ADA_IN, -1))
    for source_id, kind, minor in ((DINNER, "expense", 500), (REPAYMENT, "settlement", -200)):
        for position, (member_id, other_id, sign) in enumerate(pairs):
            yield "postings", {
                **its, "source_id": source_id, "entry": 1, "position": position, "source_kind": kind,
                "is_reversal": False, "member_id": member_id, "counterparty_id": other_id, "currency": "EUR",
                "amount_minor": sign * minor, "created_at": NOW,
            }  # fmt: skip
    for member_id, other_id, sign in pairs:
        pair = {"member_id": member_id, "counterparty_id": other_id, "currency": "EUR"}
        yield "pair_balances", {**its, **pair, "amount_minor": sign * 300}


def imports() -> Iterator[tuple[str, Row]]:
    """As of 0014, with what came since the groups."""
    yield "exchange_rates", {
        "currency": "USD", "day": DAY, "rate": 110_000_000, "source": "ECB", "fetched_at": NOW
    }  # fmt: skip
    yield "attachments", {
        **ADAS, "id": number(43), "expense_id": WHOLE, "name": "receipt.pdf", "media_type": "application/pdf",
        "size": 1, "sha256": "0" * 64, "created_at": NOW,
    }  # fmt: skip
    # A dollar is 0.9 euros.
    rated = {"rate_currency": "EUR", "rate": 90_000_000, "currency": "USD"}
    yield "expenses", expense(RATED, 1000, category_id=FOOD, **rated)
    yield "daily_spending", {**ADAS, **total(FOOD, "USD", 1000)}
    converted = {"into_currency": "EUR", "converted_minor": 900}
    yield "daily_conversions", {**ADAS, **total(FOOD, "USD", 1000), **converted}
    yield "expense_rules", {
        **ADAS, "id": number(44), "name": "Bakeries", "position": 1, "category_id": BREAD,
        "condition": {"payee": {"contains": "bakery"}}, "add_tags": ["bread"], "is_active": True, **WRITTEN,
    }  # fmt: skip
    yield "deletions", {**ADAS, "id": number(45), "kind": "expense", "deleted_at": NOW}
    yield "change_feeds", {**ADAS, "epoch": number(46), "seq": 0, "forgotten_seq": 0}
    yield "exports", {
        **ADAS, "id": number(47), "format": "csv", "filters": {}, "sort": "spent_on", "name": "expenses.csv",
        "state": "expired", "progress": 100, "created_at": NOW,
    }  # fmt: skip
    yield "import_mappings", {**ADAS, "fingerprint": "f", "mapping": {"date": 0}, "used_at": NOW}
    counts = ("row", "problem", "duplicate", "credit", "chosen", "committed")
    yield "imports", {
        **ADAS, "id": IMPORT, "state": "committed", "format": "csv", "name": "may.csv", "size": 1,
        "has_own_mapping": False, "findings": {}, **{f"{name}_count": 0 for name in counts}, **WRITTEN,
    }  # fmt: skip
    row = {"position": 0, "line": 2, "state": "committed", "is_pending": False, "data": "{}"}
    yield "import_rows", {**ADAS, "import_id": IMPORT, **row}


def channels() -> Iterator[tuple[str, Row]]:
    """As of 0019, with what came since the imports."""
    yield "reports", {
        **ADAS, "id": number(48), "kind": "monthly", "period_start": MONTH, "currency": "EUR",
        "state": "failed", "is_awaited": False, "bears_until": NEXT_MONTH, **WRITTEN,
    }  # fmt: skip
    record = {"import_id": IMPORT, "kind": "expense", "id": WHOLE, "version": 1}
    yield "imported_records", {**ADAS, **record}
    yield "channels", {
        **ADAS, "id": number(49), "kind": "webhook", "url": "https://example.com/hook", "host": "example.com",
        "kinds": ["budget.threshold"], "state": "active", "secret_issue": 1, **WRITTEN,
    }  # fmt: skip
    yield "deliveries", {
        "user_id": CAROL, "id": number(50), "channel_id": CAROL, "seq": 1, "state": "sent", "host": "",
        "attempts": 1, "available_at": NOW, "created_at": NOW,
    }  # fmt: skip
    yield "digest_runs", {
        **ADAS, "id": number(51), "frequency": "weekly", "period_start": DAY, "period_end": NEXT_MONTH,
        "state": "skipped", "created_at": NOW,
    }  # fmt: skip
    yield "notification_settings", {
        **ADAS, "choices": {}, "lets_exceeded_pass": False, "digest_frequency": "off", "digest_hour": 8,
        "digest_weekday": 1, "digest_day": 1, "has_empty_digests": False, "version": 1, "updated_at": NOW,
    }  # fmt: skip


def recurring() -> Iterator[tuple[str, Row]]:
    """As of 0020."""
    yield "recurring_expenses", {
        **ADAS, "id": RENT, "amount_minor": 70_000, "currency": "EUR", "tags": [], "lines": [],
        "rule": "FREQ=MONTHLY", "starts_on": MONTH, "is_variable": False, "is_paused": True,
        "handled_through": DAY, "reminded_through": DAY, **WRITTEN,
    }  # fmt: skip
    its = {"recurring_id": RENT, "due_on": MONTH, "state": "skipped", "created_at": NOW, "updated_at": NOW}
    yield "recurring_occurrences", {**ADAS, **its}


MILESTONES = {
    "0001": accounts, "0002": expenses, "0003": budgets, "0006": groups, "0014": imports, "0019": channels,
    "0020": recurring,
}  # fmt: skip
"""What was written at which revision."""


def write(connection: Connection, rows: Iterator[tuple[str, Row]]) -> list[tuple[str, Row]]:
    """Insert rows into the tables as they are, and answer them."""
    written = list(rows)
    schema = MetaData()
    for name, row in written:
        table = Table(name, schema, autoload_with=connection)
        connection.execute(insert(table).values(as_stored(connection, row)))
    return written


def found(connection: Connection, name: str, row: Row) -> list[Mapping[str, Any]]:
    """What the table has by now that is equal to the row in all that it was given."""
    table = Table(name, MetaData(), autoload_with=connection)
    # By the first columns: documents and texts are compared here, as databases do it differently.
    given = as_stored(connection, row)
    ids = {column: given[column] for column in given if column.endswith("id") or column in KEYS}
    query = select(table).where(*(table.c[column] == value for column, value in ids.items()))
    rows = [dict(one) for one in connection.execute(query).mappings()]
    return [one for one in rows if all(one[column] == value for column, value in given.items())]


KEYS = {"seq", "position", "currency"}


def as_stored(connection: Connection, row: Row) -> Row:
    """SQLite tells nothing of ids and time zones: its columns are texts and instants without a zone."""
    if connection.dialect.name == "postgresql":
        return row
    return {name: _for_sqlite(value) for name, value in row.items()}


def _for_sqlite(value: Any) -> Any:
    if isinstance(value, UUID):
        return value.hex
    return value.replace(tzinfo=None) if isinstance(value, datetime) else value
