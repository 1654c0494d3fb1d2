"""What clients give for a budget, checked. Each raises `InvalidInput` with the pointer of its field."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.errors import invalid
from core.models import Category
from core.rules.money import AmountError, is_currency, parse_amount
from core.rules.periods import PeriodError, PeriodKind, PeriodRule, default_anchor
from core.rules.thresholds import ThresholdError, normalise_thresholds


def checked_rule(
    kind: PeriodKind, every: int, anchor: date | None, ends_on: date | None, today: date
) -> PeriodRule:
    """The rule of a period; without an anchor it is the calendar's."""
    try:
        return PeriodRule(kind, every, anchor or default_anchor(kind, today), ends_on)
    except PeriodError as error:
        raise invalid(f"/period/{error.field}", error.detail) from error


def changed_rule(rule: PeriodRule, given: Mapping[str, Any], today: date) -> PeriodRule:
    """The rule with the given fields; another kind begins with its defaults."""
    kind = given.get("kind", rule.kind)
    is_same_kind = kind == rule.kind
    every = given.get("every", rule.every if is_same_kind else 1)
    anchor = given.get("anchor", rule.anchor if is_same_kind else None)
    ends_on = given.get("ends_on", rule.ends_on if is_same_kind else None)
    return checked_rule(kind, every, anchor, ends_on, today)


def period_columns(rule: PeriodRule) -> dict[str, Any]:
    return {
        "period_kind": rule.kind,
        "period_every": rule.every,
        "period_anchor": rule.anchor,
        "period_ends_on": rule.ends_on,
    }


def checked_thresholds(thresholds: Sequence[int]) -> list[int]:
    try:
        return list(normalise_thresholds(thresholds))
    except ThresholdError as error:
        raise invalid("/thresholds", str(error)) from error


def checked_currency(code: str) -> str:
    if not is_currency(code):
        raise invalid("/currency", "not an active ISO 4217 currency code")
    return code


def checked_amount(text: str, currency: str) -> int:
    """The amount in minor units."""
    try:
        amount = parse_amount(text, currency)
    except AmountError as error:
        raise invalid("/amount", str(error)) from error
    if amount < 0:
        raise invalid("/amount", "must not be negative")
    return amount


def checked_categories(session: Session, user_id: UUID, category_ids: Sequence[UUID]) -> list[UUID]:
    """The categories, each once; all of them are the user's."""
    wanted = list(dict.fromkeys(category_ids))
    known = set(
        session.scalars(select(Category.id).where(Category.user_id == user_id, Category.id.in_(wanted)))
    )
    for position, category_id in enumerate(category_ids):
        if category_id not in known:
            raise invalid(f"/category_ids/{position}", "no such category")
    return wanted
