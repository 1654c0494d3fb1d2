"""Moving everything in one category to another, in a few statements however much it is."""

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec.structs import replace
from sqlalchemy import Table, and_, delete, insert, literal, or_, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from core import clock
from core.errors import Conflict
from core.models import (
    Budget,
    BudgetCategory,
    Category,
    DailyConversion,
    DailySpending,
    Expense,
    ExpenseLine,
    ExpenseRule,
    table_of,
)
from core.queries.categories import CATEGORIES
from core.queries.recurring_expenses import RECURRING, kept_line, list_recurring
from core.services.dialects import insert_into
from core.services.spending import ask_for_evaluation

EXPENSES = table_of(Expense)
LINES = table_of(ExpenseLine)
TOTALS = table_of(DailySpending)
CONVERSIONS = table_of(DailyConversion)
BUDGETS = table_of(Budget)
RULES = table_of(ExpenseRule)
BUDGET_CATEGORIES = table_of(BudgetCategory)


def move_category_content(session: Session, *, category: Category, target: Category) -> None:
    """Put all that names the category under the target, and add its totals to the target's.

    The caller holds the category's row for update: what would be put into it waits until this is committed.
    The expenses are locked before the totals, as in every other write; so those cannot change meanwhile.

    Raises:
        Conflict: the sub-categories do not fit below the target, or a day's total would become too large.
    """
    user_id, now = category.user_id, clock.now()
    if session.get_bind().dialect.name == "postgresql":
        # A million expenses take longer than any other statement is allowed to.
        session.execute(text("SET LOCAL statement_timeout = 0"))
    _move_children(session, category, target, now)
    _move_expenses(session, user_id, category.id, target.id, now)
    for table in (TOTALS, CONVERSIONS):
        _add_totals(session, table, user_id, category.id, target.id)
    _move_budgets(session, user_id, category.id, target.id, now)
    _move_rules(session, user_id, category.id, target.id, now)
    _move_recurring(session, user_id, category.id, target.id, now)
    ask_for_evaluation(session, user_id=user_id)


def _move_children(session: Session, category: Category, target: Category, now: datetime) -> None:
    child, namesake = aliased(Category), aliased(Category)
    children = (child.user_id == category.user_id, child.parent_id == category.id)
    if session.scalar(select(child.id).where(*children).limit(1)) is None:
        return
    if target.parent_id is not None:
        raise Conflict("it has sub-categories, which cannot go below a sub-category: there are two levels")
    is_namesake = and_(
        namesake.user_id == child.user_id,
        namesake.parent_id == target.id,
        namesake.name_key == child.name_key,
    )
    taken = session.scalar(select(child.name).join(namesake, is_namesake).where(*children).limit(1))
    if taken is not None:
        raise Conflict(f"both categories have a sub-category '{taken}': rename or delete one of them first")
    session.execute(
        update(CATEGORIES)
        .where(CATEGORIES.c.user_id == category.user_id, CATEGORIES.c.parent_id == category.id)
        .values(parent_id=target.id, version=CATEGORIES.c.version + 1, updated_at=now)
    )


def _move_expenses(session: Session, user_id: UUID, source: UUID, target: UUID, now: datetime) -> None:
    """Those in the trash too. An expense with lines has no category of its own, so none is touched twice."""
    touched: dict[str, Any] = {"version": EXPENSES.c.version + 1, "updated_at": now}
    session.execute(
        update(EXPENSES)
        .where(EXPENSES.c.user_id == user_id, EXPENSES.c.category_id == source)
        .values(category_id=target, **touched)
    )
    is_own_line = (LINES.c.user_id == user_id, LINES.c.category_id == source)
    session.execute(
        update(EXPENSES)
        .where(
            EXPENSES.c.user_id == user_id, EXPENSES.c.id.in_(select(LINES.c.expense_id).where(*is_own_line))
        )
        .values(**touched)
    )
    session.execute(update(LINES).where(*is_own_line).values(category_id=target))


def _add_totals(session: Session, table: Table, user_id: UUID, source: UUID, target: UUID) -> None:
    sums = [column for column in table.c if not column.primary_key]
    moved = (
        select(
            *(literal(target, column.type) if column.name == "category_id" else column for column in table.c)
        )
        .where(
            table.c.user_id == user_id,
            table.c.category_id == source,
            or_(*(column != 0 for column in sums)),
        )
        # In key order, so that two transactions never wait for each other in a circle.
        .order_by(*(column for column in table.primary_key if column.name != "category_id"))
    )
    upsert = insert_into(session, table).from_select([column.name for column in table.c], moved)
    add = upsert.on_conflict_do_update(
        index_elements=[column.name for column in table.primary_key],
        set_={column.name: column + upsert.excluded[column.name] for column in sums},
    )
    try:
        session.execute(add)
    except IntegrityError as error:
        if "amount_in_range" in str(error.orig):
            raise Conflict("the two together would make a day's total larger than can be kept") from error
        raise


def _move_budgets(session: Session, user_id: UUID, source: UUID, target: UUID, now: datetime) -> None:
    counted = BUDGET_CATEGORIES.c
    is_source = (counted.user_id == user_id, counted.category_id == source)
    budgets = select(counted.budget_id).where(*is_source)
    session.execute(
        update(BUDGETS)
        .where(BUDGETS.c.user_id == user_id, BUDGETS.c.id.in_(budgets))
        .values(version=BUDGETS.c.version + 1, updated_at=now)
    )
    has_target = select(counted.budget_id).where(counted.user_id == user_id, counted.category_id == target)
    added = select(
        counted.user_id, counted.budget_id, literal(target, BUDGET_CATEGORIES.c.category_id.type)
    ).where(*is_source, counted.budget_id.not_in(has_target))
    session.execute(insert(BUDGET_CATEGORIES).from_select(["user_id", "budget_id", "category_id"], added))
    session.execute(delete(BUDGET_CATEGORIES).where(*is_source))


def _move_rules(session: Session, user_id: UUID, source: UUID, target: UUID, now: datetime) -> None:
    session.execute(
        update(RULES)
        .where(RULES.c.user_id == user_id, RULES.c.category_id == source)
        .values(category_id=target, version=RULES.c.version + 1, updated_at=now)
    )


def _move_recurring(session: Session, user_id: UUID, source: UUID, target: UUID, now: datetime) -> None:
    """What they have posted has moved with the expenses."""
    for record in list_recurring(session, user_id=user_id):
        if source not in record.category_ids:
            continue
        lines = [
            kept_line(replace(part, category_id=target) if part.category_id == source else part)
            for part in record.parts
        ]
        session.execute(
            update(RECURRING)
            .where(RECURRING.c.user_id == user_id, RECURRING.c.id == record.id)
            .values(
                category_id=target if record.category_id == source else record.category_id,
                lines=lines,
                version=record.version + 1,
                updated_at=now,
            )
        )
