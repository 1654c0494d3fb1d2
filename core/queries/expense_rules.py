"""Reading a user's rules: to show them, and to apply them."""

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Text, bindparam, cast, select

from core.database import Reader
from core.errors import NotFound
from core.logging import get_logger
from core.models import ExpenseRule, table_of
from core.queries.expenses import ExpenseRecord
from core.rules.conditions import Condition, ConditionError, Facts, read_condition
from core.rules.expense_rules import Action, Outcome, Rule, apply_rules

MAX_KEPT_CONDITIONS = 2_000
"""Of all users, a few megabytes. Reading one takes ten times as long as finding out whether it holds."""

log = get_logger(__name__)


class RuleRecord(msgspec.Struct, frozen=True):
    """A rule as it is kept; `condition` is its document."""

    user_id: UUID
    id: UUID
    name: str
    position: int
    condition: dict[str, Any]
    category_id: UUID | None
    payee: str | None
    add_tags: list[str]
    is_active: bool
    version: int
    created_at: datetime
    updated_at: datetime


RULES = table_of(ExpenseRule)
COLUMNS = tuple(RULES.c[name] for name in RuleRecord.__struct_fields__)
# The position alone is unique but for the moment in which others make room.
LIST = select(*COLUMNS).where(RULES.c.user_id == bindparam("user_id")).order_by(RULES.c.position, RULES.c.id)
ONE = select(*COLUMNS).where(RULES.c.user_id == bindparam("user_id"), RULES.c.id == bindparam("rule_id"))
ACTIVE = (
    select(
        RULES.c.user_id,
        RULES.c.id,
        cast(RULES.c.condition, Text),
        RULES.c.category_id,
        RULES.c.payee,
        RULES.c.add_tags,
    )
    .where(RULES.c.user_id.in_(bindparam("user_ids", expanding=True)), RULES.c.is_active)
    .order_by(RULES.c.user_id, RULES.c.position, RULES.c.id)
)


def list_rules(session: Reader, *, user_id: UUID) -> list[RuleRecord]:
    """All of the user's rules in their order."""
    return [RuleRecord(*row) for row in session.execute(LIST, {"user_id": user_id})]


def load_rule(session: Reader, *, user_id: UUID, rule_id: UUID) -> RuleRecord:
    """The user's rule.

    Raises:
        NotFound
    """
    row = session.execute(ONE, {"user_id": user_id, "rule_id": rule_id}).first()
    if row is None:
        raise NotFound("no such rule")
    return RuleRecord(*row)


def active_rules(session: Reader, *, user_ids: Collection[UUID]) -> dict[UUID, list[Rule]]:
    """What applies to the users' new expenses, each one's rules in their order; who has none is missing."""
    found: dict[UUID, list[Rule]] = {}
    for user_id, rule_id, condition, *action in session.execute(ACTIVE, {"user_ids": list(user_ids)}):
        try:
            when = _condition(condition)
        except ConditionError as error:
            # It was right when it was written. Nobody shall be kept from recording expenses by it.
            log.warning("rule.unreadable", user_id=user_id, rule_id=rule_id, pointer=error.pointer)
            continue
        category_id, payee, add_tags = action
        then = Action(category_id=category_id, payee=payee, add_tags=tuple(add_tags))
        found.setdefault(user_id, []).append(Rule(when, then))
    return found


@lru_cache(MAX_KEPT_CONDITIONS)
def _condition(text: str) -> Condition:
    return read_condition(msgspec.json.decode(text))


def outcome_of(rules: Sequence[Rule], record: ExpenseRecord) -> Outcome:
    """What the rules make of the expense."""
    facts = Facts(
        payee=record.payee,
        note=record.note,
        amount_minor=record.amount_minor,
        currency=record.currency,
        source=record.source,
    )
    return apply_rules(
        rules, facts, category_id=record.category_id, tags=record.tags, has_lines=bool(record.lines)
    )
