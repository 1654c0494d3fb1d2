"""ledger and settlements."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

POSTGRESQL = """
CREATE FUNCTION check_posting_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Postings come in pairs, at an even position and the next one: to look for the other one of each costs a
    -- long entry far less than to add all of it up again for each.
    IF NOT EXISTS (
        SELECT FROM postings
        WHERE group_id = NEW.group_id AND source_id = NEW.source_id AND entry = NEW.entry
            AND position = NEW.position # 1
            AND currency = NEW.currency AND amount_minor = -NEW.amount_minor
    ) THEN
        RAISE EXCEPTION 'the postings of entry % of % do not sum to zero', NEW.entry, NEW.source_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'postings_sum_to_zero', TABLE = 'postings';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER postings_sum_to_zero AFTER INSERT ON postings
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_posting_balance();

CREATE FUNCTION refuse_posting_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE'
        AND NOT EXISTS (SELECT FROM groups WHERE id = OLD.group_id AND deleted_at IS NULL)
    THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'postings are never changed'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'postings_append_only', TABLE = 'postings';
END $$;

CREATE TRIGGER postings_append_only BEFORE UPDATE OR DELETE ON postings
    FOR EACH ROW EXECUTE FUNCTION refuse_posting_change();
"""
"""What goes with its group may go, also bit by bit once the group is deleted: a large one is purged in many
transactions."""

SQLITE = (
    "CREATE TABLE unbalanced_postings_allowed (never INTEGER PRIMARY KEY)",
    """
    CREATE TABLE unbalanced_postings (
        group_id CHAR(32) NOT NULL,
        source_id CHAR(32) NOT NULL,
        entry INTEGER NOT NULL,
        currency VARCHAR(3) NOT NULL,
        amount_minor BIGINT NOT NULL,
        never INTEGER NOT NULL DEFAULT 1
            REFERENCES unbalanced_postings_allowed (never) DEFERRABLE INITIALLY DEFERRED,
        PRIMARY KEY (group_id, source_id, entry, currency)
    )
    """,
    """
    CREATE TRIGGER postings_sum_to_zero AFTER INSERT ON postings BEGIN
        INSERT INTO unbalanced_postings (group_id, source_id, entry, currency, amount_minor)
        VALUES (NEW.group_id, NEW.source_id, NEW.entry, NEW.currency, NEW.amount_minor)
        ON CONFLICT (group_id, source_id, entry, currency)
        DO UPDATE SET amount_minor = amount_minor + excluded.amount_minor;
        DELETE FROM unbalanced_postings
        WHERE group_id = NEW.group_id AND source_id = NEW.source_id AND entry = NEW.entry
            AND currency = NEW.currency AND amount_minor = 0;
    END
    """,
    """
    CREATE TRIGGER postings_never_updated BEFORE UPDATE ON postings BEGIN
        SELECT RAISE(ABORT, 'postings are never changed');
    END
    """,
    """
    CREATE TRIGGER postings_never_deleted BEFORE DELETE ON postings
    WHEN EXISTS (SELECT 1 FROM groups WHERE id = OLD.group_id AND deleted_at IS NULL) BEGIN
        SELECT RAISE(ABORT, 'postings are never changed');
    END
    """,
)
"""SQLite has no deferred triggers, but deferred foreign keys. What does not sum to zero leaves a row that
refers to what is not there, and with that the transaction cannot commit."""


def upgrade() -> None:
    op.create_table(
        "postings",
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("entry", sa.Integer(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("source_kind", sa.String(length=10), nullable=False),
        sa.Column("is_reversal", sa.Boolean(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("counterparty_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "source_kind IN ('expense', 'settlement', 'departure')", name=op.f("ck_postings_source_kind")
        ),
        sa.CheckConstraint(
            "amount_minor <> 0 AND member_id <> counterparty_id", name=op.f("ck_postings_is_movement")
        ),
        sa.ForeignKeyConstraint(
            ["group_id", "counterparty_id"],
            ["group_members.group_id", "group_members.id"],
            name=op.f("fk_postings_group_id_counterparty_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["group_id", "member_id"],
            ["group_members.group_id", "group_members.id"],
            name=op.f("fk_postings_group_id_member_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["group_id"], ["groups.id"], name=op.f("fk_postings_group_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("group_id", "source_id", "entry", "position", name=op.f("pk_postings")),
    )
    op.create_index(
        "ix_postings_member",
        "postings",
        ["group_id", "member_id", "currency", "created_at", "source_id", "entry"],
        unique=False,
    )
    op.create_table(
        "pair_balances",
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("counterparty_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "amount_minor BETWEEN -40000000000000000 AND 40000000000000000",
            name=op.f("ck_pair_balances_amount_in_range"),
        ),
        sa.ForeignKeyConstraint(
            ["group_id", "counterparty_id"],
            ["group_members.group_id", "group_members.id"],
            name=op.f("fk_pair_balances_group_id_counterparty_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["group_id", "member_id"],
            ["group_members.group_id", "group_members.id"],
            name=op.f("fk_pair_balances_group_id_member_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["group_id"], ["groups.id"], name=op.f("fk_pair_balances_group_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(
            "group_id", "member_id", "counterparty_id", "currency", name=op.f("pk_pair_balances")
        ),
    )
    op.create_table(
        "settlements",
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("from_member_id", sa.Uuid(), nullable=False),
        sa.Column("to_member_id", sa.Uuid(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("overpaid_minor", sa.BigInteger(), nullable=False),
        sa.Column("method", sa.String(length=40), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("paid_on", sa.Date(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.Column("entry_count", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("nudged_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('pending', 'confirmed', 'disputed', 'reversed')", name=op.f("ck_settlements_state")
        ),
        sa.CheckConstraint(
            "amount_minor > 0 AND from_member_id <> to_member_id", name=op.f("ck_settlements_is_payment")
        ),
        sa.ForeignKeyConstraint(
            ["group_id", "from_member_id"],
            ["group_members.group_id", "group_members.id"],
            name=op.f("fk_settlements_group_id_from_member_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["group_id", "recorded_by"],
            ["group_members.group_id", "group_members.id"],
            name=op.f("fk_settlements_group_id_recorded_by"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["group_id", "to_member_id"],
            ["group_members.group_id", "group_members.id"],
            name=op.f("fk_settlements_group_id_to_member_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["group_id"], ["groups.id"], name=op.f("fk_settlements_group_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("group_id", "id", name=op.f("pk_settlements")),
    )
    op.create_index(
        "ix_settlements_pending",
        "settlements",
        ["group_id", "created_at"],
        unique=False,
        postgresql_where=sa.text("state = 'pending'"),
        sqlite_where=sa.text("state = 'pending'"),
    )
    op.create_table(
        "debt_reminders",
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("from_member_id", sa.Uuid(), nullable=False),
        sa.Column("to_member_id", sa.Uuid(), nullable=False),
        sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id", "from_member_id"],
            ["group_members.group_id", "group_members.id"],
            name=op.f("fk_debt_reminders_group_id_from_member_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["group_id", "to_member_id"],
            ["group_members.group_id", "group_members.id"],
            name=op.f("fk_debt_reminders_group_id_to_member_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("group_id", "from_member_id", "to_member_id", name=op.f("pk_debt_reminders")),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(POSTGRESQL)
    else:
        for statement in SQLITE:
            op.execute(statement)


def downgrade() -> None:
    op.drop_table("debt_reminders")
    op.drop_table("settlements")
    op.drop_table("pair_balances")
    op.drop_table("postings")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_posting_change()")
        op.execute("DROP FUNCTION check_posting_balance()")
    else:
        op.execute("DROP TABLE unbalanced_postings")
        op.execute("DROP TABLE unbalanced_postings_allowed")
