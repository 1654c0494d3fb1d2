"""`make demo`: a new user spends a month's money, and the budget alerts arrive over the WebSocket."""

import argparse
import os
import secrets
from datetime import date
from decimal import Decimal
from time import perf_counter
from typing import Any

from core import clock
from core.commands.demo_client import Alerts, Api, DemoError
from core.commands.demo_month import MONTH, PLANS, THRESHOLDS, Plan, Purchase
from core.commands.ports import reachable
from core.config import load_settings

PACE_S = 0.2
"""Between expenses, so that one can watch: 27 of them in some six seconds."""

PATIENCE_S = 8.0
"""For the last alert. It takes milliseconds; when a wake-up got lost, five seconds until the next sweep and
some for the work."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser  # addresses come from the environment, as for all processes


def run(arguments: argparse.Namespace) -> int:
    del arguments
    settings = load_settings(os.environ)
    api = Api(reachable(settings.api_host, settings.api_port))
    login, password = _register(api)
    print(f"Registered {login}, password {password}\n")
    categories = {
        category["name"]: category["id"] for category in api.get("/v1/categories?limit=100")["items"]
    }
    for plan in PLANS:
        _set_budget(api, plan, categories)
    alerts = Alerts.listen(reachable(settings.ws_host, settings.ws_port), api.token)
    story = _Story(alerts)
    today = clock.now().date()
    for index, purchase in enumerate(MONTH):
        next_at = perf_counter() + PACE_S
        story.expect(purchase)
        # Only the current period raises alerts: the month goes from its first day to today.
        _spend(api, purchase, today.replace(day=1 + index * today.day // len(MONTH)), categories)
        story.watch(next_at)
    alerts.wait_for(story.expected, PATIENCE_S)
    story.tell()
    alerts.socket.close()
    _summarise(api)
    return story.conclude()


class _Story:
    """Keeps count of what is spent, and so knows which alerts are due and when each became due."""

    def __init__(self, alerts: Alerts) -> None:
        self._alerts = alerts
        self._spent = dict.fromkeys(PLANS, Decimal(0))
        self._due: dict[tuple[str, int], float] = {}
        self._latencies_ms: list[float] = []

    @property
    def expected(self) -> int:
        return len(self._due)

    def expect(self, purchase: Purchase) -> None:
        """Note which thresholds this purchase is going to cross."""
        for plan in PLANS:
            if plan.category in {None, purchase.category}:
                before = self._spent[plan]
                self._spent[plan] = after = before + purchase.amount
                for threshold in THRESHOLDS:
                    if before < plan.limit * threshold / 100 <= after:
                        self._due[plan.name, threshold] = perf_counter()

    def watch(self, until: float) -> None:
        """Tell of alerts as they arrive, until the clock shows the time."""
        while (left_s := until - perf_counter()) > 0:
            self._alerts.wait_for(len(self._latencies_ms) + 1, left_s)
            self.tell()

    def tell(self) -> None:
        for arrived, data in self._alerts.received[len(self._latencies_ms) :]:
            due = self._due.get((data["budget_name"], data["threshold"]))
            if due is None:
                raise DemoError(f"an alert that was not due: {data}")
            self._latencies_ms.append((arrived - due) * 1000)
            print(
                f"  >> ALERT  {data['budget_name']}: {data['percent']} %, "
                f"{data['spent']} of {data['limit']} {data['currency']} spent "
                f"(past {data['threshold']} %), {self._latencies_ms[-1]:.0f} ms after the expense"
            )

    def conclude(self) -> int:
        told = len(self._latencies_ms)
        if told < self.expected:
            raise DemoError(f"only {told} of {self.expected} alerts arrived within {PATIENCE_S:g} s")
        slowest = max(self._latencies_ms)
        print(f"\n{told} alerts, each once, the slowest after {slowest:.0f} ms.")
        return 0


def _register(api: Api) -> tuple[str, str]:
    login, password = f"demo-{secrets.token_hex(3)}", secrets.token_urlsafe(12)
    account = {"username": login, "email": f"{login}@example.com", "password": password}
    api.post("/v1/auth/register", account)
    api.token = api.post("/v1/auth/login", {"login": login, "password": password})["access_token"]
    return login, password


def _set_budget(api: Api, plan: Plan, categories: dict[str, Any]) -> None:
    api.post(
        "/v1/budgets",
        {
            "name": plan.name,
            "amount": str(plan.limit),
            "period": {"kind": "monthly"},
            "category_ids": [categories[plan.category]] if plan.category else [],
            "thresholds": list(THRESHOLDS),
        },
    )
    print(f"Budget  {plan.name}: {plan.limit} a month")


def _spend(api: Api, purchase: Purchase, day: date, categories: dict[str, Any]) -> None:
    print(f"{day}  {purchase.amount:>8}  {purchase.category:<20}  {purchase.payee}")
    api.post(
        "/v1/expenses",
        {
            "amount": str(purchase.amount),
            "category_id": categories[purchase.category],
            "spent_on": day.isoformat(),
            "payee": purchase.payee,
        },
    )


def _summarise(api: Api) -> None:
    columns = ("limit", "spent", "remaining", "percent", "projected", "status")
    print(f"\n{'budget':<14}" + "".join(f"{column:>11}" for column in columns))
    for budget in api.get("/v1/budgets")["items"]:
        current = budget["current"]
        print(f"{budget['name']:<14}" + "".join(f"{current[column]!s:>11}" for column in columns))
