from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from core import clock
from core.database import Reader
from core.models import LoginSession, User, table_of

SESSIONS = table_of(LoginSession)
USERS = table_of(User)

# By user only: PostgreSQL takes pairs apart into an OR for each, at a thousand six times as slow; and a user
# has few sessions. Built once, as it runs for every caller every second.
LIVE = (
    select(SESSIONS.c.user_id, SESSIONS.c.id, USERS.c.notification_seq, USERS.c.is_admin)
    .join(USERS, USERS.c.id == SESSIONS.c.user_id)
    .where(
        SESSIONS.c.user_id.in_(bindparam("user_ids", expanding=True)),
        SESSIONS.c.revoked_at.is_(None),
        SESSIONS.c.expires_at > bindparam("now"),
        USERS.c.is_active,
    )
)


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A login that still counts, with the number of its user's newest notification."""

    user_id: UUID
    session_id: UUID
    notification_seq: int
    is_admin: bool


def live_sessions(session: Reader, keys: Iterable[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], LiveSession]:
    """Which of the `(user_id, session_id)` pairs are neither revoked nor expired, of an active user."""
    wanted = frozenset(keys)
    rows = session.execute(LIVE, {"user_ids": list({user_id for user_id, _ in wanted}), "now": clock.now()})
    live = (LiveSession(*row) for row in rows)
    return {key: found for found in live if (key := (found.user_id, found.session_id)) in wanted}


def sessions_of(session: Session, *, user_id: UUID) -> Sequence[LoginSession]:
    """The user's live sessions, the one used last first. There are never many: opening one removes others."""
    return session.scalars(
        select(LoginSession)
        .where(
            LoginSession.user_id == user_id,
            LoginSession.revoked_at.is_(None),
            LoginSession.expires_at > clock.now(),
        )
        .order_by(LoginSession.last_used_at.desc(), LoginSession.id.desc())
    ).all()
