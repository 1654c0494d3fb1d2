"""Processes that are asked to end finish what they have in hand, and end well and soon."""

import signal
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from tests.cast import Person, http_client, register
from tests.system.sockets import Listener, open_socket, until_ready
from tests.system.spending import set_budget, spend
from tests.system.stored import Stored
from tests.system.system import API, BEAT, GATEWAY, WORKER, System

THREADS = 8
BEFORE_THE_SIGNAL = 100

END_S = 25.0
"""The launcher's patience for all processes together."""

RESTART = 1012


@pytest.fixture
def own_database_url(request: pytest.FixtureRequest) -> str:
    """SQLite, except for what a test asks for."""
    kind = getattr(request, "param", "sqlite_url")
    url: str = request.getfixturevalue(kind)
    return url


on_both = pytest.mark.parametrize("own_database_url", ["postgres_url", "sqlite_url"], indirect=True)


@pytest.fixture
def owner(system: System) -> Iterator[Person]:
    system.start()
    with system.client() as client, register(client, "owner") as person:
        yield person


@dataclass
class Clients:
    """Threads that write until the API answers no more; a request that was sent must get its answer."""

    person: Person
    acknowledged: list[str] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        self._threads = [
            threading.Thread(target=self._write, args=(number,), daemon=True) for number in range(THREADS)
        ]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(END_S)
        assert not any(thread.is_alive() for thread in self._threads), "a request hangs"

    def _write(self, thread: int) -> None:
        headers = {"Authorization": self.person.client.headers["Authorization"]}
        with http_client(str(self.person.client.base_url), **headers) as client:
            for number in range(10_000):
                payee = f"{thread}-{number}"
                body: dict[str, Any] = {"amount": "1.00", "currency": "EUR", "payee": payee}
                try:
                    answer = client.post("/v1/expenses", json=body)
                except (httpx.ConnectError, httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                    # Not taken in, or cut off: the client would ask again with the same key.
                    self.unanswered.append(payee)
                    return
                if answer.status_code == 201:
                    self.acknowledged.append(payee)
                else:
                    self.refused.append(answer.status_code)


@on_both
def test_an_api_that_is_told_to_end_keeps_what_it_acknowledged(
    system: System, owner: Person, stored: Stored
) -> None:
    clients = Clients(owner)
    clients.start()
    system.wait_until(lambda: len(clients.acknowledged) >= BEFORE_THE_SIGNAL, "writing is under way")
    system.terminate(API)
    clients.join()
    assert system.exit_code(API, within_s=END_S) == 0
    assert set(clients.refused) <= {503}
    kept = stored.expenses_by_payee()
    assert max(kept.values()) == 1
    assert set(clients.acknowledged) <= set(kept)
    # What was taken in got its answer before the process ended; only connections that it had closed
    # already were refused, and what came over them was not written.
    assert Counter(kept) == Counter(clients.acknowledged)
    assert stored.spending_differences() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_all_processes_end_well_and_soon(system: System, owner: Person, number: signal.Signals) -> None:
    set_budget(owner.client, "Everything", "100.00", currency="EUR", thresholds=[1])
    with Listener(system, owner) as listener:
        spend(owner.client, "1.00", currency="EUR")
        system.wait_until(lambda: listener.seqs == [1], "those that an alert goes through are at work")
    system.wait_until(lambda: "beat.started" in system.log(BEAT), "so is beat")
    for name in (API, BEAT, WORKER, GATEWAY):
        system.terminate(name, number)
    codes = {name: system.exit_code(name, within_s=END_S) for name in (API, BEAT, WORKER, GATEWAY)}
    assert set(codes.values()) == {0}, f"{codes}\n{system.logs()}"
    assert "Traceback" not in system.logs()


def test_clients_are_told_to_come_back_when_the_gateway_ends(system: System, owner: Person) -> None:
    with open_socket(system, owner) as socket:
        until_ready(socket)
        system.terminate(GATEWAY)
        with pytest.raises(ConnectionClosed):
            socket.recv(END_S)
        assert socket.close_code == RESTART
    assert system.exit_code(GATEWAY) == 0


@on_both
def test_a_worker_that_is_told_to_end_finishes_its_task_or_leaves_it_whole(
    system: System, owner: Person, stored: Stored
) -> None:
    """Whatever the signal meets: each alert is there once, and the next worker does the rest."""
    thresholds = list(range(1, 10))
    set_budget(owner.client, "Everything", "100.00", currency="EUR", thresholds=thresholds)
    with Listener(system, owner) as listener:
        for turn in range(1, 4):
            system.wait_until(
                lambda turn=turn: system.log(WORKER).count(" ready.") == turn,  # type: ignore[misc]
                "the worker takes orders",
            )
            for _ in range(3):
                spend(owner.client, "1.00", currency="EUR")
            system.terminate(WORKER)
            assert system.exit_code(WORKER, within_s=END_S) == 0
            system.start(WORKER)
        system.wait_until(lambda: listener.seqs == thresholds, lambda: f"{listener.seqs} is {thresholds}")
    system.wait_until(lambda: stored.outbox_depth() == 0, "nothing is left in the outbox")
    assert set(stored.open_alerts().values()) == {1}
