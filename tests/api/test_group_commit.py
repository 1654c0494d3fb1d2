"""Group commit: what arrives together is committed together, and nobody suffers for another's item."""

import asyncio
import threading
from collections.abc import Callable, Sequence

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from api.group_commit import MAX_BATCH, MAX_WAITING, GroupCommit
from core.database import Database
from core.errors import Conflict, OutlayError, Overloaded
from core.models import OutboxRow
from core.services.outbox import Job, stage_jobs

UNACCEPTABLE = "unacceptable"
EXPLOSIVE = "explosive"


class Applying:
    """Stages a row an item, refuses some items and breaks on others; remembers the batches it was given."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.batches: list[list[str]] = []
        self.has_begun = threading.Event()
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def apply(self, session: Session, items: Sequence[str]) -> list[str | OutlayError]:
        self.batches.append(list(items))
        self.has_begun.set()
        assert self.may_go_on.wait(20)
        stage_jobs(session, [Job("test", item, {}) for item in items if item != UNACCEPTABLE])
        if EXPLOSIVE in items:
            raise ZeroDivisionError("as a defect would")
        return [Conflict("no") if item == UNACCEPTABLE else f"did {item}" for item in items]

    def transact(
        self, _items: Sequence[str], work: Callable[[Session], Sequence[str | OutlayError]]
    ) -> Sequence[str | OutlayError]:
        with self.database.transaction() as session:
            return work(session)

    def stored(self) -> list[str]:
        with self.database.reading() as session:
            return sorted(session.scalars(select(OutboxRow.key)))


@pytest.fixture
def applying(database: Database) -> Applying:
    return Applying(database)


async def submit_all(applying: Applying, items: Sequence[str]) -> list[str | BaseException]:
    """Submit the first item, and the rest while its commit is under way."""
    applying.may_go_on.clear()
    group = GroupCommit[str, str](applying.apply, applying.transact)
    group.start()
    try:
        first = asyncio.create_task(group.submit(items[0]))
        await asyncio.to_thread(applying.has_begun.wait, 20)
        rest = [asyncio.create_task(group.submit(item)) for item in items[1:]]
        await asyncio.sleep(0)
        applying.may_go_on.set()
        return await asyncio.gather(first, *rest, return_exceptions=True)
    finally:
        applying.may_go_on.set()
        await group.close()


def test_what_arrives_during_a_commit_shares_the_next_one(applying: Applying) -> None:
    outcomes = asyncio.run(submit_all(applying, ["one", "two", "three", "four"]))
    assert outcomes == ["did one", "did two", "did three", "did four"]
    assert applying.batches == [["one"], ["two", "three", "four"]]
    assert applying.stored() == ["four", "one", "three", "two"]


def test_an_unacceptable_item_fails_alone_and_splits_nothing(applying: Applying) -> None:
    outcomes = asyncio.run(submit_all(applying, ["one", "two", UNACCEPTABLE, "four"]))
    assert outcomes[:2] == ["did one", "did two"]
    assert isinstance(outcomes[2], Conflict)
    assert len(applying.batches) == 2
    assert applying.stored() == ["four", "one", "two"]


def test_an_item_that_breaks_the_batch_takes_nobody_down_and_leaves_nothing(applying: Applying) -> None:
    outcomes = asyncio.run(submit_all(applying, ["one", "two", EXPLOSIVE, "four"]))
    assert [outcomes[0], outcomes[1], outcomes[3]] == ["did one", "did two", "did four"]
    assert isinstance(outcomes[2], ZeroDivisionError)
    assert applying.batches[:2] == [["one"], ["two", EXPLOSIVE, "four"]]
    assert sorted(applying.batches[2:]) == [[EXPLOSIVE], ["four"], ["two"]]
    assert applying.stored() == ["four", "one", "two"]


def test_a_batch_is_bounded(applying: Applying) -> None:
    items = [f"item-{number:04d}" for number in range(MAX_BATCH + 10)]
    outcomes = asyncio.run(submit_all(applying, items))
    assert outcomes == [f"did {item}" for item in items]
    assert [len(batch) for batch in applying.batches] == [1, MAX_BATCH, 9]


def test_too_many_waiting_writes_are_refused_and_the_others_are_done(applying: Applying) -> None:
    outcomes = asyncio.run(submit_all(applying, [f"item-{number:05d}" for number in range(MAX_WAITING + 6)]))
    refused = [outcome for outcome in outcomes if isinstance(outcome, Overloaded)]
    assert len(refused) == 5
    assert len(applying.stored()) == MAX_WAITING + 1


def test_closing_finishes_what_is_waiting(applying: Applying) -> None:
    async def submit_and_close() -> list[str]:
        group = GroupCommit[str, str](applying.apply, applying.transact)
        group.start()
        waiting = [asyncio.create_task(group.submit(item)) for item in ("one", "two", "three")]
        await asyncio.sleep(0)
        await group.close()
        return list(await asyncio.gather(*waiting))

    assert asyncio.run(submit_and_close()) == ["did one", "did two", "did three"]


def test_a_database_that_is_away_is_asked_once_not_once_for_each_item(applying: Applying) -> None:
    attempts: list[int] = []

    def transact(
        _items: Sequence[str], work: Callable[[Session], Sequence[str | OutlayError]]
    ) -> Sequence[str | OutlayError]:
        attempts.append(1)
        away = Database("postgresql+psycopg://nobody@127.0.0.1:1/nothing", pool_size=1)
        with away.transaction() as session:
            session.execute(insert(OutboxRow))
            return work(session)

    applying.transact = transact  # type: ignore[method-assign]
    outcomes = asyncio.run(_submit_three(applying))
    assert all(isinstance(outcome, DBAPIError) for outcome in outcomes)
    assert 1 <= len(attempts) <= 2


async def _submit_three(applying: Applying) -> list[str | BaseException]:
    group = GroupCommit[str, str](applying.apply, applying.transact)
    group.start()
    try:
        return await asyncio.gather(*(group.submit(item) for item in "abc"), return_exceptions=True)
    finally:
        await group.close()
