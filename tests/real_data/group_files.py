"""What two people shared, read from other programs' files without any of the product's code.

The people are 0 and 1, in the order of the files' columns.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any

from tests.real_data.files import SPLIIT, SPLIIT_TWIN, SPLITWISE, cents, read_json, read_rows

BOTH = (0, 1)

Parts = tuple[Fraction, Fraction]
"""Each one's exact part, in cents."""

Nets = Counter[tuple[int, str]]
"""Cents by person and currency: who is owed, and below zero who owes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An expense or a repayment; `values` are of those who are in its split, as a client would write them.

    In a repayment the `payer` gives the other one the whole of it.
    """

    day: date
    description: str
    category: str
    currency: str
    minor: int
    payer: int
    kind: str
    values: Mapping[int, str]
    fair: Parts
    is_repayment: bool = False

    @property
    def receiver(self) -> int:
        return 1 - self.payer

    def rounded(self) -> tuple[int, int] | None:
        """The fair parts to the nearest cent; None if both end with half a cent, so that one has to give."""
        if any(part.denominator == 2 for part in self.fair):
            return None
        first, second = (floor(part + Fraction(1, 2)) for part in self.fair)
        return first, second

    def add_to(self, nets: Nets, shares: tuple[int, int]) -> None:
        for person in BOTH:
            paid = self.minor if person == self.payer else 0
            nets[person, self.currency] += paid - shares[person]


@dataclass(frozen=True, slots=True)
class Columns:
    """A row of spliit's CSV file: the cost, who paid, and what its columns say of each one's share, in cents.

    A column is the person's share, not paid minus owed: above zero if that person paid the expense, else
    below (github.com/spliit-app/spliit/issues/471). So it is rounded by itself, and the shares need not sum.
    """

    day: date
    description: str
    minor: int
    payer: int
    shares: tuple[int, int]


def splitwise_entries() -> list[Entry]:
    """Who has a positive column has paid the cost, and owes what of it is not in the column."""
    return [_splitwise_entry(row) for row in _splitwise_rows() if row[3].strip()]


def splitwise_columns() -> list[tuple[str, Decimal, Decimal]]:
    """Currency and both columns as they stand, paid minus owed, of each row but for the last balances."""
    return [(row[4], Decimal(row[5]), Decimal(row[6])) for row in _splitwise_rows() if row[3].strip()]


def splitwise_balances() -> dict[str, tuple[Decimal, Decimal]]:
    """What the file's last rows say, by currency."""
    return {
        row[4]: (Decimal(row[5]), Decimal(row[6])) for row in _splitwise_rows() if row[1] == "Total balance"
    }


def spliit_entries() -> list[Entry]:
    """The JSON file: cents, who paid, for whom, and by which rule."""
    group = read_json(SPLIIT_TWIN)
    people = {person["id"]: index for index, person in enumerate(group["participants"])}
    return [_spliit_entry(expense, people, group["currencyCode"]) for expense in group["expenses"]]


def spliit_stored_parts() -> list[Parts]:
    """What each entry would come to by its stored shares, whatever its rule.

    That is what the CSV file does, also where the rule is "evenly" and the shares are left over from the
    group's default (github.com/spliit-app/spliit/issues/375).
    """
    group = read_json(SPLIIT_TWIN)
    people = {person["id"]: index for index, person in enumerate(group["participants"])}
    return [
        _in_proportion(expense["amount"], {people[id_]: weight for id_, weight in _weights(expense).items()})
        for expense in group["expenses"]
    ]


def spliit_columns() -> list[Columns]:
    header, *rows = read_rows(SPLIIT)
    assert (header[0], header[4], header[10:]) == ("Date", "Cost", ["John ", "Jane"])
    return [_spliit_columns(row) for row in rows]


def _splitwise_rows() -> list[list[str]]:
    header, *rows = (row for row in read_rows(SPLITWISE) if len(row) > 1)
    assert header == ["Date", "Description", "Category", "Cost", "Currency", "John Doe", "Jane Doe"]
    return rows


def _splitwise_entry(row: list[str]) -> Entry:
    day, description, category, cost, currency, *columns = row
    nets = [cents(column) for column in columns]
    minor, payer = cents(cost), nets.index(max(nets))
    assert nets[0] == -nets[1]
    assert 0 < nets[payer] <= minor
    shares = (minor - nets[0], -nets[1]) if payer == 0 else (-nets[0], minor - nets[1])
    return Entry(
        day=date.fromisoformat(day),
        description=description,
        category=category,
        currency=currency,
        minor=minor,
        payer=payer,
        kind="exact",
        values={person: f"{Decimal(shares[person]) / 100:.2f}" for person in BOTH},
        fair=(Fraction(shares[0]), Fraction(shares[1])),
        is_repayment=category == "Payment",
    )


def _spliit_entry(expense: Mapping[str, Any], people: Mapping[str, int], currency: str) -> Entry:
    weights = {people[id_]: weight for id_, weight in _weights(expense).items()}
    kind = {"EVENLY": "equal", "BY_SHARES": "shares", "BY_PERCENTAGE": "percent"}[expense["splitMode"]]
    if kind == "equal":
        weights = dict.fromkeys(weights, 100)
    return Entry(
        day=date.fromisoformat(expense["expenseDate"][:10]),
        description=expense["title"],
        category=expense["category"]["name"],
        currency=currency,
        minor=expense["amount"],
        payer=people[expense["paidById"]],
        kind=kind,
        # Shares and percentages are kept a hundredfold.
        values={person: str(Decimal(weight) / 100) for person, weight in weights.items()},
        fair=_in_proportion(expense["amount"], weights),
        is_repayment=expense["isReimbursement"],
    )


def _weights(expense: Mapping[str, Any]) -> dict[str, int]:
    return {part["participantId"]: part["shares"] for part in expense["paidFor"]}


def _in_proportion(minor: int, weights: Mapping[int, int]) -> Parts:
    total = sum(weights.values())
    first, second = (Fraction(minor * weights.get(person, 0), total) for person in BOTH)
    return first, second


def _spliit_columns(row: list[str]) -> Columns:
    columns = [Decimal(text) for text in row[10:]]
    assert min(columns) <= 0 or max(columns) > 0
    # With nothing in one's own column, one has paid if the other one has not.
    payer = 0 if columns[0] > 0 or (not columns[0] and columns[1] < 0) else 1
    first, second = (int(abs(column) * 100) for column in columns)
    return Columns(date.fromisoformat(row[0]), row[1], cents(row[4]), payer, (first, second))
