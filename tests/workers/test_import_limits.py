"""However much a file holds, and however many files somebody has: it is bounded, and said."""

from collections.abc import Iterator

import pytest
from sqlalchemy import func, select

from core.config import Settings
from core.database import Database
from core.models import ImportMapping
from core.queries.export_csv import HEADER
from core.services import import_categories, import_reading, imports
from core.services.categories import MAX_CATEGORIES
from core.statements import reading
from tests.workers.importer import Importer, csv_of, importer
from workers.tasks import imports as tasks


@pytest.fixture
def me(settings: Settings, database: Database) -> Iterator[Importer]:
    with importer(settings, database) as me:
        yield me


def rows_of(count: int, category: str = "") -> list[tuple[str, ...]]:
    return [("2026-05-04", f"-{n}.20", f"Payee {n}", "", category) for n in range(count)]


def test_of_a_file_with_too_many_rows_nothing_stays(me: Importer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_ROWS", 5)
    monkeypatch.setattr(tasks, "ROWS_AT_ONCE", 2)
    import_id = me.read(csv_of(rows_of(6)))
    found = me.record(import_id)
    assert (found.state, me.rows(import_id)) == ("failed", [])
    assert found.failure is not None
    assert "more than 5 rows" in found.failure.detail
    assert found.findings.headers, "what was found out is still shown"
    assert me.record(me.read(csv_of(rows_of(5)))).state == "preview"


def test_a_file_that_takes_too_long_is_given_up(me: Importer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "MAX_READING_S", -1)
    found = me.record(me.read(csv_of(rows_of(3))))
    assert found.state == "failed"
    assert found.failure is not None
    assert "too much time" in found.failure.detail


def test_only_the_first_problems_and_names_are_in_the_preview_itself(
    me: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_reading, "MAX_SHOWN_PROBLEMS", 2)
    monkeypatch.setattr(import_reading, "MAX_CATEGORY_NAMES", 3)
    good = [("2026-05-04", f"-{n}.20", "Payee", "", f"Name {n % 5}") for n in range(40)]
    bad = [("2026-05-04", "none", "Payee", "", "")] * 4
    import_id = me.read(csv_of([*good, *bad]))
    found = me.record(import_id)
    assert (found.problem_count, len(found.findings.problems)) == (4, 2)
    assert [one.name for one in found.findings.categories] == ["Name 0", "Name 1", "Name 2"]
    me.commit(import_id)
    names = set(me.category_names().values())
    assert {"Name 0", "Name 1", "Name 2"} <= names
    assert not {"Name 3", "Name 4"} & names, "a name that is not shown makes no category"
    assert len(me.expenses()) == 40


def test_without_room_for_categories_expenses_have_none(
    me: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.services.categories.MAX_CATEGORIES", len(me.categories) + 1)
    assert MAX_CATEGORIES == 500
    found = me.load(csv_of([*rows_of(2, "New"), *rows_of(1, "Other")]))
    assert found.state == "succeeded"
    names = me.category_names()
    assert len(names) == len(me.categories) + 1
    assert sorted(names.get(one.category_id or me.id, "none") for one in me.expenses()) == [
        "New",
        "New",
        "none",
    ]


def test_a_category_that_is_deleted_meanwhile_is_none(me: Importer) -> None:
    import_id = me.read(csv_of(rows_of(1, "Travel")))
    me.ask_to_commit(import_id, categories={"Travel": str(me.categories["travel"])})
    with me.database.transaction() as session:
        import_categories.remove_unused(session, user_id=me.id, category_ids=[me.categories["travel"]])
    me.work(tasks.COMMITTING)
    (expense,) = me.expenses()
    assert expense.category_id is None


def test_so_many_mappings_are_kept(me: Importer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "MAX_KEPT_MAPPINGS", 2)
    for number in range(4):
        me.load(csv_of([("2026-05-04", "-1.00", "a")], header=f"Date,Amount,Payee {number}"))
    with me.database.reading() as session:
        query = select(func.count()).select_from(ImportMapping).where(ImportMapping.user_id == me.id)
        assert session.scalar(query) == 2


def test_an_id_that_is_there_twice_in_a_file_is_recorded_once(me: Importer) -> None:
    row = ["2026-05-04", "3.20", "EUR", *[""] * 8, "01a22324-d956-720a-81d0-9199c96a9df4"]
    other = ["2026-05-04", "3.20", "EUR", *[""] * 8, "01a22324-d956-720a-81d0-9199c96a9df5"]
    import_id = me.read(csv_of([row, row, other], header=",".join(HEADER)))
    (again,) = me.rows(import_id, "duplicate")
    assert (again.line, again.duplicate_reason) == (3, "same_file")
    assert me.commit(import_id).committed_count == 2
