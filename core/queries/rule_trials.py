"""Trying rules on old expenses: what they would change, without changing it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from msgspec import structs

from core.database import Reader
from core.models.expenses import MIRROR
from core.queries.expense_rules import outcome_of
from core.queries.expenses import ExpenseFilter, ExpenseRecord, Sort, list_expenses, sort_value
from core.rules.expense_rules import Labels, Rule

MAX_SHOWN = 50
"""Changes in an answer: enough to see whether a rule does what is meant."""

NEWEST_FIRST: Sort = "-spent_on"

PAGE = 1_000
"""Always the same, as each length of page is a statement of its own."""


@dataclass(frozen=True, slots=True)
class Change:
    expense: ExpenseRecord
    after: Labels


@dataclass(frozen=True, slots=True)
class Trial:
    """How many expenses were looked at, matched a rule and would change, and the newest of these."""

    examined: int
    matched: int
    changed: int
    changes: tuple[Change, ...]


def try_rules(
    session: Reader,
    *,
    user_id: UUID,
    rules: Sequence[Rule],
    filters: ExpenseFilter,
    limit: int,
    ignores_categories: bool,
) -> Trial:
    """What the rules would make of the newest of the user's expenses, of `limit` at most.

    Mirrors of group expenses are passed over, as rules never touch them. With `ignores_categories` expenses
    are taken as if they had come without one, which tells what else the rules would have put them under.
    """
    examined = matched = changed = 0
    changes: list[Change] = []
    for record in _newest(session, user_id, filters, limit):
        if record.source == MIRROR:
            continue
        examined += 1
        given = structs.replace(record, category_id=None) if ignores_categories else record
        outcome = outcome_of(rules, given)
        matched += outcome.has_matched
        after = outcome.labels
        if after.category_id is None and ignores_categories:
            # What no rule has put anywhere stays where it is.
            after = Labels(category_id=record.category_id, payee=after.payee, tags=after.tags)
        if after != Labels(category_id=record.category_id, payee=record.payee, tags=record.tags):
            changed += 1
            if len(changes) < MAX_SHOWN:
                changes.append(Change(record, after))
    return Trial(examined, matched, changed, tuple(changes))


def _newest(session: Reader, user_id: UUID, filters: ExpenseFilter, limit: int) -> Iterator[ExpenseRecord]:
    after: tuple[Any, UUID] | None = None
    left = limit
    while left > 0:
        page = list_expenses(
            session, user_id=user_id, filters=filters, sort=NEWEST_FIRST, after=after, limit=PAGE
        )
        yield from page[:left]
        if len(page) < PAGE:
            return
        left -= len(page)
        after = (sort_value(page[-1], NEWEST_FIRST), page[-1].id)
