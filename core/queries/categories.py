"""Reading categories: one, a page, and what uses one."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import exists, select, tuple_
from sqlalchemy.orm import Session

from core.errors import NotFound
from core.models import BudgetCategory, Category, Expense, ExpenseLine, ExpenseRule, table_of
from core.queries.recurring_expenses import list_recurring

CATEGORIES = table_of(Category)


def load_category(
    session: Session, *, user_id: UUID, category_id: UUID, for_update: bool = False
) -> Category:
    """The user's category; with `for_update` nothing can be put into it until the transaction ends.

    Raises:
        NotFound
    """
    category = find_category(session, user_id=user_id, category_id=category_id, for_update=for_update)
    if category is None:
        raise NotFound("no such category")
    return category


def find_category(
    session: Session, *, user_id: UUID, category_id: UUID, for_update: bool = False
) -> Category | None:
    """As `load_category`, but None where there is none."""
    query = select(Category).where(Category.user_id == user_id, Category.id == category_id)
    return session.scalar(query.with_for_update() if for_update else query)


def list_categories(
    session: Session, *, user_id: UUID, parent_id: UUID | None, after: tuple[str, UUID] | None, limit: int
) -> Sequence[Category]:
    """A page in the order of the names, beginning behind the `(name key, id)` of `after`."""
    query = select(Category).where(Category.user_id == user_id)
    if parent_id is not None:
        query = query.where(Category.parent_id == parent_id)
    if after is not None:
        query = query.where(tuple_(Category.name_key, Category.id) > after)
    return session.scalars(query.order_by(Category.name_key, Category.id).limit(limit)).all()


def categories_by_id(session: Session, *, user_id: UUID, category_ids: Sequence[UUID]) -> Sequence[Category]:
    """Those of the user's categories that are there, in whatever order."""
    if not category_ids:
        return []
    query = select(Category).where(Category.user_id == user_id, Category.id.in_(category_ids))
    return session.scalars(query).all()


def users_of_category(session: Session, *, user_id: UUID, category_id: UUID) -> list[str]:
    """What uses the category, in words; expenses in the trash count, as they may be restored."""
    questions = {
        "expenses": exists().where(Expense.user_id == user_id, Expense.category_id == category_id),
        "lines of expenses": exists().where(
            ExpenseLine.user_id == user_id, ExpenseLine.category_id == category_id
        ),
        "budgets": exists().where(
            BudgetCategory.user_id == user_id, BudgetCategory.category_id == category_id
        ),
        "rules": exists().where(ExpenseRule.user_id == user_id, ExpenseRule.category_id == category_id),
        "sub-categories": exists().where(Category.user_id == user_id, Category.parent_id == category_id),
    }
    answers = session.execute(select(*questions.values())).one()
    used = dict(zip(questions, answers, strict=True))
    # Their lines are within JSON, and few have any.
    used["recurring expenses"] = any(
        category_id in record.category_ids for record in list_recurring(session, user_id=user_id)
    )
    return [name for name, is_used in used.items() if is_used]
