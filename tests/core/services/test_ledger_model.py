"""Random groups, expenses and settlements: ledger, balances and plan are what a simple model says."""

from collections import Counter, defaultdict
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from core.database import Database
from core.errors import Conflict
from core.models import Posting
from core.queries.debts import group_plans
from core.queries.group_expenses import load_group_expense
from core.queries.invariants import spending_differences
from core.queries.ledger_invariants import ledger_differences
from core.services import settlements
from core.services.settlements import NewSettlement
from tests.core.services.household import Household
from tests.core.services.ledger_model import (
    Item,
    Model,
    ModelExpense,
    ModelSettlement,
    fair_shares,
    fewest_transfers,
)

EXAMPLES = {"postgresql": 15, "sqlite": 30}

DECIMALS = {"EUR": 2, "JPY": 0, "KWD": 3}

PERCENT = 100 * 10**6
"""A hundred percent in the smallest units that a percentage can have."""

Operation = tuple[Any, ...]

which = st.integers(0, 20)
currencies = st.sampled_from(["EUR", "EUR", *DECIMALS])
amounts = st.one_of(st.integers(-300, 300), st.integers(-(10**6), 10**6), st.just(10**13)).filter(bool)
weights = st.lists(st.integers(0, 7), min_size=8, max_size=8)
splits = st.tuples(
    st.sampled_from(["equal", "shares", "percent", "exact", "adjustment", "itemised"]),
    st.sets(st.integers(0, 7), min_size=1),  # who takes part
    weights,
    st.integers(0, 50),  # tax
    st.integers(0, 50),  # tip
)
expenses = st.tuples(amounts, currencies, st.sets(st.integers(0, 7), min_size=1, max_size=3), weights, splits)
operations = st.one_of(
    st.tuples(st.just("add"), which, expenses),
    st.tuples(st.just("add"), which, expenses),
    st.tuples(st.just("revise"), which, which, expenses),
    st.tuples(st.just("revise"), which, which, expenses),
    st.tuples(st.just("rename"), which, which),
    st.tuples(st.just("delete"), which, which),
    st.tuples(st.just("pay"), which, which, st.integers(1, 10**4), currencies, st.booleans()),
    st.tuples(st.just("move"), which, st.sampled_from(["confirm", "dispute", "reverse"])),
    st.tuples(st.just("job")),
)
added = st.tuples(st.just("add"), which, expenses)
histories = st.tuples(
    st.integers(2, 8),  # members
    st.booleans(),  # whether the last one has no account
    st.lists(added, min_size=1, max_size=3),  # posted before the rest
    st.lists(operations, min_size=1, max_size=12),
)


def test_the_ledger_is_what_a_simple_model_says(database: Database) -> None:
    @settings(
        max_examples=EXAMPLES[database.dialect],
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(histories)
    def follow(history: tuple[int, bool, list[Operation], list[Operation]]) -> None:
        Comparison(database, *history[:2]).follow([*history[2], ("job",), *history[3]])

    follow()


class Comparison:
    """Does everything twice: with the product and with the model."""

    def __init__(self, database: Database, count: int, has_name: bool) -> None:
        self.names = [f"m{number}" for number in range(count)]
        with_account = self.names[:-1] if has_name else self.names
        self.group = Household(database, *with_account)
        if has_name:
            self.group.join(self.names[-1], has_account=False)
        self.writers = with_account
        self.model = Model()
        self._expense_ids: list[UUID] = []
        self._settlement_ids: list[UUID] = []
        self._database = database

    def follow(self, operations: list[Operation]) -> None:
        for name, *arguments in operations:
            getattr(self, name)(*arguments)
            self._compare_balances()
        self.job()
        self._compare_postings()
        self._compare_mirrors()
        self._compare_plans()

    def add(self, writer: int, drawn: Operation) -> None:
        fields, items = self._fields(drawn)
        expense_id = self.group.add(by=self._writer(writer), **fields)
        self._expense_ids.append(expense_id)
        self.model.wanted.append(self._checked(expense_id, drawn, fields, items))

    def revise(self, writer: int, number: int, drawn: Operation) -> None:
        if (place := self._pick(number)) is None:
            return
        fields, items = self._fields(drawn)
        self.group.revise(self._expense_ids[place], by=self._writer(writer), **fields)
        self.model.wanted[place] = self._checked(self._expense_ids[place], drawn, fields, items)

    def rename(self, writer: int, number: int) -> None:
        if (place := self._pick(number)) is not None:
            self.group.revise(self._expense_ids[place], by=self._writer(writer), description="Renamed")

    def delete(self, writer: int, number: int) -> None:
        if (place := self._pick(number)) is not None:
            self.group.delete(self._expense_ids[place], by=self._writer(writer))
            self.model.wanted[place] = None

    def job(self) -> None:
        self.group.settle()
        self.model.post()
        for expense_id, expense in zip(self._expense_ids, self.model.posted, strict=True):
            kept = self.group.shares(expense_id)
            paid, shares = (expense.paid, expense.shares) if expense else ({}, {})
            assert kept == {name: (paid.get(name, 0), shares.get(name, 0)) for name in {*paid, *shares}}

    def pay(self, payer: int, receiver: int, amount: int, currency: str, is_by_receiver: bool) -> None:
        one, other = self._name(payer), self._name(receiver)
        if one == other:
            return
        by = other if (is_by_receiver and other in self.writers) or one not in self.writers else one
        given = NewSettlement(
            from_member_id=self.group.ids[one],
            to_member_id=self.group.ids[other],
            amount=_text(amount, currency),
            currency=currency,
        )
        with self._database.transaction() as session:
            record = settlements.record_settlement(
                session, user_id=self.group.people[by].id, group_id=self.group.id, settlement=given
            )
        is_confirmed = by == other or other not in self.writers
        state = "confirmed" if is_confirmed else "pending"
        assert record.state == state
        self._settlement_ids.append(record.id)
        self.model.settlements.append(ModelSettlement(one, other, currency, amount, by, state, is_confirmed))

    def move(self, number: int, action: str) -> None:
        if not self._settlement_ids:
            return
        place = number % len(self._settlement_ids)
        settlement = self.model.settlements[place]
        by = self._who_may(settlement, action)
        if by not in self.writers:
            return
        service = getattr(settlements, f"{action}_settlement")
        is_final = settlement.state == "reversed" and action != "reverse"
        with self._database.transaction() as session:
            arguments = {
                "user_id": self.group.people[by].id,
                "group_id": self.group.id,
                "settlement_id": self._settlement_ids[place],
            }
            if is_final:
                with pytest.raises(Conflict):
                    service(session, **arguments)
                return
            service(session, **arguments)
        settlement.state = {"confirm": "confirmed", "dispute": "disputed", "reverse": "reversed"}[action]
        settlement.was_confirmed |= action == "confirm"

    def _who_may(self, settlement: ModelSettlement, action: str) -> str:
        if action == "reverse":
            return settlement.payer if settlement.payer in self.writers else settlement.receiver
        if action == "dispute" and settlement.was_confirmed and settlement.recorded_by == settlement.receiver:
            return settlement.payer
        return settlement.receiver

    def _fields(self, drawn: Operation) -> tuple[dict[str, Any], tuple[dict[str, int], list[Item]]]:
        """What the service is given, and what of it the model needs: the split's values, or its items."""
        amount, currency, payers, paying_weights, split = drawn
        kind, takers, split_weights, tax, tip = split
        names = sorted({self._name(one) for one in takers})
        paid = _cut(amount, sorted({self._name(one) for one in payers}), paying_weights)
        document, parts, items = self._split(kind, amount, currency, names, split_weights, tax, tip)
        fields = {
            "amount": _text(amount, currency),
            "currency": currency,
            "paid": {name: _text(part, currency) for name, part in paid.items()},
            "split": document,
        }
        return fields, (parts, items)

    def _split(
        self, kind: str, amount: int, currency: str, names: list[str], drawn: list[int], tax: int, tip: int
    ) -> tuple[dict[str, Any], dict[str, int], list[Item]]:
        if kind == "itemised":
            extra = tax + tip if amount - tax - tip else 0
            lines = list(_cut(amount - extra, names, drawn).values())
            items = [(line, names[place:] or names) for place, line in enumerate(lines)]
            texts = [
                {"amount": _text(line, currency), "member_ids": self._ids(of), "description": "Line"}
                for line, of in items
            ]
            extras = {"tax": _text(tax, currency), "tip": _text(tip, currency)} if extra else {}
            return {"kind": kind, "items": texts, "tax": None, "tip": None, **extras}, {}, items
        if kind == "equal":
            return {"kind": kind, "member_ids": self._ids(names)}, dict.fromkeys(names, 1), []
        if kind == "shares":
            parts = {name: weight + (name == names[0]) for name, weight in zip(names, drawn, strict=False)}
            texts_by_name = {name: str(part) for name, part in parts.items()}
        elif kind == "percent":
            parts = _cut(PERCENT, names, drawn)
            texts_by_name = {name: f"{Decimal(part).scaleb(-6):f}" for name, part in parts.items()}
        else:
            parts = _cut(amount, names, drawn)
            if kind == "adjustment":
                # Less than the amount in all, and of either sign.
                parts = {
                    name: (-1) ** place * (part // 3) for place, (name, part) in enumerate(parts.items())
                }
                parts = parts if (amount - sum(parts.values())) * amount >= 0 else dict.fromkeys(names, 0)
            texts_by_name = {name: _text(part, currency) for name, part in parts.items()}
        return self.group.by_value(kind, **texts_by_name), parts, []

    def _checked(
        self,
        expense_id: UUID,
        drawn: Operation,
        fields: dict[str, Any],
        of_split: tuple[dict[str, int], list[Item]],
    ) -> ModelExpense:
        """The expense for the model, its shares being those of the product if they are fair."""
        amount, currency, payers, paying_weights, _split = drawn
        with self._database.reading() as session:
            record = load_group_expense(session, group_id=self.group.id, expense_id=expense_id)
        names = {member_id: name for name, member_id in self.group.ids.items()}
        shares = {names[member_id]: share for member_id, share in record.shares.items()}
        fair = fair_shares(fields["split"]["kind"], amount, *of_split)
        assert sum(shares.values()) == record.amount_minor == amount
        assert shares.keys() == fair.keys()
        assert all(abs(share - fair[name]) < 1 for name, share in shares.items())
        paid = _cut(amount, sorted({self._name(one) for one in payers}), paying_weights)
        assert {names[member_id]: part for member_id, part in record.paid.items()} == paid
        return ModelExpense(currency, amount, paid, shares)

    def _compare_balances(self) -> None:
        expected = self.model.balances()
        for currency in DECIMALS:
            found = self.group.balances(currency)
            assert found == {
                name: _text(amount, currency) for name, amount in expected.get(currency, {}).items()
            }

    def _compare_postings(self) -> None:
        sums: defaultdict[tuple[UUID, int, str], int] = defaultdict(int)
        of_members: defaultdict[tuple[str, UUID], int] = defaultdict(int)
        with self._database.reading() as session:
            for one in session.scalars(select(Posting).where(Posting.group_id == self.group.id)):
                sums[one.source_id, one.entry, one.currency] += one.amount_minor
                of_members[one.currency, one.member_id] += one.amount_minor
            assert ledger_differences(session, group_id=self.group.id) == []
        assert not any(sums.values())
        assert {key: amount for key, amount in of_members.items() if amount} == {
            (currency, self.group.ids[name]): amount
            for currency, of_currency in self.model.balances().items()
            for name, amount in of_currency.items()
        }

    def _compare_mirrors(self) -> None:
        for name in self.writers:
            expected = Counter(
                (expense.currency, expense.shares[name])
                for expense in self.model.posted
                if expense is not None and expense.shares.get(name)
            )
            assert Counter((one.currency, one.amount_minor) for one in self.group.mirrors(name)) == expected
            with self._database.reading() as session:
                assert spending_differences(session, user_id=self.group.people[name].id) == []

    def _compare_plans(self) -> None:
        names = {member_id: name for name, member_id in self.group.ids.items()}
        with self._database.reading() as session:
            plans = group_plans(session, group_id=self.group.id)
        for currency, left in self.model.balances().items():
            plan = plans[currency]
            assert plan.is_optimal
            assert len(plan.transfers) == fewest_transfers(left)
            for transfer in plan.transfers:
                assert transfer.amount > 0
                left[names[transfer.from_id]] += transfer.amount
                left[names[transfer.to_id]] -= transfer.amount
            assert not any(left.values())

    def _ids(self, names: list[str]) -> list[str]:
        return [str(self.group.ids[name]) for name in names]

    def _name(self, number: int) -> str:
        return self.names[number % len(self.names)]

    def _writer(self, number: int) -> str:
        return self.writers[number % len(self.writers)]

    def _pick(self, number: int) -> int | None:
        """One of the expenses that are there."""
        there = [place for place, expense in enumerate(self.model.wanted) if expense is not None]
        return there[number % len(there)] if there else None


def _cut(amount: int, names: list[str], drawn: list[int]) -> dict[str, int]:
    """The amount in parts of its sign, by weights; the last one has the rest."""
    total = sum(drawn) + 1
    parts = {name: int(Decimal(amount * weight) / total) for name, weight in zip(names, drawn, strict=False)}
    parts[names[-1]] += amount - sum(parts.values())
    return parts


def _text(minor: int, currency: str) -> str:
    return f"{Decimal(minor).scaleb(-DECIMALS[currency]):f}"
