"""The logs of a whole run: ids that lead from the request to the socket, and no secret of anybody.

Real processes, as talkative as they can be told to be; everything that they have written is read.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from core.tracing import span_id_of, trace_id_of
from tests.cast import Person
from tests.receiver import Receiver
from tests.servers import TestRedis
from tests.system.sockets import open_socket, receive, until_ready
from tests.system.spending import set_budget
from tests.system.stored import Stored
from tests.system.system import API, BEAT, COURIER, GATEWAY, WORKER, System

REQUEST_ID = "the-expense.of_7"

SECRETS = {
    "password": "pw-correct-horse-4711",
    "wrong password": "pw-wrong-horse-4712",
    "address of mail": "marker.mail@example.org",
    "amount": "7391.37",
    "limit": "8123.59",
    "note": "note-of-a-marker",
    "payee": "payee-of-a-marker",
    "hook": "hook-token-of-a-marker",
    "invitation": "invitation-of-a-marker-0123456789abcdef",
    "unsubscribing": "unsubscribe-of-a-marker-0123456789abcdef",
    "bad token": "bearer-of-a-marker",
}
HIDDEN_TOO = ["739137", "812359", "marker.mail"]
"""Amounts in minor units; half an address."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A collector of traces and the other end of a webhook in one."""
    receiver = Receiver()
    with receiver.running():
        yield receiver


@pytest.fixture
def system(
    tmp_path: Path, own_database_url: str, own_redis: TestRedis, receiver: Receiver
) -> Iterator[System]:
    with System(
        tmp_path,
        database_url=own_database_url,
        redis_url=own_redis.url(),
        private_targets="allow",
        log_level="DEBUG",
        log_format="json",
        log_dir=tmp_path / "logs",
        otel_url=f"http://127.0.0.1:{receiver.port}",
    ) as system:
        yield system


def someone(client: httpx.Client, secrets: dict[str, str]) -> Person:
    """Somebody with an account, whose tokens are added to the secrets."""
    account = {"username": "marker", "email": SECRETS["address of mail"], "password": SECRETS["password"]}
    registered = client.post("/v1/auth/register", json=account)
    assert registered.status_code == 201, registered.text
    wrong = client.post("/v1/auth/login", json={"login": "marker", "password": SECRETS["wrong password"]})
    assert wrong.status_code == 401
    tokens = client.post("/v1/auth/login", json={"login": "marker", "password": SECRETS["password"]}).json()
    refreshed = client.post("/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]}).json()
    client.headers["Authorization"] = f"Bearer {refreshed['access_token']}"
    ticket = client.post("/v1/auth/ticket").json()["ticket"]
    for number, given in enumerate((tokens, refreshed)):
        secrets |= {f"{name} {number}": given[name] for name in ("access_token", "refresh_token")}
    secrets["ticket"] = ticket
    key = client.post("/v1/me/api-keys", json={"name": "mine", "scopes": ["expenses:read"]})
    assert key.status_code == 201, key.text
    secrets["API key"] = key.json()["key"]
    reset = client.post("/v1/auth/password-reset", json={"email": account["email"]})
    assert reset.status_code == 202, reset.text
    return Person(registered.json()["id"], "marker", client, {"access_token": ticket})


def mishaps(client: httpx.Client) -> None:
    """Requests that are refused, with secrets where they might be quoted."""
    note, amount = SECRETS["note"], SECRETS["amount"]
    refused = [
        client.post("/v1/expenses", json={"amount": amount + "1", "note": note}),
        client.post("/v1/expenses", json={"amount": amount, "nonsense": note}),
        client.post("/v1/expenses", content=f'{{"amount": {amount}, "note": "{note}'.encode()),
        client.get("/v1/expenses", params={"payee": SECRETS["payee"], "nonsense": note}),
        client.post(f"/v1/invitations/{SECRETS['invitation']}/accept"),
        client.post(f"/v1/unsubscribe/{SECRETS['unsubscribing']}"),
        client.get(f"/v1/nowhere/{note}"),
        client.get("/v1/expenses", headers={"Authorization": f"Bearer {SECRETS['bad token']}"}),
    ]
    assert {answer.status_code for answer in refused} <= {400, 401, 404, 405, 422}
    for answer in refused:
        assert answer.headers["X-Request-ID"]


def live(system: System, receiver: Receiver, stored: Stored, secrets: dict[str, str]) -> tuple[str, int]:
    """An expense with all that belongs to it, from the request to the socket and the webhook.

    Answers the user's id and the number of the alert.
    """
    with system.client() as client:
        person = someone(client, secrets)
        mishaps(client)
        url = f"{receiver.url}?token={SECRETS['hook']}"
        channel = client.post(
            "/v1/webhooks", json={"name": "mine", "url": url, "kinds": ["budget.threshold"]}
        )
        assert channel.status_code == 201, channel.text
        secrets["secret of the webhook"] = channel.json()["secret"]
        set_budget(client, "Everything", SECRETS["limit"], currency="EUR", thresholds=[50])
        system.wait_until(lambda: stored.outbox_depth() == 0, "the budget is evaluated")
        with open_socket(system, person) as socket:
            until_ready(socket)
            expense = {"amount": SECRETS["amount"], "currency": "EUR", "note": SECRETS["note"]}
            answer = client.post(
                "/v1/expenses",
                json=expense | {"payee": SECRETS["payee"]},
                headers={"X-Request-ID": REQUEST_ID},
            )
            assert answer.status_code == 201, answer.text
            assert answer.headers["X-Request-ID"] == REQUEST_ID
            alert = receive(socket)
    hooks = lambda: [one for one in receiver.received if one.path.startswith("/hook")]  # noqa: E731
    system.wait_until(lambda: len(hooks()) == 1, "the webhook is called")
    return str(person.id), alert["seq"]


def written(system: System, folder: Path) -> str:
    """All that the processes have said, and all that they have written to files."""
    said = [system.log(name) for name in (API, GATEWAY, WORKER, COURIER, BEAT)]
    files = [path.read_text() for path in sorted(folder.glob("*.log*"))]
    return "\n".join(said + files)


def lines(text: str) -> list[dict[str, Any]]:
    # Celery says good-bye to its terminal, past all logs.
    said = [line for line in text.splitlines() if line and line != "worker: Warm shutdown (MainProcess)"]
    return [json.loads(line) for line in said]


def test_ids_lead_from_the_request_to_the_socket_and_no_secret_is_written(
    system: System, receiver: Receiver, stored: Stored, tmp_path: Path
) -> None:
    secrets = dict(SECRETS)
    system.start(API, GATEWAY, WORKER, COURIER, BEAT)
    user_id, seq = live(system, receiver, stored, secrets)
    for name in (API, GATEWAY, WORKER, COURIER, BEAT):
        system.terminate(name)
    for name in (API, GATEWAY, WORKER, COURIER, BEAT):
        system.exit_code(name)
    text = written(system, tmp_path / "logs")
    for what, secret in secrets.items():
        assert secret not in text, f"{what} is in the logs"
        assert secret.rpartition(".")[2] not in text or len(secret) < 100, f"the end of {what} is in the logs"
    for secret in HIDDEN_TOO:
        assert secret not in text
    assert_the_expense_is_followed(lines(text), user_id, seq)
    assert {path.name for path in (tmp_path / "logs").glob("*.log")} >= {"app.log", "alert.log"}
    assert_the_trace_is_whole(receiver)


def assert_the_expense_is_followed(all_lines: list[dict[str, Any]], user_id: str, seq: int) -> None:
    of_it = [
        line
        for line in all_lines
        if line.get("request_id") == REQUEST_ID or REQUEST_ID in line.get("request_ids", ())
    ]
    found = {(line["process"], line["event"], line.get("job")) for line in of_it}
    assert found >= {
        ("api", "request.done", None),
        ("worker", "job.done", "evaluate_budgets"),
        ("worker", "job.done", "deliver_notifications"),
        ("worker", "notification.published", None),
        ("gateway", "notification.sent", None),
    }
    assert {line["user_id"] for line in of_it if "user_id" in line} == {user_id}
    told = [line for line in all_lines if line["event"] == "delivery.tried"]
    assert {(line["user_id"], tuple(line["seqs"]), line["outcome"]) for line in told} == {
        (user_id, (seq,), "sent")
    }
    done = [line for line in all_lines if line["event"] == "request.done" and line["level"] == "info"]
    assert {line["route"] for line in done} >= {"/v1/expenses", "/v1/invitations/{token}/accept", "unknown"}


def spans(receiver: Receiver) -> Iterator[tuple[str, Span]]:
    for received in receiver.received:
        if received.path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(received.body).resource_spans:
                [service] = [one.value for one in resource.resource.attributes if one.key == "service.name"]
                for scope in resource.scope_spans:
                    yield from ((service.string_value, span) for span in scope.spans)


def assert_the_trace_is_whole(receiver: Receiver) -> None:
    of_it = [
        (service, span)
        for service, span in spans(receiver)
        if int.from_bytes(span.trace_id, "big") == trace_id_of(REQUEST_ID)
    ]
    assert {(service, span.name) for service, span in of_it} >= {
        ("outlay-api", "POST /v1/expenses"),
        ("outlay-api", "record expenses"),
        ("outlay-worker", "job evaluate_budgets"),
        ("outlay-worker", "job deliver_notifications"),
        ("outlay-gateway", "notification.send"),
    }
    first = span_id_of(REQUEST_ID)
    for _, span in of_it:
        if span.name == "POST /v1/expenses":
            assert int.from_bytes(span.span_id, "big") == first
            assert not span.parent_span_id
        else:
            assert int.from_bytes(span.parent_span_id, "big") == first
