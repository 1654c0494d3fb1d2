"""From what a client says of an expense to what is stored: defaults filled in, everything checked."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from msgspec import structs
from sqlalchemy import bindparam, exists, select
from sqlalchemy.orm import Session

from core import clock
from core.errors import FieldError, InvalidInput, NotFound
from core.ids import new_id
from core.models import Category, ExpenseRule, User, table_of
from core.queries.expense_parts import Line
from core.queries.expense_rules import active_rules, outcome_of
from core.queries.expenses import ExpenseRecord
from core.rules.conversion import RateError, convert_parts, parse_rate
from core.rules.expense_rules import Rule
from core.rules.money import MAX_AMOUNT_MINOR, AmountError, format_amount, is_currency, parse_amount
from core.rules.periods import MAX_DAY, MIN_DAY, is_supported

# Built once: each write runs them, and building costs more than running.
USERS = table_of(User)
CATEGORIES = table_of(Category)
RULES = table_of(ExpenseRule)
OWNER = (
    USERS.c.id,
    USERS.c.currency,
    USERS.c.timezone,
    exists().where(RULES.c.user_id == USERS.c.id, RULES.c.is_active).label("has_rules"),
    CATEGORIES.c.id.label("category_id"),
)
OWNED = (
    select(*OWNER)
    .outerjoin(
        CATEGORIES,
        (CATEGORIES.c.user_id == USERS.c.id) & CATEGORIES.c.id.in_(bindparam("category_ids", expanding=True)),
    )
    .where(USERS.c.id.in_(bindparam("user_ids", expanding=True)))
)
"""The users, each with those of the categories that are theirs. Who has no rules needs no other query."""

OWNED_AT_ALL = (
    select(*OWNER)
    .outerjoin(CATEGORIES, CATEGORIES.c.user_id == USERS.c.id)
    .where(USERS.c.id.in_(bindparam("user_ids", expanding=True)))
)

MAX_ASKED = 1_000
"""Categories named in a statement, whose parameters are limited; where more are given, most do not exist."""


@dataclass(frozen=True, slots=True)
class LineInput:
    category_id: UUID | None
    amount: str
    note: str | None = None


@dataclass(frozen=True, slots=True)
class RateInput:
    """Units of a currency for one of the expense's, as written."""

    currency: str
    rate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpenseInput:
    """An expense as a client gives it: `amount` as written; None for what is left to the defaults."""

    user_id: UUID
    amount: str
    currency: str | None = None
    category_id: UUID | None = None
    spent_on: date | None = None
    payee: str | None = None
    note: str | None = None
    tags: tuple[str, ...] = ()
    lines: tuple[LineInput, ...] = ()
    source: str = "manual"
    exchange_rate: RateInput | None = None


@dataclass(frozen=True, slots=True)
class DraftContext:
    """What the drafts of a batch are checked against: each user's currency and time zone, and their
    categories as `(user id, category id)`."""

    now: datetime
    users: Mapping[UUID, tuple[str, str]]
    categories: Set[tuple[UUID, UUID]]
    rules: Mapping[UUID, Sequence[Rule]]


def draft_expenses(
    session: Session, inputs: Sequence[ExpenseInput], *, with_rules: bool
) -> list[ExpenseRecord | InvalidInput | NotFound]:
    """For each input the expense to be stored, or what is wrong with it; one query for all of them.

    New expenses go through their users' rules, for which those who have any cost a second query.
    """
    context = _context(session, inputs, with_rules)
    drafts: list[ExpenseRecord | InvalidInput | NotFound] = []
    for given in inputs:
        try:
            drafts.append(draft_expense(given, context))
        except (InvalidInput, NotFound) as error:
            drafts.append(error)
    return drafts


def _context(session: Session, inputs: Sequence[ExpenseInput], with_rules: bool) -> DraftContext:
    wanted = {one.category_id for one in inputs} | {line.category_id for one in inputs for line in one.lines}
    parameters: dict[str, Any] = {"user_ids": list({one.user_id for one in inputs})}
    if len(wanted) <= MAX_ASKED:
        parameters["category_ids"] = [category_id for category_id in wanted if category_id is not None]
    rows = session.execute(OWNED if len(wanted) <= MAX_ASKED else OWNED_AT_ALL, parameters).all()
    ruled = {row.id for row in rows if row.has_rules} if with_rules else set()
    return DraftContext(
        clock.now(),
        {row.id: (row.currency, row.timezone) for row in rows},
        frozenset((row.id, row.category_id) for row in rows if row.category_id is not None),
        active_rules(session, user_ids=ruled) if ruled else {},
    )


def draft_expense(given: ExpenseInput, context: DraftContext) -> ExpenseRecord:
    user = context.users.get(given.user_id)
    if user is None:
        raise NotFound("no such user")
    currency = given.currency or user[0]
    spent_on = given.spent_on or clock.local_date(context.now, user[1])
    if not is_currency(currency):
        raise InvalidInput(FieldError("/currency", "not an active ISO 4217 currency code"))
    errors: list[FieldError] = []
    if not is_supported(spent_on):
        errors.append(FieldError("/spent_on", f"must be between {MIN_DAY} and {MAX_DAY}"))
    if given.category_id is not None and given.lines:
        errors.append(FieldError("/category_id", "an expense with lines has the categories of its lines"))
    elif given.category_id is not None and (given.user_id, given.category_id) not in context.categories:
        errors.append(FieldError("/category_id", "no such category"))
    amount = _amount(given.amount, currency, "/amount", errors)
    lines = _lines(given, currency, context, errors)
    if lines and not errors:
        missing = amount - sum(line.amount_minor for line in lines)
        if missing:
            reason = f"the lines miss the amount by {format_amount(missing, currency)} {currency}"
            errors.append(FieldError("/lines", reason))
    rate = None if given.exchange_rate is None else _rate(given.exchange_rate, amount, currency, errors)
    if errors:
        raise InvalidInput(*errors)
    record = ExpenseRecord(
        user_id=given.user_id,
        id=new_id(),
        amount_minor=amount,
        currency=currency,
        category_id=given.category_id,
        spent_on=spent_on,
        payee=given.payee,
        note=given.note,
        source=given.source,
        version=1,
        created_at=context.now,
        updated_at=context.now,
        rate_currency=None if given.exchange_rate is None else given.exchange_rate.currency,
        rate=rate,
        tags=tuple(dict.fromkeys(given.tags)),
        lines=lines,
    )
    rules = context.rules.get(given.user_id)
    return _ruled(record, rules) if rules else record


def _ruled(record: ExpenseRecord, rules: Sequence[Rule]) -> ExpenseRecord:
    labels = outcome_of(rules, record).labels
    return structs.replace(record, category_id=labels.category_id, payee=labels.payee, tags=labels.tags)


def _rate(given: RateInput, amount: int, currency: str, errors: list[FieldError]) -> int:
    if not is_currency(given.currency) or given.currency == currency:
        errors.append(FieldError("/exchange_rate/currency", "must be another active ISO 4217 currency code"))
        return 0
    try:
        rate = parse_rate(given.rate)
    except RateError as error:
        errors.append(FieldError("/exchange_rate/rate", str(error)))
        return 0
    (converted,) = convert_parts([amount], currency, given.currency, rate)
    if abs(converted) > MAX_AMOUNT_MINOR:
        largest = format_amount(MAX_AMOUNT_MINOR, given.currency)
        errors.append(
            FieldError("/exchange_rate/rate", f"converts the amount to more than {largest} {given.currency}")
        )
    return rate


def _lines(
    given: ExpenseInput, currency: str, context: DraftContext, errors: list[FieldError]
) -> tuple[Line, ...]:
    lines = []
    for position, line in enumerate(given.lines):
        if line.category_id is not None and (given.user_id, line.category_id) not in context.categories:
            errors.append(FieldError(f"/lines/{position}/category_id", "no such category"))
        amount = _amount(line.amount, currency, f"/lines/{position}/amount", errors)
        lines.append(Line(line.category_id, amount, line.note))
    return tuple(lines)


def _amount(text: str, currency: str, pointer: str, errors: list[FieldError]) -> int:
    try:
        return parse_amount(text, currency)
    except AmountError as error:
        errors.append(FieldError(pointer, str(error)))
        return 0
