from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.models import Passkey


def passkeys_of(session: Session, *, user_id: UUID) -> Sequence[Passkey]:
    """The newest first. There are never many: `MAX_PASSKEYS`."""
    query = select(Passkey).where(Passkey.user_id == user_id).order_by(Passkey.id.desc())
    return session.scalars(query).all()
