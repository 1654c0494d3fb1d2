"""Accounts as administrators see them: who there is and who may log in, never what they spend."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import exists, func, or_, select
from sqlalchemy.orm import Session

from core.errors import NotFound
from core.models import LoginSession, SecondFactor, User
from core.queries.users import account_key


@dataclass(frozen=True, slots=True)
class AccountFilter:
    """`text` is part of the user name or the address."""

    text: str | None = None
    is_active: bool | None = None
    is_admin: bool | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """`last_seen_at` is when one of its logins was last refreshed."""

    id: UUID
    username: str
    email: str
    email_verified_at: datetime | None
    display_name: str
    is_active: bool
    is_admin: bool
    has_second_factor: bool
    last_seen_at: datetime | None
    version: int
    created_at: datetime


def list_accounts(
    session: Session, *, filters: AccountFilter, before: UUID | None, limit: int
) -> list[Account]:
    """The newest first."""
    query = _accounts().order_by(User.id.desc()).limit(limit)
    if filters.text:
        part = account_key(filters.text)
        query = query.where(
            or_(
                User.username_key.contains(part, autoescape=True),
                User.email_key.contains(part, autoescape=True),
            )
        )
    if filters.is_active is not None:
        query = query.where(User.is_active.is_(filters.is_active))
    if filters.is_admin is not None:
        query = query.where(User.is_admin.is_(filters.is_admin))
    if before is not None:
        query = query.where(User.id < before)
    return [Account(*row) for row in session.execute(query)]


def load_account(session: Session, *, user_id: UUID) -> Account:
    """Raises:
    NotFound
    """
    row = session.execute(_accounts().where(User.id == user_id)).first()
    if row is None:
        raise NotFound("no such user")
    return Account(*row)


def find_account_id(session: Session, *, login: str) -> UUID:
    """By user name or address.

    Raises:
        NotFound
    """
    key = account_key(login)
    is_it = User.email_key == key if "@" in key else User.username_key == key
    user_id = session.scalar(select(User.id).where(is_it))
    if user_id is None:
        raise NotFound(f"no user is called {login}")
    return user_id


def lock_administrators(session: Session) -> Sequence[UUID]:
    """Whoever administers, and can log in; locked in key order, so that it stays true."""
    query = select(User.id).where(User.is_admin, User.is_active).order_by(User.id)
    return session.scalars(query.with_for_update(key_share=True)).all()


def _accounts() -> Any:
    last_seen = (
        select(func.max(LoginSession.last_used_at)).where(LoginSession.user_id == User.id).scalar_subquery()
    )
    has_second_factor = exists().where(
        SecondFactor.user_id == User.id, SecondFactor.confirmed_at.is_not(None)
    )
    return select(
        User.id,
        User.username,
        User.email,
        User.email_verified_at,
        User.display_name,
        User.is_active,
        User.is_admin,
        has_second_factor,
        last_seen,
        User.version,
        User.created_at,
    )
