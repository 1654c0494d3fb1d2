"""What real processes tell Prometheus, each for itself and for its children."""

import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import get_args

import httpx
import pytest

from core.commands.ports import LOOPBACK, free_port
from core.rules.notification_kinds import ChannelKind
from tests.cast import Person, register
from tests.documented_metrics import documented_labels
from tests.receiver import Receiver
from tests.servers import TestRedis
from tests.system.sockets import open_socket, receive, until_ready
from tests.system.spending import set_budget, spend
from tests.system.system import API, BEAT, BUILDER, COURIER, GATEWAY, WORKER, System
from workers.__main__ import ROLES

EXPENSES = 12


def first_of_free_ports(count: int) -> int:
    """A port on which nobody listens now, nor on those after it."""
    while True:
        first = free_port()
        with ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    stack.enter_context(socket.create_server((LOOPBACK, port)))
            except OSError:
                continue
            return first


@pytest.fixture
def ports() -> dict[str, int]:
    first = first_of_free_ports(len(ROLES))
    return {role: first + number for number, role in enumerate(ROLES)}


@pytest.fixture
def system(tmp_path: Path, sqlite_url: str, own_redis: TestRedis, ports: dict[str, int]) -> Iterator[System]:
    with System(
        tmp_path,
        database_url=sqlite_url,
        redis_url=own_redis.url(),
        private_targets="allow",
        api_processes=2,
        worker_processes=2,
        metrics_port=ports[WORKER],
    ) as system:
        yield system.start(API, GATEWAY, WORKER, BUILDER, COURIER, BEAT)


def told(port: int) -> dict[str, float]:
    """What the process at this port tells, by series; nothing while it does not answer."""
    try:
        # Each time by another connection, so that now this process of the API answers and now that one.
        text = httpx.get(f"http://{LOOPBACK}:{port}/metrics", verify=False).text
    except httpx.TransportError:
        return {}
    return {name: float(value) for name, value in re.findall(r"^(outlay_\S+) (\S+)$", text, re.MULTILINE)}


def until_told(system: System, port: int, series: str, least: float) -> float:
    system.wait_until(
        lambda: told(port).get(series, -1.0) >= least, lambda: f"{series} of {told(port)} is {least}"
    )
    return told(port)[series]


def live(system: System, person: Person, receiver: Receiver) -> None:
    """Expenses, each by its own connection; one crosses a threshold and is told of on socket and webhook."""
    answer = person.client.post("/v1/webhooks", json={"url": receiver.url, "kinds": ["budget.threshold"]})
    assert answer.status_code == 201, answer.text
    set_budget(person.client, "Everything", "100.00", currency="EUR", thresholds=[50])
    headers = {"Authorization": person.client.headers["Authorization"]}
    with open_socket(system, person) as opened:
        until_ready(opened)
        for _ in range(EXPENSES):
            with httpx.Client(base_url=system.api_url, headers=headers, verify=False, timeout=30) as client:
                spend(client, "5.00", currency="EUR")
        assert receive(opened)["kind"] == "budget.threshold"
        assert told(system.gateway_port)["outlay_gateway_connections"] == 1
    system.wait_until(lambda: len(receiver.received) == 1, "the webhook is called")


def test_each_process_tells_what_it_and_its_children_have_done(system: System, ports: dict[str, int]) -> None:
    for channel in get_args(ChannelKind):
        until_told(system, ports[COURIER], f'outlay_deliveries_dead_total{{channel="{channel}"}}', 0)
    receiver = Receiver()
    with receiver.running(), system.client() as client, register(client, "owner") as person:
        live(system, person, receiver)
    posts = 'outlay_http_request_seconds_count{method="POST",route="/v1/expenses",status="201"}'
    for _ in range(20):
        assert told(system.api_port)[posts] == EXPENSES, "whichever of the two processes answers"
    assert told(system.api_port)["outlay_group_commit_items_sum"] == EXPENSES
    assert told(system.api_port)['outlay_database_connections_max{pool="api"}'] == 16
    assert "outlay_outbox_oldest_seconds" in told(system.api_port)
    done = 'outlay_jobs_total{job_name="%s",outcome="done"}'
    until_told(system, ports[WORKER], done % "deliver_notifications", 1)
    until_told(system, ports[WORKER], 'outlay_job_rows_total{job_name="evaluate_budgets"}', EXPENSES + 1)
    worker = told(ports[WORKER])
    assert worker['outlay_job_age_seconds_count{job_name="evaluate_budgets"}'] >= 1
    assert worker['outlay_task_seconds_count{outcome="done",task="evaluate_budgets"}'] >= 1
    assert worker['outlay_database_connections_max{pool="worker"}'] == 2
    until_told(system, ports[COURIER], 'outlay_delivery_seconds_count{channel="webhook",outcome="sent"}', 1)
    until_told(system, ports[BUILDER], 'outlay_task_seconds_count{outcome="done",task="build_export"}', 1)
    until_told(system, ports[BEAT], "outlay_beat_last_tick_timestamp_seconds", 1)
    gateway = told(system.gateway_port)
    assert_labels_are_the_documented({*gateway, *worker, *told(system.api_port), *told(ports[COURIER])})
    assert gateway["outlay_notification_lag_seconds_count"] == 1
    assert gateway["outlay_gateway_redis_up"] == 1
    assert (
        gateway['outlay_gateway_notifications_sent_total{source="live"}']
        + gateway.get('outlay_gateway_notifications_sent_total{source="stored"}', 0)
        == 1
    )


def assert_labels_are_the_documented(series: set[str]) -> None:
    documented = documented_labels()
    for one in series:
        name, _, labels = one.partition("{")
        metric = name if name in documented else re.sub("_(bucket|sum|count)$", "", name)
        found = set(re.findall(r'(\w+)="', labels)) - {"le", "pid"}
        assert found == documented[metric], one


def test_a_child_that_takes_a_killed_ones_place_goes_on_with_its_figures(
    system: System, ports: dict[str, int]
) -> None:
    with system.client() as client, register(client, "owner") as person:
        spend(person.client, "5.00", currency="EUR")
    rows = 'outlay_job_rows_total{job_name="evaluate_budgets"}'
    before = until_told(system, ports[WORKER], rows, 1)
    children = Path(f"/proc/{system.pid(WORKER)}/task/{system.pid(WORKER)}/children").read_text().split()
    for child in children:
        os.kill(int(child), signal.SIGKILL)
    with system.client() as client, register(client, "another") as person:
        spend(person.client, "5.00", currency="EUR")
    assert until_told(system, ports[WORKER], rows, before + 1) == before + 1
    # A tick may be at work just now; what a killed child had in use would stay for ever.
    in_use = 'outlay_database_connections_in_use{pool="worker"}'
    system.wait_until(lambda: told(ports[WORKER]).get(in_use) == 0, "no connection is in use")
