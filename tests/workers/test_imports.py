"""Files become expenses: read for a preview, committed once, undone as a whole."""

from collections.abc import Iterator
from datetime import date

import pytest
from sqlalchemy import select

from core import clock
from core.config import Settings
from core.database import Database
from core.errors import Conflict, InvalidInput
from core.models import DailySpending, table_of
from core.services.statement_imports import StatementImports
from core.statements.mapping import Columns, Mapping
from tests.workers.importer import Importer, csv_of, importer
from workers.tasks.imports import COMMITTING, READING

MAY = csv_of(
    [
        ("2026-05-04", "-3.20", "Corner Bakery", "Bread", "groceries"),
        ("2026-05-05", "-41.00", "Railway", "To Köln", "Travel"),
        ("2026-05-05", "-3.20", "Corner Bakery", "Rolls", "Food: Groceries"),
        ("2026-05-06", "12.50", "Railway", "Refund", "Travel"),
        ("2026-05-07", "-9.99", "Cinema", "", "Leisure"),
        ("not a day", "-9.99", "Cinema", "", "Leisure"),
    ]
)


@pytest.fixture
def me(settings: Settings, database: Database) -> Iterator[Importer]:
    with importer(settings, database) as me:
        yield me


def test_a_preview_says_what_is_in_the_file_and_records_nothing(me: Importer) -> None:
    import_id = me.upload(MAY)
    assert me.record(import_id).state == "queued"
    assert (me.record(import_id).row_count, me.rows(import_id)) == (0, [])
    me.work(READING)
    found = me.record(import_id)
    assert (found.state, found.format, found.failure) == ("preview", "csv", None)
    counts = (found.row_count, found.problem_count, found.duplicate_count, found.credit_count)
    assert counts == (5, 1, 0, 1)
    assert (found.chosen_count, found.committed_count) == (5, 0)
    assert (found.first_day, found.last_day) == (date(2026, 5, 4), date(2026, 5, 7))
    (total,) = found.findings.sums
    assert (total.currency, total.rows, total.spent_minor, total.received_minor) == ("EUR", 5, 5739, 1250)
    assert {one.name: one.rows for one in found.findings.categories} == {
        "groceries": 1,
        "Travel": 2,
        "Food: Groceries": 1,
        "Leisure": 1,
    }
    (problem,) = found.findings.problems
    assert (problem.line, problem.field) == (7, "day")
    assert problem.reason
    assert found.findings.headers == ("Date", "Amount", "Payee", "Note", "Category")
    assert me.lines(import_id, "ready") == [2, 3, 4, 5, 6]
    assert me.lines(import_id, "problem") == [7]
    assert me.expenses() == []


def test_a_commit_records_each_row_once_under_its_category(me: Importer) -> None:
    found = me.load(MAY)
    assert (found.state, found.chosen_count, found.committed_count) == ("succeeded", 5, 5)
    assert found.finished_at is not None
    assert found.sha256 is None, "the file is let go"
    names = me.category_names()
    shown = [
        (one.spent_on.day, one.amount_minor, one.payee, one.note, names[one.category_id], one.source)
        for one in me.expenses()
        if one.category_id is not None
    ]
    assert sorted(shown) == [
        (4, 320, "Corner Bakery", "Bread", "groceries", "import"),
        (5, 320, "Corner Bakery", "Rolls", "groceries", "import"),
        (5, 4100, "Railway", "To Köln", "travel", "import"),
        (6, -1250, "Railway", "Refund", "travel", "import"),
        (7, 999, "Cinema", None, "Leisure", "import"),
    ]
    assert [row.expense_id for row in me.rows(found.id, "committed")] == [
        one.id for one in sorted(me.expenses(), key=lambda one: one.id)
    ]
    me.assert_totals()
    (message,) = me.messages()
    assert message == (
        "import.finished",
        {
            "import_id": str(found.id),
            "name": "statement.csv",
            "state": "succeeded",
            "committed": 5,
            "duplicates": 0,
            "problems": 1,
        },
    )


def test_budgets_of_the_present_alert(me: Importer) -> None:
    today = clock.now().date()
    budget_id = me.budget("10.00")
    me.load(csv_of([(today, "-8.50", "Corner Bakery", "", "")]))
    me.settle()
    assert {threshold for _start, threshold in me.open(budget_id)} == {80}


def test_what_is_not_chosen_is_left(me: Importer) -> None:
    me.load(MAY, but=frozenset({2, 6}))
    assert me.payees() == ["Corner Bakery", "Railway", "Railway"]
    only = me.load(MAY, only=frozenset({2, 7}), duplicates=True)
    assert (only.chosen_count, only.committed_count) == (1, 1)
    me.assert_totals()


def test_categories_go_where_the_user_says(me: Importer) -> None:
    travel = str(me.categories["travel"])
    me.load(MAY, categories={"groceries": travel, "Leisure": None, "Travel": "create"})
    names = me.category_names()
    shown = {one.note or one.payee: names.get(one.category_id or me.id) for one in me.expenses()}
    assert shown == {
        "Bread": "travel",
        "Rolls": "groceries",
        # There is one of that name, which does not become two.
        "To Köln": "travel",
        "Refund": "travel",
        "Cinema": None,
    }
    assert "Leisure" not in names.values()


def test_only_names_in_the_file_and_own_categories_can_be_given(me: Importer) -> None:
    import_id = me.read(MAY)
    for name, wanted in (("Nothing/at all", None), ("Leisure", str(import_id))):
        with pytest.raises(InvalidInput) as caught:
            me.ask_to_commit(import_id, categories={name: wanted})
        assert caught.value.fields[0].pointer == "/categories/" + name.replace("/", "~1")
    assert me.record(import_id).state == "preview"


def test_it_is_committed_once(me: Importer) -> None:
    import_id = me.read(MAY)
    me.commit(import_id)
    with pytest.raises(Conflict):
        me.ask_to_commit(import_id)


def test_of_two_imports_one_waits_for_the_other(me: Importer) -> None:
    first, second = me.read(MAY), me.read(MAY)
    me.ask_to_commit(first)
    with pytest.raises(Conflict):
        me.ask_to_commit(second)
    with pytest.raises(Conflict):
        me.drop(first)
    me.work(COMMITTING)
    found = me.commit(second)
    assert (found.duplicate_count, found.committed_count) == (5, 0), "it knows what came in since its preview"
    assert len(me.expenses()) == 5


def test_a_corrected_mapping_reads_the_file_anew_and_is_kept_for_the_next(me: Importer) -> None:
    file = csv_of([("03/04/2026", "3.20", "Bakery")], header="When,How much,Who")
    import_id = me.read(file)
    mapping = Mapping(
        currency="USD",
        header_row=1,
        date_order="mdy",
        amount_sign="positive_is_spent",
        columns=Columns(day=0, amount=1, payee=2),
    )
    found = me.correct(import_id, mapping)
    assert (found.state, found.mapping) == ("preview", mapping)
    assert (found.first_day, found.findings.sums[0].currency) == (date(2026, 3, 4), "USD")
    me.commit(import_id)
    again = me.record(me.read(csv_of([("05/04/2026", "7.00", "Bakery")], header="When,How much,Who")))
    assert again.first_day == date(2026, 5, 4)
    assert again.findings.sums[0].spent_minor == 700


def test_what_cannot_be_read_says_why_and_can_be_corrected(me: Importer) -> None:
    import_id = me.read(b"%PDF-1.7 nothing of the kind")
    found = me.record(import_id)
    assert (found.state, found.row_count) == ("failed", 0)
    assert found.failure is not None
    assert found.failure.detail
    with pytest.raises(Conflict):
        me.ask_to_commit(import_id)
    assert me.drop(import_id) is None


def test_undone_it_is_as_if_it_had_never_been(me: Importer) -> None:
    me.spend("5.00", "2026-05-05", category="groceries")
    before = totals(me)
    names = me.category_names()
    found = me.load(MAY)
    assert totals(me) != before
    undone = me.undo(found.id)
    assert (undone.state, undone.committed_count) == ("undone", 0)
    assert totals(me) == before
    assert me.category_names() == names
    assert me.all_expenses() == 1
    me.assert_totals()
    assert me.load(MAY).committed_count == 5, "it may come again"


def test_what_was_worked_on_since_goes_into_the_trash(me: Importer) -> None:
    found = me.load(MAY)
    cinema = next(one for one in me.expenses() if one.payee == "Cinema")
    bread = next(one for one in me.expenses() if one.note == "Bread")
    me.revise(cinema.id, note="With Grace", spent_on="2026-04-30")
    me.delete(bread.id)
    me.undo(found.id)
    assert me.expenses() == []
    assert {one.id for one in me.expenses(is_in_trash=True)} == {cinema.id, bread.id}
    me.assert_totals()
    me.restore(cinema.id)
    me.assert_totals()
    assert "Leisure" in me.category_names().values(), "a category that is used stays"


def test_a_row_that_cannot_be_recorded_stops_no_other(me: Importer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the totals of a day would be more than they can hold."""
    monkeypatch.setattr(StatementImports, "recorded_at_once", 60)
    huge = [("2026-05-04", "-1000000000000.00", f"Payee {number}", "", "") for number in range(150)]
    found = me.load(csv_of([*huge, ("2026-05-05", "-1.00", "Bakery", "", "")]))
    assert (found.state, found.committed_count, found.problem_count) == ("succeeded", 101, 50)
    problems = [row.problem for row in me.rows(found.id, "problem")]
    assert {one.field for one in problems} == {"amount"}
    assert all("total" in one.reason for one in problems)
    me.assert_totals()
    me.undo(found.id)
    assert me.all_expenses() == 0


def totals(me: Importer) -> list[tuple[object, ...]]:
    table = table_of(DailySpending)
    with me.database.reading() as session:
        rows = session.execute(select(table).where(table.c.user_id == me.id, table.c["count"] != 0))
        return sorted(tuple(map(str, row)) for row in rows)
