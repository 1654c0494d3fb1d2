"""An archive among what is there already: what is the same stays as it is, and what refers finds its way."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update

from core.errors import Conflict, InvalidInput
from core.models import Deletion, Expense
from core.queries.expense_rules import list_rules
from core.queries.expenses import ExpenseRecord, load_expense
from core.queries.imports import ImportRecord, list_import_rows
from core.queries.users import load_user
from core.rules.expense_rules import Action
from core.rules.money import MAX_AMOUNT_MINOR, format_amount
from core.services import archive_intake, imports
from core.services.categories import NewCategory, change_category, create_category, delete_category
from core.services.expense_rules import NewRule, create_rule
from core.services.expenses import TRASH_LIFETIME, purge_trash
from core.services.imports import Choice
from tests.archives.archivist import Archivist, comparable, encoded
from tests.archives.documents import document
from tests.core.archive.test_reading import CATEGORY, EXPENSE
from tests.core.services.replica import Replica
from tests.core.services.spender import Spender


def category(name: str, **changes: Any) -> dict[str, Any]:
    return {**CATEGORY, "id": str(uuid4()), "name": name, **changes}


def expense(**changes: Any) -> dict[str, Any]:
    return {**EXPENSE, "id": str(uuid4()), **changes}


def loaded(archivist: Archivist, user_id: UUID, expense_id: str) -> ExpenseRecord:
    with archivist.database.reading() as session:
        return load_expense(session, user_id=user_id, expense_id=UUID(expense_id))


def lists(record: ImportRecord) -> dict[str, tuple[int, int]]:
    """New and known, where there are any."""
    return {one.name: (one.new, one.known) for one in record.findings.lists if one.new or one.known}


def problems(record: ImportRecord) -> list[tuple[str | None, str]]:
    return [(one.field, one.reason) for one in record.findings.problems]


def test_categories_are_the_same_by_name_below_the_same_parent(archivist: Archivist) -> None:
    me = Spender(archivist.database)
    food, groceries = category("FOOD"), category("Groceries")
    groceries["parent_id"] = food["id"]
    top, snacks = category("groceries"), category("Snacks", parent_id=food["id"])
    spent = [expense(category_id=one["id"]) for one in (food, groceries, top, snacks)]
    # Children may come before their parents.
    done = archivist.take_in(
        me.id, encoded(document({"categories": [groceries, snacks, food, top], "expenses": spent}))
    )
    assert lists(done) == {"categories": (2, 2), "expenses": (4, 0)}
    assert [loaded(archivist, me.id, one["id"]).category_id for one in spent] == [
        me.categories["food"], me.categories["groceries"], UUID(top["id"]), UUID(snacks["id"]),
    ]  # fmt: skip
    made = {one["id"]: one for one in archivist.document(me.id)["categories"]}
    assert made[snacks["id"]]["parent_id"] == str(me.categories["food"])


def test_a_category_of_the_same_id_is_the_same_whatever_it_is_called(archivist: Archivist) -> None:
    user_id = archivist.new_account()
    food, snacks = category("Food"), category("Snacks")
    snacks["parent_id"] = food["id"]
    archivist.take_in(user_id, encoded(document({"categories": [food]})))
    with archivist.database.transaction() as session:
        other = create_category(session, user_id=user_id, category=NewCategory(name="Other"))
        change_category(
            session,
            user_id=user_id,
            category_id=UUID(food["id"]),
            changes={"name": "Eating", "parent_id": other.id},
        )
    done = archivist.take_in(user_id, encoded(document({"categories": [food, snacks]})))
    assert lists(done) == {"categories": (1, 1)}
    found = {one["name"]: one["parent_id"] for one in archivist.document(user_id)["categories"]}
    assert found == {"Other": None, "Eating": str(other.id), "Snacks": str(other.id)}


def test_rules_come_behind_those_that_are_there(archivist: Archivist) -> None:
    me = Spender(archivist.database)
    with archivist.database.transaction() as session:
        create_rule(
            session,
            user_id=me.id,
            rule=NewRule(name="Mine", when={"currency": {"equals": "EUR"}}, then=Action(add_tags=("x",))),
        )
    food = category("food")
    then = {"category_id": food["id"], "add_tags": ["a", "a"], "payee": None}
    stamps = {name: CATEGORY[name] for name in ("version", "created_at", "updated_at")}
    rule = {"id": str(uuid4()), "name": "Bread", "position": 7, "is_active": False, **stamps}
    good = {**rule, "when": {"payee": {"contains": "bakery"}}, "then": then}
    earlier = {**good, "id": str(uuid4()), "name": "Earlier", "position": 1}
    bad = [
        {**good, "id": str(uuid4()), "when": {"payee": {"like": "x"}}},
        {**good, "id": str(uuid4()), "when": {"all": 5}},
        {**good, "id": str(uuid4()), "when": {}},
        {**good, "id": str(uuid4()), "when": {"not": None}},
        {**good, "id": str(uuid4()), "when": {"payee": {"equals": None}}},
        {**good, "id": str(uuid4()), "then": {**then, "category_id": str(uuid4())}},
    ]
    archive = encoded(document({"categories": [food], "rules": [good, *bad, earlier, good]}))
    done = archivist.take_in(me.id, archive)
    assert lists(done) == {"categories": (0, 1), "rules": (2, 1)}
    assert [field for field, _ in problems(done)] == [
        "/rules/1/when/payee/like", "/rules/2/when/all", "/rules/3/when", "/rules/4/when/not",
        "/rules/5/when/payee/equals", "/rules/6/then/category_id",
    ]  # fmt: skip
    with archivist.database.reading() as session:
        found = list_rules(session, user_id=me.id)
    assert [(one.name, one.position) for one in found] == [("Mine", 1), ("Earlier", 2), ("Bread", 3)]
    assert (found[2].category_id, found[2].add_tags) == (me.categories["food"], ["a"])


def test_a_share_in_a_group_becomes_an_ordinary_expense(archivist: Archivist) -> None:
    user_id = archivist.new_account()
    share = expense(source="group")
    record = archivist.preview(user_id, encoded(document({"expenses": [share], "groups": [{}]})))
    assert any("shares in groups" in note for note in record.findings.notes)
    assert any("1 groups" in note for note in record.findings.notes)
    archivist.commit(record)
    assert loaded(archivist, user_id, share["id"]).source == "import"


def test_bad_records_are_reported_and_stop_no_other(archivist: Archivist) -> None:
    user_id = archivist.new_account()
    line = {"category_id": None, "amount": "1.00", "note": None}
    bad = [
        expense(amount="1.001"),
        expense(currency="XAU"),
        expense(spent_on="1899-12-31"),
        expense(category_id=str(uuid4())),
        expense(lines=[line, {**line, "amount": "-1.00"}]),
        expense(lines=[{**line, "category_id": str(uuid4())}]),
        expense(exchange_rate={"currency": "EUR", "rate": "2"}),
        expense(exchange_rate={"currency": "USD", "rate": "0"}),
        expense(id=str(UUID(int=0))),
        expense(amount=None),
    ]
    good = [expense(), expense(amount="-0.01"), expense(amount="0.00")]
    record = archivist.preview(user_id, encoded(document({"expenses": [good[0], *bad, *good[1:]]})))
    assert (record.state, record.row_count, record.problem_count, record.chosen_count) == (
        "preview",
        3,
        10,
        3,
    )
    done = archivist.commit(record)
    assert (done.state, done.committed_count, done.problem_count) == ("succeeded", 3, 10)
    fields = [(field or "").removeprefix("/expenses/") for field, _ in problems(done)]
    assert sorted(fields) == sorted(
        [
            "1/amount", "2/currency", "3/spent_on", "4/category_id", "5/lines", "6/lines/0/category_id",
            "7/exchange_rate/currency", "8/exchange_rate/rate", "9/id", "10/amount",
        ]
    )  # fmt: skip
    with archivist.database.reading() as session:
        rows = list_import_rows(
            session, user_id=user_id, import_id=done.id, states=("problem",), after=-1, limit=99
        )
    assert len(rows) == 10
    assert {one["id"] for one in archivist.document(user_id)["expenses"]} == {one["id"] for one in good}


def test_of_very_many_problems_the_first_are_kept(
    archivist: Archivist, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_intake, "MAX_KEPT_PROBLEMS", 3)
    user_id = archivist.new_account()
    record = archivist.preview(user_id, encoded(document({"expenses": [0] * 50})))
    assert (record.problem_count, len(record.findings.problems)) == (50, 3)


def test_what_a_day_cannot_hold_is_a_problem_of_its_own(archivist: Archivist) -> None:
    user_id = archivist.new_account()
    largest = format_amount(MAX_AMOUNT_MINOR, "EUR")
    many = [expense(amount=largest) for _ in range(101)]
    other = expense(spent_on="2026-05-05")
    done = archivist.take_in(user_id, encoded(document({"expenses": [*many, other]})))
    assert (done.committed_count, done.problem_count) == (101, 1)
    assert problems(done)[0][0] == "/expenses/100/amount"


def test_what_was_deleted_for_good_comes_back_for_those_who_keep_copies(archivist: Archivist) -> None:
    me = Spender(archivist.database)
    kept, gone, unread = me.spend("1.00"), me.spend("2.00"), me.spend("3.00")
    archive = archivist.export(me.id)
    replica = Replica(archivist.database, me.id)
    replica.sync()

    def purge(expense_id: UUID) -> None:
        me.delete(expense_id)
        with archivist.database.transaction() as session:
            long_ago = update(Expense).where(Expense.user_id == me.id, Expense.id == expense_id)
            session.execute(long_ago.values(deleted_at=Expense.deleted_at - 2 * TRASH_LIFETIME))
            assert purge_trash(session) == 1

    purge(gone)
    replica.sync()
    assert {one for kind, one in replica.things if kind == "expense"} == {kept, unread}
    purge(unread)
    done = archivist.take_in(me.id, archive)
    assert lists(done) == {"categories": (0, 4), "expenses": (2, 1)}
    replica.sync()
    assert {one for kind, one in replica.things if kind == "expense"} == {kept, gone, unread}
    purge(gone)
    replica.sync()
    assert {one for kind, one in replica.things if kind == "expense"} == {kept, unread}


def test_two_things_of_one_id_can_both_be_deleted(archivist: Archivist) -> None:
    user_id = archivist.new_account()
    food = category("Food")
    spent = expense(id=food["id"])
    done = archivist.take_in(user_id, encoded(document({"categories": [food], "expenses": [spent]})))
    assert done.committed_count == 2
    archivist.undo(done)
    again = archivist.take_in(user_id, encoded(document({"categories": [food], "expenses": [spent]})))
    assert again.committed_count == 2
    with archivist.database.transaction() as session:
        delete_category(session, user_id=user_id, category_id=UUID(food["id"]))
    archivist.undo(again)
    with archivist.database.reading() as session:
        words = session.scalars(select(Deletion.kind).where(Deletion.user_id == user_id)).all()
    assert len(words) == 1


def test_settings_are_taken_over_only_if_that_is_wanted(archivist: Archivist) -> None:
    user_id = archivist.new_account()
    archive = encoded(document({"expenses": [expense()]}, timezone="Asia/Tokyo", currency="JPY"))
    record = archivist.preview(user_id, archive)
    assert any("Asia/Tokyo" in note for note in record.findings.notes)
    before = settings_of(archivist, user_id)
    assert settings_of(archivist, user_id) == before
    archivist.commit(record)
    assert settings_of(archivist, user_id) == before
    done = archivist.take_in(user_id, archive, settings=True)
    assert settings_of(archivist, user_id) == ("Ada", "Asia/Tokyo", "JPY")
    assert done.committed_count == 1
    archivist.undo(done)
    assert settings_of(archivist, user_id) == before


def settings_of(archivist: Archivist, user_id: UUID) -> tuple[str, str, str]:
    with archivist.database.reading() as session:
        user = load_user(session, user_id=user_id)
        return user.display_name, user.timezone, user.currency


def test_settings_that_mean_nothing_here_are_a_problem(archivist: Archivist) -> None:
    user_id = archivist.new_account()
    archive = encoded(document({"expenses": [expense()]}, timezone="Mars/Olympus"))
    done = archivist.take_in(user_id, archive, settings=True)
    assert (done.state, problems(done)[0][0]) == ("succeeded", "/user/timezone")
    assert settings_of(archivist, user_id)[1] == "UTC"


def test_of_an_archive_only_settings_can_be_chosen(archivist: Archivist) -> None:
    user_id = archivist.new_account()
    record = archivist.preview(user_id, encoded(document({"expenses": [expense()]})))
    for choice in (
        Choice(only=frozenset((1,))),
        Choice(but=frozenset((1,))),
        Choice(duplicates=True),
        Choice(categories={"x": None}),
    ):
        with archivist.database.transaction() as session, pytest.raises(InvalidInput, match="as a whole"):
            imports.commit_import(session, user_id=user_id, import_id=record.id, choice=choice)


def test_files_that_wait_are_limited_together(archivist: Archivist, monkeypatch: pytest.MonkeyPatch) -> None:
    user_id = archivist.new_account()
    content = encoded(document({}))
    monkeypatch.setattr(imports, "MAX_OPEN_BYTES", 2 * len(content))
    archivist.upload(user_id, content)
    archivist.upload(user_id, content)
    with pytest.raises(Conflict, match="bytes"):
        archivist.upload(user_id, content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (encoded(document({"expenses": [expense()]}))[:-9], "breaks off"),
        (encoded({**document({}), "version": 2}), "of version 2"),
        (b"\xff\xfe", "malformed"),
        (b"{}", "begins with"),
        (b'{"format": "outlay", "\\u0000\\ud83d": 1}', "nothing in an archive"),
    ],
)
def test_what_is_no_whole_archive_is_refused(archivist: Archivist, content: bytes, reason: str) -> None:
    user_id = archivist.new_account()
    record = archivist.preview(user_id, content)
    assert record.state == "failed"
    assert record.failure is not None
    assert reason in record.failure.detail


def test_a_file_that_is_gone_or_damaged_since_its_preview_is_said_to_be(archivist: Archivist) -> None:
    user_id = archivist.new_account()
    for content in (None, b"{"):
        record = archivist.preview(user_id, encoded(document({"expenses": [expense()]})))
        path = archivist.files.path(record.sha256 or "")
        path.unlink() if content is None else path.write_bytes(content)
        done = archivist.commit(record)
        assert (done.state, done.committed_count) == ("failed", 0)
        assert done.failure is not None
        assert done.failure.pointer == "/file"


def test_others_are_not_touched(archivist: Archivist) -> None:
    me, other = Spender(archivist.database), Spender(archivist.database)
    for one in (me, other):
        one.spend("1.00", "2026-05-04", category="food")
        one.budget(categories=["food"])
    before = comparable(archivist.document(other.id))
    archive = archivist.export(other.id)
    done = archivist.take_in(me.id, archive)
    assert done.problem_count == 0
    assert comparable(archivist.document(other.id)) == before
    archivist.undo(done)
    assert comparable(archivist.document(other.id)) == before
