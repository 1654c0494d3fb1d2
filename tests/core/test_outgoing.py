"""Requests to users' URLs reach public addresses only, and the very ones that were checked."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests
from aiohttp.abc import AbstractResolver, ResolveResult

from core.outgoing import guard
from core.outgoing.push import send_push
from core.outgoing.targets import Policy, TargetRefused, check_name, read_target
from core.outgoing.webhooks import WebhookSender, signed_headers
from core.rules.deliveries import Fate, Outcome
from tests.receiver import Received, Receiver, Reply

REFUSING, ALLOWING = Policy(), Policy(allows_private=True)
SECRETS = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
SCHEMES = {"gotify"}
NOT_PUBLIC = "leads to an address that is not public"


class Names(AbstractResolver):
    """Answers each look-up of a name with its next addresses, the last ones for ever."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        return [
            ResolveResult(
                hostname=host, host=one, port=port, family=socket.AF_INET6 if ":" in one else socket.AF_INET,
                proto=0, flags=0,
            )
            for one in found
        ]  # fmt: skip

    async def close(self) -> None:
        """Nothing is open."""


def post(url: str, policy: Policy, names: Names | None = None) -> Outcome:
    async def once() -> Outcome:
        async with WebhookSender(policy, names) as sender:
            return await sender.post(url, message_id="id", body=b"{}", secrets=SECRETS)

    return asyncio.run(once())


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["10.1.2.3", "169.254.169.254"], ["::1"], ["::ffff:127.0.0.1"], ["64:ff9b::7f00:1"]],
)
def test_a_name_that_leads_to_a_private_address_is_not_connected_to(addresses: list[str]) -> None:
    with Receiver().running() as receiver:
        outcome = post(f"http://hook.example.com:{receiver.port}/", REFUSING, Names(addresses))
    assert (outcome.fate, outcome.error) == (Fate.FAILED, NOT_PUBLIC)
    assert receiver.received == []


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "2130706433", "0x7f.1", "127.1", "[::1]", "[::ffff:127.0.0.1]"]
)
def test_an_address_in_whatever_spelling_is_not_connected_to(host: str) -> None:
    with Receiver().running() as receiver:
        outcome = post(f"http://{host}:{receiver.port}/", REFUSING)
    assert outcome.fate is Fate.FAILED
    assert receiver.received == []


def test_what_is_checked_is_what_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is public when it is looked up and private a moment later is looked up once."""
    asked: list[str] = []

    def is_public(address: object) -> bool:
        asked.append(str(address))
        return str(address) == "127.0.0.2"

    monkeypatch.setattr("core.outgoing.targets.is_public", is_public)
    names = Names(["127.0.0.2"], ["127.0.0.1"])
    with Receiver().running() as receiver:
        outcome = post(f"http://hook.example.com:{receiver.port}/", REFUSING, names)
    assert outcome.fate is Fate.SENT
    assert names.asked == 1
    assert asked == ["127.0.0.2"]


def test_a_redirect_is_not_followed() -> None:
    with Receiver().running() as inner:
        receiver = Receiver(lambda _request: Reply(307, {"Location": inner.url}))
        with receiver.running():
            outcome = post(receiver.url, ALLOWING)
    assert (outcome.fate, outcome.status) == (Fate.FAILED, 307)
    assert "redirects are not followed" in outcome.error
    assert inner.received == []


def test_a_long_answer_is_not_read_to_its_end() -> None:
    with Receiver(lambda _request: Reply(200, body=b"x" * 10_000_000)).running() as receiver:
        assert post(receiver.url, ALLOWING).fate is Fate.SENT


def test_nobody_waits_for_a_receiver_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.outgoing.webhooks.TIMEOUT_S", 0.2)
    receiver = Receiver()
    receiver.gate.clear()
    with receiver.running():
        outcome = post(receiver.url, ALLOWING)
    assert (outcome.fate, outcome.status, outcome.error) == (Fate.FAILED, None, "no answer within 0.2 s")


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://127.0.0.1:1/", "no connection"),
        ("http://nowhere.invalid/", "the host's name leads nowhere"),
    ],
)
def test_errors_say_what_happened_without_the_url(url: str, error: str) -> None:
    outcome = post(f"{url}?token=secret", ALLOWING)
    assert outcome.error.startswith(error)
    assert "secret" not in outcome.error


def test_tls_is_verified() -> None:
    with Receiver().running() as receiver:
        outcome = post(receiver.url.replace("http:", "https:"), ALLOWING)
    assert "no secure connection" in outcome.error


def test_a_name_is_looked_up_when_a_url_is_given() -> None:
    with pytest.raises(TargetRefused):
        check_name("localhost", 80, REFUSING)
    check_name("localhost", 80, ALLOWING)
    check_name("nowhere.invalid", 80, REFUSING)


def test_a_fragment_is_not_sent() -> None:
    assert str(read_target("https://example.com/a#b", REFUSING).url) == "https://example.com/a"


def test_two_secrets_make_two_signatures() -> None:
    headers = signed_headers("id", b"{}", SECRETS * 2)
    first, second = headers["webhook-signature"].split(" ")
    assert first == second


def push(port: int, policy: Policy, host: str = "127.0.0.1", timeout_s: float = 5.0) -> Outcome:
    url = f"gotify://{host}:{port}/token"
    return send_push(url, title="T", body="B", schemes=SCHEMES, policy=policy, timeout_s=timeout_s)


@contextmanager
def looked_up(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> Iterator[list[str]]:
    """Every name leads to these addresses; what is looked up."""
    asked: list[str] = []
    look_up = socket.getaddrinfo

    def answer(host: str, port: int, *arguments: object, **options: object) -> list[object]:
        if host[0].isdigit():
            return list(look_up(host, port, *arguments, **options))  # type: ignore[arg-type]
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in addresses]

    with monkeypatch.context() as patched:
        patched.setattr(socket, "getaddrinfo", answer)
        yield asked


def test_a_push_is_not_sent_to_a_name_with_a_private_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with Receiver().running() as receiver, looked_up(monkeypatch, "127.0.0.1"):
        refused = push(receiver.port, REFUSING, "push.example.com")
        allowed = push(receiver.port, ALLOWING, "push.example.com")
    assert (refused.fate, refused.error) == (Fate.FAILED, NOT_PUBLIC)
    assert allowed.fate is Fate.SENT
    assert len(receiver.received) == 1


def test_a_push_is_not_led_to_a_private_address_by_a_redirect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.outgoing.targets.is_public", lambda address: str(address) == "127.0.0.2")
    with Receiver().running() as inner:
        receiver = Receiver(lambda _request: Reply(302, {"Location": inner.url_of("127.0.0.1")}))
        with receiver.running(), looked_up(monkeypatch, "127.0.0.2"):
            outcome = push(receiver.port, REFUSING, "push.example.com")
    assert outcome.fate is Fate.FAILED
    assert len(receiver.received) == 1
    assert inner.received == []


def test_a_push_service_that_does_not_answer_is_given_up_in_time() -> None:
    receiver = Receiver()
    receiver.gate.clear()
    with receiver.running():
        outcome = push(receiver.port, ALLOWING, timeout_s=0.3)
    assert (outcome.fate, outcome.status) == (Fate.FAILED, None)


def test_an_endless_answer_of_a_push_service_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "MAX_ANSWER_BYTES", 1_000)
    with Receiver(lambda _request: Reply(200, body=b"x" * 1_000_000)).running() as receiver:
        assert push(receiver.port, ALLOWING).fate is Fate.FAILED


def test_outside_of_an_exchange_others_are_left_alone() -> None:
    """Whoever else uses these libraries in the process is not held by the rules for users' URLs."""

    def reply(request: Received) -> Reply:
        return Reply(200, body=request.body)

    with Receiver(reply).running() as receiver:
        push(receiver.port, ALLOWING)
        statuses: list[int] = []
        thread = threading.Thread(
            target=lambda: statuses.append(requests.post(receiver.url, data=b"x", timeout=5).status_code)
        )
        thread.start()
        thread.join()
    assert statuses == [200]
