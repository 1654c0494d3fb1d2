"""Dates as files write them, and the order of day, month and year found out from many of them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from core.rules.periods import MAX_DAY, MIN_DAY, is_supported
from core.rules.texts import loose_key
from core.statements.mapping import DateOrder
from core.statements.texts import shown

CENTURY_TURNS_AT = 70
"""Two digits of a year below it are of this century, as in C and SQL; no bank's file is of before 1970."""

MAX_DATE_CHARS = 60
"""With a time, a zone and a weekday around it."""

_NUMBERS = re.compile(r"([0-9]{1,4})([./\-' ]{1,3})([0-9]{1,2})[./\-' ]{1,3}([0-9]{4}|[0-9]{1,2})(?![0-9])")
_COMPACT = re.compile(r"([0-9]{8})(?:[0-9]{4}|[0-9]{6})?(?![0-9])")
_COMPACT_SHORT = re.compile(r"[0-9]{6}")
_NAMED = re.compile(
    r"(?:[^\W\d_]{2,10}\.?,? +)??"  # a weekday
    r"(?:([0-9]{1,2})(?:st|nd|rd|th|er|\.|º)?[ \-./]*(?:de )?([^\W\d_]{3,12})"
    r"|([^\W\d_]{3,12})\.? ?([0-9]{1,2})(?:st|nd|rd|th)?)"
    r"[ \-./,']*(?:de(?:l)? )?([0-9]{4}|[0-9]{2})(?![0-9])"
)

_MONTHS = (
    "jan ene gen janv januar janner january januari janvier enero gennaio janeiro",
    "feb fev fevr februar february februari fevrier febrero febbraio fevereiro",
    "mar mrz maer mrt marz march maart mars marzo marco",
    "apr avr abr april avril abril aprile",
    "may mai mei mag mayo maggio maio",
    "jun giu juin juni june junio giugno junho",
    "jul lug juil juli july juillet julio luglio julho",
    "aug ago aou aout august augustus agosto",
    "sep set sept september septembre septiembre settembre setembro",
    "oct okt ott out oktober october octobre octubre ottobre outubro",
    "nov november novembre noviembre novembro",
    "dec dez dic dezember december decembre diciembre dicembre dezembro",
)
_MONTH_NUMBERS = {name: number for number, names in enumerate(_MONTHS, 1) for name in names.split()}

_POSITIONS: dict[DateOrder, tuple[int, int, int]] = {
    "ymd": (0, 1, 2),
    "dmy": (2, 1, 0),
    "mdy": (2, 0, 1),
    "ydm": (0, 2, 1),
}
"""Where year, month and day are among the three numbers."""


class DayError(ValueError):
    """The text is no date that can be read; the message is meant for the user."""


def parse_day(text: str, order: DateOrder) -> date:
    """The date at the beginning of a text; a time after it is passed over, as it is local already.

    A year of four digits that comes first is followed by the month whatever the order, unless that is "ydm";
    names of months in seven languages are read in any order.

    Raises:
        DayError
    """
    numbers = _numbers(text)
    if numbers is None:
        day = _named_day(text)
        if day is None:
            raise DayError(f"{_quoted(text)} is no date")
    else:
        day = _calendar_day(numbers, _order_for(numbers, order))
        if day is None:
            raise DayError(f"{_quoted(text)} is no day of the calendar in the order {order.upper()}")
    if not is_supported(day):
        raise DayError(f"{_quoted(text)} is not between {MIN_DAY} and {MAX_DAY}")
    return day


@dataclass(frozen=True, slots=True)
class OrderFound:
    order: DateOrder
    is_certain: bool


def find_order(texts: Iterable[str], *, prefers_month_first: bool) -> OrderFound | None:
    """The order in which the most of the texts are dates; None if none is one.

    Where several do, dates in a row and close together speak for an order: statements are sorted and cover
    weeks, but read in the wrong order they jump over the year. It is then said not to be certain. Dots
    are certain, as nobody puts them after a month that comes first.
    """
    texts = list(texts)
    preference: list[DateOrder] = ["mdy", "dmy"] if prefers_month_first else ["dmy", "mdy"]
    found = [numbers for text in texts if (numbers := _numbers(text)) is not None]
    if not found:
        has_names = any(_named_day(text) is not None for text in texts)
        return OrderFound(preference[0], is_certain=True) if has_names else None
    days = {order: _days(found, order) for order in _POSITIONS}
    most = max(map(len, days.values()))
    if not most:
        return None
    orders = _credible([order for order in _POSITIONS if len(days[order]) == most], found)
    preference += ["ymd", "ydm"]
    best = min(orders, key=lambda order: (*_disorder(days[order]), preference.index(order)))
    return OrderFound(best, len(orders) == 1)


def _credible(orders: list[DateOrder], found: Sequence["_Numbers"]) -> list[DateOrder]:
    """Those of the possible orders that people use with such separators."""
    separators = {numbers.separator.strip() for numbers in found}
    unusual: tuple[DateOrder, ...] = ("ydm",)
    if separators == {"."}:
        unusual = ("ydm", "ymd", "mdy")
    elif separators == {"/"}:
        unusual = ("ydm", "ymd")
    if all(len(numbers.parts[0]) == 4 for numbers in found):
        unusual = ("ydm",)
    return [order for order in orders if order not in unusual] or orders


@dataclass(frozen=True, slots=True)
class _Numbers:
    parts: tuple[str, str, str]
    separator: str


def _numbers(text: str) -> _Numbers | None:
    text = text[:MAX_DATE_CHARS].strip()
    # Quicken puts spaces where a digit is missing: 1/ 2'06.
    if match := _NUMBERS.match(text):
        return _Numbers((match[1], match[3], match[4]), match[2])
    if match := _COMPACT.match(text):
        return _compact(match[1])
    if _COMPACT_SHORT.fullmatch(text):
        return _Numbers((text[:2], text[2:4], text[4:]), "")
    return None


def _compact(digits: str) -> _Numbers:
    """20260131, or 31012026: a century is no month."""
    if digits[4:6] <= "12":
        return _Numbers((digits[:4], digits[4:6], digits[6:]), "")
    return _Numbers((digits[:2], digits[2:4], digits[4:]), "")


def _order_for(numbers: _Numbers, order: DateOrder) -> DateOrder:
    first, _, last = numbers.parts
    if len(first) == 4:
        return "ydm" if order == "ydm" else "ymd"
    if len(last) == 4 and order in ("ymd", "ydm"):
        return "dmy" if order == "ymd" else "mdy"
    return order


def _calendar_day(numbers: _Numbers, order: DateOrder) -> date | None:
    year, month, day = (numbers.parts[position] for position in _POSITIONS[order])
    try:
        return date(_year(year), int(month), int(day))
    except ValueError:
        return None


def _year(digits: str) -> int:
    if len(digits) > 2:
        return int(digits)
    return int(digits) + (2000 if int(digits) < CENTURY_TURNS_AT else 1900)


def _named_day(text: str) -> date | None:
    match = _NAMED.match(loose_key(text[:MAX_DATE_CHARS]).strip())
    if match is None:
        return None
    month = _MONTH_NUMBERS.get(match[2] or match[3])
    try:
        return date(_year(match[5]), month or 0, int(match[1] or match[4]))
    except ValueError:
        return None


def _days(found: Sequence[_Numbers], order: DateOrder) -> list[date]:
    """Those of them that are dates in this order."""
    days = []
    for numbers in found:
        first, _, last = numbers.parts
        year, other = (first, last) if _POSITIONS[order][0] == 0 else (last, first)
        if len(other) <= 2 and len(year) > 1:
            day = _calendar_day(numbers, order)
            if day is not None and is_supported(day):
                days.append(day)
    return days


def _disorder(days: Sequence[date]) -> tuple[int, int]:
    """How often the dates turn round in their direction, and how many days they cover."""
    steps = [later > earlier for earlier, later in pairwise(days) if later != earlier]
    turns = sum(one != other for one, other in pairwise(steps))
    return turns, (max(days) - min(days)).days


def _quoted(text: str) -> str:
    return f'"{shown(text)[:MAX_DATE_CHARS]}"'
