"""Invitations whose time is over: that they have expired is written down, and much later they go."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import literal_column, select
from sqlalchemy.orm import Session

from core import clock
from core.database import Reader
from core.queries.groups import GROUPS, GroupLock, lock_groups
from core.queries.invitations import COLUMNS, INVITATIONS, InvitationRecord
from core.services.invitations import note_invitation, update_invitation
from core.services.purging import delete_some

KEPT_FOR = timedelta(days=180)
"""After it has expired, or would have: who invited whom can be looked up for half a year. An address that
somebody else has written down is kept no longer than it may be of use."""

# Literally, so that a prepared statement may use what the database knows of so few of them.
IS_PENDING = INVITATIONS.c.state == literal_column("'pending'")


def groups_with_expired(session: Reader, *, after: UUID | None, limit: int) -> Sequence[UUID]:
    """Groups with invitations that have expired without that being written down; in key order."""
    query = (
        select(INVITATIONS.c.group_id)
        .join(GROUPS, GROUPS.c.id == INVITATIONS.c.group_id)
        .where(IS_PENDING, INVITATIONS.c.expires_at <= clock.now(), GROUPS.c.deleted_at.is_(None))
        .distinct()
    )
    if after is not None:
        query = query.where(INVITATIONS.c.group_id > after)
    return session.scalars(query.order_by(INVITATIONS.c.group_id).limit(limit)).all()


def expire_invitations(session: Session, *, group_id: UUID) -> int:
    """Write down which of the group's invitations have expired; answers how many there were.

    Nobody is notified: it is no kind of news to which anybody could do more than they see in the list.
    """
    # As for every change: somebody may accept or resend one at this moment.
    lock_groups(session, [group_id], lock=GroupLock.MEMBERS)
    rows = session.execute(
        select(*COLUMNS)
        .join(GROUPS, GROUPS.c.id == INVITATIONS.c.group_id)
        .where(
            INVITATIONS.c.group_id == group_id,
            IS_PENDING,
            INVITATIONS.c.expires_at <= clock.now(),
            GROUPS.c.deleted_at.is_(None),
        )
        .order_by(INVITATIONS.c.id)
    ).all()
    for record in (InvitationRecord(*row) for row in rows):
        update_invitation(session, record, state="expired")
        # Nobody did it: it stands with the member who had invited them.
        note_invitation(session, record, "invitation.expired", actor_id=record.invited_by)
    return len(rows)


def purge_invitations(session: Session) -> int:
    """Delete some of those that are over for long; answers how many."""
    is_over = (INVITATIONS.c.state != "pending", INVITATIONS.c.expires_at < clock.now() - KEPT_FOR)
    return delete_some(session, INVITATIONS, *is_over)
