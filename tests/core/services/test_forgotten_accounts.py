"""An account that was deleted is named nowhere any more but where `docs/privacy.md` says so."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from core import clock
from core.database import Database
from core.models import Base
from core.queries.posted_expenses import SHARES
from core.services.accounts import delete_account, leave_groups
from core.services.administration import set_rights
from core.services.channels import add_mail_channel
from core.services.group_members import insert_member
from tests.api.every_table import add_one_of_everything
from tests.core.services.household import Household
from tests.core.services.spender import Spender

STAYS = {("audit_events", "actor_id")}
"""In the trails of others, where an administrator has done something."""


@pytest.fixture
def homes(own_database_url: str) -> Iterator[tuple[Household, Household]]:
    """Bob is in the first one with a share of what was spent, and has left the second one with another."""
    database = Database(own_database_url, pool_size=1)
    flat, trip = Household(database, "Ada", "Bob"), Household(database, "Cleo")
    trip.people["Bob"] = flat.people["Bob"]
    with database.transaction() as session:
        member = insert_member(
            session, group_id=trip.id, user_id=trip.people["Bob"].id, display_name="Bob", role="member"
        )
    trip.ids["Bob"] = member.id
    for home in (flat, trip):
        home.add("30.00")
    flat.settle_all()
    trip.leave("Bob")
    yield flat, trip
    database.close()


def test_no_column_of_any_table_leads_to_an_account_that_was_deleted(
    homes: tuple[Household, Household],
) -> None:
    flat, _trip = homes
    database, ada, bob = flat.database, flat.people["Ada"], flat.people["Bob"]
    with database.transaction() as session:
        add_mail_channel(session, user_id=bob.id, now=clock.now())
    add_one_of_everything(database, bob.id, seq=100)
    with database.transaction() as session:
        set_rights(session, user_id=ada.id, changes={"is_admin": True}, actor_id=bob.id)
    assert {("users", "id"), ("group_members", "user_id"), ("group_shares", "mirror_user_id")} < named_in(
        database, bob.id
    )
    mirrors = {one.id for home in homes for one in home.mirrors("Bob")}
    assert len(mirrors) == 2
    delete(bob)
    assert named_in(database, bob.id) == STAYS
    assert [named_in(database, one) for one in mirrors] == [set(), set()]


def test_the_mirrors_of_those_who_stay_keep_their_link(homes: tuple[Household, Household]) -> None:
    """Also of somebody who has left, whose account is as it was."""
    flat, trip = homes
    delete(flat.people["Ada"])
    bobs = {flat.ids["Bob"], trip.ids["Bob"]}
    with flat.database.reading() as session:
        links = session.execute(
            select(SHARES.c.member_id, SHARES.c.mirror_user_id, SHARES.c.mirror_expense_id)
        ).all()
    assert {one.member_id for one in links if one.mirror_user_id == flat.people["Bob"].id} == bobs
    assert {one.member_id for one in links if one.mirror_expense_id is None} == {flat.ids["Ada"]}


def delete(person: Spender) -> None:
    """In two transactions, as everybody does it."""
    with person.database.transaction() as session:
        leave_groups(session, user_id=person.id, expected_versions=None)
    with person.database.transaction() as session:
        delete_account(session, user_id=person.id, expected_versions=None)


def named_in(database: Database, wanted: UUID) -> set[tuple[str, str]]:
    """Table and column of each value that is the id or has it in it, however it is spelled."""
    with database.reading() as session:
        return {
            (table.name, column)
            for table in Base.metadata.sorted_tables
            for row in session.execute(select(table)).mappings()
            for column, value in row.items()
            if is_in(wanted, value)
        }


def is_in(wanted: UUID, value: Any) -> bool:
    if isinstance(value, bytes):
        return wanted.bytes in value or wanted.hex.encode() in value.replace(b"-", b"")
    return wanted.hex in str(value).replace("-", "")
