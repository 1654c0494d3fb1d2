"""While PostgreSQL is away clients are told to try again; when it is back all works, without a restart."""

import time
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from tests.cast import Person, register
from tests.migrating import migrate
from tests.servers import TestPostgres
from tests.system.sockets import Listener, open_socket, receive, until_ready
from tests.system.spending import set_budget, spend, spend_surely
from tests.system.system import API, BEAT, GATEWAY, WORKER, System

PROMPT_S = 8.0
"""A connection attempt may take five seconds until it counts as failed; a hang takes for ever."""

CALLS = [
    ("GET", "/v1/me", None),
    ("GET", "/v1/expenses", None),
    ("GET", "/v1/budgets", None),
    ("POST", "/v1/expenses", {"amount": "1.00", "currency": "EUR"}),
    ("POST", "/v1/expenses/bulk", {"items": [{"amount": "1.00", "currency": "EUR"}]}),
    ("POST", "/v1/categories", {"name": "Boats"}),
    ("POST", "/v1/auth/login", {"login": "owner", "password": "correct horse battery"}),
]


@pytest.fixture
def own_postgres(monkeypatch: pytest.MonkeyPatch) -> Iterator[TestPostgres]:
    """A server to stop and start again, whatever server the other tests share."""
    monkeypatch.delenv("OUTLAY_TEST_DATABASE_URL", raising=False)
    # Durable: without synchronous commits a killed server forgets the last moments before.
    with TestPostgres(is_durable=True) as server:
        server.create_database("outlay")
        migrate(server.url("outlay"))
        yield server


@pytest.fixture
def own_database_url(own_postgres: TestPostgres) -> str:
    return own_postgres.url("outlay")


@pytest.fixture
def owner(system: System) -> Iterator[Person]:
    system.start()
    with system.client() as client, register(client, "owner") as person:
        set_budget(person.client, "Everything", "100.00", currency="EUR", thresholds=list(range(1, 20)))
        yield person


def assert_told_to_try_again(answer: httpx.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.json()["status"] == 503


def all_run(system: System) -> bool:
    return all(system.is_running(name) for name in (API, GATEWAY, WORKER, BEAT))


def test_clients_are_told_to_try_again_and_all_works_at_once_when_the_database_is_back(
    system: System, owner: Person, own_postgres: TestPostgres
) -> None:
    with Listener(system, owner) as listener:
        spend(owner.client, "1.00", currency="EUR")
        system.wait_until(lambda: listener.seqs == [1], "the first alert arrives")
        own_postgres.kill()
        # Twice: first with connections that have just been lost, then without any.
        for method, path, body in CALLS * 2:
            began = time.monotonic()
            answer = owner.client.request(method, path, json=body)
            assert_told_to_try_again(answer)
            assert time.monotonic() - began < PROMPT_S, f"{method} {path}"
        ready = owner.client.get("/readyz")
        assert (ready.status_code, ready.json()["database"], ready.json()["status"]) == (503, "down", "down")
        assert owner.client.get("/healthz").status_code == 200
        metrics = owner.client.get("/metrics").text
        assert "\noutlay_database_up 0.0\n" in metrics
        assert 'route="/v1/budgets",status="503"' in metrics, "what it has counted is told all the same"
        assert listener.connections == 1, "the gateway keeps its sockets"
        own_postgres.restart()

        assert owner.client.get("/readyz").status_code == 200
        assert "\noutlay_database_up 1.0\n" in owner.client.get("/metrics").text
        for method, path, body in CALLS:
            assert owner.client.request(method, path, json=body).status_code in (200, 201), path
        system.wait_until(lambda: listener.seqs == [1, 2, 3], lambda: f"{listener.seqs} is [1, 2, 3]")
        assert listener.connections == 1
    assert all_run(system), system.logs()


def test_a_restart_of_the_database_costs_a_good_client_only_a_moment(
    system: System, owner: Person, own_postgres: TestPostgres
) -> None:
    spend(owner.client, "1.00", currency="EUR")
    for number in range(3):
        own_postgres.restart()
        spend_surely(owner.client, {"amount": "1.00", "currency": "EUR", "payee": f"after {number}"})
    payees = [item["payee"] for item in owner.client.get("/v1/expenses").json()["items"]]
    assert Counter(payees) == Counter([None, "after 0", "after 1", "after 2"])
    with open_socket(system, owner, since=0) as socket:
        replayed, _ = until_ready(socket)
        while len(replayed) < 4:
            replayed.append(receive(socket))
    assert [message["data"]["threshold"] for message in replayed] == [1, 2, 3, 4]
    assert all_run(system), system.logs()
