"""What a client gets that keeps a full copy by `GET /v1/changes`."""

from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import func, select, update

from core import clock
from core.database import Database
from core.models import ChangeFeed, Deletion, Expense
from core.services.accounts import delete_account
from core.services.changes import DELETION_LIFETIME, begin_epochs, forget_deletions
from core.services.expenses import TRASH_LIFETIME, purge_trash
from tests.api.calls import new_category, new_expense, problem, read, wrong_fields
from tests.cast import Cast
from tests.copying import Copy


@pytest.fixture
def me(cast: Cast) -> httpx.Client:
    return cast.owner.client


@pytest.fixture
def copy(me: httpx.Client) -> Copy:
    """A copy that is up to date."""
    found = Copy(me)
    found.sync()
    return found


def short(items: list[dict[str, Any]]) -> list[tuple[str, str, bool]]:
    return [(item["type"], item["id"], item["deleted"]) for item in items]


def test_a_first_copy_has_everything_in_the_shape_of_its_own_call(me: httpx.Client) -> None:
    category = new_category(me, "Gardening")
    expense = new_expense(me, "3.00", lines=[{"amount": "3.00", "category_id": category["id"]}], tags=["a"])
    budget = me.post("/v1/budgets", json={"name": "All", "amount": "10", "category_ids": [category["id"]]})
    trashed = new_expense(me)
    assert me.delete(f"/v1/expenses/{trashed['id']}").is_success
    answer = read(me, "/v1/changes")
    data = {item["id"]: item["data"] for item in answer["items"]}
    assert data[category["id"]] == category
    assert data[expense["id"]] == expense
    assert data[budget.json()["id"]] == read(me, f"/v1/budgets/{budget.json()['id']}")
    assert data[trashed["id"]] is None
    assert not answer["has_more"]


def test_what_others_refer_to_comes_before_them(me: httpx.Client) -> None:
    new_expense(me, category_id=new_category(me, "Gardening")["id"])
    me.post("/v1/budgets", json={"name": "All", "amount": "10"})
    kinds = [item["type"] for item in read(me, "/v1/changes")["items"]]
    assert kinds == sorted(kinds, key=["category", "budget", "expense"].index)
    assert set(kinds) == {"category", "budget", "expense"}


def test_nothing_new_gives_nothing_and_the_same_token(me: httpx.Client, copy: Copy) -> None:
    answer = read(me, "/v1/changes", since=copy.token)
    assert answer == {"items": [], "next": copy.token, "has_more": False}


def test_each_change_comes_once_in_the_order_of_reading(me: httpx.Client, copy: Copy) -> None:
    first, second = new_expense(me), new_expense(me)
    me.patch(f"/v1/expenses/{first['id']}", json={"note": "twice"})
    assert short(copy.sync()) == [("expense", first["id"], False), ("expense", second["id"], False)]
    me.patch(f"/v1/expenses/{first['id']}", json={"note": "thrice"})
    (again,) = copy.sync()
    assert again["data"]["note"] == "thrice"
    assert copy.sync() == []


def test_deleting_restoring_and_purging_an_expense(me: httpx.Client, copy: Copy, database: Database) -> None:
    expense = new_expense(me)
    path = f"/v1/expenses/{expense['id']}"
    copy.sync()
    before = copy.token
    assert me.delete(path).is_success
    assert short(copy.sync()) == [("expense", expense["id"], True)]
    assert me.post(f"{path}/restore").is_success
    assert short(copy.sync()) == [("expense", expense["id"], False)]
    assert me.delete(path).is_success
    with database.transaction() as session:
        session.execute(update(Expense).values(deleted_at=clock.now() - TRASH_LIFETIME - timedelta(days=1)))
        assert purge_trash(session) == 1
    assert short(copy.sync()) == [("expense", expense["id"], True)]
    # For a client that has slept through all of it too.
    assert short(read(me, "/v1/changes", since=before)["items"]) == [("expense", expense["id"], True)]


def test_deleting_a_category_moves_what_is_in_it(me: httpx.Client, copy: Copy) -> None:
    old, new = new_category(me, "Old"), new_category(me, "New")
    child = new_category(me, "Child", parent_id=old["id"])
    expense = new_expense(me, category_id=old["id"])
    lines = new_expense(me, "1.00", lines=[{"amount": "1.00", "category_id": old["id"]}])
    budget = me.post("/v1/budgets", json={"name": "Old", "amount": "1", "category_ids": [old["id"]]}).json()
    copy.sync()
    assert me.delete(f"/v1/categories/{old['id']}", params={"move_to": new["id"]}).is_success
    changed = {(kind, one, is_deleted) for kind, one, is_deleted in short(copy.sync())}
    assert changed == {
        ("category", old["id"], True),
        ("category", child["id"], False),
        ("expense", expense["id"], False),
        ("expense", lines["id"], False),
        ("budget", budget["id"], False),
    }
    copy.assert_complete()


def test_changing_archiving_and_deleting_a_budget(me: httpx.Client, copy: Copy) -> None:
    budget = me.post("/v1/budgets", json={"name": "All", "amount": "10"}).json()
    path = f"/v1/budgets/{budget['id']}"
    assert short(copy.sync()) == [("budget", budget["id"], False)]
    for change in (
        lambda: me.patch(path, json={"amount": "20"}),
        lambda: me.post(f"{path}/archive"),
        lambda: me.post(f"{path}/unarchive"),
    ):
        assert change().is_success
        (item,) = copy.sync()
        assert item["data"] == read(me, path)
    # Its figures are of the moment: spending changes no budget.
    new_expense(me)
    assert [item["type"] for item in copy.sync()] == ["expense"]
    assert me.delete(path).is_success
    assert short(copy.sync()) == [("budget", budget["id"], True)]


@pytest.mark.parametrize("limit", [1, 2, 7])
def test_pages_of_any_size_give_the_same(me: httpx.Client, limit: int) -> None:
    for number in range(10):
        new_expense(me, f"{number + 1}.00")
    copy = Copy(me, limit=limit)
    copy.sync()
    copy.assert_complete()


def test_a_first_copy_that_is_interrupted_by_changes_ends_up_right(me: httpx.Client) -> None:
    made = [new_expense(me, f"{number + 1}.00")["id"] for number in range(12)]
    copy = Copy(me, limit=10)
    while copy.step() and made:
        assert me.delete(f"/v1/expenses/{made.pop()}").is_success
        assert me.patch(f"/v1/expenses/{made.pop(0)}", json={"note": "changed"}).is_success
        new_expense(me)
    copy.sync()
    copy.assert_complete()


def test_the_same_token_may_be_used_again_when_an_answer_got_lost(me: httpx.Client, copy: Copy) -> None:
    new_expense(me)
    lost = read(me, "/v1/changes", since=copy.token)
    assert read(me, "/v1/changes", since=copy.token) == lost
    assert len(lost["items"]) == 1


def test_a_second_device_gets_no_deletions_from_before_its_time(me: httpx.Client, copy: Copy) -> None:
    assert me.delete(f"/v1/categories/{new_category(me, 'Short-lived')['id']}").is_success
    assert [item["deleted"] for item in copy.sync()] == [True]
    assert not any(item["deleted"] for item in Copy(me).sync())


def token_of(numbers: str) -> str:
    return urlsafe_b64encode(f'["{UUID(int=7)}",{numbers}]'.encode()).decode()


@pytest.mark.parametrize(
    "token",
    ["", "x", "é", "W10", "e30", *map(token_of, ("x,1,0", "1", "-1,0", "0.5,0", f"{2**63},0", "0,null"))],
)
def test_a_token_that_is_none_is_a_wrong_field(me: httpx.Client, token: str) -> None:
    assert wrong_fields(me.get("/v1/changes", params={"since": token})) == ["since"]


@pytest.mark.parametrize(
    ("query", "name"),
    [("limit=0", "limit"), ("limit=1001", "limit"), ("cursor=x", "cursor"), ("sinc=x", "sinc")],
)
def test_other_parameters_are_checked(me: httpx.Client, query: str, name: str) -> None:
    assert wrong_fields(me.get(f"/v1/changes?{query}")) == [name]


def starts_over(me: httpx.Client, token: str | None) -> bool:
    answer = me.get("/v1/changes", params={"since": token or ""})
    if answer.is_success:
        return False
    assert problem(answer, 410)["type"] == "urn:outlay:problem:start-over"
    return True


def test_a_token_of_somebody_else_is_worth_nothing(cast: Cast, copy: Copy) -> None:
    assert starts_over(cast.stranger.client, copy.token)
    Copy(cast.stranger.client).sync()
    assert starts_over(cast.stranger.client, copy.token)


def test_a_token_from_ahead_of_the_newest_number_is_refused(
    me: httpx.Client, copy: Copy, database: Database
) -> None:
    """As after the database was put back to an earlier state."""
    new_expense(me)
    behind = copy.token
    copy.sync()
    with database.transaction() as session:
        session.execute(update(ChangeFeed).values(seq=ChangeFeed.seq - 1))
    assert starts_over(me, copy.token)
    assert not starts_over(me, behind)


def test_a_new_epoch_ends_all_tokens(me: httpx.Client, copy: Copy, database: Database) -> None:
    with database.transaction() as session:
        assert begin_epochs(session) == 1
    assert starts_over(me, copy.token)
    anew = Copy(me)
    anew.sync()
    anew.assert_complete()


@pytest.mark.parametrize("is_numbered", [True, False])
def test_who_has_not_seen_a_forgotten_deletion_starts_over(
    me: httpx.Client, copy: Copy, database: Database, is_numbered: bool
) -> None:
    sleeper, awake = copy.token, Copy(me)
    category = new_category(me, "Short-lived")
    awake.sync()
    assert me.delete(f"/v1/categories/{category['id']}").is_success
    if is_numbered:
        assert [item["deleted"] for item in awake.sync()] == [True]
    age(database, DELETION_LIFETIME - timedelta(minutes=1))
    with database.transaction() as session:
        assert forget_deletions(session) == 0
    age(database, timedelta(minutes=2))
    with database.transaction() as session:
        assert forget_deletions(session) == 1
        assert session.scalar(select(func.count()).select_from(Deletion)) == 0
    assert starts_over(me, sleeper)
    # Who has seen the deletion goes on.
    assert starts_over(me, awake.token) is not is_numbered
    # A first copy goes on too, however small its numbers still are.
    anew = Copy(me, limit=3)
    anew.sync()
    anew.assert_complete()


def age(database: Database, by: timedelta) -> None:
    with database.transaction() as session:
        for row in session.execute(select(Deletion.user_id, Deletion.id, Deletion.deleted_at)).all():
            session.execute(
                update(Deletion)
                .where(Deletion.user_id == row.user_id, Deletion.id == row.id)
                .values(deleted_at=row.deleted_at - by)
            )


def test_nothing_of_others_is_ever_shown(cast: Cast) -> None:
    me, stranger = cast.owner.client, cast.stranger.client
    mine, theirs = Copy(me), Copy(stranger)
    new_expense(me)
    assert me.delete(f"/v1/categories/{new_category(me, 'Mine')['id']}").is_success
    for _ in range(2):
        new_expense(stranger)
        assert not {item["id"] for item in mine.sync()} & {item["id"] for item in theirs.sync()}
    mine.assert_complete()
    theirs.assert_complete()


def test_a_deleted_account_leaves_no_numbers_and_no_word_of_deletions(
    cast: Cast, copy: Copy, database: Database
) -> None:
    me = cast.owner.client
    new_expense(me)
    assert me.delete(f"/v1/categories/{new_category(me, 'Mine')['id']}").is_success
    copy.sync()
    with database.transaction() as session:
        delete_account(session, user_id=cast.owner.id, expected_versions=None)
    with database.reading() as session:
        for table in (ChangeFeed, Deletion):
            assert session.scalar(select(func.count()).select_from(table)) == 0
