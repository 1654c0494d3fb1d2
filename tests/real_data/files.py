"""Real files from other programs, read without any of the product's code: whole cents, text cut up by hand.

They are no part of this repository. Tests that need them skip where they are not beside it.
"""

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import pytest

FOLDER = Path(__file__).parents[2].parent / "shared" / "data"

SPLITWISE = "splitwise_two_people_2016_2026.csv"
FIREFLY = "firefly_demo.csv"
SPLIIT = "spliit_group.csv"
SPLIIT_TWIN = "spliit_group.json"

Key = TypeVar("Key")

FIREFLY_CURRENCY = "EUR"
"""The file names none; its accounts are Dutch."""


@dataclass(frozen=True, slots=True)
class Cost:
    """A row that names money: `minor` cents are spent by the account's owner, or come back when negative."""

    day: date
    payee: str
    note: str | None
    category: str
    currency: str
    minor: int

    @property
    def month(self) -> str:
        return self.day.isoformat()[:7]


def splitwise_movements() -> list[Cost]:
    """Each row with the first person's column as its amount, whatever its sign, in the order of the file.

    The file begins with a remark, has blank lines, and ends with a "Total balance" a currency, whose cost is
    blank.
    """
    header, *rows = (row for row in read_rows(SPLITWISE) if len(row) > 1)
    assert header[:6] == ["Date", "Description", "Category", "Cost", "Currency", "John Doe"]
    return [
        Cost(date.fromisoformat(day), description, None, category, currency, cents(first))
        for day, description, category, cost, currency, first, _second in rows
        if cost.strip()
    ]


def splitwise_costs() -> list[Cost]:
    """The rows whose first person's amount is positive."""
    return [cost for cost in splitwise_movements() if cost.minor > 0]


def firefly_movements() -> list[Cost]:
    """Each row of the statements; what leaves an account is a cost, what comes in a refund.

    The rows are in no order, and a quarter of them end before the last column.
    """
    header, *rows = read_rows(FIREFLY)
    assert header[1:6] == ["to-account", "amount", "date", "description", "category"]
    return [
        Cost(date.fromisoformat(row[3]), row[1], row[4], row[5], FIREFLY_CURRENCY, -cents(row[2]))
        for row in rows
    ]


def totals(costs: Iterable[Cost], key: Callable[[Cost], Key]) -> Counter[Key]:
    """The cents of each group."""
    sums: Counter[Key] = Counter()
    for cost in costs:
        sums[key(cost)] += cost.minor
    return sums


def cents(text: str) -> int:
    """An amount with two decimals, as all of these currencies have."""
    whole, point, fraction = text.partition(".")
    assert point
    assert len(fraction) == 2
    return int(whole + fraction)


def read_rows(name: str) -> list[list[str]]:
    """The rows of a CSV file, with or without a byte order mark."""
    with path_of(name).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def read_json(name: str) -> Any:
    return json.loads(path_of(name).read_text(encoding="utf-8"))


def path_of(name: str) -> Path:
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"{name} is not beside this repository (../shared/data)")
    return path
