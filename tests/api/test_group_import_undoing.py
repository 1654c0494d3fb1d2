"""Imports into groups: what is there already, and taking back what was imported as a whole."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api.resources import imports as resource
from core.config import Settings
from core.database import Database
from tests.api.calls import problem, read
from tests.api.group_imports import GroupImporting, group_importing, splitwise
from tests.api.groups import (
    MadeGroup,
    accept,
    add_name,
    address_of,
    invite,
    join,
    make_group,
    members_of,
    token_of,
)
from tests.cast import Cast
from workers.long_jobs import work_off_long
from workers.tasks.imports import COMMITTING

COFFEE = ("2026-05-07", "Coffee", "Dining out", "2.00", "EUR", "1.00", "-1.00")
TWO_COFFEES = splitwise(
    [("2026-05-01", "Dinner", "", "30.00", "EUR", "15.00", "-15.00"),
     COFFEE,
     COFFEE,
     ("2026-05-08", "Grace paid Owner", "Payment", "4.00", "EUR", "-4.00", "4.00")],
    ("Owner", "Grace"),
)  # fmt: skip
OWED = {("owner", "EUR"): 1300, ("Grace", "EUR"): -1300}


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


def suspected(client: httpx.Client, shown: dict[str, Any]) -> list[int]:
    """The lines of the rows that seem to be there already."""
    items = read(client, f"/v1/imports/{shown['id']}/rows", state="duplicate")["items"]
    assert len(items) == shown["duplicates"]
    return [row["line"] for row in items]


def spend(
    client: httpx.Client, group: MadeGroup, amount: str, description: str, day: str, **more: Any
) -> str:
    body = {"amount": amount, "description": description, "spent_on": day, **more}
    answer = client.post(f"{group.path}/expenses", json=body)
    assert answer.status_code == 201, answer.text
    expense_id: str = answer.json()["id"]
    return expense_id


def test_two_equal_rows_are_two_and_the_same_file_is_there_already(
    cast: Cast, flat: MadeGroup, importing: GroupImporting
) -> None:
    me = cast.owner.client
    first = importing.preview(me, flat, TWO_COFFEES)
    assert (first["rows"], first["duplicates"]) == (4, 0)
    importing.commit(me, first["id"])
    importing.post()
    assert importing.balances(me, flat) == OWED
    again = importing.preview(me, flat, TWO_COFFEES)
    assert (suspected(me, again), again["chosen"]) == ([2, 3, 4, 5], 0)
    done = importing.commit(me, again["id"])
    importing.post()
    assert (done["state"], done["committed"]) == ("succeeded", 0)
    assert importing.balances(me, flat) == OWED
    # In another group nothing of it is there.
    other = make_group(cast.owner)
    assert importing.preview(me, other, TWO_COFFEES)["duplicates"] == 0


def test_a_longer_file_brings_only_what_is_new(
    cast: Cast, flat: MadeGroup, importing: GroupImporting
) -> None:
    me = cast.owner.client
    importing.load(me, flat, splitwise([COFFEE], ("Owner", "Grace")))
    done = importing.load(me, flat, TWO_COFFEES)
    assert (done["committed"], done["duplicates"]) == (3, 1)
    assert importing.balances(me, flat) == OWED


def test_the_same_file_of_another_member_is_there_already(
    cast: Cast, flat: MadeGroup, importing: GroupImporting
) -> None:
    join(cast.owner, flat.id, cast.member)
    importing.load(cast.owner.client, flat, TWO_COFFEES)
    shown = importing.preview(cast.member.client, flat, TWO_COFFEES)
    assert (shown["duplicates"], shown["chosen"]) == (4, 0)


def test_what_was_written_by_hand_is_found_by_who_has_paid(
    cast: Cast, flat: MadeGroup, importing: GroupImporting
) -> None:
    me = cast.owner.client
    grace = add_name(cast.owner, flat, "Grace")
    spend(me, flat, "2.00", "coffee", "2026-05-07")
    spend(me, flat, "30.00", "Dinner", "2026-05-01", paid_by=[{"member_id": grace, "amount": "30.00"}])
    spend(me, flat, "30.01", "Dinner", "2026-05-01")
    repaid = {"from_member_id": grace, "to_member_id": flat.member(cast.owner), "amount": "4.00"}
    assert me.post(f"{flat.path}/settlements", json={**repaid, "paid_on": "2026-05-08"}).status_code == 201
    shown = importing.preview(me, flat, TWO_COFFEES)
    assert suspected(me, shown) == [3, 5], "one of the coffees, and the repayment; the dinner was Grace's"


def test_who_is_somebody_else_here_is_remembered_for_the_next_file(
    cast: Cast, flat: MadeGroup, importing: GroupImporting
) -> None:
    me, ada = cast.owner.client, add_name(cast.owner, flat, "Ada Lovelace")
    importing.load(me, flat, TWO_COFFEES, members={"Grace": ada})
    shown = importing.preview(me, flat, TWO_COFFEES)
    assert [one["member_id"] for one in shown["people"]] == [flat.member(cast.owner), ada]
    assert shown["duplicates"] == 4


def test_nobody_leaves_in_the_middle_of_their_import(
    cast: Cast, flat: MadeGroup, importing: GroupImporting
) -> None:
    me, importer = cast.owner.client, cast.member.client
    own = join(cast.owner, flat.id, cast.member, role="admin")
    shown = importing.preview(importer, flat, splitwise([COFFEE], ("Owner", "Grace")))
    answer = importer.post(f"/v1/imports/{shown['id']}/commit", json={})
    assert answer.status_code == 202
    for leaving in (
        importer.delete(f"{flat.path}/members/{own}"),
        me.delete(f"{flat.path}/members/{own}"),
        me.delete(flat.path),
    ):
        assert "import" in problem(leaving, 409)["detail"]
    assert work_off_long(importing.runtime, COMMITTING) == 1
    importing.post()
    assert importing.balances(me, flat) == {("owner", "EUR"): 100, ("Grace", "EUR"): -100}
    assert importer.delete(f"{flat.path}/members/{own}").status_code == 204


def test_undoing_leaves_all_as_it_was(cast: Cast, flat: MadeGroup, importing: GroupImporting) -> None:
    me = cast.owner.client
    join(cast.owner, flat.id, cast.member)
    spend(me, flat, "10.00", "Bread", "2026-04-30")
    importing.post()
    before, own = importing.balances(me, flat), read(me, "/v1/expenses")["items"]
    done = importing.load(me, flat, TWO_COFFEES)
    assert importing.balances(me, flat) != before
    undone = importing.undo(me, done["id"])
    assert (undone["state"], undone["committed"]) == ("undone", 0)
    assert importing.balances(me, flat) == before
    assert read(me, "/v1/expenses")["items"] == own
    assert sorted(members_of(cast.owner, flat)) == ["member", "owner"]
    assert [one["description"] for one in read(me, f"{flat.path}/expenses")["items"]] == ["Bread"]
    settled = read(me, f"{flat.path}/settlements")["items"]
    assert [one["state"] for one in settled] == ["reversed"]
    kinds = Counter(one["kind"] for one in read(me, f"{flat.path}/activity")["items"])
    assert (kinds["import.undone"], kinds["expense.deleted"], kinds["member.removed"]) == (1, 0, 1)
    news = read(cast.member.client, "/v1/notifications", kind="import.finished")["items"]
    assert [(one["data"]["state"], one["data"]["entries"]) for one in news] == [
        ("undone", 4),
        ("committed", 4),
    ]
    assert read(cast.member.client, "/v1/notifications", kind="group.expense_deleted")["items"] == []
    importing.assert_sound()
    # It is new once more.
    assert importing.preview(me, flat, TWO_COFFEES)["duplicates"] == 0
    # What is left of it is the importer's to forget.
    assert me.delete(f"/v1/imports/{done['id']}").status_code == 204
    assert len(read(me, f"{flat.path}/activity", kind="import.undone")["items"]) == 1


def test_undoing_takes_back_also_what_was_not_posted_yet_or_was_changed_since(
    cast: Cast, flat: MadeGroup, importing: GroupImporting
) -> None:
    me = cast.owner.client
    done = importing.commit(me, importing.preview(me, flat, TWO_COFFEES)["id"])
    dinner = read(me, f"{flat.path}/expenses", to="2026-05-01")["items"][0]
    changed = me.patch(
        f"{flat.path}/expenses/{dinner['id']}", json={"amount": "40.00", "split": {"kind": "equal"}}
    )
    assert changed.status_code == 200, changed.text
    gone = read(me, f"{flat.path}/expenses")["items"][0]
    assert me.delete(f"{flat.path}/expenses/{gone['id']}").status_code == 204
    (repaid,) = read(me, f"{flat.path}/settlements")["items"]
    assert me.post(f"{flat.path}/settlements/{repaid['id']}/reverse").status_code == 200
    importing.undo(me, done["id"])
    importing.post()
    assert importing.balances(me, flat) == Counter()
    assert read(me, f"{flat.path}/expenses")["items"] == read(me, "/v1/expenses")["items"] == []
    assert list(members_of(cast.owner, flat)) == ["owner"]
    importing.assert_sound()


def test_who_was_created_for_it_stays_if_there_is_more_to_them(
    cast: Cast, flat: MadeGroup, importing: GroupImporting
) -> None:
    me = cast.owner.client
    people = ("Owner", "Grace", "Max", "Ada", "Kim")
    file = splitwise([("2026-05-01", "Dinner", "", "50.00", "EUR", "40.00", *["-10.00"] * 4)], people)
    done = importing.load(me, flat, file)
    names = members_of(cast.owner, flat)
    only_max = {"kind": "exact", "shares": [{"member_id": names["Max"]["id"], "value": "5.00"}]}
    spend(me, flat, "5.00", "Ticket", "2026-06-01", split=only_max)
    invited = invite(cast.owner, flat.id, address_of(cast.member), member_id=names["Ada"]["id"])
    assert accept(cast.member, token_of(flat.id, invited["id"])).status_code == 200
    invite(cast.owner, flat.id, "kim@example.net", member_id=names["Kim"]["id"])
    importing.undo(me, done["id"])
    importing.post()
    assert sorted(members_of(cast.owner, flat)) == ["Ada", "Kim", "Max", "owner"]
    assert importing.balances(me, flat) == {("owner", "EUR"): 500, ("Max", "EUR"): -500}
    assert read(cast.member.client, "/v1/expenses")["items"] == []
    importing.assert_sound()


def test_nothing_of_somebody_who_has_left_is_undone(
    cast: Cast, flat: MadeGroup, importing: GroupImporting
) -> None:
    me = cast.owner.client
    member_id = join(cast.owner, flat.id, cast.member)
    even = [
        ("2026-05-01", "Dinner", "", "30.00", "EUR", "15.00", "-15.00"),
        ("2026-05-02", "Lunch", "", "30.00", "EUR", "-15.00", "15.00"),
    ]
    done = importing.load(me, flat, splitwise(even, ("Owner", "Member")))
    assert cast.member.client.delete(f"{flat.path}/members/{member_id}").status_code == 204
    refused = problem(me.delete(f"/v1/imports/{done['id']}"), 409)
    assert refused["detail"] == "member has left the group, and this would change their part"
    assert read(me, f"/v1/imports/{done['id']}")["state"] == "succeeded"
    assert len(read(me, f"{flat.path}/expenses")["items"]) == 2


def test_who_has_left_undoes_nothing(cast: Cast, flat: MadeGroup, importing: GroupImporting) -> None:
    member_id = join(cast.owner, flat.id, cast.member, role="admin")
    me = cast.member.client
    done = importing.load(me, flat, TWO_COFFEES)
    demoted = cast.owner.client.patch(f"{flat.path}/members/{member_id}", json={"role": "viewer"})
    assert demoted.status_code == 200
    problem(me.delete(f"/v1/imports/{done['id']}"), 403)
    assert me.delete(f"{flat.path}/members/{member_id}").status_code == 204
    assert problem(me.delete(f"/v1/imports/{done['id']}"), 404)["detail"] == "no such group"
    assert len(read(cast.owner.client, f"{flat.path}/expenses")["items"]) == 3


def test_members_of_a_commit_of_nothing_go_with_it(
    cast: Cast, flat: MadeGroup, importing: GroupImporting
) -> None:
    me = cast.owner.client
    shown = importing.preview(me, flat, TWO_COFFEES)
    done = importing.commit(me, shown["id"], rows={"only": []})
    assert (done["state"], done["committed"]) == ("succeeded", 0)
    assert sorted(members_of(cast.owner, flat)) == ["Grace", "owner"]
    assert me.delete(f"/v1/imports/{shown['id']}").status_code == 204
    assert list(members_of(cast.owner, flat)) == ["owner"]


def test_what_cannot_be_recorded_is_named_by_its_line(
    cast: Cast, flat: MadeGroup, importing: GroupImporting
) -> None:
    me = cast.owner.client
    file = splitwise(
        [
            ("2026-05-01", "Dinner", "", "30.00", "EUR", "15.00", "-15.00"),
            ("2026-05-01", "Yacht", "", "100000000000.01", "EUR", "1.00", "-1.00"),
            ("2026-05-01", "Shells", "", "30.00", "XXX", "15.00", "-15.00"),
            ("2226-05-01", "Moon", "", "30.00", "EUR", "15.00", "-15.00"),
            ("2026-05-01", "Odd", "", "30.00", "EUR", "15.00", "-14.00"),
        ],
        ("Owner", "Grace"),
    )
    done = importing.load(me, flat, file)
    assert (done["committed"], done["problems"]) == (1, 4)
    assert [one["line"] for one in done["first_problems"]] == [3, 4, 5, 6]
    assert "at most 100000000000.00 EUR" in done["first_problems"][0]["reason"]
    assert importing.balances(me, flat) == {("owner", "EUR"): 1500, ("Grace", "EUR"): -1500}
