"""Where a budget becomes an alert."""

from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from core import clock
from core.ids import new_id
from core.models import Alert, Budget, PaceAlert, table_of
from core.queries.alerts import open_alerts
from core.queries.budgets import BudgetFigures, BudgetRecord, list_budgets, open_book
from core.rules.money import format_amount
from core.rules.periods import Period, PeriodRule, next_period, period_of, periods_between, start_instant
from core.rules.thresholds import is_crossed, percent_tenths
from core.services.dialects import insert_into
from core.services.locks import lock_user
from core.services.notifications import notify

MAX_STORED_MINOR = 2**63 - 1
"""What the columns hold. A year of the largest amounts on every day is beyond it."""

GRACE = timedelta(days=7)
"""How long after its end a period may still alert: people enter the last days' receipts when it is over."""

ALERTS = table_of(Alert)
INSERT_ALERTS = insert(ALERTS)

Message = tuple[str, dict[str, Any]]


def evaluate_budgets(
    session: Session, *, user_id: UUID, touched_from: date | None, asked_at: datetime
) -> None:
    """Open, resolve and announce the alerts of a user's budgets.

    Args:
        touched_from: the earliest day whose spending has changed since the last time; None: everything.
        asked_at: when the oldest of those changes was written. However late this runs, the periods that were
            running then still get their alerts.
    """
    user = lock_user(session, user_id=user_id)
    if user is None:
        return  # the account was deleted meanwhile
    now = clock.now()
    today, asked_on = (clock.local_date(at, user.timezone) for at in (now, asked_at))
    alerts = open_alerts(session, user_id=user_id, ending_after=touched_from)
    budgets = list_budgets(session, user_id=user_id)
    messages: list[Message] = []
    for budget in budgets:
        own = [alert for alert in alerts if alert.budget_id == budget.id]
        may_open = [
            period
            for period in periods_between(budget.rule, max(asked_on - GRACE, budget.starts_on), today)
            if touched_from is None or period.end > touched_from
        ]
        messages += _evaluate(session, budget, own, may_open, today)
        _plan_next_period(session, budget, today, user.timezone)
    active = {budget.id for budget in budgets}
    _resolve(session, user_id, {alert.id for alert in alerts if alert.budget_id not in active})
    notify(session, user_id=user_id, messages=messages)


def forget_periods(session: Session, *, budget: BudgetRecord, rule: PeriodRule) -> None:
    """Take back, without a word, what was told of periods that the budget's new rule does not have.

    This cannot wait for the evaluation: a new period may begin on the same day as one of these, and then has
    alerts of its own.
    """

    def is_gone(start: date) -> bool:
        return period_of(rule, start) != period_of(budget.rule, start)

    own_alerts = (Alert.user_id == budget.user_id, Alert.budget_id == budget.id)
    alerts = session.execute(
        select(Alert.id, Alert.period_start).where(*own_alerts, Alert.resolved_at.is_(None))
    )
    _resolve(session, budget.user_id, [alert.id for alert in alerts if is_gone(alert.period_start)])
    own_paces = (PaceAlert.user_id == budget.user_id, PaceAlert.budget_id == budget.id)
    starts = session.scalars(select(PaceAlert.period_start).where(*own_paces)).all()
    session.execute(
        delete(PaceAlert).where(*own_paces, PaceAlert.period_start.in_(list(filter(is_gone, starts))))
    )


def _evaluate(
    session: Session, budget: BudgetRecord, alerts: list[Alert], may_open: list[Period], today: date
) -> list[Message]:
    """Settle one budget's alerts; answers what its user has to be told."""
    figures = _figures(session, budget, alerts, may_open, today)
    current = [alert for alert in alerts if _still_belongs(alert, budget, figures)]
    recovered = [alert for alert in current if not _crosses(figures[alert.period_start], alert.threshold)]
    obsolete = {alert.id for alert in alerts} - {alert.id for alert in current}
    _resolve(session, budget.user_id, {*obsolete, *(alert.id for alert in recovered)})
    is_open = {(alert.period_start, alert.threshold) for alert in current}
    crossed = [
        (figures[period.start], threshold)
        for period in may_open
        for threshold in budget.thresholds
        if (period.start, threshold) not in is_open and _crosses(figures[period.start], threshold)
    ]
    _open(session, budget, crossed)
    messages = [("budget.threshold", _data(budget, state, threshold)) for state, threshold in crossed]
    messages += [("budget.recovered", _data(budget, figures[a.period_start], a.threshold)) for a in recovered]
    return messages + _pace_messages(session, budget, figures, today)


def _figures(
    session: Session, budget: BudgetRecord, alerts: list[Alert], may_open: list[Period], today: date
) -> dict[date, BudgetFigures]:
    """The figures of the periods that may open an alert or have one open, by the period's start."""
    periods = {period.start: period for period in may_open}
    for alert in alerts:
        period = period_of(budget.rule, alert.period_start)
        if period is not None:
            periods[period.start] = period
    if not periods:
        return {}
    book = open_book(session, budget, list(periods.values()))
    return {start: book.figures(period, today) for start, period in periods.items()}


def _crosses(state: BudgetFigures, threshold: int) -> bool:
    return is_crossed(state.spent_minor, state.limit_minor, threshold)


def _still_belongs(alert: Alert, budget: BudgetRecord, figures: dict[date, BudgetFigures]) -> bool:
    """Whether the alert's period and threshold are still among the budget's, which may have been changed."""
    state = figures.get(alert.period_start)
    is_same_period = state is not None and state.period.end == alert.period_end
    return is_same_period and alert.threshold in budget.thresholds


def _open(session: Session, budget: BudgetRecord, crossed: list[tuple[BudgetFigures, int]]) -> None:
    now = clock.now()
    rows = [
        {
            "user_id": budget.user_id,
            "id": new_id(),
            "budget_id": budget.id,
            "period_start": state.period.start,
            "period_end": state.period.end,
            "threshold": threshold,
            "spent_minor": _storable(state.spent_minor),
            "limit_minor": _storable(state.limit_minor),
            "currency": budget.currency,
            "created_at": now,
        }
        for state, threshold in crossed
    ]
    if rows:
        session.execute(INSERT_ALERTS, rows)


def _storable(minor: int) -> int:
    """The figure as far as an alert can keep it."""
    return max(-MAX_STORED_MINOR, min(minor, MAX_STORED_MINOR))


def _resolve(session: Session, user_id: UUID, alert_ids: Collection[UUID]) -> None:
    if alert_ids:
        session.execute(
            update(Alert)
            .where(Alert.user_id == user_id, Alert.id.in_(alert_ids))
            .values(resolved_at=clock.now())
            .execution_options(synchronize_session=False)
        )


def _pace_messages(
    session: Session, budget: BudgetRecord, figures: dict[date, BudgetFigures], today: date
) -> list[Message]:
    """Once a period, that spending goes on too fast for the limit."""
    state = next((state for state in figures.values() if today in state.period), None)
    if state is None or not budget.has_pace_alert or state.projected_minor <= state.limit_minor:
        return []
    row = {"user_id": budget.user_id, "budget_id": budget.id, "period_start": state.period.start}
    is_first = session.execute(
        insert_into(session, PaceAlert)
        .values(**row, created_at=clock.now())
        .on_conflict_do_nothing()
        .returning(PaceAlert.period_start)
    ).first()
    projected = format_amount(state.projected_minor, budget.currency)
    data = {**_data(budget, state, None), "projected": projected}
    return [("budget.projected", data)] if is_first else []


def _data(budget: BudgetRecord, state: BudgetFigures, threshold: int | None) -> dict[str, Any]:
    tenths = percent_tenths(state.spent_minor, state.limit_minor)
    data = {
        "budget_id": str(budget.id),
        "budget_name": budget.name,
        "threshold": threshold,
        "percent": None if tenths is None else tenths / 10,
        "spent": format_amount(state.spent_minor, budget.currency),
        "limit": format_amount(state.limit_minor, budget.currency),
        "currency": budget.currency,
        "period_start": state.period.start.isoformat(),
        "period_end": state.period.end.isoformat(),
    }
    return data if threshold is not None else {k: v for k, v in data.items() if k != "threshold"}


def _plan_next_period(session: Session, budget: BudgetRecord, today: date, timezone: str) -> None:
    """Note when the next period begins: it may begin above a threshold, by expenses dated ahead."""
    next_at = next_period_instant(budget, today, timezone)
    if next_at != budget.next_period_at:
        session.execute(
            update(Budget)
            .where(Budget.user_id == budget.user_id, Budget.id == budget.id)
            .values(next_period_at=next_at)
            .execution_options(synchronize_session=False)
        )


def next_period_instant(budget: BudgetRecord, today: date, timezone: str) -> datetime | None:
    """The instant at which the budget's next period begins for its user; None when there is none."""
    rule = budget.rule
    if rule.kind == "once" and today < rule.anchor:
        return start_instant(rule.anchor, timezone)
    period = period_of(rule, today)
    following = None if period is None else next_period(rule, period)
    return None if following is None else start_instant(following.start, timezone)
