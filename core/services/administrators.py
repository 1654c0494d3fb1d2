"""That there is always somebody who administers."""

from uuid import UUID

from sqlalchemy.orm import Session

from core.errors import Conflict
from core.queries.administration import lock_administrators


def check_somebody_administers(session: Session, *, without: UUID) -> None:
    """Refuse that the last administrator who can log in goes.

    Raises:
        Conflict
    """
    # Of two who remove each other at once, the second finds the first one gone.
    if list(lock_administrators(session)) == [without]:
        raise Conflict("nobody would be left to administer: make somebody else an administrator first")
