"""Where a budget becomes an alert."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from core import clock
from core.database import pipelined
from core.ids import new_id
from core.models import Alert, Budget, PaceAlert, table_of
from core.queries.alerts import open_alerts
from core.queries.budget_figures import BudgetBook, BudgetFigures, open_books
from core.queries.budgets import BudgetRecord, active_budgets
from core.rules.money import format_amount
from core.rules.periods import Period, PeriodRule, next_period, period_of, periods_between, start_instant
from core.rules.thresholds import is_crossed, percent_tenths
from core.services.locks import LockedUser, lock_users
from core.services.notifications import NewNotification, notify

MAX_STORED_MINOR = 2**63 - 1
"""What the columns hold. A year of the largest amounts on every day is beyond it."""

GRACE = timedelta(days=7)
"""How long after its end a period may still alert: people enter the last days' receipts when it is over."""

ALERTS = table_of(Alert)
PACE_ALERTS = table_of(PaceAlert)
BUDGETS = table_of(Budget)

# Built once: they run after every write, and building a statement costs more than running it.
RESOLVE = (
    update(ALERTS)
    .where(ALERTS.c.user_id == bindparam("owner"), ALERTS.c.id == bindparam("its_id"))
    .values(resolved_at=bindparam("at"))
)
OPEN = insert(ALERTS)
KNOWN_PACES = select(PACE_ALERTS.c.user_id, PACE_ALERTS.c.budget_id, PACE_ALERTS.c.period_start).where(
    PACE_ALERTS.c.user_id.in_(bindparam("user_ids", expanding=True)),
    PACE_ALERTS.c.budget_id.in_(bindparam("budget_ids", expanding=True)),
)
NOTE_PACE = insert(PACE_ALERTS)
PLAN_NEXT_PERIOD = (
    update(BUDGETS)
    .where(BUDGETS.c.user_id == bindparam("owner"), BUDGETS.c.id == bindparam("its_id"))
    .values(next_period_at=bindparam("next_at"))
)


@dataclass(frozen=True, slots=True)
class Occasion:
    """Why a user's budgets are evaluated.

    `touched_from` is the earliest day whose spending has changed since the last time; None: everything.
    `asked_at` is when the oldest of those changes was written. However late the evaluation runs, the periods
    that were running then still get their alerts.
    """

    touched_from: date | None
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class _Review:
    """A budget that is evaluated, and what bears on it.

    `alerts` are its open ones; `may_open` are the periods that may open further ones, and `periods` these and
    those of the open alerts.
    """

    budget: BudgetRecord
    timezone: str
    today: date
    alerts: list[Row[Any]]
    may_open: Sequence[Period]
    periods: Sequence[Period]


@dataclass(slots=True)
class _Verdict:
    """What an evaluation finds for a budget: alerts to be opened, and those that are over.

    `fast` is the running period if spending goes on too fast for its limit, and the user does not know yet.
    """

    budget: BudgetRecord
    crossed: list[tuple[BudgetFigures, int]] = field(default_factory=list)
    recovered: list[tuple[BudgetFigures, Row[Any]]] = field(default_factory=list)
    obsolete: list[Row[Any]] = field(default_factory=list)
    fast: BudgetFigures | None = None

    @property
    def over(self) -> list[Row[Any]]:
        return [*self.obsolete, *(alert for _, alert in self.recovered)]


def evaluate_budgets(session: Session, occasions: Mapping[UUID, Occasion]) -> None:
    """Open, resolve and announce the alerts of users' budgets; who was deleted meanwhile is passed over.

    It takes as few statements for a hundred users as for one, as far as their budgets count the same days.
    """
    users = lock_users(session, occasions)
    reviews, left_over = _reviews(session, users, occasions)
    verdicts = _judge_all(session, reviews)
    _pass_over_known_paces(session, verdicts)
    with pipelined(session):
        _resolve(session, [*left_over, *(alert for verdict in verdicts for alert in verdict.over)])
        _open(session, verdicts)
        _note_paces(session, verdicts)
        _plan_next_periods(session, reviews)
        notify(session, [told for verdict in verdicts for told in _messages(verdict)], users=users)


def _reviews(
    session: Session, users: Mapping[UUID, LockedUser], occasions: Mapping[UUID, Occasion]
) -> tuple[list[_Review], list[Row[Any]]]:
    """The users' budgets with what bears on them, and the open alerts of budgets that are not in use."""
    now = clock.now()
    alerts = _open_alerts(session, {user_id: occasions[user_id].touched_from for user_id in users})
    reviews = []
    for budget in active_budgets(session, user_ids=users):
        occasion, timezone = occasions[budget.user_id], users[budget.user_id].timezone
        today, asked_on = (clock.local_date(at, timezone) for at in (now, occasion.asked_at))
        may_open = [
            period
            for period in periods_between(budget.rule, max(asked_on - GRACE, budget.starts_on), today)
            if occasion.touched_from is None or period.end > occasion.touched_from
        ]
        own = alerts.pop((budget.user_id, budget.id), [])
        alerted = (period_of(budget.rule, alert.period_start) for alert in own)
        periods = dict.fromkeys([*may_open, *(period for period in alerted if period is not None)])
        reviews.append(_Review(budget, timezone, today, own, may_open, list(periods)))
    return reviews, [alert for of_budget in alerts.values() for alert in of_budget]


def _open_alerts(
    session: Session, touched: Mapping[UUID, date | None]
) -> dict[tuple[UUID, UUID], list[Row[Any]]]:
    """By user and budget the alerts that the changes may resolve: of periods ending after the user's day."""
    days = [day for day in touched.values() if day is not None]
    ending_after = min(days) if days and len(days) == len(touched) else None
    alerts: defaultdict[tuple[UUID, UUID], list[Row[Any]]] = defaultdict(list)
    for alert in open_alerts(session, user_ids=touched, ending_after=ending_after):
        day = touched[alert.user_id]
        if day is None or alert.period_end > day:
            alerts[alert.user_id, alert.budget_id].append(alert)
    return alerts


def _judge_all(session: Session, reviews: Sequence[_Review]) -> list[_Verdict]:
    counted = [review for review in reviews if review.periods]
    books = open_books(session, [(review.budget, review.periods) for review in counted])
    without = (_Verdict(review.budget, obsolete=review.alerts) for review in reviews if not review.periods)
    return [*(_judge(review, book) for review, book in zip(counted, books, strict=True)), *without]


def _judge(review: _Review, book: BudgetBook) -> _Verdict:
    """Which thresholds the budget has crossed, and which alerts are over."""
    budget, today = review.budget, review.today
    verdict = _Verdict(budget)
    figures = {period.start: book.figures(period, today) for period in review.periods}
    is_open = set()
    for alert in review.alerts:
        state = figures.get(alert.period_start)
        # The budget may have got other periods or thresholds since.
        if state is None or state.period.end != alert.period_end or alert.threshold not in budget.thresholds:
            verdict.obsolete.append(alert)
            continue
        is_open.add((alert.period_start, alert.threshold))
        if not _crosses(state, alert.threshold):
            verdict.recovered.append((state, alert))
    verdict.crossed = [
        (figures[period.start], threshold)
        for period in review.may_open
        for threshold in budget.thresholds
        if (period.start, threshold) not in is_open and _crosses(figures[period.start], threshold)
    ]
    running = next((state for state in figures.values() if today in state.period), None)
    if budget.has_pace_alert and running is not None and running.projected_minor > running.limit_minor:
        verdict.fast = running
    return verdict


def _crosses(state: BudgetFigures, threshold: int) -> bool:
    return is_crossed(state.spent_minor, state.limit_minor, threshold)


def _resolve(session: Session, alerts: Iterable[Row[*tuple[Any, ...]]]) -> None:
    now = clock.now()
    over = [{"owner": alert.user_id, "its_id": alert.id, "at": now} for alert in alerts]
    if over:
        session.execute(RESOLVE, over)


def _open(session: Session, verdicts: Iterable[_Verdict]) -> None:
    now = clock.now()
    rows = [
        {
            "user_id": verdict.budget.user_id,
            "id": new_id(),
            "budget_id": verdict.budget.id,
            "period_start": state.period.start,
            "period_end": state.period.end,
            "threshold": threshold,
            "spent_minor": _storable(state.spent_minor),
            "limit_minor": _storable(state.limit_minor),
            "currency": verdict.budget.currency,
            "created_at": now,
        }
        for verdict in verdicts
        for state, threshold in verdict.crossed
    ]
    if rows:
        session.execute(OPEN, rows)


def _storable(minor: int) -> int:
    """The figure as far as an alert can keep it."""
    return max(-MAX_STORED_MINOR, min(minor, MAX_STORED_MINOR))


def _pass_over_known_paces(session: Session, verdicts: Iterable[_Verdict]) -> None:
    """Once a period is enough to be told that spending goes on too fast."""
    fast = [(verdict, verdict.fast) for verdict in verdicts if verdict.fast is not None]
    if not fast:
        return
    parameters = {
        "user_ids": list({verdict.budget.user_id for verdict, _ in fast}),
        "budget_ids": [verdict.budget.id for verdict, _ in fast],
    }
    known = {tuple(row) for row in session.execute(KNOWN_PACES, parameters)}
    for verdict, state in fast:
        if (verdict.budget.user_id, verdict.budget.id, state.period.start) in known:
            verdict.fast = None


def _note_paces(session: Session, verdicts: Iterable[_Verdict]) -> None:
    now = clock.now()
    rows = [
        {
            "user_id": verdict.budget.user_id,
            "budget_id": verdict.budget.id,
            "period_start": verdict.fast.period.start,
            "created_at": now,
        }
        for verdict in verdicts
        if verdict.fast is not None
    ]
    if rows:
        session.execute(NOTE_PACE, rows)


def _messages(verdict: _Verdict) -> list[NewNotification]:
    """What the budget's user has to be told."""
    budget = verdict.budget
    told = [("budget.threshold", _data(budget, state, threshold)) for state, threshold in verdict.crossed]
    told += [
        ("budget.recovered", _data(budget, state, alert.threshold)) for state, alert in verdict.recovered
    ]
    if verdict.fast is not None:
        projected = format_amount(verdict.fast.projected_minor, budget.currency)
        told.append(("budget.projected", {**_data(budget, verdict.fast, None), "projected": projected}))
    return [NewNotification(budget.user_id, kind, data) for kind, data in told]


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


def _plan_next_periods(session: Session, reviews: Sequence[_Review]) -> None:
    """Note when each next period begins: it may begin above a threshold, by expenses dated ahead."""
    rows = []
    for review in reviews:
        budget = review.budget
        next_at = next_period_instant(budget, review.today, review.timezone)
        if next_at != budget.next_period_at:
            rows.append({"owner": budget.user_id, "its_id": budget.id, "next_at": next_at})
    if rows:
        session.execute(PLAN_NEXT_PERIOD, rows)


def next_period_instant(budget: BudgetRecord, today: date, timezone: str) -> datetime | None:
    """The instant at which the budget's next period begins for its user; None when there is none."""
    rule = budget.rule
    if rule.kind == "once" and today < rule.anchor:
        return start_instant(rule.anchor, timezone)
    period = period_of(rule, today)
    following = None if period is None else next_period(rule, period)
    return None if following is None else start_instant(following.start, timezone)


def forget_periods(session: Session, *, budget: BudgetRecord, rule: PeriodRule) -> None:
    """Take back, without a word, what was told of periods that the budget's new rule does not have.

    This cannot wait for the evaluation: a new period may begin on the same day as one of these, and then has
    alerts of its own.
    """

    def is_gone(start: date) -> bool:
        return period_of(rule, start) != period_of(budget.rule, start)

    own_alerts = (Alert.user_id == budget.user_id, Alert.budget_id == budget.id)
    alerts = session.execute(
        select(Alert.user_id, Alert.id, Alert.period_start).where(*own_alerts, Alert.resolved_at.is_(None))
    )
    _resolve(session, (alert for alert in alerts if is_gone(alert.period_start)))
    own_paces = (PaceAlert.user_id == budget.user_id, PaceAlert.budget_id == budget.id)
    starts = session.scalars(select(PaceAlert.period_start).where(*own_paces)).all()
    session.execute(
        delete(PaceAlert).where(*own_paces, PaceAlert.period_start.in_(list(filter(is_gone, starts))))
    )
