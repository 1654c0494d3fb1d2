"""Setting up, changing, pausing and deleting recurring expenses.

Every change holds the lock of the user's row, as posting does. What was posted stays as it is whatever
happens here.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from msgspec import structs
from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from core import clock
from core.errors import Conflict, NotFound, invalid
from core.ids import new_id
from core.logging import get_logger
from core.many_rows import insert_rows
from core.queries.recurring_expenses import (
    OCCURRENCES,
    RECURRING,
    OccurrenceRecord,
    RecurringRecord,
    load_recurring,
    progress_of,
)
from core.rules.recurring_plans import Progress, due_days, newest_day, plan
from core.services.changes import delete_for_good
from core.services.expense_drafts import ExpenseInput
from core.services.locks import LockedUser, lock_user
from core.services.recurring_input import (
    TEMPLATE_FIELDS,
    ScheduleInput,
    changed_schedule,
    checked_schedule,
    checked_template,
)
from core.services.recurring_posting import MAX_KEPT_MISSED, as_input
from core.services.versions import check_version

MAX_RECURRING = 200
"""Of one user: more than any household has, and few enough to look at all of them for what is upcoming."""

_DAY = timedelta(days=1)

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRecurring:
    """A recurring expense to be set up; `template` is what is recorded each time."""

    template: ExpenseInput
    schedule: ScheduleInput
    remind_days_before: int | None = None
    is_variable: bool = False


def set_up_recurring(session: Session, *, user_id: UUID, recurring: NewRecurring) -> RecurringRecord:
    """Set up a recurring expense. What it would have posted before today is not posted.

    Raises:
        InvalidInput
        Conflict: the user has `MAX_RECURRING` already.
    """
    user, today = _lock(session, user_id)
    there = select(func.count()).select_from(RECURRING).where(RECURRING.c.user_id == user_id)
    if (session.scalar(there) or 0) >= MAX_RECURRING:
        raise Conflict(f"there are {MAX_RECURRING} recurring expenses already; delete one first")
    now = clock.now()
    remind_days = recurring.remind_days_before
    record = RecurringRecord(
        user_id=user_id,
        id=new_id(),
        **checked_template(session, recurring.template, is_variable=recurring.is_variable, today=today),
        **checked_schedule(recurring.schedule, today=today),
        remind_days_before=remind_days,
        is_variable=recurring.is_variable,
        is_paused=False,
        handled_through=today - _DAY,
        reminded_through=_reminded_through(today, remind_days),
        ahead_on=None,
        next_on=None,
        next_at=None,
        problem=None,
        version=1,
        created_at=now,
        updated_at=now,
    )
    following = plan(
        record.recurrence,
        Progress(handled_through=record.handled_through, reminded_through=record.reminded_through),
        remind_days=remind_days,
        timezone=user.timezone,
    )
    if following.next_on is None:
        end = "count" if record.count is not None else "ends_on"
        raise invalid(f"/{end}", "leaves no occurrence from today on")
    record = structs.replace(record, next_on=following.next_on, next_at=following.next_at)
    session.execute(insert(RECURRING), structs.asdict(record))
    return record


def change_recurring(
    session: Session,
    *,
    user_id: UUID,
    recurring_id: UUID,
    changes: Mapping[str, Any],
    expected_versions: Set[int] | None = None,
) -> RecurringRecord:
    """Change fields of the template or the rule from now on; nothing new leaves the version as it is.

    A new rule holds from today on: what the old one has left over from earlier days is missed. Another end
    changes nothing about what is due already.

    Raises:
        NotFound, StaleVersion, InvalidInput
    """
    user, today = _lock(session, user_id)
    record = load_recurring(session, user_id=user_id, recurring_id=recurring_id)
    check_version(record.version, expected_versions)
    wanted = {name: changes[name] for name in ("remind_days_before", "is_variable") if name in changes}
    is_variable = wanted.get("is_variable", record.is_variable)
    if "is_variable" in changes or changes.keys() & set(TEMPLATE_FIELDS):
        template = replace(as_input(record, today), **_consistent(changes))
        wanted |= checked_template(session, template, is_variable=is_variable, today=today)
    schedule = changed_schedule(record, changes, today=today)
    wanted |= schedule
    news = {name: value for name, value in wanted.items() if value != getattr(record, name)}
    if not news:
        return record
    if schedule.keys() & news.keys():
        news["handled_through"] = _handled_by_change(session, record, news.keys(), today)
    if news.get("remind_days_before") is not None:
        news["reminded_through"] = _reminded_through(today, news["remind_days_before"])
    return keep(session, structs.replace(record, **news, problem=None), user)


def pause_recurring(session: Session, *, user_id: UUID, recurring_id: UUID) -> RecurringRecord:
    """Post nothing any more until it is resumed. What awaits its amount still does.

    Raises:
        NotFound
    """
    user, _today = _lock(session, user_id)
    record = load_recurring(session, user_id=user_id, recurring_id=recurring_id)
    return record if record.is_paused else keep(session, structs.replace(record, is_paused=True), user)


def resume_recurring(session: Session, *, user_id: UUID, recurring_id: UUID) -> RecurringRecord:
    """Go on from today; what would have been due meanwhile is not posted.

    Raises:
        NotFound
    """
    user, today = _lock(session, user_id)
    record = load_recurring(session, user_id=user_id, recurring_id=recurring_id)
    if not record.is_paused:
        return record
    resumed = structs.replace(
        record,
        is_paused=False,
        handled_through=max(record.handled_through, today - _DAY),
        reminded_through=max(record.reminded_through, _reminded_through(today, record.remind_days_before)),
        problem=None,
    )
    return keep(session, resumed, user)


def delete_recurring(
    session: Session, *, user_id: UUID, recurring_id: UUID, expected_versions: Set[int] | None = None
) -> None:
    """Delete a recurring expense; the expenses that it has posted stay.

    Raises:
        NotFound, StaleVersion
    """
    _lock(session, user_id)
    record = load_recurring(session, user_id=user_id, recurring_id=recurring_id)
    check_version(record.version, expected_versions)
    delete_for_good(session, "recurring_expense", [record.key])


def keep(session: Session, record: RecurringRecord, user: LockedUser) -> RecurringRecord:
    """Store a changed recurring expense as a new version, with what comes next."""
    following = plan(
        record.recurrence,
        progress_of(session, record),
        remind_days=record.remind_days_before,
        timezone=user.timezone,
    )
    kept = structs.replace(
        record,
        next_on=None if record.is_paused else following.next_on,
        next_at=None if record.is_paused else following.next_at,
        version=record.version + 1,
        updated_at=clock.now(),
    )
    values = structs.asdict(kept)
    session.execute(
        update(RECURRING)
        .where(RECURRING.c.user_id == record.user_id, RECURRING.c.id == record.id)
        .values({name: value for name, value in values.items() if name not in ("user_id", "id")})
    )
    return kept


def _lock(session: Session, user_id: UUID) -> tuple[LockedUser, date]:
    """The user, whose row stays locked, and the newest day that has begun for them."""
    user = lock_user(session, user_id=user_id)
    if user is None:
        raise NotFound("no such user")
    return user, newest_day(clock.now(), user.timezone)


def _reminded_through(today: date, remind_days: int | None) -> date:
    """Of what should have been reminded of before today, nobody is reminded any more."""
    return today + timedelta(days=max((remind_days or 0) - 1, 0))


def _handled_by_change(session: Session, record: RecurringRecord, changed: Set[str], today: date) -> date:
    """Through which day it is handled as its rule changes: nothing that a new one adds is before today, and
    what is late goes on from where it is if only its end changes."""
    is_late = record.next_on is not None and record.next_on < today
    if is_late and not changed & {"rule", "starts_on"}:
        return record.handled_through
    if is_late:
        _miss(session, record, today)
    return max(record.handled_through, today - _DAY)


def _miss(session: Session, record: RecurringRecord, today: date) -> None:
    """Leave a trace of what was due before today, and is not going to be posted."""
    now = clock.now()
    missed = due_days(record.recurrence, progress_of(session, record), today=today - _DAY)
    log.warning("recurring.missed", recurring_id=record.id, occurrences=len(missed))
    rows = (
        OccurrenceRecord(record.user_id, record.id, day, "missed", None, now, now)
        for day in missed[-MAX_KEPT_MISSED:]
    )
    insert_rows(session, OCCURRENCES, (structs.asdict(row) for row in rows))


def _consistent(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Giving a category drops the lines, and giving lines the category."""
    given = {name: changes[name] for name in TEMPLATE_FIELDS if name in changes}
    if given.get("category_id") is not None and "lines" not in given:
        given["lines"] = ()
    if given.get("lines") and "category_id" not in given:
        given["category_id"] = None
    return given
