"""Posting to the ledgers of groups: the one place that writes postings and the balances kept of them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Executable, insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core import clock
from core.errors import Conflict
from core.models import PairBalance, Posting, table_of
from core.queries.ledger import SourceKind
from core.rules.debts import Transfer

BALANCES = table_of(PairBalance)
INSERT = insert(table_of(Posting))


def _add_statement(insert_: postgresql.Insert | sqlite.Insert) -> Executable:
    return insert_.on_conflict_do_update(
        index_elements=["group_id", "member_id", "counterparty_id", "currency"],
        set_={"amount_minor": BALANCES.c.amount_minor + insert_.excluded.amount_minor},
    )


ADD = {
    "postgresql": _add_statement(postgresql.insert(BALANCES)),
    "sqlite": _add_statement(sqlite.insert(BALANCES)),
}
"""Adds to a balance, or begins it, in the database's dialect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A set of postings of one source. Each debt says that `from_id` owes `to_id` that much more.

    `number` counts the entries of the source from 1; an entry that is posted a second time is refused.
    """

    group_id: UUID
    source_kind: SourceKind
    source_id: UUID
    number: int
    currency: str
    debts: tuple[Transfer, ...]
    is_reversal: bool = False

    def reversed(self, number: int) -> "Entry":
        """What takes this entry back."""
        return Entry(
            group_id=self.group_id,
            source_kind=self.source_kind,
            source_id=self.source_id,
            number=number,
            currency=self.currency,
            debts=tuple(Transfer(debt.to_id, debt.from_id, debt.amount) for debt in self.debts),
            is_reversal=True,
        )


def post_entries(session: Session, entries: Sequence[Entry]) -> None:
    """Write the entries' postings and add them to the balances. The caller holds the groups' LEDGER lock."""
    now = clock.now()
    rows = []
    totals: dict[tuple[UUID, UUID, UUID, str], int] = defaultdict(int)
    for entry in entries:
        for position, (member_id, counterparty_id, amount) in enumerate(_movements(entry.debts)):
            rows.append(
                {
                    "group_id": entry.group_id,
                    "source_id": entry.source_id,
                    "entry": entry.number,
                    "position": position,
                    "source_kind": entry.source_kind,
                    "is_reversal": entry.is_reversal,
                    "member_id": member_id,
                    "counterparty_id": counterparty_id,
                    "currency": entry.currency,
                    "amount_minor": amount,
                    "created_at": now,
                }
            )
            totals[entry.group_id, member_id, counterparty_id, entry.currency] += amount
    if not rows:
        return
    session.execute(INSERT, rows)
    names = ("group_id", "member_id", "counterparty_id", "currency")
    changed = [
        dict(zip(names, key, strict=True)) | {"amount_minor": total}
        for key, total in sorted(totals.items())
        if total
    ]
    if changed:
        session.execute(ADD[session.get_bind().dialect.name], changed)


@contextmanager
def refusing_large_balances() -> Iterator[None]:
    """Raises: Conflict, where the database refuses a balance."""
    try:
        yield
    except IntegrityError as error:
        if "amount_in_range" in str(error.orig):
            raise Conflict("the balance between two members would be larger than can be kept") from error
        raise


def _movements(debts: Iterable[Transfer]) -> Iterable[tuple[UUID, UUID, int]]:
    """Each debt from both sides: what one owes, the other is owed."""
    for debt in debts:
        yield debt.from_id, debt.to_id, -debt.amount
        yield debt.to_id, debt.from_id, debt.amount
