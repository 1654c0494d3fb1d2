"""How many invitations there may be: an address one, a group a hundred, and so many mails."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, select, update

from core.config import Settings
from core.database import Database
from core.ids import new_id
from core.models import Invitation, table_of
from core.services.invitations import (
    LIFETIME,
    MAX_ISSUES,
    MAX_PENDING,
    MAX_SENT_A_DAY,
    MAX_SENT_TO_ADDRESS,
    PAUSE,
)
from tests.api.calls import problem, read
from tests.api.groups import address_of, invite, make_group
from tests.api.test_invitations import age, path_of, state_of
from tests.api.throttling import HOME, OFFICE, client_from, limited_api
from tests.cast import Cast, Person, register_cast


def test_one_pending_invitation_an_address(cast: Cast, database: Database) -> None:
    group, other = make_group(cast.owner), make_group(cast.owner)
    first = invite(cast.owner, group.id, "grace@example.com")
    invite(cast.owner, other.id, "grace@example.com")
    again = {"email": "GRACE@example.com"}
    assert problem(cast.owner.client.post(f"{group.path}/invitations", json=again), 409)
    age(database, first, LIFETIME)
    assert state_of(cast.owner, group, first) == "expired"
    invite(cast.owner, group.id, "Grace@example.com")
    assert state_of(cast.owner, group, first) == "expired"
    assert problem(cast.owner.client.post(f"{path_of(group, first)}/resend"), 409)


def test_an_invitation_is_sent_anew_with_another_token(cast: Cast, database: Database) -> None:
    group = make_group(cast.owner)
    invitation = invite(cast.owner, group.id, address_of(cast.member))
    resend = f"{path_of(group, invitation)}/resend"
    assert problem(cast.owner.client.post(resend), 409)
    age(database, invitation, LIFETIME)
    resent = cast.owner.client.post(resend)
    assert (resent.status_code, resent.headers["ETag"], resent.json()["state"]) == (200, '"2"', "pending")
    assert resent.json()["expires_at"] > invitation["expires_at"]
    with database.transaction() as session:
        session.execute(update(Invitation).values(issue=MAX_ISSUES))
    age(database, invitation, PAUSE)
    assert str(MAX_ISSUES) in problem(cast.owner.client.post(resend), 409)["detail"]


def test_a_group_has_so_many_pending_invitations(cast: Cast, database: Database) -> None:
    group = make_group(cast.owner)
    first = invite(cast.owner, group.id, "grace@example.com")
    fill(database, first, MAX_PENDING - 1)
    more = cast.owner.client.post(f"{group.path}/invitations", json={"email": "more@example.com"})
    assert str(MAX_PENDING) in problem(more, 409)["detail"]
    assert cast.owner.client.delete(path_of(group, first)).status_code == 204
    invite(cast.owner, group.id, "more@example.com")
    seen, cursor = [], None
    while True:
        query = {"limit": 40, **({"cursor": cursor} if cursor else {})}
        page = read(cast.owner.client, f"{group.path}/invitations", **query)
        seen += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(set(seen)) == len(seen) == MAX_PENDING + 1


def test_a_group_sends_so_many_invitations_a_day(cast: Cast, database: Database) -> None:
    group = make_group(cast.owner)
    fill(database, invite(cast.owner, group.id, "grace@example.com"), MAX_SENT_A_DAY - 1, state="revoked")
    more = cast.owner.client.post(f"{group.path}/invitations", json={"email": "more@example.com"})
    assert str(MAX_SENT_A_DAY) in problem(more, 409)["detail"]


def fill(database: Database, invitation: dict[str, Any], count: int, **fields: Any) -> None:
    """Add as many of the invitation's kind, to other addresses."""
    with database.transaction() as session:
        query = select(table_of(Invitation)).where(Invitation.id == UUID(invitation["id"]))
        row = {**session.execute(query).one()._mapping, **fields}
        numbered = (
            {"id": new_id(), "email_key": f"{n}@example.com", "token_hash": n.to_bytes(32, "big")}
            for n in range(count)
        )
        session.execute(insert(Invitation), [{**row, **own} for own in numbered])


def test_a_user_sends_so_many_mails_a_day_in_all_groups(cast: Cast, database: Database) -> None:
    sent_in, other = make_group(cast.owner), make_group(cast.owner)
    first = invite(cast.owner, sent_in.id, "grace@example.com")
    with database.transaction() as session:
        session.execute(update(Invitation).values(issue=MAX_SENT_A_DAY))
    more = cast.owner.client.post(f"{other.path}/invitations", json={"email": "more@example.com"})
    assert str(MAX_SENT_A_DAY) in problem(more, 409)["detail"]
    invite(cast.member, make_group(cast.member).id, "more@example.com")
    age(database, first, LIFETIME)
    invite(cast.owner, other.id, "more@example.com")


def test_an_address_is_sent_so_many_mails_a_day_by_all_groups(cast: Cast, database: Database) -> None:
    invite(cast.owner, make_group(cast.owner).id, "grace@example.com")
    with database.transaction() as session:
        session.execute(update(Invitation).values(issue=MAX_SENT_TO_ADDRESS))
    group = make_group(cast.member)
    refused = cast.member.client.post(f"{group.path}/invitations", json={"email": "Grace@example.com"})
    assert str(MAX_SENT_TO_ADDRESS) in problem(refused, 409)["detail"]
    invite(cast.member, group.id, "ada@example.com")


NO_GROUP = f"/v1/groups/{new_id()}"
"""Whether there is something to invite to is looked up only when the call may be made."""


@pytest.fixture
def limited_cast(settings: Settings, database: Database) -> Iterator[Cast]:
    """At an API with the limits of production."""
    with limited_api(settings) as api, client_from(api, HOME) as client, register_cast(client) as cast:
        yield cast


def ask_to_invite(person: Person, email: str, place: str = HOME) -> int:
    answer = person.client.post(
        f"{NO_GROUP}/invitations", json={"email": email}, headers={"X-Forwarded-For": place}
    )
    return answer.status_code


def test_a_user_and_a_place_invite_so_often(limited_cast: Cast) -> None:
    for person in (limited_cast.owner, limited_cast.member):
        answers = [ask_to_invite(person, f"{n}@example.com") for n in range(100)]
        assert answers == [404] * 100
    assert ask_to_invite(limited_cast.owner, "more@example.com", OFFICE) == 429
    assert ask_to_invite(limited_cast.stranger, "more@example.com") == 429
    assert ask_to_invite(limited_cast.stranger, "more@example.com", OFFICE) == 404


def test_who_may_invite_no_more_takes_nothing_from_the_neighbours(limited_cast: Cast) -> None:
    answers = [ask_to_invite(limited_cast.owner, f"{n}@example.com") for n in range(250)]
    assert answers == [404] * 100 + [429] * 150
    assert ask_to_invite(limited_cast.member, "more@example.com") == 404


def test_answers_to_invitations_are_limited_by_user(limited_cast: Cast) -> None:
    def answer(person: Person, verb: str) -> int:
        return person.client.post(f"/v1/invitations/nothing/{verb}").status_code

    answers = [answer(limited_cast.owner, verb) for verb in ("accept", "decline") * 15]
    assert answers == [404] * 20 + [429] * 10
    assert answer(limited_cast.member, "accept") == 404
