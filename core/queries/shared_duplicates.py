"""Finding out which rows of a file of shared expenses are in the group already, whoever has written them."""

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import product
from math import prod
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, select

from core.models import GroupExpense, Settlement, table_of
from core.queries.import_duplicates import Looks, stream
from core.queries.imports import ImportRecord
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


def shared_entries(rows: Connection, record: ImportRecord, looks: Looks) -> Iterator[tuple[int, UUID]]:
    """The group's expenses and standing repayments that have the look of one of the rows."""
    if record.group_id is None:
        return
    people, group_id = _People(record), record.group_id
    for row in stream(rows, _expenses(group_id, looks)):
        look = (row.spent_on, row.amount_minor)
        if look in looks:
            payers = [UUID(member_id) for member_id, minor in row.resolved["paid"].items() if minor]
            for names in people.guesses(payers):
                parts = {"description": row.description, "people": sorted(names)}
                yield shared_key(group_id, *look, row.currency, **parts), row.id
    for row in stream(rows, _settlements(group_id, looks)):
        look = (row.paid_on, row.amount_minor)
        if look in looks:
            for names in people.guesses((row.from_member_id, row.to_member_id)):
                yield shared_key(group_id, *look, row.currency, description=None, people=names), row.id


def _expenses(group_id: UUID, looks: Looks) -> Select[Any]:
    table = EXPENSES.c
    return select(
        table.id, table.spent_on, table.amount_minor, table.currency, table.description, table.resolved
    ).where(table.group_id == group_id, table.deleted_at.is_(None), table.spent_on.between(*_span(looks)))


def _settlements(group_id: UUID, looks: Looks) -> Select[Any]:
    table = SETTLEMENTS.c
    return select(
        table.id, table.paid_on, table.amount_minor, table.currency, table.from_member_id, table.to_member_id
    ).where(table.group_id == group_id, table.state != "reversed", table.paid_on.between(*_span(looks)))


def _span(looks: Looks) -> tuple[date, date]:
    days = [day for day, _amount in looks]
    return min(days), max(days)
