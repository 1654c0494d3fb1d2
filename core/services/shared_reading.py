"""Reading a file of shared expenses into rows, and what it comes to for each of the people in it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from uuid import UUID

from msgspec import structs

from core.models.ledger import MAX_PAIR_BALANCE_MINOR
from core.queries.groups import GroupScope
from core.queries.imports import Findings, NamedPerson, Problem, RowData, SharedParts
from core.rules.duplicates import shared_key
from core.rules.money import format_amount, is_currency
from core.rules.periods import is_supported
from core.services.group_expense_drafts import MAX_SHARED_MINOR
from core.services.group_history import waits_for
from core.services.import_protocol import NewRow, as_problem
from core.statements.rows import RowProblem
from core.statements.shared_entries import SharedEntry

MAX_TOTAL_MINOR = MAX_PAIR_BALANCE_MINOR // 4
"""Of all entries of a file in a currency: no file can bring two members' balance beyond what can be kept, and
leave expenses that can never be posted, unless the group is there nearly."""


class SharedReading:
    """A file that is being read. Its people have the places that its entries know them by."""

    def __init__(
        self, group_id: UUID, people: Sequence[NamedPerson], entries: Iterator[SharedEntry | RowProblem]
    ) -> None:
        self._group_id, self._people, self._entries = group_id, people, entries
        self._balances = [Counter[str]() for _person in people]
        self._repayments = Counter[int]()
        self._totals = Counter[str]()

    def rows(self) -> Iterator[NewRow | Problem]:
        """Each is read when it is asked for."""
        for entry in self._entries:
            if isinstance(entry, RowProblem):
                yield as_problem(entry)
            elif objection := self._objection(entry):
                yield Problem(entry.line, *objection, entry.description)
            else:
                yield self._row(entry)

    def completed(self, findings: Findings) -> Findings:
        """With what all rows come to. Categories of a group are mere names: none is to be chosen."""
        people = [
            structs.replace(
                person,
                balances={currency: minor for currency, minor in sorted(balances.items()) if minor},
                repayments=self._repayments[place],
            )
            for place, (person, balances) in enumerate(zip(self._people, self._balances, strict=True))
        ]
        return structs.replace(findings, people=tuple(people), categories=())

    def _objection(self, entry: SharedEntry) -> tuple[str, str] | None:
        """The field that cannot be recorded, and why."""
        currency, amount = entry.currency, abs(entry.amount_minor)
        if not is_currency(currency):
            return "currency", "not an active ISO 4217 currency code"
        if not is_supported(entry.day):
            return "day", "is too far away"
        if amount > MAX_SHARED_MINOR:
            largest = format_amount(MAX_SHARED_MINOR, currency)
            return "amount", f"an entry of a group is at most {largest} {currency}"
        if self._totals[currency] + amount > MAX_TOTAL_MINOR:
            largest = format_amount(MAX_TOTAL_MINOR, currency)
            return "amount", f"the entries of a file are at most {largest} {currency} together"
        if any(minor * entry.amount_minor < 0 for minor in entry.paid.values()):
            return "amount", "one has paid and another one got back"
        return None

    def _row(self, entry: SharedEntry) -> NewRow:
        parts = SharedParts(
            paid=dict(entry.paid), shares=dict(entry.shares), is_repayment=entry.is_settlement
        )
        self._add(entry)
        data = RowData(payee=entry.description, note=entry.note, category=entry.category, shared=parts)
        key = shared_key(
            self._group_id,
            entry.day,
            entry.amount_minor,
            entry.currency,
            description=None if parts.is_repayment else entry.description,
            people=self._named(parts),
        )
        return NewRow(
            entry.line,
            entry.day,
            entry.amount_minor,
            entry.currency,
            data,
            key,
            is_repayment=parts.is_repayment,
        )

    def _named(self, parts: SharedParts) -> list[str]:
        """By whom the entry is known: payer and receiver of a repayment, payers of an expense."""
        if parts.is_repayment:
            return [self._people[place].name for place in (*parts.paid, *parts.shares)]
        return sorted(self._people[place].name for place in parts.paid)

    def _add(self, entry: SharedEntry) -> None:
        self._totals[entry.currency] += abs(entry.amount_minor)
        for place, minor in entry.paid.items():
            self._balances[place][entry.currency] += minor
        for place, minor in entry.shares.items():
            self._balances[place][entry.currency] -= minor
            self._repayments[place] += entry.is_settlement


def new_person(scope: GroupScope, name: str, member_id: UUID | None) -> NamedPerson:
    """Somebody in a file of which nothing is read yet."""
    is_asked = member_id is not None and waits_for(scope, scope.members[member_id])
    return NamedPerson(name=name, member_id=member_id, balances={}, repayments=0, is_asked=is_asked)
