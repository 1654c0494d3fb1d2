"""Webhooks over the API: secrets are shown once, URLs lead to nobody's private network."""

from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest

from core.config import Settings
from core.database import Database
from core.models import Base
from core.services.channels import MAX_WEBHOOKS
from tests.api.calls import new_webhook, problem, read, wrong_fields
from tests.cast import Cast, http_client, register_cast
from tests.receiver import Received, Receiver, Reply
from tests.running_api import RunningApi
from tests.workers.outgoing import courier, tell

KEY = {"Idempotency-Key": "webhook-once"}
URL = "https://example.com/hook"


@pytest.fixture
def me(cast: Cast) -> httpx.Client:
    return cast.owner.client


@pytest.fixture
def open_cast(settings: Settings, database: Database) -> Iterator[Cast]:
    """People of an API that lets webhooks go to this machine."""
    changed = msgspec.structs.replace(settings, private_targets="allow")
    with RunningApi(changed) as api, http_client(api.url) as client, register_cast(client) as cast:
        yield cast


def test_a_webhook_is_created_with_a_secret_that_no_other_answer_shows(
    me: httpx.Client, database: Database
) -> None:
    answer = me.post("/v1/webhooks", json={"url": URL, "kinds": ["budget.threshold"], "name": "Mine"})
    assert answer.status_code == 201
    webhook = answer.json()
    secret = webhook.pop("secret")
    assert secret.startswith("whsec_")
    assert (webhook["url"], webhook["kinds"], webhook["name"]) == (URL, ["budget.threshold"], "Mine")
    assert (webhook["is_active"], webhook["off_reason"], webhook["secret_issue"]) == (True, None, 1)
    assert answer.headers["ETag"] == '"1"'
    assert read(me, answer.headers["Location"]) == webhook
    assert read(me, "/v1/webhooks") == {"items": [webhook], "next_cursor": None}
    with database.reading() as session:
        for table in Base.metadata.sorted_tables:
            assert secret not in str(session.execute(table.select()).all()), table


def test_a_repetition_with_the_key_gives_the_same_answer_with_the_secret(
    me: httpx.Client, database: Database
) -> None:
    first, second = (me.post("/v1/webhooks", json={"url": URL}, headers=KEY) for _ in range(2))
    assert first.content == second.content
    assert first.headers["ETag"] == second.headers["ETag"]
    assert len(read(me, "/v1/webhooks")["items"]) == 1
    secret = first.json()["secret"]
    with database.reading() as session:
        for table in Base.metadata.sorted_tables:
            assert secret not in str(session.execute(table.select()).all()), table


def test_every_secret_is_another(me: httpx.Client, cast: Cast) -> None:
    webhook = new_webhook(me)
    rotated = me.post(f"/v1/webhooks/{webhook['id']}/rotate-secret")
    assert rotated.status_code == 200
    assert rotated.json()["secret_issue"] == 2
    assert rotated.json()["previous_secret_until"] is not None
    assert rotated.headers["ETag"] == '"2"'
    secrets = {
        one["secret"] for one in (webhook, rotated.json(), new_webhook(me), new_webhook(cast.member.client))
    }
    assert len(secrets) == 4


def test_a_repeated_rotation_rotates_once(me: httpx.Client) -> None:
    path = f"/v1/webhooks/{new_webhook(me)['id']}/rotate-secret"
    first, second = (me.post(path, headers=KEY) for _ in range(2))
    assert first.json() == second.json()
    assert first.json()["secret_issue"] == 2


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/",
        "https://",
        "example.com/hook",
        "https://kim:secret@example.com/",
        "http://127.0.0.1/",
        "http://localhost:8000/v1/me",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://127.1/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[64:ff9b::a00:1]/",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/",
        "http://100.64.0.1/",
        "http://0.0.0.0/",
        "http://①②⑦.0.0.1/",
        "http://example.com:22/",
        "http://example.com:99999/",
        "http://exa mple.com/",
    ],
)
def test_a_url_that_leads_where_nothing_may_be_sent_is_refused(me: httpx.Client, url: str) -> None:
    assert wrong_fields(me.post("/v1/webhooks", json={"url": url})) == ["/url"]
    webhook = new_webhook(me)
    assert wrong_fields(me.patch(f"/v1/webhooks/{webhook['id']}", json={"url": url})) == ["/url"]
    assert read(me, f"/v1/webhooks/{webhook['id']}")["url"] == URL


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/url"]),
        ({"url": URL, "kinds": ["budget.treshold"]}, ["/kinds/0"]),
        ({"url": URL, "kinds": ["budget.threshold", "x", "y"]}, ["/kinds/1", "/kinds/2"]),
        ({"url": URL, "secret": "mine"}, ["/secret"]),
        ({"url": URL, "name": ""}, ["/name"]),
        ({"url": URL, "name": "a\nb"}, ["/name"]),
        ({"url": "https://example.com/" + "x" * 2_000}, ["/url"]),
    ],
)
def test_what_is_wrong_is_named(me: httpx.Client, body: dict[str, Any], pointers: list[str]) -> None:
    assert wrong_fields(me.post("/v1/webhooks", json=body)) == pointers


def test_a_webhook_is_changed_switched_off_and_on_and_deleted(me: httpx.Client) -> None:
    path = f"/v1/webhooks/{new_webhook(me)['id']}"
    changed = me.patch(
        path, json={"url": "https://example.org/", "kinds": ["debt.reminder"], "name": "Other"}
    )
    assert changed.status_code == 200
    assert changed.headers["ETag"] == '"2"'
    assert problem(me.patch(path, json={"name": "Late"}, headers={"If-Match": '"1"'}), 412)
    assert me.patch(path, json={"name": "Other"}).headers["ETag"] == '"2"', "nothing new"
    off = me.patch(path, json={"is_active": False}).json()
    assert (off["is_active"], off["off_reason"]) == (False, "you have switched it off")
    assert off["off_at"] is not None
    on = me.patch(path, json={"is_active": True, "name": None}).json()
    assert (on["is_active"], on["off_reason"], on["off_at"], on["name"]) == (True, None, None, None)
    assert problem(me.delete(path, headers={"If-Match": '"1"'}), 412)
    assert me.delete(path).status_code == 204
    assert problem(me.get(path), 404)


def test_there_is_a_limit(me: httpx.Client) -> None:
    for _ in range(MAX_WEBHOOKS):
        new_webhook(me)
    assert problem(me.post("/v1/webhooks", json={"url": URL}), 409)


def test_a_webhook_is_no_channel_and_the_other_way_round(me: httpx.Client) -> None:
    webhook = new_webhook(me)
    [mail] = read(me, "/v1/channels")["items"]
    assert problem(me.get(f"/v1/channels/{webhook['id']}"), 404)
    assert problem(me.delete(f"/v1/webhooks/{mail['id']}"), 404)


def test_deliveries_are_listed_and_retried(open_cast: Cast, settings: Settings, database: Database) -> None:
    owner = open_cast.owner
    is_broken = True

    def reply(_request: Received) -> Reply:
        return Reply(503 if is_broken else 200)

    with Receiver(reply).running() as receiver, courier(settings) as sender:
        webhook = new_webhook(owner.client, receiver.url)
        path = f"/v1/webhooks/{webhook['id']}/deliveries"
        for _ in range(3):
            tell(database, owner.id)
        sender.run()
        found = read(owner.client, path)["items"]
        assert [(one["seq"], one["state"], one["last_status"]) for one in found] == [
            (seq, "failed", 503) for seq in (4, 3, 2)
        ]
        assert found[0]["last_error"] == "the receiver has answered 503"
        assert found[0]["kind"] == "budget.threshold"
        retry = f"{path}/{found[1]['id']}/retry"
        for stranger in (open_cast.member.client, open_cast.stranger.client):
            assert problem(stranger.post(retry), 404)
            assert problem(stranger.get(path), 404)
        retried = owner.client.post(retry)
        assert (retried.status_code, retried.json()["state"]) == (200, "pending")
        is_broken = False
        assert sender.run() == 1
        assert problem(owner.client.post(retry), 409), "it is sent"
        assert receiver.ids[-1] == found[1]["id"]
    pages = read(owner.client, path, limit=2)
    assert [one["seq"] for one in pages["items"]] == [4, 3]
    rest = read(owner.client, path, limit=2, cursor=pages["next_cursor"])
    assert ([one["seq"] for one in rest["items"]], rest["next_cursor"]) == ([2], None)
    assert [one["seq"] for one in read(owner.client, path, state="sent")["items"]] == [3]


def test_a_webhook_is_tried_out_at_once_with_the_result(open_cast: Cast) -> None:
    me = open_cast.owner.client
    replies = iter([Reply(200), Reply(500), Reply(200)])
    with Receiver(lambda _request: next(replies)).running() as receiver:
        webhook = new_webhook(me, receiver.url)
        path = f"/v1/webhooks/{webhook['id']}/test"
        assert me.post(path).json() == {"is_sent": True, "status": 200, "error": None}
        failed = me.post(path).json()
        assert (failed["is_sent"], failed["status"]) == (False, 500)
        assert receiver.received[0].verified(webhook["secret"])["type"] == "test"
        assert problem(open_cast.stranger.client.post(path), 404)
        deployed = webhook["secret"]
        for _ in range(2):
            rotated = me.post(f"/v1/webhooks/{webhook['id']}/rotate-secret").json()
        me.post(path)
        for secret in (deployed, rotated["secret"]):
            assert receiver.received[-1].verified(secret)["type"] == "test"
    unreachable = me.post(path).json()
    assert (unreachable["is_sent"], unreachable["status"]) == (False, None)
    assert "no connection" in unreachable["error"]
