"""Administrators read the logs of a running API: which lines, how many, and nothing secret in them."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from core.commands.ports import free_port
from core.config import Settings
from tests.api.calls import new_api_key, new_expense, problem, read, wrong_fields
from tests.cast import PASSWORD, Cast, http_client, register_cast
from tests.conftest import REDIS
from tests.processes import eventually
from tests.running_api import RunningApi

MASTER_KEY = "a master key of the tests, long enough for all"
LOGS = "/v1/admin/logs"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs"


@pytest.fixture
def logged(sqlite_url: str, tmp_path: Path, folder: Path) -> Iterator[str]:
    """The address of an API in a process of its own, that logs to the folder."""
    port = free_port()
    variables = {
        "OUTLAY_DATABASE_URL": sqlite_url, "OUTLAY_DATA_DIR": str(tmp_path), "OUTLAY_API_PORT": str(port),
        "OUTLAY_LOG_LEVEL": "DEBUG", "OUTLAY_LOG_DIR": str(folder), "OUTLAY_BCRYPT_COST": "4",
        "OUTLAY_MASTER_KEY": MASTER_KEY, "OUTLAY_LIMIT_FACTOR": "1000",
        "OUTLAY_REDIS_URL": os.environ[REDIS], "OUTLAY_REDIS_PREFIX": f"test-logs-{port}",
    }  # fmt: skip
    with (tmp_path / "stdout").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "api"], env={**os.environ, **variables}, stdout=output, stderr=output
        )
        try:
            with http_client(f"http://127.0.0.1:{port}") as client:
                assert eventually(lambda: is_up(client), within_s=30)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture
def reader(settings: Settings, folder: Path) -> Iterator[httpx.Client]:
    """Somebody with the master key, at an API that has the same folder."""
    with (
        RunningApi(msgspec.structs.replace(settings, master_key=MASTER_KEY, log_dir=str(folder))) as api,
        http_client(api.url, Authorization=f"Bearer {MASTER_KEY}") as client,
    ):
        yield client


def is_up(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


def lines(client: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = read(client, LOGS, **query)["items"]
    return items


def test_what_an_api_has_logged_is_read_by_name_and_holds_no_secret(
    logged: str, reader: httpx.Client, folder: Path
) -> None:
    with http_client(logged) as client, register_cast(client) as cast:
        new_expense(cast.owner.client, "1234.56", payee="Secret Bakery", note="a private note")
        wrong = {"login": "owner", "password": f"{PASSWORD}x"}
        assert client.post("/v1/auth/login", json=wrong).status_code == 401
        key = new_api_key(cast.owner.client)["key"]
        given = {"X-Request-Id": "an-id-of-the-clients"}
        assert cast.owner.client.get("/v1/me", headers=given).status_code == 200
        secrets = [PASSWORD, MASTER_KEY, key, "1234.56", "Secret Bakery", "a private note"]
        tokens = [cast.owner.tokens[name] for name in ("access_token", "refresh_token")]
        secrets += [*tokens, "owner@example"]
    is_told = re.compile(r'"request\.done".*an-id-of-the-clients').search
    assert eventually(lambda: is_told((folder / "app.log").read_text()) is not None)
    its = [one for one in lines(reader, level="info", limit=200) if "an-id-of-the-clients" in str(one)]
    [line] = [one for one in its if one["event"] == "request.done"]
    assert (line["level"], line["process"], line["exception"]) == ("info", "api", None)
    assert (line["fields"]["route"], line["fields"]["status"]) == ("/v1/me", 200)
    assert line["timestamp"].endswith("Z")
    audited = {one["fields"].get("action") for one in lines(reader, name="audit", limit=200)}
    assert {"account.created", "session.opened", "api_key.created"} <= audited
    for name in ("app", "error", "audit", "alert"):
        answer = reader.get(LOGS, params={"name": name, "level": "debug", "limit": 200})
        assert answer.status_code == 200
        assert [secret for secret in secrets if secret in answer.text] == [], name


def test_the_newest_come_first_by_level_and_no_more_than_asked_for(
    reader: httpx.Client, folder: Path
) -> None:
    path = folder / "alert.log"
    path.write_text(
        "".join(
            f'{{"level": "{level}", "event": "{number}"}}\n'
            for number, level in enumerate(["error", "info", "warning", "debug"])
        )
        + 'half of a li\n{"level": ["odd"], "event": "no level of ours"}\n'
    )
    assert [one["event"] for one in lines(reader, name="alert")] == ["3", "2", "1", "0"]
    assert [one["event"] for one in lines(reader, name="alert", level="warning")] == ["2", "0"]
    assert [one["event"] for one in lines(reader, name="alert", level="critical")] == []
    assert [one["event"] for one in lines(reader, name="alert", limit=1)] == ["3"]
    path.unlink()
    assert lines(reader, name="alert") == [], "nothing has been logged"


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ({"name": "../secret"}, ["name"]),
        ({"name": "app.log"}, ["name"]),
        ({"name": ""}, ["name"]),
        ({"level": "loud"}, ["level"]),
        ({"level": "INFO"}, ["level"]),
        ({"limit": 0}, ["limit"]),
        ({"limit": 201}, ["limit"]),
        ({"lines": 3}, ["lines"]),
    ],
)
def test_another_query_is_refused(reader: httpx.Client, query: dict[str, Any], wrong: list[str]) -> None:
    assert wrong_fields(reader.get(LOGS, params=query)) == wrong


def test_a_folder_that_cannot_be_read_is_no_error_of_the_api(reader: httpx.Client, folder: Path) -> None:
    (folder / "error.log").mkdir()
    assert problem(reader.get(LOGS, params={"name": "error"}), 409)["detail"] == (
        "the log folder cannot be read"
    )


def test_where_no_folder_is_set_it_says_so(settings: Settings, cast: Cast) -> None:
    with (
        RunningApi(msgspec.structs.replace(settings, master_key=MASTER_KEY)) as api,
        http_client(api.url, Authorization=f"Bearer {MASTER_KEY}") as master,
    ):
        assert "OUTLAY_LOG_DIR" in problem(master.get(LOGS), 409)["detail"]
    assert problem(cast.stranger.client.get(LOGS), 403)["detail"] == "for administrators only"
