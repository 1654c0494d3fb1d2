"""Creating, changing and deleting groups."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from core import clock
from core.errors import Conflict, InvalidInput, NotFound, invalid
from core.ids import new_id
from core.queries.groups import GROUPS, MEMBERS, GroupLock, GroupScope, count_groups, open_group
from core.queries.users import load_user
from core.rules.money import is_currency
from core.services.group_activity import note_activity
from core.services.group_departures import check_may_end
from core.services.group_splits import resolve, with_everybody
from core.services.locks import lock_user
from core.services.versions import check_version

MAX_GROUPS = 200
"""That a user is in: a page of the list shows them all, and `GET /debts` adds up all of them."""

SAMPLE_MINOR = 10_000
"""A default split is tried on this: whether it divides an amount does not depend on which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewGroup:
    """A group as a client gives it; without a currency it is in the user's own."""

    name: str
    currency: str | None
    simplify_debts: bool
    default_split: Mapping[str, Any]
    default_category: str | None
    settlement_days: int
    debt_reminder_days: int | None = None


def create_group(session: Session, *, user_id: UUID, group: NewGroup) -> GroupScope:
    """Create a group whose only member is the user, as its owner.

    Raises:
        InvalidInput
        Conflict: the user is in `MAX_GROUPS` already.
    """
    user = lock_user(session, user_id=user_id)
    if user is None:
        raise NotFound("no such user")
    check_group_count(session, user_id)
    now, group_id, member_id = clock.now(), new_id(), new_id()
    stamps = {"version": 1, "created_at": now, "updated_at": now}
    given = {
        "name": group.name,
        "currency": group.currency or user.currency,
        "default_split": group.default_split,
        "default_category": group.default_category,
    }
    row = {
        "id": group_id,
        "simplify_debts": group.simplify_debts,
        "settlement_days": group.settlement_days,
        "debt_reminder_days": group.debt_reminder_days,
        **_checked(given, present=[member_id]),
        **stamps,
    }
    session.execute(insert(GROUPS), row)
    member = {
        "group_id": group_id,
        "id": member_id,
        "user_id": user_id,
        "display_name": load_user(session, user_id=user_id).display_name,
        "role": "owner",
        "mirrors_expenses": True,
        **stamps,
    }
    session.execute(insert(MEMBERS), member)
    data = {"name": row["name"]}
    note_activity(session, group_id=group_id, actor_id=member_id, kind="group.created", data=data)
    return open_group(session, user_id=user_id, group_id=group_id)


def change_group(
    session: Session,
    *,
    user_id: UUID,
    group_id: UUID,
    changes: Mapping[str, Any],
    expected_versions: Set[int] | None = None,
) -> GroupScope:
    """Change any of a group's own fields; nothing new leaves the version as it is.

    Raises:
        NotFound, Forbidden, StaleVersion, InvalidInput
    """
    # Nobody joins or leaves meanwhile, as a default split names only who is there.
    scope = open_group(session, user_id=user_id, group_id=group_id, least="admin", lock=GroupLock.LEDGER)
    group = scope.group
    check_version(group.version, expected_versions)
    wanted = _checked(changes, present=[member.id for member in scope.present_members()])
    news = {name: value for name, value in wanted.items() if value != getattr(group, name)}
    if not news:
        return scope
    _update(session, scope, **news)
    data = {"before": {name: getattr(group, name) for name in news}, "after": news}
    note_activity(session, group_id=group_id, actor_id=scope.me.id, kind="group.changed", data=data)
    return open_group(session, user_id=user_id, group_id=group_id)


def delete_group(
    session: Session, *, user_id: UUID, group_id: UUID, expected_versions: Set[int] | None = None
) -> None:
    """Have nobody see the group any more; it is purged with all that is in it later.

    Raises:
        NotFound, Forbidden, StaleVersion
        Conflict: not everything is settled.
    """
    scope = open_group(session, user_id=user_id, group_id=group_id, least="owner", lock=GroupLock.MEMBERS)
    check_version(scope.group.version, expected_versions)
    check_may_end(session, scope)
    _update(session, scope, deleted_at=clock.now())
    note_activity(session, group_id=group_id, actor_id=scope.me.id, kind="group.deleted")


def check_group_count(session: Session, user_id: UUID) -> None:
    """Whoever asks holds the lock of the user's row. Raises: Conflict."""
    if count_groups(session, user_id=user_id) >= MAX_GROUPS:
        raise Conflict(f"you are in {MAX_GROUPS} groups already, which is the most")


def _update(session: Session, scope: GroupScope, **values: Any) -> None:
    session.execute(
        update(GROUPS)
        .where(GROUPS.c.id == scope.group.id)
        .values(version=scope.group.version + 1, updated_at=clock.now(), **values)
    )


def _checked(given: Mapping[str, Any], *, present: list[UUID]) -> dict[str, Any]:
    """The fields as they are stored."""
    checked = dict(given)
    for field in ("name", "default_category"):
        if checked.get(field) is not None:
            checked[field] = checked[field].strip()
            if not checked[field]:
                raise invalid(f"/{field}", "needs a character that is not blank")
    if "currency" in checked and not is_currency(checked["currency"]):
        raise invalid("/currency", "not an active ISO 4217 currency code")
    if "default_split" in checked:
        _check_split(checked["default_split"], present)
    return checked


def _check_split(split: Mapping[str, Any], present: list[UUID]) -> None:
    try:
        resolve(
            with_everybody(split, present),
            expense_id=present[0],
            amount_minor=SAMPLE_MINOR,
            currency="EUR",
            allowed=present,
        )
    except InvalidInput as error:
        raise error.below("/default_split") from error
