"""What was spent in a range of days: in all, cut up in many ways, and over time."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import bindparam, case, func, select, text

from core import clock
from core.database import Reader
from core.errors import NotFound, Unauthenticated
from core.models import Category, Expense, ExpenseTag, User, table_of
from core.queries.exchange_rates import Converted
from core.queries.spending_totals import (
    ForeignParts,
    Scope,
    Sum,
    Sums,
    rates_for,
    sum_by_category,
    sum_by_currency,
    sum_by_day,
    sum_by_interval,
    sum_whole,
)
from core.rules.conversion import convert_parts
from core.rules.money import divide_half_up
from core.rules.series import range_before

CATEGORIES = table_of(Category)
EXPENSES = table_of(Expense)
TAGS = table_of(ExpenseTag)
USERS = table_of(User)

Cut = Literal["category", "day", "week", "month", "payee", "tag", "weekday", "currency"]

MAX_GROUPS = 500
"""Payees or tags that are told apart, those with the largest amounts; a hundred thousand fit no answer."""

FEW_EXPENSES = 2_000
"""Up to so many the largest is found by looking at each; in a longer range by the index of amounts."""

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True)
class Home:
    """The user's own currency and present day."""

    currency: str
    today: date


@dataclass(frozen=True, slots=True)
class Group:
    """A part of the spending; `count` counts expenses, or the lines of those that have some."""

    key: str | None
    label: str
    minor: int
    count: int


@dataclass(frozen=True, slots=True)
class Breakdown:
    """`rest` is what lies beyond `MAX_GROUPS`. With tags an expense counts under each of its own."""

    groups: Sequence[Group]
    rest: Sum
    whole_minor: int
    converted: Sequence[Converted]
    unconverted: Mapping[str, Sum]


@dataclass(frozen=True, slots=True)
class LargestExpense:
    id: UUID
    spent_on: date
    payee: str | None
    amount_minor: int
    currency: str
    converted_minor: int


@dataclass(frozen=True, slots=True)
class Comparison:
    first_day: date
    last_day: date
    whole: Sum


@dataclass(frozen=True, slots=True)
class Summary:
    """`whole.count` is of expenses; `largest` is the largest of each currency's largest, converted."""

    whole: Sum
    largest: LargestExpense | None
    by_category: Sequence[Group]
    before: Comparison | None
    converted: Sequence[Converted]
    unconverted: Mapping[str, Sum]

    @property
    def average_minor(self) -> int | None:
        """Of an expense; None without any."""
        return divide_half_up(self.whole.minor, self.whole.count) if self.whole.count else None


HOMES = select(USERS.c.id, USERS.c.currency, USERS.c.timezone).where(
    USERS.c.id.in_(bindparam("user_ids", expanding=True))
)
LABELS = select(CATEGORIES.c.id, CATEGORIES.c.name, CATEGORIES.c.parent_id).where(
    CATEGORIES.c.user_id == bindparam("user_id")
)
LABELS_OF_USERS = select(
    CATEGORIES.c.user_id, CATEGORIES.c.id, CATEGORIES.c.name, CATEGORIES.c.parent_id
).where(CATEGORIES.c.user_id.in_(bindparam("user_ids", expanding=True)))
# The user's own rate, where it leads to the currency asked for.
_OWN_RATE = case((EXPENSES.c.rate_currency == bindparam("currency"), EXPENSES.c.rate), else_=None)
_IN_RANGE = (
    EXPENSES.c.user_id == bindparam("user_id"),
    EXPENSES.c.spent_on.between(bindparam("first"), bindparam("last")),
    EXPENSES.c.deleted_at.is_(None),
)
LINES_BEYOND_FIRST = (
    select(
        EXPENSES.c.spent_on,
        EXPENSES.c.currency,
        _OWN_RATE.is_not(None).label("has_own_rate"),
        func.sum(EXPENSES.c.line_count - 1).label("extra"),
    )
    # Written out, as SQLite takes a partial index only for the very condition that it was made with.
    .where(*_IN_RANGE, text("line_count > 0"))
    .group_by(EXPENSES.c.spent_on, EXPENSES.c.currency, _OWN_RATE.is_not(None))
)
LARGEST = (
    select(
        EXPENSES.c.id,
        EXPENSES.c.spent_on,
        EXPENSES.c.payee,
        EXPENSES.c.amount_minor,
        _OWN_RATE.label("own_rate"),
    )
    .where(*_IN_RANGE, EXPENSES.c.currency == bindparam("spent_in"), EXPENSES.c.amount_minor > 0)
    .order_by(EXPENSES.c.amount_minor.desc())
    .limit(1)
)
LARGEST_OF_MANY = LARGEST.with_hint(EXPENSES, "INDEXED BY ix_expenses_amount", "sqlite")


def _expense_groups(key: Any, label: Any, source: Any) -> Any:
    """Sums by key, and for other currencies than the one asked for by day as well."""
    day = case((EXPENSES.c.currency == bindparam("currency"), None), else_=EXPENSES.c.spent_on)
    return (
        select(
            key,
            func.max(label),
            EXPENSES.c.currency,
            day,
            _OWN_RATE,
            func.sum(EXPENSES.c.amount_minor),
            func.count(),
        )
        .select_from(source)
        .where(*_IN_RANGE)
        .group_by(key, EXPENSES.c.currency, day, _OWN_RATE)
    )


# The key of no payee is the empty text.
BY_PAYEE = _expense_groups(func.nullif(EXPENSES.c.payee_key, ""), EXPENSES.c.payee, EXPENSES)
BY_TAG = _expense_groups(
    TAGS.c.tag,
    TAGS.c.tag,
    EXPENSES.outerjoin(TAGS, (TAGS.c.user_id == EXPENSES.c.user_id) & (TAGS.c.expense_id == EXPENSES.c.id)),
)


def load_home(session: Reader, *, user_id: UUID) -> Home:
    """Raises:
    Unauthenticated: the account was deleted a moment ago.
    """
    home = homes_of_users(session, user_ids=[user_id]).get(user_id)
    if home is None:
        raise Unauthenticated("the account is gone")
    return home


def homes_of_users(session: Reader, *, user_ids: Collection[UUID]) -> dict[UUID, Home]:
    """Those who are gone are missing."""
    rows = session.execute(HOMES, {"user_ids": list(user_ids)})
    return {row.id: Home(row.currency, clock.local_date(clock.now(), row.timezone)) for row in rows}


def category_labels(session: Reader, *, user_id: UUID) -> dict[UUID | None, str]:
    """What to call the user's categories, those below others with both names: `Food / Groceries`."""
    return _labels(session.execute(LABELS, {"user_id": user_id}).all())


def labels_of_users(session: Reader, *, user_ids: Collection[UUID]) -> dict[UUID, dict[UUID | None, str]]:
    """As `category_labels`, by user."""
    rows: defaultdict[UUID, list[Any]] = defaultdict(list)
    for row in session.execute(LABELS_OF_USERS, {"user_ids": list(user_ids)}).all():
        rows[row.user_id].append(row)
    return {user_id: _labels(rows[user_id]) for user_id in user_ids}


def _labels(rows: Sequence[Any]) -> dict[UUID | None, str]:
    by_id = {row.id: row for row in rows}
    labels: dict[UUID | None, str] = {None: "Uncategorised"}
    for row in rows:
        labels[row.id] = row.name if row.parent_id is None else f"{by_id[row.parent_id].name} / {row.name}"
    return labels


def with_sub_categories(session: Reader, *, user_id: UUID, category_id: UUID) -> list[UUID]:
    """Raises:
    NotFound
    """
    rows = session.execute(LABELS, {"user_id": user_id}).all()
    if category_id not in {row.id for row in rows}:
        raise NotFound("no such category")
    return [row.id for row in rows if category_id in (row.id, row.parent_id)]


def summarise(session: Reader, scope: Scope) -> Summary:
    """The range beside the one before it (`range_before`)."""
    sums = sum_by_category(session, scope)
    whole = counted_once(session, scope, sums)
    labels = category_labels(session, user_id=scope.user_id)
    before = range_before(scope.first_day, scope.last_day)
    largest = largest_expenses(session, scope, converted=sums.converted, count=whole.count, limit=1)
    return Summary(
        whole=whole,
        largest=next(iter(largest), None),
        by_category=_by_amount(
            Group(None if key is None else str(key), labels[key], one.minor, one.count)
            for key, one in sums.by_key.items()
        ),
        before=None if before is None else _comparison(session, scope, before),
        converted=sums.converted,
        unconverted=sums.unconverted,
    )


def _comparison(session: Reader, scope: Scope, days: tuple[date, date]) -> Comparison:
    earlier = replace(scope, first_day=days[0], last_day=days[1])
    return Comparison(*days, sum_expenses(session, earlier))


def sum_expenses(session: Reader, scope: Scope) -> Sum:
    """What was spent, as far as it can be converted, and by how many expenses."""
    return counted_once(session, scope, sum_whole(session, scope))


def counted_once(session: Reader, scope: Scope, sums: Sums[Any]) -> Sum:
    """The whole, with each expense counted once, however many lines it has, as in what is unconverted."""
    whole = sums.whole
    rows = session.execute(LINES_BEYOND_FIRST, scope.parameters).all()
    rates = rates_for(session, scope, {row.currency for row in rows} - {scope.currency})
    for day, currency, has_own_rate, extra in rows:
        is_converted = has_own_rate or rates.convert(0, currency, scope.currency, day) is not None
        (whole if is_converted else sums.unconverted[currency]).count -= int(extra)
    return whole


def largest_expenses(
    session: Reader, scope: Scope, *, converted: Iterable[Converted], count: int, limit: int
) -> list[LargestExpense]:
    """The largest first, of so many of each currency.

    Args:
        converted: what of other currencies the range has.
        count: how many expenses are in the range, which tells how to look for them.
    """
    query = LARGEST if count <= FEW_EXPENSES else LARGEST_OF_MANY
    if limit > 1:
        # Of equal ones always the same: that order costs too much for those who ask for a single one.
        query = query.order_by(EXPENSES.c.id).limit(None).limit(limit)
    found = []
    for currency in sorted({scope.currency, *(part.currency for part in converted)}):
        for row in session.execute(query, scope.parameters | {"spent_in": currency}).all():
            minor = _converted(session, scope, currency, row)
            if minor is not None:
                found.append(
                    LargestExpense(row.id, row.spent_on, row.payee, row.amount_minor, currency, minor)
                )
    return sorted(found, key=lambda one: (-one.converted_minor, one.spent_on, one.id))[:limit]


def _converted(session: Reader, scope: Scope, currency: str, row: Any) -> int | None:
    if row.own_rate is not None:
        return convert_parts([row.amount_minor], currency, scope.currency, row.own_rate)[0]
    its_day = replace(scope, first_day=row.spent_on, last_day=row.spent_on)
    rates = rates_for(session, its_day, {currency} - {scope.currency})
    conversion = rates.convert(row.amount_minor, currency, scope.currency, row.spent_on)
    return None if conversion is None else conversion.amount_minor


def break_down(session: Reader, scope: Scope, by: Cut) -> Breakdown:
    """Categories, payees and the like begin with the largest; days, weeks and months with the first."""
    match by:
        case "category":
            labels = category_labels(session, user_id=scope.user_id)
            return _breakdown(
                sum_by_category(session, scope), lambda key: (None if key is None else str(key), labels[key])
            )
        case "currency":
            return _breakdown(sum_by_currency(session, scope), lambda key: (key, key))
        case "payee":
            return _expense_breakdown(session, scope, BY_PAYEE, "No payee")
        case "tag":
            return _expense_breakdown(session, scope, BY_TAG, "No tag")
        case "weekday":
            weekdays = sum_by_day(session, scope).merged(lambda day: day.isoweekday())
            return _breakdown(weekdays, lambda number: (str(number), WEEKDAYS[number - 1]), is_by_key=True)
        case _:
            sums = sum_by_interval(session, scope, by)
            return _breakdown(sums, lambda start: (start.isoformat(), _label(start, by)), is_by_key=True)


def _label(start: date, by: Literal["day", "week", "month"]) -> str:
    match by:
        case "day":
            return start.isoformat()
        case "week":
            year, week, _ = start.isocalendar()
            return f"{year}-W{week:02d}"
        case "month":
            return start.isoformat()[:7]


def _breakdown(
    sums: Sums[Any], name: Callable[[Any], tuple[str | None, str]], *, is_by_key: bool = False
) -> Breakdown:
    keys = sorted(sums.by_key) if is_by_key else list(sums.by_key)
    groups = [Group(*name(key), sums.by_key[key].minor, sums.by_key[key].count) for key in keys]
    shown = groups if is_by_key else _by_amount(groups)
    return Breakdown(shown, Sum(), sums.whole.minor, sums.converted, sums.unconverted)


def _expense_breakdown(session: Reader, scope: Scope, query: Any, nameless: str) -> Breakdown:
    rows = session.execute(query, scope.parameters).all()
    rates = rates_for(session, scope, {row.currency for row in rows} - {scope.currency})
    parts: ForeignParts[str | None] = ForeignParts(rates, scope.currency)
    labels: dict[str | None, str] = {None: nameless}
    by_key: defaultdict[str | None, Sum] = defaultdict(Sum)
    for key, label, currency, day, own_rate, total, count in rows:
        minor = int(total)  # PostgreSQL sums bigints into a numeric
        amount: int | None = minor
        if own_rate is not None:
            (converted,) = convert_parts([minor], currency, scope.currency, own_rate)
            amount = parts.take(minor, converted, currency, day)
        elif day is not None:
            amount = parts.convert(minor, count, currency, day)
        if key is not None:
            labels[key] = max(label, labels.get(key, ""))
        if amount is not None:
            by_key[key].add(amount, count)
    sums = parts.sums(by_key)
    groups = _by_amount(Group(key, labels[key], one.minor, one.count) for key, one in sums.by_key.items())
    beyond = groups[MAX_GROUPS:]
    rest = Sum(sum(group.minor for group in beyond), sum(group.count for group in beyond))
    whole = sum_whole(session, scope).whole.minor
    return Breakdown(groups[:MAX_GROUPS], rest, whole, sums.converted, sums.unconverted)


def _by_amount(groups: Any) -> list[Group]:
    return sorted(groups, key=lambda group: (-group.minor, group.label, group.key or ""))
