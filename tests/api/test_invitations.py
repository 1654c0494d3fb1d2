"""Invitations: sent by mail, accepted once, by whom they are for, and saying nothing about anybody."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from core import clock
from core.config import Settings
from core.database import Database
from core.models import GroupActivity, Invitation, OutboxRow, User
from core.queries.letters import Links
from core.queries.mails import compose_mail
from core.services.invitations import LIFETIME, PAUSE
from tests.api.calls import another, problem, read, wrong_fields
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
from tests.cast import Cast, Person, register

MISSING = "018f0000-0000-7000-8000-000000000000"


def verify(database: Database, person: Person) -> None:
    with database.transaction() as session:
        session.execute(update(User).where(User.id == person.id).values(email_verified_at=clock.now()))


def is_verified(person: Person) -> bool:
    found: bool = read(person.client, "/v1/me")["email_verified"]
    return found


def age(database: Database, invitation: dict[str, Any], by: timedelta) -> None:
    """Let the invitation have been sent so much earlier."""
    with database.transaction() as session:
        session.execute(
            update(Invitation)
            .where(Invitation.id == UUID(invitation["id"]))
            .values(
                sent_at=clock.now() - by,
                expires_at=clock.now() - by + LIFETIME,
            )
        )


def path_of(group: MadeGroup, invitation: dict[str, Any]) -> str:
    return f"{group.path}/invitations/{invitation['id']}"


def state_of(person: Person, group: MadeGroup, invitation: dict[str, Any]) -> str:
    state: str = read(person.client, path_of(group, invitation))["state"]
    return state


def test_an_invitation_is_sent_listed_and_accepted(cast: Cast) -> None:
    group = make_group(cast.owner)
    body = {"email": "Member@example.com", "role": "admin"}
    sent = cast.owner.client.post(f"{group.path}/invitations", json=body)
    assert (sent.status_code, sent.headers["ETag"]) == (201, '"1"')
    assert read(cast.owner.client, sent.headers["Location"]) == sent.json()
    assert read(cast.owner.client, f"{group.path}/invitations")["items"] == [sent.json()]
    told = ("email", "role", "acceptable_by", "state", "member_id")
    assert [sent.json()[name] for name in told] == ["Member@example.com", "admin", "address", "pending", None]
    token = token_of(group.id, sent.json()["id"])
    assert token not in sent.text
    accepted = accept(cast.member, token)
    assert (accepted.status_code, accepted.headers["ETag"]) == (200, '"1"')
    assert accepted.json() == read(cast.member.client, group.path)
    assert members_of(cast.owner, group)["member"]["role"] == "admin"
    assert state_of(cast.owner, group, sent.json()) == "accepted"


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"email": "nobody"}, "/email"),
        ({"email": "a b@example.com"}, "/email"),
        ({"email": "a\r\nBcc: b@example.com"}, "/email"),
        ({"email": None}, "/email"),
        ({"role": "king"}, "/role"),
        ({"acceptable_by": "anybody"}, "/acceptable_by"),
        ({"member_id": MISSING}, "/member_id"),
        ({"token": "x"}, "/token"),
    ],
)
def test_what_is_wrong_is_named(cast: Cast, fields: dict[str, Any], pointer: str) -> None:
    group = make_group(cast.owner)
    body = {"email": "grace@example.com", **fields}
    assert wrong_fields(cast.owner.client.post(f"{group.path}/invitations", json=body)) == [pointer]


def test_a_mail_goes_out_with_the_token_as_long_as_it_is_of_use(cast: Cast, database: Database) -> None:
    group = make_group(cast.owner, name="Our flat")
    invitation = invite(cast.owner, group.id, "grace@example.com")
    with database.reading() as session:
        [payload] = session.scalars(
            select(OutboxRow.payload).where(OutboxRow.job == "send_mail", OutboxRow.key == group.id)
        )
    token = token_of(group.id, invitation["id"])
    assert token not in str(payload)
    links = Links("https://outlay.example.org", Settings().secret)
    with database.reading() as session:
        mail = compose_mail(session, payload, links=links)
    assert mail is not None
    assert mail.to == "grace@example.com"
    for part in (token, "Our flat", '"owner"', f"/v1/invitations/{token}/accept"):
        assert part in mail.text
    assert cast.owner.client.delete(path_of(group, invitation)).status_code == 204
    with database.reading() as session:
        assert compose_mail(session, payload, links=links) is None


def test_it_is_for_the_address_or_for_whoever_has_the_link(cast: Cast) -> None:
    group = make_group(cast.owner)
    bound = invite(cast.owner, group.id, "MEMBER@Example.com")
    link = invite(cast.owner, group.id, "grace@example.com", acceptable_by="link")
    assert problem(accept(cast.stranger, token_of(group.id, bound["id"])), 404)
    assert accept(cast.stranger, token_of(group.id, link["id"])).status_code == 200
    assert not is_verified(cast.stranger), "a link may have been passed on"
    assert accept(cast.member, token_of(group.id, bound["id"])).status_code == 200
    assert is_verified(cast.member)


def test_whatever_is_wrong_with_a_token_the_answer_is_the_same(cast: Cast, database: Database) -> None:
    group, deleted = make_group(cast.owner), make_group(cast.owner)
    email = address_of(cast.member)
    in_deleted = invite(cast.owner, deleted.id, email)
    assert cast.owner.client.delete(deleted.path).status_code == 204
    tokens = ["x", "%00", "\U0001f4a9", "A" * 43, "A" * 5_000, token_of(deleted.id, in_deleted["id"])]
    others = invite(cast.owner, group.id, "grace@example.com")
    tokens.append(token_of(group.id, others["id"]))
    revoked = invite(cast.owner, group.id, email)
    assert cast.owner.client.delete(path_of(group, revoked)).status_code == 204
    tokens.append(token_of(group.id, revoked["id"]))
    declined = invite(cast.owner, group.id, email)
    token = token_of(group.id, declined["id"])
    answer = cast.member.client.post(f"/v1/invitations/{token}/decline")
    assert (answer.status_code, answer.json()) == (200, {"group_name": "Flat", "state": "declined"})
    tokens.append(token)
    expired = invite(cast.owner, group.id, email)
    age(database, expired, LIFETIME)
    tokens.append(token_of(group.id, expired["id"]))
    resent = invite(cast.owner, group.id, email)
    age(database, resent, PAUSE)
    assert cast.owner.client.post(f"{path_of(group, resent)}/resend").status_code == 200
    tokens.append(token_of(group.id, resent["id"]))
    found = set()
    for token in tokens:
        for verb in ("accept", "decline"):
            answer = cast.member.client.post(f"/v1/invitations/{token}/{verb}")
            found.add((answer.status_code, answer.text))
    assert len(found) == 1
    assert found.pop()[0] == 404
    states = [state_of(cast.owner, group, one) for one in (revoked, declined, expired, resent)]
    assert states == ["revoked", "declined", "expired", "pending"]
    assert accept(cast.member, token_of(group.id, resent["id"], 2)).status_code == 200


def test_accepting_twice_is_harmless_but_for_others_it_is_used_up(cast: Cast) -> None:
    group = make_group(cast.owner)
    link = invite(cast.owner, group.id, "grace@example.com", acceptable_by="link")
    token = token_of(group.id, link["id"])
    first, second = accept(cast.member, token), accept(cast.member, token)
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()
    assert problem(accept(cast.stranger, token), 404)
    mine = next(one["id"] for one in first.json()["members"] if one["is_me"])
    assert cast.member.client.delete(f"{group.path}/members/{mine}").status_code == 204
    assert problem(accept(cast.member, token), 404)


def test_a_member_without_an_account_is_claimed_with_all_that_is_theirs(cast: Cast) -> None:
    group = make_group(cast.owner)
    grace = add_name(cast.owner, group, "Grace", role="admin")
    first = invite(cast.owner, group.id, address_of(cast.member), member_id=grace, role="viewer")
    second = invite(cast.owner, group.id, "another@example.com", member_id=grace)
    assert accept(cast.member, token_of(group.id, first["id"])).status_code == 200
    claimed = members_of(cast.owner, group)["Grace"]
    assert (claimed["id"], claimed["role"], claimed["has_account"]) == (grace, "admin", True)
    assert state_of(cast.owner, group, second) == "revoked"
    body = {"email": "third@example.com", "member_id": grace}
    assert wrong_fields(cast.owner.client.post(f"{group.path}/invitations", json=body)) == ["/member_id"]


def test_who_is_in_the_group_already_cannot_claim_another(cast: Cast) -> None:
    group = make_group(cast.owner, cast.member)
    grace = add_name(cast.owner, group, "Grace")
    claim = invite(cast.owner, group.id, address_of(cast.member), member_id=grace)
    assert problem(accept(cast.member, token_of(group.id, claim["id"])), 409)
    assert cast.owner.client.delete(f"{group.path}/members/{grace}").status_code == 204
    assert state_of(cast.owner, group, claim) == "revoked"
    plain = invite(cast.owner, group.id, address_of(cast.member), role="owner")
    assert accept(cast.member, token_of(group.id, plain["id"])).status_code == 200
    assert members_of(cast.owner, group)["member"]["role"] == "member"
    assert len(members_of(cast.owner, group)) == 2


def test_nobody_invites_above_their_own_role(cast: Cast) -> None:
    group = make_group(cast.owner)
    join(cast.owner, group.id, cast.member, role="admin")
    head = add_name(cast.owner, group, "Head", role="owner")
    path = f"{group.path}/invitations"
    for fields in ({"role": "owner"}, {"member_id": head}):
        answer = cast.member.client.post(path, json={"email": "grace@example.com", **fields})
        assert problem(answer, 403)
    owners = invite(cast.owner, group.id, "grace@example.com", role="owner")
    assert cast.member.client.delete(path_of(group, owners)).status_code == 204


def test_the_answer_says_nothing_about_the_address(cast: Cast, database: Database) -> None:
    """An account, a verified account, a member of the group, and nobody: all look the same."""
    group = make_group(cast.owner, cast.member)
    verify(database, cast.stranger)
    seen = []
    for email in ("stranger@example.com", "member@example.com", "owner@example.com", "nobody@example.com"):
        answer = cast.owner.client.post(f"{group.path}/invitations", json={"email": email})
        shown = {name: value for name, value in answer.json().items() if not name.endswith(("_at", "id"))}
        seen.append((answer.status_code, {**shown, "email": ""}, set(answer.headers)))
    assert all(one == seen[0] for one in seen)
    assert seen[0][0] == 201


def test_revoking_heeds_the_version_and_what_was_answered(cast: Cast) -> None:
    group = make_group(cast.owner)
    invitation = invite(cast.owner, group.id, address_of(cast.member))
    path = path_of(group, invitation)
    assert problem(cast.owner.client.delete(path, headers={"If-Match": '"2"'}), 412)
    assert cast.owner.client.delete(path, headers={"If-Match": '"1"'}).status_code == 204
    assert cast.owner.client.delete(path).status_code == 204
    accepted = invite(cast.owner, group.id, address_of(cast.member))
    assert accept(cast.member, token_of(group.id, accepted["id"])).status_code == 200
    assert problem(cast.owner.client.delete(path_of(group, accepted)), 409)
    assert problem(cast.owner.client.delete(f"{group.path}/invitations/{MISSING}"), 404)


def test_the_verified_address_is_notified_and_finds_its_invitations(cast: Cast, database: Database) -> None:
    group = make_group(cast.owner, name="Our flat")
    verify(database, cast.member)
    invitation = invite(cast.owner, group.id, address_of(cast.member))
    invite(cast.owner, group.id, address_of(cast.stranger))
    [told] = read(cast.member.client, "/v1/notifications")["items"]
    assert told["kind"] == "group.invited"
    assert told["data"].keys() == {"group_id", "group_name", "invitation_id", "invited_by", "expires_at"}
    assert read(cast.stranger.client, "/v1/notifications")["items"] == []
    assert read(cast.stranger.client, "/v1/invitations")["items"] == []
    [mine] = read(cast.member.client, "/v1/invitations")["items"]
    assert mine == {
        "id": invitation["id"],
        "group_id": group.id,
        "group_name": "Our flat",
        "invited_by": "owner",
        "claims": None,
        "role": "member",
        "expires_at": invitation["expires_at"],
        "token": token_of(group.id, invitation["id"]),
    }
    assert accept(cast.member, mine["token"]).status_code == 200
    assert read(cast.member.client, "/v1/invitations")["items"] == []
    verify(database, cast.stranger)
    assert len(read(cast.stranger.client, "/v1/invitations")["items"]) == 1


def test_the_others_are_told_who_joined(cast: Cast, database: Database) -> None:
    group = make_group(cast.owner)
    add_name(cast.owner, group, "Grace")
    mine = join(cast.owner, group.id, cast.member)
    [told] = read(cast.owner.client, "/v1/notifications")["items"]
    assert told["kind"] == "group.member_joined"
    assert told["data"] == {
        "group_id": group.id,
        "group_name": "Flat",
        "member_id": mine,
        "display_name": "member",
    }
    assert read(cast.member.client, "/v1/notifications")["items"] == []


def test_of_two_who_accept_one_token_at_once_one_gets_in(cast: Cast) -> None:
    for n in range(5):
        group = make_group(cast.owner)
        link = invite(cast.owner, group.id, f"{n}@example.com", acceptable_by="link")

        def take(person: Person, group: MadeGroup = group, link: dict[str, Any] = link) -> int:
            with another(person.client) as own:
                path = f"/v1/invitations/{token_of(group.id, link['id'])}/accept"
                return own.post(path).status_code

        with ThreadPoolExecutor(4) as pool:
            statuses = Counter(pool.map(take, [cast.member, cast.stranger] * 2))
        assert statuses == {200: 2, 404: 2}
        assert len(members_of(cast.owner, group)) == 2


def test_an_acceptance_and_a_revocation_at_once_agree(cast: Cast) -> None:
    for _ in range(8):
        group = make_group(cast.owner)
        invitation = invite(cast.owner, group.id, address_of(cast.member))
        with ThreadPoolExecutor(2) as pool:
            token = token_of(group.id, invitation["id"])
            accepting = pool.submit(accept, cast.member, token)
            revoking = pool.submit(cast.owner.client.delete, path_of(group, invitation))
            statuses = (accepting.result().status_code, revoking.result().status_code)
        assert statuses in ((200, 409), (404, 204))
        expected = "accepted" if statuses[0] == 200 else "revoked"
        assert state_of(cast.owner, group, invitation) == expected
        assert ("member" in members_of(cast.owner, group)) == (expected == "accepted")


def test_a_repeated_key_sends_one_mail(cast: Cast, database: Database) -> None:
    group = make_group(cast.owner)
    headers, body = {"Idempotency-Key": "once"}, {"email": "grace@example.com"}
    path = f"{group.path}/invitations"
    answers = [cast.owner.client.post(path, json=body, headers=headers) for _ in range(2)]
    assert answers[0].content == answers[1].content
    with database.reading() as session:
        assert len(session.scalars(select(OutboxRow.id).where(OutboxRow.key == group.id)).all()) == 1


def test_what_is_noted_of_invitations_shows_no_addresses(cast: Cast, database: Database) -> None:
    group = make_group(cast.owner)
    invitation = invite(cast.owner, group.id, address_of(cast.member))
    cast.member.client.post(f"/v1/invitations/{token_of(group.id, invitation['id'])}/decline")
    cast.owner.client.delete(path_of(group, invite(cast.owner, group.id, "grace@example.com")))
    with database.reading() as session:
        noted = session.execute(
            select(GroupActivity.kind, GroupActivity.data).order_by(GroupActivity.id)
        ).all()
    kinds = [kind.partition(".")[2] for kind, _data in noted]
    assert kinds == ["created", "sent", "declined", "sent", "revoked"]
    assert "@" not in str(noted)


def test_who_registers_after_being_invited_accepts_with_the_mailed_token(cast: Cast) -> None:
    group = make_group(cast.owner)
    invitation = invite(cast.owner, group.id, "grace@example.com")
    with register(cast.owner.client, "grace") as grace:
        assert read(grace.client, "/v1/invitations")["items"] == []
        assert accept(grace, token_of(group.id, invitation["id"])).status_code == 200
        assert is_verified(grace)
