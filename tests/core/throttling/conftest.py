"""Limits that are counted in Redis, and such whose Redis is away."""

import os
from collections.abc import Iterator

import pytest

from core.commands.ports import free_port
from core.ids import new_id
from core.throttling.limiter import Limiter
from tests.conftest import REDIS

SECRET = "a secret of thirty-two bytes or more"


def limiter_at(redis_url: str, prefix: str) -> Limiter:
    return Limiter(redis_url, prefix=prefix, secret=SECRET)


@pytest.fixture
def prefix() -> str:
    return f"test-{new_id()}"


@pytest.fixture(params=["in Redis", "in the process"])
def limiter(request: pytest.FixtureRequest, prefix: str) -> Iterator[Limiter]:
    url = os.environ[REDIS] if request.param == "in Redis" else f"redis://127.0.0.1:{free_port()}"
    return limiter_at(url, prefix)
