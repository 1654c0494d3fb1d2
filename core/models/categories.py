from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base
from core.models.changes import Numbered


class Category(Numbered, Base):
    """A label of a user's, at most two levels deep; names are unique among siblings, whatever the case."""

    __tablename__ = "categories"
    __table_args__ = (
        ForeignKeyConstraint(["user_id", "parent_id"], ["categories.user_id", "categories.id"]),
        Index(
            "uq_categories_top_level_name",
            "user_id",
            "name_key",
            unique=True,
            postgresql_where=text("parent_id IS NULL"),
            sqlite_where=text("parent_id IS NULL"),
        ),
        Index("uq_categories_child_name", "user_id", "parent_id", "name_key", unique=True),
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    parent_id: Mapped[UUID | None]
    name: Mapped[str] = mapped_column(String(100))
    name_key: Mapped[str] = mapped_column(String(200))
    color: Mapped[str | None] = mapped_column(String(7))
    icon: Mapped[str | None] = mapped_column(String(40))
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
