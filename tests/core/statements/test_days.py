"""Dates as banks of many countries write them."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.rules.periods import MAX_DAY, MIN_DAY
from core.statements.days import DayError, find_order, parse_day
from core.statements.mapping import DateOrder
from tests.core.rules.strategies import patient

LAST_OF_JANUARY = date(2026, 1, 31)
DAYS = st.dates(MIN_DAY, MAX_DAY)


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("2026-01-31", "ymd"),
        ("31.01.2026", "dmy"),
        ("31.1.26", "dmy"),
        ("01/31/2026", "mdy"),
        ("1/31'26", "mdy"),
        ("1/31'2026", "mdy"),
        ("20260131", "dmy"),
        ("31012026", "dmy"),
        ("20260131235900", "ymd"),
        ("260131", "ymd"),
        ("2026-31-01", "ydm"),
        ("2026/1/31", "mdy"),
        ("2026-01-31T23:59:59.123Z", "dmy"),
        ("31/01/2026 23:59", "dmy"),
        ("31 Jan 2026", "ymd"),
        ("Jan 31, 2026", "ymd"),
        ("31-JAN-26", "ymd"),
        ("Sat, 31 January 2026", "ymd"),
        ("31. Januar 2026", "ymd"),
        ("31 janv. 2026", "ymd"),
        ("31 januari 2026", "ymd"),
        ("31 de enero de 2026", "ymd"),
        ("31 gen 2026", "ymd"),
        ("31 de janeiro de 2026", "ymd"),
        ("31. Jänner 2026", "ymd"),
        ("  31.01.2026  ", "dmy"),
    ],
)
def test_a_date_is_read(text: str, order: DateOrder) -> None:
    assert parse_day(text, order) == LAST_OF_JANUARY


@pytest.mark.parametrize(
    ("text", "month"),
    [("1 März 2026", 3), ("1er août 2026", 8), ("1 mei 2026", 5), ("1. Dez. 2026", 12), ("1 ott 2026", 10)],
)
def test_months_are_read_in_many_languages(text: str, month: int) -> None:
    assert parse_day(text, "ymd") == date(2026, month, 1)


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("", "dmy"),
        ("Total", "dmy"),
        ("31.02.2026", "dmy"),
        ("01/31/2026", "dmy"),
        ("0026-01-31", "ymd"),
        ("2201-01-01", "ymd"),
        ("1.2", "dmy"),
        ("12.34", "dmy"),
        ("31 Foo 2026", "dmy"),
        ("\u0663\u0661.01.2026", "dmy"),
        ("2026-01-311", "ymd"),
        ("9" * 100_000, "ymd"),
        ("\0", "dmy"),
    ],
)
def test_what_is_no_date_is_refused(text: str, order: DateOrder) -> None:
    with pytest.raises(DayError):
        parse_day(text, order)


def test_two_digits_of_a_year_are_of_the_last_hundred_years() -> None:
    assert parse_day("31.12.69", "dmy").year == 2069
    assert parse_day("31.12.70", "dmy").year == 1970


@patient
@given(DAYS, st.sampled_from(["/", "-", ".", " "]))
def test_every_supported_day_is_read_as_it_was_written(day: date, separator: str) -> None:
    year, month, day_of_month = f"{day.year:04}", f"{day.month:02}", f"{day.day:02}"
    assert parse_day(separator.join((year, month, day_of_month)), "ymd") == day
    assert parse_day(separator.join((day_of_month, month, year)), "dmy") == day
    assert parse_day(separator.join((month, day_of_month, year)), "mdy") == day
    assert parse_day(f"{year}{month}{day_of_month}", "dmy") == day
    assert parse_day(f"{day_of_month}{month}{year}", "ymd") == day


@pytest.mark.parametrize(
    ("texts", "order", "is_certain"),
    [
        (["01/02/2026", "13/02/2026"], "dmy", True),
        (["02/01/2026", "02/13/2026"], "mdy", True),
        (["01.02.2026"], "dmy", True),
        (["2026-02-01"], "ymd", True),
        (["20260201"], "ymd", True),
        (["2026-13-01"], "ydm", True),
        (["26-01-30", "26-01-31", "26-02-01"], "ymd", False),
        (["31 Jan 2026"], "dmy", True),
        (
            ["01/02/2026", "Total", "31/02/2026 is none", "14/02/2026", "15/02/2026", "16/02/2026"],
            "dmy",
            True,
        ),
    ],
)
def test_the_order_of_dates_is_found(texts: list[str], order: DateOrder, is_certain: bool) -> None:
    found = find_order(texts, prefers_month_first=False)
    assert found is not None
    assert (found.order, found.is_certain) == (order, is_certain)


def test_days_of_a_month_in_a_row_tell_the_order_but_not_for_certain() -> None:
    german = [f"{day:02}/03/2026" for day in range(1, 13)]
    american = [f"03/{day:02}/2026" for day in range(1, 13)]
    for prefers_month_first in (True, False):
        found = [find_order(texts, prefers_month_first=prefers_month_first) for texts in (german, american)]
        assert [(one.order, one.is_certain) for one in found if one] == [("dmy", False), ("mdy", False)]


def test_what_can_be_both_goes_by_the_preference() -> None:
    for prefers_month_first, order in ((True, "mdy"), (False, "dmy")):
        found = find_order(["03/03/2026", "04/04/2026"], prefers_month_first=prefers_month_first)
        assert found is not None
        assert (found.order, found.is_certain) == (order, False)


def test_texts_without_dates_have_no_order() -> None:
    assert find_order(["Total", "", "12.50"], prefers_month_first=False) is None
    assert find_order([], prefers_month_first=False) is None


@patient
@given(st.dates(date(1971, 1, 1), date(2069, 1, 1)), st.lists(st.integers(0, 300), min_size=1, max_size=30))
def test_a_statement_is_never_read_in_an_order_in_which_it_has_no_dates(
    start: date, offsets: list[int]
) -> None:
    days = [start + timedelta(days=offset) for offset in sorted(offsets)]
    texts = [f"{day:%m/%d/%y}" for day in days]
    found = find_order(texts, prefers_month_first=False)
    assert found is not None
    read = [parse_day(text, found.order) for text in texts]
    assert read == days or not found.is_certain
