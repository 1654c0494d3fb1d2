"""What PostgreSQL and SQLite both have, but SQLAlchemy only once for each."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import JSON, Table, TableValuedAlias, Text, bindparam, cast, column, func
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeEngine

from core.models import Base


def insert_into(session: Session, target: Table | type[Base]) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that can be told what to do ON CONFLICT, in the dialect of the session's database."""
    if session.get_bind().dialect.name == "postgresql":
        return postgresql.insert(target)
    return sqlite.insert(target)


def recordset(name: str, types: Mapping[str, TypeEngine[Any]]) -> TableValuedAlias:
    """Rows that come as one parameter, a JSON array of objects, for statements of PostgreSQL on many rows.

    One by one, each would take the client as long as the server.
    """
    columns = (column(one, kind) for one, kind in types.items())
    document = cast(bindparam(name, type_=Text), JSON)
    return func.json_to_recordset(document).table_valued(*columns).render_derived("given", with_types=True)
