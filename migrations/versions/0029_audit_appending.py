"""PostgreSQL appends to the audit trail by itself, in one statement for all events of a transaction."""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

# As `link_hash` of core/rules/audit_chain.py has it. Users in the order of their ids, so that two
# transactions never wait for each other in a circle.
APPEND = r"""
CREATE FUNCTION append_to_audit(events json, at timestamptz) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER AS $$
DECLARE
    head audit_heads;
    event record;
    whose text;
    at_us text := (extract(epoch FROM at) * 1000000)::bigint;
BEGIN
    FOR event IN
        SELECT given.* FROM ROWS FROM (json_to_recordset(events) AS (
            user_id uuid, actor_id uuid, action text, object_id uuid, details text
        )) WITH ORDINALITY AS given(user_id, actor_id, action, object_id, details, place)
        ORDER BY given.user_id, given.place
    LOOP
        IF head.user_id IS DISTINCT FROM event.user_id THEN
            -- It stands above the policies of migration 0030, so it keeps to them by itself.
            IF current_setting('role') = 'outlay_writer'
                AND strpos(current_setting('outlay.user_ids'), event.user_id::text) = 0 THEN
                RAISE insufficient_privilege USING MESSAGE = 'the trail of another';
            END IF;
            UPDATE audit_heads SET seq = head.seq, at = append_to_audit.at, hash = head.hash
                WHERE user_id = head.user_id;
            INSERT INTO audit_heads (user_id, seq, at, hash)
                SELECT event.user_id, 0, append_to_audit.at, decode(repeat('00', 32), 'hex')
                WHERE NOT EXISTS (SELECT FROM audit_heads WHERE user_id = event.user_id)
                ON CONFLICT DO NOTHING;
            SELECT * INTO head FROM audit_heads WHERE user_id = event.user_id FOR UPDATE;
            IF NOT FOUND THEN
                RAISE foreign_key_violation USING MESSAGE = 'the account was deleted meanwhile';
            END IF;
            whose := replace(event.user_id::text, '-', '');
        END IF;
        head.seq := head.seq + 1;
        head.hash := sha256(convert_to(concat_ws(E'\n',
            encode(head.hash, 'hex'), whose, head.seq, at_us,
            coalesce(replace(event.actor_id::text, '-', ''), ''), event.action,
            coalesce(replace(event.object_id::text, '-', ''), ''), event.details
        ), 'UTF8'));
        INSERT INTO audit_events (user_id, seq, at, actor_id, action, object_id, details, hash)
            VALUES (
                event.user_id, head.seq, append_to_audit.at, event.actor_id, event.action,
                event.object_id, event.details, head.hash
            );
    END LOOP;
    UPDATE audit_heads SET seq = head.seq, at = append_to_audit.at, hash = head.hash
        WHERE user_id = head.user_id;
END $$
"""


# Temporary tables, which anybody may make, come last: else they would stand for ours.
FIND_OUR_TABLES = """
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION append_to_audit SET search_path = %I, pg_temp', current_schema());
END $$
"""


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(APPEND)
        op.execute(FIND_OUR_TABLES)
        # It writes for whoever may call it.
        op.execute("REVOKE ALL ON FUNCTION append_to_audit FROM PUBLIC")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION append_to_audit")
