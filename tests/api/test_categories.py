"""Categories: two levels, unique names, versions, pages."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from sqlalchemy import delete, insert

from core import clock
from core.database import Database
from core.ids import new_id
from core.models import Category
from core.services.categories import MAX_CATEGORIES
from tests.api.calls import another, jobs_asked_for, new_category, problem, read, wrong_fields
from tests.cast import Cast

MISSING = "018f0000-0000-7000-8000-000000000000"


@pytest.fixture
def me(cast: Cast, database: Database) -> httpx.Client:
    """The owner, without the categories that everybody starts with."""
    with database.transaction() as session:
        session.execute(delete(Category).where(Category.parent_id.is_not(None)))
        session.execute(delete(Category))
    return cast.owner.client


def names(client: httpx.Client, **query: object) -> list[str]:
    return [item["name"] for item in read(client, "/v1/categories", **query)["items"]]


def test_a_new_user_starts_with_categories_of_two_levels(cast: Cast) -> None:
    items = read(cast.owner.client, "/v1/categories")["items"]
    assert len(items) > 10
    assert {item["parent_id"] is None for item in items} == {True, False}


def test_a_category_is_created_and_read_as_it_was_given(me: httpx.Client) -> None:
    parent = new_category(me, "Home")
    answer = me.post(
        "/v1/categories",
        json={"name": "  Repairs ", "parent_id": parent["id"], "color": "#FFaa00", "icon": "wrench-2"},
    )
    assert answer.status_code == 201
    assert answer.headers["ETag"] == '"1"'
    assert answer.headers["Location"] == f"/v1/categories/{answer.json()['id']}"
    found = read(me, answer.headers["Location"])
    assert found == answer.json()
    assert found | {"id": 0, "created_at": 0, "updated_at": 0} == {
        "id": 0,
        "name": "Repairs",
        "parent_id": parent["id"],
        "color": "#ffaa00",
        "icon": "wrench-2",
        "created_at": 0,
        "updated_at": 0,
    }


def test_the_list_is_sorted_by_name_whatever_the_case(me: httpx.Client) -> None:
    for name in ("banana", "Apple", "cherry", "Élan"):
        new_category(me, name)
    assert names(me) == ["Apple", "banana", "cherry", "Élan"]


def test_pages_show_every_category_once(me: httpx.Client) -> None:
    parents = [new_category(me, f"Parent {n}") for n in range(3)]
    for parent in parents:
        for name in ("Same", "\U0001d4aather", 'Quote " and \\'):
            new_category(me, name, parent_id=parent["id"])
    seen, cursor = [], None
    while True:
        page = read(me, "/v1/categories", limit=2, **({"cursor": cursor} if cursor else {}))
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        assert len(page["items"]) == 2
    assert len(seen) == len(set(seen)) == 12


def test_the_longest_name_of_the_widest_letters_still_fits_a_cursor(me: httpx.Client) -> None:
    for last in "ab":
        new_category(me, "𐐀" * 99 + last)
    page = read(me, "/v1/categories", limit=1)
    assert len(read(me, "/v1/categories", limit=1, cursor=page["next_cursor"])["items"]) == 1


def test_the_list_can_be_narrowed_to_the_children_of_one(me: httpx.Client) -> None:
    parent, other = new_category(me, "Parent"), new_category(me, "Other")
    new_category(me, "Child", parent_id=parent["id"])
    new_category(me, "Cuckoo", parent_id=other["id"])
    assert names(me, parent_id=parent["id"]) == ["Child"]
    assert names(me, parent_id=MISSING) == []


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": " \u3000 "}, "/name"),
        ({"name": "two\nlines"}, "/name"),
        ({"name": "line\n"}, "/name"),
        ({"name": "x" * 101}, "/name"),
        ({"name": "\ufdfa" * 100}, "/name"),
        ({"name": None}, "/name"),
        ({"parent_id": MISSING}, "/parent_id"),
        ({"color": "red"}, "/color"),
        ({"color": "#12345"}, "/color"),
        ({"icon": "Two Words"}, "/icon"),
        ({"icon": "x" * 41}, "/icon"),
        ({"colour": "#123456"}, "/colour"),
    ],
)
def test_what_is_wrong_is_named(me: httpx.Client, fields: dict[str, str], pointer: str) -> None:
    assert wrong_fields(me.post("/v1/categories", json={"name": "Fine", **fields})) == [pointer]
    category = new_category(me, "Another")
    assert wrong_fields(me.patch(f"/v1/categories/{category['id']}", json=fields)) == [pointer]


def test_there_are_two_levels_at_most(me: httpx.Client) -> None:
    top = new_category(me, "Top")
    child = new_category(me, "Child", parent_id=top["id"])
    lone = new_category(me, "Lone")
    third = {"name": "Third", "parent_id": child["id"]}
    assert wrong_fields(me.post("/v1/categories", json=third)) == ["/parent_id"]
    below_child = me.patch(f"/v1/categories/{lone['id']}", json={"parent_id": child["id"]})
    assert wrong_fields(below_child) == ["/parent_id"]
    below_itself = me.patch(f"/v1/categories/{lone['id']}", json={"parent_id": lone["id"]})
    assert wrong_fields(below_itself) == ["/parent_id"]
    parent_below = me.patch(f"/v1/categories/{top['id']}", json={"parent_id": lone["id"]})
    assert "sub-categories" in problem(parent_below, 409)["detail"]


def test_two_changes_at_once_cannot_make_three_levels(me: httpx.Client) -> None:
    for attempt in range(10):
        pair = [new_category(me, f"{attempt} {name}")["id"] for name in ("left", "right")]

        def put_below(ids: tuple[str, str]) -> int:
            with another(me) as own:
                return own.patch(f"/v1/categories/{ids[0]}", json={"parent_id": ids[1]}).status_code

        with ThreadPoolExecutor(2) as pool:
            statuses = sorted(pool.map(put_below, [(pair[0], pair[1]), (pair[1], pair[0])]))
        assert statuses[0] == 200
        assert statuses[1] in (409, 422)


@pytest.mark.parametrize("same", ["coffee", "COFFEE", "  Coffee", "Coﬀee"])
def test_a_name_is_unique_among_its_siblings_whatever_the_case(me: httpx.Client, same: str) -> None:
    new_category(me, "Coffee")
    assert "'Coffee'" in problem(me.post("/v1/categories", json={"name": same}), 409)["detail"]
    parent = new_category(me, "Drinks")
    new_category(me, same, parent_id=parent["id"])
    twin = me.post("/v1/categories", json={"name": "Coffee", "parent_id": parent["id"]})
    assert problem(twin, 409)["detail"]


def test_a_change_cannot_take_the_name_of_a_sibling(me: httpx.Client) -> None:
    new_category(me, "Tea")
    parent = new_category(me, "Drinks")
    child = new_category(me, "TEA", parent_id=parent["id"])
    assert problem(me.patch(f"/v1/categories/{parent['id']}", json={"name": "tea"}), 409)
    assert problem(me.patch(f"/v1/categories/{child['id']}", json={"parent_id": None}), 409)


def test_a_change_shows_and_counts_the_version(me: httpx.Client) -> None:
    parent = new_category(me, "Parent")
    path = f"/v1/categories/{new_category(me, 'Old', color='#000000', icon='box')['id']}"
    changed = me.patch(path, json={"name": "old", "parent_id": parent["id"], "color": None})
    assert changed.status_code == 200
    assert changed.headers["ETag"] == '"2"'
    assert changed.json() == read(me, path)
    assert (changed.json()["name"], changed.json()["color"], changed.json()["icon"]) == ("old", None, "box")
    assert changed.json()["parent_id"] == parent["id"]
    unchanged = me.patch(path, json={"name": " old "})
    assert (unchanged.status_code, unchanged.headers["ETag"]) == (200, '"2"')


def test_a_stale_version_changes_and_deletes_nothing(me: httpx.Client) -> None:
    path = f"/v1/categories/{new_category(me, 'Old')['id']}"
    assert me.patch(path, json={"name": "New"}, headers={"If-Match": '"1"'}).status_code == 200
    assert problem(me.patch(path, json={"name": "Newer"}, headers={"If-Match": '"1"'}), 412)
    assert problem(me.delete(path, headers={"If-Match": '"1"'}), 412)
    assert me.get(path).json()["name"] == "New"
    assert me.delete(path, headers={"If-Match": '"2"'}).status_code == 204
    assert problem(me.get(path), 404)


def test_a_repeated_key_creates_one_category(me: httpx.Client) -> None:
    headers = {"Idempotency-Key": "create-once"}
    answers = [me.post("/v1/categories", json={"name": "Once"}, headers=headers) for _ in range(2)]
    assert answers[0].status_code == answers[1].status_code == 201
    assert answers[0].json() == answers[1].json()
    assert answers[0].headers["ETag"] == answers[1].headers["ETag"]
    assert problem(me.post("/v1/categories", json={"name": "Twice"}, headers=headers), 409)
    assert names(me) == ["Once"]


def test_nobody_has_more_categories_than_the_limit(me: httpx.Client, cast: Cast, database: Database) -> None:
    now = clock.now()
    with database.transaction() as session:
        session.execute(
            insert(Category),
            [
                {
                    "user_id": cast.owner.id,
                    "id": new_id(),
                    "name": f"{n:03}",
                    "name_key": f"{n:03}",
                    "created_at": now,
                    "updated_at": now,
                }
                for n in range(MAX_CATEGORIES)
            ],
        )
    assert str(MAX_CATEGORIES) in problem(me.post("/v1/categories", json={"name": "More"}), 409)["detail"]
    page = read(me, "/v1/categories")
    assert (len(page["items"]), page["next_cursor"]) == (MAX_CATEGORIES, None)


def test_a_new_parent_has_the_budgets_evaluated(me: httpx.Client, cast: Cast, database: Database) -> None:
    parent, child = new_category(me, "Parent"), new_category(me, "Child")
    assert me.patch(f"/v1/categories/{child['id']}", json={"parent_id": parent["id"]}).status_code == 200
    assert jobs_asked_for(database) == [("evaluate_budgets", str(cast.owner.id), {"from": None})]


def test_a_cursor_of_another_list_is_refused(me: httpx.Client) -> None:
    for cursor in ("", "AAAA", "WzFd", "WyJcdTAwMDAiLCIwMThmMDAwMC0wMDAwLTcwMDAtODAwMC0wMDAwMDAwMDAwMDAiXQ"):
        assert wrong_fields(me.get("/v1/categories", params={"cursor": cursor})) == ["cursor"]
