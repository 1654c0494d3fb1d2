"""Files of shared expenses imported into groups over HTTP: by whom, for whom, and what it comes to."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api.resources import imports as resource
from core.config import Settings
from core.database import Database
from core.services import import_members
from tests.api.calls import STATEMENT, problem, read, wrong_fields
from tests.api.group_imports import GroupImporting, file_balances, group_importing, splitwise
from tests.api.groups import MadeGroup, add_name, join, make_group, members_of, viewer
from tests.cast import Cast

FLAT = splitwise(
    [
        ("2026-05-01", "Dinner", "Dining out", "30.00", "EUR", "20.00", "-10.00", "-10.00"),
        ("2026-05-02", "Taxi", "", "9.00", "EUR", "-3.00", "6.00", "-3.00"),
        ("2026-05-03", "Souvenirs", "Gifts", "1000", "JPY", "0", "500", "-500"),
        ("2026-05-04", "Max paid Owner", "Payment", "4.00", "EUR", "-4.00", "0.00", "4.00"),
        ("2026-05-05", "Grace paid Max", "Payment", "1.00", "EUR", "0.00", "1.00", "-1.00"),
        ("2026-05-06", "Refund", "Dining out", "-3.00", "EUR", "-2.00", "1.00", "1.00"),
        ("2026-05-07", "Coffee", "Dining out", "2.00", "EUR", "1.00", "-1.00", "0.00"),
        ("2026-05-07", "Coffee", "Dining out", "2.00", "EUR", "1.00", "-1.00", "0.00"),
    ],
    ("Owner", "Grace", "Max"),
)
"""Of three, of whom Max has repaid the owner and Grace has repaid Max."""

BY_FILE = Counter(
    {
        ("owner", "EUR"): 1300,
        ("Grace", "EUR"): -400,
        ("Max", "EUR"): -900,
        ("Grace", "JPY"): 500,
        ("Max", "JPY"): -500,
    }
)


@pytest.fixture
def importing(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> Iterator[GroupImporting]:
    monkeypatch.setattr(resource, "BEGIN_WAIT_S", 0.0)
    with group_importing(settings, database) as importing:
        yield importing


@pytest.fixture
def flat(cast: Cast) -> MadeGroup:
    """Of the owner alone."""
    return make_group(cast.owner)


def named(client: httpx.Client, group: MadeGroup, description: str) -> dict[str, Any]:
    """The group's only expense of this description."""
    items: list[dict[str, Any]] = read(client, f"{group.path}/expenses")["items"]
    (found,) = (one for one in items if one["description"] == description)
    return found


def told(client: httpx.Client) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = read(client, "/v1/notifications", kind="import.finished")["items"]
    return items


def test_a_preview_shows_who_is_who_and_what_it_comes_to(
    cast: Cast, flat: MadeGroup, importing: GroupImporting
) -> None:
    max_id = add_name(cast.owner, flat, "MÄX")
    shown = importing.preview(cast.owner.client, flat, FLAT)
    assert (shown["state"], shown["format"], shown["group_id"]) == ("preview", "splitwise", flat.id)
    assert (shown["rows"], shown["problems"], shown["chosen"], shown["credits"]) == (8, 0, 8, 1)
    assert shown["sums"] == [
        {"currency": "EUR", "rows": 7, "spent": "43.00", "received": "3.00", "repaid": "5.00"},
        {"currency": "JPY", "rows": 1, "spent": "1000", "received": "0", "repaid": "0"},
    ]
    assert [
        (one["name"], one["member_id"], one["repayments"], one["confirms_repayments"])
        for one in shown["people"]
    ] == [("Owner", flat.member(cast.owner), 1, False), ("Grace", None, 0, False), ("Max", max_id, 1, False)]
    assert file_balances(shown, {"Owner": "owner"}) == BY_FILE
    rows = read(cast.owner.client, f"/v1/imports/{shown['id']}/rows")["items"]
    values = rows[0]["values"]
    assert (values["payee"], values["category"], values["is_repayment"]) == ("Dinner", "Dining out", False)
    assert values["paid_by"] == [{"name": "Owner", "amount": "30.00"}]
    assert values["shares"] == [{"name": name, "amount": "10.00"} for name in ("Owner", "Grace", "Max")]
    assert [row["values"]["is_repayment"] for row in rows] == [False] * 3 + [True] * 2 + [False] * 3
    assert importing.balances(cast.owner.client, flat) == Counter()


def test_balances_afterwards_are_those_of_the_file(
    cast: Cast, flat: MadeGroup, importing: GroupImporting
) -> None:
    me = cast.owner.client
    done = importing.load(me, flat, FLAT)
    assert (done["committed"], done["problems"]) == (8, 0)
    assert importing.balances(me, flat) == BY_FILE
    names = members_of(cast.owner, flat)
    assert {name: (one["role"], one["has_account"]) for name, one in names.items()} == {
        "owner": ("owner", True),
        "Grace": ("member", False),
        "Max": ("member", False),
    }
    assert {one["name"]: one["member_id"] for one in done["people"]} == {
        "Owner": names["owner"]["id"],
        "Grace": names["Grace"]["id"],
        "Max": names["Max"]["id"],
    }
    dinner = named(me, flat, "Dinner")
    assert (dinner["split"]["kind"], dinner["category"], dinner["state"]) == ("exact", "Dining out", "split")
    settled = read(me, f"{flat.path}/settlements")["items"]
    assert Counter((one["state"], one["note"], one["paid_on"]) for one in settled) == {
        ("confirmed", "Max paid Owner", "2026-05-04"): 1,
        ("confirmed", "Grace paid Max", "2026-05-05"): 1,
    }
    own = sorted((one["payee"], one["amount"]) for one in read(me, "/v1/expenses")["items"])
    assert own == [
        ("Coffee", "1.00"), ("Coffee", "1.00"), ("Dinner", "10.00"), ("Refund", "-1.00"), ("Taxi", "3.00"),
    ]  # fmt: skip
    importing.assert_sound()


def test_each_is_told_once_and_the_activity_has_one_note(
    cast: Cast, flat: MadeGroup, importing: GroupImporting
) -> None:
    join(cast.owner, flat.id, cast.member)
    before = len(read(cast.member.client, "/v1/notifications")["items"])
    done = importing.load(cast.owner.client, flat, FLAT)
    (mine,) = told(cast.owner.client)
    assert (mine["data"]["import_id"], mine["data"]["committed"]) == (done["id"], 8)
    (theirs,) = told(cast.member.client)
    assert len(read(cast.member.client, "/v1/notifications")["items"]) == before + 1
    assert theirs["data"] == {
        "group_id": flat.id,
        "group_name": "Flat",
        "by_member_id": flat.member(cast.owner),
        "by": "owner",
        "state": "committed",
        "entries": 8,
        "repayments_to_confirm": 0,
    }
    kinds = Counter(one["kind"] for one in read(cast.owner.client, f"{flat.path}/activity")["items"])
    assert kinds == {
        "group.created": 1,
        "invitation.sent": 1,
        "member.joined": 1,
        "member.added": 2,
        "import.committed": 1,
    }
    (note,) = read(cast.owner.client, f"{flat.path}/activity", kind="import.committed")["items"]
    assert note["data"] == {
        "format": "splitwise", "entries": 8, "first_day": "2026-05-01", "last_day": "2026-05-07",
    }  # fmt: skip
    # What is changed later is told of, as any other expense.
    (taxi,) = (
        one
        for one in read(cast.owner.client, f"{flat.path}/expenses")["items"]
        if one["description"] == "Taxi"
    )
    patched = cast.owner.client.patch(f"{flat.path}/expenses/{taxi['id']}", json={"category": "Travel"})
    assert patched.status_code == 200
    importing.post()
    newest = read(cast.member.client, "/v1/notifications")["items"][0]
    assert (newest["kind"], newest["data"]["description"]) == ("group.expense_changed", "Taxi")


def test_a_commit_says_who_the_people_are(cast: Cast, flat: MadeGroup, importing: GroupImporting) -> None:
    me = cast.owner.client
    other = join(cast.owner, flat.id, cast.member)
    shown = importing.preview(me, flat, FLAT)
    done = importing.commit(me, shown["id"], members={"Owner": other, "Max": flat.member(cast.owner)})
    importing.post()
    # The file's owner is somebody with an account here, who has yet to say that Max has repaid them.
    expected = {
        ("member", "EUR"): 1700,
        ("Grace", "EUR"): -400,
        ("owner", "EUR"): -1300,
        ("Grace", "JPY"): 500,
        ("owner", "JPY"): -500,
    }
    assert importing.balances(me, flat) == expected
    assert done["people"][0]["member_id"] == other


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"Nobody": "create"}, "/members/Nobody"),
        ({"No/body~": "create"}, "/members/No~1body~0"),
        ({"Grace": "0198f3a5-6c1e-7d42-9b07-5e2f8a41c3d6"}, "/members/Grace"),
        ({"Grace": "nobody"}, "/members"),
        ({"Grace": None}, "/members"),
        ([], "/members"),
    ],
    ids=repr,
)
def test_who_is_nobody_is_named(
    cast: Cast, flat: MadeGroup, importing: GroupImporting, members: Any, pointer: str
) -> None:
    shown = importing.preview(cast.owner.client, flat, FLAT)
    answer = cast.owner.client.post(f"/v1/imports/{shown['id']}/commit", json={"members": members})
    assert wrong_fields(answer) == [pointer]
    assert list(members_of(cast.owner, flat)) == ["owner"], "nobody is added by what is refused"


def test_two_people_cannot_be_one_member(cast: Cast, flat: MadeGroup, importing: GroupImporting) -> None:
    shown = importing.preview(cast.owner.client, flat, FLAT)
    path = f"/v1/imports/{shown['id']}/commit"
    answer = cast.owner.client.post(path, json={"members": {"Grace": flat.member(cast.owner)}})
    assert wrong_fields(answer) == ["/members/Grace"]
    assert "'Owner' is this member already" in answer.json()["errors"][0]["detail"]


def test_only_who_may_add_members_does_so_by_a_file(
    cast: Cast, flat: MadeGroup, importing: GroupImporting
) -> None:
    join(cast.owner, flat.id, cast.member)
    me = cast.member.client
    shown = importing.preview(me, flat, FLAT)
    problem(me.post(f"/v1/imports/{shown['id']}/commit"), 403)
    names = {name: add_name(cast.owner, flat, name) for name in ("Grace", "Max")}
    done = importing.commit(me, shown["id"], members=names)
    assert done["committed"] == 8


def test_shared_expenses_need_a_group_and_others_have_none(
    cast: Cast, flat: MadeGroup, importing: GroupImporting
) -> None:
    me = cast.owner.client
    assert wrong_fields(importing.upload(me, flat, STATEMENT, format="csv")) == ["/group_id"]
    shown = importing.preview(me, flat, STATEMENT)
    assert (shown["state"], shown["error"]["pointer"]) == ("failed", "/group_id")
    answer = me.post("/v1/imports", files={"file": ("export.csv", FLAT)})
    importing.read_waiting()
    shown = read(me, answer.headers["Location"])
    assert (shown["state"], shown["format"], shown["error"]["pointer"]) == (
        "failed",
        "splitwise",
        "/group_id",
    )


def test_members_and_categories_are_chosen_only_where_there_are_any(
    cast: Cast, flat: MadeGroup, importing: GroupImporting
) -> None:
    me = cast.owner.client
    own = me.post("/v1/imports", files={"file": ("may.csv", STATEMENT)}).json()["id"]
    importing.read_waiting()
    answer = me.post(f"/v1/imports/{own}/commit", json={"members": {"Grace": "create"}})
    assert wrong_fields(answer) == ["/members"]
    shown = importing.preview(me, flat, FLAT)
    assert shown["categories"] == []
    answer = me.post(f"/v1/imports/{shown['id']}/commit", json={"categories": {"Gifts": "create"}})
    assert wrong_fields(answer) == ["/categories/Gifts"]


def test_strangers_and_viewers_import_nothing(cast: Cast, flat: MadeGroup, importing: GroupImporting) -> None:
    assert problem(importing.upload(cast.stranger.client, flat, FLAT), 404)["detail"] == "no such group"
    viewer(cast.owner, flat, cast.member)
    problem(importing.upload(cast.member.client, flat, FLAT), 403)
    shown = importing.preview(cast.owner.client, flat, FLAT)
    for other in (cast.member.client, cast.stranger.client):
        for answer in (
            other.get(f"/v1/imports/{shown['id']}"),
            other.get(f"/v1/imports/{shown['id']}/rows"),
            other.post(f"/v1/imports/{shown['id']}/commit"),
            other.delete(f"/v1/imports/{shown['id']}"),
        ):
            assert problem(answer, 404)["detail"] == "no such import"


def test_who_has_left_meanwhile_cannot_commit(cast: Cast, flat: MadeGroup, importing: GroupImporting) -> None:
    member_id = join(cast.owner, flat.id, cast.member, role="admin")
    me = cast.member.client
    shown = importing.preview(me, flat, FLAT)
    waiting = importing.upload(me, flat, FLAT).json()["id"]
    assert me.delete(f"{flat.path}/members/{member_id}").status_code == 204
    assert problem(me.post(f"/v1/imports/{shown['id']}/commit"), 404)["detail"] == "no such group"
    importing.read_waiting()
    failed = read(me, f"/v1/imports/{waiting}")
    assert (failed["state"], failed["error"]["pointer"]) == ("failed", "/group_id")
    assert me.delete(f"/v1/imports/{shown['id']}").status_code == 204
    assert list(members_of(cast.owner, flat)) == ["owner"]


def test_a_role_that_was_lost_meanwhile_cannot_commit(
    cast: Cast, flat: MadeGroup, importing: GroupImporting
) -> None:
    member_id = join(cast.owner, flat.id, cast.member, role="admin")
    shown = importing.preview(cast.member.client, flat, FLAT)
    demoted = cast.owner.client.patch(f"{flat.path}/members/{member_id}", json={"role": "viewer"})
    assert demoted.status_code == 200
    problem(cast.member.client.post(f"/v1/imports/{shown['id']}/commit"), 403)


def test_nobody_says_for_others_with_an_account_that_they_were_repaid(
    cast: Cast, flat: MadeGroup, importing: GroupImporting
) -> None:
    """Else whoever owes something could bring a file that says that it is paid."""
    join(cast.owner, flat.id, cast.member)
    me, other = cast.owner.client, cast.member.client
    file = splitwise(
        [
            ("2026-05-01", "Rent", "", "100.00", "EUR", "-50.00", "50.00"),
            ("2026-05-02", "I paid", "Payment", "30.00", "EUR", "30.00", "-30.00"),
            ("2026-05-03", "They paid", "Payment", "5.00", "EUR", "-5.00", "5.00"),
        ],
        ("Owner", "Member"),
    )
    shown = importing.preview(me, flat, file)
    assert [(one["repayments"], one["confirms_repayments"]) for one in shown["people"]] == [
        (1, False),
        (1, True),
    ]
    importing.commit(me, shown["id"])
    importing.post()
    assert importing.balances(me, flat) == {("owner", "EUR"): -5500, ("member", "EUR"): 5500}
    (news,) = told(other)
    assert news["data"]["repayments_to_confirm"] == 1
    (pending,) = read(me, f"{flat.path}/settlements", state="pending")["items"]
    path = f"{flat.path}/settlements/{pending['id']}"
    problem(me.post(f"{path}/confirm"), 403)
    assert other.post(f"{path}/confirm").status_code == 200
    expected = {("owner", "EUR"): -2500, ("member", "EUR"): 2500}
    assert importing.balances(me, flat) == expected
    assert file_balances(shown, {"Owner": "owner", "Member": "member"}) == expected
    importing.assert_sound()
    importing.undo(me, shown["id"])
    assert importing.balances(me, flat) == Counter()
    importing.assert_sound()


def test_only_so_many_repayments_wait_for_one_word(
    cast: Cast, flat: MadeGroup, importing: GroupImporting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_members, "MAX_WAITING", 1)
    join(cast.owner, flat.id, cast.member)
    rows = [("2026-05-02", "I paid", "Payment", "30.00", "EUR", "30.00", "-30.00")] * 2
    shown = importing.preview(cast.owner.client, flat, splitwise(rows, ("Owner", "Member")))
    path = f"/v1/imports/{shown['id']}/commit"
    answer = cast.owner.client.post(path)
    assert wrong_fields(answer) == ["/members/Member"]
    importing.commit(cast.owner.client, shown["id"], members={"Member": "create"})
    assert importing.balances(cast.owner.client, flat) == {
        ("owner", "EUR"): 6000,
        ("Member (2)", "EUR"): -6000,
    }
