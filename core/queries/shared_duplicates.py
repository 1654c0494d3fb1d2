"""Finding out which rows of a file of shared expenses are in the group already, whoever has written them."""

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, CursorResult, Select, select, tuple_

from core.models import GroupExpense, Settlement, table_of
from core.queries.import_duplicates import STREAMED_ROWS, Days, is_ready_row
from core.queries.imports import ROWS, ImportRecord
from core.rules.duplicates import shared_key

EXPENSES = table_of(GroupExpense)
SETTLEMENTS = table_of(Settlement)

MAX_GUESSES = 100
"""Ways in which those who have paid an entry may be people of the file of whom nobody has said who they are.
There are more only where several have paid and many are unknown."""


class _People:
    """By which names the file may know the members of the group."""

    def __init__(self, record: ImportRecord) -> None:
        people = record.findings.people
        known = record.members.ids if record.members else {one.name: one.member_id for one in people}
        self._names = {member_id: name for name, member_id in known.items() if member_id is not None}
        self._unknown = [name for name, member_id in known.items() if member_id is None]

    def guesses(self, member_ids: Sequence[UUID]) -> list[tuple[str, ...]]:
        """The names of the members in each way that is possible: one, unless some are unknown."""
        options = [[self._names[one]] if one in self._names else self._unknown for one in member_ids]
        if prod(map(len, options)) > MAX_GUESSES:
            return []
        return [names for names in product(*options) if len(set(names)) == len(names)]


def shared_entries(rows: Connection, record: ImportRecord, days: Days) -> Iterator[tuple[int, UUID]]:
    """The group's expenses and standing repayments that look like one of the rows, with their match keys."""
    if record.group_id is None:
        return
    people, group_id = _People(record), record.group_id
    for row in _expenses(rows, record, days):
        payers = [UUID(member_id) for member_id, minor in row.resolved["paid"].items() if minor]
        for names in people.guesses(payers):
            look = (row.spent_on, row.amount_minor, row.currency)
            yield shared_key(group_id, *look, description=row.description, people=sorted(names)), row.id
    for row in _settlements(rows, record, days):
        for names in people.guesses((row.from_member_id, row.to_member_id)):
            look = (row.paid_on, row.amount_minor, row.currency)
            yield shared_key(group_id, *look, description=None, people=names), row.id


def _expenses(rows: Connection, record: ImportRecord, days: Days) -> CursorResult[Any]:
    table = EXPENSES.c
    query = select(
        table.id, table.spent_on, table.amount_minor, table.currency, table.description, table.resolved
    ).where(
        table.group_id == record.group_id,
        table.deleted_at.is_(None),
        table.spent_on.between(*days),
        tuple_(table.spent_on, table.amount_minor, table.currency).in_(_looks(record)),
    )
    return rows.execute(query, execution_options={"yield_per": STREAMED_ROWS})


def _settlements(rows: Connection, record: ImportRecord, days: Days) -> CursorResult[Any]:
    table = SETTLEMENTS.c
    query = select(
        table.id, table.paid_on, table.amount_minor, table.currency, table.from_member_id, table.to_member_id
    ).where(
        table.group_id == record.group_id,
        table.state != "reversed",
        table.paid_on.between(*days),
        tuple_(table.paid_on, table.amount_minor, table.currency).in_(_looks(record)),
    )
    return rows.execute(query, execution_options={"yield_per": STREAMED_ROWS})


def _looks(record: ImportRecord) -> Select[Any]:
    is_ready = is_ready_row(record.user_id, record.id)
    return select(ROWS.c.day, ROWS.c.amount_minor, ROWS.c.currency).where(is_ready)
