"""All that is one's own: out by POST /v1/exports, and in again by POST /v1/imports."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from api.resources import imports as resource
from core.config import Settings
from core.database import Database
from core.models import RefreshToken, User
from tests.api.calls import (
    assert_totals_are_right,
    new_attachment,
    new_category,
    new_expense,
    new_export,
    new_import,
    new_rule,
    read,
    wrong_fields,
)
from tests.api.groups import MadeGroup, address_of, invite, make_group, viewer
from tests.cast import PASSWORD, Cast, Person
from tests.core.services.household import settle_splits
from workers.long_jobs import CONNECTIONS, LongJob, work_off_long
from workers.runtime import Runtime
from workers.tasks.exports import JOB as BUILDING
from workers.tasks.imports import COMMITTING, READING, UNDOING

Document = dict[str, Any]


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs are done when the test says so: no upload need wait for one."""
    monkeypatch.setattr(resource, "BEGIN_WAIT_S", 0.0)


@pytest.fixture
def work(settings: Settings, database: Database) -> Iterator[Callable[[LongJob], None]]:
    """Does a job that is asked for, as a worker does."""
    runtime = Runtime(settings, {}, connections=CONNECTIONS)

    def work(job: LongJob) -> None:
        assert work_off_long(runtime, job) == 1

    yield work
    runtime.close()


Work = Callable[[LongJob], None]


def archive_of(person: Person, work: Work) -> bytes:
    asked = new_export(person.client, format="json")
    work(BUILDING)
    path = f"/v1/exports/{asked['id']}"
    done = read(person.client, path)
    assert (done["state"], done["name"].rpartition(".")[2]) == ("succeeded", "json")
    answer = person.client.get(f"{path}/download")
    assert answer.headers["Content-Type"] == "application/json"
    return answer.content


def document_of(person: Person, work: Work) -> Document:
    found: Document = json.loads(archive_of(person, work))
    return found


def preview(person: Person, work: Work, content: bytes) -> dict[str, Any]:
    asked = new_import(person.client, content)
    work(READING)
    return read(person.client, f"/v1/imports/{asked['id']}")


def commit(person: Person, work: Work, found: dict[str, Any], **body: Any) -> dict[str, Any]:
    path = f"/v1/imports/{found['id']}"
    assert person.client.post(f"{path}/commit", json=body).status_code == 202
    work(COMMITTING)
    return read(person.client, path)


def everything(client: httpx.Client) -> dict[str, Any]:
    """What a client sees of its own, by the names of categories."""
    names = {item["id"]: item["name"] for item in read(client, "/v1/categories")["items"]} | {None: None}
    found: dict[str, Any] = {"categories": sorted(map(str, names.values()))}
    for name in ("expenses", "budgets", "rules", "alerts"):
        found[name] = read(client, f"/v1/{name}")["items"]
    found["trash"] = read(client, "/v1/expenses", in_trash="true")["items"]
    for expense in found["expenses"]:
        files = read(client, f"/v1/expenses/{expense['id']}/attachments")["items"]
        paths = [f"/v1/expenses/{expense['id']}/attachments/{one['id']}" for one in files]
        expense["files"] = [client.get(path).content for path in paths]
    text = json.dumps(found, default=lambda content: b64encode(content).decode())
    renamed: dict[str, Any] = json.loads(text, object_hook=lambda one: {**one, **_named(one, names)})
    return renamed


def _named(one: dict[str, Any], names: dict[Any, Any]) -> dict[str, Any]:
    named: dict[str, Any] = {}
    if "category_id" in one:
        named["category_id"] = names[one["category_id"]]
    if "category_ids" in one:
        named["category_ids"] = sorted(names[category_id] for category_id in one["category_ids"])
    return named


def fill(client: httpx.Client) -> None:
    """Something of everything that an archive brings."""
    garden = new_category(client, "Gardening", color="#558b2f")
    seeds = new_category(client, "Seeds \u2713", parent_id=garden["id"])
    groceries = {one["name"]: one["id"] for one in read(client, "/v1/categories")["items"]}["Groceries"]
    lines = [
        {"amount": "3.00", "category_id": seeds["id"], "note": "line\n\u0627\u0644\u0639\u0631\u0628"},
        {"amount": "-1.00", "category_id": groceries},
    ]
    note = 'He said: "so\\be it"\n\U0001f469\u200d\U0001f467'
    itemised = new_expense(client, "2.00", lines=lines, note=note, tags=["b", "a"])
    new_attachment(client, itemised["id"])
    new_expense(client, "1500", currency="JPY", category_id=garden["id"], payee="\u6771\u4eac")
    new_expense(client, "-1.234", currency="KWD", exchange_rate={"currency": "EUR", "rate": "2.95"})
    gone = new_expense(client, "9.99")
    client.delete(f"/v1/expenses/{gone['id']}")
    budget = {"name": "Garden", "amount": "10.00", "category_ids": [garden["id"], groceries]}
    assert client.post("/v1/budgets", json=budget).status_code == 201
    new_rule(client, then={"category_id": seeds["id"]})


def test_an_account_moves_to_another(cast: Cast, work: Work, database: Database) -> None:
    fill(cast.owner.client)
    archive = archive_of(cast.owner, work)
    empty = everything(cast.stranger.client)
    found = preview(cast.stranger, work, archive)
    assert (found["format"], found["state"], found["problems"]) == ("outlay_json", "preview", 0)
    lists = {one["name"]: (one["new"], one["known"]) for one in found["lists"]}
    assert lists["expenses"] == (4, 0)
    assert (lists["categories"][0], lists["attachments"]) == (2, (1, 0))
    assert {one["currency"]: one["spent"] for one in found["sums"]} == {
        "EUR": "2.00", "JPY": "1500", "KWD": "0.000",
    }  # fmt: skip
    done = commit(cast.stranger, work, found)
    assert (done["state"], done["progress"], done["problems"]) == ("succeeded", 100, 0)
    assert everything(cast.stranger.client) == everything(cast.owner.client)
    assert_totals_are_right(database)
    again = commit(cast.stranger, work, preview(cast.stranger, work, archive))
    assert (again["committed"], again["duplicates"]) == (0, done["committed"] + lists["categories"][1])
    assert everything(cast.stranger.client) == everything(cast.owner.client)
    assert cast.stranger.client.delete(f"/v1/imports/{done['id']}").status_code == 202
    work(UNDOING)
    assert everything(cast.stranger.client) == empty
    assert_totals_are_right(database)


def test_settings_come_along_if_they_are_wanted(cast: Cast, work: Work) -> None:
    me, other = cast.owner.client, cast.stranger.client
    me.patch("/v1/me", json={"currency": "JPY", "timezone": "Asia/Tokyo"})
    found = preview(cast.stranger, work, archive_of(cast.owner, work))
    assert any("Asia/Tokyo" in note for note in found["notes"])
    commit(cast.stranger, work, found, settings=True)
    user = read(other, "/v1/me")
    assert (user["currency"], user["timezone"], user["username"]) == ("JPY", "Asia/Tokyo", "stranger")


def test_an_archive_is_committed_as_a_whole(cast: Cast, work: Work) -> None:
    me = cast.owner.client
    found = preview(cast.owner, work, archive_of(cast.owner, work))
    answer = me.post(f"/v1/imports/{found['id']}/commit", json={"rows": {"only": [1]}})
    assert wrong_fields(answer) == [""]
    statement = new_import(me)
    work(READING)
    answer = me.post(f"/v1/imports/{statement['id']}/commit", json={"settings": True})
    assert wrong_fields(answer) == ["/settings"]


def test_an_archive_has_no_filters(cast: Cast) -> None:
    answer = cast.owner.client.post("/v1/exports", json={"format": "json", "from": "2026-01-01"})
    assert wrong_fields(answer) == ["/format"]


def test_an_archive_may_be_larger_than_a_statement(
    cast: Cast, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "MAX_FILE_BYTES", 100)
    archive = archive_of(cast.owner, work)
    assert len(archive) > 100
    assert preview(cast.owner, work, archive)["state"] == "preview"
    files = {"file": ("may.csv", b"Date,Amount\n" + b"2026-05-04,1.00\n" * 20)}
    assert cast.owner.client.post("/v1/imports", files=files).status_code == 413
    monkeypatch.setattr(resource, "MAX_ARCHIVE_BYTES", 200)
    assert cast.owner.client.post("/v1/imports", files={"file": ("a", archive)}).status_code == 413


def test_it_holds_no_secret(cast: Cast, work: Work, database: Database) -> None:
    invite(cast.owner, make_group(cast.owner).id, "somebody@example.net")
    key = {"Idempotency-Key": "a-key-of-mine"}
    cast.owner.client.post("/v1/expenses", json={"amount": "1.00"}, headers=key)
    archive = archive_of(cast.owner, work).decode()
    with database.reading() as session:
        secrets = [PASSWORD, "a-key-of-mine", *session.scalars(select(User.password_hash))]
        for token_hash in session.scalars(select(RefreshToken.token_hash)):
            secrets += [token_hash.hex(), b64encode(token_hash).decode()]
    secrets += [cast.owner.tokens["access_token"], cast.owner.tokens["refresh_token"]]
    assert [secret for secret in secrets if secret in archive] == []


def test_of_groups_it_has_what_one_sees(cast: Cast, work: Work, database: Database) -> None:
    group = make_group(cast.owner, cast.member)
    viewer(cast.owner, group, cast.stranger)
    other = make_group(cast.member)
    invite(cast.owner, group.id, "somebody@example.net")
    share_dinner(cast.owner, group, database)
    mine, theirs, seen = (document_of(one, work) for one in (cast.owner, cast.member, cast.stranger))
    assert [one["id"] for one in mine["groups"]] == [one["id"] for one in seen["groups"]] == [group.id]
    assert {one["id"] for one in theirs["groups"]} == {group.id, other.id}
    for found in (mine, theirs, seen):
        (dinner,) = found["group_expenses"]
        assert (dinner["amount"], dinner["state"]) == ("12.00", "split")
        own = next(one for one in found["groups"] if one["id"] == group.id)
        (me,) = [member["id"] for member in own["members"] if member["is_me"]]
        share = next((one["amount"] for one in dinner["shares"] if one["member_id"] == me), None)
        mirrored = [one for one in found["expenses"] if one["id"] == dinner["my_expense_id"]]
        assert [one["amount"] for one in mirrored] == ([] if share is None else [share])
        posted, balances = (
            sum(Decimal(one["amount"]) for one in items if one["member_id"] == me)
            for items in (found["postings"], own["balances"])
        )
        assert posted == balances
        assert {one["kind"] for one in found["group_activity"]} >= {"expense.added"}
    pending = [one["email"] for one in mine["invitations"] if one["state"] == "pending"]
    assert pending == ["somebody@example.net"]
    assert (theirs["invitations"], seen["invitations"]) == ([], [])
    assert address_of(cast.member) not in json.dumps(seen)
    done = commit(cast.stranger, work, preview(cast.stranger, work, json.dumps(mine).encode()))
    assert done["problems"] == 0
    assert len(read(cast.stranger.client, "/v1/groups")["items"]) == 1, "groups are not made anew"
    sources = {one["source"] for one in read(cast.stranger.client, "/v1/expenses")["items"]}
    assert "import" in sources


def share_dinner(owner: Person, group: MadeGroup, database: Database) -> None:
    """An expense of the group, split by the job."""
    expense = {"amount": "12.00", "description": "Dinner", "spent_on": "2026-05-04"}
    assert owner.client.post(f"{group.path}/expenses", json=expense).status_code == 201
    with database.transaction() as session:
        settle_splits(session)
