"""Passwords: setting them, and what ends with the old one."""

from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from core import clock
from core.errors import Conflict, Forbidden, invalid
from core.mail_tokens import PAUSE, REFUSAL, is_mail_token, read_mail_token, reset_cover
from core.mail_tokens import RESET_PASSWORD as TOKEN_PURPOSE
from core.models import (
    ApiKey,
    Challenge,
    EmailChange,
    Identity,
    Passkey,
    RecoveryCode,
    SecondFactor,
    User,
)
from core.queries.mails import RESET_PASSWORD
from core.queries.users import account_key
from core.security import NO_PASSWORD
from core.services.accounts import NOBODY
from core.services.audit import UNKNOWN, Action, Origin, record_action
from core.services.channels import switch_off_added_channels
from core.services.locks import lock_account
from core.services.mails import stage_mail
from core.services.notifications import NewNotification, notify
from core.services.sessions import revoke_sessions

RESET = "your password was reset; switch it on again if it is yours"
"""Why a channel is off."""


def check_unchanged(session: Session, *, user_id: UUID, password_hash: str) -> None:
    """Lock the account, and refuse what was asked for with a password that is not the account's any more.

    Checking a password takes a quarter of a second, in which somebody else may have changed it.

    Raises:
        Unauthenticated, Forbidden.
    """
    user = lock_account(session, user_id=user_id)
    if user.password_hash != password_hash or not user.is_active:
        raise Forbidden("the password has been changed meanwhile")


def set_password(
    session: Session, *, user_id: UUID, password_hash: str, surviving_session: UUID | None = None
) -> None:
    """Replace the password, end all logins but the one that may survive, and tell the user.

    With the password goes what somebody may have begun by the old one: logins, and a change of the address.
    """
    user = lock_account(session, user_id=user_id)
    session.execute(
        update(User)
        .where(User.id == user.id)
        .values(password_hash=password_hash, reset_asked_at=None, updated_at=clock.now())
    )
    revoke_sessions(session, user_id=user_id, surviving=surviving_session)
    session.execute(delete(Challenge).where(Challenge.user_id == user_id))
    session.execute(
        delete(EmailChange).where(EmailChange.user_id == user_id, EmailChange.confirmed_at.is_(None))
    )
    notify(session, [NewNotification(user_id, "security.password_changed", {})])


def ask_for_reset(session: Session, *, email: str) -> None:
    """Have the code that sets a new password sent to the address, if it is somebody's.

    It does the same work for nobody's: neither the answer nor its time tells whether there is an account.
    """
    user = session.scalar(
        select(User).where(User.email_key == account_key(email)).with_for_update(key_share=True)
    )
    now = clock.now()
    is_asked_again = (
        user is not None and user.reset_asked_at is not None and now < user.reset_asked_at + PAUSE
    )
    user_id = user.id if user is not None and user.is_active and not is_asked_again else NOBODY
    session.execute(update(User).where(User.id == user_id).values(reset_asked_at=now))
    stage_mail(session, key=str(user_id), template=RESET_PASSWORD, user_id=user_id)


def user_of_reset(session: Session, *, secret: str, token: str) -> User:
    """Whose password the code of a mail sets. It may be void by the time that it is used.

    Raises:
        InvalidInput: with the pointer `/token`.
    """
    claims = read_mail_token(token)
    user = None if claims is None else session.get(User, claims.user_id)
    if claims is None or user is None or not user.is_active or claims.expires_at <= clock.now():
        raise invalid("/token", REFUSAL)
    covers = reset_cover(user.password_hash, user.email_key)
    if not is_mail_token(secret, TOKEN_PURPOSE, token, claims, covers=covers):
        raise invalid("/token", REFUSAL)
    return user


def reset_password(
    session: Session, *, secret: str, token: str, password_hash: str, origin: Origin = UNKNOWN
) -> UUID:
    """Take the code of a mail for a new password; answers whose it is. All logins and API keys end.

    Who has got the mail has shown to read what comes to the address.

    Raises:
        InvalidInput: with the pointer `/token`; of several that try at once only one succeeds.
    """
    claims = read_mail_token(token)
    if claims is None:
        raise invalid("/token", REFUSAL)
    session.execute(select(User.id).where(User.id == claims.user_id).with_for_update(key_share=True))
    user = user_of_reset(session, secret=secret, token=token)
    set_password(session, user_id=user.id, password_hash=password_hash)
    _forget_what_others_may_have_added(session, user)
    if user.email_verified_at is None:
        session.execute(
            update(User)
            .where(User.id == user.id)
            .values(email_verified_at=clock.now(), version=User.version + 1)
        )
    record_action(session, Action(user.id, "password.reset", actor_id=user.id, origin=origin))
    return user.id


def check_can_log_in(session: Session, user: User) -> None:
    """Refuse that the last way to log in goes; a password can be set by mail.

    Raises:
        Conflict
    """
    ways = (Identity, Passkey)
    others = [session.scalar(select(way.user_id).where(way.user_id == user.id).limit(1)) for way in ways]
    if user.password_hash == NO_PASSWORD and not any(others):
        raise Conflict("there would be no way left to log in: set a password first")


def _forget_what_others_may_have_added(session: Session, user: User) -> None:
    """Keys of programs, and webhooks and pushes, which are switched off. If nobody ever showed to read the
    address's mail, all other ways to log in as well: whoever registered it may not have been its owner."""
    switch_off_added_channels(session, user_id=user.id, reason=RESET)
    ways = (Passkey, Identity, SecondFactor, RecoveryCode) if user.email_verified_at is None else ()
    for model in (ApiKey, *ways):
        session.execute(delete(model).where(model.user_id == user.id))
