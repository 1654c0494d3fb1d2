"""PostgreSQL itself keeps users apart: a query of the API that has forgotten its condition finds nothing."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, Table, func, insert, literal, select, text, true, update
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from core import clock
from core.database import READER_ROLE, WRITER_ROLE, Database
from core.ids import new_id
from core.many_rows import insert_rows
from core.models import (
    AuditEvent,
    AuditHead,
    Base,
    Deletion,
    ExchangeRate,
    Expense,
    ExpenseTag,
    Group,
    GroupMember,
    InvariantCheck,
    Notification,
    Report,
    User,
    table_of,
)
from core.services.audit import Action, record_action
from core.services.channels import add_mail_channel
from core.services.invitations import NewInvitation, invite_member
from core.services.reminders import remind
from core.services.sessions import open_session
from core.services.settlements import NewSettlement, record_settlement
from tests.api.every_table import add_one_of_everything
from tests.core.services.household import Household
from tests.core.services.spender import Spender

OPEN = {"exchange_rates", "invariant_checks"}
"""What belongs to nobody, and everybody may read."""


REPORTS = table_of(Report)


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
        with confined.transaction() as session:
            open_session(session, user_id=person.id, user_agent="Firefox", ip_address="192.0.2.1")
    add_what_is_shared(confined, home)
    return home


def add_what_is_shared(database: Database, home: Household) -> None:
    """A row in each table of groups that an expense has none in, and in those of nobody."""
    keys = {"group_id": home.id, "user_id": home.people["Ada"].id}
    invitation = NewInvitation(email="x@example.com", member_id=None, role="member", acceptable_by="link")
    with database.transaction() as session:
        remind(session, member_id=home.ids["Bob"], **keys)
        record_settlement(
            session, settlement=NewSettlement(to_member_id=home.ids["Bob"], amount="1.00"), **keys
        )
        invite_member(session, invitation=invitation, token_of=lambda *_ids: "token", **keys)
        now = clock.now()
        rate = {"currency": "USD", "day": now.date(), "rate": 1, "source": "test", "fetched_at": now}
        session.execute(insert(table_of(ExchangeRate)).values(rate))
        check = {"name": "test", "checked_at": now, "finished_at": now, "failures": 0, "unproved": 0}
        session.execute(insert(table_of(InvariantCheck)).values({**check, "details": []}))


@pytest.fixture
def stranger(confined: Database) -> UUID:
    return Spender(confined).id


def seen(rows: Connection) -> dict[str, int]:
    """How many rows of each table a query finds that has no condition at all."""
    tables = Base.metadata.sorted_tables
    counts = {table.name: rows.scalar(select(func.count()).select_from(table)) or 0 for table in tables}
    return {name: count for name, count in counts.items() if count and name not in OPEN}


@pytest.mark.parametrize("role", [READER_ROLE, WRITER_ROLE])
def test_every_table_is_guarded(confined: Database, role: str) -> None:
    guarded = text("SELECT relname FROM pg_class WHERE relrowsecurity")
    policies = text("SELECT tablename FROM pg_policies WHERE :role = ANY (roles)")
    with confined.reading() as session:
        assert set(session.scalars(guarded)) == Base.metadata.tables.keys()
        assert set(session.scalars(policies, {"role": role})) == Base.metadata.tables.keys()


@pytest.mark.parametrize("role", [READER_ROLE, WRITER_ROLE])
def test_a_role_owns_nothing_cannot_log_in_and_bypasses_nothing(confined: Database, role: str) -> None:
    rights = "rolcanlogin OR rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb"
    owned = "SELECT count(*) FROM pg_class WHERE relowner = CAST(:role AS regrole)"
    with confined.reading() as session:
        has_any = session.scalar(text(f"SELECT {rights} FROM pg_roles WHERE rolname = :role"), {"role": role})
        assert has_any is False
        assert session.scalar(text(owned), {"role": role}) == 0


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


def rows_by_owner(database: Database, table: Table) -> dict[Any, int]:
    """How many rows of a table there are of whom, as its owner sees it."""
    key = next((table.c[name] for name in ("user_id", "id") if name in table.c), literal(None))
    with database.reading() as session:
        rows = session.execute(select(key, func.count()).select_from(table).group_by(key))
        return {row[0]: row[1] for row in rows}


def unconditional(table: Table) -> list[Any]:
    """What services do to a table, with the condition forgotten."""
    column = next(iter(table.primary_key.columns))
    return [
        select(table),
        select(table).with_for_update(),
        update(table).values({column: column}),
        table.delete(),
    ]


def found_by(database: Database, user_ids: Collection[UUID], statement: Any) -> int | None:
    """How many rows a statement finds or changes, which is rolled back; None if it is not allowed at all."""
    with database.transaction_as(user_ids) as session:
        try:
            rows: Any = session.execute(statement)
        except ProgrammingError as error:
            if "permission denied" not in str(error.orig):
                raise
            found = None
        else:
            found = len(rows.all()) if rows.returns_rows else rows.rowcount
        session.rollback()
        return found


def test_without_its_condition_a_write_finds_nothing_of_others(
    confined: Database, home: Household, stranger: UUID
) -> None:
    for table in Base.metadata.sorted_tables:
        everything = rows_by_owner(confined, table)
        own = everything.get(stranger, 0)
        assert sum(everything.values()) > own, f"there is nothing to be found in {table.name}"
        for statement in unconditional(table):
            is_open = table.name in OPEN and statement.is_select
            for user_ids, rightly in (((), 0), ((new_id(),), 0), ((stranger,), own)):
                found = found_by(confined, user_ids, statement)
                assert found in (None, rightly) or is_open, f"{table.name}: {statement}"


def test_nothing_is_written_in_the_name_of_others(
    confined: Database, home: Household, stranger: UUID
) -> None:
    for table in Base.metadata.sorted_tables:
        if table.name == "outbox":
            continue
        with confined.reading() as session:
            whose = true() if "user_id" not in table.c else table.c.user_id.is_distinct_from(stranger)
            row = dict(session.execute(select(table).where(whose)).mappings().first() or {})
        refused = pytest.raises(ProgrammingError, match=r"row-level security|permission denied")
        with refused, confined.transaction_as([stranger]) as session:
            session.execute(insert(table).values(row))


def test_nobody_gives_what_is_theirs_to_others(confined: Database, home: Household) -> None:
    ada, bob = (home.people[name].id for name in ("Ada", "Bob"))
    tags = table_of(ExpenseTag)
    with pytest.raises(DBAPIError, match="row-level security"), confined.transaction_as([bob]) as session:
        session.execute(update(tags).values(user_id=ada))


@pytest.mark.parametrize("model", [AuditEvent, AuditHead])
def test_whoever_it_is_of_has_no_right_to_change_the_trail(
    confined: Database, home: Household, model: type[Base]
) -> None:
    """Their rights end before the triggers begin."""
    ada, table = home.people["Ada"].id, table_of(model)
    statements: list[Any] = [
        table.delete(),
        text(f"TRUNCATE {table.name}"),
        update(table).values(hash=bytes(32)),
        insert(table).values(user_id=ada, seq=1),
    ]
    for statement in statements:
        with pytest.raises(DBAPIError, match="permission denied"), confined.transaction_as([ada]) as session:
            session.execute(statement)


def test_who_reads_does_not_append_to_the_trail(confined: Database, home: Household) -> None:
    append = text("SELECT append_to_audit('[]', now())")
    ada = home.people["Ada"].id
    with confined.transaction_as([ada]) as session:
        session.execute(append)
    with confined.reading_rows_as(ada) as rows, pytest.raises(DBAPIError, match="permission denied"):
        rows.execute(append)


def test_nobody_appends_to_the_trail_of_another(confined: Database, home: Household) -> None:
    ada, bob = (home.people[name].id for name in ("Ada", "Bob"))
    with pytest.raises(DBAPIError, match="the trail of another"), confined.transaction_as([ada]) as session:
        record_action(session, Action(bob, "some.thing"))
    with confined.transaction_as([ada]) as session:
        record_action(session, Action(ada, "some.thing"))


def test_a_trail_ends_with_its_account(confined: Database) -> None:
    """However far the deletion is: it is no fault of ours that has to be looked into."""
    with pytest.raises(IntegrityError), confined.transaction() as session:
        record_action(session, Action(new_id(), "some.thing"))


def test_several_users_write_together_and_reach_nobody_else(
    confined: Database, home: Household, stranger: UUID
) -> None:
    ada, bob = (home.people[name].id for name in ("Ada", "Bob"))
    with confined.transaction_as([ada, stranger]) as session:
        owners = set(session.scalars(select(table_of(Expense).c.user_id)))
        assert owners == {ada}
        categories = set(session.scalars(select(Base.metadata.tables["categories"].c.user_id)))
        assert categories == {ada, stranger}
        assert bob in set(session.scalars(select(table_of(User).c.id))), "a fellow is locked to be told"


def test_fellows_are_told_and_not_reached_any_further(confined: Database, home: Household) -> None:
    ada, bob = (home.people[name].id for name in ("Ada", "Bob"))
    home.leave("Bob")
    notifications = table_of(Notification)
    with confined.transaction_as([ada]) as session:
        row = {"user_id": bob, "seq": 2_000, "kind": "digest.ready", "data": {}, "created_at": clock.now()}
        session.execute(insert(notifications), row)
    with confined.transaction_as([ada]) as session:
        assert set(session.scalars(select(notifications.c.user_id))) == {ada}
        session.execute(notifications.delete())
    assert set(rows_by_owner(confined, notifications)) == {bob}


def test_of_fellows_no_more_than_the_number_changes(confined: Database, home: Household) -> None:
    ada, bob = (home.people[name].id for name in ("Ada", "Bob"))
    users = table_of(User)
    theirs = update(users).where(users.c.id == bob)
    with confined.transaction_as([ada]) as session:
        assert session.execute(theirs.values(notification_seq=users.c.notification_seq)).rowcount == 1
        assert session.execute(update(users).where(users.c.id == ada).values(timezone="UTC")).rowcount == 1
    for values in ({"password_hash": "mine"}, {"display_name": "Ada"}, {"version": users.c.version + 1}):
        with pytest.raises(DBAPIError, match="not of others"), confined.transaction_as([ada]) as session:
            session.execute(theirs.values(values))


def test_of_the_reports_of_fellows_no_more_changes_than_that_they_are_stale(
    confined: Database, home: Household
) -> None:
    ada, bob = (home.people[name].id for name in ("Ada", "Bob"))
    theirs = update(REPORTS).where(REPORTS.c.user_id == bob)
    with confined.transaction_as([ada]) as session:
        is_stale = {"stale_since": clock.now(), "version": REPORTS.c.version + 1}
        assert session.execute(theirs.values(is_stale)).rowcount == 1
        assert session.execute(update(REPORTS).where(REPORTS.c.user_id == ada).values(size=1)).rowcount == 1
    for name in set(REPORTS.columns.keys()) - {"stale_since", "version"}:
        refused = pytest.raises(DBAPIError, match="not of others")
        with refused, confined.transaction_as([ada]) as session:
            session.execute(theirs.values({name: REPORTS.c[name]}))


def test_who_has_left_reaches_nobody_they_were_with(confined: Database, home: Household) -> None:
    ada, bob = (home.people[name].id for name in ("Ada", "Bob"))
    home.leave("Bob")
    with confined.transaction_as([bob]) as session:
        assert set(session.scalars(select(table_of(User).c.id))) == {bob}
        assert set(session.scalars(select(REPORTS.c.user_id))) == {bob}
    with confined.transaction_as([ada]) as session:
        assert set(session.scalars(select(table_of(User).c.id))) == {ada, bob}, "who was removed is told"


def test_nobody_makes_themselves_an_administrator(confined: Database, home: Household) -> None:
    ada, promoting = home.people["Ada"].id, update(table_of(User)).values(is_admin=True)
    with pytest.raises(DBAPIError, match="permission denied"), confined.transaction_as([ada]) as session:
        session.execute(promoting)


def test_who_leaves_a_group_writes_there_until_they_have_left(confined: Database, home: Household) -> None:
    bob, groups = home.people["Bob"].id, table_of(Group)
    leaving = update(GroupMember).where(GroupMember.user_id == bob).values(left_at=clock.now())
    renaming = update(groups).values(name="Bob was here")
    with confined.transaction_as([bob]) as session:
        session.execute(leaving)
        assert session.execute(renaming).rowcount == 1
    with confined.transaction_as([bob]) as session:
        assert session.execute(renaming).rowcount == 0


def test_a_connection_is_the_owners_again_after_each_transaction(postgres_url: str) -> None:
    said = text("SELECT current_user, current_setting('outlay.user_ids', true)")
    database = Database(postgres_url, pool_size=1)
    try:
        with database.transaction() as session:
            owner = session.execute(said).one()[0]
        for is_good in (True, False):
            user_id = new_id()
            with database.transaction_as([user_id]) as session:
                assert tuple(session.execute(said).one()) == (WRITER_ROLE, f"{{{user_id}}}")
                if not is_good:
                    session.rollback()
            with database.transaction() as session:
                assert tuple(session.execute(said).one()) == (owner, "")
    finally:
        database.close()


def test_many_rows_are_inserted_by_who_may(confined: Database, home: Household, stranger: UUID) -> None:
    ada, table = home.people["Ada"].id, table_of(Deletion)
    words = {"kind": "expense", "deleted_at": clock.now()}
    with confined.transaction_as([stranger]) as session:
        insert_rows(session, table, ({"user_id": stranger, "id": new_id(), **words} for _ in range(2_000)))
    assert rows_by_owner(confined, table)[stranger] == 2_000
    with (
        pytest.raises(DBAPIError, match="row-level security"),
        confined.transaction_as([stranger]) as session,
    ):
        insert_rows(session, table, [{"user_id": ada, "id": new_id(), **words}])
