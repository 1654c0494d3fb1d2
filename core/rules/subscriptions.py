"""Charges that come back: the same payee, a regular interval, a similar amount."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from statistics import median_low
from typing import Literal

from dateutil.relativedelta import relativedelta

Cadence = Literal["weekly", "fortnightly", "monthly", "quarterly", "half-yearly", "yearly"]


@dataclass(frozen=True, slots=True)
class _Rhythm:
    """Days between two charges, both inclusive, and how many charges it takes to believe in it."""

    cadence: Cadence
    shortest: int
    longest: int
    min_charges: int
    step: relativedelta
    per_year: int


RHYTHMS = (
    _Rhythm("weekly", 6, 8, 4, relativedelta(days=7), 52),
    _Rhythm("fortnightly", 13, 15, 4, relativedelta(days=14), 26),
    # Weekends and holidays move a booking by some days either way.
    _Rhythm("monthly", 26, 35, 3, relativedelta(months=1), 12),
    _Rhythm("quarterly", 84, 98, 3, relativedelta(months=3), 4),
    _Rhythm("half-yearly", 174, 192, 3, relativedelta(months=6), 2),
    _Rhythm("yearly", 355, 376, 2, relativedelta(years=1), 1),
)

REGULAR_OF_TEN = 8
"""Intervals out of ten that must fit: one charge that failed or was booked twice does not hide the others."""

GAP_PERCENT = 10
"""Amounts of a payee fall into groups where the next larger one is further away: a subscription among
purchases. A rise in price of that much begins a new one."""

SPREAD_PERCENT = 50
"""The largest of a group exceeds the smallest by no more: an electricity bill may swing."""

GRACE_OF_INTERVAL = 4
"""It counts as ended when the next charge is late by more than this part of the longest interval."""


@dataclass(frozen=True, slots=True)
class Charge:
    day: date
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Recurrence:
    """Charges of a payee in one currency. `amount_minor` is the last one's, `next_on` when it comes again."""

    cadence: Cadence
    amount_minor: int
    count: int
    first_on: date
    last_on: date
    next_on: date
    yearly_minor: int
    is_ended: bool
    charges: tuple[Charge, ...]

    def due_between(self, first: date, last: date) -> list[date]:
        """The days in [first, last] on which it should come; none once it has ended."""
        step = next(rhythm.step for rhythm in RHYTHMS if rhythm.cadence == self.cadence)
        found, position = [], 1
        while not self.is_ended and (day := self.last_on + step * position) <= last:
            found += [day] if day >= first else []
            position += 1
        return found


def find_recurrences(charges: Sequence[Charge], *, today: date) -> list[Recurrence]:
    """What comes back among the positive charges of one payee in one currency, whatever else it sold."""
    found = []
    for group in _groups(sorted((one for one in charges if one.amount_minor > 0), key=_amount)):
        recurrence = _recurrence(sorted(group, key=lambda charge: charge.day), today)
        if recurrence is not None:
            found.append(recurrence)
    return found


def _amount(charge: Charge) -> int:
    return charge.amount_minor


def _groups(charges: Sequence[Charge]) -> Iterator[list[Charge]]:
    """Charges of similar amounts, from charges in the order of theirs."""
    group: list[Charge] = []
    for charge in charges:
        if group and charge.amount_minor * 100 > group[-1].amount_minor * (100 + GAP_PERCENT):
            yield group
            group = []
        group.append(charge)
    if group:
        yield group


def _recurrence(charges: Sequence[Charge], today: date) -> Recurrence | None:
    amounts = [charge.amount_minor for charge in charges]
    if len(charges) < 2 or max(amounts) * 100 > min(amounts) * (100 + SPREAD_PERCENT):
        return None
    gaps = [(later.day - one.day).days for one, later in pairwise(charges)]
    typical = median_low(gaps)
    for rhythm in RHYTHMS:
        if not rhythm.shortest <= typical <= rhythm.longest or len(charges) < rhythm.min_charges:
            continue
        regular = sum(rhythm.shortest <= gap <= rhythm.longest for gap in gaps)
        if regular * 10 < REGULAR_OF_TEN * len(gaps):
            continue
        last = charges[-1]
        next_on = last.day + rhythm.step
        return Recurrence(
            cadence=rhythm.cadence,
            amount_minor=last.amount_minor,
            count=len(charges),
            first_on=charges[0].day,
            last_on=last.day,
            next_on=next_on,
            yearly_minor=last.amount_minor * rhythm.per_year,
            is_ended=today > next_on + timedelta(days=rhythm.longest // GRACE_OF_INTERVAL),
            charges=tuple(charges),
        )
    return None
