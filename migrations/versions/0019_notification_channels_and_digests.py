"""notification channels and digests.

Everybody who is there gets the channel of their own address, as a new account does.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "channels",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=True),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("kinds", JSON, nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("off_reason", sa.Text(), nullable=True),
        sa.Column("off_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("secret_issue", sa.Integer(), nullable=False),
        sa.Column("previous_secret_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('email', 'webhook', 'push')", name=op.f("ck_channels_kind")),
        sa.CheckConstraint("state IN ('active', 'off')", name=op.f("ck_channels_state")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_channels_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "id", name=op.f("pk_channels")),
    )
    op.create_table(
        "digest_runs",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("frequency", sa.String(length=10), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("period_end", sa.Date(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("figures", JSON, nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("built_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "frequency IN ('daily', 'weekly', 'monthly')", name=op.f("ck_digest_runs_frequency")
        ),
        sa.CheckConstraint(
            "state IN ('queued', 'sent', 'skipped', 'failed')", name=op.f("ck_digest_runs_state")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_digest_runs_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "id", name=op.f("pk_digest_runs")),
        sa.UniqueConstraint(
            "user_id", "frequency", "period_start", name=op.f("uq_digest_runs_user_id_frequency_period_start")
        ),
    )
    op.create_index("ix_digest_runs_created_at", "digest_runs", ["created_at"], unique=False)

    op.create_table(
        "notification_settings",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("choices", JSON, nullable=False),
        sa.Column("quiet_from", sa.SmallInteger(), nullable=True),
        sa.Column("quiet_to", sa.SmallInteger(), nullable=True),
        sa.Column("lets_exceeded_pass", sa.Boolean(), nullable=False),
        sa.Column("digest_frequency", sa.String(length=10), nullable=False),
        sa.Column("digest_hour", sa.SmallInteger(), nullable=False),
        sa.Column("digest_weekday", sa.SmallInteger(), nullable=False),
        sa.Column("digest_day", sa.SmallInteger(), nullable=False),
        sa.Column("has_empty_digests", sa.Boolean(), nullable=False),
        sa.Column("next_digest_on", sa.Date(), nullable=True),
        sa.Column("next_digest_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "digest_frequency IN ('off', 'daily', 'weekly', 'monthly')",
            name=op.f("ck_notification_settings_digest_frequency"),
        ),
        sa.CheckConstraint(
            "(quiet_from IS NULL) = (quiet_to IS NULL)", name=op.f("ck_notification_settings_quiet_hours")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_notification_settings_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_notification_settings")),
    )
    op.create_index(
        "ix_notification_settings_next_digest_at", "notification_settings", ["next_digest_at"], unique=False
    )

    op.create_table(
        "deliveries",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("available_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('pending', 'failed', 'sent', 'dead')", name=op.f("ck_deliveries_state")
        ),
        sa.ForeignKeyConstraint(
            ["user_id", "channel_id"],
            ["channels.user_id", "channels.id"],
            name=op.f("fk_deliveries_user_id_channel_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id", "seq"],
            ["notifications.user_id", "notifications.seq"],
            name=op.f("fk_deliveries_user_id_seq"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "id", name=op.f("pk_deliveries")),
    )
    op.create_index("ix_deliveries_created_at", "deliveries", ["created_at"], unique=False)
    op.create_index(
        "ix_deliveries_due",
        "deliveries",
        ["host", "available_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('pending', 'failed')"),
        sqlite_where=sa.text("state IN ('pending', 'failed')"),
    )
    op.create_index("uq_deliveries_channel_seq", "deliveries", ["user_id", "channel_id", "seq"], unique=True)

    op.add_column("users", sa.Column("muted_kinds", JSON, server_default=sa.text("'[]'"), nullable=False))
    _add_mail_channels()


def _add_mail_channels() -> None:
    users = sa.table("users", sa.column("id", sa.Uuid()), sa.column("created_at", sa.DateTime(timezone=True)))
    values = {
        "user_id": users.c.id,
        "id": users.c.id,
        "kind": sa.literal("email"),
        "url": sa.literal(""),
        "host": sa.literal(""),
        "kinds": sa.literal([], JSON),
        "state": sa.literal("active"),
        "secret_issue": sa.literal(0),
        "version": sa.literal(1),
        "created_at": users.c.created_at,
        "updated_at": users.c.created_at,
    }
    channels = sa.table("channels", *(sa.column(name, value.type) for name, value in values.items()))
    op.execute(sa.insert(channels).from_select(list(values), sa.select(*values.values())))


def downgrade() -> None:
    op.drop_column("users", "muted_kinds")
    for table in ("deliveries", "notification_settings", "digest_runs", "channels"):
        op.drop_table(table)
