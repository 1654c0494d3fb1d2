"""Exports over HTTP: asked for, followed, downloaded, and nobody else's."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from core.config import Settings
from core.database import Database
from core.models import User
from tests.api.calls import new_expense, new_export, problem, read
from tests.cast import Cast
from workers.long_jobs import CONNECTIONS, work_off_long
from workers.runtime import Runtime
from workers.tasks.exports import JOB

Build = Callable[[], int]


@pytest.fixture
def me(cast: Cast) -> httpx.Client:
    return cast.owner.client


@pytest.fixture
def build(settings: Settings, database: Database) -> Iterator[Build]:
    """Builds what is asked for, as a worker does; answers how many jobs there were."""
    runtime = Runtime(settings, {}, connections=CONNECTIONS)
    yield lambda: work_off_long(runtime, JOB)
    runtime.close()


def built(me: httpx.Client, build: Build, **fields: Any) -> dict[str, Any]:
    asked = new_export(me, **fields)
    assert build() == 1
    return read(me, f"/v1/exports/{asked['id']}")


def test_a_file_is_asked_for_built_and_downloaded(me: httpx.Client, build: Build) -> None:
    new_expense(me, "12.34", payee="Corner Bakery", tags=["trip"])
    asked = new_export(me)
    path = f"/v1/exports/{asked['id']}"
    assert (asked["state"], asked["progress"], asked["download_url"]) == ("queued", 0, None)
    assert read(me, path) == asked
    assert build() == 1
    done = read(me, path)
    content = me.get(f"{path}/download").content
    assert (done["state"], done["progress"], done["rows"], done["error"]) == ("succeeded", 100, 1, None)
    assert (done["bytes"], done["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert content.decode().splitlines()[1].startswith("2026-05-04,12.34,EUR,,Corner Bakery,,trip,,,manual,,")


def test_the_links_of_a_deactivated_account_lead_nowhere(
    me: httpx.Client, client: httpx.Client, build: Build, database: Database
) -> None:
    path = "/v1/exports/" + built(me, build)["download_url"].partition("/v1/exports/")[2]
    assert client.get(path).status_code == 200
    with database.transaction() as session:
        session.execute(update(User).values(is_active=False))
    assert problem(client.get(path), 404)
