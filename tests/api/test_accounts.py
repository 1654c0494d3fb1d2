"""Reading and changing the own account."""

from datetime import UTC, datetime

import httpx
import pytest
from sqlalchemy import select

from core import clock
from core.database import Database
from core.job_names import EVALUATE_BUDGETS
from core.models import Budget
from tests.api.accounts import add_budget, pointers
from tests.api.calls import jobs_asked_for
from tests.cast import Cast


def test_without_a_token_there_is_nothing_to_see(client: httpx.Client) -> None:
    for answer in (client.get("/v1/me"), client.patch("/v1/me", json={}), client.delete("/v1/me")):
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_each_sees_their_own_account(cast: Cast) -> None:
    for person in (cast.owner, cast.member, cast.stranger):
        answer = person.client.get("/v1/me")
        assert answer.status_code == 200
        assert (answer.json()["id"], answer.json()["username"]) == (str(person.id), person.username)


def test_a_change_is_answered_and_kept(cast: Cast) -> None:
    changes = {"display_name": "Grace", "timezone": "America/New_York", "currency": "USD"}
    changed = cast.owner.client.patch("/v1/me", json=changes)
    assert changed.status_code == 200
    assert changed.json().items() >= changes.items()
    read = cast.owner.client.get("/v1/me")
    assert read.json() == changed.json()
    assert read.headers["ETag"] == changed.headers["ETag"] == '"2"'


@pytest.mark.parametrize("changes", [{}, {"timezone": "UTC", "currency": "EUR", "display_name": "owner"}])
def test_what_changes_nothing_leaves_the_version_as_it_is(cast: Cast, changes: dict[str, str]) -> None:
    answer = cast.owner.client.patch("/v1/me", json=changes)
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"1"')


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("display_name", None),
        ("display_name", ""),
        ("display_name", "a\tb"),
        ("timezone", None),
        ("timezone", "Mars/Olympus"),
        ("currency", "XTS"),
        ("currency", 978),
        ("username", "other"),
        ("email", "other@example.com"),
        ("password", "another password"),
        ("version", 7),
    ],
)
def test_what_cannot_be_changed_to_or_at_all_is_named(cast: Cast, field: str, value: object) -> None:
    assert pointers(cast.owner.client.patch("/v1/me", json={field: value})) == [f"/{field}"]


def test_a_change_based_on_an_older_version_is_refused(cast: Cast) -> None:
    etag = cast.owner.client.get("/v1/me").headers["ETag"]
    first = cast.owner.client.patch("/v1/me", json={"display_name": "One"}, headers={"If-Match": etag})
    second = cast.owner.client.patch("/v1/me", json={"display_name": "Two"}, headers={"If-Match": etag})
    assert (first.status_code, second.status_code) == (200, 412)
    assert cast.owner.client.get("/v1/me").json()["display_name"] == "One"


def test_in_another_time_zone_all_budgets_are_due_and_their_evaluation_is_asked_for(
    cast: Cast, database: Database
) -> None:
    far = datetime(2100, 1, 1, tzinfo=UTC)
    add_budget(database, cast.owner.id, next_period_at=far)
    add_budget(database, cast.owner.id, next_period_at=far, archived_at=clock.now())
    add_budget(database, cast.stranger.id, next_period_at=far)
    assert cast.owner.client.patch("/v1/me", json={"timezone": "Asia/Tokyo"}).status_code == 200
    with database.reading() as session:
        due = session.execute(
            select(Budget.user_id, Budget.archived_at).where(Budget.next_period_at <= clock.now())
        ).all()
    assert due == [(cast.owner.id, None)]
    assert jobs_asked_for(database) == [(EVALUATE_BUDGETS, str(cast.owner.id), {"from": None})]


def test_another_name_asks_for_no_evaluation(cast: Cast, database: Database) -> None:
    cast.owner.client.patch("/v1/me", json={"display_name": "Grace", "timezone": "UTC"})
    assert jobs_asked_for(database) == []
