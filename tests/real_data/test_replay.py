"""The files written day by day, as if at the time: all alerts of all years are what a simple model says."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import select

from core import clock
from core.config import Settings
from core.database import Database
from core.job_names import EVALUATE_BUDGETS
from core.models import Notification
from core.queries.invariants import spending_differences
from core.services.budgets import start_due_periods
from core.services.categories import NewCategory, create_category
from core.services.expense_drafts import ExpenseInput
from core.services.expenses import record_expenses
from tests.core.services.spender import Spender
from tests.real_data import test_firefly, test_splitwise
from tests.real_data.alert_model import AlertModel, Message, ModelAlert, month_after
from tests.real_data.files import Cost, cents, firefly_movements, splitwise_costs, splitwise_movements
from tests.real_data.loading import decimal_text
from workers.app import JOBS
from workers.runtime import Runtime

ZONE = "Europe/Skopje"


def _at_once(cost: Cost, _index: int) -> date:
    return cost.day


def _on_a_sunday(cost: Cost, index: int) -> date:
    """From nine days ahead to three weeks later: before the month begins, and after it may alert."""
    day = cost.day + timedelta(days=index * 7 % 25 - 9)
    return day + timedelta(days=6 - day.weekday())


LOW_LIMITS = {**test_splitwise.LIMITS, "MKD": 5_000_00}
"""With what was paid back taken off, few months come to more."""


@pytest.mark.parametrize(
    ("read_file", "written_on", "limits", "opened", "resolved"),
    [
        pytest.param(splitwise_costs, _at_once, test_splitwise.LIMITS, 60, 0, id="costs on their day"),
        pytest.param(splitwise_movements, _on_a_sunday, LOW_LIMITS, 102, 29, id="movements on Sundays"),
        pytest.param(firefly_movements, _on_a_sunday, test_firefly.LIMITS, 8, 0, id="statements on Sundays"),
    ],
)
def test_every_alert_of_all_years_opens_and_resolves_on_its_day(
    database: Database,
    settings: Settings,
    read_file: Callable[[], list[Cost]],
    written_on: Callable[[Cost, int], date],
    limits: Mapping[str, int],
    opened: int,
    resolved: int,
) -> None:
    costs = read_file()
    written: dict[date, list[Cost]] = defaultdict(list)
    for index, cost in enumerate(costs):
        written[written_on(cost, index)].append(cost)
    replay = Replay(database, settings, limits, starts_on=min(written))
    try:
        replay.follow(written)
        replay.compare(costs)
    finally:
        replay.close()
    # Both agree, so these say only that the history is one that proves something.
    assert len(replay.model.alerts) == opened
    assert len(replay.model.resolved) == resolved


class Replay:
    """Writes with the product and with the model, a day after another."""

    def __init__(
        self, database: Database, settings: Settings, limits: Mapping[str, int], starts_on: date
    ) -> None:
        self.model = AlertModel(limits, starts_on)
        self._database = database
        self._runtime = Runtime(settings, JOBS)
        with _evening_of(starts_on):
            self.me = Spender(database, timezone=ZONE)
            self._currencies = {
                self.me.budget(decimal_text(limit), name=currency, currency=currency): currency
                for currency, limit in limits.items()
            }
        self._last_day = starts_on

    def follow(self, written: Mapping[date, Sequence[Cost]]) -> None:
        """Each day on which something is written, and each on which a month begins."""
        self._last_day = month_after(max(written))
        days = set(written)
        month = month_after(min(written))
        while month <= self._last_day:
            days.add(month)
            month = month_after(month)
        for day in sorted(days):
            with _evening_of(day):
                self._write(written.get(day, []))
            self.model.evaluate(day)

    def _write(self, costs: Sequence[Cost]) -> None:
        with self._database.transaction() as session:
            for name in dict.fromkeys(cost.category for cost in costs):
                if name.casefold() not in self.me.categories:
                    category = create_category(session, user_id=self.me.id, category=NewCategory(name=name))
                    self.me.categories[name.casefold()] = category.id
            if costs:
                record_expenses(session, items=[self._input(cost) for cost in costs])
            start_due_periods(session, limit=100)
        self._runtime.drain(EVALUATE_BUDGETS)
        for cost in costs:
            self.model.spend(cost)

    def _input(self, cost: Cost) -> ExpenseInput:
        return ExpenseInput(
            user_id=self.me.id,
            amount=decimal_text(cost.minor),
            currency=cost.currency,
            category_id=self.me.categories[cost.category.casefold()],
            spent_on=cost.day,
            payee=cost.payee,
        )

    def compare(self, costs: Sequence[Cost]) -> None:
        assert sorted(self._messages()) == sorted(self.model.messages)
        alerts, expected = self._alerts(), self.model.alerts
        assert set(alerts) == set(expected)
        assert len(alerts) == len(expected)
        assert self.model.spent.total() == sum(cost.minor for cost in costs)
        with _evening_of(self._last_day):
            for budget_id, currency in self._currencies.items():
                for past in self.me.past(budget_id, 200):
                    month = past.period.start.isoformat()[:7]
                    assert past.spent_minor == self.model.spent[currency, month]
        with self._database.reading() as session:
            assert spending_differences(session) == []

    def _messages(self) -> list[Message]:
        self.me.messages()  # checks their numbers
        query = select(Notification).where(Notification.user_id == self.me.id)
        with self._database.reading() as session:
            found = session.scalars(query).all()
        return [
            Message(
                clock.local_date(one.created_at, ZONE),
                one.kind,
                one.data["currency"],
                one.data["period_start"][:7],
                one.data["threshold"],
                cents(one.data["spent"]),
                cents(one.data["limit"]),
            )
            for one in found
        ]

    def _alerts(self) -> list[ModelAlert]:
        return [
            ModelAlert(
                self._currencies[one.budget_id],
                one.period_start.isoformat()[:7],
                one.threshold,
                one.spent_minor,
                one.limit_minor,
                clock.local_date(one.created_at, ZONE),
                None if one.resolved_at is None else clock.local_date(one.resolved_at, ZONE),
            )
            for one in self.me.alerts()
        ]

    def close(self) -> None:
        self._runtime.close()


def _evening_of(day: date) -> time_machine.travel:
    """An hour that is the same day in UTC and where the user is."""
    return time_machine.travel(datetime(day.year, day.month, day.day, 20, tzinfo=UTC), tick=False)
