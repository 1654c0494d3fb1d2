"""Whom a group has reminded of their debts by itself, as far as it is time."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import bindparam, exists, func, select

from core import clock
from core.database import Reader
from core.models import DebtReminder, Group, PairBalance, Posting, table_of
from core.queries.debts import Debt, debts_of
from core.queries.groups import GroupRecord, MemberRecord, groups_with_members
from core.queries.ledger import Pairs, member_balances, pair_balances
from core.rules.debt_reminders import has_stood

GROUPS = table_of(Group)
BALANCES = table_of(PairBalance)
POSTINGS = table_of(Posting)
REMINDERS = table_of(DebtReminder)

REMINDING = (
    select(GROUPS.c.id)
    .where(
        GROUPS.c.debt_reminder_days.is_not(None),
        GROUPS.c.deleted_at.is_(None),
        exists().where(BALANCES.c.group_id == GROUPS.c.id, BALANCES.c.amount_minor < 0),
    )
    .order_by(GROUPS.c.id)
)
REMINDED_SINCE = select(REMINDERS.c.from_member_id, REMINDERS.c.to_member_id).where(
    REMINDERS.c.group_id == bindparam("group_id"), REMINDERS.c.reminded_at > bindparam("since")
)
# An expense that is split anew is taken back and posted again at the same moment.
MOVED_SINCE = (
    select(
        POSTINGS.c.member_id,
        POSTINGS.c.counterparty_id,
        POSTINGS.c.currency,
        POSTINGS.c.created_at,
        func.sum(POSTINGS.c.amount_minor).label("moved"),
    )
    .where(
        POSTINGS.c.group_id == bindparam("group_id"),
        POSTINGS.c.member_id.in_(bindparam("member_ids", expanding=True)),
        POSTINGS.c.currency.in_(bindparam("currencies", expanding=True)),
        POSTINGS.c.created_at > bindparam("since"),
    )
    .group_by(POSTINGS.c.member_id, POSTINGS.c.counterparty_id, POSTINGS.c.currency, POSTINGS.c.created_at)
)

Pair = tuple[UUID, UUID]
"""Debtor and creditor."""


@dataclass(frozen=True, slots=True)
class DueReminder:
    """A debtor, by the id of their account too, and all that they owe one other member."""

    user_id: UUID
    debtor: MemberRecord
    creditor: MemberRecord
    debts: list[Debt]


@dataclass(frozen=True, slots=True)
class DueReminders:
    """Nobody of them has been reminded since `since`."""

    group: GroupRecord
    since: datetime
    reminders: list[DueReminder]


def reminding_groups(session: Reader, *, after: UUID | None, limit: int) -> Sequence[UUID]:
    """Groups that remind by themselves and in which somebody owes something; in key order, behind `after`."""
    page = REMINDING if after is None else REMINDING.where(GROUPS.c.id > after)
    return session.scalars(page.limit(limit)).all()


def due_reminders(session: Reader, *, group_id: UUID) -> DueReminders | None:
    """Who owes whom in the group for its `debt_reminder_days`, and was not reminded within as many.

    Somebody owes since the moment from which on their balance has been negative: with the other member, or,
    where debts are simplified, with the group as a whole. Who is owed then changes with every expense, so it
    counts when they were last reminded by anybody. None where the group is gone or reminds of nothing.
    """
    found = groups_with_members(session, [group_id]).get(group_id)
    if found is None or found[0].debt_reminder_days is None:
        return None
    group, members = found
    since = clock.now() - timedelta(days=found[0].debt_reminder_days)
    by_currency = {currency: pairs for (_, currency), pairs in pair_balances(session, [group_id]).items()}
    debts = _debts(group, members, by_currency)
    parameters = {"group_id": group_id, "since": since}
    for debtor_id, creditor_id in session.execute(REMINDED_SINCE, parameters).all():
        for pair in [one for one in debts if one[0] == debtor_id]:
            if group.simplify_debts or pair[1] == creditor_id:
                del debts[pair]
    standing = _standing(session, group, since, debts, by_currency)
    reminders = [
        DueReminder(user_id, members[pair[0]], members[pair[1]], debts[pair])
        for pair in sorted(standing)
        if (user_id := members[pair[0]].user_id) is not None
    ]
    return DueReminders(group, since, reminders)


def _debts(
    group: GroupRecord, members: Mapping[UUID, MemberRecord], by_currency: Mapping[str, Pairs]
) -> dict[Pair, list[Debt]]:
    """What those owe who can be told of it, to members who are in the group still."""
    found = defaultdict(list)
    for currency, pairs in sorted(by_currency.items()):
        for debt in debts_of(pairs, currency, is_simplified=group.simplify_debts):
            debtor, creditor = members[debt.from_id], members[debt.to_id]
            if debtor.user_id is not None and debtor.left_at is None and creditor.left_at is None:
                found[debt.from_id, debt.to_id].append(debt)
    return dict(found)


def _standing(
    session: Reader,
    group: GroupRecord,
    since: datetime,
    debts: Mapping[Pair, Collection[Debt]],
    by_currency: Mapping[str, Pairs],
) -> set[Pair]:
    """Those pairs of which at least one debt has stood since then."""
    if not debts:
        return set()
    parameters = {
        "group_id": group.id,
        "member_ids": list({debtor_id for debtor_id, _ in debts}),
        "currencies": list(by_currency),
        "since": since,
    }
    moved: dict[tuple[UUID, UUID | None, str], dict[datetime, int]] = defaultdict(lambda: defaultdict(int))
    for member_id, other_id, currency, at, amount in session.execute(MOVED_SINCE, parameters):
        # PostgreSQL adds up 64-bit numbers as numeric.
        moved[member_id, None if group.simplify_debts else other_id, currency][at] += int(amount)
    balances = {currency: member_balances(pairs) for currency, pairs in by_currency.items()}

    def has_debt_stood(debt: Debt) -> bool:
        is_simplified = group.simplify_debts
        balance = balances[debt.currency][debt.from_id] if is_simplified else -debt.amount_minor
        moments = moved.get((debt.from_id, None if is_simplified else debt.to_id, debt.currency), {})
        return has_stood(balance, (moments[at] for at in sorted(moments, reverse=True)))

    return {pair for pair, owed in debts.items() if any(has_debt_stood(debt) for debt in owed)}
