"""Nine years of two people's expenses and repayments, replayed as a group until nobody owes anything."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal

import httpx
import pytest

from core.database import Database
from core.job_names import DELIVER_NOTIFICATIONS, SPLIT_GROUP_EXPENSE
from tests.api.calls import assert_totals_are_right, jobs_asked_for
from tests.real_data.files import SPLITWISE, cents, read_rows
from tests.real_data.group_comparing import (
    assert_activity_is_the_files,
    assert_debts_and_plan_clear,
    assert_each_was_told_of_what_the_other_wrote,
    assert_own_expenses_are_the_files,
    spending_by_month,
)
from tests.real_data.group_files import BOTH, Nets, splitwise_balances, splitwise_columns, splitwise_entries
from tests.real_data.group_replay import GroupReplay, replaying
from workers.runtime import Runtime


@pytest.fixture
def replay(client: httpx.Client, runtime: Runtime) -> Iterator[GroupReplay]:
    def work_off(_replay: GroupReplay) -> None:
        runtime.drain(SPLIT_GROUP_EXPENSE)

    with replaying(client, work_off, currency="MKD") as replay:
        yield replay


def test_nine_years_of_two_people_end_with_nobody_owing_anything(
    replay: GroupReplay, runtime: Runtime, database: Database
) -> None:
    entries = splitwise_entries()
    assert len(entries) == 673
    assert Counter(entry.currency for entry in entries) == {"MKD": 661, "EUR": 10, "USD": 2}

    nets = replay.follow(entries)

    assert replay.comparisons == 27
    assert not any(nets.values())
    assert splitwise_balances() == dict.fromkeys(("MKD", "EUR", "USD"), (Decimal(0), Decimal(0)))
    assert replay.read("/balances")["balances"] == []
    assert_debts_and_plan_clear(replay, nets)
    assert_own_expenses_are_the_files(replay, entries)
    for person in BOTH:
        assert spending_by_month(replay, person) == _file_by_month(person)
    assert_activity_is_the_files(replay, entries)
    assert_each_was_told_of_what_the_other_wrote(replay, entries)
    runtime.drain(DELIVER_NOTIFICATIONS)
    assert jobs_asked_for(database) == []
    assert_totals_are_right(database)


def test_entries_come_to_the_columns_of_the_file_after_every_row() -> None:
    nets: Nets = Counter()
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for entry, (currency, first, second) in zip(splitwise_entries(), splitwise_columns(), strict=True):
        shares = entry.rounded()
        assert shares is not None
        entry.add_to(nets, shares)
        sums[currency] += first
        assert first + second == 0
        assert Decimal(nets[0, currency]) / 100 == sums[currency]
        assert nets[1, currency] == -nets[0, currency]


def test_repayments_are_the_payments_of_the_file_in_either_direction() -> None:
    repayments = [entry for entry in splitwise_entries() if entry.is_repayment]
    assert Counter(entry.payer for entry in repayments) == {0: 4, 1: 25}
    assert all(
        entry.description == ("John D. paid Jane D." if entry.payer == 0 else "Jane D. paid John D.")
        for entry in repayments
    )
    # Two were moved to another program, and stand as expenses of which one owes the whole.
    moved = [entry for entry in splitwise_entries() if "transfer" in entry.description.casefold()]
    assert [(one.payer, one.minor, one.category) for one in moved] == [
        (0, 26_224_00, "General"),
        (1, 1_274_00, "General"),
    ]


def _file_by_month(person: int) -> Counter[tuple[str, str]]:
    """What is left of the cost for who has paid, and what the other one owes: from the text of the file."""
    sums: Counter[tuple[str, str]] = Counter()
    for row in read_rows(SPLITWISE):
        if len(row) < 7 or row[2] in ("Payment", "Category") or not row[3].strip():
            continue
        column = cents(row[5 + person])
        sums[row[0][:7], row[4]] += cents(row[3]) - column if column > 0 else -column
    return sums
