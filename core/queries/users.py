"""Reading users: for themselves, and for the login."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import bindparam, exists, select
from sqlalchemy.orm import Session

from core import clock
from core.database import Reader
from core.errors import Unauthenticated
from core.models import EmailChange, SecondFactor, User, table_of

USERS = table_of(User)
TIMEZONE = select(USERS.c.timezone).where(USERS.c.id == bindparam("user_id"))
IS_ACTIVE = select(USERS.c.is_active).where(USERS.c.id == bindparam("user_id"))
CREDENTIALS = select(
    User.id,
    User.password_hash,
    User.is_active,
    exists().where(SecondFactor.user_id == User.id, SecondFactor.confirmed_at.is_not(None)),
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a login is checked against."""

    user_id: UUID
    password_hash: str
    is_active: bool
    has_second_factor: bool


@dataclass(frozen=True, slots=True)
class MailRecipient:
    """Whom mails of notifications go to."""

    email: str
    timezone: str


def account_key(name: str) -> str:
    """The form in which user names and e-mail addresses are unique, whatever their case or composition."""
    return unicodedata.normalize("NFC", name).casefold()


def load_user(session: Session, *, user_id: UUID) -> User:
    """The caller's own row.

    Raises:
        Unauthenticated: the account was deleted a moment ago, under a token that is still remembered.
    """
    user = session.get(User, user_id)
    if user is None:
        raise Unauthenticated("the account is gone")
    return user


def is_active_user(session: Reader, *, user_id: UUID) -> bool:
    """Whether there is such a user, who has not been deactivated."""
    return bool(session.scalar(IS_ACTIVE, {"user_id": user_id}))


def list_user_ids(reader: Reader) -> Sequence[UUID]:
    """Of everybody who has an account."""
    return reader.scalars(select(User.id).order_by(User.id)).all()


def local_today(session: Reader, *, user_id: UUID) -> date:
    """The present day on the user's calendar.

    Raises:
        Unauthenticated: the account was deleted a moment ago.
    """
    timezone = session.scalar(TIMEZONE, {"user_id": user_id})
    if timezone is None:
        raise Unauthenticated("the account is gone")
    return clock.local_date(clock.now(), timezone)


def find_mail_recipient(session: Reader, *, user_id: UUID) -> MailRecipient | None:
    """None if mails must not be sent: the address is not verified, or the account not active."""
    row = session.execute(
        select(USERS.c.email, USERS.c.timezone).where(
            USERS.c.id == user_id, USERS.c.email_verified_at.is_not(None), USERS.c.is_active
        )
    ).first()
    return None if row is None else MailRecipient(row.email, row.timezone)


def find_credentials(session: Session, *, login: str) -> Credentials | None:
    """By user name or e-mail address; no user name has an @."""
    key = account_key(login)
    column = User.email_key if "@" in key else User.username_key
    row = session.execute(CREDENTIALS.where(column == key)).first()
    return None if row is None else Credentials(*row)


def credentials_of(session: Session, *, user_id: UUID) -> Credentials:
    """Of somebody who has logged in already.

    Raises:
        Unauthenticated: the account was deleted a moment ago.
    """
    row = session.execute(CREDENTIALS.where(User.id == user_id)).first()
    if row is None:
        raise Unauthenticated("the account is gone")
    return Credentials(*row)


def newest_email_change(session: Session, *, user_id: UUID) -> EmailChange | None:
    """The one that counts: asking again voids what was asked for before."""
    query = select(EmailChange).where(EmailChange.user_id == user_id).order_by(EmailChange.id.desc())
    return session.scalar(query.limit(1))
