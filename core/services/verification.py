"""Proof that a user reads mail to the address of the account, or to the one that it is to have."""

import math
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from core import clock
from core.errors import Conflict, invalid
from core.ids import new_id
from core.mail_tokens import PAUSE, REFUSAL, is_mail_token, read_mail_token
from core.mail_tokens import VERIFY_EMAIL as TOKEN_PURPOSE
from core.models import EmailChange, User, table_of
from core.queries.mails import CONFIRM_EMAIL_CHANGE, EMAIL_CHANGED, VERIFY_EMAIL
from core.queries.users import account_key, newest_email_change
from core.services.account_changes import tell_of_change
from core.services.accounts import check_email
from core.services.audit import UNKNOWN, Action, Origin, record_action
from core.services.locks import lock_account
from core.services.mails import stage_mail
from core.services.purging import delete_some

CHANGES = table_of(EmailChange)

CHANGE_LIFETIME = timedelta(days=30)
"""Longer than any mail that tells of a change waits to be sent."""


def ask_for_verification(session: Session, *, user_id: UUID) -> None:
    """Send the code (again).

    Raises:
        Conflict: the address is verified already, or the last mail was asked for less than a minute ago.
    """
    user = lock_account(session, user_id=user_id)
    if user.email_verified_at is not None:
        raise Conflict("the address is verified already")
    now = clock.now()
    if user.verification_asked_at is not None:
        _check_pause(user.verification_asked_at, now)
    session.execute(update(User).where(User.id == user_id).values(verification_asked_at=now))
    stage_mail(session, key=str(user_id), template=VERIFY_EMAIL, user_id=user_id)


def ask_for_email_change(session: Session, *, user_id: UUID, email: str) -> None:
    """Have a code sent to the address; it becomes the account's when the code is taken.

    Whether another account has it already is not told to whoever cannot read mail to it.

    Raises:
        InvalidInput, Conflict: it is the account's, or the last change was asked for less than a minute ago.
    """
    check_email(email)
    user = lock_account(session, user_id=user_id)
    if account_key(email) == user.email_key:
        raise Conflict("the account has this address already")
    now = clock.now()
    last = newest_email_change(session, user_id=user_id)
    if last is not None:
        _check_pause(last.asked_at, now)
    change_id = new_id()
    session.execute(
        insert(EmailChange).values(
            user_id=user_id,
            id=change_id,
            email=email,
            email_key=account_key(email),
            previous_email=user.email,
            asked_at=now,
        )
    )
    stage_mail(session, key=str(user_id), template=CONFIRM_EMAIL_CHANGE, user_id=user_id, change_id=change_id)
    tell_of_change(session, user_id=user_id, change="email_asked")


def verify_email(session: Session, *, secret: str, token: str, origin: Origin = UNKNOWN) -> None:
    """Take the code of a mail; the same one does it again as long as it is valid.

    The code for an address that was asked for later makes it the account's, which the former one is told.

    Raises:
        InvalidInput: it is malformed, not of ours, expired, or for an address that is not to be the user's.
        Conflict: by now another account has the address.
    """
    claims = read_mail_token(token)
    now = clock.now()
    if claims is None or claims.expires_at <= now:
        raise invalid("/token", REFUSAL)
    user = session.scalar(
        select(User).where(User.id == claims.user_id, User.is_active).with_for_update(key_share=True)
    )
    if user is None:
        raise invalid("/token", REFUSAL)

    def is_for(email_key: str) -> bool:
        return is_mail_token(secret, TOKEN_PURPOSE, token, claims, covers=email_key)

    if not is_for(user.email_key):
        change = newest_email_change(session, user_id=user.id)
        if change is None or change.confirmed_at is not None or not is_for(change.email_key):
            raise invalid("/token", REFUSAL)
        _change_email(session, user, change, now)
        record_action(session, Action(user.id, "email.changed", actor_id=user.id, origin=origin))
    elif user.email_verified_at is None:
        session.execute(
            update(User)
            .where(User.id == user.id)
            .values(email_verified_at=now, version=User.version + 1, updated_at=now)
        )
        record_action(session, Action(user.id, "email.verified", actor_id=user.id, origin=origin))


def purge_email_changes(session: Session) -> int:
    """Delete some of the changes that were asked for long ago; answers how many."""
    return delete_some(session, CHANGES, CHANGES.c.asked_at < clock.now() - CHANGE_LIFETIME)


def _change_email(session: Session, user: User, change: EmailChange, now: datetime) -> None:
    taken = select(User.id).where(User.email_key == change.email_key)
    if session.scalar(taken) is not None:
        raise Conflict("the email is taken")
    session.execute(
        update(User)
        .where(User.id == user.id)
        .values(
            email=change.email,
            email_key=change.email_key,
            email_verified_at=now,
            version=User.version + 1,
            updated_at=now,
        )
    )
    session.execute(
        update(EmailChange)
        .where(EmailChange.user_id == user.id, EmailChange.id == change.id)
        .values(confirmed_at=now)
    )
    stage_mail(session, key=str(user.id), template=EMAIL_CHANGED, user_id=user.id, change_id=change.id)
    tell_of_change(session, user_id=user.id, change="email")


def _check_pause(asked_at: datetime, now: datetime) -> None:
    if now < asked_at + PAUSE:
        wait_s = math.ceil((asked_at + PAUSE - now).total_seconds())
        raise Conflict(f"a mail is on its way; ask for another one in {wait_s} seconds")
