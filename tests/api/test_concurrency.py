"""Many clients write at once for one user: nothing is lost or counted twice, nobody waits in a circle."""

import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from core.database import Database
from core.models import DailySpending, Expense
from tests.api.calls import another, assert_totals_are_right, new_category, new_expense, read
from tests.cast import Cast

THREADS = 32
CALLS = 12
DAYS = [f"2026-05-{day:02}" for day in range(1, 6)]

EXPECTED = {
    "single": {201},
    "bulk": {201},
    "lines": {201},
    "patch": {200, 404},
    "delete": {204, 404},
    "restore": {200, 404},
}
"""404 for what somebody else has just put into the trash or taken out of it."""


class Writer:
    """One client among many; what it does is random, but the same in every run."""

    def __init__(self, client: httpx.Client, number: int, categories: list[str], shared: list[str]) -> None:
        self._client = client
        self._random = random.Random(number)
        self._categories = categories
        self._shared = shared
        self.statuses: Counter[tuple[str, int]] = Counter()

    def run(self, start: threading.Barrier) -> None:
        start.wait()
        calls: list[Callable[[], tuple[str, httpx.Response]]] = [
            self._single, self._bulk, self._lines, self._patch, self._patch, self._delete, self._restore,
        ]  # fmt: skip
        for _ in range(CALLS):
            kind, answer = self._random.choice(calls)()
            assert answer.status_code in EXPECTED[kind], f"{kind}: {answer.status_code} {answer.text}"
            self.statuses[kind, answer.status_code] += 1

    def _expense(self) -> dict[str, Any]:
        return {
            "amount": f"{self._random.randint(-500, 5_000) / 100:.2f}",
            "currency": "EUR",
            "spent_on": self._random.choice(DAYS),
            "category_id": self._random.choice([*self._categories, None]),
        }

    def _with_lines(self) -> dict[str, Any]:
        first, second = self._random.sample(self._categories, 2)
        lines = [{"amount": "1.25", "category_id": first}, {"amount": "2.50", "category_id": second}]
        return {**self._expense(), "amount": "3.75", "category_id": None, "lines": lines}

    def _path(self) -> str:
        return f"/v1/expenses/{self._random.choice(self._shared)}"

    def _single(self) -> tuple[str, httpx.Response]:
        return "single", self._client.post("/v1/expenses", json=self._expense())

    def _lines(self) -> tuple[str, httpx.Response]:
        return "lines", self._client.post("/v1/expenses", json=self._with_lines())

    def _bulk(self) -> tuple[str, httpx.Response]:
        items = [self._expense() for _ in range(10)] + [self._with_lines()]
        return "bulk", self._client.post("/v1/expenses/bulk", json={"items": items})

    def _patch(self) -> tuple[str, httpx.Response]:
        changes = self._with_lines() if self._random.random() < 0.3 else {**self._expense(), "lines": []}
        return "patch", self._client.patch(self._path(), json=changes)

    def _delete(self) -> tuple[str, httpx.Response]:
        return "delete", self._client.delete(self._path())

    def _restore(self) -> tuple[str, httpx.Response]:
        return "restore", self._client.post(f"{self._path()}/restore")


@pytest.fixture
def me(cast: Cast) -> httpx.Client:
    return cast.owner.client


def test_thirty_two_clients_at_once_leave_exact_sums(
    me: httpx.Client, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    categories = [new_category(me, f"Category {n}")["id"] for n in range(4)]
    shared = [new_expense(me, category_id=categories[n % 4])["id"] for n in range(8)]
    clients = [another(me) for _ in range(THREADS)]
    writers = [Writer(client, n, categories, shared) for n, client in enumerate(clients)]
    start = threading.Barrier(THREADS)
    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(writer.run, start) for writer in writers]:
            done.result()
    for client in clients:
        client.close()

    done = sum((writer.statuses for writer in writers), Counter())
    assert {kind for kind, status in done if status < 300} == EXPECTED.keys()
    written = done["single", 201] + done["lines", 201] + 11 * done["bulk", 201] + len(shared)
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Expense)) == written
    assert "retried" not in caplog.text, "a deadlock, which trying again has hidden"
    assert_totals_are_right(database)
    assert listed_total(me) == kept_total(database)


def test_a_version_is_given_out_once_however_many_want_it(me: httpx.Client, database: Database) -> None:
    path = f"/v1/expenses/{new_expense(me)['id']}"
    start = threading.Barrier(THREADS)

    def patch(n: int) -> int:
        with another(me) as own:
            start.wait()
            return own.patch(path, json={"amount": f"{n}.00"}, headers={"If-Match": '"1"'}).status_code

    with ThreadPoolExecutor(THREADS) as pool:
        statuses = Counter(pool.map(patch, range(THREADS)))
    assert statuses == {200: 1, 412: THREADS - 1}
    assert_totals_are_right(database)


def test_every_change_to_one_expense_counts_its_version(me: httpx.Client, database: Database) -> None:
    path = f"/v1/expenses/{new_expense(me)['id']}"
    start = threading.Barrier(THREADS)

    def patch(n: int) -> str:
        with another(me) as own:
            start.wait()
            return own.patch(path, json={"amount": f"{n}.00"}).headers["ETag"]

    with ThreadPoolExecutor(THREADS) as pool:
        versions = set(pool.map(patch, range(THREADS)))
    assert versions == {f'"{n}"' for n in range(2, THREADS + 2)}
    assert_totals_are_right(database)


def test_a_category_moves_whole_while_others_write_into_it(me: httpx.Client, database: Database) -> None:
    target = new_category(me, "Target")["id"]
    doomed = [new_category(me, f"Doomed {n}")["id"] for n in range(4)]
    shared = [new_expense(me, category_id=category_id)["id"] for category_id in doomed * 2]
    start = threading.Barrier(8)

    def write(number: int) -> None:
        chance = random.Random(number)
        with another(me) as own:
            start.wait()
            for _ in range(12):
                fields = {"category_id": chance.choice(doomed)}
                if chance.random() < 0.5:
                    fields = {"lines": [{"amount": "10.00", **fields}]}
                path = f"/v1/expenses/{chance.choice(shared)}"
                note = own.patch(path, json={"note": f"{number}"})
                moved = own.patch(path, json={"amount": "10.00", **fields})
                added = own.post("/v1/expenses", json={"amount": "10.00", **fields})
                assert note.status_code == 200, note.text
                assert moved.status_code in (200, 409, 422), moved.text
                # New expenses do not wait for a long move: they are put off.
                assert added.status_code in (201, 409, 422, 503), added.text

    def move(category_id: str) -> None:
        with another(me) as own:
            start.wait()
            answer = own.delete(f"/v1/categories/{category_id}", params={"move_to": target})
            assert answer.status_code == 204, answer.text

    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(write, n) for n in range(4)] + [pool.submit(move, one) for one in doomed]
        for job in jobs:
            job.result()
    assert_totals_are_right(database)
    with database.reading() as session:
        left = session.scalars(select(Expense.category_id).distinct()).all()
        totals = session.scalars(select(DailySpending.category_id).distinct()).all()
    assert {str(one) for one in left if one} <= {target}
    assert not {str(one) for one in totals} & set(doomed)


def test_a_reader_never_sees_half_a_change(me: httpx.Client) -> None:
    """Lines and tags are rows of their own, so they could be of another version than the expense."""
    path = f"/v1/expenses/{new_expense(me, '1.00', lines=[{'amount': '1.00'}], tags=['1'])['id']}"
    is_done = threading.Event()

    def change() -> None:
        with another(me) as own:
            for n in range(2, 150):
                fields = {"amount": f"{n}.00", "lines": [{"amount": f"{n}.00"}], "tags": [f"{n}"]}
                assert own.patch(path, json=fields).status_code == 200
        is_done.set()

    def look() -> None:
        with another(me) as own:
            while not is_done.is_set():
                one = own.get(path)
                for item in (one.json(), *read(own, "/v1/expenses")["items"]):
                    amount = item["amount"]
                    assert [line["amount"] for line in item["lines"]] == [amount]
                    assert item["tags"] == [amount.partition(".")[0]]
                assert one.headers["ETag"] == f'"{one.json()["tags"][0]}"'

    with ThreadPoolExecutor(4) as pool:
        for job in [pool.submit(change), *(pool.submit(look) for _ in range(3))]:
            job.result()


def listed_total(me: httpx.Client) -> int:
    """What the list says was spent, in cents."""
    cents, query = 0, {"limit": "200"}
    while True:
        page = read(me, "/v1/expenses", **query)
        cents += sum(round(float(item["amount"]) * 100) for item in page["items"])
        if page["next_cursor"] is None:
            return cents
        query["cursor"] = page["next_cursor"]


def kept_total(database: Database) -> int:
    with database.reading() as session:
        return int(session.scalar(select(func.sum(DailySpending.amount_minor))) or 0)
