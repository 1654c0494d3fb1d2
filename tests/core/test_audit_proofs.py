"""The proof of an audit trail reads the rows past the models: nothing may slip by it for that."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from core.database import Database, Reader
from core.models import AuditEvent, AuditHead
from core.queries import audit as queries
from core.queries.audit import ChainProof, verify_chain
from core.rules.audit_chain import link_hash, microseconds
from core.services.audit import Action, Origin, record_action
from core.services.invariant_checks import prove
from tests.core.services.spender import Spender
from tests.forging import forge

SPELLINGS: dict[str, Callable[[str], str]] = {
    "the letter T": lambda at: at.replace(" ", "T"),
    "a comma": lambda at: at.replace(".", ","),
    "a longer fraction": lambda at: f"{at}0",
    "a zone": lambda at: f"{at}+00:00",
    "the letter Z": lambda at: f"{at}Z",
    "no year": lambda at: at[5:],
    "no time at all": lambda _at: "now",
    "nothing": lambda _at: "",
    "more than a second": lambda at: f"{at[:17]}{int(at[17:19]) - 1:02}.1{at[20:]}",
    "less than a second": lambda at: f"{at[:17]}{int(at[17:19]) + 1:02}.{int(at[20:]) - 1_000_000:06}",
}
"""Of the same instant on SQLite, where it is a text, and any text will do."""


def test_digests_stay_what_they_were() -> None:
    """Trails that are there already must be provable for ever."""
    digest = link_hash(
        b"p" * 32,
        user=UUID(int=1).hex,
        seq=7,
        at_us=microseconds(datetime(2026, 5, 10, 9, 30, 0, 123456, tzinfo=UTC)),
        actor=UUID(int=2).hex,
        action="expense.created",
        object_=None,
        details='{"changes":{"rôle":"admin"}}',
    )
    assert digest.hex() == "33acf66ac6517b3457a851d74295eada01f487c114be7ce41c6f4d5a75176236"


@given(st.datetimes(timezones=st.just(UTC)))
def test_microseconds_are_counted_exactly(at: datetime) -> None:
    assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds(at)) == at


INSTANTS = st.integers(0, 2**52).map(lambda us: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us))
ANYTHING = st.dictionaries(st.text(max_size=8), st.none() | st.text(max_size=8) | st.integers(), max_size=3)


@example(instants=[datetime(2026, 5, 10, 9, 30, 0, 999_500, tzinfo=UTC)], events=[(0, None, None, {})])
@given(
    instants=st.lists(INSTANTS, min_size=1, max_size=3),
    events=st.lists(
        st.tuples(st.integers(0, 2), st.none() | st.uuids(), st.none() | st.uuids(), ANYTHING),
        min_size=1,
        max_size=12,
    ),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_the_database_chains_is_provable_here(
    database: Database, instants: list[datetime], events: list[tuple[int, UUID | None, UUID | None, Any]]
) -> None:
    user_ids = [Spender(database).id for _ in range(3)]
    for instant in instants:
        with time_machine.travel(instant, tick=False), database.transaction() as session:
            for whose, actor_id, object_id, changes in events:
                origin = Origin(None, "2001:db8::1", "ä\n")
                action = Action(user_ids[whose], "some.thing", actor_id, object_id, changes, origin)
                record_action(session, action)
    for position, user_id in enumerate(user_ids):
        count = sum(whose == position for whose, *_ in events) * len(instants)
        assert proof(database, user_id) == ChainProof(user_id, count)
        with database.reading() as session:
            its_events = session.scalars(select(AuditEvent).where(AuditEvent.user_id == user_id))
            assert {event.at for event in its_events} <= set(instants)


@pytest.fixture
def user_id(database: Database) -> UUID:
    return with_trail(database)


def with_trail(database: Database) -> UUID:
    """Somebody with a trail of three events; nobody did the second."""
    owner = Spender(database)
    for actor_id in (owner.id, None, owner.id):
        with database.transaction() as session:
            record_action(session, Action(owner.id, "session.opened", actor_id, owner.id))
    assert proof(database, owner.id) == ChainProof(owner.id, 3)
    return owner.id


def proof(database: Database, user_id: UUID) -> ChainProof:
    with database.reading_rows() as rows:
        return verify_chain(rows, user_id=user_id)


def forge_second(database: Database, assignment: str, **values: Any) -> None:
    statement = text(f"UPDATE {AuditEvent.__tablename__} SET {assignment} WHERE seq = 2")
    forge(database, lambda session: session.execute(statement, values))


@pytest.mark.parametrize("offset_us", [1, -1, 86_400_000_000, 3_600_000_000])
def test_an_instant_that_was_moved_is_found(database: Database, user_id: UUID, offset_us: int) -> None:
    with database.reading() as session:
        event = session.get_one(AuditEvent, (user_id, 2))
    at = event.at + timedelta(microseconds=offset_us)
    is_text = database.dialect == "sqlite"
    forge_second(database, "at = :at", at=at.strftime("%Y-%m-%d %H:%M:%S.%f") if is_text else at)
    assert_broken(database, user_id)


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_an_instant_that_is_spelled_otherwise_is_found(
    database: Database, user_id: UUID, spelling: Callable[[str], str]
) -> None:
    if database.dialect == "postgresql":
        pytest.skip("it has a type for instants")
    with database.reading_rows() as rows:
        at = rows.exec_driver_sql("SELECT at FROM audit_events WHERE seq = 2").scalar_one()
    forge_second(database, "at = :spelling", spelling=spelling(at))
    assert_broken(database, user_id)


EVENTS, HEADS = AuditEvent.__tablename__, AuditHead.__tablename__
UNDECODABLE = "CAST(x'ff' AS TEXT)"
FORGED = {
    "postgresql": [
        (EVENTS, "at = 'infinity'"),
        (EVENTS, "at = '-infinity'"),
        (EVENTS, "at = '294276-12-31 23:59:59+00'"),
        (HEADS, "seq = 9223372036854775807"),
    ],
    "sqlite": [
        *((EVENTS, f"{name} = {UNDECODABLE}") for name in ("seq", "object_id", "action", "details", "hash")),
        *((EVENTS, f"{name} = CAST({name} AS BLOB)") for name in ("at", "object_id", "action", "details")),
        *((EVENTS, f"{name} = 'text'") for name in ("seq", "hash")),
        *((HEADS, f"{name} = {forged}") for name in ("seq", "hash") for forged in ("'text'", UNDECODABLE)),
    ],
}
"""What the driver could stumble over, or Python."""


def overwrite(database: Database, user_id: UUID, table: str, assignment: str) -> None:
    whose = user_id.hex if database.dialect == "sqlite" else user_id
    is_it = "user_id = :whose AND seq = 2" if table == EVENTS else "user_id = :whose"
    statement = text(f"UPDATE {table} SET {assignment} WHERE {is_it}")
    forge(database, lambda session: session.execute(statement, {"whose": whose}))


def test_what_no_driver_can_read_is_found_and_stops_no_proof_of_others(database: Database) -> None:
    owners = {}
    for table, assignment in FORGED[database.dialect]:
        owner_id = owners[table, assignment] = with_trail(database)
        overwrite(database, owner_id, table, assignment)
    intact_id = with_trail(database)
    with database.reading() as session:
        found = prove(session, name="audit_trail")
        assert verify_chain(session, user_id=intact_id).problem is None
        unseen = [what for what, one in owners.items() if verify_chain(session, user_id=one).problem is None]
    assert (unseen, found.failures) == ([], len(owners))


@pytest.mark.parametrize(
    "assignment",
    ["object_id = upper(object_id)", "actor_id = ''", "actor_id = object_id", "object_id = NULL"],
)
def test_an_id_that_is_another_or_is_written_otherwise_is_found(
    database: Database, user_id: UUID, assignment: str
) -> None:
    if database.dialect == "postgresql" and ("upper" in assignment or "''" in assignment):
        pytest.skip("it has a type for ids")
    forge_second(database, assignment)
    assert_broken(database, user_id)


@pytest.mark.parametrize("seq", [0, -5, -(2**63)])
def test_an_event_that_is_put_before_the_first_one_is_found(
    database: Database, user_id: UUID, seq: int
) -> None:
    """No trigger refuses it."""
    columns = "at, actor_id, action, object_id, details, hash FROM audit_events WHERE seq = 1"
    with database.transaction() as session:
        statement = f"INSERT INTO audit_events SELECT user_id, CAST(:seq AS BIGINT), {columns}"
        session.execute(text(statement), {"seq": seq})
    assert proof(database, user_id) == ChainProof(user_id, 0, "event 1 is missing")


def test_what_is_written_between_the_two_readings_is_no_false_alarm(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a trail that was empty too; how often others write meanwhile does not matter."""
    owner_id = Spender(database).id
    chain, written = queries._chain, 0

    def then_write(reader: Reader, user_id: UUID, *, after: int) -> Iterator[Any]:
        nonlocal written
        yield from chain(reader, user_id, after=after)
        if written < 3:
            written += 1
            with database.transaction() as session:
                record_action(session, Action(owner_id, "session.opened", owner_id))

    monkeypatch.setattr(queries, "_chain", then_write)
    assert proof(database, owner_id) == ChainProof(owner_id, 3)


def assert_broken(database: Database, user_id: UUID) -> None:
    problem = "event 2 or the one before it was changed"
    assert proof(database, user_id) == ChainProof(user_id, 1, problem)
