"""What PostgreSQL and SQLite both have, but SQLAlchemy only once for each."""

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core.models import Base


def insert_into(session: Session, target: Table | type[Base]) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that can be told what to do ON CONFLICT, in the dialect of the session's database."""
    if session.get_bind().dialect.name == "postgresql":
        return postgresql.insert(target)
    return sqlite.insert(target)
