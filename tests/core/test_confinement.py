"""PostgreSQL itself keeps users apart: a query of the API that has forgotten its condition finds nothing."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, func, insert, select, text
from sqlalchemy.exc import DBAPIError

from core import clock
from core.database import Database
from core.ids import new_id
from core.models import Base, Expense, Group, GroupMember, User, table_of
from core.services.channels import add_mail_channel
from tests.api.every_table import add_one_of_everything
from tests.core.services.household import Household
from tests.core.services.spender import Spender

OPEN = {"exchange_rates", "invariant_checks"}
"""What belongs to nobody, and everybody may read."""


@pytest.fixture
def confined(postgres_url: str) -> Iterator[Database]:
    database = Database(postgres_url, pool_size=2, has_confined_readers=True)
    yield database
    database.close()


@pytest.fixture
def home(confined: Database) -> Household:
    """A group of two, each with a row in every table, beside somebody who is in no group."""
    home = Household(confined, "Ada", "Bob")
    home.add("12.00")
    home.settle()
    for person in home.people.values():
        with confined.transaction() as session:
            add_mail_channel(session, user_id=person.id, now=clock.now())
        add_one_of_everything(confined, person.id, seq=1_000)
    return home


@pytest.fixture
def stranger(confined: Database) -> UUID:
    return Spender(confined).id


def seen(rows: Connection) -> dict[str, int]:
    """How many rows of each table a query finds that has no condition at all."""
    tables = Base.metadata.sorted_tables
    counts = {table.name: rows.scalar(select(func.count()).select_from(table)) or 0 for table in tables}
    return {name: count for name, count in counts.items() if count and name not in OPEN}


def test_every_table_is_guarded(confined: Database) -> None:
    guarded = text("SELECT relname FROM pg_class WHERE relrowsecurity")
    policies = text("SELECT tablename FROM pg_policies WHERE 'outlay_reader' = ANY (roles)")
    with confined.reading() as session:
        assert set(session.scalars(guarded)) == Base.metadata.tables.keys()
        assert set(session.scalars(policies)) == Base.metadata.tables.keys()


def test_who_is_nobody_and_who_is_in_no_group_see_nothing_of_others(
    confined: Database, home: Household, stranger: UUID
) -> None:
    with confined.reading_rows_as(None) as rows:
        assert seen(rows) == {}
    with confined.reading_rows_as(new_id()) as rows:
        assert seen(rows) == {}
    with confined.reading_rows_as(stranger) as rows:
        found = seen(rows)
        assert {row.user_id for row in rows.execute(select(Base.metadata.tables["categories"]))} == {stranger}
    assert "groups" not in found
    assert "expenses" not in found


def test_everybody_sees_their_own_rows_and_those_of_their_groups(confined: Database, home: Household) -> None:
    ada, bob = (home.people[name].id for name in ("Ada", "Bob"))
    for reading in (confined.reading_rows_as, confined.snapshot_rows_as, confined.reading_as):
        with reading(ada) as reader:
            owners = set(reader.scalars(select(table_of(Expense).c.user_id)))
            assert owners == {ada}
            assert set(reader.scalars(select(table_of(User).c.id))) == {ada}
            assert set(reader.scalars(select(table_of(Group).c.id))) == {home.id}
            members = select(table_of(GroupMember).c.user_id)
            assert set(reader.scalars(members)) == {ada, bob}, "members see each other"


def test_who_has_left_a_group_sees_it_no_more(confined: Database, home: Household) -> None:
    home.set_member("Bob", left_at=func.now())
    with confined.reading_rows_as(home.people["Bob"].id) as rows:
        for name in ("groups", "group_members", "group_expenses", "postings"):
            assert rows.scalar(select(func.count()).select_from(Base.metadata.tables[name])) == 0


def test_a_connection_forgets_whom_it_has_read_for(confined: Database, home: Household) -> None:
    for name in ("Ada", "Bob", "Ada"):
        user_id = home.people[name].id
        for _ in range(3):  # more often than there are connections
            with confined.reading_rows_as(user_id) as rows:
                assert set(rows.scalars(select(table_of(User).c.id))) == {user_id}
    with confined.reading_rows_as(None) as rows:
        assert rows.scalar(select(func.count()).select_from(table_of(User))) == 0


@pytest.mark.parametrize("name", sorted({"users", "expenses", "audit_events", "sessions", "groups"}))
def test_who_reads_can_write_nothing(confined: Database, home: Household, name: str) -> None:
    table = Base.metadata.tables[name]
    ada = home.people["Ada"].id
    forbidden = (f"TRUNCATE {name} CASCADE", f"ALTER TABLE {name} DISABLE ROW LEVEL SECURITY")
    statements: list[Any] = [table.delete(), *map(text, forbidden)]
    for statement in statements:
        with confined.reading_rows_as(ada) as rows, pytest.raises(DBAPIError, match=r"permission|owner"):
            rows.execute(statement)
    with confined.reading_rows_as(ada) as rows, pytest.raises(DBAPIError, match="permission"):
        rows.execute(insert(table_of(User)).values(id=new_id(), username="x"))
