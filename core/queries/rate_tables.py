"""The rates of all days of a range as parameters of a statement, which converts totals where they are.

To fetch a total and convert it here takes ten times as long. The databases' whole numbers have 64 bits: what
may not fit is left to the caller.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from math import gcd
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Date, Dialect, FromClause, Integer, String, bindparam, case
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import UserDefinedType

from core.queries.exchange_rates import RateBook
from core.rules.money import scale

MAX_PRODUCT = 2**62
"""Of an amount and a numerator: half of a denominator is added to it before it is divided."""

MAX_STORED = 2**63 - 1

MAX_SUMMAND = 2**40
"""Eight million totals as large as this add up to 64 bits, and nobody has as many."""

WIDTH = len(str(MAX_STORED))
"""Of a number in SQLite, which has no arrays: of a blob it finds the n-th bytes at once."""

NO_RATE = (0, 1)
"""No rate is zero; that there is none must not divide by zero."""


class Numbers(UserDefinedType[Sequence[int]]):
    """Whole numbers of 64 bits, none negative, as one parameter."""

    cache_ok = True
    render_bind_cast = True

    def get_col_spec(self, **_: Any) -> str:
        return "BIGINT[]"

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        return _array_text if dialect.name == "postgresql" else _fixed_widths


def _array_text(numbers: Sequence[int]) -> str:
    # The driver would take a microsecond for each number of a list.
    return "{" + ",".join(map(str, numbers)) + "}"


def _fixed_widths(numbers: Sequence[int]) -> bytes:
    return (f"%0{WIDTH}d" * len(numbers) % tuple(numbers)).encode()


class NumberOf(FunctionElement[int]):
    """The number for the currency and day of a row, of those of `RateTable.parameters` by this name.

    The day must be one of the table's; a currency that is none of the table's has no rate.
    """

    type = BigInteger()
    inherit_cache = True
    name = "number_of"

    def __init__(self, name: str, row: FromClause) -> None:
        super().__init__(
            bindparam(name, type_=Numbers()),
            bindparam("rate_currencies", type_=String()),
            row.c.currency,
            bindparam("rate_days", type_=Integer()),
            row.c.day,
            bindparam("rates_from", type_=Date()),
        )


@compiles(NumberOf, "postgresql")
def _number_in_array(element: NumberOf, compiler: Any, **options: Any) -> str:
    numbers, currencies, currency, days, day, first = (
        compiler.process(part, **options) for part in element.clauses
    )
    return f"({numbers})[(strpos({currencies}, {currency}) + 3) / 4 * {days} + ({day} - {first}) + 1]"


@compiles(NumberOf, "sqlite")
def _number_in_blob(element: NumberOf, compiler: Any, **options: Any) -> str:
    numbers, currencies, currency, days, day, first = (
        compiler.process(part, **options) for part in element.clauses
    )
    position = (
        f"(instr({currencies}, {currency}) + 3) / 4 * {days}"
        f" + CAST(julianday({day}) - julianday({first}) AS INTEGER)"
    )
    return f"CAST(substr({numbers}, ({position}) * {WIDTH} + 1, {WIDTH}) AS INTEGER)"


@dataclass(frozen=True, slots=True)
class RateTable:
    """What converts amounts of some currencies into one, day by day: parameters of `converted`.

    It is complete with a rate of each currency on each day that was asked for. Amounts up to `largest_minor`,
    either sign, stay within 64 bits at each step.
    """

    currencies: Sequence[str]
    is_complete: bool
    largest_minor: int
    parameters: dict[str, Any]


def tabulate(
    rates: RateBook, *, currencies: Sequence[str], target: str, first_day: date, last_day: date
) -> RateTable:
    """The rates from each of the currencies into another one, for the days that there may be any of."""
    first, last = rates.days_between(first_day, last_day)
    days = max((last - first).days + 1, 0)
    target_rates = rates.rates_between(target, first, last)
    # What is found for a currency that is none of these.
    fractions = [NO_RATE] * days
    is_complete = (first, last) == (first_day, last_day)
    for currency in currencies:
        source_rates = rates.rates_between(currency, first, last)
        its = list(_fractions(source_rates, target_rates, 10 ** scale(currency), 10 ** scale(target)))
        is_complete = is_complete and NO_RATE not in its
        fractions += its
    largest = min((_largest_minor(*fraction) for fraction in set(fractions)), default=0)
    if largest == 0:
        # Nothing is converted by them: all that matters is which are zero.
        fractions = [(min(numerator, 1), 1) for numerator, _ in fractions]
    return RateTable(
        currencies=currencies,
        is_complete=is_complete,
        largest_minor=largest,
        parameters={
            "largest_minor": largest,
            "rate_currencies": ",".join(currencies),
            "rate_days": days,
            "rates_from": first,
            "rates_to": last,
            "rate_numerators": [numerator for numerator, _ in fractions],
            "rate_denominators": [denominator for _, denominator in fractions],
        },
    )


def _fractions(
    source_rates: Sequence[int | None], target_rates: Sequence[int | None], source_unit: int, target_unit: int
) -> Iterator[tuple[int, int]]:
    """What minor units are multiplied with and divided by on each day, in lowest terms."""
    pair_before, fraction = None, NO_RATE
    for pair in zip(source_rates, target_rates, strict=True):
        # Most days have the rates of the day before them in common with it, or are a Sunday.
        if pair != pair_before:
            pair_before, fraction = pair, NO_RATE
            source_rate, target_rate = pair
            if source_rate is not None and target_rate is not None:
                numerator, denominator = target_rate * target_unit, source_rate * source_unit
                common = gcd(numerator, denominator)
                fraction = (numerator // common, denominator // common)
        yield fraction


def _largest_minor(numerator: int, denominator: int) -> int:
    if denominator > MAX_STORED:
        return 0
    if numerator == 0:
        return MAX_SUMMAND
    return min(MAX_SUMMAND, MAX_PRODUCT // numerator, MAX_SUMMAND * denominator // numerator)


def converted(totals: FromClause) -> ColumnElement[int]:
    """The amount of a total at its day's rate, a half rounded away from zero."""
    minor = totals.c.amount_minor
    denominator = NumberOf("rate_denominators", totals)
    half = case((minor < 0, -denominator), else_=denominator) // 2
    # Both databases cut off towards zero.
    return (minor * NumberOf("rate_numerators", totals) + half) // denominator


def has_rate(totals: FromClause) -> ColumnElement[bool]:
    return NumberOf("rate_numerators", totals) != 0
