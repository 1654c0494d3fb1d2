"""Which files some row of the database names."""

from collections.abc import Collection

from sqlalchemy import select, union
from sqlalchemy.orm import Session

from core.models import Attachment, Import


def named_hashes(session: Session, hashes: Collection[str]) -> set[str]:
    """Those of the hashes under which something is kept."""
    columns = (Attachment.sha256, Import.sha256)
    named = union(*(select(column).where(column.in_(hashes)) for column in columns))
    return set(session.scalars(named))
