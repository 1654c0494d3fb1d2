"""Rules as their owner keeps them: order, versions, limits, and what becomes of their categories."""

from typing import Any

import httpx
import pytest
from sqlalchemy import insert

from core import clock
from core.database import Database
from core.ids import new_id
from core.models import ExpenseRule
from core.rules.conditions import MAX_CONDITIONS, MAX_DEPTH
from core.services.expense_rules import MAX_ALL_CONDITIONS, MAX_RULES
from tests.api.accounts import count
from tests.api.calls import new_category, new_expense, new_rule, problem, read, wrong_fields
from tests.cast import PASSWORD, Cast

MISSING = "018f0000-0000-7000-8000-000000000000"
BREAD = {"add_tags": ["bread"]}
BAKERY = {"payee": {"contains": "bakery"}}


@pytest.fixture
def me(cast: Cast) -> httpx.Client:
    return cast.owner.client


def names(me: httpx.Client) -> list[str]:
    """In the order of the list, whose positions have no gaps."""
    items = read(me, "/v1/rules")["items"]
    assert [item["position"] for item in items] == list(range(1, len(items) + 1))
    return [item["name"] for item in items]


def version(me: httpx.Client, rule: dict[str, Any]) -> str:
    return me.get(f"/v1/rules/{rule['id']}").headers["ETag"]


def test_a_rule_is_created_and_read_as_it_was_given(me: httpx.Client) -> None:
    category = new_category(me, "Bread")
    body = {
        "name": "Bakeries",
        "when": {
            "all": [
                {"any": [{"payee": {"starts_with": "Café"}}, {"note": {"contains": "roll"}}]},
                {"not": {"amount": {"at_least": 20.5}}},
                {"currency": {"equals": "EUR"}},
                {"source": {"equals": "manual"}},
            ]
        },
        "then": {"category_id": category["id"], "add_tags": ["a", "b", "a"], "payee": "Corner Bakery"},
    }
    answer = me.post("/v1/rules", json=body)
    assert answer.status_code == 201, answer.text
    assert (answer.headers["ETag"], answer.headers["Location"]) == ('"1"', f"/v1/rules/{answer.json()['id']}")
    found = read(me, answer.headers["Location"])
    assert found == answer.json()
    assert found["when"]["all"][1] == {"not": {"amount": {"at_least": "20.5"}}}
    body["when"]["all"][1] = {"not": {"amount": {"at_least": "20.5"}}}  # type: ignore[index]
    assert found["when"] == body["when"]
    assert found["then"] == {"category_id": category["id"], "add_tags": ["a", "b"], "payee": "Corner Bakery"}
    assert (found["position"], found["is_active"]) == (1, True)


def test_rules_stand_where_they_are_put_and_the_others_make_room(me: httpx.Client) -> None:
    for name, more in (("b", {}), ("d", {"position": 9}), ("a", {"position": 1}), ("c", {"position": 3})):
        new_rule(me, name=name, **more)
    assert names(me) == ["a", "b", "c", "d"]
    rules = {item["name"]: item for item in read(me, "/v1/rules")["items"]}
    for name, position, expected in (
        ("d", 1, "dabc"),
        ("d", 100, "abcd"),
        ("a", 3, "bcad"),
        ("c", 2, "bcad"),
        ("b", 2, "cbad"),
    ):
        moved = me.patch(f"/v1/rules/{rules[name]['id']}", json={"position": position})
        assert moved.status_code == 200, moved.text
        assert "".join(names(me)) == expected
    assert me.delete(f"/v1/rules/{rules['b']['id']}").status_code == 204
    assert "".join(names(me)) == "cad"
    assert problem(me.delete(f"/v1/rules/{rules['b']['id']}"), 404)


def test_only_what_changes_becomes_a_new_version(me: httpx.Client) -> None:
    first, second = new_rule(me, name="first"), new_rule(me, name="second")
    path = f"/v1/rules/{first['id']}"
    same = {name: first[name] for name in ("name", "when", "then", "position", "is_active")}
    assert me.patch(path, json=same).headers["ETag"] == '"1"'
    assert me.patch(path, json={"is_active": False}).headers["ETag"] == '"2"'
    new_rule(me, name="new", position=2)
    assert [version(me, first), version(me, second)] == ['"2"', '"2"']


def test_a_change_needs_the_current_version(me: httpx.Client) -> None:
    path = f"/v1/rules/{new_rule(me)['id']}"
    stale, current = {"If-Match": '"7"'}, {"If-Match": '"1"'}
    assert problem(me.patch(path, json={"name": "New"}, headers=stale), 412)
    assert problem(me.delete(path, headers=stale), 412)
    assert me.patch(path, json={"name": "New"}, headers=current).status_code == 200
    assert problem(me.delete(path, headers=current), 412)
    assert me.delete(path, headers={"If-Match": '"2"'}).status_code == 204


def test_when_and_then_are_changed_as_a_whole(me: httpx.Client) -> None:
    rule = new_rule(me, then={"add_tags": ["a"], "payee": "Shop"})
    path = f"/v1/rules/{rule['id']}"
    changed = me.patch(
        path, json={"then": {"payee": "Store"}, "when": {"currency": {"equals": "CHF"}}}
    ).json()
    assert changed["then"] == {"category_id": None, "add_tags": [], "payee": "Store"}
    assert changed["when"] == {"currency": {"equals": "CHF"}}
    assert read(me, path) == changed


def test_the_same_key_creates_one_rule(me: httpx.Client) -> None:
    body, key = {"name": "Once", "when": BAKERY, "then": BREAD}, {"Idempotency-Key": "rule-1"}
    first, again = (me.post("/v1/rules", json=body, headers=key) for _ in range(2))
    assert (first.status_code, again.content) == (201, first.content)
    assert names(me) == ["Once"]


def nested(depth: int) -> dict[str, Any]:
    return BAKERY if depth == 1 else {"not": nested(depth - 1)}


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"position": 0}, "/position"),
        ({"colour": "red"}, "/colour"),
        ({"when": {}}, "/when"),
        ({"when": BAKERY | {"currency": {"equals": "EUR"}}}, "/when"),
        ({"when": {"all": [BAKERY, {"payee": {"matches": ".*"}}]}}, "/when/all/1/payee/matches"),
        ({"when": {"all": [BAKERY, {"amount": {"equals": "1,5"}}]}}, "/when/all/1/amount/equals"),
        ({"when": {"all": [BAKERY, {"amount": {"equals": None}}]}}, "/when/all/1/amount/equals"),
        ({"when": {"amount": {"at_least": "2", "at_most": 1}}}, "/when/amount/at_most"),
        ({"when": {"any": []}}, "/when/any"),
        ({"when": {"payee": {"equals": ""}}}, "/when/payee/equals"),
        ({"when": {"note": {"contains": "\N{COMBINING ACUTE ACCENT}"}}}, "/when/note/contains"),
        ({"when": {"note": {"contains": "a\0"}}}, "/when/note/contains"),
        ({"when": {"currency": {"equals": "ABC"}}}, "/when/currency/equals"),
        ({"when": nested(MAX_DEPTH + 1)}, "/when" + "/not" * MAX_DEPTH),
        ({"when": nested(200)}, "/when" + "/not" * MAX_DEPTH),
        ({"when": {"any": [{"all": [BAKERY] * 18}, BAKERY]}}, "/when/any/1"),
        ({"then": {}}, "/then"),
        ({"then": {"category_id": None, "add_tags": [], "payee": None}}, "/then"),
        ({"then": {"category_id": MISSING}}, "/then/category_id"),
        ({"then": {"add_tags": ["ok", " no"]}}, "/then/add_tags/1"),
        ({"then": {"add_tags": ["x"] * 21}}, "/then/add_tags"),
        ({"then": {"payee": ""}}, "/then/payee"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_bad_rule_is_refused_with_the_field(me: httpx.Client, fields: dict[str, Any], pointer: str) -> None:
    rule = new_rule(me)
    body = {"name": "Bad", "when": BAKERY, "then": BREAD, **fields}
    assert wrong_fields(me.post("/v1/rules", json=body)) == [pointer]
    assert wrong_fields(me.patch(f"/v1/rules/{rule['id']}", json=fields)) == [pointer]
    assert wrong_fields(me.post("/v1/rules/try", json=body)) == [pointer]
    assert read(me, "/v1/rules")["items"] == [rule]


@pytest.mark.parametrize("depth", [600, 950, 5_000])
def test_conditions_of_absurd_depth_are_refused(me: httpx.Client, depth: int) -> None:
    when = '{"not":' * depth + "{}" + "}" * depth
    body = f'{{"name": "Deep", "when": {when}, "then": {{"payee": "x"}}}}'
    for path in ("/v1/rules", "/v1/rules/try"):
        answer = me.post(path, content=body, headers={"Content-Type": "application/json"})
        assert problem(answer, 422)["errors"]


def test_a_wide_condition_is_refused_quickly(me: httpx.Client) -> None:
    wide: dict[str, Any] = BAKERY
    for _ in range(MAX_DEPTH - 2):
        wide = {"any": [wide] * MAX_CONDITIONS}
    answer = me.post("/v1/rules", json={"name": "Wide", "when": wide, "then": BREAD})
    assert str(MAX_CONDITIONS) in problem(answer, 422)["detail"]


def test_a_user_has_so_many_rules_at_most(me: httpx.Client, cast: Cast, database: Database) -> None:
    now = clock.now()
    row = {
        "user_id": cast.owner.id, "name": "One", "condition": BAKERY, "add_tags": ["bread"],
        "is_active": True, "version": 1, "created_at": now, "updated_at": now,
    }  # fmt: skip
    rows = [{**row, "id": new_id(), "position": place} for place in range(1, MAX_RULES)]
    with database.transaction() as session:
        session.execute(insert(ExpenseRule), rows)
    assert new_rule(me, position=1)["position"] == 1
    body = {"name": "Too many", "when": BAKERY, "then": BREAD}
    assert str(MAX_RULES) in problem(me.post("/v1/rules", json=body), 409)["detail"]
    assert len(names(me)) == MAX_RULES
    new_rule(cast.member.client)


def test_all_rules_of_a_user_have_so_many_conditions_at_most(me: httpx.Client) -> None:
    full = {"any": [BAKERY] * (MAX_CONDITIONS - 1)}
    for _ in range(MAX_ALL_CONDITIONS // MAX_CONDITIONS):
        last = new_rule(me, when=full)
    body = {"name": "Too much", "when": BAKERY, "then": BREAD}
    assert str(MAX_ALL_CONDITIONS) in problem(me.post("/v1/rules", json=body), 409)["detail"]
    path = f"/v1/rules/{last['id']}"
    nor = {"not": {"any": [BAKERY] * (MAX_CONDITIONS - 4)}}
    assert me.patch(path, json={"when": {"all": [nor]}}).status_code == 200
    assert new_rule(me, when=BAKERY)["position"] == len(names(me))
    assert problem(me.patch(path, json={"when": full}), 409)
    assert me.patch(path, json={"then": {"payee": "Bakery"}}).status_code == 200


def test_a_strangers_rules_are_not_there(cast: Cast) -> None:
    rule = new_rule(cast.owner.client)
    path = f"/v1/rules/{rule['id']}"
    for person in (cast.member, cast.stranger):
        assert problem(person.client.get(path), 404)
        assert problem(person.client.patch(path, json={"name": "Mine"}), 404)
        assert problem(person.client.delete(path), 404)
        assert read(person.client, "/v1/rules")["items"] == []
        new_rule(person.client)
    assert read(cast.owner.client, "/v1/rules")["items"] == [rule]


def test_a_category_of_a_rule_says_so_and_the_rule_goes_with_what_is_moved(me: httpx.Client) -> None:
    source, target = new_category(me, "Source"), new_category(me, "Target")
    rule = new_rule(me, then={"category_id": source["id"]})
    other = new_rule(me, then={"category_id": target["id"]})
    path = f"/v1/categories/{source['id']}"
    assert "it is used by rules" in problem(me.delete(path), 409)["detail"]
    assert me.delete(path, params={"move_to": target["id"]}).status_code == 204
    assert read(me, f"/v1/rules/{rule['id']}")["then"]["category_id"] == target["id"]
    assert [version(me, rule), version(me, other)] == ['"2"', '"1"']
    assert new_expense(me, payee="Bakery")["category_id"] == target["id"]


def test_an_account_goes_with_its_rules(cast: Cast, database: Database) -> None:
    category = new_category(cast.owner.client, "Bread")
    new_rule(cast.owner.client, then={"category_id": category["id"]})
    answer = cast.owner.client.request("DELETE", "/v1/me", json={"password": PASSWORD})
    assert answer.status_code == 204, answer.text
    assert count(database, ExpenseRule) == 0
