"""Reminding of debts: by whoever is owed, whoever can be reached, once a day."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from core import clock
from core.database import Database
from core.models import DebtReminder
from core.services.reminders import REST
from tests.api.calls import another, problem, read, wrong_fields
from tests.api.groups import MadeGroup, add_name, former_member, make_group, viewer
from tests.api.test_debts import spend
from tests.cast import Cast, Person, register

MISSING = "018f0000-0000-7000-8000-000000000000"


@pytest.fixture
def flat(cast: Cast) -> MadeGroup:
    return make_group(cast.owner, cast.member)


def remind(person: Person, group: MadeGroup, member_id: str) -> httpx.Response:
    return person.client.post(f"{group.path}/remind", json={"member_id": member_id})


def reminders(person: Person) -> list[dict[str, Any]]:
    return [one["data"] for one in read(person.client, "/v1/notifications", kind="debt.reminder")["items"]]


def test_who_owes_is_reminded_of_what_in_each_currency(
    cast: Cast, database: Database, flat: MadeGroup
) -> None:
    spend(database, cast.owner, flat, "20.00")
    spend(database, cast.owner, flat, "500", currency="JPY")
    answer = remind(cast.owner, flat, flat.member(cast.member))
    assert answer.status_code == 202
    owed = [{"currency": "EUR", "amount": "10.00"}, {"currency": "JPY", "amount": "250"}]
    assert answer.json()["debts"] == owed
    assert reminders(cast.member) == [
        {
            "group_id": flat.id,
            "group_name": "Flat",
            "to_member_id": flat.member(cast.owner),
            "to_name": "owner",
            "debts": owed,
        }
    ]
    assert reminders(cast.owner) == []


def test_once_a_day_is_enough(cast: Cast, database: Database, flat: MadeGroup) -> None:
    spend(database, cast.owner, flat, "20.00")
    first = remind(cast.owner, flat, flat.member(cast.member))
    refused = problem(remind(cast.owner, flat, flat.member(cast.member)), 409)
    assert first.json()["again_at"][:19] in refused["detail"]
    with database.transaction() as session:
        session.execute(update(DebtReminder).values(reminded_at=clock.now() - REST))
    assert remind(cast.owner, flat, flat.member(cast.member)).status_code == 202
    assert len(reminders(cast.member)) == 2


def test_of_many_reminders_at_once_one_goes_out(cast: Cast, database: Database, flat: MadeGroup) -> None:
    spend(database, cast.owner, flat, "20.00")
    start = Barrier(4)

    def send(_: int) -> int:
        with another(cast.owner.client) as own:
            start.wait()
            body = {"member_id": flat.member(cast.member)}
            return own.post(f"{flat.path}/remind", json=body).status_code

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(send, range(4))) == [202, 409, 409, 409]
    assert len(reminders(cast.member)) == 1


def test_only_who_is_owed_may_remind_whoever_can_be_reached(
    cast: Cast, database: Database, flat: MadeGroup, client: httpx.Client
) -> None:
    grace = add_name(cast.owner, flat, "Grace")
    spend(database, cast.owner, flat, "30.00")
    assert problem(remind(cast.member, flat, flat.member(cast.owner)), 409)
    assert problem(remind(cast.owner, flat, flat.member(cast.owner)), 409)
    assert problem(remind(cast.owner, flat, grace), 409)
    assert wrong_fields(remind(cast.owner, flat, MISSING)) == ["/member_id"]
    with register(client, "reader") as reader, register(client, "former") as former:
        viewer(cast.owner, flat, reader)
        gone = former_member(cast.owner, flat, former)
        assert problem(remind(cast.owner, flat, gone), 409)
        assert problem(remind(reader, flat, flat.member(cast.member)), 403)
        for outsider in (former, cast.stranger):
            assert problem(remind(outsider, flat, flat.member(cast.member)), 404)
    assert reminders(cast.member) == []


def test_the_groups_setting_says_who_owes_whom(
    cast: Cast, database: Database, flat: MadeGroup, client: httpx.Client
) -> None:
    with register(client, "third") as third:
        group = make_group(cast.owner, cast.member, third, simplify_debts=False)
        for payer, other in ((cast.owner, cast.member), (cast.member, third)):
            members = [group.member(payer), group.member(other)]
            spend(database, payer, group, "20.00", split={"kind": "equal", "member_ids": members})
        assert problem(remind(cast.owner, group, group.member(third)), 409)
        assert remind(cast.owner, group, group.member(cast.member)).status_code == 202
        assert cast.owner.client.patch(group.path, json={"simplify_debts": True}).status_code == 200
        assert remind(cast.owner, group, group.member(third)).status_code == 202
        assert problem(remind(cast.member, group, group.member(third)), 409)
