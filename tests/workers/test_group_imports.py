"""Imports into groups, batch by batch: nothing is lost or done twice whoever is killed when, to the cent."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
import time_machine
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from core import clock
from core.config import Settings
from core.database import Database
from core.errors import NotFound
from core.job_names import SPLIT_GROUP_EXPENSE
from core.models import GroupExpense, GroupMember, Settlement
from core.queries.ledger import group_balances
from core.queries.ledger_invariants import ledger_differences
from core.rules.money import format_amount
from core.services.shared_imports import SharedImports
from tests.api.group_imports import splitwise
from tests.core.services.household import Household
from tests.workers.importer import Importer
from workers.app import JOBS
from workers.long_jobs import LEASE, work_off_long
from workers.runtime import Runtime
from workers.tasks import imports as tasks
from workers.tasks.imports import COMMITTING, UNDOING


def row(number: int, amount: str, *, is_repayment: bool) -> tuple[str, ...]:
    """The first one has paid the whole of it for the other."""
    category = "Payment" if is_repayment else ""
    return "2026-05-01", f"Dinner {number}", category, amount, "EUR", amount, f"-{amount}"


ROWS = [row(number, f"{number}.00", is_repayment=number % 5 == 4) for number in range(1, 25)]
FILE = splitwise(ROWS, ("ann", "Grace"))
OWED = {"ann": sum(range(1, 25)) * 100, "Grace": -sum(range(1, 25)) * 100}


class Killed(BaseException):
    """As if the process ended here: nobody handles it."""


class GroupImporter(Importer):
    """A person of a household who has files."""

    def __init__(self, settings: Settings, flat: Household, name: str = "ann") -> None:
        super().__init__(settings, flat.database)
        self.id = flat.people[name].id
        self.flat = flat

    def preview(self, content: bytes) -> UUID:
        return self.read(content, group_id=self.flat.id)

    def balances(self) -> dict[str, dict[str, int]]:
        """Minor units by currency and name."""
        with self.database.reading() as session:
            names = dict(session.execute(select(GroupMember.id, GroupMember.display_name)).all())
            return {
                currency: {names[member_id]: minor for member_id, minor in of_currency.items()}
                for currency, of_currency in group_balances(session, group_id=self.flat.id).items()
            }

    def counts(self) -> tuple[int, int]:
        """Expenses that are there, and repayments that count."""
        with self.database.reading() as session:
            expenses = select(func.count()).where(
                GroupExpense.group_id == self.flat.id, GroupExpense.deleted_at.is_(None)
            )
            settlements = select(func.count()).where(
                Settlement.group_id == self.flat.id, Settlement.state == "confirmed"
            )
            return session.scalar(expenses) or 0, session.scalar(settlements) or 0

    def assert_sound(self) -> None:
        with self.database.reading() as session:
            assert ledger_differences(session, group_id=self.flat.id) == []


@pytest.fixture
def me(settings: Settings, database: Database) -> Iterator[GroupImporter]:
    """Ann, who is alone in her group."""
    made = GroupImporter(settings, Household(database, "ann"))
    yield made
    made.runtime.close()


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SharedImports, "recorded_at_once", 7)
    monkeypatch.setattr(SharedImports, "undone_at_once", 5)


def killed_at(call: int, function: Callable[..., Any], *, is_done: bool) -> Callable[..., Any]:
    """The function until that call, which kills its process before the commit, or before it has begun."""
    calls = 0

    def counting(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call and not is_done:
            raise Killed
        answer = function(*args, **options)
        if calls == call:
            raise Killed
        return answer

    return counting


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("is_done", [False, True], ids=["between batches", "within one"])
@pytest.mark.parametrize("call", [1, 3])
def test_who_follows_a_killed_worker_records_each_row_once(
    me: GroupImporter, monkeypatch: pytest.MonkeyPatch, call: int, is_done: bool
) -> None:
    import_id = me.preview(FILE)
    me.ask_to_commit(import_id)
    with monkeypatch.context() as patch:
        patch.setattr(tasks, "commit_rows", killed_at(call, tasks.commit_rows, is_done=is_done))
        with pytest.raises(Killed):
            work_off_long(me.runtime, COMMITTING)
    assert me.record(import_id).committed_count == 7 * (call - 1)
    assert sum(me.counts()) == 7 * (call - 1)
    with time_machine.travel(clock.now() + LEASE, tick=True):
        me.work(COMMITTING)
    me.flat.settle_all()
    assert (me.record(import_id).state, me.record(import_id).committed_count) == ("succeeded", 24)
    assert me.counts() == (19, 5)
    assert me.balances() == {"EUR": OWED}
    me.assert_sound()


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("is_done", [False, True], ids=["between batches", "within one"])
def test_who_follows_a_killed_worker_takes_each_row_back_once(
    me: GroupImporter, monkeypatch: pytest.MonkeyPatch, is_done: bool
) -> None:
    import_id = me.commit(me.preview(FILE)).id
    me.flat.settle_all()
    assert me.drop(import_id) is not None
    with monkeypatch.context() as patch:
        patch.setattr(tasks, "undo_rows", killed_at(3, tasks.undo_rows, is_done=is_done))
        with pytest.raises(Killed):
            work_off_long(me.runtime, UNDOING)
    assert me.record(import_id).committed_count == sum(me.counts()) == 14
    me.assert_sound()
    with time_machine.travel(clock.now() + LEASE, tick=True):
        me.work(UNDOING)
    assert (me.record(import_id).state, me.counts(), me.balances()) == ("undone", (0, 0), {})
    me.assert_sound()


def test_who_leaves_before_the_job_has_nothing_recorded(me: GroupImporter) -> None:
    me.flat.join("ben")
    import_id = me.preview(splitwise([ROWS[0], ROWS[1]], ("ann", "ben")))
    me.ask_to_commit(import_id)
    me.flat.set_member("ben", left_at=clock.now())
    me.work(COMMITTING)
    found = me.record(import_id)
    assert (found.state, found.committed_count, found.problem_count) == ("succeeded", 0, 2)
    assert {row.problem.reason for row in me.rows(import_id, "problem")} == {"ben has left the group"}
    assert me.counts() == (0, 0)


def test_an_importer_who_leaves_before_the_job_has_nothing_recorded(
    settings: Settings, database: Database
) -> None:
    flat = Household(database, "ann", "ben")
    flat.set_member("ben", role="admin")
    me = GroupImporter(settings, flat, "ben")
    import_id = me.preview(FILE)
    me.ask_to_commit(import_id, members={"Grace": "create"})
    flat.set_member("ben", left_at=clock.now())
    me.work(COMMITTING)
    found = me.record(import_id)
    assert (found.state, found.committed_count, found.problem_count) == ("succeeded", 0, 24)
    assert me.counts() == (0, 0)
    with pytest.raises(NotFound):
        me.preview(FILE)
    me.runtime.close()


def test_who_has_left_by_the_time_of_the_job_stops_the_undoing_in_words(me: GroupImporter) -> None:
    me.flat.join("ben")
    import_id = me.commit(me.preview(splitwise(ROWS, ("ann", "ben")))).id
    me.flat.settle_all()
    assert me.drop(import_id) is not None
    me.flat.set_member("ben", left_at=clock.now())
    me.work(UNDOING)
    found = me.record(import_id)
    assert (found.state, found.committed_count) == ("failed", 24)
    assert found.failure is not None
    assert found.failure.detail == "ben has left the group, and this would change their part"
    me.flat.set_member("ben", left_at=None)
    assert me.undo(import_id).state == "undone"
    assert me.balances() == {}
    me.assert_sound()


def test_a_file_comes_in_while_others_write_and_workers_post(me: GroupImporter, settings: Settings) -> None:
    """Everybody takes the same locks in the same order, so nobody fails."""
    rows = [row(number, "1.00", is_repayment=number % 9 == 8) for number in range(400)]
    import_id = me.preview(splitwise(rows, ("ann", "Grace")))
    me.ask_to_commit(import_id)
    is_over = threading.Event()
    failures: list[BaseException] = []

    def keep(work: Callable[[], object]) -> threading.Thread:
        def run() -> None:
            try:
                while not is_over.is_set():
                    work()
            except Exception as error:  # noqa: BLE001 - whatever it is fails the test
                failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    written: list[UUID] = []
    poster = Runtime(settings, JOBS)
    threads = [
        keep(lambda: poster.drain(SPLIT_GROUP_EXPENSE)),
        keep(lambda: written.append(me.flat.add("1.00", split=me.flat.by_value("exact", ann="1.00")))),
    ]
    me.work(COMMITTING)
    assert me.drop(import_id) is not None
    me.work(UNDOING)
    is_over.set()
    for thread in threads:
        thread.join()
    assert failures == []
    poster.drain(SPLIT_GROUP_EXPENSE)
    poster.close()
    assert me.record(import_id).state == "undone"
    assert me.counts() == (len(written), 0)
    assert me.balances() == {}, "what Ann pays for herself changes nothing"
    me.assert_sound()


People = tuple[str, ...]
Entry = tuple[str, bool, int, dict[int, int], dict[int, int]]
"""Currency, whether it is a repayment, amount in minor units, and who has paid and used how much."""


@st.composite
def shared_entries(draw: st.DrawFn, people: int) -> Entry:
    currency = draw(st.sampled_from(["EUR", "JPY", "KWD"]))
    amount = draw(st.integers(1, 10**7))
    first, second = draw(st.permutations(range(people)))[:2]
    if draw(st.booleans()) and draw(st.booleans()):
        return currency, True, amount, {first: amount}, {second: amount}
    paid = _parted(draw, amount, draw(st.sets(st.integers(0, people - 1), min_size=1)))
    shares = _parted(draw, amount, draw(st.sets(st.integers(0, people - 1), min_size=1)))
    sign = -1 if draw(st.integers(0, 4)) == 0 else 1
    paid, shares = ({one: sign * minor for one, minor in part.items()} for part in (paid, shares))
    return currency, False, sign * amount, paid, shares


def _parted(draw: st.DrawFn, amount: int, people: set[int]) -> dict[int, int]:
    cuts = sorted(draw(st.integers(0, amount)) for _ in range(len(people) - 1))
    parts = zip(sorted(people), [0, *cuts], [*cuts, amount], strict=True)
    return {person: end - start for person, start, end in parts}


@hypothesis_settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(2, 5).flatmap(lambda n: st.tuples(st.just(n), st.lists(shared_entries(n), max_size=25))))
def test_whatever_a_file_says_balances_are_those_of_the_file_and_then_gone(
    settings: Settings, database: Database, given_entries: tuple[int, list[Entry]]
) -> None:
    count, entries = given_entries
    people: People = ("ann", *(f"Person {number}" for number in range(1, count)))
    expected: Counter[tuple[str, str]] = Counter()
    rows = []
    for currency, is_repayment, amount, paid, shares in entries:
        nets = [paid.get(one, 0) - shares.get(one, 0) for one in range(count)]
        if not any(nets):
            continue  # such a row has no payer
        expected.update({(currency, people[one]): net for one, net in enumerate(nets)})
        texts = [format_amount(minor, currency) for minor in (amount, *nets)]
        category = "Payment" if is_repayment else "General"
        rows.append(("2026-05-01", "Something", category, texts[0], currency, *texts[1:]))
    me = GroupImporter(settings, Household(database, "ann"))
    found = me.commit(me.preview(splitwise(rows, people)))
    assert (found.state, found.committed_count, found.problem_count) == ("succeeded", len(rows), 0)
    me.flat.settle_all()
    balances = {(currency, name): n for currency, of in me.balances().items() for name, n in of.items()}
    assert balances == {key: net for key, net in expected.items() if net}
    by_preview = {
        (currency, one.name): minor
        for one in found.findings.people
        for currency, minor in one.balances.items()
    }
    assert by_preview == balances
    me.assert_sound()
    if rows:
        me.undo(found.id)
        assert me.balances() == {}
        me.assert_sound()
    me.runtime.close()
