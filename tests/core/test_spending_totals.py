"""What the database converts equals each total converted one by one, whatever the amounts and rates."""

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert

from core.database import Database
from core.ids import new_id
from core.models import DailyConversion, DailySpending, ExchangeRate, Expense
from core.models.spending import MAX_DAILY_TOTAL_MINOR, UNCATEGORISED
from core.queries.spending_totals import (
    Scope,
    Sum,
    Sums,
    sum_by_category,
    sum_by_currency,
    sum_by_day,
    sum_by_interval,
    sum_whole,
)
from core.rate_files import DailyRate
from core.rules.conversion import EUR, MAX_RATE, RATE_SCALE, convert_minor
from core.rules.series import start_of
from core.services.exchange_rates import store_rates
from tests.core.services.spender import Spender

FIRST = date(2026, 1, 20)
DAYS = 40
FOREIGN = ("USD", "JPY", "KWD", "IDR")
"""With two, no, three and two decimals, the last one with rates above ten thousand."""

CURRENCIES = (EUR, *FOREIGN)

RATES = (
    # Such that halves come up, as the bank publishes them, with all their decimals, and out of this world.
    st.sampled_from([RATE_SCALE * 2, RATE_SCALE * 5 // 4, RATE_SCALE // 8]),
    st.integers(1, 999_999).map(lambda digits: digits * 10_000),
    st.integers(RATE_SCALE // 100, RATE_SCALE * 20_000),
    st.sampled_from([1, 3, MAX_RATE - 1, MAX_RATE]),
)
RATE_DAYS = st.sampled_from(RATES).flatmap(
    lambda rates: st.one_of(
        st.dictionaries(st.tuples(st.sampled_from(FOREIGN), st.integers(-9, DAYS - 1)), rates, max_size=30),
        # One on every fifth day, so that no day is without.
        st.fixed_dictionaries({(currency, day): rates for currency in FOREIGN for day in range(-5, DAYS, 5)}),
    )
)

AMOUNTS = st.one_of(
    st.integers(-50, 50),
    st.integers(-(10**8), 10**8),
    # Around what 64 bits hold after the multiplication, wherever that is.
    st.tuples(st.integers(34, 44), st.sampled_from([-1, 1])).map(lambda edge: edge[1] * (2 ** edge[0] - 1)),
    st.sampled_from([MAX_DAILY_TOTAL_MINOR, -MAX_DAILY_TOTAL_MINOR]),
)


@dataclass(frozen=True)
class Total:
    """A daily total, with what of it has rates of the user's own: amount, currency, converted."""

    minor: int
    own: tuple[int, str, int] | None


TOTALS = st.dictionaries(
    st.tuples(
        st.integers(0, DAYS - 1), st.sampled_from([None, "food", "travel"]), st.sampled_from(CURRENCIES)
    ),
    st.builds(
        Total,
        AMOUNTS,
        st.none() | st.tuples(AMOUNTS, st.sampled_from(CURRENCIES), AMOUNTS),
    ),
    max_size=20,
)


Cell = tuple[date, str | None, str, int, int]
"""Day, category, currency, converted amount, count."""


class Naive:
    """The totals converted one by one, by looking for the rate of each."""

    def __init__(self, rates: dict[tuple[str, int], int], target: str) -> None:
        self._rates = rates
        self._target = target
        self.cells: list[Cell] = []
        self.converted: dict[str, list[Any]] = {}
        self.unconverted: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])

    def add(self, number: int, category: str | None, currency: str, total: Total) -> None:
        day = FIRST + timedelta(days=number)
        rest, count = total.minor, 2
        if currency == self._target:
            self.cells.append((day, category, currency, rest, count))
            return
        if total.own is not None and total.own[1] == self._target:
            given, _, converted = total.own
            self._take((day, category, currency, converted, 1), given, day)
            rest, count = rest - given, 1
        source, target = self._rate(currency, number), self._rate(self._target, number)
        if source is None or target is None:
            self.unconverted[currency][0] += rest
            self.unconverted[currency][1] += count
            return
        minor = convert_minor(rest, currency, self._target, source_rate=source[0], target_rate=target[0])
        rate_day = FIRST + timedelta(days=min(source[1], target[1]))
        self._take((day, category, currency, minor, count), rest, rate_day)

    def _take(self, cell: Cell, minor: int, rate_day: date) -> None:
        self.cells.append(cell)
        _, _, currency, into, _ = cell
        so_far = self.converted.setdefault(currency, [0, 0, rate_day])
        so_far[0] += minor
        so_far[1] += into
        so_far[2] = max(so_far[2], rate_day)

    def _rate(self, currency: str, number: int) -> tuple[int, int] | None:
        if currency == EUR:
            return RATE_SCALE, number
        known = (age for age in range(8) if (currency, number - age) in self._rates)
        age = next(known, None)
        return None if age is None else (self._rates[currency, number - age], number - age)

    def sums(self, key: Any) -> dict[Any, tuple[int, int]]:
        sums: defaultdict[Any, list[int]] = defaultdict(lambda: [0, 0])
        for cell in self.cells:
            sums[key(cell)][0] += cell[3]
            sums[key(cell)][1] += cell[4]
        return {name: (minor, count) for name, (minor, count) in sums.items()}


def store(database: Database, rates: dict[tuple[str, int], int], totals: dict[Any, Total]) -> Spender:
    me = Spender(database)
    daily = [DailyRate(FIRST + timedelta(days=day), code, rate) for (code, day), rate in rates.items()]
    cells, own = [], []
    for (number, category, currency), total in totals.items():
        cell = {
            "user_id": me.id,
            "day": FIRST + timedelta(days=number),
            "category_id": me.categories[category] if category else UNCATEGORISED,
            "currency": currency,
        }
        cells.append(cell | {"amount_minor": total.minor, "count": 2})
        if total.own is not None:
            given, into, converted = total.own
            amounts = {"amount_minor": given, "converted_minor": converted, "count": 1}
            own.append(cell | {"into_currency": into} | amounts)
    with database.transaction() as session:
        session.execute(delete(ExchangeRate))
        store_rates(session, rates=daily, source="test")
        session.execute(insert(Expense), [expense(me, currency) for currency in CURRENCIES])
        if cells:
            session.execute(insert(DailySpending), cells)
        if own:
            session.execute(insert(DailyConversion), own)
    return me


def expense(me: Spender, currency: str) -> dict[str, Any]:
    """Long ago: only its currency matters."""
    moment = datetime(2020, 1, 1, tzinfo=UTC)
    return {
        "user_id": me.id, "id": new_id(), "amount_minor": 1, "currency": currency,
        "spent_on": moment.date(), "search_text": "", "source": "manual", "line_count": 0, "tag_count": 0,
        "version": 1, "created_at": moment, "updated_at": moment,
    }  # fmt: skip


def shown(sums: Sums[Any]) -> dict[Any, tuple[int, int]]:
    return {key: (one.minor, one.count) for key, one in sums.by_key.items()}


LATE = {(0, None, EUR): Total(7, None), (4, None, "IDR"): Total(11, None), (5, None, "IDR"): Total(13, None)}
"""The last rate for rupiahs is seven days old on the fourth day, and too old on the fifth."""


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example({("USD", 0): RATE_SCALE, ("IDR", -3): RATE_SCALE}, LATE, "EUR", False)
@given(RATE_DAYS, TOTALS, st.sampled_from(CURRENCIES), st.booleans())
def test_each_total_is_converted_at_its_own_days_rate_and_rounded_once(
    database: Database,
    rates: dict[tuple[str, int], int],
    totals: dict[Any, Total],
    target: str,
    has_own_rates: bool,
) -> None:
    if not has_own_rates:
        totals = {key: replace(total, own=None) for key, total in totals.items()}
    me = store(database, rates, totals)
    naive = Naive(rates, target)
    for (number, category, currency), total in totals.items():
        naive.add(number, category, currency, total)
    scope = Scope(user_id=me.id, first_day=FIRST, last_day=FIRST + timedelta(days=DAYS - 1), currency=target)
    names = {me.categories[name]: name for name in ("food", "travel")} | {None: None}
    with database.snapshot_rows() as rows:
        whole = sum_whole(rows, scope)
        by_category = {names[key]: one for key, one in shown(sum_by_category(rows, scope)).items()}
        by_day, by_month = sum_by_day(rows, scope), sum_by_interval(rows, scope, "month")
        by_currency = sum_by_currency(rows, scope)
    assert (whole.whole.minor, whole.whole.count) == naive.sums(lambda _: "").get("", (0, 0))
    assert by_category == naive.sums(lambda cell: cell[1])
    assert shown(by_day) == naive.sums(lambda cell: cell[0])
    assert shown(by_month) == naive.sums(lambda cell: start_of(cell[0], "month"))
    assert shown(by_currency) == naive.sums(lambda cell: cell[2])
    for sums in (whole, by_day, by_month, by_currency):
        assert converted_of(sums) == naive.converted
        assert {code: [one.minor, one.count] for code, one in sums.unconverted.items()} == naive.unconverted


def converted_of(sums: Sums[Any]) -> dict[str, list[Any]]:
    return {one.currency: [one.amount_minor, one.converted_minor, one.rate_day] for one in sums.converted}


def test_a_currency_that_came_up_meanwhile_is_never_counted_one_to_one(database: Database) -> None:
    totals = {(0, None, currency): Total(1_000, None) for currency in ("EUR", "USD", "CHF")}
    rates = {(currency, -1): 2 * RATE_SCALE for currency in ("USD", "CHF")}
    me = store(database, rates, totals)
    scope = Scope(user_id=me.id, first_day=FIRST, last_day=FIRST, currency=EUR)
    with database.reading_rows() as rows:
        found = sum_whole(rows, scope)
    assert found.whole == Sum(1_500, 4)
    assert found.unconverted == {"CHF": Sum(1_000, 2)}


def test_what_is_left_of_deleted_expenses_is_no_group(database: Database) -> None:
    me = Spender(database)
    for category, currency in (("food", "EUR"), ("travel", "USD")):
        me.delete(me.spend("10.00", FIRST, category=category, currency=currency))
    scope = Scope(user_id=me.id, first_day=FIRST, last_day=FIRST, currency=EUR)
    with database.reading_rows() as rows:
        assert sum_by_category(rows, scope) == Sums({}, [], {})
