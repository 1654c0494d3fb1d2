"""From what a client says of a recurring expense to what is stored of it, everything checked."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from sqlalchemy.orm import Session

from core.errors import FieldError, InvalidInput, invalid
from core.queries.expenses import ExpenseRecord
from core.queries.recurring_expenses import RecurringRecord, kept_line
from core.rules.recurrence import (
    Pattern,
    RecurrenceError,
    RecurrenceRule,
    later_start,
    occurrences_between,
)
from core.rules.recurrence_texts import (
    Unit,
    complete_rule,
    every_so_often,
    format_rule,
    read_rule,
    unit_of,
)
from core.services.expense_drafts import ExpenseInput, draft_expenses

ENDS = ("ends_on", "count")
RULE_FIELDS = ("rrule", "every", "unit", "starts_on", *ENDS)
"""What makes a rule. All else is the template of the expenses, and how they are told."""

_DAY = timedelta(days=1)

TEMPLATE_FIELDS = ("amount", "currency", "category_id", "payee", "note", "tags", "lines")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleInput:
    """When it comes back, as a client gives it: by default from today on."""

    rrule: str | None = None
    every: int | None = None
    unit: Unit | None = None
    starts_on: date | None = None
    ends_on: date | None = None
    count: int | None = None


def checked_schedule(given: ScheduleInput, *, today: date) -> dict[str, Any]:
    """The columns of a new rule.

    Raises:
        InvalidInput
    """
    fields = {name: getattr(given, name) for name in RULE_FIELDS if getattr(given, name) is not None}
    if "rrule" not in fields and "unit" not in fields:
        if "every" in fields:
            raise invalid("/unit", "is needed beside every: day, week, month or year")
        raise invalid("/rrule", "is needed, or else a unit: day, week, month or year")
    return _columns(fields, pattern=None, starts_on=today)


def changed_schedule(record: RecurringRecord, changes: Mapping[str, Any], *, today: date) -> dict[str, Any]:
    """The columns of the rule with some of its fields changed; what is None is taken away.

    Of a count that is not given anew, a new rule has from today on what the old one has left.

    Raises:
        InvalidInput: also where a count leaves a new rule nothing from today on.
    """
    if not changes.keys() & set(RULE_FIELDS):
        return {}
    kept = {name: getattr(record, name) for name in ENDS}
    if changes.get("ends_on") is not None or changes.get("count") is not None:
        kept = {}
    fields = {name: changes[name] for name in RULE_FIELDS if name in changes}
    found = _columns({**kept, **fields}, pattern=record.pattern, starts_on=record.starts_on)
    if found["count"] is None or all(found[name] == getattr(record, name) for name in ("rule", "starts_on")):
        return found
    first = max(record.handled_through + _DAY, today)
    if kept.get("count") is not None and "count" not in changes:
        return _with_rest_of_count(record, found, first=first, is_start_given="starts_on" in changes)
    if found["last_on"] is not None and found["last_on"] < first:
        field = "rrule" if changes.get("count") is None else "count"
        detail = f"counts from {found['starts_on']} on, and leaves no occurrence from today on"
        raise invalid(f"/{field}", detail)
    return found


def _with_rest_of_count(
    record: RecurringRecord, found: Mapping[str, Any], *, first: date, is_start_given: bool
) -> dict[str, Any]:
    """The columns of a new rule, having from `first` on as many occurrences as the old one would have had.

    As a count counts from the start on, the start moves on with it, unless a client has just said it.
    """
    pattern, starts_on = read_rule(found["rule"]).pattern, found["starts_on"]
    left = (record.count or 0) - len(occurrences_between(record.recurrence, record.starts_on, first - _DAY))
    if left < 1:
        detail = f"has no occurrence left of {record.count}: say how many there are to be, or null"
        raise invalid("/count", detail)
    if not is_start_given:
        rule = RecurrenceRule(pattern=pattern, starts_on=starts_on)
        starts_on = later_start(rule, first) or starts_on
    rule = RecurrenceRule(pattern=pattern, starts_on=starts_on)
    count = left + len(occurrences_between(rule, starts_on, first - _DAY))
    return _columns({"count": count}, pattern=pattern, starts_on=starts_on)


def _columns(fields: Mapping[str, Any], *, pattern: Pattern | None, starts_on: date) -> dict[str, Any]:
    ends = {name: fields.get(name) for name in ENDS}
    starts_on = fields.get("starts_on") or starts_on
    try:
        if fields.get("rrule") is not None:
            pattern = _from_text(fields, ends)
        elif pattern is None or fields.keys() & {"every", "unit"}:
            pattern = _from_units(fields, pattern)
        rule = complete_rule(pattern, starts_on=starts_on, ends_on=ends["ends_on"], count=ends["count"])
    except RecurrenceError as error:
        given = {"rrule": "/rrule" if fields.get("rrule") is not None else "/unit"}
        raise invalid(given.get(error.field, f"/{error.field}"), error.detail) from error
    return {"rule": format_rule(pattern), "starts_on": starts_on, **ends, "last_on": rule.last_on}


def _from_text(fields: Mapping[str, Any], ends: dict[str, Any]) -> Pattern:
    """An end in the text is one like that beside it."""
    for name in ("every", "unit"):
        if fields.get(name) is not None:
            raise RecurrenceError(name, "does not go with rrule")
    text = read_rule(fields["rrule"])
    if text.count is not None or text.until is not None:
        if any(ends.values()):
            raise RecurrenceError("rrule", "has an end, and so has the recurring expense")
        ends.update(ends_on=text.until, count=text.count)
    return text.pattern


def _from_units(fields: Mapping[str, Any], pattern: Pattern | None) -> Pattern:
    unit = fields.get("unit") or (None if pattern is None else unit_of(pattern))
    if unit is None:
        raise RecurrenceError("unit", "is needed beside every: day, week, month or year")
    every = fields.get("every")
    if every is None:
        every = 1 if pattern is None or fields.get("unit") else pattern.interval
    return every_so_often(every, unit)


def checked_template(
    session: Session, template: ExpenseInput, *, is_variable: bool, today: date
) -> dict[str, Any]:
    """The columns of the expenses that are to be recorded.

    Raises:
        InvalidInput
        NotFound: the user is gone.
    """
    if is_variable and template.lines:
        raise InvalidInput(FieldError("/lines", "cannot be given ahead of an amount that varies"))
    # On today's date: whatever else is wrong with the rule's days is said of the rule.
    (draft,) = draft_expenses(session, [replace(template, spent_on=today)], with_rules=False)
    if not isinstance(draft, ExpenseRecord):
        raise draft
    return {
        "amount_minor": draft.amount_minor,
        "currency": draft.currency,
        "category_id": draft.category_id,
        "payee": draft.payee,
        "note": draft.note,
        "tags": list(draft.tags),
        "lines": [kept_line(line) for line in draft.lines],
    }
