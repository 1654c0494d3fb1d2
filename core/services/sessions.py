"""Logins: a session for each device, kept alive by refresh tokens that are used once each."""

import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, delete, exists, insert, or_, select, update
from sqlalchemy.orm import Session

from core import clock
from core.errors import Unauthenticated
from core.ids import new_id
from core.models import Challenge, LoginSession, RefreshToken, User, table_of
from core.queries.sessions import LiveSession, live_sessions
from core.security import REFRESH_TOKEN_BYTES, hash_token
from core.services.audit import Action, Origin, record_action
from core.services.devices import Device, remember_device
from core.services.purging import delete_some

SESSION_LIFETIME = timedelta(days=30)
"""A device that was not used for a month must log in again; each refresh begins the month anew."""

MAX_SESSIONS = 100
"""Live sessions a user; the one that was used longest ago makes room. More than anybody has devices."""

MAX_USER_AGENT_CHARACTERS = 300

ENDED_SESSION_LIFETIME = timedelta(days=7)
"""A spent refresh token that comes back must still be known for what it is."""

SESSIONS, TOKENS = table_of(LoginSession), table_of(RefreshToken)

REFRESH_TOKEN = re.compile(r"[A-Za-z0-9_-]{86}")
"""64 bytes as base64url without padding: user id, session id, random bytes."""


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A live session and the one refresh token that continues it."""

    user_id: UUID
    session_id: UUID
    refresh_token: str


@dataclass(frozen=True, slots=True)
class RefreshRefused:
    """The refresh token is of no use. A reused one has also ended the session, which must be committed."""

    ended_session: tuple[UUID, UUID] | None = None


def open_session(
    session: Session, *, user_id: UUID, user_agent: str | None, ip_address: str | None
) -> OpenSession:
    """A new session for a user who has proved to be themselves; from where they never came, they are told.

    `user_agent` may be any text that a client sends, `ip_address` an address or None.
    """
    now = clock.now()
    _make_room(session, user_id, now)
    session_id = new_id()
    device = Device(_readable(user_agent), ip_address)
    remember_device(session, user_id=user_id, session_id=session_id, device=device)
    session.execute(
        insert(LoginSession).values(
            user_id=user_id,
            id=session_id,
            user_agent=device.user_agent,
            ip_address=device.ip_address,
            created_at=now,
            last_used_at=now,
            expires_at=now + SESSION_LIFETIME,
        )
    )
    origin = Origin(session_id, device.ip_address)
    record_action(session, Action(user_id, "session.opened", user_id, session_id, origin=origin))
    return _issue_refresh_token(session, user_id, session_id, now)


def rotate_refresh_token(session: Session, *, refresh_token: str) -> OpenSession | RefreshRefused:
    """Spend the token for a new one; of several that try at once exactly one succeeds.

    A spent token that comes back was copied by somebody, and nobody can tell who is the thief: so the session
    ends for both (RFC 9700, section 4.14.2). This returns instead of raising, as that must be committed.
    """
    token = _parse(refresh_token)
    if token is None:
        return RefreshRefused()
    user_id, session_id, token_hash = token
    now = clock.now()
    is_this_token = (
        RefreshToken.user_id == user_id,
        RefreshToken.session_id == session_id,
        RefreshToken.token_hash == token_hash,
    )
    expires_at = session.scalar(
        update(RefreshToken)
        .where(*is_this_token, RefreshToken.spent_at.is_(None))
        .values(spent_at=now)
        .returning(RefreshToken.expires_at)
    )
    if expires_at is None:
        if session.scalar(select(RefreshToken.spent_at).where(*is_this_token)) is None:
            return RefreshRefused()
        if revoke_session(session, user_id=user_id, session_id=session_id):
            record_action(session, Action(user_id, "session.ended_by_reuse", object_id=session_id))
        return RefreshRefused((user_id, session_id))
    if expires_at <= now or not _extend(session, user_id, session_id, now):
        return RefreshRefused()
    return _issue_refresh_token(session, user_id, session_id, now)


def check_session(session: Session, *, user_id: UUID, session_id: UUID) -> LiveSession:
    """Refuse what a session asks for that has ended: what is known of it at the edge is nearly a second old.

    Raises:
        Unauthenticated
    """
    key = (user_id, session_id)
    found = live_sessions(session, [key]).get(key)
    if found is None:
        raise Unauthenticated("the session has ended")
    return found


def revoke_session(session: Session, *, user_id: UUID, session_id: UUID) -> bool:
    """End a session: all its tokens are dead. False when the user has no such live session."""
    now = clock.now()
    revoked = session.scalar(
        update(LoginSession)
        .where(*_is_live(user_id, now), LoginSession.id == session_id)
        .values(revoked_at=now)
        .returning(LoginSession.id)
    )
    return revoked is not None


def revoke_sessions(session: Session, *, user_id: UUID, surviving: UUID | None = None) -> None:
    """End all of a user's logins, but for one if it may survive."""
    session.execute(
        update(LoginSession)
        .where(
            LoginSession.user_id == user_id,
            LoginSession.revoked_at.is_(None),
            *(() if surviving is None else (LoginSession.id != surviving,)),
        )
        .values(revoked_at=clock.now())
        .execution_options(synchronize_session=False)
    )


def end_all_logins(session: Session) -> None:
    """Everybody's, and what is half done of one: after a restore nobody knows which were ended since."""
    session.execute(update(SESSIONS).where(SESSIONS.c.revoked_at.is_(None)).values(revoked_at=clock.now()))
    session.execute(delete(Challenge))


def _is_live(user_id: UUID, now: datetime) -> tuple[ColumnElement[bool], ...]:
    """What holds of the sessions of a user that have not ended."""
    return (
        LoginSession.user_id == user_id,
        LoginSession.revoked_at.is_(None),
        LoginSession.expires_at > now,
    )


def _make_room(session: Session, user_id: UUID, now: datetime) -> None:
    """Remove the user's dead sessions, and the live ones that are too many with one more."""
    kept = (
        select(LoginSession.id)
        .where(*_is_live(user_id, now))
        .order_by(LoginSession.last_used_at.desc(), LoginSession.id.desc())
        .limit(MAX_SESSIONS - 1)
    )
    session.execute(
        delete(LoginSession)
        .where(LoginSession.user_id == user_id, LoginSession.id.not_in(kept))
        .execution_options(synchronize_session=False)
    )


def _extend(session: Session, user_id: UUID, session_id: UUID, now: datetime) -> bool:
    """Begin the session's lifetime anew; False when it or its user is no longer live."""
    extended = session.scalar(
        update(LoginSession)
        .where(
            *_is_live(user_id, now),
            LoginSession.id == session_id,
            exists().where(User.id == user_id, User.is_active),
        )
        .values(last_used_at=now, expires_at=now + SESSION_LIFETIME)
        .returning(LoginSession.id)
        .execution_options(synchronize_session=False)
    )
    return extended is not None


def _issue_refresh_token(session: Session, user_id: UUID, session_id: UUID, now: datetime) -> OpenSession:
    # What has expired proves nothing any more; so a session that is refreshed for years stays small.
    session.execute(
        delete(RefreshToken).where(
            RefreshToken.user_id == user_id,
            RefreshToken.session_id == session_id,
            RefreshToken.expires_at <= now,
        )
    )
    raw = user_id.bytes + session_id.bytes + secrets.token_bytes(REFRESH_TOKEN_BYTES)
    session.execute(
        insert(RefreshToken).values(
            user_id=user_id,
            session_id=session_id,
            token_hash=hash_token(raw),
            created_at=now,
            expires_at=now + SESSION_LIFETIME,
        )
    )
    return OpenSession(user_id, session_id, urlsafe_b64encode(raw).rstrip(b"=").decode())


def _parse(refresh_token: str) -> tuple[UUID, UUID, bytes] | None:
    """Whose token it claims to be, of which session, and its hash; None when it is no token of ours."""
    if not REFRESH_TOKEN.fullmatch(refresh_token):
        return None
    raw = urlsafe_b64decode(refresh_token + "==")
    return UUID(bytes=raw[:16]), UUID(bytes=raw[16:32]), hash_token(raw)


def _readable(user_agent: str | None) -> str | None:
    """The header as the user will see it in the list of devices; it is whatever the client says."""
    text = "".join(character for character in user_agent or "" if character.isprintable())
    return text.strip()[:MAX_USER_AGENT_CHARACTERS] or None


def purge_sessions(session: Session) -> int:
    """Delete some of the logins that have ended long ago, with their refresh tokens; answers how many."""
    long_ago = clock.now() - ENDED_SESSION_LIFETIME
    has_ended = or_(SESSIONS.c.revoked_at < long_ago, SESSIONS.c.expires_at < long_ago)
    return delete_some(session, SESSIONS, has_ended)


def purge_refresh_tokens(session: Session) -> int:
    """Delete some of the tokens that have expired long ago; answers how many."""
    return delete_some(session, TOKENS, TOKENS.c.expires_at < clock.now() - ENDED_SESSION_LIFETIME)
