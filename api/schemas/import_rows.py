"""Rows of imports, as clients look at them."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from api.schemas.common import ID_EXAMPLE, Amount, Currency, Cursor, Day, Id, Limit, NextCursor
from api.schemas.expenses import Note, Payee, TagsOut
from api.schemas.import_people import PersonName
from api.schemas.imports import Line, ProblemOut
from core.queries.imports import NamedPerson, RowState, StoredRow
from core.rules.duplicates import Reason
from core.rules.money import format_amount


class PartyOut(msgspec.Struct):
    """What somebody has paid of a row, or what of it is theirs."""

    name: PersonName
    amount: Amount


def parties(amounts: Mapping[int, int], people: Sequence[NamedPerson], currency: str) -> list[PartyOut]:
    return [PartyOut(people[place].name, format_amount(minor, currency)) for place, minor in amounts.items()]


class RowValuesOut(msgspec.Struct):
    """What an expense of the row has, before the user's rules."""

    spent_on: Day
    amount: Amount
    currency: Currency
    payee: Payee | None
    note: Note | None
    category: Annotated[str | None, Meta(description="By its name in the file.", examples=["Groceries"])]
    tags: TagsOut
    bank_id: Annotated[str | None, Meta(description="By which the bank knows it.", examples=["20260510-17"])]
    account: Annotated[str | None, Meta(examples=["DE02120300000000202051"])]
    is_pending: Annotated[bool, Meta(description="Not booked yet.", examples=[False])]
    is_repayment: Annotated[bool, Meta(description="Of a shared file: no expense.", examples=[False])]
    paid_by: Annotated[list[PartyOut], Meta(description="Of a shared file.", examples=[[]])]
    shares: Annotated[list[PartyOut], Meta(description="Of a shared file.", examples=[[]])]


class DuplicateOut(msgspec.Struct):
    """Why the row seems to be there already."""

    reason: Annotated[
        Reason,
        Meta(
            description="`bank_id`: it came with an earlier file; `same_values`: day, amount and payee are "
            "those of an expense or of a row of an earlier file; `pending`: it was not booked then; "
            "`same_file`: the bank's id is there twice.",
            examples=["same_values"],
        ),
    ]
    expense_id: Annotated[Id | None, Meta(description="The expense; it may have been deleted since.")]


class ImportRowOut(msgspec.Struct):
    line: Line
    state: Annotated[RowState, Meta(examples=["ready"])]
    values: Annotated[RowValuesOut | None, Meta(description="null where there is a problem.")]
    problem: Annotated[ProblemOut | None, Meta(examples=[None])]
    duplicate: Annotated[DuplicateOut | None, Meta(examples=[None])]
    expense_id: Annotated[Id | None, Meta(description="What was recorded.", examples=[ID_EXAMPLE])]

    @classmethod
    def of(cls, row: StoredRow, people: Sequence[NamedPerson]) -> "ImportRowOut":
        """Of a shared file with its people."""
        is_problem = row.state == "problem"
        duplicate = None
        if row.duplicate_reason is not None:
            duplicate = DuplicateOut(row.duplicate_reason, row.duplicate_of)
        return cls(
            row.line,
            row.state,
            None if is_problem else _values(row, people),
            ProblemOut.of(row.problem) if is_problem else None,
            duplicate,
            row.expense_id if row.state == "committed" else None,
        )


def _values(row: StoredRow, people: Sequence[NamedPerson]) -> RowValuesOut | None:
    if row.day is None or row.amount_minor is None or row.currency is None:
        return None
    details = row.details
    parts = details.shared
    return RowValuesOut(
        row.day,
        format_amount(row.amount_minor, row.currency),
        row.currency,
        details.payee,
        details.note,
        details.category,
        list(details.tags),
        details.bank_id,
        details.account,
        row.is_pending,
        parts is not None and parts.is_repayment,
        [] if parts is None else parties(parts.paid, people, row.currency),
        [] if parts is None else parties(parts.shares, people, row.currency),
    )


class ImportRowPage(msgspec.Struct):
    items: list[ImportRowOut]
    next_cursor: NextCursor


class ImportRowQuery(msgspec.Struct, forbid_unknown_fields=True):
    state: Annotated[RowState, Meta(description="Only rows in this state.")] | None = None
    limit: Limit = 50
    cursor: Cursor | None = None
