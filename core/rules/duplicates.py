"""Which rows of a file are there already.

Rows are matched one to one: two equal coffees of a day in one file stay two, and where one of them is there
already, exactly one of the two is suspected. What has come with an earlier file is matched by what that file
said of it, whatever has become of its expense since: it may have been renamed by a rule, or been deleted.
"""

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from hashlib import blake2b
from typing import Literal
from uuid import UUID

from core.rules.texts import loose_key

Reason = Literal["bank_id", "same_values", "pending", "same_file"]
"""The bank's own id; day, amount, currency and payee; a row that was pending then and is booked now; the
bank's own id a second time in the file."""

MAX_PENDING_DAYS = 7
"""Between a pending row and its booked twin: banks take two or three working days, and there are holidays."""

KEY_BYTES = 8
"""Of a hash, as the database's integers have. Of a million rows two share one once in ten million times, and
then a row is suspected that is none."""


KEPT_PAYEES = 5_000
"""Most payees come again and again, and a key takes longer to be made than all the rest."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row of the file."""

    position: int
    match_key: int
    bank_key: int | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """A row of an earlier file, and the expense that was made of it."""

    match_key: int
    bank_key: int | None
    expense_id: UUID | None


@dataclass(frozen=True, slots=True)
class Pending:
    """A row of an earlier file that was pending, or one of this file that may be its booked twin."""

    day: date
    twin_key: int
    expense_id: UUID | None = None
    position: int = -1


@dataclass(frozen=True, slots=True)
class Suspicion:
    reason: Reason
    expense_id: UUID | None


def match_key(day: date, amount_minor: int, currency: str, payee: str | None) -> int:
    """By which rows and expenses look the same; payees do so whatever their case and accents."""
    return _hash(f"{day.toordinal()} {amount_minor} {currency} {_payee_key(payee)}")


def shared_key(
    group_id: UUID,
    day: date,
    amount_minor: int,
    currency: str,
    *,
    description: str | None,
    people: Iterable[str],
) -> int:
    """As `match_key`, of what is shared in a group: an expense with its payers, by their names in the file.

    A repayment has no description, as whoever writes one by hand hardly gives the same; it has who paid and
    who received it.
    """
    look = f"{group_id} {day.toordinal()} {amount_minor} {currency}"
    kind = "repaid" if description is None else f"spent {loose_key(description)}"
    return _hash("\n".join((look, kind, *map(loose_key, people))))


def twin_key(amount_minor: int, currency: str, payee: str | None) -> int:
    """As `match_key`, whatever the day."""
    return _hash(f"{amount_minor} {currency} {_payee_key(payee)}")


def bank_key(bank_id: str | None, account: str | None, *, amount_minor: int, currency: str) -> int | None:
    """By which the bank knows the row; None if it does not say.

    The day may change when a payment is booked. The amount is part of it, as what is called an id may only
    be a row's number, which begins anew in each file.
    """
    if bank_id is None:
        return None
    return _hash(f"{amount_minor} {currency}\n{account or ''}\n{bank_id}")


@lru_cache(KEPT_PAYEES)
def _payee_key(payee: str | None) -> str:
    return loose_key(payee)


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=KEY_BYTES).digest(), "big", signed=True)


def suspect(
    rows: Iterable[Candidate], known: Iterable[Known], expenses: Iterable[tuple[int, UUID]]
) -> dict[int, Suspicion]:
    """The rows that are there already, by position.

    `known` are rows of earlier files, `expenses` the match keys and ids of what is there, whether it came
    with one of them or not. A row takes what it is matched with, so the next one like it finds one less.
    """
    rows, known = list(rows), list(known)
    found: dict[int, Suspicion] = {}
    taken: set[UUID] = set()
    by_bank_key = {one.bank_key: one for one in known if one.bank_key is not None}
    used = set[int]()
    for row in rows:
        same = None if row.bank_key is None else by_bank_key.get(row.bank_key)
        if same is not None:
            found[row.position] = Suspicion("bank_id", same.expense_id)
            used.add(id(same))
            if same.expense_id is not None:
                taken.add(same.expense_id)
    pools = _pools((one for one in known if id(one) not in used), expenses)
    for row in rows:
        if row.position in found:
            continue
        pool = pools.get(row.match_key, [])
        while pool:
            expense_id = pool.pop()
            if expense_id is None or expense_id not in taken:
                found[row.position] = Suspicion("same_values", expense_id)
                if expense_id is not None:
                    taken.add(expense_id)
                break
    return found


def _pools(known: Iterable[Known], expenses: Iterable[tuple[int, UUID]]) -> dict[int, list[UUID | None]]:
    """By match key what a row may be matched with, an expense once for each key; the last is taken first."""
    pools: defaultdict[int, list[UUID | None]] = defaultdict(list)
    listed = set[tuple[int, UUID]]()
    for one in known:
        pools[one.match_key].append(one.expense_id)
        if one.expense_id is not None:
            listed.add((one.match_key, one.expense_id))
    for key, expense_id in expenses:
        if (key, expense_id) not in listed:
            pools[key].append(expense_id)
    return pools


def booked_twins(rows: Iterable[Pending], pending: Iterable[Pending]) -> dict[int, Suspicion]:
    """The rows that are the booked twins of what was pending in earlier files, by position, one each."""
    waiting: defaultdict[int, deque[Pending]] = defaultdict(deque)
    for one in sorted(pending, key=lambda one: one.day):
        waiting[one.twin_key].append(one)
    found: dict[int, Suspicion] = {}
    for row in sorted(rows, key=lambda one: one.day):
        near = waiting[row.twin_key]
        # What is too old for this row is so for those after it.
        while near and (row.day - near[0].day).days > MAX_PENDING_DAYS:
            near.popleft()
        if near and (near[0].day - row.day).days <= MAX_PENDING_DAYS:
            found[row.position] = Suspicion("pending", near.popleft().expense_id)
    return found
