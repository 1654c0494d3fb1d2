"""Letting go of imports that nobody has come back to."""

from datetime import timedelta

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from core import clock
from core.queries.imports import IMPORTS, ROWS

PREVIEW_LIFETIME = timedelta(days=7)
"""Time enough to look at it; what it says of duplicates is old after that, and its file is let go."""

RECORD_LIFETIME = timedelta(days=30)
"""How long after that one can see that there was something."""


def expire_import(session: Session) -> bool:
    """Let go of a preview that is past its lifetime, or of the last trace of one; False if there was none."""
    now = clock.now()
    overdue = or_(
        IMPORTS.c.state.in_(("preview", "failed"))
        & (IMPORTS.c.updated_at < now - PREVIEW_LIFETIME)
        & (IMPORTS.c.committed_count == 0),
        IMPORTS.c.state.in_(("expired", "undone")) & (IMPORTS.c.updated_at < now - RECORD_LIFETIME),
    )
    found = session.execute(
        select(IMPORTS.c.user_id, IMPORTS.c.id, IMPORTS.c.state)
        .where(overdue)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).first()
    if found is None:
        return False
    is_it = (IMPORTS.c.user_id == found.user_id, IMPORTS.c.id == found.id)
    if found.state in ("expired", "undone"):
        session.execute(delete(IMPORTS).where(*is_it))
        return True
    session.execute(delete(ROWS).where(ROWS.c.user_id == found.user_id, ROWS.c.import_id == found.id))
    session.execute(
        update(IMPORTS)
        .where(*is_it)
        .values(state="expired", sha256=None, version=IMPORTS.c.version + 1, updated_at=now)
    )
    return True
