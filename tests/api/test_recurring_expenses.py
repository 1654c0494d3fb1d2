"""Recurring expenses as clients set them up, change them, and see what comes of them."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
import time_machine
from sqlalchemy import insert

from core import clock
from core.database import Database
from core.ids import new_id
from core.models import RecurringExpense, RecurringOccurrence
from core.services.recurring_expenses import MAX_RECURRING
from tests.api.accounts import count
from tests.api.calls import new_category, new_expense, new_recurring, problem, read, wrong_fields
from tests.cast import PASSWORD, Cast
from tests.copying import Copy
from tests.core.services.bookkeeper import tick

PATH = "/v1/recurring-expenses"
MISSING = "018f0000-0000-7000-8000-000000000000"
LAST_WORKING_DAY = "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1"


@pytest.fixture
def me(cast: Cast) -> httpx.Client:
    return cast.owner.client


@pytest.fixture
def today() -> date:
    """Of everybody here, whose time zone is UTC."""
    return clock.now().date()


def test_one_is_set_up_and_read_as_it_was_given(me: httpx.Client, today: date) -> None:
    category = new_category(me, "Flat")
    body = {
        "amount": 900.5, "currency": "CHF", "payee": "Landlord", "note": "Flat 3", "tags": ["home"],
        "category_id": category["id"], "rrule": LAST_WORKING_DAY.lower(), "starts_on": "2026-01-01",
        "ends_on": "2190-12-31", "remind_days_before": 3,
    }  # fmt: skip
    answer = me.post(PATH, json=body)
    assert answer.status_code == 201, answer.text
    found = answer.json()
    assert (answer.headers["ETag"], answer.headers["Location"]) == ('"1"', f"{PATH}/{found['id']}")
    assert read(me, answer.headers["Location"]) == found
    expected = {**body, "amount": "900.50", "rrule": LAST_WORKING_DAY}
    assert {name: found[name] for name in body} == expected
    assert (found["every"], found["unit"], found["count"], found["last_on"]) == (
        None,
        None,
        None,
        "2190-12-31",
    )
    assert (found["is_variable"], found["is_paused"], found["problem"], found["lines"]) == (
        False, False, None, [],
    )  # fmt: skip
    assert found["next_on"] >= str(today)
    assert date.fromisoformat(found["next_on"]).weekday() < 5


def test_so_many_units_from_today_are_enough(me: httpx.Client, today: date) -> None:
    found = new_recurring(me, every=2, unit="week", count=3)
    assert (found["rrule"], found["every"], found["unit"]) == ("FREQ=WEEKLY;INTERVAL=2", 2, "week")
    assert (found["starts_on"], found["next_on"]) == (str(today), str(today))
    assert found["last_on"] == str(today + timedelta(days=28))
    assert found["currency"] == "EUR"


def test_what_is_due_becomes_an_expense(me: httpx.Client, database: Database, today: date) -> None:
    one = new_recurring(me, "12.00", unit="day", payee="Papers", tags=["news"])
    tick(database)
    (expense,) = read(me, "/v1/expenses", source="recurring")["items"]
    assert (expense["amount"], expense["payee"], expense["tags"]) == ("12.00", "Papers", ["news"])
    assert expense["spent_on"] == str(today)
    answer = me.get(f"{PATH}/{one['id']}")
    assert (answer.json()["next_on"], answer.headers["ETag"]) == (str(today + timedelta(days=1)), '"2"')
    (told,) = read(me, "/v1/notifications", kind="recurring.posted")["items"]
    assert told["data"]["expense_id"] == expense["id"]
    (occurrence,) = read(me, f"{PATH}/{one['id']}/occurrences")["items"]
    assert (occurrence["due_on"], occurrence["state"], occurrence["expense_id"]) == (
        str(today), "posted", expense["id"],
    )  # fmt: skip


def test_a_variable_one_is_confirmed_once(me: httpx.Client, database: Database, today: date) -> None:
    one = new_recurring(me, "50.00", is_variable=True, payee="Power")
    tick(database)
    path = f"{PATH}/{one['id']}/confirm"
    (told,) = read(me, "/v1/notifications", kind="recurring.due")["items"]
    assert told["data"]["needs_confirmation"] is True
    assert read(me, f"{PATH}/{one['id']}/occurrences", state="awaiting")["items"][0]["expense_id"] is None
    body = {"due_on": str(today), "amount": "61.20"}
    assert wrong_fields(me.post(path, json={**body, "amount": "61.201"})) == ["/amount"]
    assert problem(me.post(path, json={**body, "due_on": "2020-01-01"}), 409)
    answer = me.post(path, json=body, headers={"Idempotency-Key": "power"})
    assert answer.status_code == 201, answer.text
    assert (answer.json()["amount"], answer.json()["source"]) == ("61.20", "recurring")
    assert me.post(path, json=body, headers={"Idempotency-Key": "power"}).content == answer.content
    assert problem(me.post(path, json=body), 409)
    assert read(me, answer.headers["Location"]) == answer.json()
    (told,) = read(me, "/v1/notifications", kind="recurring.posted")["items"]
    assert (told["data"]["expense_id"], told["data"]["amount"]) == (answer.json()["id"], "61.20")


def test_what_awaits_its_amount_is_counted_over_all(cast: Cast, database: Database, today: date) -> None:
    me = cast.owner.client
    copy = Copy(me)
    power, water = (new_recurring(me, unit="day", is_variable=True, payee=payee) for payee in ("P", "W"))
    fixed = new_recurring(me, unit="day")
    assert (power["awaiting"], power["first_awaiting_on"]) == (0, None)
    copy.sync()
    with time_machine.travel(clock.now() + timedelta(days=1)):
        # The token of yesterday is remembered for a moment only.
        login = me.post("/v1/auth/login", json={"login": cast.owner.username, "password": PASSWORD})
        me.headers["Authorization"] = f"Bearer {login.json()['access_token']}"
        tick(database)
        copy.sync()
        copy.assert_complete()

        def waiting() -> list[tuple[int, str | None]]:
            found = [(one["awaiting"], one["first_awaiting_on"]) for one in read(me, PATH)["items"]]
            ids = (power["id"], water["id"], fixed["id"])
            each = [read(me, f"{PATH}/{one}") for one in ids]
            assert [(one["awaiting"], one["first_awaiting_on"]) for one in each] == found
            return found

        first, second = str(today), str(today + timedelta(days=1))
        assert waiting() == [(2, first), (2, first), (0, None)]
        path = f"{PATH}/{power['id']}"
        tag = me.get(path).headers["ETag"]
        assert me.post(f"{path}/confirm", json={"due_on": first, "amount": "1.00"}).status_code == 201
        assert me.get(path).headers["ETag"] != tag
        copy.sync()
        copy.assert_complete()
        skipped = me.post(f"{PATH}/{water['id']}/skip", json={"due_on": second}).json()
        assert (skipped["awaiting"], skipped["first_awaiting_on"]) == (1, first)
        fixed_now = me.patch(path, json={"is_variable": False}).json()
        assert (fixed_now["awaiting"], fixed_now["first_awaiting_on"]) == (1, second)
        assert waiting() == [(1, second), (1, first), (0, None)]
        copy.sync()
        copy.assert_complete()


def test_skipping_pausing_and_resuming(me: httpx.Client, database: Database, today: date) -> None:
    one = new_recurring(me, unit="day")
    path = f"{PATH}/{one['id']}"
    tomorrow, after = (str(today + timedelta(days=days)) for days in (1, 2))
    assert me.post(f"{path}/skip").json()["next_on"] == tomorrow
    assert me.post(f"{path}/skip", json={"due_on": after}).json()["next_on"] == tomorrow
    assert problem(me.post(f"{path}/skip", json={"due_on": after}), 409)
    assert wrong_fields(me.post(f"{path}/skip", json={"due_on": "2020-01-01"})) == ["/due_on"]
    assert wrong_fields(me.post(f"{path}/skip", json={"day": after})) == ["/day"]
    paused = me.post(f"{path}/pause")
    assert (paused.json()["is_paused"], paused.json()["next_on"]) == (True, None)
    assert problem(me.post(f"{path}/skip"), 409)
    resumed = me.post(f"{path}/resume").json()
    assert (resumed["is_paused"], resumed["next_on"]) == (False, tomorrow)
    tick(database)
    assert read(me, "/v1/expenses", source="recurring")["items"] == []


def test_what_is_upcoming_comes_in_pages(me: httpx.Client, today: date) -> None:
    daily, weekly = new_recurring(me, "1.00", unit="day"), new_recurring(me, "2.00", unit="week")
    last = str(today + timedelta(days=7))
    found, cursor = [], {}
    while True:
        page = read(me, f"{PATH}/upcoming", to=last, limit=4, **cursor)
        found += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert [(one["due_on"], one["amount"]) for one in found if one["recurring_id"] == weekly["id"]] == [
        (str(today), "2.00"), (last, "2.00"),
    ]  # fmt: skip
    assert len([one for one in found if one["recurring_id"] == daily["id"]]) == 8
    assert [one["due_on"] for one in found] == sorted(one["due_on"] for one in found)
    assert len(read(me, f"{PATH}/upcoming", limit=200)["items"]) == 31 + 5
    for query in (
        {"to": "1850-01-01"}, {"from": "1850-01-01"}, {"from": last, "to": str(today)}, {"to": "2199-01-01"},
        {"days": "3"}, {"from": "null"}, {"cursor": "x"}, {"from": "2200-12-31", "to": "2201-01-01"},
    ):  # fmt: skip
        assert wrong_fields(me.get(f"{PATH}/upcoming", params=query))


def test_occurrences_come_in_pages_the_newest_first(me: httpx.Client, cast: Cast, database: Database) -> None:
    one = new_recurring(me)
    now = clock.now()
    days = [date(2026, 1, 1) + timedelta(days=number) for number in range(5)]
    row = {"user_id": cast.owner.id, "recurring_id": UUID(one["id"]), "state": "missed"}
    rows = [{**row, "due_on": day, "created_at": now, "updated_at": now} for day in days]
    with database.transaction() as session:
        session.execute(insert(RecurringOccurrence), rows)
    path = f"{PATH}/{one['id']}/occurrences"
    first = read(me, path, limit=3)
    second = read(me, path, limit=3, cursor=first["next_cursor"])
    assert [item["due_on"] for item in (*first["items"], *second["items"])] == [
        str(day) for day in reversed(days)
    ]
    assert second["next_cursor"] is None
    assert read(me, path, state="posted")["items"] == []
    assert wrong_fields(me.get(path, params={"state": "lost"})) == ["state"]


def test_the_list_comes_in_pages(me: httpx.Client) -> None:
    made = [new_recurring(me, payee=str(number)) for number in range(3)]
    first = read(me, PATH, limit=2)
    second = read(me, PATH, limit=2, cursor=first["next_cursor"])
    assert [*first["items"], *second["items"]] == made


def test_a_change_needs_the_current_version(me: httpx.Client) -> None:
    path = f"{PATH}/{new_recurring(me)['id']}"
    stale, current = {"If-Match": '"7"'}, {"If-Match": '"1"'}
    assert problem(me.patch(path, json={"payee": "New"}, headers=stale), 412)
    assert problem(me.delete(path, headers=stale), 412)
    changed = me.patch(path, json={"payee": "New", "count": 5, "category_id": None}, headers=current)
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    assert (changed.json()["payee"], changed.json()["count"]) == ("New", 5)
    assert me.patch(path, json={"payee": "New"}).headers["ETag"] == '"2"'
    assert problem(me.delete(path, headers=current), 412)
    assert me.delete(path, headers={"If-Match": '"2"'}).status_code == 204
    assert problem(me.get(path), 404)


def test_lines_and_a_category_stand_for_each_other(me: httpx.Client) -> None:
    category = new_category(me, "Flat")["id"]
    lines = [{"amount": "4.00", "category_id": category}, {"amount": "6.00", "note": "Rest"}]
    one = new_recurring(me, lines=lines)
    assert [line["amount"] for line in one["lines"]] == ["4.00", "6.00"]
    path = f"{PATH}/{one['id']}"
    assert wrong_fields(me.patch(path, json={"amount": "11.00"})) == ["/lines"]
    assert wrong_fields(me.patch(path, json={"is_variable": True})) == ["/lines"]
    changed = me.patch(path, json={"category_id": category}).json()
    assert (changed["lines"], changed["category_id"]) == ([], category)
    assert me.patch(path, json={"lines": lines}).json()["category_id"] is None
    assert "recurring expenses" in problem(me.delete(f"/v1/categories/{category}"), 409)["detail"]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"rrule": "FREQ=HOURLY"}, "/rrule"),
        ({"rrule": "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"}, "/rrule"),
        ({"rrule": "FREQ=DAILY;BYMONTHDAY=" + "31," * 300 + "31"}, "/rrule"),
        ({"rrule": "FREQ=DAILY;COUNT=2;UNTIL=20300101"}, "/rrule"),
        ({"rrule": "FREQ=DAILY;COUNT=2", "count": 3}, "/rrule"),
        ({"rrule": "FREQ=DAILY", "unit": "day"}, "/unit"),
        ({"rrule": "FREQ=DAILY", "every": 2}, "/every"),
        ({"unit": "hour"}, "/unit"),
        ({"unit": "day", "every": 0}, "/every"),
        ({"unit": "day", "every": 367}, "/every"),
        ({"unit": "day", "every": 1.5}, "/every"),
        ({"unit": "day", "count": 2, "ends_on": "2190-01-01"}, "/count"),
        ({"unit": "day", "count": 10_001}, "/count"),
        ({"unit": "day", "starts_on": "1850-01-01"}, "/starts_on"),
        ({"unit": "day", "starts_on": "2190-01-02", "ends_on": "2190-01-01"}, "/ends_on"),
        ({"unit": "day", "starts_on": "2026-02-30"}, "/starts_on"),
        ({"unit": "day", "ends_on": "9999-01-01"}, "/ends_on"),
        ({"remind_days_before": 0}, "/remind_days_before"),
        ({"remind_days_before": 61}, "/remind_days_before"),
        ({"amount": "1.001"}, "/amount"),
        ({"amount": None}, "/amount"),
        ({"currency": "ABC"}, "/currency"),
        ({"category_id": MISSING}, "/category_id"),
        ({"lines": [{"amount": "1.00"}]}, "/lines"),
        ({"lines": [{"amount": "10.00", "category_id": MISSING}]}, "/lines/0/category_id"),
        ({"tags": [" "]}, "/tags/0"),
        ({"payee": "a\0"}, "/payee"),
        ({"is_paused": True}, "/is_paused"),
        ({"spent_on": "2026-01-01"}, "/spent_on"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_bad_one_is_refused_with_the_field(me: httpx.Client, fields: dict[str, Any], pointer: str) -> None:
    one = new_recurring(me)
    rule = {} if fields.keys() & {"rrule", "unit"} else {"unit": "month"}
    assert wrong_fields(me.post(PATH, json={"amount": "10.00", **rule, **fields})) == [pointer]
    assert wrong_fields(me.patch(f"{PATH}/{one['id']}", json=fields)) == [pointer]
    assert read(me, PATH)["items"] == [one]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({}, "/rrule"),
        ({"every": 2}, "/unit"),
        ({"unit": "month", "starts_on": "2020-01-31", "count": 3}, "/count"),
        ({"unit": "month", "starts_on": "2020-01-31", "ends_on": "2021-01-01"}, "/ends_on"),
    ],
)
def test_a_new_one_has_a_rule_and_something_ahead(
    me: httpx.Client, fields: dict[str, Any], pointer: str
) -> None:
    assert wrong_fields(me.post(PATH, json={"amount": "10.00", **fields})) == [pointer]


def test_a_change_may_end_it(me: httpx.Client) -> None:
    path = f"{PATH}/{new_recurring(me, starts_on='2020-01-31')['id']}"
    ended = me.patch(path, json={"ends_on": "2021-01-01"}).json()
    assert (ended["next_on"], ended["last_on"]) == (None, "2021-01-01")
    assert me.patch(path, json={"ends_on": None}).json()["next_on"] is not None


def test_the_same_key_sets_up_one(me: httpx.Client) -> None:
    body, key = {"amount": "1.00", "unit": "day"}, {"Idempotency-Key": "rent-1"}
    first, again = (me.post(PATH, json=body, headers=key) for _ in range(2))
    assert (first.status_code, again.content) == (201, first.content)
    assert len(read(me, PATH)["items"]) == 1


def test_a_user_has_so_many_at_most(me: httpx.Client, cast: Cast, database: Database) -> None:
    now, today = clock.now(), clock.now().date()
    row = {
        "user_id": cast.owner.id, "amount_minor": 1, "currency": "EUR", "tags": [], "lines": [],
        "rule": "FREQ=DAILY", "starts_on": today, "is_variable": False, "is_paused": False,
        "handled_through": today, "reminded_through": today, "version": 1, "created_at": now,
        "updated_at": now,
    }  # fmt: skip
    with database.transaction() as session:
        session.execute(insert(RecurringExpense), [{**row, "id": new_id()} for _ in range(MAX_RECURRING - 1)])
    new_recurring(me)
    body = {"amount": "1.00", "unit": "day"}
    assert str(MAX_RECURRING) in problem(me.post(PATH, json=body), 409)["detail"]
    new_recurring(cast.member.client)


def test_a_strangers_are_not_there(cast: Cast, database: Database, today: date) -> None:
    one = new_recurring(cast.owner.client, is_variable=True)
    tick(database)
    one = read(cast.owner.client, f"{PATH}/{one['id']}")
    path = f"{PATH}/{one['id']}"
    for person in (cast.member, cast.stranger):
        them = person.client
        assert problem(them.get(path), 404)
        assert problem(them.patch(path, json={"payee": "Mine"}), 404)
        assert problem(them.delete(path), 404)
        assert problem(them.get(f"{path}/occurrences"), 404)
        for name in ("skip", "pause", "resume"):
            assert problem(them.post(f"{path}/{name}"), 404)
        confirmation = {"due_on": str(today), "amount": "1.00"}
        assert problem(them.post(f"{path}/confirm", json=confirmation), 404)
        assert read(them, PATH)["items"] == read(them, f"{PATH}/upcoming")["items"] == []
    assert read(cast.owner.client, path) == one


def test_a_copy_follows_what_becomes_of_it(me: httpx.Client, database: Database) -> None:
    copy = Copy(me)
    copy.sync()
    one = new_recurring(me, unit="day")
    (change,) = copy.sync()
    assert (change["type"], change["data"]) == ("recurring_expense", one)
    tick(database)
    assert {item["type"] for item in copy.sync()} == {"recurring_expense", "expense"}
    copy.assert_complete()
    me.delete(f"{PATH}/{one['id']}")
    (gone,) = copy.sync()
    assert (gone["type"], gone["id"], gone["deleted"]) == ("recurring_expense", one["id"], True)
    copy.assert_complete()


def test_an_account_goes_with_its_recurring_expenses(cast: Cast, database: Database) -> None:
    category = new_category(cast.owner.client, "Flat")
    new_recurring(cast.owner.client, unit="day", category_id=category["id"])
    tick(database)
    new_expense(cast.owner.client)
    answer = cast.owner.client.request("DELETE", "/v1/me", json={"password": PASSWORD})
    assert answer.status_code == 204, answer.text
    assert count(database, RecurringExpense) == count(database, RecurringOccurrence) == 0
