"""reminders by schedule, invitations that have expired, results of checks.

SQLite cannot change a constraint: where one changes, the table is made anew.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "ALTER TABLE groups ADD COLUMN debt_reminder_days SMALLINT"
        " CONSTRAINT ck_groups_debt_reminder_days CHECK (debt_reminder_days BETWEEN 1 AND 90)"
    )
    op.create_index(
        "ix_groups_reminding",
        "groups",
        ["id"],
        unique=False,
        postgresql_where=sa.text("debt_reminder_days IS NOT NULL"),
        sqlite_where=sa.text("debt_reminder_days IS NOT NULL"),
    )
    _allow_states("pending", "accepted", "declined", "revoked", "expired")
    op.create_index("ix_group_invitations_expires_at", "group_invitations", ["expires_at"], unique=False)

    op.create_table(
        "invariant_checks",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("unproved", sa.Integer(), nullable=False),
        sa.Column("details", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_invariant_checks")),
    )


def downgrade() -> None:
    op.drop_table("invariant_checks")
    op.drop_index("ix_group_invitations_expires_at", table_name="group_invitations")
    # Before, expired ones stayed pending. A group has no other one that is pending of the same address.
    op.execute("UPDATE group_invitations SET state = 'pending' WHERE state = 'expired'")
    _allow_states("pending", "accepted", "declined", "revoked")
    op.drop_index("ix_groups_reminding", table_name="groups")
    op.drop_column("groups", "debt_reminder_days")


def _allow_states(*states: str) -> None:
    condition = f"state IN ({', '.join(repr(state) for state in states)})"
    if op.get_bind().dialect.name == "sqlite":
        _make_invitations_anew(condition)
        return
    op.drop_constraint(op.f("ck_group_invitations_state"), "group_invitations", type_="check")
    op.create_check_constraint(op.f("ck_group_invitations_state"), "group_invitations", condition)


def _make_invitations_anew(condition: str) -> None:
    columns: list[sa.Column[Any]] = [
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("email_key", sa.String(length=254), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=True),
        sa.Column("role", sa.String(length=10), nullable=False),
        sa.Column("acceptable_by", sa.String(length=10), nullable=False),
        sa.Column("invited_by", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("issue", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
    ]
    op.rename_table("group_invitations", "old_group_invitations")
    op.create_table(
        "group_invitations",
        *columns,
        sa.CheckConstraint(
            "acceptable_by IN ('address', 'link')", name=op.f("ck_group_invitations_acceptable_by")
        ),
        sa.CheckConstraint(
            "role IN ('viewer', 'member', 'admin', 'owner')", name=op.f("ck_group_invitations_role")
        ),
        sa.CheckConstraint(condition, name=op.f("ck_group_invitations_state")),
        *(
            sa.ForeignKeyConstraint(
                ["group_id", member],
                ["group_members.group_id", "group_members.id"],
                name=op.f(f"fk_group_invitations_group_id_{member}"),
                ondelete="CASCADE",
            )
            for member in ("invited_by", "member_id")
        ),
        sa.ForeignKeyConstraint(
            ["group_id"], ["groups.id"], name=op.f("fk_group_invitations_group_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("group_id", "id", name=op.f("pk_group_invitations")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_group_invitations_token_hash")),
    )
    names = ", ".join(column.name for column in columns)
    op.execute(f"INSERT INTO group_invitations ({names}) SELECT {names} FROM old_group_invitations")  # noqa: S608
    op.drop_table("old_group_invitations")
    op.create_index("ix_group_invitations_email_key", "group_invitations", ["email_key"], unique=False)
    op.create_index(
        "uq_group_invitations_pending",
        "group_invitations",
        ["group_id", "email_key"],
        unique=True,
        sqlite_where=sa.text("state = 'pending'"),
    )
