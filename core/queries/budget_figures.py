"""The figures of budgets, computed from the daily totals: as fast at ten million expenses as at ten."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, Select, Table, bindparam, func, or_, select

from core.database import Reader
from core.errors import NotFound
from core.models import BudgetCategory, Category, DailyConversion, DailySpending, table_of
from core.queries.budgets import BudgetRecord
from core.queries.exchange_rates import Converted, RateBook, open_rates
from core.rules.limits import RunningTotal, amount_on, carried_amounts, first_counted_day
from core.rules.periods import Period, PeriodRule, period_of, periods_between, previous_period
from core.rules.thresholds import BudgetStatus, project, status

CHOSEN = table_of(BudgetCategory)
CATEGORIES = table_of(Category)
SPENDING = table_of(DailySpending)
CONVERSIONS = table_of(DailyConversion)

# Built once: evaluation runs them after every write, and building a statement costs more than running it.
_USER_IDS: BindParameter[Any] = bindparam("user_ids", expanding=True)
_BUDGET_IDS: BindParameter[Any] = bindparam("budget_ids", expanding=True)
_COUNTED = (
    select(CHOSEN.c.user_id, CHOSEN.c.budget_id, CATEGORIES.c.id.label("category_id"))
    .join(
        CATEGORIES,
        (CATEGORIES.c.user_id == CHOSEN.c.user_id)
        & or_(CATEGORIES.c.id == CHOSEN.c.category_id, CATEGORIES.c.parent_id == CHOSEN.c.category_id),
    )
    .where(CHOSEN.c.user_id.in_(_USER_IDS), CHOSEN.c.budget_id.in_(_BUDGET_IDS))
    .distinct()
    .subquery("counted")
)
"""The categories that budgets count: those chosen, with their sub-categories, each once."""


def _summed(table: Table, keys: Sequence[str], sums: Sequence[str]) -> tuple[Select[Any], Select[Any]]:
    """The sums in a range of days, of all that users spent, and of what their budgets' categories count."""
    columns = [table.c[name] for name in keys]
    totals = [func.sum(table.c[name]) for name in sums]
    is_wanted = (
        table.c.user_id.in_(_USER_IDS),
        table.c.day >= bindparam("first"),
        table.c.day < bindparam("end"),
    )
    is_counted = (table.c.user_id == _COUNTED.c.user_id) & (table.c.category_id == _COUNTED.c.category_id)
    budget = (_COUNTED.c.user_id, _COUNTED.c.budget_id)
    by_user = select(table.c.user_id, *columns, *totals).where(*is_wanted)
    by_budget = select(*budget, *columns, *totals).join(_COUNTED, is_counted).where(*is_wanted)
    return by_user.group_by(table.c.user_id, *columns), by_budget.group_by(*budget, *columns)


SPENT, SPENT_IN_CATEGORIES = _summed(SPENDING, ("day", "currency"), ("amount_minor",))
CONVERTED, CONVERTED_IN_CATEGORIES = _summed(
    CONVERSIONS, ("day", "currency", "into_currency"), ("amount_minor", "converted_minor")
)


@dataclass(frozen=True, slots=True)
class BudgetFigures:
    """A period of a budget, in minor units of its currency.

    `limit_minor` is `amount_minor` with what rolled over. `spent_minor` holds what is `converted`;
    `unconverted` is what was spent in other currencies on days without a rate.
    """

    period: Period
    amount_minor: int
    limit_minor: int
    spent_minor: int
    projected_minor: int
    status: BudgetStatus
    converted: tuple[Converted, ...]
    unconverted: tuple[tuple[str, int], ...]


SpentByCurrency = Mapping[str, Mapping[date, int]]
"""Minor units by currency and day."""

Owner = tuple[UUID, ...]
"""Whose spending: a user, or a user and one of their budgets. An archive brings a budget's id to another."""

OwnRates = Mapping[str, Mapping[date, tuple[int, int]]]
"""By currency and day what the user has converted at rates of their own: before and after, in minor units."""


class _Foreign:
    """Spending in another currency than the budget's, by day."""

    def __init__(
        self,
        currency: str,
        by_day: Mapping[date, int],
        own: Mapping[date, tuple[int, int]],
        target: str,
        rates: RateBook,
    ) -> None:
        """`own` is what of it the user has converted at rates of their own: before and after."""
        self.currency = currency
        self.converted_by_day: dict[date, int] = {}
        self._days: list[date] = []
        self._rate_days: list[date] = []
        convertible: dict[date, int] = {}
        unconverted: dict[date, int] = {}
        for day, minor in sorted(by_day.items()):
            given, converted = own.get(day, (0, 0))
            rest, rate_day = minor - given, day
            conversion = rates.convert(rest, currency, target, day) if rest or not given else None
            if conversion is not None:
                given, converted = minor, converted + conversion.amount_minor
                rest, rate_day = 0, conversion.rate_day
            unconverted[day] = rest
            if given:
                convertible[day], self.converted_by_day[day] = given, converted
                self._days.append(day)
                self._rate_days.append(rate_day)
        self._convertible = RunningTotal(convertible)
        self._converted = RunningTotal(self.converted_by_day)
        self._unconverted = RunningTotal(unconverted)

    def converted(self, period: Period) -> Converted | None:
        """None where nothing was."""
        end = bisect_left(self._days, period.end)
        if end == bisect_left(self._days, period.start):
            return None
        return Converted(
            self.currency,
            self._convertible.within(period.start, period.end),
            self._converted.within(period.start, period.end),
            self._rate_days[end - 1],
        )

    def unconverted(self, period: Period) -> int:
        return self._unconverted.within(period.start, period.end)


class BudgetBook:
    """What a budget counts, by day: enough to tell the figures of the periods it was opened for."""

    def __init__(
        self,
        budget: BudgetRecord,
        latest: Period,
        spent: SpentByCurrency,
        own: OwnRates,
        rates: RateBook,
    ) -> None:
        self._budget = budget
        self._foreign = [
            _Foreign(currency, spent[currency], own.get(currency, {}), budget.currency, rates)
            for currency in sorted(spent)
            if currency != budget.currency
        ]
        by_day = Counter(spent.get(budget.currency, {}))
        for foreign in self._foreign:
            by_day.update(foreign.converted_by_day)
        self._spending = RunningTotal(by_day)
        self._carried = carried_amounts(
            latest,
            rule=budget.rule,
            amounts=budget.amounts,
            rollover=budget.rollover,
            starts_on=budget.starts_on,
            spent=self._spent,
        )

    def figures(self, period: Period, today: date) -> BudgetFigures:
        amount, spent = amount_on(self._budget.amounts, period.start), self._spent(period)
        limit = amount + self._carried.get(period.start, 0)
        converted = [foreign.converted(period) for foreign in self._foreign]
        unconverted = [(foreign.currency, foreign.unconverted(period)) for foreign in self._foreign]
        return BudgetFigures(
            period=period,
            amount_minor=amount,
            limit_minor=limit,
            spent_minor=spent,
            projected_minor=self._projected(period, today),
            status=status(spent, limit, self._budget.thresholds),
            converted=tuple(one for one in converted if one is not None),
            unconverted=tuple((currency, minor) for currency, minor in unconverted if minor),
        )

    def _spent(self, period: Period) -> int:
        return self._spending.within(period.start, period.end)

    def _projected(self, period: Period, today: date) -> int:
        """Spending at the period's end at the pace so far; for other periods than today's, what was spent."""
        if today not in period:
            return self._spent(period)
        tomorrow = today + timedelta(days=1)
        to_date = self._spending.within(period.start, tomorrow)
        ahead = self._spending.within(tomorrow, period.end)
        return project(to_date, ahead, (tomorrow - period.start).days, period.days)


def open_books(session: Reader, wanted: Sequence[tuple[BudgetRecord, Sequence[Period]]]) -> list[BudgetBook]:
    """For each budget its spending by day for all that bears on its periods, of which it must have some.

    A query over the daily totals for each range of days, and not for each budget: most budgets share the
    calendar's months.
    """
    ranges = [_counted_days(budget, periods) for budget, periods in wanted]
    sharing: defaultdict[tuple[tuple[date, date], bool], list[BudgetRecord]] = defaultdict(list)
    for days, (budget, _) in zip(ranges, wanted, strict=True):
        sharing[days, bool(budget.category_ids)].append(budget)
    spent = {
        (days, owner): by_day
        for (days, is_by_category), budgets in sharing.items()
        for owner, by_day in _spent(session, days, budgets, is_by_category).items()
    }
    counted = [
        spent.get((days, _owner(budget)), {}) for days, (budget, _) in zip(ranges, wanted, strict=True)
    ]
    rates = _rates(session, [(budget, one) for (budget, _), one in zip(wanted, counted, strict=True)])
    own = {
        (days, owner, into): by_currency
        for (days, is_by_category), budgets in sharing.items()
        if not rates.is_empty
        for (owner, into), by_currency in _own_rates(session, days, budgets, is_by_category).items()
    }
    return [
        BudgetBook(
            budget,
            max(periods, key=lambda period: period.start),
            one,
            own.get((days, _owner(budget), budget.currency), {}),
            rates,
        )
        for days, (budget, periods), one in zip(ranges, wanted, counted, strict=True)
    ]


def _owner(budget: BudgetRecord) -> Owner:
    return (budget.user_id, budget.id) if budget.category_ids else (budget.user_id,)


def _rates(session: Reader, counted: Sequence[tuple[BudgetRecord, SpentByCurrency]]) -> RateBook:
    """What converts the spending into the budgets' currencies; no query while all of it is in them."""
    currencies, days = set[str](), set[date]()
    for budget, spent in counted:
        for currency, by_day in spent.items():
            if currency != budget.currency:
                currencies |= {currency, budget.currency}
                days |= by_day.keys()
    if not days:
        return RateBook()
    return open_rates(session, currencies=currencies, first_day=min(days), last_day=max(days))


def _counted_days(budget: BudgetRecord, periods: Sequence[Period]) -> tuple[date, date]:
    """From the first day that bears on the periods' figures up to but without the last."""
    rule, rollover, starts_on = budget.rule, budget.rollover, budget.starts_on
    first = min(
        first_counted_day(period, rule=rule, rollover=rollover, starts_on=starts_on) for period in periods
    )
    return first, max(period.end for period in periods)


def _spent(
    session: Reader, days: tuple[date, date], budgets: Sequence[BudgetRecord], is_by_category: bool
) -> dict[Owner, SpentByCurrency]:
    """What was spent in the range: by budget where those have categories, else all of it by user."""
    found: defaultdict[Owner, defaultdict[str, dict[date, int]]] = defaultdict(lambda: defaultdict(dict))
    query = SPENT_IN_CATEGORIES if is_by_category else SPENT
    for *owner, day, currency, minor in session.execute(query, _parameters(days, budgets)):
        found[tuple(owner)][currency][day] = int(minor)  # PostgreSQL sums bigints into a numeric
    return dict(found)


def _own_rates(
    session: Reader, days: tuple[date, date], budgets: Sequence[BudgetRecord], is_by_category: bool
) -> dict[tuple[Owner, str], OwnRates]:
    """As `_spent`, what users have converted at rates of their own, by the currency it became as well."""
    found: defaultdict[tuple[Owner, str], defaultdict[str, dict[date, tuple[int, int]]]] = defaultdict(
        lambda: defaultdict(dict)
    )
    query = CONVERTED_IN_CATEGORIES if is_by_category else CONVERTED
    for *owner, day, currency, into, minor, converted in session.execute(query, _parameters(days, budgets)):
        found[tuple(owner), into][currency][day] = (int(minor), int(converted))
    return dict(found)


def _parameters(days: tuple[date, date], budgets: Sequence[BudgetRecord]) -> dict[str, Any]:
    return {
        "user_ids": list({one.user_id for one in budgets}),
        "budget_ids": [one.id for one in budgets],
        "first": days[0],
        "end": days[1],
    }


def current_figures(session: Reader, budgets: Sequence[BudgetRecord], *, today: date) -> list[BudgetFigures]:
    """Each budget's period of today, or its first if it has not begun, or its last if it has ended."""
    periods = [shown_period(budget.rule, today) for budget in budgets]
    books = open_books(session, [(budget, [period]) for budget, period in zip(budgets, periods, strict=True)])
    return [book.figures(period, today) for book, period in zip(books, periods, strict=True)]


def past_figures(session: Reader, budget: BudgetRecord, *, today: date, count: int) -> list[BudgetFigures]:
    """The last periods that are over, the newest first."""
    periods: list[Period] = []
    shown = shown_period(budget.rule, today)
    period = shown if shown.end <= today else previous_period(budget.rule, shown)
    while period is not None and len(periods) < count:
        periods.append(period)
        period = previous_period(budget.rule, period)
    if not periods:
        return []
    (book,) = open_books(session, [(budget, periods)])
    return [book.figures(period, today) for period in periods]


def figures_between(
    session: Reader, budgets: Sequence[BudgetRecord], *, first_day: date, last_day: date, today: date
) -> list[list[BudgetFigures]]:
    """For each budget its periods with a day in the range, the oldest first, as far as they have begun."""
    periods = [list(periods_between(one.rule, first_day, min(last_day, today))) for one in budgets]
    wanted = [(one, its) for one, its in zip(budgets, periods, strict=True) if its]
    books = iter(open_books(session, wanted))
    return [
        [book.figures(period, today) for period in its] if its and (book := next(books)) else []
        for its in periods
    ]


def shown_period(rule: PeriodRule, today: date) -> Period:
    """Today's period; for a budget that has not begun its first one, for one that has ended its last one."""
    period = period_of(rule, today)
    if period is None and rule.ends_on is not None:
        period = period_of(rule, rule.ends_on if today > rule.ends_on else rule.anchor)
    if period is None:
        raise NotFound("the budget has no period")
    return period
