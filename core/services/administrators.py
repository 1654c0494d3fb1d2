"""That there is always somebody who administers."""

from uuid import UUID

from sqlalchemy.orm import Session

from core.errors import Conflict, Forbidden
from core.queries.administration import lock_administrators
from core.services.sessions import check_session


def check_administers(session: Session, *, user_id: UUID, session_id: UUID) -> None:
    """Refuse what somebody asks for who is no administrator any more; the call may have begun long ago.

    Raises:
        Unauthenticated: the session has ended.
        Forbidden
    """
    if not check_session(session, user_id=user_id, session_id=session_id).is_admin:
        raise Forbidden("for administrators only")


def check_somebody_administers(session: Session, *, without: UUID) -> None:
    """Refuse that the last administrator who can log in goes.

    Raises:
        Conflict
    """
    # Of two who remove each other at once, the second finds the first one gone.
    if list(lock_administrators(session)) == [without]:
        raise Conflict("nobody would be left to administer: make somebody else an administrator first")
