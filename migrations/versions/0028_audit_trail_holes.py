"""heads of audit trails stay as long as their users, and SQLite replaces no event."""

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

# The function is that of 0026: it lets go what belonged to a user who is gone.
ON_POSTGRESQL = """
CREATE TRIGGER audit_heads_stay BEFORE DELETE ON audit_heads
    FOR EACH ROW EXECUTE FUNCTION refuse_audit_change();
CREATE TRIGGER audit_heads_not_truncated BEFORE TRUNCATE ON audit_heads
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()
"""

HEADS_STAY = """
CREATE TRIGGER audit_heads_stay BEFORE DELETE ON audit_heads
WHEN EXISTS (SELECT 1 FROM users WHERE id = OLD.user_id)
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END
"""

# What REPLACE takes away fires no trigger for deletions.
NOT_REPLACED = """
CREATE TRIGGER audit_events_not_replaced BEFORE INSERT ON audit_events
WHEN EXISTS (SELECT 1 FROM audit_events WHERE user_id = NEW.user_id AND seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END
"""


def upgrade() -> None:
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    for statement in (ON_POSTGRESQL,) if on_postgresql else (HEADS_STAY, NOT_REPLACED):
        op.execute(statement)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER audit_heads_stay ON audit_heads")
        op.execute("DROP TRIGGER audit_heads_not_truncated ON audit_heads")
    else:
        op.execute("DROP TRIGGER audit_heads_stay")
        op.execute("DROP TRIGGER audit_events_not_replaced")
