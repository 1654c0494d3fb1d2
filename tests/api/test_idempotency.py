"""`Idempotency-Key`: one effect and one answer, whatever is repeated when."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, TypeVar

import httpx
import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from api.answers import Answer
from api.expense_writer import ExpenseToWrite, new_expense_writer
from api.transactions import Transaction, Transactions
from core import clock
from core.config import Settings
from core.database import Database
from core.errors import Conflict, InvalidInput
from core.models import IdempotencyKey
from core.services.expense_drafts import ExpenseInput
from core.services.idempotency import KEY_LIFETIME, KeyedRequest
from core.wakeups import WakeUps
from tests.api.calls import amounts, another, assert_totals_are_right, problem, wrong_fields
from tests.cast import Cast

KEY = {"Idempotency-Key": "018f-once"}
COFFEE = {"amount": "2.50", "currency": "EUR", "spent_on": "2026-05-04"}

THREADS = 16

T = TypeVar("T")


@pytest.fixture
def me(cast: Cast) -> httpx.Client:
    return cast.owner.client


def test_a_repetition_gets_the_first_answer_again(me: httpx.Client) -> None:
    first, second = (me.post("/v1/expenses", json=COFFEE, headers=KEY) for _ in range(2))
    assert first.status_code == second.status_code == 201
    assert first.content == second.content
    for name in ("Location", "ETag", "Content-Type"):
        assert first.headers[name] == second.headers[name]
    assert amounts(me) == ["2.50"]


def test_a_repetition_is_answered_even_when_the_expense_has_changed_since(me: httpx.Client) -> None:
    first = me.post("/v1/expenses", json=COFFEE, headers=KEY)
    me.patch(first.headers["Location"], json={"amount": "3.00"})
    assert me.post("/v1/expenses", json=COFFEE, headers=KEY).json()["amount"] == "2.50"
    assert amounts(me) == ["3.00"]


def test_a_key_with_another_body_or_path_is_a_conflict(me: httpx.Client) -> None:
    assert me.post("/v1/expenses", json=COFFEE, headers=KEY).status_code == 201
    assert problem(me.post("/v1/expenses", json={**COFFEE, "amount": "3"}, headers=KEY), 409)
    assert problem(me.post("/v1/expenses/bulk", json={"items": [COFFEE]}, headers=KEY), 409)
    assert amounts(me) == ["2.50"]


def test_a_key_belongs_to_one_user(me: httpx.Client, cast: Cast) -> None:
    for client in (me, cast.member.client):
        assert client.post("/v1/expenses", json=COFFEE, headers=KEY).status_code == 201
        assert amounts(client) == ["2.50"]


def test_a_failed_request_does_not_spend_its_key(me: httpx.Client) -> None:
    wrong = {**COFFEE, "amount": "2.555"}
    assert wrong_fields(me.post("/v1/expenses", json=wrong, headers=KEY)) == ["/amount"]
    bulk = me.post("/v1/expenses/bulk", json={"items": [wrong]}, headers=KEY)
    assert wrong_fields(bulk) == ["/items/0/amount"]
    assert me.post("/v1/expenses", json=COFFEE, headers=KEY).status_code == 201
    assert amounts(me) == ["2.50"]


def test_bulk_and_restore_are_repeatable_too(me: httpx.Client) -> None:
    bulk = [me.post("/v1/expenses/bulk", json={"items": [COFFEE] * 3}, headers=KEY) for _ in range(2)]
    assert bulk[0].content == bulk[1].content
    path = f"/v1/expenses/{bulk[0].json()['items'][0]['id']}"
    me.delete(path)
    restored = [me.post(f"{path}/restore", headers={"Idempotency-Key": "again"}) for _ in range(2)]
    assert [answer.status_code for answer in restored] == [200, 200]
    assert restored[0].content == restored[1].content
    assert problem(me.post(f"{path}/restore"), 404)
    assert amounts(me) == ["2.50"] * 3


@pytest.mark.parametrize("key", ["", "x" * 256, "two words", "caf\u00e9"])
def test_a_key_of_another_form_is_refused_by_name(me: httpx.Client, key: str) -> None:
    headers = {"Idempotency-Key": key.encode("latin-1")}
    assert wrong_fields(me.post("/v1/expenses", json=COFFEE, headers=headers)) == ["Idempotency-Key"]
    assert amounts(me) == []


def test_a_key_of_yesterday_is_a_new_request_even_before_it_is_purged(
    me: httpx.Client, database: Database
) -> None:
    assert me.post("/v1/expenses", json=COFFEE, headers=KEY).status_code == 201
    with database.transaction() as session:
        long_ago = clock.now() - KEY_LIFETIME - timedelta(seconds=1)
        session.execute(update(IdempotencyKey).values(created_at=long_ago))
    tea = {**COFFEE, "amount": "3.00"}
    first, again = (me.post("/v1/expenses", json=tea, headers=KEY) for _ in range(2))
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert sorted(amounts(me)) == ["2.50", "3.00"]


@pytest.mark.parametrize("path", ["/v1/expenses", "/v1/expenses/bulk", "/v1/categories"])
def test_the_same_key_from_many_at_once_has_one_effect(me: httpx.Client, path: str) -> None:
    bodies: dict[str, Any] = {
        "/v1/expenses": COFFEE,
        "/v1/expenses/bulk": {"items": [COFFEE]},
        "/v1/categories": {"name": "Once"},
    }
    start = threading.Barrier(THREADS)

    def post(_n: int) -> httpx.Response:
        with another(me) as own:
            start.wait()
            return own.post(path, json=bodies[path], headers=KEY)

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(post, range(THREADS)))
    assert {answer.status_code for answer in answers} == {201}, [answer.text for answer in answers]
    assert len({answer.content for answer in answers}) == 1
    assert len(amounts(me)) == (0 if path == "/v1/categories" else 1)


def test_the_same_key_from_many_with_different_bodies_has_one_winner(me: httpx.Client) -> None:
    start = threading.Barrier(THREADS)

    def post(n: int) -> int:
        with another(me) as own:
            start.wait()
            return own.post("/v1/expenses", json={**COFFEE, "amount": f"{n}.00"}, headers=KEY).status_code

    with ThreadPoolExecutor(THREADS) as pool:
        statuses = list(pool.map(post, range(THREADS)))
    assert sorted(statuses) == [201] + [409] * (THREADS - 1)
    assert len(amounts(me)) == 1


class Gate(Transactions):
    """Transactions that wait for `opened`; meanwhile items queue up for one batch."""

    def __init__(self, database: Database, wake_ups: WakeUps) -> None:
        super().__init__(database, wake_ups, threads=1, fingerprint_key=b"key")
        self.reached, self.opened = threading.Event(), threading.Event()
        self.batches = 0

    def write_now(self, service: Callable[[Session], T], transaction: Transaction) -> T:
        self.reached.set()
        self.opened.wait()
        self.batches += 1
        return super().write_now(service, transaction)


def test_a_key_twice_in_one_batch_has_one_effect(
    me: httpx.Client, cast: Cast, database: Database, settings: Settings
) -> None:
    expense = ExpenseInput(user_id=cast.owner.id, amount="2.50")
    request = KeyedRequest(cast.owner.id, "twice", b"same")
    items = [
        ExpenseToWrite(expense, request),
        ExpenseToWrite(expense, request),
        ExpenseToWrite(expense, KeyedRequest(cast.owner.id, "twice", b"other")),
        ExpenseToWrite(expense, None),
        ExpenseToWrite(ExpenseInput(user_id=cast.owner.id, amount="x"), None),
    ]
    first, second, conflict, plain, wrong = asyncio.run(written_together(items, database, settings))
    assert isinstance(first, Answer)
    assert first == second
    assert isinstance(conflict, Conflict)
    assert isinstance(plain, Answer)
    assert isinstance(wrong, InvalidInput)
    assert amounts(me, sort="amount") == ["1.00", "2.50", "2.50"]
    assert_totals_are_right(database)


def test_a_batch_of_different_keys_is_one_transaction(
    me: httpx.Client, cast: Cast, database: Database, settings: Settings
) -> None:
    inputs = [ExpenseInput(user_id=cast.owner.id, amount=amount) for amount in ("2", "x", "3")]
    items = [
        ExpenseToWrite(expense, KeyedRequest(cast.owner.id, str(n), b"")) for n, expense in enumerate(inputs)
    ]
    outcomes = asyncio.run(written_together(items, database, settings, batches=2))
    assert [type(outcome) for outcome in outcomes] == [Answer, InvalidInput, Answer]
    again = asyncio.run(written_together(items, database, settings, batches=2))
    assert again[0] == outcomes[0]
    assert isinstance(again[1], InvalidInput)
    assert amounts(me, sort="amount") == ["1.00", "1.00", "2.00", "3.00"]


async def written_together(
    items: list[ExpenseToWrite], database: Database, settings: Settings, batches: int | None = None
) -> list[Any]:
    """What comes of the items when one batch holds them all; an expense of 1.00 opens the gate for them."""
    wake_ups = WakeUps(settings)
    gate = Gate(database, wake_ups)
    writer = new_expense_writer(gate, database)
    writer.start()
    user_id = items[0].expense.user_id
    first = ExpenseToWrite(ExpenseInput(user_id=user_id, amount="1"), None)
    opener = asyncio.ensure_future(writer.submit(first))
    await asyncio.to_thread(gate.reached.wait)
    waiting = [asyncio.ensure_future(writer.submit(item)) for item in items]
    await asyncio.sleep(0)  # each now runs until it waits for its answer
    gate.opened.set()
    await opener
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    await writer.close()
    gate.close()
    wake_ups.close()
    assert batches in (None, gate.batches)
    return outcomes
