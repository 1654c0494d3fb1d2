"""One expense: written, read, changed, deleted, restored; many at once."""

from typing import Any

import httpx
import pytest
import time_machine

from core.database import Database
from tests.api.calls import (
    amounts,
    assert_totals_are_right,
    new_category,
    new_expense,
    problem,
    read,
    wrong_fields,
)
from tests.cast import Cast, register

MISSING = "018f0000-0000-7000-8000-000000000000"


@pytest.fixture
def me(cast: Cast) -> httpx.Client:
    return cast.owner.client


def test_an_expense_is_read_as_it_was_written(me: httpx.Client) -> None:
    category = new_category(me, "Bread")
    answer = me.post(
        "/v1/expenses",
        json={
            "amount": "12.34",
            "currency": "USD",
            "category_id": category["id"],
            "spent_on": "2026-02-28",
            "payee": "Corner Bakery",
            "note": "two\nlines \U0001f950",
            "tags": ["weekend", "Überraschung", "weekend"],
        },
    )
    assert answer.status_code == 201
    assert answer.headers["ETag"] == '"1"'
    assert answer.headers["Location"] == f"/v1/expenses/{answer.json()['id']}"
    read_again = me.get(answer.headers["Location"])
    assert read_again.json() == answer.json()
    assert read_again.headers["ETag"] == '"1"'
    given = {"id": 0, "created_at": 0, "updated_at": 0}
    assert answer.json() | given == given | {
        "amount": "12.34",
        "currency": "USD",
        "category_id": category["id"],
        "spent_on": "2026-02-28",
        "payee": "Corner Bakery",
        "note": "two\nlines \U0001f950",
        "tags": ["weekend", "Überraschung"],
        "lines": [],
        "exchange_rate": None,
        "source": "manual",
        "deleted_at": None,
    }
    assert answer.json()["created_at"].endswith("Z")


def test_an_amount_alone_is_enough(me: httpx.Client) -> None:
    answer = me.post("/v1/expenses", json={"amount": "1"})
    assert answer.status_code == 201
    assert (answer.json()["amount"], answer.json()["currency"]) == ("1.00", "EUR")


@pytest.mark.parametrize(
    ("written", "currency", "kept"),
    [
        ('"-5.5"', "EUR", "-5.50"),
        ("0.1", "EUR", "0.10"),
        ("12", "EUR", "12.00"),
        ("1500", "JPY", "1500"),
        ('"1.234"', "KWD", "1.234"),
        ('"0.0001"', "CLF", "0.0001"),
        ("1000000000000.00", "EUR", "1000000000000.00"),
        ("0", "EUR", "0.00"),
    ],
)
def test_amounts_are_kept_exactly(me: httpx.Client, written: str, currency: str, kept: str) -> None:
    body = f'{{"amount": {written}, "currency": "{currency}"}}'
    assert me.post("/v1/expenses", content=body).json()["amount"] == kept


def test_the_defaults_are_the_users_currency_and_today_where_the_user_is(client: httpx.Client) -> None:
    # 10:30 in UTC is already tomorrow on Kiritimati (UTC+14) and still yesterday on Niue (UTC-11).
    with time_machine.travel("2026-03-01T10:30:00Z", tick=False):
        for name, zone, day in (
            ("early", "Pacific/Kiritimati", "2026-03-02"),
            ("late", "Pacific/Niue", "2026-02-28"),
        ):
            with register(client, name, timezone=zone, currency="JPY") as person:
                found = person.client.post("/v1/expenses", json={"amount": "500"}).json()
                assert (found["spent_on"], found["currency"]) == (day, "JPY")


def test_lines_keep_their_order_and_sum_to_the_amount(me: httpx.Client, database: Database) -> None:
    bread, soap = new_category(me, "Bread"), new_category(me, "Soap")
    lines = [
        {"amount": "4.00", "category_id": soap["id"], "note": "soap"},
        {"amount": "7.00", "category_id": bread["id"], "note": None},
        {"amount": "-1.00", "category_id": None, "note": "deposit"},
    ]
    expense = new_expense(me, "10.00", lines=lines)
    assert expense["lines"] == lines
    assert expense["category_id"] is None
    assert read(me, f"/v1/expenses/{expense['id']}") == expense
    assert_totals_are_right(database)


@pytest.mark.parametrize(
    ("fields", "pointers"),
    [
        ({"lines": [{"amount": "9.99"}]}, ["/lines"]),
        ({"lines": [{"amount": "10.001"}]}, ["/lines/0/amount"]),
        ({"lines": [{"amount": "10", "category_id": MISSING}]}, ["/lines/0/category_id"]),
        ({"lines": [{"amount": "10"}], "category_id": MISSING}, ["/category_id"]),
        ({"lines": [{"amount": "1"}] * 101}, ["/lines"]),
        ({"category_id": MISSING}, ["/category_id"]),
        ({"currency": "XXX"}, ["/currency"]),
        ({"spent_on": "2200-12-32"}, ["/spent_on"]),
        ({"spent_on": "2201-01-01"}, ["/spent_on"]),
        ({"tags": ["fine", ""]}, ["/tags/1"]),
        ({"tags": [f"{n}" for n in range(21)]}, ["/tags"]),
        ({"payee": "x" * 201}, ["/payee"]),
        ({"payee": "two\nlines"}, ["/payee"]),
        ({"note": "x" * 2001}, ["/note"]),
        ({"amount": "1.2.3", "category_id": MISSING}, ["/category_id", "/amount"]),
    ],
)
def test_every_wrong_field_is_named(me: httpx.Client, fields: dict[str, Any], pointers: list[str]) -> None:
    body = {"amount": "10", "currency": "EUR", **fields}
    assert wrong_fields(me.post("/v1/expenses", json=body)) == pointers
    expense = new_expense(me, "10")
    assert wrong_fields(me.patch(f"/v1/expenses/{expense['id']}", json=fields)) == pointers


def test_a_foreign_category_is_no_category(me: httpx.Client, cast: Cast) -> None:
    foreign = new_category(cast.stranger.client, "Foreign")["id"]
    assert wrong_fields(me.post("/v1/expenses", json={"amount": "1", "category_id": foreign})) == [
        "/category_id"
    ]


def test_a_day_that_would_hold_too_much_is_refused(me: httpx.Client) -> None:
    largest = {"amount": "1000000000000.00", "currency": "EUR", "spent_on": "2026-01-01"}
    assert me.post("/v1/expenses/bulk", json={"items": [largest] * 100}).status_code == 201
    assert wrong_fields(me.post("/v1/expenses", json=largest)) == ["/amount"]
    assert me.post("/v1/expenses", json={**largest, "spent_on": "2026-01-02"}).status_code == 201


def test_a_change_touches_only_what_it_names(me: httpx.Client, database: Database) -> None:
    category = new_category(me, "Bread")
    expense = new_expense(me, payee="Bakery", note="warm", tags=["a", "b"], category_id=category["id"])
    path = f"/v1/expenses/{expense['id']}"
    changed = me.patch(path, json={"amount": "11.50", "note": None, "tags": ["c"]})
    assert changed.status_code == 200
    assert changed.headers["ETag"] == '"2"'
    expected = {**expense, "amount": "11.50", "note": None, "tags": ["c"]}
    assert changed.json() | {"updated_at": 0} == expected | {"updated_at": 0}
    assert changed.json()["updated_at"] > expense["updated_at"]
    assert me.get(path).json() == changed.json()
    assert_totals_are_right(database)


def test_lines_and_a_category_replace_each_other(me: httpx.Client, database: Database) -> None:
    bread, soap = new_category(me, "Bread"), new_category(me, "Soap")
    path = f"/v1/expenses/{new_expense(me, category_id=bread['id'])['id']}"
    lines = [{"amount": "6.00", "category_id": bread["id"]}, {"amount": "4.00", "category_id": soap["id"]}]
    with_lines = me.patch(path, json={"lines": lines}).json()
    assert (with_lines["category_id"], len(with_lines["lines"])) == (None, 2)
    assert wrong_fields(me.patch(path, json={"amount": "12.00"})) == ["/lines"]
    with_category = me.patch(path, json={"category_id": soap["id"], "amount": "12.00"}).json()
    assert (with_category["category_id"], with_category["lines"]) == (soap["id"], [])
    assert wrong_fields(me.patch(path, json={"lines": lines, "category_id": soap["id"]})) == ["/category_id"]
    assert_totals_are_right(database)


def test_a_currency_changes_only_with_an_amount_that_it_can_hold(
    me: httpx.Client, database: Database
) -> None:
    path = f"/v1/expenses/{new_expense(me, '10.50')['id']}"
    assert wrong_fields(me.patch(path, json={"currency": "JPY"})) == ["/amount"]
    changed = me.patch(path, json={"currency": "JPY", "amount": "1050"}).json()
    assert (changed["amount"], changed["currency"]) == ("1050", "JPY")
    assert_totals_are_right(database)


def test_a_stale_version_changes_and_deletes_nothing(me: httpx.Client) -> None:
    expense = new_expense(me)
    path = f"/v1/expenses/{expense['id']}"
    for header in ('"2"', 'W/"1"', '"one"', "1", '""'):
        assert problem(me.patch(path, json={"note": "x"}, headers={"If-Match": header}), 412)
        assert problem(me.delete(path, headers={"If-Match": header}), 412)
    assert me.get(path).json() == expense
    assert me.patch(path, json={"note": "x"}, headers={"If-Match": '"7", "1"'}).status_code == 200
    assert me.patch(path, json={"note": "y"}, headers={"If-Match": "*"}).status_code == 200
    assert me.delete(path, headers={"If-Match": '"3"'}).status_code == 204


def test_the_trash_holds_an_expense_until_it_is_restored(me: httpx.Client, database: Database) -> None:
    kept, expense = new_expense(me, "1.00"), new_expense(me, "2.00", tags=["t"])
    path = f"/v1/expenses/{expense['id']}"
    assert problem(me.post(f"{path}/restore"), 404)
    assert me.delete(path).status_code == 204
    for answer in (me.get(path), me.delete(path), me.patch(path, json={})):
        assert problem(answer, 404)
    assert amounts(me) == [kept["amount"]]
    trash = read(me, "/v1/expenses", in_trash="true")["items"]
    assert [item["id"] for item in trash] == [expense["id"]]
    assert trash[0]["deleted_at"] is not None
    assert_totals_are_right(database)

    restored = me.post(f"{path}/restore")
    assert restored.status_code == 200
    assert restored.headers["ETag"] == '"3"'
    assert restored.json() == {**expense, "updated_at": restored.json()["updated_at"]}
    assert read(me, "/v1/expenses", in_trash="true")["items"] == []
    assert_totals_are_right(database)


def test_bulk_records_all_in_their_order(me: httpx.Client, database: Database) -> None:
    category = new_category(me, "Bread")
    items = [{"amount": f"{n}.00", "category_id": category["id"], "tags": ["bulk"]} for n in range(1, 1001)]
    answer = me.post("/v1/expenses/bulk", json={"items": items})
    assert answer.status_code == 201
    assert [item["amount"] for item in answer.json()["items"]] == [item["amount"] for item in items]
    assert amounts(me, sort="-amount", limit=2) == ["1000.00", "999.00"]
    assert_totals_are_right(database)


def test_bulk_records_none_if_one_is_wrong(me: httpx.Client) -> None:
    items = [{"amount": "1"}, {"amount": "1.001"}, {"amount": "2", "lines": [{"amount": "x"}]}]
    answer = me.post("/v1/expenses/bulk", json={"items": items})
    assert wrong_fields(answer) == ["/items/1/amount", "/items/2/lines/0/amount"]
    assert wrong_fields(me.post("/v1/expenses/bulk", json={"items": []})) == ["/items"]
    assert wrong_fields(me.post("/v1/expenses/bulk", json={"items": [{"amount": "1"}] * 1001})) == ["/items"]
    assert amounts(me) == []
