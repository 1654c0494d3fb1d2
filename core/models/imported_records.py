from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, String
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class ImportedRecord(Base):
    """What the import of an archive has made, in the version that it had then, so that it can be undone.

    Settings that it has changed are those of the user.
    """

    __tablename__ = "imported_records"
    __table_args__ = (
        ForeignKeyConstraint(["user_id", "import_id"], ["imports.user_id", "imports.id"], ondelete="CASCADE"),
        CheckConstraint(
            "kind IN ('category', 'rule', 'expense', 'attachment', 'budget', 'recurring', 'settings')",
            name="kind",
        ),
    )

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    import_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(12), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
