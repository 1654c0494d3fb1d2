"""What the system says of loaded expenses, beside what the file says."""

from collections import Counter
from datetime import date
from typing import Any

from sqlalchemy import select

from core.database import Database
from core.models import DailySpending
from tests.api.calls import read
from tests.real_data.alert_model import AlertModel
from tests.real_data.files import cents, totals
from tests.real_data.loading import Loaded, pages

HISTORY = 120
"""Past months: the most that the API tells."""

ByMonth = Counter[tuple[str, str]]
"""Cents by month and currency."""


def listed_totals(loaded: Loaded) -> ByMonth:
    sums: ByMonth = Counter()
    for item in loaded.expenses():
        sums[item["spent_on"][:7], item["currency"]] += cents(item["amount"])
    return sums


def kept_totals(database: Database, loaded: Loaded) -> tuple[ByMonth, int]:
    """The daily totals added up, and how many expenses they count."""
    sums: ByMonth = Counter()
    count = 0
    query = select(DailySpending).where(DailySpending.user_id == loaded.user_id)
    with database.reading() as session:
        for row in session.scalars(query):
            sums[row.day.isoformat()[:7], row.currency] += row.amount_minor
            count += row.count
    return sums, count


def months_of_budget(loaded: Loaded, currency: str) -> list[dict[str, Any]]:
    """The running month and those before it, the newest first."""
    path = f"/v1/budgets/{loaded.budgets[currency]}"
    past = read(loaded.client, f"{path}/history", periods=HISTORY)["items"]
    return [read(loaded.client, path)["current"], *past]


def assert_months_of_budgets_are_the_files(loaded: Loaded) -> None:
    """Each month's figures of each budget, other currencies beside them and never among them."""
    sums = totals(loaded.costs, lambda cost: (cost.month, cost.currency))
    for currency, limit in loaded.limits.items():
        months = months_of_budget(loaded, currency)
        assert {month for month, _ in sums} <= {figures["start"][:7] for figures in months}
        for figures in months:
            month = figures["start"][:7]
            spent = sums[month, currency]
            assert cents(figures["spent"]) == spent, (currency, month)
            assert cents(figures["limit"]) == limit
            assert cents(figures["remaining"]) == limit - spent
            assert figures["percent"] == spent * 1000 // limit / 10
            assert figures["status"] == _status(spent, limit)
            others = [(other, sums[month, other]) for other in sorted(loaded.limits) if other != currency]
            assert [(other["currency"], cents(other["amount"])) for other in figures["unconverted"]] == [
                (other, minor) for other, minor in others if minor
            ]


def assert_categories_are_the_files(loaded: Loaded) -> None:
    """The list of each category, which includes its sub-categories, by count and by currency."""
    wanted = totals(loaded.costs, lambda cost: (loaded.categories[cost.category], cost.currency))
    counts = Counter(loaded.categories[cost.category] for cost in loaded.costs)
    for category_id, count in counts.items():
        items = list(loaded.expenses(category_id=category_id))
        assert len(items) == count
        sums: Counter[str] = Counter()
        for item in items:
            sums[item["currency"]] += cents(item["amount"])
        assert sums == {currency: minor for (id_, currency), minor in wanted.items() if id_ == category_id}


def assert_only_the_running_month_alerted(loaded: Loaded, today: date) -> None:
    """Budgets that were set today say nothing of the months before."""
    model = AlertModel(loaded.limits, starts_on=today)
    for cost in loaded.costs:
        model.spend(cost)
    model.evaluate(today)
    currencies = {budget_id: currency for currency, budget_id in loaded.budgets.items()}
    alerts = {
        (currencies[one["budget_id"]], one["period_start"][:7], one["threshold"], cents(one["spent"]))
        for one in pages(loaded.client, "/v1/alerts", state="open")
    }
    assert alerts == {(one.currency, one.month, one.threshold, one.spent) for one in model.alerts}
    told = [
        (one["kind"], one["data"]["currency"], one["data"]["threshold"])
        for one in pages(loaded.client, "/v1/notifications")
    ]
    assert sorted(told) == sorted((one.kind, one.currency, one.threshold) for one in model.messages)
    assert not read(loaded.client, "/v1/alerts", state="resolved")["items"]


def _status(spent: int, limit: int) -> str:
    if spent > limit:
        return "exceeded"
    return "warning" if spent * 100 >= limit * 80 else "ok"
