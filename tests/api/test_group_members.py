"""Members: who is in a group, who may change whom, and who may go."""

from tests.api.groups import add_name, former_member, make_group, members_of, viewer
from tests.cast import Cast


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
    [former] = cast.owner.client.get(f"{group.path}/members", params={"former": "true"}).json()["items"]
    assert (former["display_name"], former["left_at"] is None) == ("member", False)
    assert cast.owner.client.get(f"{group.path}/members/{former['id']}").json() == former
