from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, ForeignKeyConstraint, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base

IS_UNDER_WAY = "state IN ('committing', 'undoing')"
IS_COMMITTED = "state = 'committed'"


class Import(Base):
    """A file of expenses on its way into the user's own, or into a group's with `group_id`.

    `sha256` names its file for as long as that may be read again. `findings` says what is in the file,
    `choice` what of it the user wants, and `category_ids` under which category each name of the file is
    filed: the names are settled, and the commit has begun, once it is set. `members` says who in the group
    the people of a shared file are, and who was made a member for it. Groups are sharded by themselves, so
    nothing binds `group_id`.
    """

    __tablename__ = "imports"
    __table_args__ = (
        # What one commits, the next must know of, or both would record the same.
        Index(
            "uq_imports_under_way",
            "user_id",
            unique=True,
            postgresql_where=text(IS_UNDER_WAY),
            sqlite_where=text(IS_UNDER_WAY),
        ),
        Index("ix_imports_state", "state", "updated_at"),
        Index("ix_imports_sha256", "sha256"),
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(String(12))
    format: Mapped[str | None] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(200))
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str | None] = mapped_column(String(64))
    group_id: Mapped[UUID | None]
    mapping: Mapped[dict[str, Any] | None]
    has_own_mapping: Mapped[bool]
    findings: Mapped[dict[str, Any]]
    choice: Mapped[dict[str, Any] | None]
    category_ids: Mapped[dict[str, Any] | None]
    members: Mapped[dict[str, Any] | None]
    row_count: Mapped[int]
    problem_count: Mapped[int]
    duplicate_count: Mapped[int]
    credit_count: Mapped[int]
    chosen_count: Mapped[int]
    committed_count: Mapped[int]
    first_day: Mapped[date | None]
    last_day: Mapped[date | None]
    failure: Mapped[dict[str, Any] | None]
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class ImportRow(Base):
    """A row of the file. Those committed are kept, so that they do not come back with the next file.

    `expense_id` is given out when the row is read, so that a commit that begins again records nothing twice.
    `match_key` and `bank_key` are hashes by which rows are found to be the same, see
    `core/rules/duplicates.py`; `data` is what the format keeps of the row, as JSON.
    """

    __tablename__ = "import_rows"
    __table_args__ = (
        ForeignKeyConstraint(["user_id", "import_id"], ["imports.user_id", "imports.id"], ondelete="CASCADE"),
        Index(
            "ix_import_rows_match_key",
            "user_id",
            "match_key",
            postgresql_where=text(IS_COMMITTED),
            sqlite_where=text(IS_COMMITTED),
        ),
        Index(
            "ix_import_rows_bank_key",
            "user_id",
            "bank_key",
            postgresql_where=text(f"{IS_COMMITTED} AND bank_key IS NOT NULL"),
            sqlite_where=text(f"{IS_COMMITTED} AND bank_key IS NOT NULL"),
        ),
        Index(
            "ix_import_rows_pending",
            "user_id",
            "day",
            postgresql_where=text(f"{IS_COMMITTED} AND is_pending"),
            sqlite_where=text(f"{IS_COMMITTED} AND is_pending = 1"),
        ),
    )

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    import_id: Mapped[UUID] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    line: Mapped[int]
    state: Mapped[str] = mapped_column(String(10))
    day: Mapped[date | None]
    amount_minor: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str | None] = mapped_column(String(3))
    match_key: Mapped[int | None] = mapped_column(BigInteger)
    bank_key: Mapped[int | None] = mapped_column(BigInteger)
    is_pending: Mapped[bool]
    data: Mapped[str] = mapped_column(Text)
    duplicate_reason: Mapped[str | None] = mapped_column(String(12))
    duplicate_of: Mapped[UUID | None]
    expense_id: Mapped[UUID | None]


class ImportMapping(Base):
    """How the user has had files of a bank read, for the next one: see `core/statements/mapping.py`."""

    __tablename__ = "import_mappings"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64), primary_key=True)
    mapping: Mapped[dict[str, Any]]
    used_at: Mapped[datetime]
