"""Statements of banks, as the user's own expenses."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import BinaryIO
from uuid import UUID

from msgspec import structs
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from core import clock
from core.queries.expense_parts import Line
from core.queries.expense_rules import active_rules, outcome_of
from core.queries.expenses import ExpenseRecord
from core.queries.import_duplicates import Looks, own_expenses
from core.queries.imports import (
    Findings,
    ImportRecord,
    Problem,
    RowData,
    StoredRow,
    category_names,
    kept_mapping,
)
from core.queries.users import load_user
from core.rules.duplicates import bank_key, match_key
from core.rules.expense_rules import Rule
from core.rules.money import is_currency
from core.rules.periods import is_supported
from core.rules.texts import storable
from core.services.expense_removal import remove_expenses
from core.services.expenses import insert_many_expenses, spending_of
from core.services.import_protocol import NewRow, OpenedFile, Refusal, WithoutGroup, as_problem
from core.services.own_csv import is_own, own_mapping, read_own_csv
from core.services.spending import add_spending
from core.statements.formats import Format
from core.statements.limits import MAX_FILE_BYTES
from core.statements.mapping import Proposal, carry_over
from core.statements.reading import propose_mapping, read_statement
from core.statements.rows import RowProblem, StatementRow

SOURCE = "import"

ROWS_AT_ONCE = 2_000
"""A transaction's, some tenths of a second: the same days' totals are locked for other writes no longer."""


class StatementImports(WithoutGroup):
    """The `ImportFormat` of files whose rows are expenses."""

    max_bytes = MAX_FILE_BYTES
    has_categories = True
    recorded_at_once = undone_at_once = ROWS_AT_ONCE

    def __init__(self, file_format: Format) -> None:
        self._format = file_format

    def open(self, session: Session, record: ImportRecord, file: BinaryIO) -> OpenedFile:
        """With the mapping that the user gave, or had for the last file of the bank, or that is proposed."""
        currency = load_user(session, user_id=record.user_id).currency
        proposal = propose_mapping(file, file_format=self._format, default_currency=currency)
        mapping = proposal.mapping
        if record.has_own_mapping and record.mapping is not None:
            mapping = record.mapping
        elif kept := kept_mapping(session, user_id=record.user_id, fingerprint=proposal.fingerprint):
            mapping = carry_over(kept, proposal)
        findings = _findings(proposal)
        if self._format == "csv" and is_own(findings.headers) and not record.has_own_mapping:
            mapping = own_mapping(proposal.mapping)
            findings = structs.replace(findings, missing=(), doubts=())
            return OpenedFile(mapping, findings, read_own_csv(file, mapping))
        rows = read_statement(file, file_format=self._format, mapping=mapping)
        return OpenedFile(mapping, findings, _new_rows(rows))

    def existing(self, rows: Connection, record: ImportRecord, looks: Looks) -> Iterator[tuple[int, UUID]]:
        return own_expenses(rows, record, looks)

    def record_rows(
        self,
        session: Session,
        record: ImportRecord,
        rows: Sequence[StoredRow],
        category_ids: Mapping[str, UUID | None],
    ) -> Sequence[Refusal]:
        """Record expenses, which go through the user's rules, and add them to the daily totals."""
        rules = active_rules(session, user_ids=[record.user_id]).get(record.user_id, [])
        # Some may have been deleted since the names were settled.
        there = {one.id for one in category_names(session, user_id=record.user_id)}
        filed = {name: one for name, one in category_ids.items() if one in there}
        now = clock.now()
        expenses = insert_many_expenses(
            session, (_expense(record.user_id, row, filed, rules, now) for row in rows)
        )
        add_spending(session, (part for expense in expenses for part in spending_of(expense)))
        return ()

    def undo_rows(self, session: Session, record: ImportRecord, rows: Sequence[StoredRow]) -> None:
        ids = [row.expense_id for row in rows if row.expense_id is not None]
        remove_expenses(session, user_id=record.user_id, expense_ids=ids)


def _findings(proposal: Proposal) -> Findings:
    return Findings(
        fingerprint=proposal.fingerprint,
        headers=tuple(map(storable, proposal.headers)),
        samples=tuple(tuple(map(storable, sample)) for sample in proposal.samples),
        sheets=tuple(map(storable, proposal.sheets)),
        missing=proposal.missing,
        doubts=tuple(map(storable, proposal.doubts)),
    )


def _new_rows(rows: Iterator[StatementRow | RowProblem]) -> Iterator[NewRow | Problem]:
    for row in rows:
        if isinstance(row, RowProblem):
            yield as_problem(row)
        elif not is_currency(row.currency):
            yield Problem(row.line, "currency", "not an active ISO 4217 currency code", row.currency)
        elif not is_supported(row.day):
            yield Problem(row.line, "day", "is too far away", row.day.isoformat())
        else:
            yield _new_row(row)


def _new_row(row: StatementRow) -> NewRow:
    data = RowData(
        payee=row.payee,
        note=row.note,
        category=row.category,
        tags=row.tags,
        bank_id=row.bank_id,
        account=row.account,
    )
    return NewRow(
        row.line,
        row.day,
        row.amount_minor,
        row.currency,
        data,
        match_key(row.day, row.amount_minor, row.currency, row.payee),
        bank_key(row.bank_id, row.account, amount_minor=row.amount_minor, currency=row.currency),
        row.is_pending,
    )


def _filed(name: str | None, category_ids: Mapping[str, UUID | None]) -> UUID | None:
    return None if name is None else category_ids.get(name)


def _expense(
    user_id: UUID,
    row: StoredRow,
    category_ids: Mapping[str, UUID | None],
    rules: Sequence[Rule],
    now: datetime,
) -> ExpenseRecord:
    if row.expense_id is None or row.day is None or row.amount_minor is None or row.currency is None:
        raise ValueError(f"row {row.position} cannot be recorded")
    details = row.details
    expense = ExpenseRecord(
        user_id=user_id,
        id=row.expense_id,
        amount_minor=row.amount_minor,
        currency=row.currency,
        category_id=_filed(details.category, category_ids),
        spent_on=row.day,
        payee=details.payee,
        note=details.note,
        source=SOURCE,
        version=1,
        created_at=now,
        updated_at=now,
        tags=details.tags,
        lines=tuple(
            Line(_filed(line.category, category_ids), line.amount_minor, line.note) for line in details.lines
        ),
        rate_currency=details.rate_currency,
        rate=details.rate,
    )
    if not rules:
        return expense
    labels = outcome_of(rules, expense).labels
    return structs.replace(expense, category_id=labels.category_id, payee=labels.payee, tags=labels.tags)
