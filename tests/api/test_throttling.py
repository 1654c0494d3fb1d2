"""Guessing is slow, whoever is not guessing does not notice, and nobody is locked out by others."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from api import openapi, throttles
from core.config import Settings
from core.database import Database
from tests.api.test_second_factors import answer_with, enable, first_factor
from tests.api.throttling import HOME, OFFICE, STRANGER, client_from, limited_api, log_in
from tests.cast import PASSWORD, register
from tests.processes import eventually
from tests.running_api import RunningApi
from tests.servers import TestRedis

ADA = {"username": "ada", "email": "ada@example.com", "password": PASSWORD}


@pytest.fixture
def api(settings: Settings, database: Database) -> Iterator[RunningApi]:
    with limited_api(settings) as api:
        yield api


@pytest.fixture
def home(api: RunningApi) -> Iterator[httpx.Client]:
    """From where Ada has registered and logged in."""
    with client_from(api, HOME) as client:
        assert client.post("/v1/auth/register", json=ADA).status_code == 201
        assert log_in(client, "ada", PASSWORD).status_code == 200
        yield client


def guess(client: httpx.Client, times: int, login: str = "ada") -> list[httpx.Response]:
    return [log_in(client, login, f"guess number {number}") for number in range(times)]


def statuses(answers: list[httpx.Response]) -> list[int]:
    return [answer.status_code for answer in answers]


def test_after_five_wrong_passwords_the_next_has_to_wait_and_then_twice_as_long(
    api: RunningApi, home: httpx.Client
) -> None:
    with client_from(api, STRANGER) as stranger:
        answers = guess(stranger, 6)
        assert statuses(answers) == [401] * 5 + [429]
        refused = answers[-1]
        assert refused.headers["Retry-After"] == "1"
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert refused.json()["title"] == "Too Many Requests"
        assert eventually(lambda: guess(stranger, 1)[0].status_code == 401)
        assert guess(stranger, 1)[0].headers["Retry-After"] == "2"


def test_a_right_password_begins_anew(api: RunningApi, home: httpx.Client) -> None:
    for _ in range(3):
        assert statuses(guess(home, 4)) == [401] * 4
        assert log_in(home, "ADA", PASSWORD).status_code == 200


def test_a_stranger_who_hammers_does_not_lock_the_owner_out(api: RunningApi, home: httpx.Client) -> None:
    for number in range(10):
        with client_from(api, f"203.0.113.{number}") as stranger:
            guess(stranger, 6)
    with client_from(api, OFFICE) as office:
        # From elsewhere it takes a while, whoever it is.
        answer = log_in(office, "ada", PASSWORD)
        assert answer.status_code == 429
        assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert log_in(home, "ada", PASSWORD).status_code == 200


def test_a_login_from_elsewhere_is_let_in_while_nobody_guesses(api: RunningApi, home: httpx.Client) -> None:
    with client_from(api, OFFICE) as office:
        assert log_in(office, "ada", PASSWORD).status_code == 200


def test_somebody_unknown_is_answered_as_somebody_known(api: RunningApi, home: httpx.Client) -> None:
    with client_from(api, STRANGER) as one, client_from(api, OFFICE) as other:
        known, unknown = guess(one, 7), guess(other, 7, "nobody")
    assert statuses(known) == statuses(unknown)
    for one_answer, other_answer in zip(known, unknown, strict=True):
        assert one_answer.text == other_answer.text
        assert one_answer.headers.keys() == other_answer.headers.keys()


def test_the_token_endpoint_counts_with_the_login(api: RunningApi, home: httpx.Client) -> None:
    with client_from(api, STRANGER) as stranger:
        guess(stranger, 5)
        form = {"grant_type": "password", "username": "Ada", "password": "wrong"}
        assert stranger.post("/v1/auth/token", data=form).status_code == 429


def test_who_refreshes_in_the_name_of_another_may_guess_no_faster(
    api: RunningApi, home: httpx.Client
) -> None:
    """Their own token is good, which says nothing of the account whose name they send along."""
    with client_from(api, STRANGER) as stranger, register(stranger, "mallory") as mallory:
        opened = log_in(mallory.client, "mallory", PASSWORD).json()
        answers = []
        for _ in range(3):
            answers += guess(stranger, 2)
            form = {
                "grant_type": "refresh_token",
                "refresh_token": opened["refresh_token"],
                "username": "ada",
            }
            refreshed = stranger.post("/v1/auth/token", data=form)
            assert refreshed.status_code == 200, refreshed.text
            opened = refreshed.json()
        assert statuses(answers) == [401] * 5 + [429]


def test_a_login_that_no_code_completes_counts_as_a_wrong_password(
    api: RunningApi, home: httpx.Client
) -> None:
    """Or else whoever has the password could try codes as fast as they like."""
    with client_from(api, OFFICE) as office, register(office, "bob") as bob:
        _, codes = enable(bob)
        for code in codes[:7]:
            challenge = first_factor(office, "bob")
            assert answer_with(office, challenge, "000000").status_code == 401
            assert answer_with(office, challenge, code).status_code == 200
        with client_from(api, STRANGER) as stranger:
            for _ in range(5):
                first_factor(stranger, "bob")
            assert log_in(stranger, "bob", PASSWORD).status_code == 429
        assert answer_with(office, first_factor(office, "bob"), codes[7]).status_code == 200


def test_an_ipv6_site_is_one_place(api: RunningApi, home: httpx.Client) -> None:
    answers = []
    for number in range(6):
        with client_from(api, f"2001:db8:1:2::{number}") as stranger:
            answers += guess(stranger, 1)
    assert statuses(answers) == [401] * 5 + [429]


def test_a_request_that_is_no_attempt_does_not_count(api: RunningApi, home: httpx.Client) -> None:
    with client_from(api, STRANGER) as stranger:
        for _ in range(10):
            assert stranger.post("/v1/auth/login", json={"login": "ada"}).status_code == 422
        assert statuses(guess(stranger, 1)) == [401]


def test_one_address_may_try_so_many_accounts_in_a_minute(api: RunningApi, home: httpx.Client) -> None:
    with client_from(api, STRANGER) as stranger:
        answers = [log_in(stranger, f"nobody{number}", "wrong password") for number in range(61)]
    assert statuses(answers) == [401] * 60 + [429]
    assert log_in(home, "ada", PASSWORD).status_code == 200


def test_registrations_of_one_address_are_limited(api: RunningApi) -> None:
    with client_from(api, STRANGER) as stranger:
        answers = [
            stranger.post(
                "/v1/auth/register", json={**ADA, "username": f"u{n:02}x", "email": f"u{n}@example.com"}
            )
            for n in range(21)
        ]
    assert statuses(answers) == [201] * 20 + [429]


def test_while_redis_is_away_guessing_is_as_slow(
    settings: Settings, database: Database, own_redis: TestRedis
) -> None:
    with limited_api(settings, redis_url=own_redis.url()) as api, client_from(api, HOME) as client:
        assert client.post("/v1/auth/register", json=ADA).status_code == 201
        assert log_in(client, "ada", PASSWORD).status_code == 200
        own_redis.kill()
        began = time.monotonic()
        with client_from(api, STRANGER) as stranger:
            assert statuses(guess(stranger, 6)) == [401] * 5 + [429]
        assert time.monotonic() - began < 5
        assert log_in(client, "ada", PASSWORD).status_code == 200


READING = {
    "/healthz", "/readyz", "/metrics", "/v1/auth/oidc", "/v1/unsubscribe/{token}",
    "/v1/exports/{export_id}/file", "/v1/reports/{report_id}/file",
}  # fmt: skip
"""Public calls that write nothing."""


def test_every_public_call_that_writes_says_how_often_it_may_be_called() -> None:
    public = {
        path: endpoint
        for (path, method), endpoint in openapi._registered()
        if endpoint.is_public and (method != "get" or path not in READING)
    }
    assert len(public) >= 8
    assert [path for path, endpoint in public.items() if endpoint.throttle is None] == []


def test_one_address_does_not_fill_the_queue_for_passwords(settings: Settings, database: Database) -> None:
    with (
        limited_api(settings, bcrypt_cost=13) as api,
        client_from(api, STRANGER) as stranger,
        client_from(api, HOME) as client,
        ThreadPoolExecutor(20) as pool,
    ):
        under_way = [pool.submit(log_in, stranger, f"nobody{number}", "wrong") for number in range(20)]
        time.sleep(0.5)
        assert log_in(client, "somebody", "wrong").status_code == 401
        answers = [answer.result() for answer in under_way]
    found = Counter(statuses(answers))
    assert found[429] >= 20 - 2 * throttles.PASSWORDS_AT_ONCE
    assert found[401] == 20 - found[429] >= throttles.PASSWORDS_AT_ONCE
    assert {answer.headers.get("Retry-After") for answer in answers} == {None, "1"}


def test_limits_with_the_same_name_are_the_same() -> None:
    """Each is counted under its name."""
    found = [
        window
        for throttle in vars(throttles).values()
        if isinstance(throttle, throttles.Throttle)
        for window in (*throttle.per_place, *throttle.per_user, *throttle.per_account)
    ]
    assert len({window.name for window in found}) == len(set(found)) > 10
