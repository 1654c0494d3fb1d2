"""Imports over HTTP: previewed, corrected, committed, undone, and nobody else's."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from api.resources import imports as resource
from core.config import Settings
from core.database import Database
from core.services import imports
from core.services.import_formats import MAX_FILE_BYTES
from tests.api.calls import (
    STATEMENT,
    another,
    assert_totals_are_right,
    new_import,
    problem,
    read,
    wrong_fields,
)
from tests.cast import Cast
from tests.processes import eventually
from workers.long_jobs import CONNECTIONS, work_off_long
from workers.runtime import Runtime
from workers.tasks.imports import COMMITTING, READING, UNDOING

MAY = b"""Date,Amount,Payee,Category
2026-05-04,-3.20,Corner Bakery,Groceries
2026-05-05,-41.00,Railway,Trips: Trains
2026-05-06,12.50,Railway,Trips: Trains
2026-05-07,nothing,Cinema,Leisure
2026-05-08,-1.00,Kiosk,
2026-05-09,-2.00,Kiosk,
"""


class Builder:
    """Does the jobs of imports, as a worker does."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def __call__(self) -> int:
        """Answers how many there were."""
        return sum(work_off_long(self._runtime, job) for job in (READING, COMMITTING, UNDOING))


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs are done when the test says so: no upload need wait for one."""
    monkeypatch.setattr(resource, "BEGIN_WAIT_S", 0.0)


@pytest.fixture
def me(cast: Cast) -> httpx.Client:
    return cast.owner.client


@pytest.fixture
def build(settings: Settings, database: Database) -> Iterator[Builder]:
    runtime = Runtime(settings, {}, connections=CONNECTIONS)
    yield Builder(runtime)
    runtime.close()


def preview(me: httpx.Client, build: Builder, content: bytes = MAY, **fields: Any) -> dict[str, Any]:
    asked = new_import(me, content, **fields)
    assert build() == 1
    return read(me, f"/v1/imports/{asked['id']}")


def commit(me: httpx.Client, build: Builder, import_id: str, **body: Any) -> dict[str, Any]:
    answer = me.post(f"/v1/imports/{import_id}/commit", json=body)
    assert answer.status_code == 202, answer.text
    assert build() == 1
    return read(me, f"/v1/imports/{import_id}")


def test_an_upload_is_queued_where_nobody_reads(me: httpx.Client) -> None:
    answer = me.post("/v1/imports", files={"file": ("may.csv", MAY)})
    shown = answer.json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/v1/imports/{shown['id']}"
    assert answer.headers["Retry-After"] == "1"
    assert (shown["state"], shown["name"], shown["bytes"]) == ("queued", "may.csv", len(MAY))
    assert (shown["rows"], shown["progress"], shown["mapping"]) == (0, 0, None)
    assert read(me, answer.headers["Location"]) == shown
    assert read(me, "/v1/imports") == {"items": [shown], "next_cursor": None}


def test_an_upload_is_answered_with_its_preview_where_somebody_reads(
    me: httpx.Client, build: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "BEGIN_WAIT_S", 60.0)
    reader = threading.Thread(target=lambda: eventually(lambda: build() == 1))
    reader.start()
    answer = me.post("/v1/imports", files={"file": ("may.csv", MAY)})
    reader.join()
    assert (answer.status_code, answer.json()["state"]) == (202, "preview"), answer.text
    assert "Retry-After" not in answer.headers
    assert answer.json() == read(me, answer.headers["Location"])


def test_a_preview_shows_all_that_is_to_be_decided(me: httpx.Client, build: Builder) -> None:
    shown = preview(me, build)
    counts = ("rows", "problems", "duplicates", "credits", "chosen", "committed")
    assert [shown[name] for name in counts] == [5, 1, 0, 1, 5, 0]
    assert (shown["state"], shown["format"], shown["progress"]) == ("preview", "csv", 100)
    assert (shown["first_day"], shown["last_day"]) == ("2026-05-04", "2026-05-09")
    assert shown["sums"] == [
        {"currency": "EUR", "rows": 5, "spent": "47.20", "received": "12.50", "repaid": "0.00"}
    ]
    assert shown["headers"] == ["Date", "Amount", "Payee", "Category"]
    assert shown["samples"][0] == ["2026-05-04", "-3.20", "Corner Bakery", "Groceries"]
    assert shown["mapping"]["columns"]["day"] == 0
    groceries = read(me, "/v1/categories", limit=100)["items"]
    (known,) = [one["id"] for one in groceries if one["name"] == "Groceries"]
    assert sorted(shown["categories"], key=lambda one: one["name"]) == [
        {"name": "Groceries", "rows": 1, "category_id": known},
        {"name": "Trips: Trains", "rows": 2, "category_id": None},
    ]
    (wrong,) = shown["first_problems"]
    assert (wrong["line"], wrong["field"]) == (5, "amount")
    assert shown["expires_at"] > shown["updated_at"]
    assert read(me, "/v1/expenses")["items"] == []


def test_the_rows_are_paged_and_filtered(me: httpx.Client, build: Builder) -> None:
    path = f"/v1/imports/{preview(me, build)['id']}/rows"
    page = read(me, path, limit=3)
    rest = read(me, path, limit=3, cursor=page["next_cursor"])
    assert [row["line"] for row in (*page["items"], *rest["items"])] == [2, 3, 4, 5, 6, 7]
    assert rest["next_cursor"] is None
    assert page["items"][0] == {
        "line": 2,
        "state": "ready",
        "values": {
            "spent_on": "2026-05-04",
            "amount": "3.20",
            "currency": "EUR",
            "payee": "Corner Bakery",
            "note": None,
            "category": "Groceries",
            "tags": [],
            "bank_id": None,
            "account": None,
            "is_pending": False,
            "is_repayment": False,
            "paid_by": [],
            "shares": [],
        },
        "problem": None,
        "duplicate": None,
        "expense_id": None,
    }
    (wrong,) = read(me, path, state="problem")["items"]
    assert (wrong["line"], wrong["values"], wrong["problem"]["field"]) == (5, None, "amount")
    assert wrong_fields(me.get(path, params={"state": "lost"})) == ["state"]
    assert wrong_fields(me.get(path, params={"cursor": "WzQyOTQ5NjcyOTZd"})) == ["cursor"]


def test_it_is_committed_and_undone(me: httpx.Client, build: Builder, database: Database) -> None:
    import_id = preview(me, build)["id"]
    done = commit(me, build, import_id)
    assert (done["state"], done["committed"], done["progress"]) == ("succeeded", 5, 100)
    listed = read(me, "/v1/expenses", source="import")["items"]
    assert sorted(one["amount"] for one in listed) == ["-12.50", "1.00", "2.00", "3.20", "41.00"]
    rows = read(me, f"/v1/imports/{import_id}/rows", state="committed")["items"]
    assert {row["expense_id"] for row in rows} == {one["id"] for one in listed}
    names = {one["id"]: one for one in read(me, "/v1/categories", limit=100)["items"]}
    trains = names[next(one["category_id"] for one in listed if one["payee"] == "Railway")]
    assert (trains["name"], names[trains["parent_id"]]["name"]) == ("Trains", "Trips")
    (told,) = read(me, "/v1/notifications", kind="import.finished")["items"]
    assert told["data"]["import_id"] == import_id
    assert_totals_are_right(database)

    answer = me.delete(f"/v1/imports/{import_id}")
    assert (answer.status_code, answer.json()["state"]) == (202, "undoing")
    assert me.delete(f"/v1/imports/{import_id}").status_code == 202, "asked again it is no other wish"
    assert build() == 1
    assert read(me, f"/v1/imports/{import_id}")["state"] == "undone"
    assert read(me, "/v1/expenses")["items"] == []
    assert read(me, "/v1/expenses", in_trash=True)["items"] == []
    assert trains["id"] not in {one["id"] for one in read(me, "/v1/categories", limit=100)["items"]}
    assert_totals_are_right(database)
    assert me.delete(f"/v1/imports/{import_id}").status_code == 204
    problem(me.get(f"/v1/imports/{import_id}"), 404)


def test_a_commit_heeds_its_choices(me: httpx.Client, build: Builder) -> None:
    import_id = preview(me, build)["id"]
    path = f"/v1/imports/{import_id}/commit"
    assert wrong_fields(me.post(path, json={"categories": {"No/such": None}})) == ["/categories/No~1such"]
    assert wrong_fields(me.post(path, json={"categories": {"Groceries": import_id}})) == [
        "/categories/Groceries"
    ]
    assert wrong_fields(me.post(path, json={"categories": {"x" * 10_000: None}})) == ["/categories"]
    assert wrong_fields(me.post(path, json={"rows": {"only": [0]}})) == ["/rows/only/0"]
    assert wrong_fields(me.post(path, json={"include_duplicates": "yes"})) == ["/include_duplicates"]
    done = commit(
        me,
        build,
        import_id,
        rows={"except": [4]},
        include_duplicates=[3],
        categories={"Trips: Trains": None, "Groceries": "create"},
    )
    assert (done["chosen"], done["committed"]) == (4, 4)
    listed = {one["payee"]: one["category_id"] for one in read(me, "/v1/expenses")["items"]}
    assert listed["Railway"] is None
    problem(me.post(path, json={}), 409)


def test_a_commit_needs_no_body_and_is_done_once_for_a_key(me: httpx.Client, build: Builder) -> None:
    path = f"/v1/imports/{preview(me, build)['id']}/commit"
    key = {"Idempotency-Key": "commit-1"}
    first, second = me.post(path, headers=key), me.post(path, headers=key)
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    assert build() == 1
    assert len(read(me, "/v1/expenses")["items"]) == 5
    problem(me.post(path), 409)


def test_the_same_upload_with_a_key_is_one_import(me: httpx.Client) -> None:
    def upload(content: bytes, **fields: str) -> httpx.Response:
        headers = {"Idempotency-Key": "upload-1"}
        return me.post("/v1/imports", files={"file": ("a.csv", content)}, data=fields, headers=headers)

    first, second = upload(MAY), upload(MAY)
    assert first.json() == second.json()
    assert len(read(me, "/v1/imports")["items"]) == 1
    problem(upload(MAY + b"\n"), 409)
    problem(upload(MAY, format="csv"), 409)


def test_a_mapping_can_be_given_and_corrected(me: httpx.Client, build: Builder) -> None:
    file = b"When;How much;Who\n03/04/2026;3,20;Bakery\n"
    mapping = {
        "currency": "USD",
        "delimiter": ";",
        "decimal_sign": ",",
        "date_order": "dmy",
        "header_row": 1,
        "amount_sign": "positive_is_spent",
        "columns": {"day": 0, "amount": 1, "payee": 2},
    }
    shown = preview(me, build, file, format="csv", mapping=json.dumps(mapping))
    assert (shown["first_day"], shown["sums"][0]["currency"]) == ("2026-04-03", "USD")
    path = f"/v1/imports/{shown['id']}"
    corrected = {"mapping": {**shown["mapping"], "date_order": "mdy"}}
    assert me.patch(path, json=corrected, headers={"If-Match": '"1"'}).status_code == 412
    etag = me.get(path).headers["ETag"]
    answer = me.patch(path, json=corrected, headers={"If-Match": etag})
    assert (answer.status_code, answer.json()["state"]) == (202, "queued")
    problem(me.patch(path, json=corrected), 409)
    assert build() == 1
    assert read(me, path)["first_day"] == "2026-03-04"
    wrong = {"mapping": {**shown["mapping"], "date_order": "upwards"}}
    assert wrong_fields(me.patch(path, json=wrong)) == ["/mapping/date_order"]
    assert wrong_fields(me.patch(path, json={})) == ["/mapping"]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"format": "doc"}, "/format"),
        ({"format": "x" * 100}, "/format"),
        ({"mapping": "{"}, "/mapping"),
        ({"mapping": "{}"}, "/mapping/currency"),
        ({"mapping": '{"currency": "EUR", "columns": {"day": -1}}'}, "/mapping/columns/day"),
        ({"mapping": '{"currency": "EUR", "encoding": "rot13"}'}, "/mapping/encoding"),
        ({"mapping": '{"currency": "\\ud800"}'}, "/mapping/currency"),
        ({"mapping": "[" * 10_000}, "/mapping"),
        ({"mapping": "x" * 100_000}, "/mapping"),
        ({"group_id": "none"}, "/group_id"),
        ({"group_id": "0198f3a5-6c1e-7d42-9b07-5e2f8a41c3d6", "format": "csv"}, "/group_id"),
        ({"format": "splitwise"}, "/group_id"),
        ({"color": "red"}, "/color"),
        ({"format": ["csv", "csv"]}, "/format"),
    ],
    ids=repr,
)
def test_what_is_wrong_with_the_form_is_named(me: httpx.Client, fields: Any, pointer: str) -> None:
    answer = me.post("/v1/imports", files={"file": ("a.csv", MAY)}, data=fields)
    assert wrong_fields(answer) == [pointer]
    assert read(me, "/v1/imports")["items"] == []


def test_a_form_needs_one_file_that_is_not_empty(me: httpx.Client) -> None:
    assert wrong_fields(me.post("/v1/imports", files={"file": ("a.csv", b"")})) == ["/file"]
    nothing = me.post("/v1/imports", files={"format": (None, "csv")})
    assert wrong_fields(nothing) == ["/file"]
    two = [("file", ("a.csv", MAY)), ("file", ("b.csv", MAY))]
    assert wrong_fields(me.post("/v1/imports", files=two)) == ["/file"]
    problem(me.post("/v1/imports", json={}), 415)


def test_a_file_that_is_too_large_is_refused_while_it_comes_in(me: httpx.Client) -> None:
    problem(me.post("/v1/imports", files={"file": ("a.csv", b"x" * (MAX_FILE_BYTES + 1))}), 413)


def test_only_so_many_wait(me: httpx.Client, build: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "MAX_OPEN_IMPORTS", 2)
    first = preview(me, build)
    preview(me, build)
    problem(me.post("/v1/imports", files={"file": ("a.csv", MAY)}), 409)
    assert me.delete(f"/v1/imports/{first['id']}").status_code == 204
    new_import(me)


def test_imports_are_listed_by_state(me: httpx.Client, build: Builder) -> None:
    first = commit(me, build, preview(me, build)["id"])
    second = preview(me, build, STATEMENT)
    assert [one["id"] for one in read(me, "/v1/imports")["items"]] == [second["id"], first["id"]]
    assert read(me, "/v1/imports", state="succeeded")["items"] == [first]
    page = read(me, "/v1/imports", limit=1)
    assert read(me, "/v1/imports", limit=1, cursor=page["next_cursor"])["items"] == [first]


def test_nobody_else_sees_or_touches_it(cast: Cast, build: Builder) -> None:
    import_id = preview(cast.owner.client, build)["id"]
    path = f"/v1/imports/{import_id}"
    for other in (cast.member.client, cast.stranger.client):
        for answer in (
            other.get(path),
            other.get(f"{path}/rows"),
            other.patch(path, json={"mapping": {"currency": "EUR"}}),
            other.post(f"{path}/commit"),
            other.delete(path),
        ):
            assert problem(answer, 404)["detail"] == "no such import"
        assert read(other, "/v1/imports")["items"] == []
    assert read(cast.owner.client, path)["state"] == "preview"


def test_of_many_commits_at_once_one_is_done(me: httpx.Client, build: Builder) -> None:
    import_id = preview(me, build)["id"]
    statuses: list[int] = []

    def ask() -> None:
        with another(me) as client:
            statuses.append(client.post(f"/v1/imports/{import_id}/commit").status_code)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [202, *[409] * 5]
    assert build() == 1
    assert len(read(me, "/v1/expenses")["items"]) == 5


@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.sampled_from(
            [b"Date,Amount\n", b"2026-05-04,-3.20\n", b'"', b",", b"\r", b"\0", b"\xff\xfe", b"PK\x03\x04",
             b"OFXHEADER:100\n<OFX>", b"<?xml version='1.0'?>", b"<Document>", b"!Type:Bank\n", b"{", b"[",
             b"D05/04/2026\n", b"T-3.20\n^\n", b'"expenses"', b";", b"1e309", b"\xf0\x9f\x92\xa9",
             b"<!ENTITY a '&b;'>"]
        ),
        max_size=8,
    ).map(b"".join)
)  # fmt: skip
def test_no_file_is_our_fault(me: httpx.Client, build: Builder, content: bytes) -> None:
    answer = me.post("/v1/imports", files={"file": ("a", content)})
    if not content:
        assert answer.status_code == 422
        return
    started = time.monotonic()
    assert answer.status_code == 202
    assert build() == 1
    shown = read(me, answer.headers["Location"])
    assert shown["state"] in ("preview", "failed")
    assert shown["state"] == "preview" or shown["error"]["detail"]
    read(me, f"{answer.headers['Location']}/rows")
    assert time.monotonic() - started < 20
    assert me.delete(answer.headers["Location"]).status_code == 204


def test_rows_are_chosen_in_one_way(me: httpx.Client, build: Builder) -> None:
    made = new_import(me)
    build()
    answer = me.post(f"/v1/imports/{made['id']}/commit", json={"rows": {"only": [2], "except": [3]}})
    assert wrong_fields(answer) == ["/rows"]
