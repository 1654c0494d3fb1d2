"""What the tests of groups share: groups with members in them, made through the API."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx

from core.config import Settings
from core.queries.invitation_letters import INVITATION_PURPOSE
from core.security import derive_token
from tests.api.calls import read
from tests.cast import Person


@dataclass(frozen=True)
class MadeGroup:
    """A group of the API; `members` are the ids of those with an account, by user name."""

    id: str
    members: dict[str, str]

    @property
    def path(self) -> str:
        return f"/v1/groups/{self.id}"

    def member(self, person: Person) -> str:
        return self.members[person.username]


def make_group(owner: Person, *people: Person, **fields: Any) -> MadeGroup:
    """A group of the owner's, in which the people have accepted invitations."""
    created = owner.client.post("/v1/groups", json={"name": "Flat", **fields})
    assert created.status_code == 201, created.text
    group_id = created.json()["id"]
    members = {owner.username: created.json()["members"][0]["id"]}
    for person in people:
        members[person.username] = join(owner, group_id, person)
    return MadeGroup(group_id, members)


def join(inviter: Person, group_id: str, person: Person, **fields: Any) -> str:
    """Have the person invited and accept; answers the id of the member."""
    invitation = invite(inviter, group_id, address_of(person), **fields)
    accepted = accept(person, token_of(group_id, invitation["id"]))
    assert accepted.status_code == 200, accepted.text
    return next(member["id"] for member in accepted.json()["members"] if member["is_me"])


def viewer(owner: Person, group: MadeGroup, person: Person) -> str:
    """Let the person into the group as somebody who may only read."""
    return join(owner, group.id, person, role="viewer")


def former_member(owner: Person, group: MadeGroup, person: Person) -> str:
    """Let the person into the group, and out of it again."""
    member_id = join(owner, group.id, person)
    assert person.client.delete(f"{group.path}/members/{member_id}").status_code == 204
    return member_id


def add_name(admin: Person, group: MadeGroup, display_name: str, **fields: Any) -> str:
    """Somebody without an account."""
    added = admin.client.post(f"{group.path}/members", json={"display_name": display_name, **fields})
    assert added.status_code == 201, added.text
    member_id: str = added.json()["id"]
    return member_id


def address_of(person: Person) -> str:
    return f"{person.username}@example.com"


def invite(inviter: Person, group_id: str, email: str, **fields: Any) -> dict[str, Any]:
    answer = inviter.client.post(f"/v1/groups/{group_id}/invitations", json={"email": email, **fields})
    assert answer.status_code == 201, answer.text
    invitation: dict[str, Any] = answer.json()
    return invitation


def token_of(group_id: str, invitation_id: str, issue: int = 1) -> str:
    """As in the mail."""
    derive = partial(derive_token, Settings().secret, INVITATION_PURPOSE)
    return derive(group_id, invitation_id, str(issue))


def accept(person: Person, token: str) -> httpx.Response:
    return person.client.post(f"/v1/invitations/{token}/accept")


def members_of(person: Person, group: MadeGroup) -> dict[str, dict[str, Any]]:
    """The present members as the person sees them, by name."""
    items = read(person.client, f"{group.path}/members")["items"]
    return {item["display_name"]: item for item in items}
