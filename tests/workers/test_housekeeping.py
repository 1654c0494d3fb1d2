"""The hourly purge: of each kind it removes what is old, whatever happens to another one."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from core import clock
from core.database import Database
from core.ids import new_id
from core.models import (
    Base,
    Challenge,
    Deletion,
    Delivery,
    DigestRun,
    EmailChange,
    Expense,
    Export,
    Group,
    IdempotencyKey,
    Import,
    Invitation,
    KnownDevice,
    LoginSession,
    RefreshToken,
)
from core.services import purging
from core.services.idempotency import KeyedRequest, claim_keys
from core.services.sessions import open_session
from tests.core.services.household import Household
from tests.core.services.spender import Spender
from tests.workers.outgoing import add_channel, tell
from workers.tasks import housekeeping
from workers.tasks.housekeeping import PURGES, NotPurged, purge_all

LONG_AGO = timedelta(days=500)
OLD = b"o" * 32

WHERE_OLD: dict[str, tuple[type[Base], Any]] = {
    "purge_trash": (Expense, Expense.deleted_at.is_not(None)),
    "forget_deletions": (Deletion, Deletion.kind == "budget"),
    "purge_invitations": (Invitation, True),
    "purge_digests": (DigestRun, True),
    "purge_deliveries": (Delivery, True),
    "purge_groups": (Group, Group.deleted_at.is_not(None)),
    "expire_import": (Import, True),
    "purge_keys": (IdempotencyKey, True),
    "purge_refresh_tokens": (RefreshToken, RefreshToken.spent_at.is_not(None)),
    "purge_sessions": (LoginSession, LoginSession.revoked_at.is_not(None)),
    "forget_devices": (KnownDevice, KnownDevice.device_hash == OLD),
    "purge_challenges": (Challenge, True),
    "purge_email_changes": (EmailChange, True),
    "expire_exports": (Export, Export.state == "succeeded"),
    "purge_exports": (Export, Export.state == "failed"),
}
"""What each step removes, and where."""


def grow_old(database: Database) -> None:
    """Something of every kind that is to go, and beside it what stays."""
    me, flat, left = Spender(database), Household(database, "Ada"), Household(database, "Grace")
    then, owner = clock.now() - LONG_AGO, {"user_id": me.id}
    me.delete(me.spend("1.00", "2026-05-04"))
    me.spend("2.00", "2026-05-04")
    add_channel(database, me.id, "https://example.com/hook")
    tell(database, me.id)
    stamps = {"created_at": then, "updated_at": then}
    export = {**owner, "format": "csv", "filters": {}, "sort": "spent_on", "name": "x", "progress": 100}
    counts = dict.fromkeys(("row", "problem", "duplicate", "credit", "chosen", "committed"), 0)
    rows: list[tuple[type[Base], dict[str, Any]]] = [
        (Deletion, {**owner, "id": new_id(), "kind": "budget", "deleted_at": then}),
        (
            Invitation,
            {
                "group_id": flat.id, "id": new_id(), "email": "a@example.com", "email_key": "a@example.com",
                "role": "member", "acceptable_by": "link", "invited_by": flat.ids["Ada"],
                "token_hash": new_id().bytes * 2, "issue": 1, "state": "expired", "version": 1,
                "created_at": then, "sent_at": then, "expires_at": then,
            },
        ),
        (
            DigestRun,
            {
                **owner, "id": new_id(), "frequency": "daily", "period_start": date(2024, 1, 1),
                "period_end": date(2024, 1, 2), "state": "skipped", "created_at": then,
            },
        ),
        (
            Import,
            {
                **owner, "id": new_id(), "state": "expired", "name": "x", "size": 1, "findings": {},
                "has_own_mapping": False, "version": 1, **stamps,
                **{f"{name}_count": count for name, count in counts.items()},
            },
        ),
        (KnownDevice, {**owner, "device_hash": OLD, "seen_at": then}),
        (
            Challenge,
            {
                "token_hash": new_id().bytes * 2, "purpose": "oidc", "data": {}, "attempts": 0,
                "expires_at": then,
            },
        ),
        (
            EmailChange,
            {
                **owner, "id": new_id(), "email": "a@example.com", "email_key": "a@example.com",
                "previous_email": "b@example.com", "asked_at": then,
            },
        ),
        (Export, {**export, "id": new_id(), "state": "failed", "created_at": then, "finished_at": then}),
        (
            Export,
            {
                **export, "id": new_id(), "state": "succeeded", "sha256": "0" * 64, "created_at": then,
                "expires_at": then,
            },
        ),
    ]  # fmt: skip
    with database.transaction() as session:
        for model, row in rows:
            session.execute(insert(model).values(row))
        claim_keys(session, [KeyedRequest(me.id, "key", b"-" * 32)])
        make_older(session, me.id, left.id, then)


def make_older(session: Session, user_id: UUID, group_id: UUID, then: datetime) -> None:
    """What was written as the service does, as if it had been then."""
    live, ended = (open_session(session, user_id=user_id, user_agent=None, ip_address=None) for _ in range(2))
    is_ended = LoginSession.id == ended.session_id
    session.execute(update(LoginSession).where(is_ended).values(revoked_at=then))
    is_live = RefreshToken.session_id == live.session_id
    session.execute(update(RefreshToken).where(is_live).values(expires_at=then, spent_at=then))
    session.execute(update(Expense).where(Expense.deleted_at.is_not(None)).values(deleted_at=then))
    session.execute(update(Delivery).values(state="sent", created_at=then))
    session.execute(update(IdempotencyKey).values(created_at=then))
    session.execute(update(Group).where(Group.id == group_id).values(deleted_at=then))


def left_of(database: Database) -> set[str]:
    """The steps whose rows are still there."""
    with database.reading() as session:
        return {
            step
            for step, (model, condition) in WHERE_OLD.items()
            if session.scalar(select(func.count()).select_from(model).where(condition))
        }


def failing(step: Callable[[Session], int], error: BaseException) -> Callable[[Session], int]:
    def fail(session: Session) -> int:
        step(session)
        raise error

    fail.__name__ = step.__name__
    return fail


def test_of_every_kind_the_old_goes_and_nothing_else(database: Database) -> None:
    grow_old(database)
    assert left_of(database) == {step.__name__ for step in PURGES} == set(WHERE_OLD)
    purge_all(database)
    assert left_of(database) == set()
    with database.reading() as session:
        for model in (Expense, Group, LoginSession, Export, KnownDevice):
            assert session.scalar(select(func.count()).select_from(model)) == 1


@pytest.mark.parametrize("number", range(len(PURGES)))
def test_a_kind_that_fails_keeps_no_other_from_going(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    grow_old(database)
    step, broken = PURGES[number], list(PURGES)
    broken[number] = failing(step, ValueError("it cannot be done"))
    monkeypatch.setattr(housekeeping, "PURGES", broken)
    with pytest.raises(NotPurged, match=step.__name__):
        purge_all(database)
    assert left_of(database) == {step.__name__}
    assert "it cannot be done" in caplog.text


def test_a_task_whose_time_is_over_ends(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    grow_old(database)
    first, *others = PURGES
    monkeypatch.setattr(housekeeping, "PURGES", [failing(first, SoftTimeLimitExceeded()), *others])
    with pytest.raises(SoftTimeLimitExceeded):
        purge_all(database)
    assert left_of(database) == set(WHERE_OLD)


def test_what_is_more_than_a_batch_goes_batch_by_batch(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        grow_old(database)
    monkeypatch.setattr(purging, "PURGE_BATCH", 1)
    purge_all(database)
    assert left_of(database) == set()


def test_a_kind_of_which_there_is_too_much_keeps_no_other_from_going(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        grow_old(database)
    monkeypatch.setattr(purging, "PURGE_BATCH", 1)
    monkeypatch.setattr(housekeeping, "KIND_TIME_S", 0.0)
    purge_all(database)
    assert left_of(database) != set(), "there was no time for more than a batch of each"
    for _ in range(10):
        purge_all(database)
    assert left_of(database) == set()
