"""An archive is taken out as a whole; what somebody has worked on since stays."""

from uuid import UUID

from core.queries.expenses import expenses_by_id
from core.services.attachments import NewAttachment, attach_file
from core.services.categories import change_category
from tests.api.calls import PDF
from tests.archives.archivist import Archivist, comparable, encoded
from tests.archives.documents import document
from tests.archives.large import write_large
from tests.archives.test_attachments import attachment, parts
from tests.archives.test_imports import category, expense, lists
from tests.archives.test_round_trip import assert_totals
from tests.core.services.spender import Spender


def test_everything_is_as_it_was(archivist: Archivist) -> None:
    me = Spender(archivist.database)
    me.spend("1.00", "2026-05-04", category="food")
    me.budget("10.00", categories=["food"])
    before = comparable(archivist.document(me.id))
    pieces: list[bytes] = []
    write_large(pieces.append, count=2_500, categories=3)
    done = archivist.take_in(me.id, b"".join(pieces))
    assert done.committed_count == 2_503
    assert comparable(archivist.document(me.id)) != before
    undone = archivist.undo(done)
    assert (undone.state, undone.committed_count) == ("undone", 0)
    assert comparable(archivist.document(me.id)) == before
    assert_totals(archivist, me.id)


def test_what_was_there_stays_and_what_was_worked_on_can_be_restored(archivist: Archivist) -> None:
    me = Spender(archivist.database)
    own = me.spend("1.00")
    first = archivist.document(me.id)
    food, changed = category("FOOD"), category("Changed")
    unused = category("Unused")
    spent = {
        name: expense(category_id=changed["id"], deleted_at=deleted_at)
        for name, deleted_at in (
            ("plain", None),
            ("revised", None),
            ("attached", None),
            ("trash", "2026-05-04T00:00:00Z"),
            ("came_with", None),
        )
    }
    archive = document(
        {
            "categories": [food, changed, unused],
            "expenses": [*first["expenses"], *spent.values()],
            "files": parts(PDF),
            "attachments": [attachment(spent[name]["id"], PDF) for name in ("came_with", "revised")],
        }
    )
    done = archivist.take_in(me.id, encoded(archive))
    assert lists(done) == {"categories": (2, 1), "expenses": (5, 1), "attachments": (2, 0)}
    me.revise(UUID(spent["revised"]["id"]), amount="7.00")
    with archivist.database.transaction() as session:
        change_category(session, user_id=me.id, category_id=UUID(changed["id"]), changes={"name": "My own"})
        with archivist.files.draft() as draft:
            draft.write(PDF)
            new = NewAttachment(file=draft.keep(), name="mine.pdf", media_type="application/pdf")
        attach_file(session, user_id=me.id, expense_id=UUID(spent["attached"]["id"]), attachment=new)
    archivist.undo(done)
    ids = {name: UUID(one["id"]) for name, one in spent.items()}
    with archivist.database.reading() as session:
        found = expenses_by_id(session, user_id=me.id, expense_ids=[own, *ids.values()])
    is_in_trash = {one.id: one.deleted_at is not None for one in found}
    assert is_in_trash == {own: False, ids["revised"]: True, ids["attached"]: True}
    after = archivist.document(me.id)
    assert {one["expense_id"] for one in after["attachments"]} == {str(ids["revised"]), str(ids["attached"])}
    assert {one["name"] for one in after["categories"]} == {*me.categories, "My own"}
    me.restore(ids["revised"])
    assert_totals(archivist, me.id)


def test_a_budget_that_was_changed_stays(archivist: Archivist) -> None:
    me = Spender(archivist.database)
    changed, other = me.budget("1.00"), me.budget("2.00")
    twin = Spender(archivist.database)
    done = archivist.take_in(twin.id, archivist.export(me.id))
    twin.change(changed, amount="3.00")
    archivist.undo(done)
    assert [one["id"] for one in archivist.document(twin.id)["budgets"]] == [str(changed)] != [str(other)]


def test_it_can_come_in_again(archivist: Archivist) -> None:
    user_id = archivist.new_account()
    food = category("Food")
    archive = encoded(document({"categories": [food], "expenses": [expense(category_id=food["id"])]}))
    done = archivist.take_in(user_id, archive)
    there = comparable(archivist.document(user_id))
    archivist.undo(done)
    archivist.take_in(user_id, archive)
    assert comparable(archivist.document(user_id)) == there
