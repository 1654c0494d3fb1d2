"""a role for reading that sees one user's rows, and those of their groups. On PostgreSQL.

The role is none that can log in: the API's connections for reading become it, and nothing else can be done
with it. Roles belong to a whole server, so it stays when a database goes.
"""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

ROLE = "outlay_reader"

OF_USERS = (
    "alerts", "api_keys", "attachments", "audit_events", "audit_heads", "budget_amounts",
    "budget_categories", "budgets", "categories", "change_feeds", "channels", "daily_conversions",
    "daily_spending", "deletions", "deliveries", "digest_runs", "email_changes", "expense_lines",
    "expense_rules", "expense_tags", "expenses", "exports", "idempotency_keys", "identities",
    "import_mappings", "import_rows", "imported_records", "imports", "known_devices",
    "notification_settings", "notifications", "pace_alerts", "passkeys", "recovery_codes",
    "recurring_expenses", "recurring_occurrences", "refresh_tokens", "reports", "second_factors",
    "sessions",
)  # fmt: skip

OF_GROUPS = (
    "debt_reminders", "group_activity", "group_expenses", "group_invitations", "group_members",
    "group_shares", "pair_balances", "postings", "settlements",
)  # fmt: skip

OF_NOBODY = ("exchange_rates", "invariant_checks")
"""What everybody may read."""

NEVER = ("challenges", "outbox")
"""What nobody reads in somebody's name."""

MAKE_ROLE = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'outlay_reader') THEN
        CREATE ROLE outlay_reader NOLOGIN;
        EXECUTE format('GRANT outlay_reader TO %I', current_user);
    ELSIF NOT pg_has_role(current_user, 'outlay_reader', 'MEMBER') THEN
        EXECUTE format('GRANT outlay_reader TO %I', current_user);
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN
        NULL; -- another database of this server is being migrated at the same moment
    WHEN insufficient_privilege THEN
        RAISE EXCEPTION '% may not make the role outlay_reader, or is no member of it',
            current_user USING HINT = 'have a superuser make it, and grant it to the user';
END $$
"""

FUNCTIONS = (
    """
    CREATE FUNCTION outlay_user() RETURNS uuid LANGUAGE sql STABLE
    AS $$ SELECT nullif(current_setting('outlay.user_id', true), '')::uuid $$
    """,
    # It reads the members past their policy, which asks it.
    """
    CREATE FUNCTION outlay_groups() RETURNS uuid[] LANGUAGE sql STABLE
    SECURITY DEFINER SET search_path FROM CURRENT
    AS $$
        SELECT coalesce(array_agg(group_id), '{}') FROM group_members
        WHERE user_id = outlay_user() AND left_at IS NULL
    $$
    """,
)


# The subqueries are asked once a statement, not once a row.
def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute(MAKE_ROLE)
    for function in FUNCTIONS:
        op.execute(function)
    conditions = {
        **dict.fromkeys(OF_USERS, "user_id = (SELECT outlay_user())"),
        **dict.fromkeys(OF_GROUPS, "group_id = ANY ((SELECT outlay_groups())::uuid[])"),
        **dict.fromkeys(OF_NOBODY, "true"),
        **dict.fromkeys(NEVER, "false"),
        "users": "id = (SELECT outlay_user())",
        "groups": "id = ANY ((SELECT outlay_groups())::uuid[])",
    }
    for table, condition in conditions.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY {ROLE} ON {table} FOR SELECT TO {ROLE} USING ({condition})")
        op.execute(f"GRANT SELECT ON {table} TO {ROLE}")
    op.execute(f"DO $$ BEGIN EXECUTE format('GRANT USAGE ON SCHEMA %I TO {ROLE}', current_schema()); END $$")


def downgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for table in (*OF_USERS, *OF_GROUPS, *OF_NOBODY, *NEVER, "users", "groups"):
        op.execute(f"REVOKE SELECT ON {table} FROM {ROLE}")  # noqa: S608 - names of ours
        op.execute(f"DROP POLICY {ROLE} ON {table}")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    op.execute("DROP FUNCTION outlay_groups()")
    op.execute("DROP FUNCTION outlay_user()")
