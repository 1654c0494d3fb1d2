"""Exports over HTTP: asked for, followed, downloaded by whom they belong to, and by nobody else."""

import hashlib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import time_machine
from sqlalchemy import update

from core import clock
from core.config import Settings
from core.database import Database
from core.downloads import LINK_LIFETIME
from core.files import FileStore
from core.models import User
from core.services import exports
from core.services.exports import EXPORT_LIFETIME, EXPORT_MEMORY, expire_exports, purge_exports
from tests.api.calls import new_expense, new_export, problem, read, wrong_fields
from tests.cast import PASSWORD, Cast, http_client
from tests.core.test_files import make_old
from workers.long_jobs import CONNECTIONS, work_off_long
from workers.runtime import Runtime
from workers.tasks.exports import JOB
from workers.tasks.files import sweep_files

Build = Callable[[], int]

OTHER_ID = "0198f3a5-6c1e-7d42-9b07-5e2f8a41c3d6"


@pytest.fixture
def me(cast: Cast) -> httpx.Client:
    return cast.owner.client


@pytest.fixture
def build(settings: Settings, database: Database) -> Iterator[Build]:
    """Builds what is asked for, as a worker does; answers how many jobs there were."""
    runtime = Runtime(settings, {}, connections=CONNECTIONS)
    yield lambda: work_off_long(runtime, JOB)
    runtime.close()


@pytest.fixture
def files(settings: Settings) -> FileStore:
    """Those of the API and the worker, without what other tests have left there."""
    store = FileStore(settings.files)
    for sha256 in store.kept():
        store.path(sha256).unlink()
    return store


def built(me: httpx.Client, build: Build, **fields: Any) -> dict[str, Any]:
    asked = new_export(me, **fields)
    assert build() == 1
    done = read(me, f"/v1/exports/{asked['id']}")
    assert done["state"] == "succeeded"
    return done


def path_of(link: str) -> str:
    """What follows the host: tests reach the API under another one than the public."""
    url = urlsplit(link)
    return f"{url.path}?{url.query}"


def purge(database: Database) -> None:
    with database.transaction() as session:
        expire_exports(session)
        purge_exports(session)


def test_a_file_is_asked_for_built_and_downloaded(me: httpx.Client, build: Build) -> None:
    new_expense(me, "12.34", payee="Corner Bakery", tags=["trip"])
    asked = me.post("/v1/exports", json={"format": "csv"})
    one = asked.json()
    assert asked.status_code == 202
    assert asked.headers["Location"] == f"/v1/exports/{one['id']}"
    assert (one["state"], one["progress"], one["rows"], one["download_url"]) == ("queued", 0, None, None)
    assert read(me, asked.headers["Location"]) == one
    assert build() == 1
    done = read(me, asked.headers["Location"])
    got = me.get(f"/v1/exports/{one['id']}/download")
    assert (done["state"], done["progress"], done["rows"], done["error"]) == ("succeeded", 100, 1, None)
    assert (done["bytes"], done["sha256"]) == (len(got.content), hashlib.sha256(got.content).hexdigest())
    assert (
        got.content.decode()
        .splitlines()[1]
        .startswith("2026-05-04,12.34,EUR,,Corner Bakery,,trip,,,manual,,")
    )
    assert got.headers["Content-Type"].startswith("text/csv")
    assert re.search(r"attachment.*outlay-expenses-\d{4}-\d\d-\d\d\.csv", got.headers["Content-Disposition"])
    assert got.headers["X-Content-Type-Options"] == "nosniff"


def test_a_workbook_has_its_type_and_name(me: httpx.Client, build: Build) -> None:
    new_expense(me)
    done = built(me, build, format="xlsx")
    got = me.get(f"/v1/exports/{done['id']}/download")
    assert got.headers["Content-Type"].endswith("spreadsheetml.sheet")
    assert done["name"].endswith(".xlsx")
    assert done["name"] in got.headers["Content-Disposition"]
    assert got.content.startswith(b"PK")


def test_the_name_has_the_day_where_the_user_is(cast: Cast, client: httpx.Client) -> None:
    for timezone, day in (("Pacific/Kiritimati", "2026-05-05"), ("Pacific/Pago_Pago", "2026-05-03")):
        with time_machine.travel("2026-05-04T10:30:00+00:00", tick=True), log_in_again(client) as me:
            assert me.patch("/v1/me", json={"timezone": timezone}).status_code == 200
            assert new_export(me)["name"] == f"outlay-expenses-{day}.csv"


def test_filters_narrow_it_down_as_they_do_the_list(me: httpx.Client, build: Build) -> None:
    new_expense(me, "1.00", spent_on="2026-01-31", payee="Bakery")
    new_expense(me, "2.00", spent_on="2026-02-01", payee="Bakery", tags=["trip"])
    new_expense(me, "3.00", spent_on="2026-02-02", payee="Kiosk", currency="USD")
    for filters in (
        {"from": "2026-02-01"},
        {"to": "2026-01-31"},
        {"payee": "bakery", "min_amount": "1.5"},
        {"tag": "trip"},
        {"q": "kio", "sort": "-amount"},
        {"currency": "EUR", "max_amount": "1.5", "source": "manual"},
        {"category_id": OTHER_ID},
        {"sort": "amount"},
    ):
        listed = [item["id"] for item in read(me, "/v1/expenses", **{"sort": "spent_on", **filters})["items"]]
        done = built(me, build, **filters)
        content = me.get(path_of(done["download_url"])).text
        assert [line.rpartition(",")[2] for line in content.splitlines()[1:]] == listed, filters
        assert done["rows"] == len(listed)
        assert me.delete(f"/v1/exports/{done['id']}").status_code == 204


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/format"]),
        ({"format": "pdf"}, ["/format"]),
        ({"format": "csv", "dialect": "excel"}, ["/dialect"]),
        ({"format": "xlsx", "dialect": "standard"}, ["/dialect"]),
        ({"format": "csv", "from": "yesterday"}, ["/from"]),
        ({"format": "csv", "min_amount": "1,5"}, ["/min_amount"]),
        ({"format": "csv", "currency": "eur"}, ["/currency"]),
        ({"format": "csv", "sort": "payee"}, ["/sort"]),
        ({"format": "csv", "payee": "\0"}, ["/payee"]),
        ({"format": "csv", "limit": 5}, ["/limit"]),
        ({"format": "csv", "in_trash": True}, ["/in_trash"]),
    ],
)
def test_what_is_wrong_is_named(me: httpx.Client, body: dict[str, Any], pointers: list[str]) -> None:
    assert wrong_fields(me.post("/v1/exports", json=body)) == pointers
    assert read(me, "/v1/exports")["items"] == []


def test_asked_for_twice_with_a_key_it_is_built_once(me: httpx.Client, build: Build) -> None:
    first, second = (
        me.post("/v1/exports", json={"format": "csv"}, headers={"Idempotency-Key": "one"}) for _ in range(2)
    )
    assert (first.status_code, first.json()) == (second.status_code, second.json()) == (202, first.json())
    assert first.headers["Location"] == second.headers["Location"]
    other = me.post("/v1/exports", json={"format": "xlsx"}, headers={"Idempotency-Key": "one"})
    problem(other, 409)
    assert build() == 1


def test_the_list_has_the_newest_first_page_by_page(me: httpx.Client) -> None:
    asked = [new_export(me)["id"] for _ in range(3)]
    first = read(me, "/v1/exports", limit=2)
    second = read(me, "/v1/exports", limit=2, cursor=first["next_cursor"])
    assert [item["id"] for item in (*first["items"], *second["items"])] == asked[::-1]
    assert second["next_cursor"] is None
    assert wrong_fields(me.get("/v1/exports", params={"cursor": "nonsense"})) == ["cursor"]


def test_whoever_has_the_link_needs_no_token(me: httpx.Client, client: httpx.Client, build: Build) -> None:
    new_expense(me)
    done = built(me, build)
    assert done["download_url"].startswith("http://127.0.0.1:8000/v1/exports/")
    path = path_of(done["download_url"])
    content = client.get(path).content
    assert hashlib.sha256(content).hexdigest() == done["sha256"]
    part = client.get(path, headers={"Range": "bytes=5-9"})
    assert (part.status_code, part.content) == (206, content[5:10])
    problem(client.get(path, headers={"Range": "bytes=100000-"}), 416)
    assert client.get(path, headers={"If-None-Match": f'"{done["sha256"]}"'}).status_code == 304


def test_without_a_link_or_a_token_there_is_nothing(
    client: httpx.Client, me: httpx.Client, build: Build
) -> None:
    done = built(me, build)
    path = f"/v1/exports/{done['id']}/download"
    for other in (path, path.replace(done["id"], OTHER_ID)):
        assert problem(client.get(other), 401)
    expires, signature = re.findall("=([^&]+)", done["download_url"])
    wrong = {
        "only expires": {"expires": expires},
        "only the signature": {"signature": signature},
        "another expiry": {"expires": str(int(expires) + 1), "signature": signature},
        "another signature": {"expires": expires, "signature": "A" * 64},
        "nothing": {"expires": "", "signature": ""},
    }
    answers = [problem(client.get(path, params=query), 404) for query in wrong.values()]
    link = {"expires": expires, "signature": signature}
    answers.append(problem(client.get(path.replace(done["id"], OTHER_ID), params=link), 404))
    answers.append(problem(client.get(path.replace(done["id"], done["id"].upper()), params=link), 404))
    # With a token as well the link is what counts.
    answers.append(problem(me.get(path, params=wrong["another signature"]), 404))
    assert all(answer == answers[0] for answer in answers), "none tells more than another"
    assert client.get(path, params=link).status_code == 200


def test_not_one_bit_of_a_link_may_be_another(client: httpx.Client, me: httpx.Client, build: Build) -> None:
    new_expense(me)
    path = path_of(built(me, build)["download_url"])
    assert client.get(path).status_code == 200
    found = re.finditer(r"exports/([^/]+)|=([^&]+)", path)
    values = {index for match in found for index in range(*match.span(match.lastindex or 0))}
    for index in range(len("/v1/"), len(path)):
        # All bits of the values are tried in tests/core/test_downloads.py.
        changed = path[:index] + chr(ord(path[index]) ^ 1 << index % 5) + path[index + 1 :]
        if changed.isprintable() and changed[index] not in "#%/& ":
            status = client.get(changed).status_code
            assert status == 404 or (index not in values and status in (401, 422)), changed


def test_a_link_dies_after_an_hour_and_with_its_file(
    client: httpx.Client, me: httpx.Client, build: Build
) -> None:
    done = built(me, build)
    path = path_of(done["download_url"])
    with time_machine.travel(clock.now() + LINK_LIFETIME, tick=True):
        problem(client.get(path), 404)
    late = clock.now() + EXPORT_LIFETIME - timedelta(minutes=1)
    with time_machine.travel(late, tick=True), log_in_again(client) as later:
        other = path_of(read(later, f"/v1/exports/{done['id']}")["download_url"])
        assert client.get(other).status_code == 200
    with time_machine.travel(late + timedelta(minutes=2), tick=True):
        problem(client.get(other), 404)
    assert client.get(path).status_code == 200
    assert me.delete(f"/v1/exports/{done['id']}").status_code == 204
    problem(client.get(path), 404)
    problem(me.get(f"/v1/exports/{done['id']}/download"), 404)


def test_an_export_expires_and_is_forgotten_in_the_end(
    client: httpx.Client, me: httpx.Client, build: Build, database: Database, files: FileStore
) -> None:
    done, path = built(me, build), f"/v1/exports/{new_export(me)['id']}"
    one = f"/v1/exports/{done['id']}"
    purge(database)
    assert read(me, one) | {"download_url": ""} == done | {"download_url": ""}
    with time_machine.travel(clock.now() + EXPORT_LIFETIME, tick=True), log_in_again(client) as later:
        for _ in range(2):
            gone = read(later, one)
            assert (gone["state"], gone["download_url"], gone["sha256"]) == ("expired", None, None)
            assert gone["bytes"] == done["bytes"]
            problem(later.get(f"{one}/download"), 404)
            purge(database)
    make_old(files.path(done["sha256"]))
    assert sweep_files(database, files) == 1
    with (
        time_machine.travel(clock.now() + EXPORT_LIFETIME + EXPORT_MEMORY, tick=True),
        log_in_again(client) as later,
    ):
        assert read(later, one)["state"] == "expired"
        time.sleep(0.01)
        purge(database)
        problem(later.get(one), 404)
        assert read(later, path)["state"] == "queued", "what is not finished is not forgotten"


def test_the_file_of_a_deleted_export_goes_with_the_sweep(
    me: httpx.Client, build: Build, database: Database, files: FileStore
) -> None:
    new_expense(me)
    first, second = built(me, build), built(me, build)
    assert first["sha256"] == second["sha256"], "the same content is kept once"
    make_old(files.path(first["sha256"]))
    assert me.delete(f"/v1/exports/{first['id']}").status_code == 204
    assert sweep_files(database, files) == 0
    assert me.get(f"/v1/exports/{second['id']}/download").status_code == 200
    assert me.delete(f"/v1/exports/{second['id']}").status_code == 204
    assert sweep_files(database, files) == 1


def refused(me: httpx.Client) -> str:
    detail: str = problem(me.post("/v1/exports", json={"format": "csv"}), 409)["detail"]
    return detail


def test_a_user_has_room_for_so_many(me: httpx.Client, build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "MAX_PENDING", 2)
    first, second = new_export(me), new_export(me)
    assert (
        "2 exports are being built" in problem(me.post("/v1/exports", json={"format": "csv"}), 409)["detail"]
    )
    assert me.delete(f"/v1/exports/{second['id']}").status_code == 204
    new_export(me)
    assert build() == 3
    monkeypatch.setattr(exports, "MAX_KEPT", 2)
    assert "there may be 2" in refused(me)
    monkeypatch.setattr(exports, "MAX_KEPT", 50)
    monkeypatch.setattr(exports, "MAX_KEPT_BYTES", read(me, f"/v1/exports/{first['id']}")["bytes"])
    assert "all exports together" in refused(me)


def test_the_owner_is_told_once(me: httpx.Client, build: Build) -> None:
    new_expense(me)
    done = built(me, build)
    [told] = read(me, "/v1/notifications", kind="export.ready")["items"]
    assert told["data"] == {"export_id": done["id"], "format": "csv", "rows": 1, "bytes": done["bytes"]}
    assert build() == 0


def test_nobody_else_sees_or_touches_it(cast: Cast, build: Build) -> None:
    new_expense(cast.owner.client)
    done = built(cast.owner.client, build)
    for other in (cast.member.client, cast.stranger.client):
        assert read(other, "/v1/exports")["items"] == []
        for path in (f"/v1/exports/{done['id']}", f"/v1/exports/{done['id']}/download"):
            problem(other.get(path), 404)
        problem(other.delete(f"/v1/exports/{done['id']}"), 404)
    assert read(cast.owner.client, f"/v1/exports/{done['id']}")["state"] == "succeeded"


def test_a_file_that_is_not_there_yet_is_not_found(me: httpx.Client) -> None:
    problem(me.get(f"/v1/exports/{new_export(me)['id']}/download"), 404)


@contextmanager
def log_in_again(client: httpx.Client) -> Iterator[httpx.Client]:
    """The owner's client with a token of the present, wherever time has gone."""
    answer = client.post("/v1/auth/login", json={"login": "owner", "password": PASSWORD})
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    with http_client(str(client.base_url), **headers) as again:
        yield again


def test_the_links_of_a_deactivated_account_lead_nowhere(
    me: httpx.Client, client: httpx.Client, build: Build, database: Database
) -> None:
    path = "/v1/exports/" + built(me, build)["download_url"].partition("/v1/exports/")[2]
    assert client.get(path).status_code == 200
    with database.transaction() as session:
        session.execute(update(User).values(is_active=False))
    assert problem(client.get(path), 404)
