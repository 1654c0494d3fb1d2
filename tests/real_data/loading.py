"""A person who brings along what was kept elsewhere: budgets, categories and expenses, through the API."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx

from core.config import Settings
from core.job_names import EVALUATE_BUDGETS
from tests.api.calls import new_category, read
from tests.cast import Person
from tests.real_data.files import Cost
from workers.app import JOBS
from workers.runtime import Runtime

CHUNK = 120
"""Expenses a bulk request: several requests, and a last one that is not full."""

SINGLE_EVERY = 40
"""One in so many expenses is written by a request of its own."""


@dataclass(frozen=True)
class Loaded:
    """What the person owns now; categories by their name in the file, budgets by their currency."""

    user_id: UUID
    client: httpx.Client
    costs: Sequence[Cost]
    limits: Mapping[str, int]
    categories: Mapping[str, str]
    budgets: Mapping[str, str]

    def expenses(self, **query: Any) -> Iterator[dict[str, Any]]:
        return pages(self.client, "/v1/expenses", limit=97, **query)


def load(person: Person, settings: Settings, costs: Sequence[Cost], limits: Mapping[str, int]) -> Loaded:
    """Write everything, then have the budgets evaluated."""
    budgets = {currency: _new_budget(person.client, currency, limits[currency]) for currency in limits}
    categories = categories_by_name(person.client, costs)
    bodies = [_body(cost, categories) for cost in costs]
    singles = bodies[::SINGLE_EVERY]
    bulk = [body for index, body in enumerate(bodies) if index % SINGLE_EVERY]
    for start in range(0, len(bulk), CHUNK):
        _created(person.client.post("/v1/expenses/bulk", json={"items": bulk[start : start + CHUNK]}))
    for body in singles:
        _created(person.client.post("/v1/expenses", json=body))
    work_off(settings)
    return Loaded(person.id, person.client, costs, limits, categories, budgets)


def categories_by_name(client: httpx.Client, costs: Sequence[Cost]) -> dict[str, str]:
    """The category of each name in the file. The user's own serve, on either level and in any case."""
    owned = {item["name"].casefold(): item["id"] for item in read(client, "/v1/categories")["items"]}
    for name in dict.fromkeys(cost.category for cost in costs):
        if name.casefold() not in owned:
            owned[name.casefold()] = new_category(client, name)["id"]
    return {cost.category: owned[cost.category.casefold()] for cost in costs}


def pages(client: httpx.Client, path: str, **query: Any) -> Iterator[dict[str, Any]]:
    """All items of a list, page by page."""
    cursor: dict[str, str] = {}
    while True:
        page = read(client, path, **query, **cursor)
        yield from page["items"]
        if page["next_cursor"] is None:
            return
        cursor = {"cursor": page["next_cursor"]}


def work_off(settings: Settings) -> None:
    """Do what waits in the outbox, as a worker does."""
    runtime = Runtime(settings, JOBS)
    try:
        runtime.drain(EVALUATE_BUDGETS)
    finally:
        runtime.close()


def decimal_text(minor: int) -> str:
    sign = "-" if minor < 0 else ""
    return f"{sign}{abs(minor) // 100}.{abs(minor) % 100:02d}"


def _new_budget(client: httpx.Client, currency: str, limit: int) -> str:
    body = {"name": f"All in {currency}", "amount": decimal_text(limit), "currency": currency}
    return str(_created(client.post("/v1/budgets", json=body))["id"])


def _body(cost: Cost, categories: Mapping[str, str]) -> dict[str, Any]:
    return {
        "amount": decimal_text(cost.minor),
        "currency": cost.currency,
        "category_id": categories[cost.category],
        "spent_on": cost.day.isoformat(),
        "payee": cost.payee,
        "note": cost.note,
    }


def _created(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found
