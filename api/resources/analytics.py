from datetime import date
from uuid import UUID

from falcon.asgi import Request, Response
from sqlalchemy import Connection

from api.answers import Answer, ok
from api.collaborators import Collaborators
from api.openapi import endpoint
from api.problems import InvalidParameter
from api.schemas.analytics import (
    AdherenceOut,
    AdherencePage,
    AnomalyOut,
    AnomalyPage,
    BreakdownOut,
    BreakdownQuery,
    ForecastOut,
    ForecastQuery,
    RangeQuery,
    SubscriptionOut,
    SubscriptionPage,
    SummaryOut,
    SummaryQuery,
    TrendsOut,
    TrendsQuery,
)
from core.errors import FieldError
from core.queries.adherence import adherence
from core.queries.analytics import Home, break_down, load_home, summarise, with_sub_categories
from core.queries.insights import find_anomalies, find_subscriptions, forecast
from core.queries.spending_totals import Scope
from core.queries.trends import WINDOWS, trend, trend_start
from core.rules.money import is_currency

TAG = "Analytics"

MAX_RANGE_OF_ADHERENCE_DAYS = 400
"""A year and some weeks: a daily budget has as many periods, each with all of its figures."""


class SpendingSummary:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, query=SummaryQuery, answers={200: SummaryOut})
    async def on_get(self, req: Request, resp: Response) -> None:
        """Sum up what was spent in a range of days, beside the time before."""
        query: SummaryQuery = req.context.query
        user_id = req.context.principal.user_id

        def summary(rows: Connection) -> Answer:
            scope = scope_of(query, user_id, load_home(rows, user_id=user_id))
            days = (scope.first_day, scope.last_day)
            return ok(SummaryOut.of(summarise(rows, scope), days, scope.currency))

        # One state of the database: the parts must add up to the whole.
        (await self._transactions.read_snapshot(summary)).send(resp)


class SpendingBreakdown:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, query=BreakdownQuery, answers={200: BreakdownOut})
    async def on_get(self, req: Request, resp: Response) -> None:
        """Cut up what was spent in a range of days.

        Days, weeks and months without spending are left out; the key of each is its first day.
        """
        query: BreakdownQuery = req.context.query
        user_id = req.context.principal.user_id

        def breakdown(rows: Connection) -> Answer:
            scope = scope_of(query, user_id, load_home(rows, user_id=user_id))
            days = (scope.first_day, scope.last_day)
            return ok(BreakdownOut.of(break_down(rows, scope, query.by), days, scope.currency))

        (await self._transactions.read_snapshot(breakdown)).send(resp)


class Trends:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, query=TrendsQuery, answers={200: TrendsOut}, problems={404})
    async def on_get(self, req: Request, resp: Response) -> None:
        """Follow spending over time, up to the running interval, with its moving average."""
        query: TrendsQuery = req.context.query
        user_id = req.context.principal.user_id

        def trends(rows: Connection) -> Answer:
            home = load_home(rows, user_id=user_id)
            category_ids = None
            if query.category_id is not None:
                category_ids = with_sub_categories(rows, user_id=user_id, category_id=query.category_id)
            scope = Scope(
                user_id=user_id,
                first_day=trend_start(home.today, query.interval, query.periods),
                last_day=home.today,
                currency=currency_of(query.currency, home),
                category_ids=category_ids,
            )
            found = trend(rows, scope, interval=query.interval, periods=query.periods)
            return ok(TrendsOut.of(found, query.interval, WINDOWS[query.interval], scope.currency))

        (await self._transactions.read_snapshot(trends)).send(resp)


class BudgetAdherence:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, query=RangeQuery, answers={200: AdherencePage})
    async def on_get(self, req: Request, resp: Response) -> None:
        """Show how each budget was kept, period by period."""
        query: RangeQuery = req.context.query
        user_id = req.context.principal.user_id

        def kept(rows: Connection) -> Answer:
            today = load_home(rows, user_id=user_id).today
            first, last = _days(query, today)
            if (last - first).days >= MAX_RANGE_OF_ADHERENCE_DAYS:
                reason = f"the range may have {MAX_RANGE_OF_ADHERENCE_DAYS} days at most"
                raise InvalidParameter(FieldError("from", reason))
            found = adherence(rows, user_id=user_id, first_day=first, last_day=last, today=today)
            return ok(AdherencePage([AdherenceOut.of(one) for one in found]))

        (await self._transactions.read_snapshot(kept)).send(resp)


class MonthEnd:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, query=ForecastQuery, answers={200: ForecastOut})
    async def on_get(self, req: Request, resp: Response) -> None:
        """Forecast what the running month will have cost at its end.

        It counts what is spent, charges that come back before the month ends, and everyday spending by the
        pattern of the weekdays in the last twelve weeks at this month's pace.
        """
        query: ForecastQuery = req.context.query
        user_id = req.context.principal.user_id

        def month_end(rows: Connection) -> Answer:
            home = load_home(rows, user_id=user_id)
            currency = currency_of(query.currency, home)
            found = forecast(rows, user_id=user_id, currency=currency, today=home.today)
            return ok(ForecastOut.of(found, currency))

        (await self._transactions.read_snapshot(month_end)).send(resp)


class Anomalies:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, query=RangeQuery, answers={200: AnomalyPage})
    async def on_get(self, req: Request, resp: Response) -> None:
        """List expenses that are out of the ordinary for their category, the furthest out first."""
        query: RangeQuery = req.context.query
        user_id = req.context.principal.user_id

        def anomalies(rows: Connection) -> Answer:
            first, last = _days(query, load_home(rows, user_id=user_id).today)
            found = find_anomalies(rows, user_id=user_id, first_day=first, last_day=last)
            return ok(AnomalyPage([AnomalyOut.of(one) for one in found]))

        (await self._transactions.read_rows(anomalies)).send(resp)


class Subscriptions:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, answers={200: SubscriptionPage})
    async def on_get(self, req: Request, resp: Response) -> None:
        """List charges that come back: the same payee, a regular interval, a similar amount."""
        user_id = req.context.principal.user_id

        def subscriptions(rows: Connection) -> Answer:
            today = load_home(rows, user_id=user_id).today
            found = find_subscriptions(rows, user_id=user_id, today=today)
            return ok(SubscriptionPage([SubscriptionOut.of(one) for one in found]))

        (await self._transactions.read_rows(subscriptions)).send(resp)


def scope_of(query: SummaryQuery, user_id: UUID, home: Home) -> Scope:
    """What is asked for, with the user's own currency and the running month for what is left open.

    Raises:
        InvalidParameter
    """
    first, last = _days(query, home.today)
    return Scope(user_id=user_id, first_day=first, last_day=last, currency=currency_of(query.currency, home))


def _days(query: RangeQuery, today: date) -> tuple[date, date]:
    first, last = query.days(today)
    if last < first:
        raise InvalidParameter(FieldError("to", "must not be before `from`"))
    return first, last


def currency_of(given: str | None, home: Home) -> str:
    if given is not None and not is_currency(given):
        raise InvalidParameter(FieldError("currency", "not an active ISO 4217 currency code"))
    return given or home.currency
