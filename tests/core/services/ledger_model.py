"""What a group's ledger should hold, worked out from the bare expenses by the simplest code there is.

It shares nothing with the product but the words: every balance is added up anew, and fewest transfers are
found by trying all ways to divide the members.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from fractions import Fraction

Item = tuple[int, list[str]]
"""The amount of a line of a receipt, and whose it is."""

Shares = dict[str, Fraction]


@dataclass
class ModelExpense:
    """Minor units, by member's name. `shares` are the product's, which were compared with the fair ones."""

    currency: str
    amount: int
    paid: dict[str, int]
    shares: dict[str, int]


@dataclass
class ModelSettlement:
    payer: str
    receiver: str
    currency: str
    amount: int
    recorded_by: str
    state: str
    was_confirmed: bool


@dataclass
class Model:
    """`wanted` are the expenses as they were written, None if deleted; `posted` is what the job has seen."""

    wanted: list[ModelExpense | None] = field(default_factory=list)
    posted: list[ModelExpense | None] = field(default_factory=list)
    settlements: list[ModelSettlement] = field(default_factory=list)

    def post(self) -> None:
        self.posted = list(self.wanted)

    def balances(self) -> dict[str, dict[str, int]]:
        """By currency and member, in minor units; who is even is left out."""
        sums: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for expense in self.posted:
            if expense is not None:
                sums[expense.currency].update(expense.paid)
                sums[expense.currency].subtract(expense.shares)
        for one in self.settlements:
            if one.state == "confirmed":
                sums[one.currency].update({one.payer: one.amount})
                sums[one.currency].subtract({one.receiver: one.amount})
        return {
            currency: {name: amount for name, amount in of_currency.items() if amount}
            for currency, of_currency in sums.items()
            if any(of_currency.values())
        }


def fair_shares(kind: str, amount: int, parts: dict[str, int], items: list[Item]) -> dict[str, Fraction]:
    """Each one's exact part of the amount; `parts` are the values of a split, `items` those of a receipt."""
    total = sum(parts.values())
    match kind:
        case "equal":
            return {name: Fraction(amount, len(parts)) for name in parts}
        case "shares" | "percent":
            return {name: Fraction(amount * part, total) for name, part in parts.items()}
        case "exact":
            return {name: Fraction(part) for name, part in parts.items()}
        case "adjustment":
            return {name: part + Fraction(amount - total, len(parts)) for name, part in parts.items()}
    of_items: defaultdict[str, Fraction] = defaultdict(Fraction)
    for item, names in items:
        for name in names:
            of_items[name] += Fraction(item, len(names))
    whole = sum(of_items.values())
    return {name: part * amount / whole if whole else part for name, part in of_items.items()}


def fewest_transfers(balances: dict[str, int]) -> int:
    """By brute force: members less the most groups, each summing to zero, into which they can be divided."""
    amounts = [amount for amount in balances.values() if amount]
    return len(amounts) - _most_blocks(tuple(amounts))


def _most_blocks(amounts: tuple[int, ...]) -> int:
    if not amounts:
        return 0
    first, others = amounts[0], amounts[1:]
    best = 0
    for mask in range(1 << len(others)):
        if first + sum(one for place, one in enumerate(others) if mask >> place & 1) == 0:
            rest = tuple(one for place, one in enumerate(others) if not mask >> place & 1)
            best = max(best, 1 + _most_blocks(rest))
    return best
