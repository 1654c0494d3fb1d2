"""Specifications to look at and to measure: a believable household, one of each chart."""

import random
from collections.abc import Iterator
from datetime import date

from core.charts.budget_progress import BudgetFigures, budget_progress
from core.charts.group_balances import MemberBalance, group_balances
from core.charts.picture import Spec
from core.charts.spending_by_category import CategoryAmount, spending_by_category
from core.charts.spending_over_time import IntervalAmount, spending_over_time
from core.charts.theme import Theme
from core.rules.periods import Period
from core.rules.series import Interval, starts_between

SEED = 20_261_124
MARCH = Period(date(2026, 3, 1), date(2026, 4, 1))


def categories(theme: Theme) -> Spec:
    amounts = {
        "Rent": 98_000, "Groceries": 41_237, "Restaurants & cafés": 18_460, "Transport": 9_900,
        "Insurance": 8_450, "Clothing": 7_395, "Health and pharmacy": 4_120, "Subscriptions": 3_897,
        "Gifts": 2_500, "Books": 1_899, "Household": 1_540, "Haircuts": 1_200, "Parking": 450,
    }  # fmt: skip
    return spending_by_category(
        [CategoryAmount(name, amount) for name, amount in amounts.items()],
        currency="EUR", period=MARCH, theme=theme,
    )  # fmt: skip


def days(theme: Theme) -> Spec:
    chance = random.Random(SEED)
    amounts = [
        IntervalAmount(
            day, chance.choice((0, 1, 1, 2, 3)) * chance.randrange(400, 2_600) + (day.day == 1) * 6_000
        )
        for day in _starts(MARCH, "day")
    ]
    return spending_over_time(amounts, currency="EUR", interval="day", period=MARCH, theme=theme)


def months(theme: Theme) -> Spec:
    chance = random.Random(SEED)
    year = Period(date(2025, 5, 1), date(2026, 5, 1))
    amounts = [IntervalAmount(day, chance.randrange(140_000, 260_000)) for day in _starts(year, "month")]
    return spending_over_time(amounts, currency="EUR", interval="month", period=year, theme=theme)


def year_of_days(theme: Theme) -> Spec:
    chance = random.Random(SEED)
    year = Period(date(2025, 5, 10), date(2026, 5, 10))
    amounts = [IntervalAmount(day, chance.randrange(-900, 9_000) ** 2 // 90) for day in _starts(year, "day")]
    return spending_over_time(amounts, currency="JPY", interval="day", period=year, theme=theme)


def four_weeks(theme: Theme) -> Spec:
    amounts = [
        IntervalAmount(day, 40_000 - 17_000 * number) for number, day in enumerate(_starts(MARCH, "week"))
    ]
    return spending_over_time(amounts, currency="CHF", interval="week", period=MARCH, theme=theme)


def budgets(theme: Theme) -> Spec:
    figures = [
        BudgetFigures("Groceries", "EUR", 41_237, 50_000, "warning"),
        BudgetFigures("Eating out", "EUR", 22_410, 20_000, "exceeded"),
        BudgetFigures("Everything", "EUR", 131_048, 240_000, "ok"),
        BudgetFigures("Trip to Osaka", "JPY", 38_500, 120_000, "ok"),
        BudgetFigures("Clothing", "EUR", 0, 10_000, "ok"),
    ]
    return budget_progress(figures, subtitle="24 March 2026", theme=theme)


def balances(theme: Theme) -> Spec:
    amounts = {
        "Alice": 18_450,
        "Bob": -9_600,
        "Chiara": 2_375,
        "Dmitri": -4_125,
        "Emeka": 0,
        "Fatima": -7_100,
    }
    return group_balances(
        [MemberBalance(name, amount) for name, amount in amounts.items()],
        currency="EUR",
        group_name="Lisbon trip",
        theme=theme,
    )


def _starts(period: Period, interval: Interval) -> Iterator[date]:
    return starts_between(period.start, period.last_day, interval)
