"""a role for writing that reaches one user's rows, and what their groups need of others. On PostgreSQL.

The API's transactions become it, and nobody can log in as it. Roles belong to a whole server, so it stays
when a database goes.
"""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

ROLE = "outlay_writer"

OF_USERS = (
    "alerts", "api_keys", "attachments", "budget_amounts", "budget_categories", "budgets", "categories",
    "challenges", "change_feeds", "channels", "deletions", "deliveries", "digest_runs", "email_changes",
    "expense_rules", "exports", "identities", "import_mappings", "import_rows", "imported_records",
    "known_devices", "notification_settings", "pace_alerts", "passkeys", "recovery_codes",
    "recurring_expenses", "recurring_occurrences", "refresh_tokens", "second_factors", "sessions",
)  # fmt: skip

OF_BATCHES = (
    "daily_conversions", "daily_spending", "expense_lines", "expense_tags", "expenses", "idempotency_keys",
)  # fmt: skip
"""Of users too; a batch of expenses of many users has a statement for each row of these."""

OF_GROUPS = (
    "debt_reminders", "group_activity", "group_expenses", "group_invitations", "group_members",
    "group_shares", "pair_balances", "postings", "settlements",
)  # fmt: skip

OF_NOBODY = ("exchange_rates", "invariant_checks")
"""What everybody may read, and workers write."""

OF_FELLOWS = {
    # Who records or settles something tells the others, and gives them their next number under their lock.
    "users": ("SELECT", "UPDATE"),
    "notifications": ("INSERT",),
    # What the others were shown of their spending has to be built anew.
    "reports": ("SELECT", "UPDATE"),
    # Nobody can be removed from a group in the middle of an import into it.
    "imports": ("SELECT",),
}
"""What may be done with rows of whoever is or was in a group of the user's: who was removed is told so."""

OF_ONESELF = (
    "display_name", "timezone", "currency", "muted_kinds", "password_hash", "reset_asked_at",
    "verification_asked_at", "version", "updated_at",
)  # fmt: skip
"""What users change of their own row. Of fellows' the newest notification's number changes and no more."""

OF_A_REPORT = (
    "user_id", "id", "kind", "period_start", "currency", "state", "is_awaited", "figures", "sha256", "size",
    "bears_until", "ends_at", "created_at", "updated_at", "built_at",
)  # fmt: skip
"""What only its user changes of a report. Of a fellow's it is noted that it is stale."""

COMMANDS = ("SELECT", "INSERT", "UPDATE", "DELETE")
EVERYTHING = ", ".join(COMMANDS)
RIGHTS = {
    **dict.fromkeys(OF_NOBODY, "SELECT"),
    # To which `append_to_audit` adds.
    "audit_events": "SELECT",
    "audit_heads": "SELECT",
    "groups": "SELECT, UPDATE",
    "outbox": "SELECT, INSERT",
    "postings": "SELECT, INSERT",
    "users": f"SELECT, UPDATE ({', '.join((*OF_ONESELF, 'notification_seq'))})",
}
"""Of tables of which the role has not all."""

MAKE_ROLE = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'outlay_writer') THEN
        CREATE ROLE outlay_writer NOLOGIN;
        EXECUTE format('GRANT outlay_writer TO %I', current_user);
    ELSIF NOT pg_has_role(current_user, 'outlay_writer', 'MEMBER') THEN
        EXECUTE format('GRANT outlay_writer TO %I', current_user);
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN
        NULL; -- another database of this server is being migrated at the same moment
    WHEN insufficient_privilege THEN
        RAISE EXCEPTION '% may not make the role outlay_writer, or is no member of it',
            current_user USING HINT = 'have a superuser make it, and grant it to the user';
END $$
"""

FUNCTIONS = (
    """
    CREATE FUNCTION outlay_users() RETURNS uuid[] LANGUAGE sql STABLE
    AS $$ SELECT coalesce(nullif(current_setting('outlay.user_ids', true), ''), '{}')::uuid[] $$
    """,
    # The next two read the members past their policy, which asks the first of them. They are in PL/pgSQL as
    # that keeps plans. Who leaves a group reaches it until their transaction ends, which has more to write
    # there: the row is then of this very transaction, and of no savepoint, which has a number of its own.
    """
    CREATE FUNCTION outlay_groups_of_users() RETURNS uuid[] LANGUAGE plpgsql STABLE SECURITY DEFINER
    AS $$ BEGIN
        RETURN ARRAY(
            SELECT group_id FROM group_members
            WHERE user_id = ANY (outlay_users())
                AND (left_at IS NULL OR xmin = pg_current_xact_id_if_assigned()::xid)
        );
    END $$
    """,
    """
    CREATE FUNCTION outlay_fellows() RETURNS SETOF uuid LANGUAGE plpgsql STABLE SECURITY DEFINER
    AS $$ BEGIN
        RETURN QUERY
            SELECT fellow.user_id FROM group_members AS own JOIN group_members AS fellow USING (group_id)
            WHERE own.user_id = ANY (outlay_users()) AND fellow.user_id IS NOT NULL
                AND (own.left_at IS NULL OR own.xmin = pg_current_xact_id_if_assigned()::xid);
    END $$
    """,
)

KEEP_FELLOWS = (
    """
    CREATE FUNCTION refuse_change_of_fellow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'not of others' USING ERRCODE = 'insufficient_privilege';
    END $$
    """,
    f"""
    CREATE TRIGGER users_keep_fellows BEFORE UPDATE OF {", ".join(OF_ONESELF)} ON users FOR EACH ROW
        WHEN (current_user = '{ROLE}' AND NEW.id <> ALL (outlay_users()))
        EXECUTE FUNCTION refuse_change_of_fellow()
    """,
    f"""
    CREATE TRIGGER reports_keep_fellows BEFORE UPDATE OF {", ".join(OF_A_REPORT)} ON reports FOR EACH ROW
        WHEN (current_user = '{ROLE}' AND NEW.user_id <> ALL (outlay_users()))
        EXECUTE FUNCTION refuse_change_of_fellow()
    """,
)
"""Policies know rows and not columns."""

# Temporary tables, which anybody may make, come last: else they would stand for ours.
FIND_OUR_TABLES = """
DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['outlay_groups', 'outlay_groups_of_users', 'outlay_fellows'] LOOP
        EXECUTE format('ALTER FUNCTION %I SET search_path = %I, pg_temp', name, current_schema());
    END LOOP;
END $$
"""

IS_OWN = "{0} = ANY ((SELECT outlay_users())::uuid[])"
# To make an array of a batch's users takes five times as long as to look for one in the text. No id is found
# across two, as there is a comma between.
IS_OWN_OF_BATCH = "strpos((SELECT current_setting('outlay.user_ids', true)), {0}::text) > 0"
IS_OF_GROUP = "{0} = ANY ((SELECT outlay_groups_of_users())::uuid[])"
IS_OWN_OR_FELLOWS = IS_OWN + " OR {0} IN (SELECT outlay_fellows())"
IS_OWN_JOB = "key = ANY ((SELECT outlay_users())::text[])"
"""The jobs that the role sees. It may ask for any, such as what a fellow has to be told."""


def _conditions() -> dict[str, str]:
    """Of the rows of most tables. The subqueries are asked once a statement."""
    return {
        **dict.fromkeys((*OF_USERS, "audit_events", "audit_heads"), IS_OWN.format("user_id")),
        **dict.fromkeys(OF_BATCHES, IS_OWN_OF_BATCH.format("user_id")),
        **dict.fromkeys(OF_GROUPS, IS_OF_GROUP.format("group_id")),
        **dict.fromkeys(OF_NOBODY, "true"),
        "groups": IS_OF_GROUP.format("id"),
    }


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute(MAKE_ROLE)
    for statement in (*FUNCTIONS, FIND_OUR_TABLES, *KEEP_FELLOWS):
        op.execute(statement)
    for table, condition in _conditions().items():
        op.execute(f"CREATE POLICY {ROLE} ON {table} TO {ROLE} USING ({condition})")
        op.execute(f"GRANT {RIGHTS.get(table, EVERYTHING)} ON {table} TO {ROLE}")
    for table, of_fellows in OF_FELLOWS.items():
        for command in COMMANDS:
            # One policy a command, as of several PostgreSQL may ask for fellows before it asks for one's own.
            condition = IS_OWN_OR_FELLOWS if command in of_fellows else IS_OWN
            clause = "WITH CHECK" if command == "INSERT" else "USING"
            op.execute(
                f"CREATE POLICY {ROLE}_{command.lower()} ON {table} FOR {command} TO {ROLE} "
                f"{clause} ({condition.format('id' if table == 'users' else 'user_id')})"
            )
        op.execute(f"GRANT {RIGHTS.get(table, EVERYTHING)} ON {table} TO {ROLE}")
    op.execute(f"CREATE POLICY {ROLE} ON outbox TO {ROLE} USING ({IS_OWN_JOB}) WITH CHECK (true)")
    op.execute(f"GRANT {RIGHTS['outbox']} ON outbox TO {ROLE}")
    op.execute(f"GRANT USAGE ON SEQUENCE outbox_id_seq TO {ROLE}")
    op.execute(f"GRANT EXECUTE ON FUNCTION append_to_audit TO {ROLE}")
    op.execute(f"DO $$ BEGIN EXECUTE format('GRANT USAGE ON SCHEMA %I TO {ROLE}', current_schema()); END $$")


def downgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute(f"REVOKE EXECUTE ON FUNCTION append_to_audit FROM {ROLE}")
    op.execute(f"REVOKE USAGE ON SEQUENCE outbox_id_seq FROM {ROLE}")
    for table in OF_FELLOWS:
        op.execute(f"REVOKE {EVERYTHING} ON {table} FROM {ROLE}")
        for command in COMMANDS:
            op.execute(f"DROP POLICY {ROLE}_{command.lower()} ON {table}")
    for table in (*_conditions(), "outbox"):
        op.execute(f"REVOKE {EVERYTHING} ON {table} FROM {ROLE}")
        op.execute(f"DROP POLICY {ROLE} ON {table}")
    op.execute("DROP TRIGGER users_keep_fellows ON users")
    op.execute("DROP TRIGGER reports_keep_fellows ON reports")
    functions = ("refuse_change_of_fellow", "outlay_fellows", "outlay_groups_of_users", "outlay_users")
    for function in functions:
        op.execute(f"DROP FUNCTION {function}()")
