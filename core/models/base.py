"""What every table shares: constraint names that migrations can rely on, and portable column types."""

from datetime import UTC, datetime
from typing import Any, ClassVar, cast

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, MetaData, Table
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import JSON, TypeDecorator

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class _SqliteInstant(TypeDecorator[datetime]):
    """SQLite has no time zones: UTC goes in without one and comes back with it."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        try:
            return value.astimezone(UTC).replace(tzinfo=None)
        except OverflowError:
            # In UTC it is before the first day or after the last one, which only PostgreSQL can tell.
            return datetime.min if value.year == 1 else datetime.max  # noqa: DTZ901

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.replace(tzinfo=UTC)


UtcDateTime = DateTime(timezone=True).with_variant(_SqliteInstant(), "sqlite")
"""An instant, in UTC. On PostgreSQL the connection's time zone sees to it, at no cost."""

JsonDocument = JSON().with_variant(JSONB(), "postgresql")

BigIdentity = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite counts up only a column whose type is exactly INTEGER."""


class Base(DeclarativeBase):
    """Tables of user data begin their primary key with `user_id`, so that they can be sharded by it."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime,
        dict[str, Any]: JsonDocument,
        list[int]: JsonDocument,
        list[str]: JsonDocument,
    }


def table_of(model: type[Base]) -> Table:
    """The model's table, for statements on rows; SQLAlchemy declares it as any kind of FROM clause."""
    return cast("Table", model.__table__)
