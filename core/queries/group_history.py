"""Reading what imports have brought into groups, and what their members have there."""

from collections.abc import Collection, Mapping
from uuid import UUID

import msgspec
from sqlalchemy import Select, func, or_, select, union
from sqlalchemy.orm import Session

from core.models import (
    GroupExpense,
    GroupMember,
    GroupShare,
    Invitation,
    PairBalance,
    Settlement,
    table_of,
)
from core.queries.imports import IMPORTS, ROWS, ImportMembers, ImportRecord
from core.queries.users import USERS
from core.rules.people import KnownPerson

EXPENSES = table_of(GroupExpense)
SHARES = table_of(GroupShare)
SETTLEMENTS = table_of(Settlement)
MEMBERS = table_of(GroupMember)
INVITATIONS = table_of(Invitation)
BALANCES = table_of(PairBalance)


def known_people(session: Session, *, group_id: UUID) -> list[KnownPerson]:
    """The present members of the group."""
    query = (
        select(MEMBERS.c.id, MEMBERS.c.display_name, USERS.c.username)
        .outerjoin(USERS, USERS.c.id == MEMBERS.c.user_id)
        .where(MEMBERS.c.group_id == group_id, MEMBERS.c.left_at.is_(None))
        .order_by(MEMBERS.c.id)
    )
    return [KnownPerson(*row) for row in session.execute(query)]


def earlier_members(session: Session, record: ImportRecord) -> Mapping[str, UUID]:
    """Who the people of the user's last file for the group were, by their names there."""
    query = (
        select(IMPORTS.c.members)
        .where(
            IMPORTS.c.user_id == record.user_id,
            IMPORTS.c.group_id == record.group_id,
            IMPORTS.c.id != record.id,
            IMPORTS.c.state == "succeeded",
        )
        .order_by(IMPORTS.c.id.desc())
        .limit(1)
    )
    document = session.scalar(query)
    return msgspec.convert(document, ImportMembers).ids if document else {}


def waiting_repayments(session: Session, record: ImportRecord) -> dict[UUID, int]:
    """How many of the import's repayments wait for the word of whom, by those who have received them."""
    query = (
        select(SETTLEMENTS.c.to_member_id, func.count().label("waiting"))
        .where(
            SETTLEMENTS.c.group_id == record.group_id,
            SETTLEMENTS.c.id.in_(_recorded(record)),
            SETTLEMENTS.c.state == "pending",
        )
        .group_by(SETTLEMENTS.c.to_member_id)
    )
    return {row.to_member_id: row.waiting for row in session.execute(query)}


def who_has_left(session: Session, record: ImportRecord) -> str | None:
    """The name of somebody who has left the group, and has a part in what the import has recorded."""
    is_former = (MEMBERS.c.group_id == record.group_id) & MEMBERS.c.left_at.is_not(None)
    share = (
        select(MEMBERS.c.display_name)
        .join(SHARES, (SHARES.c.group_id == MEMBERS.c.group_id) & (SHARES.c.member_id == MEMBERS.c.id))
        .where(
            is_former,
            SHARES.c.expense_id.in_(_recorded(record)),
            or_(SHARES.c.paid_minor != 0, SHARES.c.share_minor != 0),
        )
    )
    is_party = or_(SETTLEMENTS.c.from_member_id == MEMBERS.c.id, SETTLEMENTS.c.to_member_id == MEMBERS.c.id)
    repayment = (
        select(MEMBERS.c.display_name)
        .join(SETTLEMENTS, (SETTLEMENTS.c.group_id == MEMBERS.c.group_id) & is_party)
        .where(is_former, SETTLEMENTS.c.id.in_(_recorded(record)), SETTLEMENTS.c.state == "confirmed")
    )
    return session.scalar(share.limit(1)) or session.scalar(repayment.limit(1))


def _recorded(record: ImportRecord) -> Select[tuple[UUID]]:
    """The ids of all that the import has recorded."""
    return select(ROWS.c.expense_id).where(
        ROWS.c.user_id == record.user_id, ROWS.c.import_id == record.id, ROWS.c.state == "committed"
    )


def members_in_use(session: Session, *, group_id: UUID, member_ids: Collection[UUID]) -> set[UUID]:
    """Those of the members who have a part in anything of the group, or are invited to claim their name.

    The group is locked with MEMBERS, so nobody writes an expense meanwhile.
    """
    columns = (
        (SHARES.c.member_id, None),
        (BALANCES.c.member_id, BALANCES.c.amount_minor != 0),
        (SETTLEMENTS.c.from_member_id, SETTLEMENTS.c.state != "reversed"),
        (SETTLEMENTS.c.to_member_id, SETTLEMENTS.c.state != "reversed"),
        (INVITATIONS.c.member_id, INVITATIONS.c.state == "pending"),
    )
    parts = []
    for column, condition in columns:
        query = select(column).where(column.table.c.group_id == group_id, column.in_(member_ids))
        parts.append(query if condition is None else query.where(condition))
    used = set(session.scalars(union(*parts)))
    pending = select(EXPENSES.c.resolved).where(
        EXPENSES.c.group_id == group_id,
        EXPENSES.c.posted_version < EXPENSES.c.version,
        EXPENSES.c.deleted_at.is_(None),
    )
    for resolved in session.scalars(pending):
        used |= {UUID(one) for part in ("paid", "shares") for one in resolved[part]}
    return used.intersection(member_ids)
