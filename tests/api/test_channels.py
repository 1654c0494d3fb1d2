"""Push channels and the one for mails over the API."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from core.config import Settings
from core.database import Database
from core.services.channels import MAX_PUSHES
from tests.api.calls import PUSH_URL, problem, read, wrong_fields
from tests.api.test_webhooks import open_cast  # noqa: F401 - a fixture
from tests.cast import Cast
from tests.processes import eventually
from tests.receiver import Receiver


@pytest.fixture
def me(cast: Cast) -> httpx.Client:
    return cast.owner.client


def test_everybody_has_a_channel_for_mails(me: httpx.Client, cast: Cast) -> None:
    [mail] = read(me, "/v1/channels")["items"]
    assert (mail["kind"], mail["url"], mail["is_active"]) == ("email", None, True)
    path = f"/v1/channels/{mail['id']}"
    assert problem(me.delete(path), 409)
    assert problem(me.patch(path, json={"name": "Mine"}), 409)
    assert problem(me.post(f"{path}/test"), 409), "the address is not verified"
    assert me.patch(path, json={"is_active": False}).json()["is_active"] is False
    assert me.patch(path, json={"is_active": True}).json()["off_reason"] is None
    assert problem(cast.stranger.client.get(path), 404)


def test_the_url_of_a_push_service_is_never_shown_again(me: httpx.Client) -> None:
    answer = me.post("/v1/channels", json={"url": PUSH_URL, "name": "Phone"})
    assert answer.status_code == 201
    channel = answer.json()
    assert (channel["kind"], channel["url"], channel["name"]) == (
        "push",
        "gotifys://push.example.com",
        "Phone",
    )
    path = answer.headers["Location"]
    answers = [answer, me.get(path), me.get("/v1/channels"), me.patch(path, json={"name": "Other"})]
    answers.append(me.post("/v1/channels", json={"url": PUSH_URL + "?template=/etc/passwd"}))
    for one in answers:
        assert "AbCdEf" not in one.text
    assert me.delete(path).status_code == 204


def test_of_a_public_service_not_even_the_host_is_shown_as_it_is_a_token(me: httpx.Client) -> None:
    url = "tgram://123456789:abcdefg_hijklmnop-abcdefghijklmnopq/12315544/"
    channel = me.post("/v1/channels", json={"url": url}).json()
    assert channel["url"] == "tgram://…"


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "json://example.com/",
        "mailto://kim:secret@example.com",
        "syslog://localhost",
        "exec://rm",
        "gotify://127.0.0.1/token",
        "gotify://[::1]/token",
        "ntfy://192.168.1.1/topic",
        "gotify://0x7f.1/token",
        "gotify://localhost/token",
        "gotify://push.example.com:22/token",
        "discord://1234/abcd?template=/etc/passwd",
        "discord://1234/abcd?format=text;template=/etc/passwd",
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general?template=/etc/passwd",
        "gotifys://push.example.com/token?verify=no",
        "ntfys://push.example.com/one/two",
        "tgram://nonsense",
        "nonsense",
        "gotify://",
    ],
)
def test_what_may_not_be_sent_to_is_refused(me: httpx.Client, url: str) -> None:
    assert wrong_fields(me.post("/v1/channels", json={"url": url})) == ["/url"]
    assert len(read(me, "/v1/channels")["items"]) == 1


def test_there_is_a_limit(me: httpx.Client) -> None:
    for _ in range(MAX_PUSHES):
        assert me.post("/v1/channels", json={"url": PUSH_URL}).status_code == 201
    assert problem(me.post("/v1/channels", json={"url": PUSH_URL}), 409)


def test_a_push_channel_is_tried_out_at_once(
    open_cast: Cast,  # noqa: F811
    settings: Settings,
    database: Database,
) -> None:
    me = open_cast.owner.client
    with Receiver().running() as receiver:
        url = f"gotify://127.0.0.1:{receiver.port}/token"
        channel = me.post("/v1/channels", json={"url": url}).json()
        assert me.post(f"/v1/channels/{channel['id']}/test").json() == {
            "is_sent": True, "status": 200, "error": None,
        }  # fmt: skip
    [request] = receiver.received
    assert b"This is a test" in request.body
    assert problem(open_cast.stranger.client.post(f"/v1/channels/{channel['id']}/test"), 404)


def test_a_user_tries_out_one_channel_at_a_time(
    open_cast: Cast,  # noqa: F811
    settings: Settings,
    database: Database,
) -> None:
    me, other = open_cast.owner.client, open_cast.stranger.client
    receiver = Receiver()
    with receiver.running():
        url = f"gotify://127.0.0.1:{receiver.port}/token"
        mine, another = (one.post("/v1/channels", json={"url": url}).json()["id"] for one in (me, other))
        receiver.gate.clear()
        with ThreadPoolExecutor(2) as threads:
            first = threads.submit(me.post, f"/v1/channels/{mine}/test")
            assert eventually(lambda: len(receiver.received) == 1)
            assert problem(me.post(f"/v1/channels/{mine}/test"), 409)
            second = threads.submit(other.post, f"/v1/channels/{another}/test")
            assert eventually(lambda: len(receiver.received) == 2)
            receiver.gate.set()
            assert [one.result().json()["is_sent"] for one in (first, second)] == [True, True]
        assert me.post(f"/v1/channels/{mine}/test").json()["is_sent"]
