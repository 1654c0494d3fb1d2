"""Groups over real processes: from one member's dinner to another's alert, by mail, jobs and sockets."""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from core.models import Expense, GroupExpense, GroupShare, PairBalance, Posting
from tests.api.groups import MadeGroup, invite
from tests.cast import Person, register
from tests.servers import TestRedis
from tests.system.sockets import Listener
from tests.system.spending import set_budget
from tests.system.stored import Stored
from tests.system.system import API, WORKER, System

NAMES = ("owner", "member", "friend")
KILLS = 5
WRITES_BETWEEN_KILLS = 12


@pytest.fixture
def people(system: System) -> Iterator[list[Person]]:
    """Three with accounts on the running system."""
    system.start()
    with ExitStack() as stack:
        client = stack.enter_context(system.client())
        yield [stack.enter_context(register(client, name)) for name in NAMES]


def group_of(system: System, mails: Path, owner: Person, *others: Person) -> MadeGroup:
    """A group whose members have accepted the invitations that came by mail."""
    created = owner.client.post("/v1/groups", json={"name": "Flat", "currency": "EUR"}).json()
    members = {owner.username: created["members"][0]["id"]}
    for person in others:
        address = f"{person.username}@example.com"
        invite(owner, created["id"], address)
        system.wait_until(lambda to=address: token_for(mails, to), f"the invitation of {address}")  # type: ignore[misc]
        answer = person.client.post(f"/v1/invitations/{token_for(mails, address)}/accept")
        assert answer.status_code == 200, answer.text
        members[person.username] = next(one["id"] for one in answer.json()["members"] if one["is_me"])
    return MadeGroup(created["id"], members)


def token_for(mails: Path, address: str) -> str:
    """What stands in the invitation to the address; nothing while there is none."""
    for path in mails.glob("*.eml"):
        mail = message_from_bytes(path.read_bytes(), policy=policy.default)
        body = mail.get_body(("plain",))
        text = "" if body is None else body.get_content()
        if mail["To"] == address and (found := re.search(r"/invitations/([\w-]{40,})/accept", text)):
            return found[1]
    return ""


def messages_of(listener: Listener, kind: str) -> list[dict[str, Any]]:
    return [message["data"] for message in listener.messages if message["kind"] == kind]


def test_a_group_dinner_that_one_writes_alerts_the_budget_of_another(
    system: System, people: list[Person], tmp_path: Path
) -> None:
    owner, member, _friend = people
    group = group_of(system, tmp_path / "data" / "mail", owner, member)
    food = next(
        one["id"]
        for one in member.client.get("/v1/categories", params={"limit": 100}).json()["items"]
        if one["name"] == "Eating out"
    )
    budget = set_budget(member.client, "Food", "50.00", currency="EUR", category_ids=[food], thresholds=[80])
    with Listener(system, member) as listener:
        dinner = owner.client.post(
            f"{group.path}/expenses",
            json={"amount": "84.01", "description": "Dinner", "category": "eating OUT"},
        )
        assert dinner.status_code == 201, dinner.text
        system.wait_until(
            lambda: messages_of(listener, "budget.threshold"), lambda: f"an alert in {listener.messages}"
        )
    [share] = [one["amount"] for one in dinner.json()["shares"] if one["member_id"] == group.member(member)]
    [told] = messages_of(listener, "group.expense_added")
    assert (told["description"], told["share"], told["balance"]) == ("Dinner", share, f"-{share}")
    [alert] = messages_of(listener, "budget.threshold")
    assert (alert["budget_id"], alert["threshold"], alert["spent"]) == (budget["id"], 80, share)
    assert listener.seqs == list(range(1, len(listener.seqs) + 1))


class Ledger:
    """What the group must come to: each one's balance, counted in cents beside the product's code."""

    def __init__(self) -> None:
        self.balances: Counter[str] = Counter()
        self.expenses: dict[str, dict[str, Any]] = {}

    def note(self, expense: dict[str, Any]) -> None:
        """The expense as it was acknowledged, in place of what it was before."""
        self.forget(expense["id"])
        self.expenses[expense["id"]] = expense
        self._add(expense, 1)

    def forget(self, expense_id: str) -> None:
        if before := self.expenses.pop(expense_id, None):
            self._add(before, -1)

    def _add(self, expense: dict[str, Any], sign: int) -> None:
        for name, side in (("paid_by", sign), ("shares", -sign)):
            for part in expense[name]:
                self.balances[part["member_id"]] += side * cents(part["amount"])


def test_a_groups_ledger_is_right_though_the_worker_is_killed_in_its_work(
    system: System, people: list[Person], stored: Stored, own_redis: TestRedis, tmp_path: Path
) -> None:
    group = group_of(system, tmp_path / "data" / "mail", *people)
    ledger, chance = Ledger(), random.Random(3)
    with ExitStack() as stack:
        listeners = {one.username: stack.enter_context(Listener(system, one)) for one in people}
        for kill in range(KILLS):
            for _ in range(WRITES_BETWEEN_KILLS):
                write(chance, people, group, ledger)
            system.kill(WORKER)
            if kill == 2:
                own_redis.kill()
                own_redis.restart()
            for _ in range(3):
                write(chance, people, group, ledger)
            if kill == 3:
                system.kill(API)
                system.start(API)
            system.start(WORKER)
        system.wait_until(lambda: stored.outbox_depth() == 0, lambda: f"{stored.outbox_depth()} jobs wait")
        assert stored.dead_rows() == []
        assert_the_ledger_is_what_was_acknowledged(stored, people[0], group, ledger)
        assert_shares_are_mirrored_once(stored, ledger)
        assert stored.spending_differences() == []
        assert stored.numbering_gaps() == []
        for person in people:
            heard = listeners[person.username]
            system.wait_until(
                lambda one=person, by=heard: by.seqs == stored.seqs(one.id),  # type: ignore[misc]
                lambda one=person, by=heard: f"{by.seqs} are {stored.seqs(one.id)}",  # type: ignore[misc]
            )
            added = Counter(data["expense_id"] for data in messages_of(heard, "group.expense_added"))
            assert set(added.values()) == {1}


def write(chance: random.Random, people: list[Person], group: MadeGroup, ledger: Ledger) -> None:
    """A new expense, or a change or deletion of one that is there."""
    author = chance.choice(people)
    amount = f"{chance.randint(1, 9_999)}.{chance.randint(0, 99):02d}"
    known = chance.choice(sorted(ledger.expenses)) if ledger.expenses and chance.random() < 0.4 else None
    path = f"{group.path}/expenses"
    if known is None:
        ledger.note(checked(author.client.post(path, json={"amount": amount, "description": "Shopping"})))
    elif chance.random() < 0.3:
        assert author.client.delete(f"{path}/{known}").status_code == 204
        ledger.forget(known)
    else:
        ledger.note(checked(author.client.patch(f"{path}/{known}", json={"amount": amount})))


def cents(amount: str) -> int:
    return int(Decimal(amount) * 100)


def checked(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code in (200, 201), answer.text
    found: dict[str, Any] = answer.json()
    return found


def assert_the_ledger_is_what_was_acknowledged(
    stored: Stored, person: Person, group: MadeGroup, ledger: Ledger
) -> None:
    answer = checked(person.client.get(f"{group.path}/balances"))
    assert answer["pending"] == 0
    balances = {one["member_id"]: cents(one["amount"]) for one in answer["balances"]}
    assert balances == {one: balance for one, balance in ledger.balances.items() if balance}
    with stored.database.reading() as session:
        entries: dict[tuple[Any, int], int] = defaultdict(int)
        pairs: Counter[tuple[Any, Any]] = Counter()
        for posting in session.scalars(select(Posting)):
            entries[posting.source_id, posting.entry] += posting.amount_minor
            pairs[posting.member_id, posting.counterparty_id] += posting.amount_minor
        kept = {
            (one.member_id, one.counterparty_id): one.amount_minor
            for one in session.scalars(select(PairBalance))
        }
        pending = session.scalars(
            select(GroupExpense.id).where(GroupExpense.posted_version < GroupExpense.version)
        ).all()
    assert set(entries.values()) == {0}
    assert kept == dict(pairs)
    assert pending == []


def assert_shares_are_mirrored_once(stored: Stored, ledger: Ledger) -> None:
    """Each member's own expenses are their shares: none twice, none of what was deleted."""
    with stored.database.reading() as session:
        own = Counter(
            (one.user_id, one.amount_minor)
            for one in session.scalars(select(Expense).where(Expense.source == "group"))
        )
        shares = Counter(
            (one.mirror_user_id, one.share_minor)
            for one in session.scalars(select(GroupShare))
            if one.share_minor
        )
    assert own == shares
    acknowledged = [
        part for one in ledger.expenses.values() for part in one["shares"] if cents(part["amount"])
    ]
    assert own.total() == len(acknowledged)
    assert sum(minor for (_user, minor), n in own.items() for _ in range(n)) == sum(
        cents(part["amount"]) for part in acknowledged
    )
