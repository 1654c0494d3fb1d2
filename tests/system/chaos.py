"""Who writes during the chaos, and a model, apart from the product's code, of what must be true after it."""

import random
import threading
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import httpx

from tests.cast import Person, http_client
from tests.system.spending import set_budget, spend_surely
from tests.system.system import PATIENCE_S

THRESHOLDS = [5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 120, 150]

AlertKey = tuple[UUID, date, int]
"""Budget, first day of the period, threshold."""


@dataclass(frozen=True)
class Expense:
    payee: str
    cents: int
    category_id: str
    spent_on: date

    def body(self) -> dict[str, Any]:
        sign, cents = "-" if self.cents < 0 else "", abs(self.cents)
        return {
            "payee": self.payee,
            "amount": f"{sign}{cents // 100}.{cents % 100:02d}",
            "currency": "EUR",
            "category_id": self.category_id,
            "spent_on": self.spent_on.isoformat(),
        }


@dataclass(frozen=True)
class Budget:
    id: UUID
    limit_cents: int
    category_id: str | None
    is_daily: bool

    def period_start(self, day: date) -> date:
        return day if self.is_daily else day.replace(day=1)

    def crossed(self, expenses: list[Expense], started_on: date) -> set[AlertKey]:
        """The thresholds that this spending has reached, in the periods since the budget was set."""
        spent: Counter[date] = Counter()
        for expense in expenses:
            if self.category_id in (None, expense.category_id):
                spent[self.period_start(expense.spent_on)] += expense.cents
        return {
            (self.id, start, threshold)
            for start, cents in spent.items()
            for threshold in THRESHOLDS
            if start >= self.period_start(started_on) and cents > 0
            if cents * 100 >= threshold * self.limit_cents
        }


@dataclass
class Spender:
    """A person with budgets and a plan of what to buy; `has_refunds` makes the alerts go and come back."""

    person: Person
    has_refunds: bool
    today: date
    budgets: list[Budget] = field(default_factory=list)
    plan: list[Expense] = field(default_factory=list)
    acknowledged: list[Expense] = field(default_factory=list)

    def prepare(self, *, expenses: int, seed: int) -> None:
        """Set the budgets, and plan expenses that cross about all of their thresholds."""
        categories = [item["id"] for item in self.person.client.get("/v1/categories").json()["items"]][:3]
        total = 100 * expenses * (1 if self.has_refunds else 5)
        self._set_budget(total * 80 // 100, None, "monthly")
        self._set_budget(total * 30 // 100, categories[0], "monthly")
        self._set_budget(total * 60 // 100, None, "daily")
        rng = random.Random(seed)
        first = self.today.replace(day=1)
        days = [first + timedelta(days=n) for n in range((self.today - first).days + 1)]
        lowest = -900 if self.has_refunds else 100
        for number in range(expenses):
            day = self.today if rng.random() < 0.7 else rng.choice(days)
            payee = f"{self.person.username} {number}"
            self.plan.append(Expense(payee, rng.randint(lowest, 900), rng.choice(categories), day))

    def crossed(self) -> set[AlertKey]:
        """The alerts that must be open after everything that was acknowledged."""
        return {key for budget in self.budgets for key in budget.crossed(self.acknowledged, self.today)}

    def _set_budget(self, cents: int, category_id: str | None, kind: str) -> None:
        answer = set_budget(
            self.person.client,
            f"{kind} {category_id}",
            f"{cents // 100}.{cents % 100:02d}",
            currency="EUR",
            period={"kind": kind},
            category_ids=[] if category_id is None else [category_id],
            thresholds=THRESHOLDS,
        )
        self.budgets.append(Budget(UUID(answer["id"]), cents, category_id, kind == "daily"))


class Writers:
    """Threads that write all plans: slowly and only as far as they are let while the chaos lasts."""

    def __init__(self, spenders: list[Spender], *, threads: int, per_second: int) -> None:
        self._pause_s = threads / per_second
        self._work = [(spender, expense) for spender in spenders for expense in spender.plan]
        random.Random(0).shuffle(self._work)
        self._next = 0
        self._allowed = 0
        self._changed = threading.Condition()
        self._is_calm = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]
        self.total = len(self._work)
        self.acknowledged = 0
        self.repeated = 0
        self.errors: list[BaseException] = []

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def allow(self, count: int) -> None:
        """Let them write so many more."""
        with self._changed:
            self._allowed += count
            self._changed.notify_all()

    def finish(self) -> None:
        """Let them write the rest without a pause, and wait for them."""
        self._is_calm.set()
        self.allow(self.total)
        for thread in self._threads:
            thread.join(2 * PATIENCE_S)
        assert not any(thread.is_alive() for thread in self._threads), "a write hangs"
        assert not self.errors, self.errors[0]

    def _run(self) -> None:
        with ExitStack() as stack:
            clients: dict[UUID, httpx.Client] = {}
            try:
                while (work := self._take()) is not None:
                    spender, expense = work
                    if spender.person.id not in clients:
                        clients[spender.person.id] = stack.enter_context(_client_of(spender.person))
                    tries = spend_surely(clients[spender.person.id], expense.body())
                    self._note(spender, expense, tries)
                    self._is_calm.wait(self._pause_s)
            except BaseException as error:  # noqa: BLE001 - the test raises it
                self.errors.append(error)

    def _take(self) -> tuple[Spender, Expense] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._next < self._allowed)
            if self._next == self.total or self.errors:
                return None
            self._next += 1
            return self._work[self._next - 1]

    def _note(self, spender: Spender, expense: Expense, tries: int) -> None:
        with self._changed:
            spender.acknowledged.append(expense)
            self.acknowledged += 1
            self.repeated += tries > 1


def _client_of(person: Person) -> httpx.Client:
    """The person's client for another thread; it gives up on an answer in time to ask again."""
    client = http_client(str(person.client.base_url), Authorization=person.client.headers["Authorization"])
    client.timeout = httpx.Timeout(PATIENCE_S / 4)
    return client
