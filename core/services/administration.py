"""What administrators do with the accounts of others."""

from collections.abc import Mapping, Set
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.orm import Session

from core import clock
from core.errors import NotFound, Unauthenticated
from core.models import User
from core.services.administrators import check_somebody_administers
from core.services.audit import UNKNOWN, Action, Origin, record_action
from core.services.locks import lock_account
from core.services.second_factors import forget_second_factor
from core.services.sessions import revoke_sessions
from core.services.versions import check_version


def set_rights(
    session: Session,
    *,
    user_id: UUID,
    changes: Mapping[str, bool],
    actor_id: UUID | None = None,
    origin: Origin = UNKNOWN,
    expected_versions: Set[int] | None = None,
) -> None:
    """Change `is_active` or `is_admin`. Whoever is deactivated is logged out everywhere.

    Raises:
        NotFound, StaleVersion
        Conflict: nobody would be left to administer.
    """
    if False in changes.values():
        check_somebody_administers(session, without=user_id)
    user = _lock(session, user_id)
    check_version(user.version, expected_versions)
    news = {name: value for name, value in changes.items() if getattr(user, name) != value}
    if not news:
        return
    session.execute(
        update(User)
        .where(User.id == user_id)
        .values(**news, version=User.version + 1, updated_at=clock.now())
    )
    if news.get("is_active") is False:
        revoke_sessions(session, user_id=user_id)
    record_action(
        session,
        Action(user_id, "account.rights_changed", actor_id=actor_id, changes=news, origin=origin),
    )


def reset_second_factor(session: Session, *, user_id: UUID) -> None:
    """Let somebody in by the password alone who has lost the app and all recovery codes.

    All their logins end, so that whoever is at one shows to know the password. Passkeys stay: each is a way
    in by itself, and the owner deletes one that was lost as well.

    Raises:
        NotFound: there is no such user, or they have no second factor.
    """
    _lock(session, user_id)
    forget_second_factor(session, user_id=user_id)
    revoke_sessions(session, user_id=user_id)
    record_action(session, Action(user_id, "second_factor.reset"))


def _lock(session: Session, user_id: UUID) -> User:
    try:
        return lock_account(session, user_id=user_id)
    except Unauthenticated as error:
        raise NotFound("no such user") from error
