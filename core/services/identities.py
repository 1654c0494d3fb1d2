"""Logging in by an account with an OpenID provider.

An account of ours is linked to one of a provider's only by an address that both sides have verified:
otherwise whoever registers somebody else's address first, here or there, would get into their account.
"""

import re
import secrets
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from core import clock
from core.errors import Conflict, Forbidden, NotFound
from core.models import Identity, User
from core.oidc import ProvenIdentity
from core.oidc_settings import Provider
from core.queries.users import account_key
from core.security import NO_PASSWORD
from core.services.account_changes import tell_of_change
from core.services.accounts import NewAccount, check_email, register
from core.services.audit import UNKNOWN, Origin
from core.services.credentials import check_can_log_in
from core.services.dialects import insert_into
from core.services.locks import lock_account

MIN_NAME, MAX_NAME = 3, 40
"""Characters of a user name."""

MAX_DISPLAY_NAME = 100

NAME_ATTEMPTS = 20
"""With a random ending; that all are taken is as good as impossible."""


@dataclass(frozen=True, slots=True)
class IdentityLogin:
    """Who logs in, and what is to be linked to them once they have shown a second factor, if any."""

    user_id: UUID
    link: Mapping[str, str] | None = None


def user_of_identity(
    session: Session, *, provider: Provider, proven: ProvenIdentity, origin: Origin = UNKNOWN
) -> IdentityLogin:
    """Who logs in: the linked user, or one who is to be linked or is registered now.

    Raises:
        Forbidden: the address is not verified on both sides, or the provider's users get no account here.
    """
    linked = session.scalar(
        select(Identity.user_id).where(Identity.provider == provider.name, Identity.subject == proven.subject)
    )
    if linked is not None:
        return IdentityLogin(linked)
    if proven.email is None or not proven.is_email_verified:
        raise Forbidden("the provider has not verified the e-mail address")
    link = {"provider": proven.provider, "subject": proven.subject}
    user = session.scalar(
        select(User).where(User.email_key == account_key(proven.email)).with_for_update(key_share=True)
    )
    if user is None:
        return IdentityLogin(_registered(session, provider, proven, proven.email, origin), link)
    if _mailbox(user.email) != _mailbox(proven.email):
        raise Forbidden("an account has an address that is written nearly the same")
    if user.email_verified_at is None:
        raise Forbidden("an account has this address and has not verified it: log in there and do so first")
    return IdentityLogin(user.id, link)


def link_identity(session: Session, *, user_id: UUID, provider: str, subject: str) -> None:
    """Let the user log in by the provider from now on, and tell them.

    Raises:
        Forbidden: they are linked to another account with the provider, which they have to unlink first.
    """
    values = {"user_id": user_id, "provider": provider, "subject": subject, "created_at": clock.now()}
    row = insert_into(session, Identity).values(values).on_conflict_do_nothing()
    if session.scalar(row.returning(Identity.user_id)) is None:
        raise Forbidden("another account with the provider is linked already: unlink it first")
    tell_of_change(session, user_id=user_id, change="identity", name=provider)


def identities_of(session: Session, *, user_id: UUID) -> Sequence[Identity]:
    query = select(Identity).where(Identity.user_id == user_id).order_by(Identity.provider)
    return session.scalars(query).all()


def unlink_identity(session: Session, *, user_id: UUID, provider: str) -> None:
    """Log in by the provider no more.

    Raises:
        NotFound
        Conflict: there would be no way left to log in.
    """
    user = lock_account(session, user_id=user_id)
    is_it = (Identity.user_id == user_id, Identity.provider == provider)
    if session.scalar(delete(Identity).where(*is_it).returning(Identity.user_id)) is None:
        raise NotFound("no such identity")
    check_can_log_in(session, user)
    tell_of_change(session, user_id=user_id, change="identity_unlinked", name=provider)


def _mailbox(email: str) -> str:
    """As mail servers tell addresses apart: but for case, no letter stands for another (straße, strasse)."""
    text = unicodedata.normalize("NFC", email)
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)


def _registered(
    session: Session, provider: Provider, proven: ProvenIdentity, email: str, origin: Origin
) -> UUID:
    if not provider.registers:
        raise Forbidden("nobody here has this address")
    check_email(email)
    username = _free_username(session, proven, email)
    display_name = "".join(letter for letter in proven.display_name or "" if letter.isprintable())
    account = NewAccount(
        username=username,
        email=email,
        password=NO_PASSWORD,
        display_name=display_name.strip()[:MAX_DISPLAY_NAME] or None,
    )
    user = register(
        session, account=account, password_hash=NO_PASSWORD, origin=origin, is_email_verified=True
    )
    return user.id


def _free_username(session: Session, proven: ProvenIdentity, email: str) -> str:
    """As the provider or the address has it, with an ending if somebody has that name."""
    wanted = re.sub(r"[^A-Za-z0-9._-]", "", proven.username or email.partition("@")[0])[:MAX_NAME]
    wanted = wanted if len(wanted) >= MIN_NAME else f"user{wanted}"
    for attempt in range(NAME_ATTEMPTS):
        name = wanted if attempt == 0 else f"{wanted[: MAX_NAME - 9]}-{secrets.token_hex(4)}"
        if session.scalar(select(User.id).where(User.username_key == account_key(name))) is None:
            return name
    raise Conflict("no free user name was found")
