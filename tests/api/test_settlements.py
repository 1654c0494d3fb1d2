"""Settlements over HTTP: who may record, confirm, dispute and reverse them, and when they count."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Barrier
from typing import Any

import httpx
import pytest

from core.database import Database
from core.queries.ledger_invariants import ledger_differences, list_group_ids
from tests.api.calls import another, problem, read, wrong_fields
from tests.api.groups import MadeGroup, add_name, former_member, make_group, viewer
from tests.cast import Cast, Person, register
from tests.core.services.household import settle_splits

MISSING = "018f0000-0000-7000-8000-000000000000"


@dataclass(frozen=True)
class Flat:
    """The owner has paid 30.00 for three: the payer (a member) and a third one owe 10.00 each."""

    group: MadeGroup
    receiver: Person
    payer: Person
    third: Person
    stranger: Person

    def id(self, person: Person) -> str:
        return self.group.member(person)

    def pay(self, by: Person, amount: str = "4.00", **fields: Any) -> dict[str, Any]:
        answer = self.try_to_pay(by, amount, **fields)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def try_to_pay(self, by: Person, amount: str = "4.00", **fields: Any) -> httpx.Response:
        body = {
            "from_member_id": self.id(self.payer),
            "to_member_id": self.id(self.receiver),
            "amount": amount,
        }
        return by.client.post(f"{self.group.path}/settlements", json=body | fields)

    def move(self, by: Person, settlement: dict[str, Any], verb: str) -> httpx.Response:
        return by.client.post(f"{self.group.path}/settlements/{settlement['id']}/{verb}")

    def moved(self, by: Person, settlement: dict[str, Any], verb: str) -> dict[str, Any]:
        answer = self.move(by, settlement, verb)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def balances(self) -> list[str]:
        """Of receiver, payer and third."""
        found = read(self.receiver.client, f"{self.group.path}/balances")["balances"]
        by_id = {one["member_id"]: one["amount"] for one in found}
        return [by_id.get(self.id(one), "0.00") for one in (self.receiver, self.payer, self.third)]

    def told(self, person: Person) -> list[dict[str, Any]]:
        """Kind and data of what was said about settlements, the oldest first."""
        found = read(person.client, "/v1/notifications", after="0")["items"]
        return [
            {"kind": one["kind"].partition(".")[2], **one["data"]}
            for one in found
            if one["kind"].startswith("settlement.")
        ]


@pytest.fixture
def flat(cast: Cast, client: httpx.Client, database: Database) -> Any:
    with register(client, "third") as third:
        group = make_group(cast.owner, cast.member, third)
        expense = {"amount": "30.00", "description": "Dinner", "spent_on": "2026-05-04"}
        assert cast.owner.client.post(f"{group.path}/expenses", json=expense).status_code == 201
        with database.transaction() as session:
            settle_splits(session)
        yield Flat(group, cast.owner, cast.member, third, cast.stranger)
        assert_ledgers_are_whole(database)


def assert_ledgers_are_whole(database: Database) -> None:
    with database.reading() as session:
        assert [
            one for group in list_group_ids(session) for one in ledger_differences(session, group_id=group)
        ] == []


def test_what_the_receiver_records_counts_at_once(flat: Flat) -> None:
    found = flat.pay(flat.receiver, method="cash", note="For May", paid_on="2026-05-10")
    assert found["state"] == "confirmed"
    assert (found["amount"], found["currency"], found["overpaid"]) == ("4.00", "EUR", "0.00")
    assert (found["method"], found["note"], found["paid_on"]) == ("cash", "For May", "2026-05-10")
    assert (found["from_name"], found["to_name"]) == ("member", "owner")
    assert flat.balances() == ["16.00", "-6.00", "-10.00"]
    path = f"{flat.group.path}/settlements/{found['id']}"
    answer = flat.third.client.get(path)
    assert answer.json() == found
    assert answer.headers["ETag"] == '"1"'


def test_what_the_payer_records_counts_once_the_receiver_confirms_it(flat: Flat) -> None:
    found = flat.pay(flat.payer)
    assert found["state"] == "pending"
    assert flat.balances() == ["20.00", "-10.00", "-10.00"]
    assert read(flat.payer.client, f"{flat.group.path}/balances")["pending_settlements"] == 1
    assert flat.moved(flat.receiver, found, "confirm")["state"] == "confirmed"
    assert flat.balances() == ["16.00", "-6.00", "-10.00"]


def test_what_a_third_one_records_waits_too_and_both_sides_hear_of_it(flat: Flat) -> None:
    found = flat.pay(flat.third)
    assert (found["state"], found["recorded_by"]) == ("pending", flat.id(flat.third))
    assert [one["balance"] for one in flat.told(flat.receiver)] == ["20.00"]
    assert [one["balance"] for one in flat.told(flat.payer)] == ["-10.00"]
    assert flat.told(flat.third) == []


def test_who_has_no_account_could_never_confirm(flat: Flat) -> None:
    name = add_name(flat.receiver, flat.group, "Grace")
    found = flat.pay(flat.payer, to_member_id=name)
    assert found["state"] == "confirmed"
    assert problem(flat.move(flat.third, found, "dispute"), 403)
    # The payer has recorded it; an admin stands in for who has no account.
    assert problem(flat.move(flat.payer, found, "dispute"), 403)
    assert problem(flat.move(flat.payer, found, "confirm"), 403)
    assert flat.moved(flat.receiver, found, "confirm") == found
    assert flat.moved(flat.receiver, found, "reverse")["state"] == "reversed"


def test_each_step_notifies_the_other_side_with_the_balance_it_leads_to(flat: Flat) -> None:
    found = flat.pay(flat.payer)
    flat.moved(flat.receiver, found, "confirm")
    flat.moved(flat.receiver, found, "dispute")
    flat.moved(flat.payer, found, "reverse")
    common = {
        "group_id": flat.group.id,
        "group_name": "Flat",
        "settlement_id": found["id"],
        "from_member_id": flat.id(flat.payer),
        "from_name": "member",
        "to_member_id": flat.id(flat.receiver),
        "to_name": "owner",
        "amount": "4.00",
        "currency": "EUR",
    }
    by_payer = {**common, "by_member_id": flat.id(flat.payer), "by": "member"}
    by_receiver = {**common, "by_member_id": flat.id(flat.receiver), "by": "owner"}
    assert flat.told(flat.receiver) == [
        {**by_payer, "kind": "recorded", "state": "pending", "balance": "20.00"},
        {**by_payer, "kind": "reversed", "state": "reversed", "balance": "20.00"},
    ]
    assert flat.told(flat.payer) == [
        {**by_receiver, "kind": "confirmed", "state": "confirmed", "balance": "-6.00"},
        {**by_receiver, "kind": "disputed", "state": "disputed", "balance": "-10.00"},
    ]
    assert flat.told(flat.third) == []


def test_the_groups_activity_tells_every_step(flat: Flat) -> None:
    found = flat.pay(flat.payer)
    flat.moved(flat.receiver, found, "confirm")
    path = f"{flat.group.path}/activity"
    newest, before = read(flat.third.client, path, limit="2")["items"]
    assert newest["kind"] == "settlement.confirmed"
    assert newest["actor"] == {"member_id": flat.id(flat.receiver), "display_name": "owner"}
    assert newest["subject_id"] == before["subject_id"] == found["id"]
    assert newest["data"]["amount"] == "4.00"
    assert (before["kind"], before["data"]["from_name"]) == ("settlement.recorded", "member")
    filtered = read(flat.third.client, path, kind="settlement.recorded")["items"]
    assert filtered == [before]
    seen, query = [], {"limit": "3"}
    while True:
        page = read(flat.third.client, path, **query)
        seen += [one["id"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    everything = [one["id"] for one in read(flat.third.client, path)["items"]]
    assert seen == everything
    assert len(seen) > 3


def test_repeating_a_step_has_no_second_effect(flat: Flat) -> None:
    found = flat.pay(flat.payer)
    for verb, by, told, balance in (
        ("confirm", flat.receiver, flat.payer, "-6.00"),
        ("dispute", flat.receiver, flat.payer, "-10.00"),
        ("reverse", flat.receiver, flat.payer, "-10.00"),
    ):
        first = flat.moved(by, found, verb)
        heard = flat.told(told)
        assert flat.moved(by, found, verb) == first
        assert flat.told(told) == heard
        assert flat.balances()[1] == balance


def test_a_disputed_one_may_be_confirmed_after_all(flat: Flat) -> None:
    found = flat.pay(flat.payer)
    assert flat.moved(flat.receiver, found, "dispute")["state"] == "disputed"
    assert flat.balances()[1] == "-10.00"
    assert flat.moved(flat.receiver, found, "confirm")["state"] == "confirmed"
    assert flat.moved(flat.receiver, found, "dispute")["state"] == "disputed"
    assert flat.moved(flat.receiver, found, "confirm")["state"] == "confirmed"
    assert flat.balances() == ["16.00", "-6.00", "-10.00"]


def test_reversed_is_final(flat: Flat) -> None:
    found = flat.pay(flat.receiver)
    flat.moved(flat.payer, found, "reverse")
    assert flat.balances() == ["20.00", "-10.00", "-10.00"]
    assert problem(flat.move(flat.receiver, found, "confirm"), 409)
    assert problem(flat.move(flat.payer, found, "dispute"), 409)


def test_only_those_whom_it_concerns_may_move_it(flat: Flat, client: httpx.Client) -> None:
    pending = flat.pay(flat.payer)
    with register(client, "viewer") as reader, register(client, "former") as former:
        viewer(flat.receiver, flat.group, reader)
        former_member(flat.receiver, flat.group, former)
        for verb in ("confirm", "dispute", "reverse"):
            assert problem(flat.move(flat.third, pending, verb), 403)
            assert problem(flat.move(reader, pending, verb), 403)
            for outsider in (former, flat.stranger):
                assert problem(flat.move(outsider, pending, verb), 404)
        assert problem(flat.try_to_pay(reader), 403)
        for outsider in (former, flat.stranger):
            assert problem(flat.try_to_pay(outsider), 404)
            assert problem(outsider.client.get(f"{flat.group.path}/settlements"), 404)
            assert problem(outsider.client.get(f"{flat.group.path}/settlements/{pending['id']}"), 404)
            for path in ("balances", "debts", "plan", "activity"):
                assert problem(outsider.client.get(f"{flat.group.path}/{path}"), 404)
        for path in ("balances", "debts", "plan", "activity", "settlements"):
            assert reader.client.get(f"{flat.group.path}/{path}").status_code == 200
    # The payer may take it back, but neither confirm nor dispute what they say themselves.
    assert problem(flat.move(flat.payer, pending, "confirm"), 403)
    assert problem(flat.move(flat.payer, pending, "dispute"), 403)
    assert flat.moved(flat.payer, pending, "reverse")["state"] == "reversed"


def test_of_a_confirmed_one_the_side_that_has_not_recorded_it_may_dispute(flat: Flat) -> None:
    found = flat.pay(flat.receiver)
    assert problem(flat.move(flat.receiver, found, "dispute"), 403)
    assert problem(flat.move(flat.third, found, "dispute"), 403)
    assert flat.moved(flat.payer, found, "dispute")["state"] == "disputed"
    assert flat.balances()[1] == "-10.00"


@pytest.mark.parametrize(
    ("amount", "overpaid", "balance"),
    [("9.99", "0.00", "-0.01"), ("10.00", "0.00", "0.00"), ("12.50", "2.50", "2.50")],
)
def test_partial_and_over_payments_are_told_apart(
    flat: Flat, amount: str, overpaid: str, balance: str
) -> None:
    assert flat.pay(flat.receiver, amount)["overpaid"] == overpaid
    assert flat.balances()[1] == balance


def test_who_owes_nothing_overpays_all_of_it(flat: Flat) -> None:
    assert flat.pay(flat.payer, "7", currency="JPY")["overpaid"] == "7"
    back = {"from_member_id": flat.id(flat.receiver), "to_member_id": flat.id(flat.payer)}
    assert flat.pay(flat.receiver, "1.00", **back)["overpaid"] == "1.00"


@pytest.mark.parametrize(
    ("fields", "pointers"),
    [
        ({"amount": "0.00"}, ["/amount"]),
        ({"amount": "-1.00"}, ["/amount"]),
        ({"amount": "1.001"}, ["/amount"]),
        ({"amount": "1000000000000.01"}, ["/amount"]),
        ({"currency": "XXX"}, ["/currency"]),
        ({"to_member_id": MISSING}, ["/to_member_id"]),
        ({"from_member_id": MISSING, "to_member_id": MISSING}, ["/from_member_id", "/to_member_id"]),
        ({"paid_on": "9999-12-31"}, ["/paid_on"]),
        ({"method": ""}, ["/method"]),
        ({"note": "\0"}, ["/note"]),
        ({"state": "confirmed"}, ["/state"]),
    ],
)
def test_what_is_wrong_is_named(flat: Flat, fields: dict[str, str], pointers: list[str]) -> None:
    assert wrong_fields(flat.try_to_pay(flat.payer, **fields)) == pointers
    assert read(flat.payer.client, f"{flat.group.path}/settlements")["items"] == []


def test_nobody_pays_themselves(flat: Flat) -> None:
    answer = flat.try_to_pay(flat.payer, to_member_id=flat.id(flat.payer))
    assert wrong_fields(answer) == ["/to_member_id"]


def test_the_payer_is_oneself_and_the_day_today_unless_said_otherwise(flat: Flat) -> None:
    body = {"to_member_id": flat.id(flat.receiver), "amount": 2.5}
    answer = flat.third.client.post(f"{flat.group.path}/settlements", json=body)
    assert answer.status_code == 201
    assert answer.json()["from_member_id"] == flat.id(flat.third)
    assert answer.json()["paid_on"] == answer.json()["created_at"][:10]


def test_with_somebody_who_has_left_nothing_is_posted(flat: Flat, database: Database) -> None:
    confirmed = flat.pay(flat.receiver, "10.00")
    assert flat.payer.client.delete(f"{flat.group.path}/members/{flat.id(flat.payer)}").status_code == 204
    assert problem(flat.try_to_pay(flat.receiver), 409)
    assert problem(flat.move(flat.receiver, confirmed, "reverse"), 409)
    assert flat.balances()[0] == "10.00"


def test_a_repeated_key_records_once(flat: Flat) -> None:
    body = {"to_member_id": flat.id(flat.receiver), "amount": "1.00"}
    answers = [
        flat.payer.client.post(
            f"{flat.group.path}/settlements", json=body, headers={"Idempotency-Key": "once"}
        )
        for _ in range(2)
    ]
    assert answers[0].json() == answers[1].json()
    assert len(read(flat.payer.client, f"{flat.group.path}/settlements")["items"]) == 1


def test_lists_are_filtered_and_come_in_pages_the_newest_first(flat: Flat) -> None:
    made = [flat.pay(flat.payer, f"{n}.00")["id"] for n in range(1, 6)]
    flat.moved(flat.receiver, {"id": made[1]}, "confirm")
    flat.pay(flat.third, from_member_id=flat.id(flat.third))
    path = f"{flat.group.path}/settlements"
    of_payer = {"member_id": flat.id(flat.payer)}
    seen, query = [], {**of_payer, "limit": "2"}
    while True:
        page = read(flat.third.client, path, **query)
        seen += [one["id"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == made[::-1]
    confirmed = read(flat.third.client, path, state="confirmed")["items"]
    assert [one["id"] for one in confirmed] == [made[1]]
    assert read(flat.third.client, path, member_id=MISSING)["items"] == []
    assert wrong_fields(flat.third.client.get(path, params={"state": "paid"})) == ["state"]


def test_a_settlement_of_another_group_is_not_found(flat: Flat) -> None:
    other = make_group(flat.receiver, flat.payer)
    found = flat.pay(flat.payer)
    assert problem(flat.receiver.client.get(f"{other.path}/settlements/{found['id']}"), 404)
    assert problem(flat.receiver.client.post(f"{other.path}/settlements/{found['id']}/confirm"), 404)


def at_once(*works: Callable[[], httpx.Response]) -> list[int]:
    """The statuses of calls that are made at the same moment."""
    start = Barrier(len(works))

    def run(work: Callable[[], httpx.Response]) -> int:
        start.wait()
        return work().status_code

    with ThreadPoolExecutor(len(works)) as pool:
        return [done.result() for done in [pool.submit(run, work) for work in works]]


def test_confirmed_by_many_at_once_it_is_posted_once(flat: Flat) -> None:
    found = flat.pay(flat.payer)
    path = f"{flat.group.path}/settlements/{found['id']}/confirm"
    clients = [another(flat.receiver.client) for _ in range(6)]
    assert at_once(*[partial(own.post, path) for own in clients]) == [200] * 6
    for own in clients:
        own.close()
    assert flat.balances() == ["16.00", "-6.00", "-10.00"]
    assert [one["kind"] for one in flat.told(flat.payer)] == ["confirmed"]


def test_confirmed_and_reversed_at_once_it_ends_reversed_and_counts_for_nothing(flat: Flat) -> None:
    for _ in range(5):
        found = flat.pay(flat.payer)
        confirmed, taken_back = at_once(
            partial(flat.move, flat.receiver, found, "confirm"),
            partial(flat.move, flat.payer, found, "reverse"),
        )
        assert taken_back == 200
        assert confirmed in (200, 409)
        state = read(flat.third.client, f"{flat.group.path}/settlements/{found['id']}")["state"]
        assert state == "reversed"
    assert flat.balances() == ["20.00", "-10.00", "-10.00"]
