"""A journey of two people, divided by our own rules, beside what another program made of it."""

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction

import httpx
import pytest

from core.database import Database
from core.job_names import DELIVER_NOTIFICATIONS, SPLIT_GROUP_EXPENSE
from tests.api.calls import assert_totals_are_right, jobs_asked_for
from tests.real_data.group_comparing import (
    assert_activity_is_the_files,
    assert_debts_and_plan_clear,
    assert_each_was_told_of_what_the_other_wrote,
    assert_own_expenses_are_the_files,
    entry_shares,
)
from tests.real_data.group_files import (
    BOTH,
    Columns,
    Entry,
    spliit_columns,
    spliit_entries,
    spliit_stored_parts,
)
from tests.real_data.group_replay import GroupReplay, replaying
from workers.runtime import Runtime

LEFT_OVER_SHARES = {
    "Dures Bari": 23_00,
    "Rome Sardinia ferry": 21_00,
    "Gas MK-IT": 4_00,
    "Parking Rome ": 60,
}
"""Entries to be divided evenly that the CSV file divides 3 to 2: so much more is John's there."""

HALF_A_CENT = "Podaroci"
"""10.75 evenly: the CSV file has 5.38 for each, a cent more than there was."""


@pytest.fixture
def replay(client: httpx.Client, runtime: Runtime) -> Iterator[GroupReplay]:
    def work_off(_replay: GroupReplay) -> None:
        runtime.drain(SPLIT_GROUP_EXPENSE)

    with replaying(client, work_off, currency="EUR") as replay:
        yield replay


def test_each_share_is_the_other_programs_but_for_what_is_explained(
    replay: GroupReplay, runtime: Runtime, database: Database
) -> None:
    entries = spliit_entries()
    assert Counter(entry.kind for entry in entries if not entry.is_repayment) == {
        "shares": 65,
        "equal": 8,
        "percent": 1,
    }

    nets = replay.follow(entries)

    # Row by row: what the CSV file says is more than what we say, for John and for Jane.
    ours = [
        entry_shares(replay, entry, answer) for entry, answer in zip(entries, replay.answers, strict=True)
    ]
    rows = _rows_of(entries)
    more = {
        entry.description: tuple(row.shares[person] - shares[person] for person in BOTH)
        for entry, row, shares in zip(entries, rows, ours, strict=True)
        if row.shares != shares
    }
    odd_cent = more.pop(HALF_A_CENT)
    assert odd_cent in ((1, 0), (0, 1))
    assert more == {name: (minor, -minor) for name, minor in LEFT_OVER_SHARES.items()}

    # So the balances differ by just that: Jane paid for the presents, so that John's cent is what counts.
    file_nets = _nets_by_columns(rows)
    assert nets[0, "EUR"] - file_nets[0] == sum(LEFT_OVER_SHARES.values()) + odd_cent[0]

    # And they are the exact ones, less what each row was rounded up or down by.
    exact = _exact_nets(entries)
    assert exact == (Fraction(3, 10), Fraction(-3, 10))
    for person in BOTH:
        rounding = sum(
            shares[person] - entry.fair[person] for entry, shares in zip(entries, ours, strict=True)
        )
        assert nets[person, "EUR"] == exact[person] - rounding

    assert_debts_and_plan_clear(replay, nets)
    assert_own_expenses_are_the_files(replay, entries)
    assert_activity_is_the_files(replay, entries)
    assert_each_was_told_of_what_the_other_wrote(replay, entries)
    runtime.drain(DELIVER_NOTIFICATIONS)
    assert jobs_asked_for(database) == []
    assert_totals_are_right(database)


def test_the_csv_file_rounds_the_shares_as_they_are_stored_each_by_itself() -> None:
    entries = spliit_entries()
    uneven = []
    for entry, row, stored in zip(entries, _rows_of(entries), spliit_stored_parts(), strict=True):
        assert row.shares == tuple(int(part + Fraction(1, 2)) for part in stored), entry
        if stored != entry.fair:
            assert entry.kind == "equal"
            uneven.append(entry.description)
            assert stored[0] - entry.fair[0] == LEFT_OVER_SHARES[entry.description]
    assert sorted(uneven) == sorted(LEFT_OVER_SHARES)
    assert [entry.description for entry in entries if entry.rounded() is None] == [HALF_A_CENT]


def _rows_of(entries: list[Entry]) -> list[Columns]:
    """The row of each entry: the CSV file has them in another order, and two are alike in all."""
    rows = {(row.day, row.description, row.minor, row.payer): row for row in spliit_columns()}
    found = [rows[entry.day, entry.description, entry.minor, entry.payer] for entry in entries]
    assert Counter(found) == Counter(spliit_columns())
    return found


def _nets_by_columns(rows: list[Columns]) -> tuple[int, int]:
    first, second = (
        sum(row.minor * (row.payer == person) - row.shares[person] for row in rows) for person in BOTH
    )
    return first, second


def _exact_nets(entries: list[Entry]) -> tuple[Fraction, Fraction]:
    first, second = (
        sum((entry.minor * (entry.payer == person) - entry.fair[person] for entry in entries), Fraction(0))
        for person in BOTH
    )
    return first, second
