"""Expenses of a group: written, read, listed, changed, deleted; by whom, and by several at once."""

from typing import Any
from uuid import UUID

import httpx
import pytest
import time_machine
from sqlalchemy import func, select

from core.database import Database
from core.models import GroupExpense
from core.queries.ledger import member_balances, pair_balances
from tests.api.calls import jobs_asked_for, problem, read, wrong_fields
from tests.api.groups import MadeGroup, add_name, former_member, make_group, viewer
from tests.cast import Cast, register
from tests.core.services.household import settle_splits

MISSING = "018f0000-0000-7000-8000-000000000000"

DINNER = {"amount": "30.00", "description": "Dinner", "spent_on": "2026-05-04"}


@pytest.fixture
def flat(cast: Cast) -> MadeGroup:
    """The owner's and the member's."""
    return make_group(cast.owner, cast.member)


@pytest.fixture
def me(cast: Cast) -> httpx.Client:
    return cast.owner.client


def add(client: httpx.Client, group: MadeGroup, amount: str = "30.00", **fields: Any) -> dict[str, Any]:
    answer = client.post(f"{group.path}/expenses", json={**DINNER, "amount": amount, **fields})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def path_of(expense: dict[str, Any]) -> str:
    return f"/v1/groups/{expense['group_id']}/expenses/{expense['id']}"


def split_all(database: Database) -> None:
    """Have the job done."""
    with database.transaction() as session:
        settle_splits(session)


def balances(database: Database, group: MadeGroup, currency: str = "EUR") -> dict[str, int]:
    """In minor units, by the id of the member; who is even is left out."""
    group_id = UUID(group.id)
    with database.reading() as session:
        pairs = pair_balances(session, [group_id]).get((group_id, currency), {})
    return {str(member_id): amount for member_id, amount in member_balances(pairs).items()}


def listed(client: httpx.Client, group: MadeGroup, **query: Any) -> list[str]:
    return [one["amount"] for one in read(client, f"{group.path}/expenses", **query)["items"]]


def test_an_expense_is_read_as_it_was_written(cast: Cast, flat: MadeGroup, database: Database) -> None:
    body = {
        "amount": "30.00", "currency": "USD", "description": "Sushi \U0001f363", "category": "Eating out",
        "note": "two\nlines", "spent_on": "2026-02-28",
        "paid_by": [{"member_id": flat.member(cast.member), "amount": "30.00"}],
        "split": {"kind": "equal", "member_ids": [flat.member(cast.owner)]},
    }  # fmt: skip
    answer = cast.owner.client.post(f"{flat.path}/expenses", json=body)
    assert answer.status_code == 201
    expense = answer.json()
    assert answer.headers["ETag"] == '"1"'
    assert answer.headers["Location"] == path_of(expense)
    assert expense | body == expense
    assert expense["shares"] == [{"member_id": flat.member(cast.owner), "amount": "30.00"}]
    assert expense["created_by"] == expense["updated_by"] == flat.member(cast.owner)
    assert (expense["version"], expense["state"], expense["group_id"]) == (1, "pending", flat.id)
    for person in (cast.owner, cast.member):
        again = person.client.get(path_of(expense))
        assert (again.json(), again.headers["ETag"]) == (expense, '"1"')
    assert jobs_asked_for(database)[-1][:2] == ("split_group_expense", f"{flat.id}:{expense['id']}")


def test_it_is_pending_until_it_is_split(me: httpx.Client, flat: MadeGroup, database: Database) -> None:
    expense = add(me, flat)
    assert (expense["state"], balances(database, flat)) == ("pending", {})
    split_all(database)
    split = me.get(path_of(expense))
    assert split.json() == {**expense, "state": "split"}
    assert split.headers["ETag"] == '"1"', "its content is the same"
    assert sorted(balances(database, flat).values()) == [-1500, 1500]
    patched = me.patch(path_of(expense), json={"amount": "40.00"}).json()
    assert (patched["state"], patched["version"]) == ("pending", 2)
    split_all(database)
    assert read(me, path_of(expense))["state"] == "split"
    assert sorted(balances(database, flat).values()) == [-2000, 2000]


def test_the_defaults_are_the_groups_currency_and_today_where_the_caller_is(client: httpx.Client) -> None:
    with (
        time_machine.travel("2026-03-01T10:30:00Z", tick=False),
        register(client, "early", timezone="Pacific/Kiritimati", currency="EUR") as early,
        register(client, "late", timezone="Pacific/Niue") as late,
    ):
        group = make_group(early, late, currency="JPY")
        for person, day in ((early, "2026-03-02"), (late, "2026-02-28")):
            body = {"amount": "500", "description": "Tea"}
            found = person.client.post(f"{group.path}/expenses", json=body).json()
            assert (found["spent_on"], found["currency"]) == (day, "JPY")
            assert (found["category"], found["note"]) == (None, None)


@pytest.mark.parametrize(
    ("fields", "pointers"),
    [
        ({"amount": "0"}, ["/amount"]),
        ({"amount": "0.00"}, ["/amount"]),
        ({"amount": "1.001"}, ["/amount"]),
        ({"amount": "1e3"}, ["/amount"]),
        ({"amount": None}, ["/amount"]),
        ({"amount": {"a": 1}}, ["/amount"]),
        ({"amount": "1000000000000.01"}, ["/amount"]),
        ({"amount": "1.50", "currency": "JPY"}, ["/amount"]),
        ({"currency": "XXX"}, ["/currency"]),
        ({"currency": "eur"}, ["/currency"]),
        ({"spent_on": "2201-01-01"}, ["/spent_on"]),
        ({"spent_on": "yesterday"}, ["/spent_on"]),
        ({"description": ""}, ["/description"]),
        ({"description": "x" * 201}, ["/description"]),
        ({"description": "two\nlines"}, ["/description"]),
        ({"category": ""}, ["/category"]),
        ({"category": "x" * 101}, ["/category"]),
        ({"note": "x" * 2001}, ["/note"]),
        ({"note": "nul\x00"}, ["/note"]),
        ({"payer": MISSING}, ["/payer"]),
        ({"paid_by": [{"member_id": MISSING, "amount": "30.00"}]}, ["/paid_by/0/member_id"]),
        ({"paid_by": [{"member_id": "me", "amount": "3.001"}]}, ["/paid_by/0/amount"]),
        ({"paid_by": [{"member_id": "me", "amount": "29.99"}]}, ["/paid_by"]),
        ({"paid_by": [{"member_id": "me", "amount": "-30.00"}]}, ["/paid_by/0/amount"]),
        (
            {"paid_by": [{"member_id": "me", "amount": "40.00"}, {"member_id": "you", "amount": "-10.00"}]},
            ["/paid_by/1/amount"],
        ),
        ({"paid_by": [{"member_id": "me", "amount": "15.00"}] * 2}, ["/paid_by/1/member_id"]),
        ({"paid_by": [{"member_id": "me"}]}, ["/paid_by/0/amount"]),
        ({"paid_by": [{"member_id": MISSING, "amount": "1.00"}] * 101}, ["/paid_by"]),
    ],
)
def test_every_wrong_field_is_named(
    cast: Cast, flat: MadeGroup, fields: dict[str, Any], pointers: list[str]
) -> None:
    ids = {"me": flat.member(cast.owner), "you": flat.member(cast.member)}
    paid = [{**one, "member_id": ids.get(one["member_id"], MISSING)} for one in fields.get("paid_by", [])]
    fields = fields | ({"paid_by": paid} if paid else {})
    me = cast.owner.client
    assert wrong_fields(me.post(f"{flat.path}/expenses", json={**DINNER, **fields})) == pointers
    expense = add(me, flat)
    assert wrong_fields(me.patch(path_of(expense), json=fields)) == pointers
    assert read(me, path_of(expense)) == expense


def test_payments_that_miss_the_amount_say_by_how_much(cast: Cast, flat: MadeGroup) -> None:
    paid = [{"member_id": member_id, "amount": "14.99"} for member_id in flat.members.values()]
    answer = cast.owner.client.post(f"{flat.path}/expenses", json={**DINNER, "paid_by": paid})
    (error,) = problem(answer, 422)["errors"]
    assert error["detail"] == "the payments miss the amount by 0.02 EUR"


def test_a_refund_is_negative_all_through(cast: Cast, flat: MadeGroup, database: Database) -> None:
    refund = add(cast.owner.client, flat, "-10.00")
    assert [one["amount"] for one in refund["paid_by"]] == ["-10.00"]
    assert [one["amount"] for one in refund["shares"]] == ["-5.00", "-5.00"]
    split_all(database)
    assert balances(database, flat) == {flat.member(cast.owner): -500, flat.member(cast.member): 500}


def test_fields_change_one_by_one_and_any_member_may(cast: Cast, flat: MadeGroup) -> None:
    expense = add(cast.owner.client, flat, category="Food", note="mine")
    changes: list[dict[str, Any]] = [
        {"description": "Supper"}, {"category": None}, {"note": None}, {"spent_on": "2026-06-01"},
        {"currency": "USD"}, {"category": "Travel", "note": "ours"},
    ]  # fmt: skip
    for number, change in enumerate(changes, start=2):
        answer = cast.member.client.patch(path_of(expense), json=change)
        assert answer.status_code == 200, answer.text
        assert answer.headers["ETag"] == f'"{number}"'
        stamps = {"updated_at": answer.json()["updated_at"], "updated_by": flat.member(cast.member)}
        expense = {**expense, **change, **stamps, "version": number}
        assert answer.json() == expense == read(cast.owner.client, path_of(expense))


def test_a_new_amount_of_several_payers_needs_their_payments(cast: Cast, flat: MadeGroup) -> None:
    paid = [{"member_id": member_id, "amount": "15.00"} for member_id in flat.members.values()]
    expense = add(cast.owner.client, flat, paid_by=paid)
    patched = cast.owner.client.patch(path_of(expense), json={"amount": "31.00"})
    (error,) = problem(patched, 422)["errors"]
    assert (error["pointer"], error["detail"]) == ("/paid_by", "the payments miss the amount by 1.00 EUR")
    paid[0]["amount"] = "16.00"
    patched = cast.owner.client.patch(path_of(expense), json={"amount": "31.00", "paid_by": paid})
    assert sorted(one["amount"] for one in patched.json()["paid_by"]) == ["15.00", "16.00"]


def test_a_currency_with_other_decimals_needs_an_amount_of_its_own(me: httpx.Client, flat: MadeGroup) -> None:
    expense = add(me, flat)
    assert wrong_fields(me.patch(path_of(expense), json={"currency": "JPY"})) == ["/amount"]
    patched = me.patch(path_of(expense), json={"currency": "JPY", "amount": "3001"}).json()
    assert sorted(one["amount"] for one in patched["shares"]) == ["1500", "1501"]


def test_a_deleted_expense_is_gone_at_once(cast: Cast, flat: MadeGroup, database: Database) -> None:
    expense = add(cast.owner.client, flat)
    split_all(database)
    deleted = cast.member.client.delete(path_of(expense), headers={"If-Match": '"1"'})
    assert (deleted.status_code, deleted.content) == (204, b"")
    for answer in (
        cast.owner.client.get(path_of(expense)),
        cast.owner.client.patch(path_of(expense), json={"note": "late"}),
        cast.owner.client.delete(path_of(expense)),
    ):
        problem(answer, 404)
    assert listed(cast.owner.client, flat) == []
    split_all(database)
    assert balances(database, flat) == {}


def test_strangers_and_former_members_find_nothing(cast: Cast, flat: MadeGroup, client: httpx.Client) -> None:
    expense = add(cast.owner.client, flat)
    other = make_group(cast.stranger)
    with register(client, "former") as former:
        empty = make_group(cast.owner)
        former_member(cast.owner, empty, former)
        for person, group in ((cast.stranger, flat), (former, empty)):
            problem(person.client.post(f"{group.path}/expenses", json=DINNER), 404)
            problem(person.client.get(f"{group.path}/expenses"), 404)
        for path in (path_of(expense), f"{other.path}/expenses/{expense['id']}"):
            for method in ("GET", "PATCH", "DELETE"):
                body = {"json": {"note": "x"}} if method == "PATCH" else {}
                problem(cast.stranger.client.request(method, path, **body), 404)
    assert read(cast.owner.client, path_of(expense)) == expense
    assert listed(cast.stranger.client, other) == []


def test_viewers_read_and_write_nothing(cast: Cast, flat: MadeGroup) -> None:
    expense = add(cast.owner.client, flat)
    viewer(cast.owner, flat, cast.stranger)
    watching = cast.stranger.client
    assert read(watching, path_of(expense)) == expense
    assert listed(watching, flat) == ["30.00"]
    problem(watching.post(f"{flat.path}/expenses", json=DINNER), 403)
    problem(watching.patch(path_of(expense), json={"note": "x"}), 403)
    problem(watching.delete(path_of(expense)), 403)
    problem(watching.patch(f"{flat.path}/expenses/{MISSING}", json={"note": "x"}), 403)


def test_who_has_left_keeps_the_part_they_had(cast: Cast, flat: MadeGroup, database: Database) -> None:
    """Their own dinner, and one that they shared and paid for to the cent."""
    me, you = flat.member(cast.owner), flat.member(cast.member)
    dot = add_name(cast.owner, flat, "Dot")
    halves = [{"member_id": me, "amount": "15.00"}, {"member_id": you, "amount": "15.00"}]
    both = {"kind": "equal", "member_ids": [me, you]}
    shared = add(cast.owner.client, flat, paid_by=halves, split=both)
    own = add(cast.member.client, flat, split={"kind": "equal", "member_ids": [you]})
    split_all(database)
    assert cast.member.client.delete(f"{flat.path}/members/{you}").status_code == 204

    client = cast.owner.client
    parts = {you: "15.00", me: "9.00", dot: "6.00"}
    exact = [{"member_id": one, "value": value} for one, value in parts.items()]
    for change in (
        {"description": "Supper", "category": "Food", "spent_on": "2026-06-01"},
        {"split": {"kind": "exact", "shares": exact}},
        {"split": both},
    ):
        changed = client.patch(path_of(shared), json=change)
        assert changed.status_code == 200, changed.text
    for expense, change in (
        (shared, {"amount": "40.00", "paid_by": [{"member_id": me, "amount": "40.00"}]}),
        (shared, {"split": {"kind": "equal", "member_ids": [me]}}),
        (shared, {"split": {"kind": "equal", "member_ids": []}}),
        (shared, {"paid_by": [{"member_id": me, "amount": "30.00"}]}),
        (own, {"split": both}),
        (own, {"currency": "USD"}),
    ):
        found = problem(client.patch(path_of(expense), json=change), 409)
        assert "has left the group" in found["detail"]
    problem(client.delete(path_of(shared)), 409)
    assert wrong_fields(client.post(f"{flat.path}/expenses", json={**DINNER, "split": both})) == [
        "/split/member_ids/1"
    ]
    paid = {**DINNER, "paid_by": [{"member_id": you, "amount": "30.00"}]}
    assert wrong_fields(client.post(f"{flat.path}/expenses", json=paid)) == ["/paid_by/0/member_id"]
    split_all(database)
    assert balances(database, flat) == {}


def test_who_comes_too_late_is_told(cast: Cast, flat: MadeGroup) -> None:
    expense = add(cast.owner.client, flat)
    stale = {"If-Match": '"1"'}
    assert cast.owner.client.patch(path_of(expense), json={"note": "a"}, headers=stale).status_code == 200
    problem(cast.member.client.patch(path_of(expense), json={"note": "b"}, headers=stale), 412)
    problem(cast.member.client.delete(path_of(expense), headers=stale), 412)
    fresh = {"If-Match": '"7", "2"'}
    assert cast.member.client.patch(path_of(expense), json={"note": "b"}, headers=fresh).status_code == 200


def test_a_repetition_with_the_same_key_writes_one_expense(
    me: httpx.Client, flat: MadeGroup, database: Database
) -> None:
    key = {"Idempotency-Key": "dinner-1"}
    first, second = (me.post(f"{flat.path}/expenses", json=DINNER, headers=key) for _ in range(2))
    assert first.status_code == second.status_code == 201
    assert first.content == second.content
    assert (first.headers["ETag"], first.headers["Location"]) == (
        second.headers["ETag"],
        second.headers["Location"],
    )
    other = {**DINNER, "amount": "31.00"}
    problem(me.post(f"{flat.path}/expenses", json=other, headers=key), 409)
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(GroupExpense)) == 1


def test_a_name_without_an_account_can_pay_and_owe(cast: Cast, flat: MadeGroup, database: Database) -> None:
    dot = add_name(cast.owner, flat, "Dot")
    paid = [{"member_id": dot, "amount": "30.00"}]
    add(cast.member.client, flat, paid_by=paid)
    split_all(database)
    assert balances(database, flat) == {
        flat.member(cast.owner): -1000,
        flat.member(cast.member): -1000,
        dot: 2000,
    }
