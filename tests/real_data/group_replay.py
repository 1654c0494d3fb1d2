"""Two people who bring along what they shared elsewhere: a group, its expenses and repayments, by the API."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.api.calls import read
from tests.api.groups import MadeGroup, join, make_group
from tests.cast import Person, register
from tests.real_data.files import cents
from tests.real_data.group_files import BOTH, Entry, Nets
from tests.real_data.loading import decimal_text

CHECK_EVERY = 25
"""Rows after which the balances are compared."""

NAMES = ("John Doe", "Jane Doe")


@dataclass
class GroupReplay:
    """`catch_up` returns when the worker has done all that was asked for."""

    people: tuple[Person, Person]
    group: MadeGroup
    catch_up: Callable[[], None]
    answers: list[dict[str, Any]] = field(default_factory=list)
    comparisons: int = 0

    def follow(self, entries: Sequence[Entry]) -> Nets:
        """Write each entry, and compare the balances on the way; answers what they come to.

        The worker catches up before each repayment, so that what the two are told of an expense is the
        balance after it in the order of the file.
        """
        nets: Nets = Counter()
        for number, entry in enumerate(entries, 1):
            if entry.is_repayment:
                self.catch_up()
            entry.add_to(nets, self.post(entry))
            if number % CHECK_EVERY == 0 or number == len(entries):
                self.catch_up()
                assert self.balances() == nets, f"after row {number}"
                self.comparisons += 1
        return nets

    def post(self, entry: Entry) -> tuple[int, int]:
        """Write it; answers each one's share in cents, which have to be the fair ones to the nearest cent."""
        if entry.is_repayment:
            self.answers.append(self._settle(entry))
            return (0, entry.minor) if entry.payer == 0 else (entry.minor, 0)
        answer = self._spend(entry)
        self.answers.append(answer)
        shares = self.shares_of(answer)
        assert sum(shares) == entry.minor
        if (rounded := entry.rounded()) is not None:
            assert shares == rounded, entry
        else:
            assert all(abs(share - part) * 2 == 1 for share, part in zip(shares, entry.fair, strict=True))
        return shares

    def _spend(self, entry: Entry) -> dict[str, Any]:
        parts = [{"member_id": self.member(person), "value": text} for person, text in entry.values.items()]
        split = {"shares": parts}
        if entry.kind == "equal":
            split = {"member_ids": [part["member_id"] for part in parts]}
        amount = decimal_text(entry.minor)
        body = {
            "amount": amount,
            "currency": entry.currency,
            "description": entry.description,
            "category": entry.category,
            "spent_on": entry.day.isoformat(),
            "paid_by": [{"member_id": self.member(entry.payer), "amount": amount}],
            "split": {"kind": entry.kind, **split},
        }
        return _created(self.people[entry.payer].client.post(f"{self.group.path}/expenses", json=body))

    def _settle(self, entry: Entry) -> dict[str, Any]:
        """As its receiver, so that it counts at once."""
        body = {
            "from_member_id": self.member(entry.payer),
            "to_member_id": self.member(entry.receiver),
            "amount": decimal_text(entry.minor),
            "currency": entry.currency,
            "note": entry.description,
            "paid_on": entry.day.isoformat(),
        }
        client = self.people[entry.receiver].client
        answer = _created(client.post(f"{self.group.path}/settlements", json=body))
        assert answer["state"] == "confirmed"
        return answer

    def member(self, person: int) -> str:
        return self.group.member(self.people[person])

    def person(self, member_id: str) -> int:
        return 0 if member_id == self.member(0) else 1

    def shares_of(self, answer: dict[str, Any]) -> tuple[int, int]:
        found = {self.person(part["member_id"]): cents(part["amount"]) for part in answer["shares"]}
        return found.get(0, 0), found.get(1, 0)

    def balances(self) -> Nets:
        """What the API says, who is even left out; the same to both."""
        first, second = (self.read("/balances", as_person=person) for person in BOTH)
        assert first == second
        assert (first["pending"], first["pending_settlements"]) == (0, 0)
        found = [(self.person(one["member_id"]), one["currency"], one["amount"]) for one in first["balances"]]
        assert len({(person, currency) for person, currency, _amount in found}) == len(found)
        nets = Counter({(person, currency): cents(amount) for person, currency, amount in found})
        assert all(nets.values()), "who is even is left out"
        return nets

    def read(self, path: str, *, as_person: int = 0, **query: Any) -> dict[str, Any]:
        return read(self.people[as_person].client, f"{self.group.path}{path}", **query)


@contextmanager
def replaying(
    client: httpx.Client,
    catch_up: Callable[[GroupReplay], None],
    *,
    currency: str,
    usernames: tuple[str, str] = ("john", "jane"),
    bring_in: Callable[[Person, str, Person], str] = join,
) -> Iterator[GroupReplay]:
    """Two new accounts on the running system, and a group of the two.

    `bring_in` has the one invite the other, who accepts, and answers the id of the member.
    """
    home = {"timezone": "Europe/Skopje", "currency": currency}
    with (
        register(client, usernames[0], display_name=NAMES[0], **home) as first,
        register(client, usernames[1], display_name=NAMES[1], **home) as second,
    ):
        group = make_group(first, name="John and Jane", currency=currency)
        group.members[second.username] = bring_in(first, group.id, second)
        replay = GroupReplay((first, second), group, lambda: catch_up(replay))
        yield replay


def _created(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found
