"""What is told of recurring expenses: that one is due, or that it was recorded."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from core.queries.expenses import ExpenseRecord
from core.queries.recurring_expenses import RecurringRecord
from core.rules.money import format_amount
from core.services.notifications import NewNotification

DUE = "recurring.due"
POSTED = "recurring.posted"


def posted(record: RecurringRecord, due_on: date, expense: ExpenseRecord) -> NewNotification:
    """That an occurrence was recorded as an expense, with the amount that it has there."""
    amount = format_amount(expense.amount_minor, expense.currency)
    return _told(record, POSTED, due_on, expense_id=str(expense.id), amount=amount)


def awaiting(record: RecurringRecord, due_on: date) -> NewNotification:
    """That an occurrence is due, whose amount the user is to say."""
    return _told(record, DUE, due_on, needs_confirmation=True)


def reminder(record: RecurringRecord, due_on: date) -> NewNotification:
    """That an occurrence will fall due; of a variable one the amount is what is expected."""
    return _told(record, DUE, due_on, needs_confirmation=False, is_variable=record.is_variable)


def stopped(record: RecurringRecord, due_on: date, problem: str) -> NewNotification:
    """That an occurrence could not be recorded, and waits."""
    return _told(record, DUE, due_on, needs_confirmation=False, problem=problem)


def with_missed(message: NewNotification, missed: Sequence[date]) -> NewNotification:
    """The message, saying besides how many earlier occurrences are too long ago to be recorded."""
    if not missed:
        return message
    found = {
        "missed": len(missed),
        "missed_from": missed[0].isoformat(),
        "missed_to": missed[-1].isoformat(),
    }
    return NewNotification(message.user_id, message.kind, {**message.data, **found})


def _told(record: RecurringRecord, kind: str, due_on: date, **more: Any) -> NewNotification:
    data = {
        "recurring_id": str(record.id),
        "payee": record.payee,
        "amount": format_amount(record.amount_minor, record.currency),
        "currency": record.currency,
        "due_on": due_on.isoformat(),
        **more,
    }
    return NewNotification(record.user_id, kind, data)
