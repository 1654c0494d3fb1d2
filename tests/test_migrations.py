"""Migrations go up and down on both databases, and lead exactly to the models."""

from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import insert, inspect, select

from core import clock
from core.database import Database
from core.ids import new_id
from core.models import Base, Invitation, table_of
from core.models.ledger import SQLITE_ONLY_TABLES
from tests.core.services.household import Household
from tests.migrating import config_for


def test_the_migrations_lead_to_what_the_models_say(migrated_copy: Database) -> None:
    with migrated_copy.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "compare_server_default": True,
                "include_name": lambda name, *_rest: name not in SQLITE_ONLY_TABLES,
            },
        )
        assert compare_metadata(context, Base.metadata) == []


def test_invitations_go_down_and_up_again_whole(migrated_copy: Database) -> None:
    """SQLite's table of them is made anew each time."""
    home = Household(migrated_copy, "Ada")
    now = clock.now()
    rows = [
        {
            "group_id": home.id,
            "id": new_id(),
            "email": f"{state}@example.com",
            "email_key": f"{state}@example.com",
            "role": "member",
            "acceptable_by": "address",
            "invited_by": home.ids["Ada"],
            "token_hash": state.encode().ljust(32),
            "issue": 1,
            "state": state,
            "version": 1,
            "created_at": now,
            "sent_at": now,
            "expires_at": now,
        }
        for state in ("pending", "accepted", "declined", "revoked", "expired")
    ]
    with migrated_copy.transaction() as session:
        session.execute(insert(Invitation), rows)

    def stored() -> dict[str, tuple[Any, ...]]:
        with migrated_copy.reading() as session:
            return {row.email: tuple(row) for row in session.execute(select(table_of(Invitation)))}

    before = stored()
    with migrated_copy.engine.connect() as connection:
        config = config_for(connection)
        earlier = ScriptDirectory.from_config(config).get_revision("0021")
        command.downgrade(config, str(earlier.down_revision))
        command.upgrade(config, "head")
        connection.commit()
    after = stored()
    expired = {column.name: n for n, column in enumerate(table_of(Invitation).columns)}["state"]
    assert after.pop("expired@example.com")[expired] == "pending"
    before.pop("expired@example.com")
    assert after == before


def test_every_migration_can_be_taken_back_and_repeated(migrated_copy: Database) -> None:
    for target in ("base", "head"):
        with migrated_copy.engine.connect() as connection:
            step = command.downgrade if target == "base" else command.upgrade
            step(config_for(connection), target)
            connection.commit()
            tables = set(inspect(connection).get_table_names()) - {"alembic_version"} - SQLITE_ONLY_TABLES
        assert tables == (set() if target == "base" else set(Base.metadata.tables))
