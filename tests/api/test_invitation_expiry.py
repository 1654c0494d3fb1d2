"""Invitations expire: a tick writes it down, and callers see what they have seen without it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from core import clock
from core.database import Database
from core.models import Invitation
from core.services.invitation_expiry import KEPT_FOR, expire_invitations, purge_invitations
from core.services.invitations import LIFETIME
from tests.api.calls import problem, read
from tests.api.groups import MadeGroup, accept, address_of, invite, make_group, token_of
from tests.api.test_invitations import age, path_of, state_of
from tests.cast import Cast, Person
from workers.tasks import invitations as task
from workers.tasks.invitations import expire_all


def stored(database: Database, invitation: dict[str, Any]) -> str | None:
    with database.reading() as session:
        return session.scalar(select(Invitation.state).where(Invitation.id == UUID(invitation["id"])))


def expirations(person: Person, group: MadeGroup) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = read(person.client, f"{group.path}/activity", kind="invitation.expired")[
        "items"
    ]
    return items


def test_it_is_written_down_once_and_is_shown_as_before(cast: Cast, database: Database) -> None:
    group = make_group(cast.owner)
    invitation = invite(cast.owner, group.id, address_of(cast.member))
    assert expire_all(database) == 0
    age(database, invitation, LIFETIME)
    before = read(cast.owner.client, path_of(group, invitation))
    assert (before["state"], stored(database, invitation)) == ("expired", "pending")
    assert [expire_all(database) for _ in range(2)] == [1, 0]
    assert stored(database, invitation) == "expired"
    assert read(cast.owner.client, path_of(group, invitation)) == before
    [noted] = expirations(cast.owner, group)
    assert noted["actor"]["member_id"] == group.member(cast.owner)
    assert noted["subject_id"] == invitation["id"]
    assert noted["data"] == {"role": "member", "member_id": None}
    assert problem(accept(cast.member, token_of(group.id, invitation["id"])), 404)
    assert read(cast.member.client, "/v1/invitations")["items"] == []
    assert read(cast.owner.client, "/v1/notifications", kind="invitation.expired")["items"] == []
    assert cast.owner.client.delete(path_of(group, invitation)).status_code == 204
    assert state_of(cast.owner, group, invitation) == "expired"
    assert problem(cast.stranger.client.get(path_of(group, invitation)), 404)


def test_it_can_be_sent_again(cast: Cast, database: Database) -> None:
    group = make_group(cast.owner)
    invitation = invite(cast.owner, group.id, address_of(cast.member))
    age(database, invitation, LIFETIME)
    assert expire_all(database) == 1
    resent = cast.owner.client.post(f"{path_of(group, invitation)}/resend")
    assert (resent.status_code, resent.json()["state"]) == (200, "pending")
    assert problem(
        cast.owner.client.post(f"{group.path}/invitations", json={"email": resent.json()["email"]}), 409
    )
    assert expire_all(database) == 0
    assert accept(cast.member, token_of(group.id, invitation["id"], 2)).status_code == 200


def test_the_address_may_be_invited_again_and_then_that_one_counts(cast: Cast, database: Database) -> None:
    group = make_group(cast.owner)
    first = invite(cast.owner, group.id, address_of(cast.member))
    age(database, first, LIFETIME)
    assert expire_all(database) == 1
    second = invite(cast.owner, group.id, address_of(cast.member))
    assert [state_of(cast.owner, group, one) for one in (first, second)] == ["expired", "pending"]
    assert problem(cast.owner.client.post(f"{path_of(group, first)}/resend"), 409)
    assert cast.owner.client.delete(path_of(group, second)).status_code == 204
    assert problem(cast.owner.client.post(f"{path_of(group, first)}/resend"), 409)


def test_deleted_groups_are_passed_over(cast: Cast, database: Database) -> None:
    group = make_group(cast.owner)
    invitation = invite(cast.owner, group.id, "grace@example.com")
    age(database, invitation, LIFETIME)
    assert cast.owner.client.delete(group.path).status_code == 204
    assert expire_all(database) == 0
    with database.transaction() as session:
        assert expire_invitations(session, group_id=UUID(group.id)) == 0


def test_all_groups_have_their_turn_and_a_bad_one_stops_no_other(
    cast: Cast, database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(task, "GROUP_BATCH", 2)
    groups = [make_group(cast.owner) for _ in range(5)]
    sent = [invite(cast.owner, group.id, "grace@example.com") for group in groups]
    for invitation in sent:
        age(database, invitation, LIFETIME)
    with database.transaction() as session:
        # The next version is more than the column holds.
        session.execute(
            update(Invitation).where(Invitation.id == UUID(sent[1]["id"])).values(version=2**31 - 1)
        )
    bad = 1 if database.dialect == "postgresql" else 0
    assert expire_all(database) == 5 - bad
    assert (groups[1].id in caplog.text) is bool(bad)


def test_of_two_ticks_at_once_one_writes_it_down(cast: Cast, database: Database) -> None:
    group = make_group(cast.owner)
    age(database, invite(cast.owner, group.id, "grace@example.com"), LIFETIME)
    start = Barrier(2)

    def expire(_: int) -> int:
        start.wait()
        with database.transaction() as session:
            return expire_invitations(session, group_id=UUID(group.id))

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(expire, range(2))) == [0, 1]
    assert len(expirations(cast.owner, group)) == 1


def test_old_ones_are_purged_but_none_that_is_pending(cast: Cast, database: Database) -> None:
    group = make_group(cast.owner, cast.member)
    accepted = read(cast.owner.client, f"{group.path}/invitations")["items"][0]
    pending, expired, revoked, kept = (
        invite(cast.owner, group.id, f"{name}@example.com") for name in ("a", "b", "c", "d")
    )
    cast.owner.client.delete(path_of(group, revoked))
    with database.transaction() as session:
        for one, state in ((expired, "expired"), (kept, "expired")):
            session.execute(update(Invitation).where(Invitation.id == UUID(one["id"])).values(state=state))
        session.execute(update(Invitation).values(expires_at=clock.now() - KEPT_FOR - timedelta(minutes=1)))
        is_kept = Invitation.id == UUID(kept["id"])
        session.execute(
            update(Invitation).where(is_kept).values(expires_at=clock.now() - KEPT_FOR + timedelta(minutes=1))
        )
    with database.transaction() as session:
        assert purge_invitations(session) == 3
    with database.transaction() as session:
        assert purge_invitations(session) == 0
    assert {stored(database, one) for one in (accepted, expired, revoked)} == {None}
    assert (stored(database, pending), stored(database, kept)) == ("pending", "expired")
