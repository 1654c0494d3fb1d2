"""The categories that a new user starts with: enough for the first month, few enough to be read at once."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.orm import Session

from core.ids import new_id
from core.models import Category
from core.rules.texts import search_key


@dataclass(frozen=True, slots=True)
class _Default:
    name: str
    color: str
    icon: str
    children: tuple[tuple[str, str], ...] = ()


DEFAULTS = (
    _Default("Groceries", "#2e7d32", "shopping-basket"),
    _Default("Eating out", "#ef6c00", "utensils", (("Restaurants", "utensils"), ("Coffee", "coffee"))),
    _Default("Housing", "#5d4037", "home", (("Rent or mortgage", "key"), ("Repairs", "wrench"))),
    _Default("Utilities", "#00838f", "plug", (("Electricity", "zap"), ("Internet and phone", "wifi"))),
    _Default("Transport", "#1565c0", "car", (("Fuel", "fuel"), ("Public transport", "train"))),
    _Default("Health", "#c62828", "heart-pulse"),
    _Default("Insurance", "#37474f", "shield"),
    _Default("Household", "#8d6e63", "sofa"),
    _Default("Clothing", "#ad1457", "shirt"),
    _Default("Leisure", "#6a1b9a", "ticket"),
    _Default("Subscriptions", "#4527a0", "repeat"),
    _Default("Travel", "#0277bd", "plane"),
    _Default("Education", "#558b2f", "book-open"),
    _Default("Gifts and donations", "#d81b60", "gift"),
    _Default("Other", "#757575", "circle-help"),
)
"""Names are the user's to change; icons are names of the Lucide set, which clients may map to their own."""


def create_default_categories(session: Session, *, user_id: UUID, now: datetime) -> None:
    """Store the starting set of a user who has no categories yet."""
    parents, children = [], []
    for default in DEFAULTS:
        parent = _row(user_id, None, default.name, default.color, default.icon, now)
        parents.append(parent)
        children += [
            _row(user_id, parent["id"], name, default.color, icon, now) for name, icon in default.children
        ]
    # Parents first, as their children refer to them.
    session.execute(insert(Category), parents)
    session.execute(insert(Category), children)


def _row(
    user_id: UUID, parent_id: UUID | None, name: str, color: str, icon: str, now: datetime
) -> dict[str, Any]:
    return {
        "user_id": user_id,
        "id": new_id(),
        "parent_id": parent_id,
        "name": name,
        "name_key": search_key(name),
        "color": color,
        "icon": icon,
        "created_at": now,
        "updated_at": now,
    }
