"""A group whose members write expenses at times of the tests' choice; nobody's job runs by itself."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from core import clock
from core.database import Database
from core.job_names import SPLIT_GROUP_EXPENSE
from core.models import Expense, GroupExpense, GroupMember, GroupShare, Posting
from core.queries.expenses import ExpenseRecord, load_expense
from core.queries.ledger import member_balances, pair_balances
from core.rules.money import format_amount
from core.rules.roles import Role
from core.services import group_expenses
from core.services.group_expense_drafts import GroupExpenseInput, PaymentInput
from core.services.group_members import insert_member
from core.services.groups import NewGroup, change_group, create_group
from core.services.outbox import claim_rows, settle_rows
from tests.core.services.spender import Spender, settle_evaluations
from workers.tasks.groups import apply_splits

DAY = date(2026, 5, 4)

Movements = dict[str, str]
"""What an entry adds to each member's balance, by name."""


class Household:
    """Members are named; the first one owns the group. Amounts are decimal strings."""

    def __init__(self, database: Database, *names: str, **fields: Any) -> None:
        self.database = database
        self.people: dict[str, Spender] = {}
        self.ids: dict[str, UUID] = {}
        owner = Spender(database)
        given: dict[str, Any] = {
            "name": "Flat",
            "currency": "EUR",
            "simplify_debts": True,
            "default_split": {"kind": "equal", "member_ids": []},
            "default_category": None,
            "settlement_days": 7,
        }
        with database.transaction() as session:
            scope = create_group(session, user_id=owner.id, group=NewGroup(**given | fields))
        self.id = scope.group.id
        self.owner = names[0]
        self.people[self.owner], self.ids[self.owner] = owner, scope.me.id
        self.set_member(self.owner, display_name=self.owner)
        for name in names[1:]:
            self.join(name)

    def join(self, name: str, *, role: Role = "member", has_account: bool = True) -> None:
        person = Spender(self.database) if has_account else None
        with self.database.transaction() as session:
            member = insert_member(
                session,
                group_id=self.id,
                user_id=None if person is None else person.id,
                display_name=name,
                role=role,
            )
        self.ids[name] = member.id
        if person is not None:
            self.people[name] = person

    def set_member(self, name: str, **values: Any) -> None:
        """As the settings of a member, or leaving, would have it, without their checks."""
        with self.database.transaction() as session:
            session.execute(
                update(GroupMember)
                .where(GroupMember.group_id == self.id, GroupMember.id == self.ids[name])
                .values(**values)
            )

    def leave(self, name: str) -> None:
        self.set_member(name, left_at=clock.now())

    def change(self, **changes: Any) -> None:
        owner = self.people[self.owner].id
        with self.database.transaction() as session:
            change_group(session, user_id=owner, group_id=self.id, changes=changes)

    def equal(self, *names: str) -> dict[str, Any]:
        return {"kind": "equal", "member_ids": [str(self.ids[name]) for name in names]}

    def by_value(self, kind: str, **values: str) -> dict[str, Any]:
        shares = [{"member_id": str(self.ids[name]), "value": value} for name, value in values.items()]
        return {"kind": kind, "shares": shares}

    def payers(self, **amounts: str) -> tuple[PaymentInput, ...]:
        return tuple(PaymentInput(self.ids[name], amount) for name, amount in amounts.items())

    def add(
        self,
        amount: str,
        *,
        by: str | None = None,
        paid: Mapping[str, str] | None = None,
        spent_on: date = DAY,
        description: str = "Dinner",
        **fields: Any,
    ) -> UUID:
        """Have a member (the owner) write an expense down; `split` is a document of `equal` or `by_value`."""
        given = GroupExpenseInput(
            amount=amount,
            description=description,
            spent_on=spent_on,
            paid_by=self.payers(**paid or {}),
            **fields,
        )
        with self.database.transaction() as session:
            record = group_expenses.record_group_expense(
                session, user_id=self._user(by), group_id=self.id, expense=given
            )
        return record.id

    def revise(self, expense_id: UUID, *, by: str | None = None, **changes: Any) -> None:
        if "paid" in changes:
            changes["paid_by"] = self.payers(**changes.pop("paid"))
        with self.database.transaction() as session:
            group_expenses.revise_group_expense(
                session, user_id=self._user(by), group_id=self.id, expense_id=expense_id, changes=changes
            )

    def delete(self, expense_id: UUID, *, by: str | None = None) -> None:
        with self.database.transaction() as session:
            group_expenses.delete_group_expense(
                session, user_id=self._user(by), group_id=self.id, expense_id=expense_id
            )

    def settle(self) -> int:
        """Post what waits to be posted, as a worker does: in one transaction; answers of how many rows."""
        with self.database.transaction() as session:
            return settle_splits(session)

    def settle_all(self) -> None:
        """Post what waits, and evaluate the budgets of whoever's spending that has changed."""
        self.settle()
        with self.database.transaction() as session:
            settle_evaluations(session)

    def balances(self, currency: str = "EUR") -> Movements:
        """Positive: is owed; who is even is left out."""
        with self.database.reading() as session:
            pairs = pair_balances(session, [self.id]).get((self.id, currency), {})
        return self._named(member_balances(pairs).items(), currency)

    def entries(self, expense_id: UUID) -> list[tuple[int, bool, str, Movements]]:
        """Number, whether it is a reversal, currency and movements of each entry of an expense."""
        query = select(Posting).where(Posting.group_id == self.id, Posting.source_id == expense_id)
        with self.database.reading() as session:
            rows = session.scalars(query.order_by(Posting.entry, Posting.position)).all()
        found = []
        for (number, is_reversal, currency), postings in groupby(
            rows, key=lambda row: (row.entry, row.is_reversal, row.currency)
        ):
            sums: dict[UUID, int] = defaultdict(int)
            for one in postings:
                sums[one.member_id] += one.amount_minor
            assert not sum(sums.values())
            found.append((number, is_reversal, currency, self._named(sums.items(), currency)))
        return found

    def shares(self, expense_id: UUID) -> dict[str, tuple[int, int]]:
        """What each paid and each one's share, in minor units, as the job has kept it."""
        query = select(GroupShare).where(GroupShare.group_id == self.id, GroupShare.expense_id == expense_id)
        names = self._names()
        with self.database.reading() as session:
            rows = session.scalars(query)
            return {names[row.member_id]: (row.paid_minor, row.share_minor) for row in rows}

    def state(self, expense_id: UUID) -> str:
        query = select(GroupExpense.posted_version, GroupExpense.version)
        with self.database.reading() as session:
            posted, wanted = session.execute(query.where(GroupExpense.id == expense_id)).one()
        return "pending" if posted < wanted else "split"

    def told(self, name: str) -> list[str]:
        """What somebody was told, in short: `added paid 0.00 share 5.00 balance -5.00`."""
        return [
            f"{kind.removeprefix('group.expense_')} paid {data['paid']} share {data['share']}"
            f" balance {data['balance']}"
            for kind, data in self.people[name].messages()
            if kind.startswith("group.expense_")
        ]

    def mirrors(self, name: str) -> list[Expense]:
        """The member's own expenses that mirror shares, also those in the trash; the oldest first."""
        owner = self.people[name].id
        query = select(Expense).where(Expense.user_id == owner, Expense.source == "group")
        with self.database.reading() as session:
            return list(session.scalars(query.order_by(Expense.id)))

    def mirrored(self, name: str) -> list[str]:
        """The amounts of the mirrors outside the trash."""
        return [
            format_amount(one.amount_minor, one.currency)
            for one in self.mirrors(name)
            if one.deleted_at is None
        ]

    def mirror(self, name: str) -> ExpenseRecord:
        """The member's only mirror outside the trash."""
        (found,) = (one for one in self.mirrors(name) if one.deleted_at is None)
        with self.database.reading() as session:
            return load_expense(session, user_id=found.user_id, expense_id=found.id)

    def category_of(self, name: str) -> str | None:
        """The name under which `Spender` has the category of the member's only mirror."""
        names = {category_id: label for label, category_id in self.people[name].categories.items()}
        category_id = self.mirror(name).category_id
        return None if category_id is None else names[category_id]

    def _user(self, name: str | None) -> UUID:
        return self.people[name or self.owner].id

    def _names(self) -> dict[UUID, str]:
        return {member_id: name for name, member_id in self.ids.items()}

    def _named(self, amounts: Iterable[tuple[UUID, int]], currency: str) -> Movements:
        names = self._names()
        return {names[one]: format_amount(minor, currency) for one, minor in amounts if minor}


def settle_splits(session: Any) -> int:
    """Claim, apply and delete the rows that ask for splits; answers how many there were."""
    rows = sorted(claim_rows(session, job=SPLIT_GROUP_EXPENSE), key=lambda row: row.key)
    by_key = {key: list(group) for key, group in groupby(rows, key=lambda row: row.key)}
    apply_splits(None, session, by_key)  # type: ignore[arg-type] # it needs no runtime
    settle_rows(session, rows)
    return len(rows)
