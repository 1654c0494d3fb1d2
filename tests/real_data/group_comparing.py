"""What the system says of a replayed group, beside what the file says."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.api.calls import read
from tests.real_data.files import cents
from tests.real_data.group_files import BOTH, Entry, Nets
from tests.real_data.group_replay import GroupReplay
from tests.real_data.loading import pages

ALREADY_TOLD = {"group.invited", "group.member_joined"}
"""Of how the two came together, which no file says."""


def assert_own_expenses_are_the_files(replay: GroupReplay, entries: Sequence[Entry]) -> None:
    """Each one's shares are among their own expenses, under the group's category where they have it."""
    for person in BOTH:
        client = replay.people[person].client
        owned = {one["name"].casefold(): one["id"] for one in read(client, "/v1/categories")["items"]}
        mirrors = list(pages(client, "/v1/expenses", limit=97))
        assert {one["source"] for one in mirrors} == {"group"}
        listed = Counter(
            (one["spent_on"], one["payee"], one["category_id"], one["currency"], cents(one["amount"]))
            for one in mirrors
        )
        assert listed == Counter(
            (
                entry.day.isoformat(),
                entry.description,
                owned.get(entry.category.casefold()),
                entry.currency,
                share,
            )
            for entry, share in shares(replay, entries, person)
            if share
        )


def spending_by_month(replay: GroupReplay, person: int) -> Counter[tuple[str, str]]:
    """Of the person's own expenses: cents by month and currency."""
    sums: Counter[tuple[str, str]] = Counter()
    for one in pages(replay.people[person].client, "/v1/expenses", limit=97):
        sums[one["spent_on"][:7], one["currency"]] += cents(one["amount"])
    return sums


def assert_debts_and_plan_clear(replay: GroupReplay, nets: Nets) -> None:
    """Who is below zero owes the other one just that: nothing at all where nobody is."""
    expected = [
        (replay.member(person), replay.member(1 - person), currency, -minor)
        for (person, currency), minor in nets.items()
        if minor < 0
    ]
    for person in BOTH:
        for is_simplified in (True, False):
            debts = replay.read("/debts", as_person=person, simplified=is_simplified)
            assert _transfers(debts) == sorted(expected)
        plan = replay.read("/plan", as_person=person)
        assert (_transfers(plan), plan["is_optimal"]) == (sorted(expected), True)
        mine = read(replay.people[person].client, "/v1/debts")
        assert [cents(one["amount"]) for one in mine["owed_by_me"]] == [
            minor for debtor, _creditor, _currency, minor in expected if debtor == replay.member(person)
        ]


def assert_activity_is_the_files(replay: GroupReplay, entries: Sequence[Entry]) -> None:
    """Each entry once, the newest first, by who wrote it."""
    items = list(pages(replay.people[0].client, f"{replay.group.path}/activity", limit=97))
    written = [one for one in items if one["kind"] in ("expense.added", "settlement.recorded")]
    assert [one["subject_id"] for one in reversed(written)] == [one["id"] for one in replay.answers]
    assert [one["kind"] for one in reversed(written)] == [
        "settlement.recorded" if entry.is_repayment else "expense.added" for entry in entries
    ]
    others = Counter(one["kind"] for one in items if one not in written)
    assert others == {"group.created": 1, "invitation.sent": 1, "member.joined": 1}


def assert_each_was_told_of_what_the_other_wrote(replay: GroupReplay, entries: Sequence[Entry]) -> None:
    """Numbered without a gap, in the order of the file, each with the balance after it."""
    expected: tuple[list[Any], list[Any]] = ([], [])
    nets: Nets = Counter()
    for entry, answer in zip(entries, replay.answers, strict=True):
        entry.add_to(nets, entry_shares(replay, entry, answer))
        reader = entry.payer if entry.is_repayment else entry.receiver
        kind = "settlement.recorded" if entry.is_repayment else "group.expense_added"
        balance = nets[reader, entry.currency]
        expected[reader].append((kind, answer["id"], entry.minor, entry.currency, balance))
    for person in BOTH:
        items = list(pages(replay.people[person].client, "/v1/notifications", limit=97))[::-1]
        assert [one["seq"] for one in items] == list(range(1, len(items) + 1))
        told = [_told(one) for one in items if one["kind"] not in ALREADY_TOLD]
        assert told == expected[person]


def shares(replay: GroupReplay, entries: Sequence[Entry], person: int) -> list[tuple[Entry, int]]:
    """The person's share of each expense, as `GroupReplay.post` has compared it with the file."""
    return [
        (entry, replay.shares_of(answer)[person])
        for entry, answer in zip(entries, replay.answers, strict=True)
        if not entry.is_repayment
    ]


def entry_shares(replay: GroupReplay, entry: Entry, answer: dict[str, Any]) -> tuple[int, int]:
    if not entry.is_repayment:
        return replay.shares_of(answer)
    return (0, entry.minor) if entry.payer == 0 else (entry.minor, 0)


def _transfers(answer: dict[str, Any]) -> list[tuple[str, str, str, int]]:
    return sorted(
        (one["from_member_id"], one["to_member_id"], one["currency"], cents(one["amount"]))
        for one in answer["items"]
    )


def _told(notification: dict[str, Any]) -> tuple[str, str, int, str, int]:
    data = notification["data"]
    source = data["settlement_id"] if "settlement_id" in data else data["expense_id"]
    return notification["kind"], source, cents(data["amount"]), data["currency"], cents(data["balance"])
