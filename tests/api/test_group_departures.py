"""Accounts that are deleted leave their names in the groups, and the ledgers whole."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from sqlalchemy import select

from core.database import Database
from core.models import Group, GroupActivity, GroupMember
from tests.api.calls import another, problem, read
from tests.api.groups import (
    accept,
    add_name,
    address_of,
    invite,
    join,
    make_group,
    members_of,
    token_of,
)
from tests.api.test_group_members import set_role
from tests.api.test_groups import owe
from tests.cast import PASSWORD, Cast, Person


def delete_account(person: Person) -> int:
    return person.client.request("DELETE", "/v1/me", json={"password": PASSWORD}).status_code


def test_a_deleted_account_stays_as_a_name_with_its_balance(cast: Cast, database: Database) -> None:
    group = make_group(cast.owner, cast.member)
    owe(database, group, cast.owner, cast.member)
    assert delete_account(cast.member) == 204
    left = members_of(cast.owner, group)["member"]
    assert (left["id"], left["has_account"], left["left_at"]) == (group.member(cast.member), False, None)
    refused = cast.owner.client.delete(f"{group.path}/members/{left['id']}")
    assert "owes 12.34 EUR" in problem(refused, 409)["detail"]
    with database.reading() as session:
        noted = session.execute(
            select(GroupActivity.kind, GroupActivity.data).order_by(GroupActivity.id.desc()).limit(1)
        ).one()
    assert tuple(noted) == ("member.left", {"display_name": "member", "account_deleted": True})


def test_the_name_can_be_claimed_again_but_not_its_role(cast: Cast) -> None:
    group = make_group(cast.owner, cast.member)
    assert set_role(cast.owner, group, group.member(cast.member), "owner") == 200
    assert delete_account(cast.member) == 204
    name = group.member(cast.member)
    claim = invite(cast.owner, group.id, address_of(cast.stranger), member_id=name, role="viewer")
    assert accept(cast.stranger, token_of(group.id, claim["id"])).status_code == 200
    claimed = members_of(cast.owner, group)["member"]
    assert (claimed["id"], claimed["role"]) == (name, "member")


def test_the_group_of_the_last_owner_goes_to_who_is_next(cast: Cast, database: Database) -> None:
    group = make_group(cast.owner, cast.member)
    add_name(cast.owner, group, "Grace", role="owner")
    join(cast.owner, group.id, cast.stranger, role="admin")
    assert delete_account(cast.owner) == 204
    roles = {name: one["role"] for name, one in members_of(cast.member, group).items()}
    assert roles == {"owner": "member", "member": "member", "Grace": "owner", "stranger": "owner"}


def test_of_equals_the_one_who_has_been_there_longest_becomes_owner(cast: Cast) -> None:
    group = make_group(cast.owner, cast.stranger, cast.member)
    assert delete_account(cast.owner) == 204
    roles = {name: one["role"] for name, one in members_of(cast.member, group).items()}
    assert roles == {"owner": "member", "stranger": "owner", "member": "member"}


def test_a_group_without_any_account_is_as_good_as_deleted(cast: Cast, database: Database) -> None:
    group = make_group(cast.owner)
    add_name(cast.owner, group, "Grace")
    invitation = invite(cast.owner, group.id, address_of(cast.member), acceptable_by="link")
    assert delete_account(cast.owner) == 204
    assert problem(accept(cast.member, token_of(group.id, invitation["id"])), 404)
    with database.reading() as session:
        assert session.scalar(select(Group.deleted_at)) is not None
        assert session.scalars(select(GroupMember.user_id)).all() == [None, None]


def test_who_has_left_before_is_forgotten_too(cast: Cast, database: Database) -> None:
    group = make_group(cast.owner, cast.member)
    mine = group.member(cast.member)
    assert cast.member.client.delete(f"{group.path}/members/{mine}").status_code == 204
    assert delete_account(cast.member) == 204
    with database.reading() as session:
        query = select(GroupMember.user_id, GroupMember.left_at).where(GroupMember.id == UUID(mine))
        user_id, left_at = session.execute(query).one()
    assert user_id is None
    assert left_at is not None
    [former] = read(cast.owner.client, f"{group.path}/members", former="true")["items"]
    assert former["has_account"] is False


def test_two_accounts_of_one_group_are_deleted_at_once_while_a_third_joins(
    cast: Cast, database: Database
) -> None:
    groups = [make_group(cast.owner, cast.member) for _ in range(3)]
    tokens = [
        token_of(group.id, invite(cast.owner, group.id, address_of(cast.stranger))["id"]) for group in groups
    ]

    def take(token: str) -> int:
        with another(cast.stranger.client) as own:
            return own.post(f"/v1/invitations/{token}/accept").status_code

    with ThreadPoolExecutor(5) as pool:
        deleting = [pool.submit(delete_account, one) for one in (cast.owner, cast.member)]
        joining = [pool.submit(take, token) for token in tokens]
        assert [one.result() for one in deleting] == [204, 204]
        joined = [one.result() == 200 for one in joining]
    seen = read(cast.stranger.client, "/v1/groups")["items"]
    assert len(seen) == sum(joined)
    for group in seen:
        assert {one["display_name"]: one["role"] for one in group["members"]}["stranger"] == "owner"
    with database.reading() as session:
        kept = session.scalars(select(Group.id).where(Group.deleted_at.is_(None))).all()
    assert len(kept) == len(seen)


def test_an_account_that_joins_a_group_while_it_is_deleted_leaves_nothing_behind(
    cast: Cast, database: Database
) -> None:
    for_member = [make_group(cast.owner) for _ in range(6)]
    tokens = [
        token_of(group.id, invite(cast.owner, group.id, address_of(cast.member))["id"])
        for group in for_member
    ]

    def take(token: str) -> int:
        with another(cast.member.client) as own:
            return own.post(f"/v1/invitations/{token}/accept").status_code

    with ThreadPoolExecutor(7) as pool:
        joining = [pool.submit(take, token) for token in tokens]
        deleted = pool.submit(delete_account, cast.member).result()
        statuses = {one.result() for one in joining}
    assert deleted in (204, 503)
    assert statuses <= {200, 401, 404}
    if deleted == 503:
        assert delete_account(cast.member) == 204
    with database.reading() as session:
        assert session.scalar(select(GroupMember.id).where(GroupMember.user_id == cast.member.id)) is None
    for group in for_member:
        assert read(cast.owner.client, group.path)["members"][0]["role"] == "owner"
