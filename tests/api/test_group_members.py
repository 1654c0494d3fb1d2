"""Members: who is in a group, who may change whom, and who may go."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from sqlalchemy import insert, select, update

from core import clock
from core.database import Database
from core.ids import new_id
from core.models import GroupActivity, GroupMember
from core.queries.groups import MAX_MEMBERS, MAX_MEMBERS_EVER
from tests.api.calls import another, problem, read, wrong_fields
from tests.api.groups import (
    MadeGroup,
    accept,
    add_name,
    former_member,
    invite,
    join,
    make_group,
    members_of,
    token_of,
    viewer,
)
from tests.api.test_groups import dispute, owe, pend
from tests.cast import Cast, Person

MISSING = "018f0000-0000-7000-8000-000000000000"


def path_of(group: MadeGroup, member_id: str) -> str:
    return f"{group.path}/members/{member_id}"


def set_role(person: Person, group: MadeGroup, member_id: str, role: str) -> int:
    return person.client.patch(path_of(group, member_id), json={"role": role}).status_code


def test_members_are_seen_by_every_member(cast: Cast) -> None:
    group = make_group(cast.owner, cast.member)
    viewer(cast.owner, group, cast.stranger)
    add_name(cast.owner, group, "Grace")
    seen = members_of(cast.stranger, group)
    assert {name: (one["role"], one["has_account"]) for name, one in seen.items()} == {
        "owner": ("owner", True),
        "member": ("member", True),
        "stranger": ("viewer", True),
        "Grace": ("member", False),
    }
    assert [one["mirror_expenses"] for one in seen.values()] == [None, None, True, None]


def test_former_members_are_listed_apart(cast: Cast) -> None:
    group = make_group(cast.owner)
    former_member(cast.owner, group, cast.member)
    assert list(members_of(cast.owner, group)) == ["owner"]
    [former] = read(cast.owner.client, f"{group.path}/members", former="true")["items"]
    assert (former["display_name"], former["left_at"] is None) == ("member", False)
    assert read(cast.owner.client, path_of(group, former["id"])) == former
    assert problem(cast.owner.client.patch(path_of(group, former["id"]), json={"role": "viewer"}), 404)
    assert problem(cast.owner.client.delete(path_of(group, former["id"])), 404)


def test_an_admin_adds_somebody_without_an_account(cast: Cast) -> None:
    group = make_group(cast.owner)
    added = cast.owner.client.post(f"{group.path}/members", json={"display_name": " Grace "})
    assert (added.status_code, added.headers["ETag"]) == (201, '"1"')
    assert read(cast.owner.client, added.headers["Location"]) == added.json()
    assert (added.json()["display_name"], added.json()["role"]) == ("Grace", "member")
    for fields, pointer in (
        ({}, "/display_name"),
        ({"display_name": " "}, "/display_name"),
        ({"display_name": "a\nb"}, "/display_name"),
        ({"display_name": "Bob", "role": "king"}, "/role"),
        ({"display_name": "Bob", "user_id": MISSING}, "/user_id"),
    ):
        assert wrong_fields(cast.owner.client.post(f"{group.path}/members", json=fields)) == [pointer]


@pytest.mark.parametrize("same", ["Grace", "GRACE", "\uff27race", " grace "])
def test_two_members_are_never_called_the_same(cast: Cast, same: str) -> None:
    group = make_group(cast.owner, cast.member)
    grace = add_name(cast.owner, group, "Grace")
    taken = cast.owner.client.post(f"{group.path}/members", json={"display_name": same})
    assert "already" in problem(taken, 409)["detail"]
    mine = path_of(group, group.member(cast.member))
    assert problem(cast.member.client.patch(mine, json={"display_name": same}), 409)
    renamed = cast.owner.client.patch(path_of(group, grace), json={"display_name": "GRACE"})
    assert renamed.json()["display_name"] == "GRACE"
    assert cast.owner.client.delete(path_of(group, grace)).status_code == 204
    assert cast.member.client.patch(mine, json={"display_name": same}).status_code == 200


def test_who_joins_under_a_name_that_is_taken_gets_a_number(cast: Cast) -> None:
    group = make_group(cast.owner)
    add_name(cast.owner, group, "Member")
    join(cast.owner, group.id, cast.member)
    assert "member (2)" in members_of(cast.owner, group)


def test_everybody_sees_to_their_own_name_and_mirror(cast: Cast) -> None:
    group = make_group(cast.owner)
    mine = path_of(group, viewer(cast.owner, group, cast.member))
    changed = cast.member.client.patch(mine, json={"display_name": "Me", "mirror_expenses": False})
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    assert changed.json()["mirror_expenses"] is False
    assert members_of(cast.owner, group)["Me"]["mirror_expenses"] is None
    for fields in ({"display_name": "You"}, {"mirror_expenses": True}):
        assert problem(cast.owner.client.patch(mine, json=fields), 403)
    stale = {"If-Match": '"1"'}
    assert problem(cast.member.client.patch(mine, json={"mirror_expenses": True}, headers=stale), 412)
    assert problem(cast.member.client.delete(mine, headers=stale), 412)


def test_admins_give_roles_up_to_their_own_and_owners_all(cast: Cast) -> None:
    group = make_group(cast.owner, cast.member, cast.stranger)
    owner, admin, other = (group.member(one) for one in (cast.owner, cast.member, cast.stranger))
    assert set_role(cast.member, group, other, "viewer") == 403
    assert set_role(cast.owner, group, admin, "admin") == 200
    assert set_role(cast.member, group, other, "admin") == 200
    assert set_role(cast.stranger, group, admin, "viewer") == 200
    assert set_role(cast.stranger, group, admin, "admin") == 200
    assert set_role(cast.member, group, other, "owner") == 403
    assert set_role(cast.member, group, owner, "admin") == 403
    assert problem(cast.member.client.delete(path_of(group, owner)), 403)
    assert set_role(cast.owner, group, other, "owner") == 200
    assert set_role(cast.stranger, group, owner, "member") == 200
    king = {"display_name": "King", "role": "owner"}
    assert problem(cast.member.client.post(f"{group.path}/members", json=king), 403)
    assert cast.member.client.delete(path_of(group, owner)).status_code == 204


def test_the_last_owner_with_an_account_neither_leaves_nor_is_demoted(cast: Cast) -> None:
    group = make_group(cast.owner, cast.member)
    mine = group.member(cast.owner)
    add_name(cast.owner, group, "Grace", role="owner")
    assert "owner" in problem(cast.owner.client.delete(path_of(group, mine)), 409)["detail"]
    assert set_role(cast.owner, group, mine, "admin") == 409
    assert set_role(cast.owner, group, group.member(cast.member), "owner") == 200
    assert cast.owner.client.delete(path_of(group, mine)).status_code == 204
    assert problem(cast.owner.client.get(group.path), 404)
    assert problem(cast.member.client.delete(path_of(group, group.member(cast.member))), 409)


def test_nobody_goes_with_something_open(cast: Cast, database: Database) -> None:
    group = make_group(cast.owner, cast.member)
    theirs = path_of(group, group.member(cast.member))
    undo = owe(database, group, cast.owner, cast.member)
    for client in (cast.member.client, cast.owner.client):
        assert "member owes 12.34 EUR" in problem(client.delete(theirs), 409)["detail"]
    undo()
    undo = pend(database, group, cast.owner, cast.member)
    assert "being split" in problem(cast.member.client.delete(theirs), 409)["detail"]
    undo()
    undo = dispute(database, group, cast.member, cast.owner)
    assert "disputed" in problem(cast.owner.client.delete(theirs), 409)["detail"]
    grace = add_name(cast.owner, group, "Grace")
    assert cast.owner.client.delete(path_of(group, grace)).status_code == 204
    undo()
    assert cast.member.client.delete(theirs).status_code == 204


def test_who_comes_back_is_who_they_were(cast: Cast) -> None:
    group = make_group(cast.owner)
    before = join(cast.owner, group.id, cast.member, role="admin")
    cast.member.client.patch(path_of(group, before), json={"display_name": "Me"})
    assert cast.member.client.delete(path_of(group, before)).status_code == 204
    add_name(cast.owner, group, "me")
    assert join(cast.owner, group.id, cast.member) == before
    again = members_of(cast.owner, group)["Me (2)"]
    assert (again["role"], again["left_at"], again["id"]) == ("member", None, before)


def test_who_loses_a_role_cannot_come_back_to_it_by_an_invitation_of_their_own(cast: Cast) -> None:
    group = make_group(cast.owner, cast.member)
    theirs = group.member(cast.member)

    def state_after(role: str, invited_as: str, change: str | None) -> str:
        assert set_role(cast.owner, group, theirs, role) == 200
        one = invite(cast.member, group.id, f"{role}-{invited_as}-{change}@example.com", role=invited_as)
        if change is None:
            assert cast.owner.client.delete(path_of(group, theirs)).status_code == 204
        else:
            assert set_role(cast.owner, group, theirs, change) == 200
        state: str = read(cast.owner.client, f"{group.path}/invitations/{one['id']}")["state"]
        return state

    assert state_after("owner", "owner", "admin") == "revoked"
    assert state_after("owner", "admin", "admin") == "pending"
    assert state_after("admin", "viewer", "member") == "revoked"
    assert state_after("admin", "viewer", None) == "revoked"


def test_a_group_has_room_for_so_many(cast: Cast, database: Database) -> None:
    group = make_group(cast.owner)
    invitation = invite(cast.owner, group.id, "member@example.com")
    now = clock.now()
    row = {"role": "member", "mirrors_expenses": True, "version": 1, "created_at": now, "updated_at": now}

    def fill(count: int, **fields: object) -> None:
        rows = [
            {**row, **fields, "group_id": UUID(group.id), "id": new_id(), "display_name": f"N{n}"}
            for n in range(count)
        ]
        with database.transaction() as session:
            session.execute(insert(GroupMember), rows)

    fill(MAX_MEMBERS - 1)
    more = {"display_name": "One more"}
    full = cast.owner.client.post(f"{group.path}/members", json=more)
    assert str(MAX_MEMBERS) in problem(full, 409)["detail"]
    token = token_of(group.id, invitation["id"])
    assert str(MAX_MEMBERS) in problem(accept(cast.member, token), 409)["detail"]
    with database.transaction() as session:
        session.execute(update(GroupMember).where(GroupMember.user_id.is_(None)).values(left_at=now))
    assert accept(cast.member, token).status_code == 200
    fill(MAX_MEMBERS_EVER - MAX_MEMBERS - 1, left_at=now)
    ever = cast.owner.client.post(f"{group.path}/members", json=more)
    assert str(MAX_MEMBERS_EVER) in problem(ever, 409)["detail"]


def test_of_two_owners_who_leave_at_once_one_stays(cast: Cast) -> None:
    for _ in range(5):
        group = make_group(cast.owner, cast.member)
        assert set_role(cast.owner, group, group.member(cast.member), "owner") == 200

        def leave(person: Person, group: MadeGroup = group) -> int:
            with another(person.client) as own:
                return own.delete(path_of(group, group.member(person))).status_code

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(leave, (cast.owner, cast.member))) == [204, 409]


def test_what_is_done_to_members_is_noted(cast: Cast, database: Database) -> None:
    group = make_group(cast.owner, cast.member)
    grace = add_name(cast.owner, group, "Grace")
    assert set_role(cast.owner, group, grace, "viewer") == 200
    theirs = path_of(group, group.member(cast.member))
    assert cast.member.client.patch(theirs, json={"mirror_expenses": False}).status_code == 200
    assert cast.owner.client.delete(path_of(group, grace)).status_code == 204
    assert cast.member.client.delete(theirs).status_code == 204
    with database.reading() as session:
        query = select(GroupActivity.kind, GroupActivity.actor_id, GroupActivity.data)
        noted = session.execute(query.order_by(GroupActivity.id)).all()[3:]
    owner, member = (group.member(one) for one in (cast.owner, cast.member))
    roles = {"before": {"role": "member"}, "after": {"role": "viewer"}}
    assert [(kind, str(actor), data) for kind, actor, data in noted] == [
        ("member.added", owner, {"display_name": "Grace", "role": "member"}),
        ("member.changed", owner, {"display_name": "Grace", **roles}),
        ("member.removed", owner, {"display_name": "Grace"}),
        ("member.left", member, {"display_name": "member"}),
    ]
