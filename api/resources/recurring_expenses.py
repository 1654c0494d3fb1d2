from collections.abc import Callable
from datetime import date, timedelta
from uuid import UUID

from falcon.asgi import Request, Response
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from api.answers import Answer, created, expected_versions, no_content, ok
from api.collaborators import Collaborators
from api.openapi import endpoint
from api.pagination import cut_page, decode_cursor
from api.problems import InvalidParameter
from api.schemas.common import amount_text
from api.schemas.expenses import ExpenseOut
from api.schemas.recurring_expenses import (
    MAX_UPCOMING_DAYS,
    ConfirmIn,
    OccurrenceOut,
    OccurrencePage,
    OccurrenceQuery,
    RecurringIn,
    RecurringOut,
    RecurringPage,
    RecurringPatch,
    RecurringQuery,
    SkipIn,
    UpcomingOut,
    UpcomingPage,
    UpcomingQuery,
)
from core.database import Reader
from core.errors import FieldError
from core.queries.recurring_expenses import (
    RecurringRecord,
    awaiting_of,
    list_occurrences,
    list_recurring,
    load_recurring,
    upcoming,
)
from core.queries.users import local_today
from core.rules.periods import MAX_DAY, is_supported
from core.services import recurring_expenses, recurring_occurrences

TAG = "Recurring expenses"

USUAL_UPCOMING_DAYS = 30


class RecurringExpenses:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, query=RecurringQuery, answers={200: RecurringPage})
    async def on_get(self, req: Request, resp: Response) -> None:
        """List recurring expenses, the oldest first."""
        query: RecurringQuery = req.context.query
        user_id = req.context.principal.user_id
        position = decode_cursor(query.cursor, tuple[UUID])

        def page(rows: Connection) -> Answer:
            found = [
                record
                for record in list_recurring(rows, user_id=user_id)
                if position is None or record.id > position[0]
            ]
            shown, cursor = cut_page(found, limit=query.limit, position=lambda record: (record.id,))
            awaiting = awaiting_of(rows, shown)
            items = [RecurringOut.of(record, awaiting[record.id]) for record in shown]
            return ok(RecurringPage(items, cursor))

        (await self._transactions.read_rows(page)).send(resp)

    @endpoint(TAG, json=RecurringIn, answers={201: RecurringOut})
    async def on_post(self, req: Request, resp: Response) -> None:
        """Set up a recurring expense.

        Each occurrence is recorded as an ordinary expense, with the source `recurring`, when its day begins
        for the user. Those before today are not; today's is.
        """
        user_id = req.context.principal.user_id
        new = req.context.json.to_new(user_id)

        def set_up(session: Session) -> Answer:
            record = recurring_expenses.set_up_recurring(session, user_id=user_id, recurring=new)
            location = f"/v1/recurring-expenses/{record.id}"
            return created(RecurringOut.of(record), location=location, version=record.version)

        (await self._transactions.post(req, user_id, set_up)).send(resp)


class OneRecurringExpense:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, answers={200: RecurringOut})
    async def on_get(self, req: Request, resp: Response, recurring_id: UUID) -> None:
        """Read a recurring expense."""
        user_id = req.context.principal.user_id

        def read(rows: Connection) -> Answer:
            return _answer(rows, load_recurring(rows, user_id=user_id, recurring_id=recurring_id))

        (await self._transactions.read_rows(read)).send(resp)

    @endpoint(TAG, json=RecurringPatch, answers={200: RecurringOut})
    async def on_patch(self, req: Request, resp: Response, recurring_id: UUID) -> None:
        """Change a recurring expense from now on; what it has posted stays."""
        user_id = req.context.principal.user_id
        changes = req.context.json.to_changes()

        def change(session: Session) -> Answer:
            record = recurring_expenses.change_recurring(
                session,
                user_id=user_id,
                recurring_id=recurring_id,
                changes=changes,
                expected_versions=expected_versions(req),
            )
            return _answer(session, record)

        (await self._transactions.write(change)).send(resp)

    @endpoint(TAG, answers={204: None})
    async def on_delete(self, req: Request, resp: Response, recurring_id: UUID) -> None:
        """Delete a recurring expense; what it has posted stays."""
        user_id = req.context.principal.user_id
        await self._transactions.write(
            lambda session: recurring_expenses.delete_recurring(
                session, user_id=user_id, recurring_id=recurring_id, expected_versions=expected_versions(req)
            )
        )
        no_content().send(resp)


class RecurringPause:
    """Of pausing and resuming."""

    def __init__(self, collaborators: Collaborators, *, is_paused: bool) -> None:
        self._transactions = collaborators.transactions
        self._set: Callable[..., RecurringRecord] = (
            recurring_expenses.pause_recurring if is_paused else recurring_expenses.resume_recurring
        )

    @endpoint(TAG, answers={200: RecurringOut})
    async def on_post(self, req: Request, resp: Response, recurring_id: UUID) -> None:
        """Have a recurring expense post nothing for a while, or go on from today."""
        user_id = req.context.principal.user_id

        def pause(session: Session) -> Answer:
            return _answer(session, self._set(session, user_id=user_id, recurring_id=recurring_id))

        (await self._transactions.post(req, user_id, pause)).send(resp)


class RecurringSkip:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, json=SkipIn, answers={200: RecurringOut})
    async def on_post(self, req: Request, resp: Response, recurring_id: UUID) -> None:
        """Leave out one occurrence: the next one, or that of a day."""
        user_id = req.context.principal.user_id
        given: SkipIn = req.context.json

        def skip(session: Session) -> Answer:
            record = recurring_occurrences.skip_occurrence(
                session, user_id=user_id, recurring_id=recurring_id, due_on=given.due_on
            )
            return _answer(session, record)

        (await self._transactions.post(req, user_id, skip)).send(resp)


class RecurringConfirmation:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, json=ConfirmIn, answers={201: ExpenseOut})
    async def on_post(self, req: Request, resp: Response, recurring_id: UUID) -> None:
        """Say the amount of an occurrence that awaits it; its expense is dated on its day."""
        user_id = req.context.principal.user_id
        given: ConfirmIn = req.context.json

        def confirm(session: Session) -> Answer:
            expense = recurring_occurrences.confirm_occurrence(
                session,
                user_id=user_id,
                recurring_id=recurring_id,
                due_on=given.due_on,
                amount=amount_text(given.amount),
            )
            location = f"/v1/expenses/{expense.id}"
            return created(ExpenseOut.of(expense), location=location, version=expense.version)

        (await self._transactions.post(req, user_id, confirm)).send(resp)


class RecurringOccurrences:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, query=OccurrenceQuery, answers={200: OccurrencePage})
    async def on_get(self, req: Request, resp: Response, recurring_id: UUID) -> None:
        """List what became of a recurring expense's occurrences, the newest first."""
        query: OccurrenceQuery = req.context.query
        user_id = req.context.principal.user_id
        position = decode_cursor(query.cursor, tuple[date])

        def page(rows: Connection) -> Answer:
            found = list_occurrences(
                rows,
                user_id=user_id,
                recurring_id=recurring_id,
                state=query.state,
                before=None if position is None else position[0],
                limit=query.limit + 1,
            )
            shown, cursor = cut_page(found, limit=query.limit, position=lambda one: (one.due_on,))
            return ok(OccurrencePage([OccurrenceOut.of(one) for one in shown], cursor))

        (await self._transactions.read_rows(page)).send(resp)


class UpcomingExpenses:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, query=UpcomingQuery, answers={200: UpcomingPage})
    async def on_get(self, req: Request, resp: Response) -> None:
        """List what will fall due over all recurring expenses, by day; not what is paused."""
        query: UpcomingQuery = req.context.query
        user_id = req.context.principal.user_id
        after = decode_cursor(query.cursor, tuple[date, UUID])

        def page(rows: Connection) -> Answer:
            first, last = _days(query, local_today(rows, user_id=user_id))
            found = upcoming(
                rows, user_id=user_id, first=first, last=last, after=after, limit=query.limit + 1
            )
            shown, cursor = cut_page(
                found, limit=query.limit, position=lambda one: (one.due_on, one.recurring_id)
            )
            return ok(UpcomingPage([UpcomingOut.of(one) for one in shown], cursor))

        (await self._transactions.read_rows(page)).send(resp)


def _days(query: UpcomingQuery, today: date) -> tuple[date, date]:
    """Raises:
    InvalidParameter
    """
    first = query.from_day or today
    if not is_supported(first):
        raise InvalidParameter(FieldError("from", "is too far away"))
    last = query.to_day or min(first + timedelta(days=USUAL_UPCOMING_DAYS), MAX_DAY)
    if not first <= last <= first + timedelta(days=MAX_UPCOMING_DAYS) or last > MAX_DAY:
        raise InvalidParameter(FieldError("to", f"must be on from, or up to {MAX_UPCOMING_DAYS} days later"))
    return first, last


def _answer(reader: Reader, record: RecurringRecord) -> Answer:
    awaiting = awaiting_of(reader, [record])[record.id]
    return ok(RecurringOut.of(record, awaiting), version=record.version)
