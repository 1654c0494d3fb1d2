"""Follow-up jobs: an outbox row asks for one by name, the Celery task of that name does it."""

EVALUATE_BUDGETS = "evaluate_budgets"
"""Key: user id. Payload: `{"from": ISO date | null}`, the earliest day touched (null: everything)."""

DELIVER_NOTIFICATIONS = "deliver_notifications"
"""Key: user id. Payload: `{"seq": int, "count": int}`, the first number to be published, and how many are."""

OUTBOX_JOBS = (EVALUATE_BUDGETS, DELIVER_NOTIFICATIONS)


class Tick:
    """Tasks that only beat asks for: no outbox row does, and each finds out by itself what is due."""

    START_BUDGET_PERIODS = "start_budget_periods"
    PURGE = "purge"
    CHECK_INVARIANTS = "check_invariants"
    NUDGE_SETTLEMENTS = "nudge_settlements"
