"""SQLite replaces no event by the number of its row either."""

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

# It is -1 in a trigger when none is given.
ROW_NOT_REPLACED = """
CREATE TRIGGER audit_events_row_not_replaced BEFORE INSERT ON audit_events
WHEN NEW.rowid <> -1 AND EXISTS (SELECT 1 FROM audit_events WHERE rowid = NEW.rowid)
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END
"""


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute(ROW_NOT_REPLACED)


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER audit_events_row_not_replaced")
