"""Follow-up jobs: an outbox row asks for one by name, the Celery task of that name does it."""

EVALUATE_BUDGETS = "evaluate_budgets"
"""Key: user id. Payload: `{"from": ISO date | null}`, the earliest day touched (null: everything)."""

DELIVER_NOTIFICATIONS = "deliver_notifications"
"""Key: user id. Payload: `{"seq": int, "count": int}`, the first number to be published, and how many are."""

SEND_MAIL = "send_mail"
"""Key: user id, or whatever else the mail is about. Payload: `{"template": name, "mail_id": …}` and the ids
that the template needs; see `core/queries/mails.py`."""

SPLIT_GROUP_EXPENSE = "split_group_expense"
"""Key: `group id:expense id`. Payload: `{}`; what is to be posted is in the expense's row."""

BUILD_EXPORT = "build_export"
"""Key: user id. Payload: `{"export_id": …}`; what is wanted is in the export's row."""

READ_IMPORT = "read_import"
"""Key: `user id:import id`. Payload: `{}`; what to do is in the import's row. So with the next two."""

COMMIT_IMPORT = "commit_import"

UNDO_IMPORT = "undo_import"

BUILD_REPORT = "build_report"
"""Key: user id. Payload: `{"report_id": …}`; what it is about is in the report's row."""

BUILD_DIGEST = "build_digest"
"""Key: user id. Payload: `{"digest_id": …}`; which one it is is in its row of `digest_runs`."""

LONG_JOBS = (BUILD_DIGEST, BUILD_EXPORT, READ_IMPORT, COMMIT_IMPORT, UNDO_IMPORT, BUILD_REPORT)
"""Jobs that may take minutes, such as a file of a million expenses. They have a queue and workers of their
own (`python -m workers builder`), so that no alert waits for a file; see `workers/long_jobs.py`."""

SEND_DELIVERIES = "send_deliveries"
"""Not in the outbox: what is to be sent are the rows of `deliveries`. It has a queue and workers of its own
(`python -m workers courier`), so that nothing waits for somebody else's slow server."""

CLAIMED_JOBS = (SEND_DELIVERIES,)
"""Jobs whose rows are in tables of their own; they are woken for and swept as the others."""

OUTBOX_JOBS = (
    EVALUATE_BUDGETS,
    DELIVER_NOTIFICATIONS,
    SPLIT_GROUP_EXPENSE,
    SEND_MAIL,
    *LONG_JOBS,
)


class Tick:
    """Tasks that only beat asks for: no outbox row does, and each finds out by itself what is due."""

    START_BUDGET_PERIODS = "start_budget_periods"
    POST_RECURRING = "post_recurring"
    PURGE = "purge"
    CHECK_INVARIANTS = "check_invariants"
    NUDGE_SETTLEMENTS = "nudge_settlements"
    REMIND_DEBTORS = "remind_debtors"
    EXPIRE_INVITATIONS = "expire_invitations"
    FETCH_RATES = "fetch_rates"
    SWEEP_FILES = "sweep_files"
    REFRESH_REPORTS = "refresh_reports"
    STAGE_DIGESTS = "stage_digests"
    LOG_AUDIT_HEADS = "log_audit_heads"
