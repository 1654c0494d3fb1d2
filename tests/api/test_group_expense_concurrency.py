"""Several members change one expense of their group at once: one outcome, and nothing is doubled."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from core.database import Database
from core.models import GroupActivity, Posting
from tests.api.calls import another, assert_totals_are_right, read
from tests.api.groups import MadeGroup, make_group
from tests.api.test_group_expenses import add, balances, path_of, split_all
from tests.cast import Cast

THREADS = 12


@pytest.fixture
def flat(cast: Cast) -> MadeGroup:
    """The owner's and the member's."""
    return make_group(cast.owner, cast.member)


def test_of_two_members_editing_at_once_one_is_told_and_nothing_is_doubled(
    cast: Cast, flat: MadeGroup, database: Database
) -> None:
    expense = add(cast.owner.client, flat)
    split_all(database)
    start = threading.Barrier(THREADS + 1)

    def edit(number: int) -> tuple[int, int]:
        person = (cast.owner, cast.member)[number % 2]
        with another(person.client) as own:
            start.wait()
            body = {"amount": f"{number + 4}0.00"}
            answer = own.patch(path_of(expense), json=body, headers={"If-Match": '"1"'})
            return answer.status_code, number

    def work() -> None:
        start.wait()
        for _ in range(5):
            split_all(database)

    with ThreadPoolExecutor(THREADS + 1) as pool:
        working = pool.submit(work)
        answers = list(pool.map(edit, range(THREADS)))
        working.result()
    assert Counter(status for status, _number in answers) == {200: 1, 412: THREADS - 1}
    split_all(database)
    (winner,) = (number for status, number in answers if status == 200)
    kept = read(cast.owner.client, path_of(expense))
    assert (kept["amount"], kept["version"], kept["state"]) == (f"{winner + 4}0.00", 2, "split")
    half = (winner + 4) * 500
    assert balances(database, flat) == {flat.member(cast.owner): half, flat.member(cast.member): -half}
    with database.reading() as session:
        count = session.scalar(select(func.count()).select_from(Posting))
        is_change = GroupActivity.kind == "expense.changed"
        told = session.scalar(select(func.count()).select_from(GroupActivity).where(is_change))
    assert count == 6, "the first entry, its reversal and the new one, of two members"
    assert told == 1
    assert_totals_are_right(database)


def test_edits_without_a_version_all_count_and_end_in_one_state(
    cast: Cast, flat: MadeGroup, database: Database
) -> None:
    expense = add(cast.owner.client, flat)
    start = threading.Barrier(THREADS)

    def edit(number: int) -> str:
        with another((cast.owner, cast.member)[number % 2].client) as own:
            start.wait()
            return own.patch(path_of(expense), json={"amount": f"{number + 4}0.00"}).headers["ETag"]

    with ThreadPoolExecutor(THREADS) as pool:
        versions = set(pool.map(edit, range(THREADS)))
    assert versions == {f'"{number}"' for number in range(2, THREADS + 2)}
    split_all(database)
    half = int(read(cast.owner.client, path_of(expense))["shares"][0]["amount"].replace(".", ""))
    assert balances(database, flat) == {flat.member(cast.owner): half, flat.member(cast.member): -half}
