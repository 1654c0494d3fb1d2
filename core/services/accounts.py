"""Registering, changing and deleting an account."""

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

from sqlalchemy import delete, or_, select, text, update
from sqlalchemy.orm import Session

from core import clock
from core.errors import Conflict, FieldError, InvalidInput
from core.ids import new_id
from core.models import Base, Budget, IdempotencyKey, OutboxRow, RecurringExpense, User
from core.passwords import password_errors
from core.queries.mails import VERIFY_EMAIL
from core.queries.users import account_key
from core.rules.money import is_currency
from core.services.administrators import check_somebody_administers
from core.services.audit import (
    EVENTS,
    HEADS,
    UNKNOWN,
    Action,
    Origin,
    erase_trail,
    record_action,
    tell_of_end,
)
from core.services.channels import add_mail_channel
from core.services.default_categories import create_default_categories
from core.services.dialects import insert_into
from core.services.group_departures import check_released, release_memberships
from core.services.locks import lock_account
from core.services.mails import stage_mail
from core.services.notification_settings import look_again_at_held, move_digests
from core.services.spending import ask_for_evaluation
from core.services.versions import check_version

MAX_EMAIL_CHARACTERS = 254
"""A mail path has 256 octets, two of them angle brackets (RFC 5321, section 4.5.3.1.3)."""

USERNAME = re.compile(r"[A-Za-z0-9._-]{3,40}")
"""Without an @, so that no name can be taken for somebody's address."""

NOBODY = UUID(int=0)
"""Owns the idempotency keys of registrations, whose user is yet to be made, and mails to nobody's address."""

LONGEST_REGISTRATION = timedelta(minutes=5)
"""More than lies between a registration's claim of its idempotency key and its user, even if it waited."""

AUDIT_TRAIL = (EVENTS, HEADS)
"""It cannot be deleted before its user: the heads go with them, and the events after that."""

BY_THEMSELVES, BY_MASTER_KEY, BY_COMMAND = "self", "master key", "command line"
"""Who deletes an account, unless it is an administrator."""

UNPORTABLE_TIMEZONES = frozenset({"Factory", "localtime"})
"""Names that zoneinfo may list too, which mean whatever the machine is set to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """What somebody registers with; `display_name` defaults to the user name."""

    username: str
    email: str
    password: str = field(repr=False)
    display_name: str | None = None
    timezone: str = "UTC"
    currency: str = "EUR"


def check_new_account(account: NewAccount) -> None:
    """Refuse what is not acceptable before the costly hash is computed. Takes some milliseconds.

    Raises:
        InvalidInput: names every wrong field.
    """
    errors = [
        *_username_errors(account.username),
        *_email_errors(account.email),
        *password_errors(
            account.password, about=(account.username, account.email, account.display_name or "")
        ),
        *_profile_errors({"timezone": account.timezone, "currency": account.currency}),
    ]
    if errors:
        raise InvalidInput(*errors)


def check_email(email: str) -> None:
    """Refuse what cannot be an address.

    Raises:
        InvalidInput: with the pointer `/email`.
    """
    if errors := _email_errors(email):
        raise InvalidInput(*errors)


def register(
    session: Session,
    *,
    account: NewAccount,
    password_hash: str,
    origin: Origin = UNKNOWN,
    is_email_verified: bool = False,
) -> User:
    """A new user with the default categories, who is sent a mail to verify the address unless it is.

    The account has passed `check_new_account`.

    Raises:
        Conflict: the user name or the e-mail address is taken.
    """
    now = clock.now()
    values = {
        "id": new_id(),
        "username": account.username,
        "username_key": account_key(account.username),
        "email": account.email,
        "email_key": account_key(account.email),
        "display_name": account.display_name or account.username,
        "password_hash": password_hash,
        "timezone": account.timezone,
        "currency": account.currency,
        "is_active": True,
        "verification_asked_at": None if is_email_verified else now,
        "email_verified_at": now if is_email_verified else None,
        "created_at": now,
        "updated_at": now,
    }
    # Looking first would leave a gap for somebody who registers the same at the same moment.
    user: User | None = session.scalar(
        insert_into(session, User).values(values).on_conflict_do_nothing().returning(User)
    )
    if user is None:
        raise Conflict(_taken(session, values))
    create_default_categories(session, user_id=user.id, now=now)
    add_mail_channel(session, user_id=user.id, now=now)
    if not is_email_verified:
        stage_mail(session, key=str(user.id), template=VERIFY_EMAIL, user_id=user.id)
    record_action(session, Action(user.id, "account.created", actor_id=user.id, origin=origin))
    return user


def change_profile(
    session: Session, *, user_id: UUID, changes: Mapping[str, str], expected_versions: Set[int] | None
) -> User:
    """Change any of `display_name`, `timezone` and `currency`; nothing new leaves the version as it is.

    Raises:
        InvalidInput, StaleVersion.
    """
    if errors := _profile_errors(changes):
        raise InvalidInput(*errors)
    user = lock_account(session, user_id=user_id)
    check_version(user.version, expected_versions)
    news = {name: value for name, value in changes.items() if value != getattr(user, name)}
    if not news:
        return user
    now = clock.now()
    session.execute(
        update(User).where(User.id == user_id).values(**news, version=User.version + 1, updated_at=now)
    )
    if "timezone" in news:
        _move_days(session, user_id, now)
        move_digests(session, user_id=user_id, timezone=news["timezone"])
        look_again_at_held(session, user_id=user_id)
    session.refresh(user)
    return user


def leave_groups(session: Session, *, user_id: UUID, expected_versions: Set[int] | None) -> None:
    """The first half of a deletion: the account becomes a name in its groups. It can be repeated.

    Raises:
        StaleVersion: somebody else changed the account first.
        Conflict: nobody would be left to administer.
    """
    check_somebody_administers(session, without=user_id)
    release_memberships(session, user_id=user_id)
    check_version(lock_account(session, user_id=user_id).version, expected_versions)


def delete_account(
    session: Session, *, user_id: UUID, expected_versions: Set[int] | None, actor: str = BY_THEMSELVES
) -> None:
    """Delete the user with all that is theirs, in whatever table, later ones included.

    Theirs is what has the user in its key. Where others' rows name the user besides, the database forgets it.
    The log keeps that it was done, and by which `actor`: an administrator's id, or what they came by.

    Raises:
        StaleVersion: somebody else changed the account first.
        Conflict: nobody would be left to administer.
    """
    check_somebody_administers(session, without=user_id)
    if session.get_bind().dialect.name == "postgresql":
        # Years of expenses may take longer than any other statement is allowed to.
        session.execute(text("SET LOCAL statement_timeout = 0"))
    release_memberships(session, user_id=user_id)
    user = lock_account(session, user_id=user_id, is_to_be_deleted=True)
    check_version(user.version, expected_versions)
    check_released(session, user_id=user_id)
    tell_of_end(session, user_id=user_id, actor=actor)
    _forget_registration(session, user)
    for table in reversed(Base.metadata.sorted_tables):
        if "user_id" in table.primary_key.columns and table not in AUDIT_TRAIL:
            session.execute(delete(table).where(table.c.user_id == user_id))
    session.execute(delete(User).where(User.id == user_id))
    erase_trail(session, user_id=user_id)
    _delete_jobs(session, user_id)


def _username_errors(username: str) -> list[FieldError]:
    if USERNAME.fullmatch(username):
        return []
    return [FieldError("/username", "not 3 to 40 of the letters A to Z, digits, dot, underscore and hyphen")]


def _email_errors(email: str) -> list[FieldError]:
    """Sane rather than strict: whether an address works is known only once a message has arrived there."""
    local, _, domain = email.partition("@")
    if not local or not domain or "@" in domain:
        return [FieldError("/email", "not an e-mail address: it needs one @ with something on either side")]
    if " " in email or not email.isprintable():
        return [FieldError("/email", "an e-mail address has no spaces or control characters")]
    if max(len(email), len(account_key(email))) > MAX_EMAIL_CHARACTERS:
        return [FieldError("/email", f"longer than {MAX_EMAIL_CHARACTERS} characters")]
    return []


def _profile_errors(fields: Mapping[str, str]) -> list[FieldError]:
    errors = []
    if "timezone" in fields and fields["timezone"] not in _timezones():
        errors.append(FieldError("/timezone", "not an IANA time zone, such as Europe/Berlin"))
    if "currency" in fields and not is_currency(fields["currency"]):
        errors.append(FieldError("/currency", "not an active ISO 4217 code"))
    return errors


@cache
def _timezones() -> frozenset[str]:
    """Listing them reads hundreds of files, so it is done once, when the first one is asked for."""
    return frozenset(available_timezones()) - UNPORTABLE_TIMEZONES


def _taken(session: Session, values: Mapping[str, Any]) -> str:
    by_name = select(User.id).where(User.username_key == values["username_key"])
    if session.scalar(by_name) is not None:
        return "the username is taken"
    return "the email is taken"


def _move_days(session: Session, user_id: UUID, now: datetime) -> None:
    """In another time zone days begin at other instants, and today may be another day."""
    session.execute(
        update(Budget)
        .where(Budget.user_id == user_id, Budget.archived_at.is_(None))
        .values(next_period_at=now)
    )
    # The next tick finds out what is due in the new zone, and when the rest is.
    session.execute(
        update(RecurringExpense)
        .where(RecurringExpense.user_id == user_id, RecurringExpense.next_on.is_not(None))
        .values(next_at=now)
    )
    ask_for_evaluation(session, user_id=user_id)


def _delete_jobs(session: Session, user_id: UUID) -> None:
    """All but those that a worker holds: it waits for the user's row, and will find that there is none."""
    is_theirs = or_(OutboxRow.key == str(user_id), OutboxRow.key.startswith(f"{user_id}:"))
    free = select(OutboxRow.id).where(is_theirs).with_for_update(skip_locked=True)
    session.execute(delete(OutboxRow).where(OutboxRow.id.in_(free)))


def _forget_registration(session: Session, user: User) -> None:
    """The stored answer to a registration holds the name and the address, but belongs to nobody."""
    around_then = IdempotencyKey.created_at.between(user.created_at - LONGEST_REGISTRATION, user.created_at)
    answers = session.execute(
        select(IdempotencyKey.key, IdempotencyKey.body).where(IdempotencyKey.user_id == NOBODY, around_then)
    )
    own = [row.key for row in answers if row.body and str(user.id).encode() in row.body]
    session.execute(
        delete(IdempotencyKey).where(IdempotencyKey.user_id == NOBODY, IdempotencyKey.key.in_(own))
    )
