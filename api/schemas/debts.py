"""Balances, debts and what clears them, as clients read them."""

from collections.abc import Mapping, Sequence
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.schemas.common import Amount, Currency, Id, Instant, OnlyPage
from api.schemas.explanations import EarlierOut, FairShares, PostingOut, Signed
from core.queries.debts import Debt, MyDebt, MyDebts
from core.queries.explanations import Explanation
from core.queries.groups import MemberRecord
from core.queries.ledger import Waiting
from core.rules.debts import Plan
from core.rules.money import format_amount
from core.services.reminders import Reminder

Members = Mapping[UUID, MemberRecord]
Name = Annotated[str, Meta(examples=["Grace"])]


class BalanceOut(msgspec.Struct):
    member_id: Id
    display_name: Name
    currency: Currency
    amount: Signed


class BalancesOut(msgspec.Struct):
    """Who is owed and who owes, by currency; who is even is left out. Of a currency they sum to zero."""

    pending: Annotated[int, Meta(description="Expenses that are yet to be split.", examples=[0])]
    pending_settlements: Annotated[int, Meta(description="Payments yet to be confirmed.", examples=[0])]
    balances: list[BalanceOut]

    @classmethod
    def of(
        cls, balances: Mapping[str, Mapping[UUID, int]], members: Members, waiting: Waiting
    ) -> "BalancesOut":
        return cls(
            waiting.expenses,
            waiting.settlements,
            [
                BalanceOut(one, members[one].display_name, currency, format_amount(minor, currency))
                for currency, of_currency in balances.items()
                for one, minor in of_currency.items()
            ],
        )


class TransferOut(msgspec.Struct):
    """A payment that would clear balances."""

    from_member_id: Id
    from_name: Name
    to_member_id: Id
    to_name: Name
    currency: Currency
    amount: Amount


class PlanOut(msgspec.Struct):
    """The payments that clear all balances of the group."""

    items: list[TransferOut]
    is_optimal: Annotated[
        bool, Meta(description="Provably no fewer could do, in any of the currencies.", examples=[True])
    ]
    next_cursor: OnlyPage = None

    @classmethod
    def of(cls, plans: Mapping[str, Plan], members: Members) -> "PlanOut":
        return cls(
            [
                TransferOut(
                    one.from_id,
                    members[one.from_id].display_name,
                    one.to_id,
                    members[one.to_id].display_name,
                    currency,
                    format_amount(one.amount, currency),
                )
                for currency, plan in plans.items()
                for one in plan.transfers
            ],
            all(plan.is_optimal for plan in plans.values()),
        )


class DebtOut(msgspec.Struct):
    """Who owes whom."""

    from_member_id: Id
    from_name: Name
    to_member_id: Id
    to_name: Name
    currency: Currency
    amount: Amount
    postings: (
        Annotated[
            list[PostingOut],
            Meta(
                description="With `explain`: what it comes from, the newest first. Simplified: all of the "
                "debtor's in the currency, which sum to their balance; otherwise those with the creditor, "
                "which sum to minus the debt."
            ),
        ]
        | UnsetType
    ) = UNSET
    earlier: (
        Annotated[EarlierOut | None, Meta(description="With `explain`: null if all are listed.")] | UnsetType
    ) = UNSET

    @classmethod
    def of(cls, debt: Debt, members: Members) -> "DebtOut":
        return cls(
            debt.from_id,
            members[debt.from_id].display_name,
            debt.to_id,
            members[debt.to_id].display_name,
            debt.currency,
            format_amount(debt.amount_minor, debt.currency),
        )

    def explain(self, debt: Debt, explanation: Explanation, fair_shares: FairShares) -> None:
        self.postings = [PostingOut.of(one, debt, fair_shares) for one in explanation.postings]
        earlier = EarlierOut(
            explanation.earlier_count, format_amount(explanation.earlier_minor, debt.currency)
        )
        self.earlier = earlier if explanation.earlier_count else None


class DebtList(msgspec.Struct):
    items: list[DebtOut]
    next_cursor: OnlyPage = None


class DebtQuery(msgspec.Struct, forbid_unknown_fields=True):
    simplified: (
        Annotated[bool, Meta(description="Fewest payments, not pair by pair. Default: the group's setting.")]
        | None
    ) = None
    explain: Annotated[bool, Meta(description="With the postings behind each debt.")] = False
    member_id: Annotated[Id, Meta(description="What this member owes or is owed.")] | None = None


class MyDebtOut(msgspec.Struct):
    """A debt of one's own; the member is who is on the other side."""

    group_id: Id
    group_name: Annotated[str, Meta(examples=["Flat"])]
    member_id: Id
    display_name: Name
    currency: Currency
    amount: Amount

    @classmethod
    def of(cls, debt: MyDebt) -> "MyDebtOut":
        return cls(
            debt.group.id,
            debt.group.name,
            debt.other.id,
            debt.other.display_name,
            debt.currency,
            format_amount(debt.amount_minor, debt.currency),
        )


class TotalOut(msgspec.Struct):
    currency: Currency
    owed_by_me: Amount
    owed_to_me: Amount
    net: Signed


class MyDebtsOut(msgspec.Struct):
    """What one owes and is owed in all one's groups."""

    owed_by_me: list[MyDebtOut]
    owed_to_me: list[MyDebtOut]
    totals: list[TotalOut]

    @classmethod
    def of(cls, debts: MyDebts) -> "MyDebtsOut":
        return cls(
            [MyDebtOut.of(debt) for debt in debts.owed_by_me],
            [MyDebtOut.of(debt) for debt in debts.owed_to_me],
            [
                TotalOut(code, *(format_amount(minor, code) for minor in (owed, due, due - owed)))
                for code, owed, due in _totals(debts)
            ],
        )


class ReminderIn(msgspec.Struct, forbid_unknown_fields=True):
    """Whom to remind of what they owe."""

    member_id: Id


class OwedOut(msgspec.Struct):
    currency: Currency
    amount: Amount


class ReminderOut(msgspec.Struct):
    """What was reminded of."""

    member_id: Id
    debts: list[OwedOut]
    again_at: Annotated[Instant, Meta(description="When the member may be reminded again at the earliest.")]

    @classmethod
    def of(cls, reminder: Reminder, member_id: UUID) -> "ReminderOut":
        owed = [
            OwedOut(debt.currency, format_amount(debt.amount_minor, debt.currency)) for debt in reminder.debts
        ]
        return cls(member_id, owed, reminder.again_at)


def _totals(debts: MyDebts) -> Sequence[tuple[str, int, int]]:
    """By currency what one owes and is owed, in minor units."""
    sums: dict[str, list[int]] = {}
    for side, found in enumerate((debts.owed_by_me, debts.owed_to_me)):
        for debt in found:
            sums.setdefault(debt.currency, [0, 0])[side] += debt.amount_minor
    return [(currency, owed, due) for currency, (owed, due) in sorted(sums.items())]
