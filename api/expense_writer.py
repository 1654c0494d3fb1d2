"""POST /v1/expenses by group commit: what arrives during a commit shares the next one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from sqlalchemy.orm import Session

from api.answers import Answer, created
from api.audit import Entry
from api.group_commit import LONE_THREADS, GroupCommit, NotTogether, Outcomes
from api.idempotency import repeated, to_be_stored
from api.schemas.expenses import ExpenseOut
from api.transactions import Transactions
from core.database import Database
from core.errors import Conflict, OutlayError
from core.log_context import joined, on_behalf_of
from core.queries.expenses import ExpenseRecord
from core.services.audit import record_action
from core.services.expense_drafts import ExpenseInput
from core.services.expenses import record_each_expense
from core.services.idempotency import KeyedRequest, StoredAnswer, claim_keys, release_keys, store_answers
from core.tracing import requests_span

LOCK_WAIT_MS = 500
"""Others hold what a write needs for a commit's time, some 20 ms. Longer than this the other requests of the
transaction must not wait: each goes on in one of its own."""


CONNECTIONS = 1 + LONE_THREADS
"""One for the group commit's thread, and one for each that commits an item alone."""


@dataclass(frozen=True, slots=True)
class ExpenseToWrite:
    expense: ExpenseInput
    request: KeyedRequest | None
    entry: Entry | None = None
    request_ids: str | None = None
    """Of the HTTP request, for the logs of what follows from it."""


ExpenseWriter = GroupCommit[ExpenseToWrite, Answer]


def new_expense_writer(transactions: Transactions, database: Database) -> ExpenseWriter:
    """Over a database of its own, with `CONNECTIONS` and the `lock_timeout_ms` of `LOCK_WAIT_MS`."""

    def transact(
        items: Sequence[ExpenseToWrite], work: Callable[[Session], Outcomes[Answer]]
    ) -> Outcomes[Answer]:
        user_ids = {item.expense.user_id for item in items}
        return transactions.write_now(work, partial(database.transaction_as, user_ids))

    return GroupCommit(_write, transact)


def expense_created(record: ExpenseRecord) -> Answer:
    location = f"/v1/expenses/{record.id}"
    return created(ExpenseOut.of(record), location=location, version=record.version)


def _write(session: Session, items: Sequence[ExpenseToWrite]) -> Outcomes[Answer]:
    repeated_here = _repeated(items)
    requests = [item.request for item in items if item.request is not None and id(item) not in repeated_here]
    claims: dict[KeyedRequest | None, StoredAnswer | Conflict | None] = {None: None}
    if requests:
        claims |= zip(requests, claim_keys(session, requests), strict=True)
    fresh = [item for item in items if id(item) not in repeated_here and claims[item.request] is None]
    with on_behalf_of(_request_ids(fresh)), requests_span("record expenses", count=len(fresh)):
        recorded = record_each_expense(session, items=[item.expense for item in fresh])
        for item, outcome in zip(fresh, recorded, strict=True):
            if item.entry is not None and isinstance(outcome, ExpenseRecord):
                record_action(session, item.entry.action(outcome))
    answers: dict[int, Answer | OutlayError] = {
        id(item): expense_created(outcome) if isinstance(outcome, ExpenseRecord) else outcome
        for item, outcome in zip(fresh, recorded, strict=True)
    }
    _settle(session, [(item.request, answers[id(item)]) for item in fresh if item.request is not None])
    answers |= dict.fromkeys(
        repeated_here, NotTogether("the first request with this key has to be done before")
    )
    return [answers[id(item)] if id(item) in answers else _earlier(claims[item.request]) for item in items]


def _request_ids(items: Sequence[ExpenseToWrite]) -> dict[str, str | None]:
    """By the key of the jobs that follow, which is the user."""
    found: dict[str, str | None] = {}
    for item in items:
        key = str(item.expense.user_id)
        found[key] = joined((found[key], item.request_ids)) if key in found else item.request_ids
    return found


def _repeated(items: Sequence[ExpenseToWrite]) -> set[int]:
    """The items (by `id`) whose key another one of the batch had before."""
    seen: set[tuple[UUID, str]] = set()
    found: set[int] = set()
    for item in items:
        if item.request is not None:
            key = (item.request.owner_id, item.request.key)
            if key in seen:
                found.add(id(item))
            seen.add(key)
    return found


def _settle(session: Session, answers: Sequence[tuple[KeyedRequest, Answer | OutlayError]]) -> None:
    kept = [(request, to_be_stored(one)) for request, one in answers if isinstance(one, Answer)]
    given_up = [request for request, one in answers if not isinstance(one, Answer)]
    if kept:
        store_answers(session, kept)
    if given_up:
        release_keys(session, given_up)


def _earlier(claim: StoredAnswer | Conflict | None) -> Answer | OutlayError:
    if claim is None:
        raise AssertionError("a request that was claimed has an answer of its own")
    return claim if isinstance(claim, Conflict) else repeated(claim)
