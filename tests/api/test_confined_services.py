"""A service that has forgotten its condition changes nothing of others when the API runs it."""

import asyncio
import os
from collections.abc import Iterator
from uuid import UUID

import pytest
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from api.transactions import Transactions, act_for
from core import clock
from core.config import Settings
from core.database import Database
from core.models import Category, Expense, User, table_of
from core.services.channels import add_mail_channel
from core.wakeups import WakeUps
from tests.api.every_table import add_one_of_everything
from tests.conftest import REDIS
from tests.core.services.spender import Spender

EXPENSES, USERS = table_of(Expense), table_of(User)


@pytest.fixture
def transactions(confined: Database) -> Iterator[Transactions]:
    wake_ups = WakeUps(Settings(redis_url=os.environ[REDIS]))
    transactions = Transactions(confined, wake_ups, threads=2, fingerprint_key=b"key")
    yield transactions
    transactions.close()
    wake_ups.close()


@pytest.fixture
def owner(confined: Database) -> UUID:
    user_id = Spender(confined).id
    with confined.transaction() as session:
        add_mail_channel(session, user_id=user_id, now=clock.now())
    add_one_of_everything(confined, user_id)
    return user_id


def forget_whose(session: Session) -> tuple[int, ...]:
    """What was found of whatever there is: expenses changed and deleted, users changed."""
    statements = (
        update(EXPENSES).values(note="mine now"),
        delete(EXPENSES),
        update(USERS).values(display_name="me too"),
    )
    return tuple(session.execute(statement).rowcount for statement in statements)


def test_what_a_stranger_writes_without_a_condition_is_their_own(
    transactions: Transactions, confined: Database, owner: UUID
) -> None:
    async def as_stranger() -> tuple[int, ...]:
        act_for(Spender(confined).id)
        return await transactions.write(forget_whose)

    assert asyncio.run(as_stranger()) == (0, 0, 1), "they are a user themselves"
    with confined.reading() as session:
        found = session.execute(select(EXPENSES.c.user_id, EXPENSES.c.note)).all()
        names = select(func.count()).where(USERS.c.id == owner, USERS.c.display_name == "me too")
        assert [tuple(row) for row in found] == [(owner, None)]
        assert session.scalar(names) == 0


def test_whoever_is_not_known_writes_nothing_but_what_says_so(
    transactions: Transactions, confined: Database, owner: UUID
) -> None:
    def count(session: Session) -> int:
        return session.scalar(select(func.count()).select_from(table_of(Category))) or 0

    assert asyncio.run(transactions.write(forget_whose)) == (0, 0, 0)
    assert asyncio.run(transactions.write(count)) == 0
    assert asyncio.run(transactions.write(count, user_id=owner)) > 0
    assert asyncio.run(transactions.write_all(count)) > 0
