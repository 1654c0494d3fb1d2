"""Mirroring the shares of group expenses in the members' own expenses, where their budgets see them.

A mirror follows the group's expense, whatever its owner's settings are by then. What it costs, when and for
what is the group's; its category, note and tags are the owner's to change. One that its owner has deleted
stays deleted.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from msgspec import structs
from sqlalchemy import bindparam, update
from sqlalchemy.orm import Session

from core.ids import new_id
from core.logging import get_logger
from core.models.expenses import MIRROR
from core.models.spending import MAX_DAILY_TOTAL_MINOR, UNCATEGORISED
from core.queries.expenses import EXPENSES, ExpenseRecord
from core.queries.mirrors import TotalKey, categories_by_name, category_key, daily_totals, load_mirrors
from core.rules.texts import search_key
from core.services.changes import delete_for_good
from core.services.expenses import insert_expenses, spending_of
from core.services.spending import Spending, apply_spending

MAX_MIRRORED_TOTAL_MINOR = MAX_DAILY_TOTAL_MINOR // 2
"""Half of what a day's total holds is for the owner's own expenses."""

log = get_logger(__name__)

FOLLOW = (
    update(EXPENSES)
    .where(EXPENSES.c.user_id == bindparam("owner"), EXPENSES.c.id == bindparam("its_id"))
    .values(
        {
            name: bindparam(f"new_{name}")
            for name in (
                "amount_minor",
                "currency",
                "category_id",
                "spent_on",
                "payee",
                "payee_key",
                "search_text",
                "version",
                "updated_at",
            )
        }
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A share to be mirrored; `key` is the group's expense and the member. Without a `mirror_id` it gets one.

    `category` is the name of the one wanted, `default_category` of that which stands in for it. Without
    `is_category_new` a mirror keeps the category that its owner has given it, without `is_followed` all else.
    """

    key: tuple[UUID, UUID]
    user_id: UUID
    mirror_id: UUID | None
    amount_minor: int
    currency: str
    spent_on: date
    description: str
    category: str | None
    default_category: str | None
    is_category_new: bool
    is_followed: bool


@dataclass(frozen=True, slots=True)
class Mirror:
    """Whose expense mirrors a share, and which."""

    user_id: UUID
    expense_id: UUID


class _Room:
    """What the totals of the shares' days still take. A mirror must never keep its expense from being posted,
    nor fill up the totals so that the owner can write nothing of their own."""

    def __init__(self, session: Session, shares: Sequence[Share]) -> None:
        self._totals = daily_totals(
            session,
            user_ids={share.user_id for share in shares},
            days={share.spent_on for share in shares},
            currencies={share.currency for share in shares},
        )

    def takes(self, old: ExpenseRecord | None, new: ExpenseRecord) -> bool:
        """Whether the mirror fits in; if so it is in."""
        if new.deleted_at:
            return True
        totals = dict.fromkeys((_total_key(one) for one in (old, new) if one is not None), 0)
        for one, sign in ((old, -1), (new, 1)):
            if one is not None:
                totals[_total_key(one)] += sign * one.amount_minor
        sums = {key: self._totals.get(key, 0) + amount for key, amount in totals.items()}
        if abs(sums[_total_key(new)]) > MAX_MIRRORED_TOTAL_MINOR:
            return False
        self._totals |= sums
        return True


def _total_key(record: ExpenseRecord) -> TotalKey:
    return record.user_id, record.spent_on, record.category_id or UNCATEGORISED, record.currency


class Mirrors:
    """The mirrors of some shares: read when it is made, written by `write`.

    `lost` are mirrors `(user id, expense id)` whose shares are gone. The users' rows are locked, so that no
    category goes away in between. `by_share` holds each share's mirror, by its key.
    """

    def __init__(
        self, session: Session, *, shares: Sequence[Share], lost: Collection[tuple[UUID, UUID]], now: datetime
    ) -> None:
        kept = [(share.user_id, share.mirror_id) for share in shares if share.mirror_id is not None]
        known = load_mirrors(session, [*kept, *lost])
        self._lost = [known[mirror_id] for _user_id, mirror_id in lost if mirror_id in known]
        self._created: list[ExpenseRecord] = []
        self._followed: list[tuple[ExpenseRecord, ExpenseRecord]] = []
        self._now = now
        names = {name for share in shares for name in (share.category, share.default_category)}
        keys = {category_key(name) for name in names} - {""}
        self._categories = categories_by_name(session, {share.user_id for share in shares}, keys)
        self._room = _Room(session, shares)
        self.by_share = {
            share.key: Mirror(share.user_id, mirror_id)
            for share in shares
            if (mirror_id := self._plan(share, known)) is not None
        }

    def _plan(self, share: Share, known: Mapping[UUID, ExpenseRecord]) -> UUID | None:
        """What is to be done for the share; answers its mirror, if it has one then."""
        old = None if share.mirror_id is None else known.get(share.mirror_id)
        if share.mirror_id is not None and (old is None or not share.is_followed):
            return share.mirror_id
        new = self._create(share) if old is None else self._follow(old, share)
        if not self._room.takes(old, new):
            log.warning("mirror.left_out", user_id=share.user_id, group_expense_id=share.key[0])
            if old is not None:
                self._lost.append(old)
            return None
        if old is None:
            self._created.append(new)
        else:
            self._followed.append((old, new))
        return new.id

    def write(self, session: Session) -> None:
        """Write what is planned. It reads nothing, so it fits a pipeline."""
        if self._created:
            insert_expenses(session, self._created)
        if self._followed:
            session.execute(FOLLOW, [_changes(new) for _old, new in self._followed])
        if self._lost:
            delete_for_good(session, "expense", [(one.user_id, one.id) for one in self._lost])
        created = [(None, new) for new in self._created]
        lost = [(old, None) for old in self._lost]
        # All totals at once: they are locked in the order of their keys.
        apply_spending(session, _differences([*created, *self._followed, *lost]))

    def _create(self, share: Share) -> ExpenseRecord:
        return ExpenseRecord(
            user_id=share.user_id,
            id=new_id(),
            amount_minor=share.amount_minor,
            currency=share.currency,
            category_id=self._category(share),
            spent_on=share.spent_on,
            payee=share.description,
            note=None,
            source=MIRROR,
            version=1,
            created_at=self._now,
            updated_at=self._now,
        )

    def _follow(self, old: ExpenseRecord, share: Share) -> ExpenseRecord:
        return structs.replace(
            old,
            amount_minor=share.amount_minor,
            currency=share.currency,
            category_id=self._category(share) if share.is_category_new else old.category_id,
            spent_on=share.spent_on,
            payee=share.description,
            version=old.version + 1,
            updated_at=self._now,
        )

    def _category(self, share: Share) -> UUID | None:
        for name in (share.category, share.default_category):
            found = self._categories.get((share.user_id, category_key(name)))
            if found is not None:
                return found
        return None


def _changes(record: ExpenseRecord) -> Mapping[str, object]:
    return {
        "owner": record.user_id,
        "its_id": record.id,
        "new_amount_minor": record.amount_minor,
        "new_currency": record.currency,
        "new_category_id": record.category_id,
        "new_spent_on": record.spent_on,
        "new_payee": record.payee,
        "new_payee_key": search_key(record.payee),
        "new_search_text": search_key(record.payee, record.note, *record.tags),
        "new_version": record.version,
        "new_updated_at": record.updated_at,
    }


def _differences(
    changed: Sequence[tuple[ExpenseRecord | None, ExpenseRecord | None]],
) -> list[Spending]:
    """What the changes make of the totals; what lies in the trash counts neither before nor after."""
    parts = []
    for old, new in changed:
        before = [] if old is None or old.deleted_at else spending_of(old)
        after = [] if new is None or new.deleted_at else spending_of(new)
        if before != after:
            parts += [*(part.reversed() for part in before), *after]
    return parts
