"""An API with the limits of production, and callers from many addresses."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import msgspec

from core.config import Settings
from core.ids import new_id
from tests.cast import http_client
from tests.conftest import REDIS
from tests.running_api import RunningApi

HOME, OFFICE, STRANGER = "192.0.2.1", "198.51.100.7", "203.0.113.66"


@contextmanager
def limited_api(settings: Settings, **changes: Any) -> Iterator[RunningApi]:
    """One that counts apart from all others, and believes this machine where requests come from."""
    own = {
        "redis_url": os.environ[REDIS],
        "redis_prefix": f"test-{new_id()}",
        "limit_factor": 1,
        "requests_per_minute": 3_000,
        "trusted_proxies": "127.0.0.1",
    }
    with RunningApi(msgspec.structs.replace(settings, **{**own, **changes})) as api:
        yield api


@contextmanager
def client_from(api: RunningApi, address: str) -> Iterator[httpx.Client]:
    with http_client(api.url, **{"X-Forwarded-For": address}) as client:
        yield client


def log_in(client: httpx.Client, login: str, password: str) -> httpx.Response:
    return client.post("/v1/auth/login", json={"login": login, "password": password})
