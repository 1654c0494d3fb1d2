"""The people of every test: an owner, a member, and a stranger who must get nothing."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx

PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Person:
    """Somebody with an account; `client` carries the access token."""

    id: UUID
    username: str
    client: httpx.Client
    tokens: dict[str, Any]


@dataclass(frozen=True)
class Cast:
    owner: Person
    member: Person
    stranger: Person


def http_client(base_url: str, **headers: str) -> httpx.Client:
    """A client for plain HTTP; reading the certificates that it never needs would take most tests' time."""
    return httpx.Client(base_url=base_url, headers=headers, timeout=30, verify=False)


@contextmanager
def register_cast(client: httpx.Client) -> Iterator[Cast]:
    with ExitStack() as stack:
        people = [stack.enter_context(register(client, name)) for name in ("owner", "member", "stranger")]
        yield Cast(*people)


@contextmanager
def register(client: httpx.Client, username: str, **profile: str) -> Iterator[Person]:
    """Register and log in through the API."""
    account = {"username": username, "email": f"{username}@example.com", "password": PASSWORD, **profile}
    registered = client.post("/v1/auth/register", json=account)
    assert registered.status_code == 201, registered.text
    answer = client.post("/v1/auth/login", json={"login": username, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    tokens = answer.json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    with http_client(str(client.base_url), **headers) as own:
        yield Person(UUID(registered.json()["id"]), username, own, tokens)
