"""Nobody comes to a higher role by an invitation than whoever invites has, then and later."""

from tests.api.groups import accept, add_name, invite, join, make_group, members_of, token_of
from tests.cast import Cast


def test_a_claim_gives_no_more_than_the_inviter_has_by_then(cast: Cast) -> None:
    group = make_group(cast.owner)
    admin_id = join(cast.owner, group.id, cast.member, role="admin")
    name_id = add_name(cast.owner, group, "Dot")
    offer = invite(cast.member, group.id, "stranger@example.com", role="member", member_id=name_id)
    raised = cast.owner.client.patch(f"{group.path}/members/{name_id}", json={"role": "owner"})
    assert raised.status_code == 200, raised.text
    assert accept(cast.stranger, token_of(group.id, offer["id"])).status_code == 200
    assert members_of(cast.owner, group)["Dot"]["role"] == "admin"
    assert members_of(cast.owner, group)["member"]["id"] == admin_id


def test_an_owner_who_is_demoted_keeps_no_way_back(cast: Cast) -> None:
    group = make_group(cast.owner)
    second_id = join(cast.owner, group.id, cast.member, role="owner")
    name_id = add_name(cast.owner, group, "Dot", role="owner")
    offer = invite(cast.member, group.id, "stranger@example.com", role="member", member_id=name_id)
    demoted = cast.owner.client.patch(f"{group.path}/members/{second_id}", json={"role": "admin"})
    assert demoted.status_code == 200, demoted.text
    accept(cast.stranger, token_of(group.id, offer["id"]))
    dot = members_of(cast.owner, group)["Dot"]
    assert not (dot["has_account"] and dot["role"] == "owner")


def test_a_link_that_a_member_opens_is_still_there_for_whom_it_is_meant(cast: Cast) -> None:
    group = make_group(cast.owner, cast.member)
    offer = invite(cast.owner, group.id, "friend@example.com", acceptable_by="link")
    token = token_of(group.id, offer["id"])
    assert accept(cast.member, token).status_code == 200
    assert accept(cast.stranger, token).status_code == 200
    assert len(members_of(cast.owner, group)) == 3
