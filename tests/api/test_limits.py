"""How many requests somebody may make in a minute, and how they are told."""

import re
from collections.abc import Iterator

import httpx
import pytest

from core.config import Settings
from core.database import Database
from tests.api.throttling import HOME, OFFICE, client_from, limited_api
from tests.cast import Person, http_client, register
from tests.running_api import RunningApi
from tests.servers import TestRedis

LIMIT = 100


@pytest.fixture
def api(settings: Settings, database: Database) -> Iterator[RunningApi]:
    with limited_api(settings, requests_per_minute=LIMIT) as api:
        yield api


@pytest.fixture
def person(api: RunningApi) -> Iterator[Person]:
    with client_from(api, HOME) as client, register(client, "ada") as person:
        yield person


def quota(answer: httpx.Response) -> tuple[str, int]:
    """The policy, and what is left."""
    found = re.fullmatch(r'"default";r=(\d+);t=(\d+)', answer.headers["RateLimit"])
    assert found
    assert 0 < int(found[2]) <= 120
    return answer.headers["RateLimit-Policy"], int(found[1])


def test_every_answer_says_how_much_is_left(person: Person) -> None:
    answers = [person.client.get("/v1/me") for _ in range(3)]
    answers.append(person.client.post("/v1/expenses", json={"amount": "x"}))
    assert [quota(answer) for answer in answers] == [
        (f'"default";q={LIMIT};w=60', LIMIT - number) for number in range(1, 5)
    ]


def test_who_asks_too_often_waits_and_others_go_on(api: RunningApi, person: Person) -> None:
    answers = [person.client.get("/v1/me") for _ in range(LIMIT + 1)]
    assert [answer.status_code for answer in answers] == [200] * LIMIT + [429]
    refused = answers[-1]
    assert 0 < int(refused.headers["Retry-After"]) <= 65
    assert quota(refused) == (f'"default";q={LIMIT};w=60', 0)
    assert refused.headers["Content-Type"] == "application/problem+json"
    with client_from(api, HOME) as client, register(client, "bob") as other:
        assert other.client.get("/v1/me").status_code == 200


def test_processes_keep_the_limit_together(api: RunningApi, person: Person) -> None:
    with RunningApi(api.settings) as second:
        headers = {"Authorization": person.client.headers["Authorization"]}
        with http_client(second.url, **headers) as there:
            answers = [
                client.get("/v1/categories").status_code
                for _ in range(LIMIT)
                for client in (person.client, there)
            ]
    assert LIMIT <= answers.count(200) <= LIMIT + LIMIT // 20
    assert set(answers) == {200, 429}


def test_calls_without_a_token_are_limited_by_address(settings: Settings, database: Database) -> None:
    with limited_api(settings) as api, client_from(api, HOME) as client, client_from(api, OFFICE) as other:
        answers = [client.post("/v1/auth/refresh", json={}) for _ in range(601)]
        assert [answer.status_code for answer in answers] == [422] * 600 + [429]
        assert quota(answers[0]) == ('"default";q=600;w=60', 599)
        assert client.get("/healthz").status_code == 200
        assert client.get("/openapi.json").status_code == 429
        assert other.post("/v1/auth/refresh", json={}).status_code == 422


def test_without_redis_the_limit_is_that_of_the_process(
    settings: Settings, database: Database, own_redis: TestRedis
) -> None:
    with (
        limited_api(settings, requests_per_minute=LIMIT, redis_url=own_redis.url()) as api,
        client_from(api, HOME) as client,
        register(client, "ada") as person,
    ):
        own_redis.kill()
        answers = [person.client.get("/v1/me").status_code for _ in range(LIMIT + 20)]
    assert answers == [200] * LIMIT + [429] * 20
