"""Balances, debts with the reasons behind them, plans and what one owes in all groups."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from core.database import Database
from core.ids import new_id
from core.queries import explanations
from core.queries.debts import debts_of_user
from core.rules.debts import Transfer
from core.services.ledger import Entry, post_entries
from tests.api.calls import read, wrong_fields
from tests.api.groups import MadeGroup, add_name, make_group
from tests.cast import Cast, Person, register
from tests.core.services.household import settle_splits


@pytest.fixture
def third(cast: Cast, client: Any) -> Iterator[Person]:
    with register(client, "third") as person:
        yield person


@pytest.fixture
def flat(cast: Cast, third: Person) -> MadeGroup:
    return make_group(cast.owner, cast.member, third)


def spend(database: Database, by: Person, group: MadeGroup, amount: str, **fields: Any) -> str:
    body = {"amount": amount, "description": "Dinner", "spent_on": "2026-05-04", **fields}
    answer = by.client.post(f"{group.path}/expenses", json=body)
    assert answer.status_code == 201, answer.text
    with database.transaction() as session:
        settle_splits(session)
    expense_id: str = answer.json()["id"]
    return expense_id


def equally(group: MadeGroup, *people: Person) -> dict[str, Any]:
    return {"kind": "equal", "member_ids": [group.member(one) for one in people]}


def chain(database: Database, cast: Cast, third: Person, flat: MadeGroup) -> None:
    """The third owes the member 10.00, who owes the owner 10.00."""
    spend(database, cast.owner, flat, "20.00", split=equally(flat, cast.owner, cast.member))
    spend(database, cast.member, flat, "20.00", split=equally(flat, cast.member, third))


def debts(person: Person, group: MadeGroup, **query: Any) -> list[tuple[str, str, str]]:
    items = read(person.client, f"{group.path}/debts", **query)["items"]
    return [(one["from_name"], one["to_name"], one["amount"]) for one in items]


def explained(person: Person, group: MadeGroup, **query: Any) -> list[dict[str, Any]]:
    """The debts with their postings, each of which adds up to what it must."""
    found: list[dict[str, Any]] = read(person.client, f"{group.path}/debts", explain="true", **query)["items"]
    for debt in found:
        total = sum(Decimal(one["amount"]) for one in debt["postings"])
        total += Decimal(debt["earlier"]["amount"]) if debt["earlier"] else 0
        same = [one for one in found if one["from_member_id"] == debt["from_member_id"]]
        of_debtor = [one for one in same if one["currency"] == debt["currency"]]
        is_simplified = query.get("simplified") != "false"
        assert total == -sum(Decimal(one["amount"]) for one in (of_debtor if is_simplified else [debt]))
    return found


def test_balances_are_signed_and_leave_out_who_is_even(
    database: Database, cast: Cast, third: Person, flat: MadeGroup
) -> None:
    chain(database, cast, third, flat)
    found = read(cast.member.client, f"{flat.path}/balances")
    assert found == {
        "pending": 0,
        "pending_settlements": 0,
        "balances": [
            {
                "member_id": flat.member(cast.owner),
                "display_name": "owner",
                "currency": "EUR",
                "amount": "10.00",
            },
            {"member_id": flat.member(third), "display_name": "third", "currency": "EUR", "amount": "-10.00"},
        ],
    }
    body = {"amount": "5.00", "description": "Tea", "spent_on": "2026-05-04"}
    assert cast.owner.client.post(f"{flat.path}/expenses", json=body).status_code == 201
    assert read(cast.member.client, f"{flat.path}/balances") == {**found, "pending": 1}


def test_debts_are_simplified_or_pair_by_pair_as_the_group_or_the_caller_wants(
    database: Database, cast: Cast, third: Person, flat: MadeGroup
) -> None:
    chain(database, cast, third, flat)
    pairwise = [("member", "owner", "10.00"), ("third", "member", "10.00")]
    assert debts(third, flat) == debts(third, flat, simplified="true") == [("third", "owner", "10.00")]
    assert sorted(debts(third, flat, simplified="false")) == pairwise
    assert cast.owner.client.patch(flat.path, json={"simplify_debts": False}).status_code == 200
    assert sorted(debts(third, flat)) == pairwise
    assert debts(third, flat, member_id=flat.member(cast.owner)) == [("member", "owner", "10.00")]
    (item,) = read(third.client, f"{flat.path}/debts", simplified="true")["items"]
    assert item.keys() == {"from_member_id", "from_name", "to_member_id", "to_name", "currency", "amount"}


def test_the_plan_clears_each_currency_and_stays_the_same_for_the_others(
    database: Database, cast: Cast, third: Person, flat: MadeGroup
) -> None:
    spend(database, cast.owner, flat, "30.00")
    spend(database, cast.member, flat, "900", currency="JPY")
    path = f"{flat.path}/plan"
    plan = read(third.client, path)
    assert plan["is_optimal"] is True
    assert [(one["currency"], one["amount"]) for one in plan["items"]] == [
        ("EUR", "10.00"),
        ("EUR", "10.00"),
        ("JPY", "300"),
        ("JPY", "300"),
    ]
    assert read(third.client, path) == plan
    first, *others = plan["items"]
    body = {name: first[name] for name in ("from_member_id", "to_member_id", "amount", "currency")}
    assert cast.owner.client.post(f"{flat.path}/settlements", json=body).json()["state"] == "confirmed"
    assert read(third.client, path)["items"] == others


def test_a_debt_is_explained_down_to_the_odd_cent(
    database: Database, cast: Cast, third: Person, flat: MadeGroup
) -> None:
    expense_id = spend(database, cast.owner, flat, "10.00")
    paid = {"to_member_id": flat.member(cast.owner), "from_member_id": flat.member(third)}
    body = {**paid, "amount": "1.00", "method": "cash", "note": "half", "paid_on": "2026-05-06"}
    settlement = cast.owner.client.post(f"{flat.path}/settlements", json=body).json()
    for simplified in ("true", "false"):
        found = explained(third, flat, simplified=simplified, member_id=flat.member(third))
        (debt,) = found
        payment, dinner = debt["postings"]
        assert debt["earlier"] is None
        assert (
            payment.items()
            >= {
                "source": "settlement",
                "source_id": settlement["id"],
                "description": "cash: half",
                "on": "2026-05-06",
                "counterparty_id": flat.member(cast.owner),
                "amount": "1.00",
                "is_reversal": False,
                "expense": None,
            }.items()
        )
        part = dinner["expense"]
        assert (dinner["source"], dinner["source_id"], dinner["on"]) == ("expense", expense_id, "2026-05-04")
        assert (dinner["description"], dinner["amount"]) == ("Dinner", f"-{part['share']}")
        assert (part["amount"], part["paid"], part["fair_share"]) == ("10.00", "0.00", "3.33333333")
        assert part["share"] in ("3.33", "3.34")


def test_what_was_taken_back_stays_in_the_explanation(
    database: Database, cast: Cast, third: Person, flat: MadeGroup
) -> None:
    expense_id = spend(database, cast.owner, flat, "30.00")
    path = f"{flat.path}/expenses/{expense_id}"
    assert cast.owner.client.patch(path, json={"amount": "60.00"}).status_code == 200
    pending = explained(third, flat, member_id=flat.member(third))[0]["postings"]
    assert [one["expense"] for one in pending] == [None]
    with database.transaction() as session:
        settle_splits(session)
    (debt,) = explained(third, flat, member_id=flat.member(third))
    shown = [(one["amount"], one["is_reversal"], one["expense"] is not None) for one in debt["postings"]]
    assert shown == [("-20.00", False, True), ("10.00", True, False), ("-10.00", False, False)]
    spend(database, cast.owner, flat, "3.00")
    assert cast.owner.client.delete(path).status_code == 204
    with database.transaction() as session:
        settle_splits(session)
    (debt,) = explained(third, flat, member_id=flat.member(third))
    assert len(debt["postings"]) == 5


def test_the_oldest_postings_are_one_line_so_that_it_always_adds_up(
    database: Database, cast: Cast, third: Person, flat: MadeGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explanations, "MAX_EXPLAINED", 3)
    for amount in ("3.00", "6.00", "9.00", "12.00", "15.00"):
        spend(database, cast.owner, flat, amount)
    for simplified in ("true", "false"):
        found = explained(third, flat, simplified=simplified)
        for debt in found:
            assert [one["amount"] for one in debt["postings"]] == ["-5.00", "-4.00", "-3.00"]
            assert debt["earlier"] == {"count": 2, "amount": "-3.00"}
    monkeypatch.setattr(explanations, "MAX_EXPLAINED", 5)
    assert [debt["earlier"] for debt in explained(third, flat)] == [None, None]


def test_too_many_debts_are_explained_member_by_member(
    database: Database, cast: Cast, third: Person, flat: MadeGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.resources.debts.MAX_EXPLAINED_DEBTS", 1)
    spend(database, cast.owner, flat, "3.00")
    path = f"{flat.path}/debts"
    assert wrong_fields(third.client.get(path, params={"explain": "true"})) == ["explain"]
    assert len(explained(third, flat, member_id=flat.member(third))) == 1
    assert wrong_fields(third.client.get(path, params={"explain": "perhaps"})) == ["explain"]


def test_mine_are_those_of_all_my_groups_each_by_its_own_setting(
    database: Database, cast: Cast, third: Person, flat: MadeGroup
) -> None:
    chain(database, cast, third, flat)
    other = make_group(cast.member, cast.owner, name="Attic", simplify_debts=False)
    grace = add_name(cast.member, other, "Grace")
    spend(database, cast.member, other, "8.00", split=equally(other, cast.member, cast.owner))
    named = {"kind": "exact", "shares": [{"member_id": grace, "value": "5.00"}]}
    spend(database, cast.owner, other, "5.00", split=named)
    found = read(cast.owner.client, "/v1/debts")
    assert [(one["group_name"], one["display_name"], one["amount"]) for one in found["owed_by_me"]] == [
        ("Attic", "member", "4.00")
    ]
    assert [(one["group_name"], one["display_name"], one["amount"]) for one in found["owed_to_me"]] == [
        ("Attic", "Grace", "5.00"),
        ("Flat", "third", "10.00"),
    ]
    assert found["totals"] == [
        {"currency": "EUR", "owed_by_me": "4.00", "owed_to_me": "15.00", "net": "11.00"}
    ]
    # Simplified, the member is even in the flat.
    assert [one["group_name"] for one in read(cast.member.client, "/v1/debts")["owed_to_me"]] == ["Attic"]
    nothing = {"owed_by_me": [], "owed_to_me": [], "totals": []}
    assert read(cast.stranger.client, "/v1/debts") == nothing
    with database.snapshot_rows() as rows:
        assert len(debts_of_user(rows, user_id=cast.owner.id).owed_to_me) == 2


def test_a_large_ledger_does_not_slow_its_balances_down(
    database: Database, cast: Cast, third: Person, flat: MadeGroup
) -> None:
    """Whatever is in the ledger, its balances are read from one row a pair."""
    spend(database, cast.owner, flat, "3.00")
    ids = [UUID(flat.member(one)) for one in (cast.owner, third)]
    with database.transaction() as session:
        entries = [
            Entry(
                group_id=UUID(flat.id),
                source_kind="settlement",
                source_id=new_id(),
                number=1,
                currency="EUR",
                debts=(Transfer(ids[1], ids[0], 1),),
            )
            for _ in range(2_000)
        ]
        post_entries(session, entries)
    found = read(third.client, f"{flat.path}/balances")["balances"]
    assert found[-1]["amount"] == "-21.00"
