"""Every kind of notification has a text, whatever its data lacks or holds."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.rules.notification_kinds import KINDS
from core.rules.notification_texts import MAX_BODY, MAX_TITLE, TEXTS, message_text, short_text

EXPENSE = {
    "group_name": "Flat", "by": "Kim", "description": "Pizza", "amount": "25.01", "currency": "EUR",
    "share": "12.51", "balance": "-12.51",
}  # fmt: skip
SETTLEMENT = {
    "group_name": "Flat", "by": "Lee", "from_name": "Lee", "to_name": "Kim", "amount": "12.00",
    "currency": "EUR", "balance": "0.51",
}  # fmt: skip
MISSED = {"missed": 12, "missed_from": "2026-01-01", "missed_to": "2026-01-12"}

plain = st.none() | st.text(max_size=200) | st.integers() | st.booleans()
names = st.sampled_from(
    [
        *EXPENSE,
        *SETTLEMENT,
        "threshold",
        "percent",
        "name",
        "kind",
        "frequency",
        "period_start",
        "period_end",
        "missed",
        "missed_from",
        "missed_to",
    ]
)


def test_every_kind_has_a_text() -> None:
    assert TEXTS.keys() == KINDS.keys()


@pytest.mark.parametrize(
    ("kind", "data", "title", "body"),
    [
        (
            "group.expense_added", EXPENSE, "Flat",
            "Kim has added Pizza, 25.01 EUR; your share is 12.51 EUR; you owe 12.51 EUR in all",
        ),
        (
            "settlement.recorded", SETTLEMENT, "Flat",
            "Lee has recorded a payment: Lee to Kim, 12.00 EUR; you are owed 0.51 EUR in all",
        ),
        (
            "debt.reminder",
            {"group_name": "Flat", "to_name": "Kim", "debts": [{"currency": "EUR", "amount": "12.51"}]},
            "Reminder from Flat",
            "You owe Kim 12.51 EUR",
        ),
        (
            "channel.disabled",
            {"kind": "webhook", "name": None, "url": "https://example.com", "reason": "gone"},
            "A webhook (https://example.com): switched off",
            "gone",
        ),
        (
            "recurring.due",
            {"payee": "Rent", "amount": "900.00", "currency": "EUR", "due_on": "2026-06-01"},
            "Rent is due",
            "900.00 EUR on 2026-06-01",
        ),
        (
            "digest.ready",
            {
                "frequency": "weekly", "period_start": "2026-05-04", "period_end": "2026-05-11",
                "currency": "EUR", "spent": "50.00", "spent_before": "10.00", "budgets_exceeded": 1,
                "awaiting": 1, "upcoming": 2,
            },
            "Your week: 50.00 EUR spent",
            ("2026-05-04 to 2026-05-10; 10.00 EUR in the time before; 1 budget exceeded; "
            "1 waiting for its amount; 2 recurring coming up"),
        ),
        (
            "digest.ready",
            {
                "frequency": "daily", "period_start": "2026-05-04", "period_end": "2026-05-05",
                "currency": "EUR", "spent": "5.00", "budgets_exceeded": 0, "upcoming": 0,
            },
            "Your day: 5.00 EUR spent",
            "2026-05-04",
        ),
        (
            "recurring.due",
            {
                "payee": "Power", "amount": "50.00", "currency": "EUR", "due_on": "2026-06-01",
                "needs_confirmation": True,
            },
            "Power waits for its amount",
            "due on 2026-06-01; 50.00 EUR expected",
        ),
        (
            "recurring.due",
            {
                "payee": "Power", "amount": "50.00", "currency": "EUR", "due_on": "2026-06-01",
                "needs_confirmation": False, "is_variable": True,
            },
            "Power is due",
            "50.00 EUR expected on 2026-06-01",
        ),
        (
            "recurring.posted",
            {"payee": "Rent", "amount": "900.00", "currency": "EUR", "due_on": "2026-06-01", **MISSED},
            "Rent has been recorded",
            "900.00 EUR on 2026-06-01; 12 earlier ones (2026-01-01 to 2026-01-12) were not recorded",
        ),
        (
            "recurring.due",
            {
                "payee": "Rent", "amount": "900.00", "currency": "EUR", "due_on": "2026-06-01",
                "problem": "too much", "missed": 1, "missed_from": "2026-01-01", "missed_to": "2026-01-01",
            },
            "Rent could not be recorded",
            "too much; 900.00 EUR on 2026-06-01; 1 earlier one (2026-01-01) was not recorded",
        ),
        ("some.new_kind", {"kind": "monthly"}, "Some new kind", ""),
    ],
)  # fmt: skip
def test_texts_say_who_what_and_how_much(kind: str, data: dict[str, Any], title: str, body: str) -> None:
    assert short_text(kind, data) == (title, body)


# Which characters there are is looked up once, and on a busy machine that takes seconds.
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(sorted(KINDS)),
    st.dictionaries(names, plain, max_size=10),
)
def test_no_data_breaks_a_text(kind: str, data: dict[str, Any]) -> None:
    title, body = short_text(kind, data)
    assert title
    assert len(title) <= MAX_TITLE
    assert len(body) <= MAX_BODY
    assert (title + body).isprintable()


def test_several_are_a_line_each() -> None:
    title, body = message_text([("export.ready", {"rows": 3, "format": "csv"}), ("report.ready", {})])
    assert title == "2 notifications"
    assert body == "Your export is ready: 3 rows as csv\nYour report is ready"
