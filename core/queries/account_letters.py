"""Mails about the recipient's own account."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import clock
from core.mail_messages import message_line
from core.mail_tokens import RESET_PASSWORD, VERIFY_EMAIL, mail_token, reset_cover
from core.models import EmailChange, User
from core.queries.letters import Letter, Links, until
from core.security import RESET_LIFETIME, VERIFICATION_LIFETIME


def verification_letter(session: Session, payload: Mapping[str, Any], *, links: Links) -> Letter | None:
    """`user_id`: the code that proves that somebody reads mail to the user's address.

    None when there is nobody to prove it any more, it is proven already, or it was asked for too long ago.
    """
    user = session.execute(
        select(User.email, User.email_key, User.username, User.verification_asked_at).where(
            User.id == UUID(payload["user_id"]), User.is_active, User.email_verified_at.is_(None)
        )
    ).first()
    if user is None or user.verification_asked_at is None:
        return None
    expires_at = user.verification_asked_at + VERIFICATION_LIFETIME
    if expires_at <= clock.now():
        return None
    token = mail_token(
        links.secret,
        VERIFY_EMAIL,
        user_id=UUID(payload["user_id"]),
        covers=user.email_key,
        expires_at=expires_at,
    )
    # The display name is left out: whoever registers may write anything into it, to anybody's address.
    return Letter(
        user.email,
        "Confirm your e-mail address",
        f"""Hello,

somebody registered the account "{user.username}" of Outlay at
{links.public_url} with this address. If it was you, this code confirms
that the address is yours:

    {token}

Enter it where your app asks for it, or send it yourself:

    {links.call("/v1/auth/verify-email", {"token": token})}

It works until {until(expires_at)}.
If it was not you, leave it: without the code nothing happens.
""",
    )


def reset_letter(session: Session, payload: Mapping[str, Any], *, links: Links) -> Letter | None:
    """`user_id`: the code that sets a new password.

    None when there is nobody of that id, as for an address that nobody has, or it was asked for too long ago.
    """
    user = session.execute(
        select(User.email, User.email_key, User.username, User.password_hash, User.reset_asked_at).where(
            User.id == UUID(payload["user_id"]), User.is_active
        )
    ).first()
    if user is None or user.reset_asked_at is None:
        return None
    expires_at = user.reset_asked_at + RESET_LIFETIME
    if expires_at <= clock.now():
        return None
    token = mail_token(
        links.secret,
        RESET_PASSWORD,
        user_id=UUID(payload["user_id"]),
        covers=reset_cover(user.password_hash, user.email_key),
        expires_at=expires_at,
    )
    body = {"token": token, "password": "your new password"}
    return Letter(
        user.email,
        "Set a new password",
        f"""Hello {user.username},

somebody asked for a new password for your account of Outlay at
{links.public_url}. If it was you, this code lets you set one:

    {token}

Enter it where your app asks for it, or send it yourself:

    {links.call("/v1/auth/password-reset/confirm", body)}

It works once, until {until(expires_at)}, and ends all logins
and API keys.
If it was not you, leave it: your password stays as it is.
""",
    )


def email_change_letter(session: Session, payload: Mapping[str, Any], *, links: Links) -> Letter | None:
    """`user_id`, `change_id`: the code that makes the new address the account's, to the new address."""
    change = _change(session, payload)
    if change is None or change.confirmed_at is not None:
        return None
    expires_at = change.asked_at + VERIFICATION_LIFETIME
    if expires_at <= clock.now():
        return None
    token = mail_token(
        links.secret, VERIFY_EMAIL, user_id=change.user_id, covers=change.email_key, expires_at=expires_at
    )
    return Letter(
        change.email,
        "Confirm your new e-mail address",
        f"""Hello,

somebody wants to use this address for an account of Outlay at
{links.public_url}. If it was you, this code confirms that the
address is yours:

    {token}

Enter it where your app asks for it, or send it yourself:

    {links.call("/v1/auth/verify-email", {"token": token})}

It works until {until(expires_at)}.
If it was not you, leave it: without the code nothing happens.
""",
    )


def email_changed_letter(session: Session, payload: Mapping[str, Any], *, links: Links) -> Letter | None:
    """`user_id`, `change_id`: word to the former address that the account has another one."""
    change = _change(session, payload)
    if change is None or change.confirmed_at is None:
        return None
    return Letter(
        change.previous_email,
        "Your e-mail address was changed",
        f"""Hello,

your account of Outlay at {links.public_url}
has a new e-mail address since {until(change.confirmed_at)}:

    {message_line(change.email)}

No more mails come to this one. If it was not you, somebody knows your
password: ask whoever runs this server for help.
""",
    )


def _change(session: Session, payload: Mapping[str, Any]) -> EmailChange | None:
    return session.get(EmailChange, (UUID(payload["user_id"]), UUID(payload["change_id"])))
