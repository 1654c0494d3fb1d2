"""Creating, changing and deleting categories.

Every change to a user's categories holds the lock of the user's row. So what is checked here (two levels,
names unique among siblings, the most that a user may have) still holds when it is written.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from core import clock
from core.errors import Conflict, NotFound, invalid
from core.ids import new_id
from core.models import Category, DailyConversion, DailySpending
from core.queries.categories import CATEGORIES, find_category, load_category, users_of_category
from core.rules.texts import search_key
from core.services.category_moves import move_category_content
from core.services.changes import delete_for_good
from core.services.locks import lock_user
from core.services.report_upkeep import mark_stale
from core.services.spending import ask_for_evaluation
from core.services.versions import check_version

MAX_CATEGORIES = 500
"""More than anybody can choose from. A query that adds up a day of all of them stays within 64 bits, as
`MAX_DAILY_TOTAL_MINOR` bounds each."""

MAX_NAME_KEY_CHARACTERS = 200
"""The column's width: some letters become several when their case is folded (up to 18 for one ligature)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCategory:
    """A category to be created, on the top level or below one that is there."""

    name: str
    parent_id: UUID | None = None
    color: str | None = None
    icon: str | None = None


def create_category(session: Session, *, user_id: UUID, category: NewCategory) -> Category:
    """Create a category.

    Raises:
        InvalidInput: the name is empty or too long, or there is no such top-level parent.
        Conflict: the name is taken, or the user has `MAX_CATEGORIES`.
    """
    name, name_key = named(category.name)
    _lock_categories(session, user_id)
    count = session.scalar(select(func.count()).select_from(Category).where(Category.user_id == user_id))
    if (count or 0) >= MAX_CATEGORIES:
        raise Conflict(f"there are {MAX_CATEGORIES} categories already, which is the most")
    _check_parent(session, user_id, category.parent_id)
    _check_name(session, user_id, category.parent_id, name_key)
    now = clock.now()
    values = {
        "user_id": user_id,
        "id": new_id(),
        "parent_id": category.parent_id,
        "name": name,
        "name_key": name_key,
        "color": category.color,
        "icon": category.icon,
        "version": 1,
        "created_at": now,
        "updated_at": now,
    }
    session.execute(insert(CATEGORIES).values(values))
    return Category(**values)


def change_category(
    session: Session,
    *,
    user_id: UUID,
    category_id: UUID,
    changes: Mapping[str, Any],
    expected_versions: Set[int] | None = None,
) -> Category:
    """Change any of `name`, `parent_id`, `color` and `icon`; nothing new leaves the version as it is.

    Raises:
        NotFound, StaleVersion
        InvalidInput: the name is empty or too long, or there is no such top-level parent.
        Conflict: the name is taken, or it has sub-categories and so cannot become one.
    """
    _lock_categories(session, user_id)
    category = load_category(session, user_id=user_id, category_id=category_id)
    check_version(category.version, expected_versions)
    wanted = dict(changes)
    if "name" in wanted:
        wanted["name"], wanted["name_key"] = named(wanted["name"])
    news = {field: value for field, value in wanted.items() if value != getattr(category, field)}
    if not news:
        return category
    if "parent_id" in news:
        _check_new_parent(session, category, news["parent_id"])
        # A budget counts the sub-categories of its categories too.
        ask_for_evaluation(session, user_id=user_id)
    if {"parent_id", "name_key"} & news.keys():
        parent_id = news.get("parent_id", category.parent_id)
        _check_name(session, user_id, parent_id, news.get("name_key", category.name_key), but=category_id)
    session.execute(
        update(CATEGORIES)
        .where(CATEGORIES.c.user_id == user_id, CATEGORIES.c.id == category_id)
        .values(**news, version=category.version + 1, updated_at=clock.now())
    )
    if "name" in news:
        mark_stale(session, {user_id: None})
    session.refresh(category)
    return category


def delete_category(
    session: Session,
    *,
    user_id: UUID,
    category_id: UUID,
    move_to: UUID | None = None,
    expected_versions: Set[int] | None = None,
) -> None:
    """Delete a category; what is in it goes to the category `move_to`.

    Raises:
        NotFound, StaleVersion
        InvalidInput: with the pointer `/move_to`, it does not exist, is this one or a child of it.
        Conflict: it is used and `move_to` is not given, or its sub-categories do not fit there.
    """
    _lock_categories(session, user_id)
    category = load_category(session, user_id=user_id, category_id=category_id, for_update=True)
    check_version(category.version, expected_versions)
    target = None if move_to is None else _target(session, category, move_to)
    users = users_of_category(session, user_id=user_id, category_id=category_id)
    if users and target is None:
        raise Conflict(f"it is used by {', '.join(users)}: say with move_to which category they go to")
    if users and target is not None:
        move_category_content(session, category=category, target=target)
    # Its totals were added to the target's; what nothing uses has only totals that are zero.
    for totals in (DailySpending, DailyConversion):
        is_its_total = (totals.user_id == user_id, totals.category_id == category_id)
        session.execute(delete(totals).where(*is_its_total))
    delete_for_good(session, "category", [(user_id, category_id)])


def _target(session: Session, category: Category, move_to: UUID) -> Category:
    if move_to == category.id:
        raise invalid("/move_to", "is the category that is to be deleted")
    target = find_category(session, user_id=category.user_id, category_id=move_to)
    if target is None:
        raise invalid("/move_to", "no such category")
    if target.parent_id == category.id:
        raise invalid("/move_to", "is a sub-category of the one that is to be deleted")
    return target


def _lock_categories(session: Session, user_id: UUID) -> None:
    if lock_user(session, user_id=user_id) is None:
        raise NotFound("no such user")


def named(name: str) -> tuple[str, str]:
    """The name without blanks around it, and the form in which it must be unique."""
    trimmed = name.strip()
    key = search_key(trimmed)
    if not trimmed:
        raise invalid("/name", "needs a character that is not blank")
    if len(key) > MAX_NAME_KEY_CHARACTERS:
        raise invalid("/name", "has too many letters that stand for several")
    return trimmed, key


def _check_parent(session: Session, user_id: UUID, parent_id: UUID | None) -> None:
    if parent_id is None:
        return
    parent = find_category(session, user_id=user_id, category_id=parent_id)
    if parent is None:
        raise invalid("/parent_id", "no such category")
    if parent.parent_id is not None:
        raise invalid("/parent_id", "is a sub-category itself; there are two levels")


def _check_new_parent(session: Session, category: Category, parent_id: UUID | None) -> None:
    if parent_id == category.id:
        raise invalid("/parent_id", "is the category itself")
    _check_parent(session, category.user_id, parent_id)
    children = select(Category.id).where(
        Category.user_id == category.user_id, Category.parent_id == category.id
    )
    if parent_id is not None and session.scalar(children.limit(1)) is not None:
        raise Conflict("it has sub-categories, so it cannot become one: there are two levels")


def _check_name(
    session: Session, user_id: UUID, parent_id: UUID | None, name_key: str, *, but: UUID | None = None
) -> None:
    same = select(Category.name).where(
        Category.user_id == user_id, Category.parent_id.is_not_distinct_from(parent_id)
    )
    if but is not None:
        same = same.where(Category.id != but)
    taken = session.scalar(same.where(Category.name_key == name_key))
    if taken is not None:
        level = "on the top level" if parent_id is None else "below the same category"
        raise Conflict(f"there is a category '{taken}' {level} already")
