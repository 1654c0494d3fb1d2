"""Which files of `core/files.py` the database speaks of: all others are swept away."""

from collections.abc import Collection

from sqlalchemy import select, union
from sqlalchemy.orm import Session

from core.models import Attachment, Export, Import, Report, table_of

NAMES = tuple(table_of(model).c.sha256 for model in (Attachment, Export, Import, Report))
"""The columns that name files, each with an index. What is missing here loses its files."""


def named_hashes(session: Session, hashes: Collection[str]) -> set[str]:
    """Those of the hashes that some row has."""
    return set(session.scalars(union(*(select(name).where(name.in_(hashes)) for name in NAMES))))


def all_named_hashes(session: Session) -> set[str]:
    return set(session.scalars(union(*(select(name).where(name.is_not(None)) for name in NAMES))))
