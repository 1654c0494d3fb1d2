"""The daily totals, kept in the transaction of every write that changes an expense."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from uuid import UUID

import msgspec
from msgspec import structs
from sqlalchemy import Insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core.errors import invalid
from core.job_names import EVALUATE_BUDGETS
from core.many_rows import execute_for_rows
from core.models import DailyConversion, DailySpending, table_of
from core.models.spending import UNCATEGORISED
from core.services.dialects import recordset
from core.services.outbox import Job, stage_jobs

TABLE = table_of(DailySpending)
CONVERSIONS = table_of(DailyConversion)


def _add_statement(insert: postgresql.Insert | sqlite.Insert) -> Insert:
    table = insert.table
    return insert.on_conflict_do_update(
        index_elements=[column.name for column in table.primary_key],
        set_={
            column.name: column + insert.excluded[column.name] for column in table.c if not column.primary_key
        },
    )


ADD = {
    "postgresql": _add_statement(postgresql.insert(TABLE)),
    "sqlite": _add_statement(sqlite.insert(TABLE)),
}
"""Adds to a total, or begins it, in the database's dialect."""

ADD_CONVERSIONS = {
    "postgresql": _add_statement(postgresql.insert(CONVERSIONS)),
    "sqlite": _add_statement(sqlite.insert(CONVERSIONS)),
}


def _add_many_statement() -> Insert:
    """As `ADD`, for many in one statement: by itself each takes three times as long."""
    given = recordset("rows", {one.name: one.type for one in TABLE.c})
    return _add_statement(postgresql.insert(TABLE).from_select(list(given.c.keys()), select(*given.c)))


MANY = 100
"""Totals for which that pays."""

ADD_MANY = _add_many_statement()


Totals = defaultdict[tuple[UUID, date, UUID, str], list[int]]
"""Minor units and the number of parts, by user, day, category and currency."""


class Spending(msgspec.Struct, frozen=True, gc=False):
    """A part of an expense, as the totals see it. `count` is +1 when it comes and -1 when it goes.

    With a rate of the user's own, `converted_minor` is what it makes of the part in `into_currency`.
    """

    user_id: UUID
    day: date
    category_id: UUID | None
    currency: str
    amount_minor: int
    count: int = 1
    into_currency: str | None = None
    converted_minor: int = 0

    def reversed(self) -> "Spending":
        return structs.replace(
            self,
            amount_minor=-self.amount_minor,
            count=-self.count,
            converted_minor=-self.converted_minor,
        )


def ask_for_evaluation(session: Session, *, user_id: UUID) -> None:
    """Have all budgets of the user evaluated, whatever the day: something else than spending has changed."""
    ask_for_evaluations(session, {user_id: None})


def ask_for_evaluations(session: Session, first_days: Mapping[UUID, date | None]) -> None:
    """Have the users' budgets evaluated, each for spending from a day on; None: for everything."""
    stage_jobs(
        session,
        [
            Job(EVALUATE_BUDGETS, str(user_id), {"from": None if day is None else day.isoformat()})
            for user_id, day in first_days.items()
        ],
    )


def apply_spending(session: Session, parts: Iterable[Spending]) -> None:
    """Add the parts to the totals and have the budgets of their users evaluated.

    Raises:
        InvalidInput: a day's total would leave what a total may hold.
    """
    ask_for_evaluations(session, add_spending(session, parts))


def add_spending(session: Session, parts: Iterable[Spending]) -> dict[UUID, date]:
    """Add the parts to the totals; answers from which day on each user's budgets are to be evaluated.

    Raises:
        InvalidInput: a day's total would leave what a total may hold.
    """
    totals: Totals = defaultdict(lambda: [0, 0])
    converted: list[Spending] = []
    for part in parts:
        if part.into_currency is not None:
            converted.append(part)
        total = totals[part.user_id, part.day, part.category_id or UNCATEGORISED, part.currency]
        total[0] += part.amount_minor
        total[1] += part.count
    first_days: dict[UUID, date] = {}
    for user_id, day, _category_id, _currency in totals:
        first_days[user_id] = min(day, first_days.get(user_id, day))
    _add(session, totals)
    if converted:
        _add_conversions(session, converted)
    return first_days


def _add(session: Session, totals: Totals) -> None:
    # In key order, so that two transactions never wait for each other in a circle.
    rows = [
        {
            "user_id": key[0],
            "day": key[1],
            "category_id": key[2],
            "currency": key[3],
            "amount_minor": amount,
            "count": n,
        }
        for key, (amount, n) in sorted(totals.items())
        if amount or n
    ]
    if rows:
        with refusing_large_totals():
            dialect = session.get_bind().dialect.name
            if len(rows) < MANY:
                session.execute(ADD[dialect], rows)
            elif dialect == "postgresql":
                session.execute(ADD_MANY, {"rows": msgspec.json.encode(rows).decode()})
            else:
                execute_for_rows(session, ADD[dialect], rows)


def _add_conversions(session: Session, parts: Iterable[Spending]) -> None:
    sums: defaultdict[tuple[UUID, date, UUID, str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for part in parts:
        key = (part.user_id, part.day, part.category_id or UNCATEGORISED, part.currency)
        total = sums[*key, part.into_currency or ""]
        total[0] += part.amount_minor
        total[1] += part.converted_minor
        total[2] += part.count
    names = [column.name for column in CONVERSIONS.c]
    # In key order, as above.
    rows = [
        dict(zip(names, (*key, *total), strict=True)) for key, total in sorted(sums.items()) if any(total)
    ]
    if rows:
        with refusing_large_totals():
            session.execute(ADD_CONVERSIONS[session.get_bind().dialect.name], rows)


@contextmanager
def refusing_large_totals() -> Iterator[None]:
    """Say what is wrong with the expense where the database refuses a total.

    Raises:
        InvalidInput
    """
    try:
        yield
    except IntegrityError as error:
        if "amount_in_range" in str(error.orig):
            raise invalid("/amount", "the day's total would be larger than can be kept") from error
        raise
