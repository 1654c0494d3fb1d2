"""Reading what mirroring a group's shares needs: members' own expenses and categories."""

from collections.abc import Collection
from datetime import date
from uuid import UUID

from msgspec import structs
from sqlalchemy import bindparam, select

from core.database import Reader
from core.models import Category, DailySpending, table_of
from core.models.expenses import MIRROR
from core.queries.expenses import COLUMNS, EXPENSES, TAGS, ExpenseRecord
from core.rules.texts import search_key

CATEGORIES = table_of(Category)

# Both halves of the key, so that it is used; a member's mirror is nobody else's. What has come back from an
# archive under the id of a mirror that was deleted is none any more.
MIRRORS = (
    select(*COLUMNS, EXPENSES.c.tag_count)
    .where(
        EXPENSES.c.user_id.in_(bindparam("user_ids", expanding=True)),
        EXPENSES.c.id.in_(bindparam("expense_ids", expanding=True)),
        EXPENSES.c.source == MIRROR,
    )
    .order_by(EXPENSES.c.user_id, EXPENSES.c.id)
    .with_for_update()
)
TAGGED = (
    select(TAGS.c.expense_id, TAGS.c.tag)
    .where(
        TAGS.c.user_id.in_(bindparam("user_ids", expanding=True)),
        TAGS.c.expense_id.in_(bindparam("expense_ids", expanding=True)),
    )
    .order_by(TAGS.c.expense_id, TAGS.c.position)
)
NAMED = (
    select(CATEGORIES.c.user_id, CATEGORIES.c.name_key, CATEGORIES.c.id)
    .where(
        CATEGORIES.c.user_id.in_(bindparam("user_ids", expanding=True)),
        CATEGORIES.c.name_key.in_(bindparam("name_keys", expanding=True)),
    )
    # The top level last, so that it wins.
    .order_by(CATEGORIES.c.parent_id.is_(None), CATEGORIES.c.id.desc())
)


TOTALS = table_of(DailySpending)
TOTALS_OF = select(
    TOTALS.c.user_id, TOTALS.c.day, TOTALS.c.category_id, TOTALS.c.currency, TOTALS.c.amount_minor
).where(
    TOTALS.c.user_id.in_(bindparam("user_ids", expanding=True)),
    TOTALS.c.day.in_(bindparam("days", expanding=True)),
    TOTALS.c.currency.in_(bindparam("currencies", expanding=True)),
)

TotalKey = tuple[UUID, date, UUID, str]
"""Of a daily total: user, day, category, currency."""


def daily_totals(
    session: Reader, *, user_ids: Collection[UUID], days: Collection[date], currencies: Collection[str]
) -> dict[TotalKey, int]:
    """What the users have spent on these days, in minor units."""
    given = {"user_ids": list(user_ids), "days": list(days), "currencies": list(currencies)}
    if not user_ids:
        return {}
    return {tuple(row[:4]): row.amount_minor for row in session.execute(TOTALS_OF, given)}


def category_key(name: str | None) -> str:
    """What the names of a category have in common, however members and the group write it; "" is none."""
    return search_key(name.strip()) if name else ""


def load_mirrors(session: Reader, mirrors: Collection[tuple[UUID, UUID]]) -> dict[UUID, ExpenseRecord]:
    """Those of the mirrors `(user id, expense id)` that are still there, by id, locked; also in the trash."""
    if not mirrors:
        return {}
    user_ids, expense_ids = (list(set(ids)) for ids in zip(*mirrors, strict=True))
    rows = session.execute(MIRRORS, {"user_ids": user_ids, "expense_ids": expense_ids}).all()
    tags = _tags(session, user_ids, [row.id for row in rows if row.tag_count])
    return {row.id: structs.replace(ExpenseRecord(*row[:-1]), tags=tags.get(row.id, ())) for row in rows}


def _tags(session: Reader, user_ids: list[UUID], expense_ids: list[UUID]) -> dict[UUID, tuple[str, ...]]:
    """The tags of locked expenses, in the order in which their owners gave them."""
    if not expense_ids:
        return {}
    found: dict[UUID, tuple[str, ...]] = {}
    for expense_id, tag in session.execute(TAGGED, {"user_ids": user_ids, "expense_ids": expense_ids}):
        found[expense_id] = (*found.get(expense_id, ()), tag)
    return found


def categories_by_name(
    session: Reader, user_ids: Collection[UUID], name_keys: Collection[str]
) -> dict[tuple[UUID, str], UUID]:
    """The users' categories of these names (`category_key`), by user and name; the top level goes first."""
    if not name_keys:
        return {}
    rows = session.execute(NAMED, {"user_ids": list(user_ids), "name_keys": list(name_keys)})
    return {(row.user_id, row.name_key): row.id for row in rows}
