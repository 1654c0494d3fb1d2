"""Expenses of an archive, as they were: with their ids, their times, and in the trash if they lay there."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from msgspec import structs
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from core import clock
from core.archive.fields import NOTHING
from core.archive.reading import BadEntry, Entry
from core.archive.records import ExpenseItem
from core.database import Reader
from core.errors import InvalidInput, invalid
from core.models.expenses import MIRROR
from core.queries.expenses import EXPENSES, ExpenseRecord
from core.services.changes import forget_deleted
from core.services.expense_drafts import DraftContext, ExpenseInput, LineInput, RateInput, draft_expense
from core.services.expenses import insert_expenses, spending_of
from core.services.spending import add_spending

SOURCE = "import"
"""Of what was a share in a group's expense: here it follows no group."""

KNOWN = select(EXPENSES.c.id).where(
    EXPENSES.c.user_id == bindparam("owner"), EXPENSES.c.id.in_(bindparam("expense_ids", expanding=True))
)


@dataclass(slots=True)
class ExpenseIntake:
    """What becomes of some of an archive's expenses; `records` are new."""

    records: list[ExpenseRecord] = field(default_factory=list)
    known: int = 0
    problems: list[BadEntry] = field(default_factory=list)


class ExpenseDrafting:
    """Drafts expenses for a user whose categories are those of the archive, by `category_ids`."""

    def __init__(self, user_id: UUID, currency: str, category_ids: Mapping[UUID, UUID]) -> None:
        self._user_id = user_id
        self._category_ids = category_ids
        self._context = DraftContext(
            now=clock.now(),
            users={user_id: (currency, "UTC")},
            categories={(user_id, category_id) for category_id in category_ids.values()},
            rules={},
        )

    def draft(self, rows: Reader, entries: Iterable[Entry]) -> ExpenseIntake:
        """Nothing is stored. What is there already, or comes twice, stays as it is."""
        intake = ExpenseIntake()
        items = [(entry, entry.record) for entry in entries if isinstance(entry.record, ExpenseItem)]
        known = known_expenses(rows, user_id=self._user_id, expense_ids=[item.id for _, item in items])
        for entry, item in items:
            if item.id in known:
                intake.known += 1
                continue
            try:
                intake.records.append(self._draft(item))
            except InvalidInput as error:
                wrong = error.below(f"/{entry.section}/{entry.position}").fields[0]
                intake.problems.append(BadEntry(entry.section, entry.position, wrong))
            else:
                known.add(item.id)
        return intake

    def _draft(self, item: ExpenseItem) -> ExpenseRecord:
        if item.id == NOTHING:
            raise invalid("/id", "is no id of its own")
        rate = item.exchange_rate
        given = ExpenseInput(
            user_id=self._user_id,
            amount=item.amount,
            currency=item.currency,
            category_id=self._category(item.category_id),
            spent_on=item.spent_on,
            payee=item.payee,
            note=item.note,
            tags=tuple(item.tags),
            lines=tuple(
                LineInput(self._category(line.category_id), line.amount, line.note) for line in item.lines
            ),
            source=SOURCE if item.source == MIRROR else item.source,
            exchange_rate=None if rate is None else RateInput(rate.currency, rate.rate),
        )
        return structs.replace(
            draft_expense(given, self._context),
            id=item.id,
            version=item.version,
            created_at=item.created_at,
            updated_at=item.updated_at,
            deleted_at=item.deleted_at,
        )

    def _category(self, category_id: UUID | None) -> UUID | None:
        """What leads nowhere stays as it is, and is found out with the rest."""
        return None if category_id is None else self._category_ids.get(category_id, NOTHING)


def known_expenses(rows: Reader, *, user_id: UUID, expense_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the ids that the user's expenses have, in the trash or not."""
    if not expense_ids:
        return set()
    return {row.id for row in rows.execute(KNOWN, {"owner": user_id, "expense_ids": expense_ids})}


def store_expenses(session: Session, *, user_id: UUID, records: Sequence[ExpenseRecord]) -> None:
    """Store drafts with their totals; budgets are the caller's to have evaluated. The user is locked.

    Raises:
        InvalidInput: a day's total would leave what a total may hold.
    """
    if not records:
        return
    forget_deleted(session, user_id=user_id, ids=[record.id for record in records])
    insert_expenses(session, records)
    counted = (record for record in records if record.deleted_at is None)
    add_spending(session, (part for record in counted for part in spending_of(record)))
