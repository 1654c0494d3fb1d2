"""Groups: an expense of 50 members until all of them know, and the balances beside a long history."""

import asyncio
import itertools
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import websockets
from sqlalchemy import func, insert, select, text

from bench.floors import decoding_api
from bench.load import Outcome, Summary, measure, request
from bench.measures import RUNS, load
from bench.report import Row
from bench.system import Dialect, System
from core.clock import now
from core.database import Database
from core.ids import new_id
from core.models import (
    Group,
    GroupExpense,
    GroupMember,
    GroupShare,
    OutboxRow,
    PairBalance,
    Posting,
    table_of,
)

LISTENERS = 50
"""Members with accounts and open sockets, besides the one who writes."""

EXPENSES = 20
"""Of a run, each written when all have been told of the one before."""

PATIENCE_S = 20.0
POLL_S = 0.005

LONG_HISTORY = 100_000
LONG_MEMBERS = 10
INSERT_BATCH = 5_000


def grouping(dialect: Dialect) -> list[Row]:
    """POST of an expense of the whole group, and when its message has reached every socket."""
    with System(dialect) as system:
        people = [system.new_user(f"member-{number}") for number in range(LISTENERS + 1)]
        for _user_id, token in people:
            system.call("POST", "/v1/budgets", token, {"name": "All", "amount": "100000.00"})
        group_id = _insert_group(system, [UUID(user_id) for user_id, _token in people])
        tokens = [token for _user_id, token in people]
        runs = [asyncio.run(_tell_everybody(system, group_id, tokens)) for _ in range(RUNS)]
    names = (
        f"POST of an expense of {LISTENERS + 1} members on {dialect}",
        f"… until it is split, mirrored, evaluated and on all {LISTENERS} sockets",
    )
    summaries = [Summary.of(list(outcomes)) for outcomes in zip(*runs, strict=True)]
    return [
        Row(name, "", f"{summary.p50_ms:.1f} ms", f"{summary.p99_ms:.1f} ms")
        for name, summary in zip(names, summaries, strict=True)
    ]


def balancing(dialect: Dialect) -> list[Row]:
    """GET of the balances of a group with 100,000 expenses, one at a time."""
    with System(dialect) as system:
        user_id, token = system.new_user("reader")
        group_id = _insert_group(system, [UUID(user_id), *itertools.repeat(None, LONG_MEMBERS - 1)])
        _insert_history(system, group_id)
        one_at_a_time = {**load(), "connections": 1}
        with decoding_api() as port:
            floor = measure(port, partial(itertools.repeat, request("GET", "/v1/expenses")), **one_at_a_time)
        rows = [Row.of("floor: Falcon answers, one at a time", floor)]
        for path in ("balances", "plan", "debts"):
            reads = partial(itertools.repeat, request("GET", f"/v1/groups/{group_id}/{path}", token))
            summary = measure(system.api_port, reads, **one_at_a_time)
            rows.append(
                Row.of(f"GET {path} beside {LONG_HISTORY:,} expenses on {dialect}", summary, floor=floor)
            )
        return rows


async def _tell_everybody(system: System, group_id: UUID, tokens: list[str]) -> tuple[Outcome, Outcome]:
    posted, told = Outcome(seconds=1), Outcome(seconds=1)
    url = f"ws://127.0.0.1:{system.ws_port}/ws/notifications"
    sockets = [await websockets.connect(url, compression=None) for _ in tokens[1:]]
    for socket, token in zip(sockets, tokens[1:], strict=True):
        await socket.send(json.dumps({"type": "auth", "token": token}))
        await socket.recv()
    database = Database(system.database_url, pool_size=1)
    reader, writer = await asyncio.open_connection("127.0.0.1", system.api_port)
    body = json.dumps({"amount": "510.07", "description": "Dinner", "category": "Eating out"}).encode()
    for _ in range(EXPENSES):
        started = time.perf_counter()
        writer.write(request("POST", f"/v1/groups/{group_id}/expenses", tokens[0], body))
        status = await _status(reader)
        if status != b"201":
            posted.failures.append(status.decode())
            break
        posted.latencies_ms.append((time.perf_counter() - started) * 1000)
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(socket.recv() for socket in sockets))
            await asyncio.to_thread(_await_jobs, database)
        told.latencies_ms.append((time.perf_counter() - started) * 1000)
    writer.close()
    database.close()
    for socket in sockets:
        await socket.close()
    return posted, told


def _await_jobs(database: Database) -> None:
    """Until all are done: budgets are evaluated after the messages have gone out."""
    with database.reading() as session:
        while session.scalar(select(func.count()).select_from(OutboxRow)):
            time.sleep(POLL_S)


async def _status(reader: asyncio.StreamReader) -> bytes:
    """Of the next answer, whose body is read too."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    )
    await reader.readexactly(length)
    return head.split(b" ", 2)[1]


def _insert_group(system: System, user_ids: list[UUID | None]) -> UUID:
    """A group of users, and of members without an account for None; the first is its owner."""
    group_id, moment = new_id(), now()
    times = {"version": 1, "created_at": moment, "updated_at": moment}
    with _database(system) as database, database.transaction() as session:
        session.execute(
            insert(Group).values(
                id=group_id,
                name="Club",
                currency="EUR",
                simplify_debts=True,
                default_split={"kind": "equal", "member_ids": []},
                settlement_days=7,
                **times,
            )
        )
        session.execute(
            insert(table_of(GroupMember)),
            [
                {
                    "group_id": group_id,
                    "id": new_id(),
                    "user_id": user_id,
                    "display_name": f"Member {number}",
                    "role": "member" if number else "owner",
                    "mirrors_expenses": True,
                    **times,
                }
                for number, user_id in enumerate(user_ids)
            ],
        )
    return group_id


def _insert_history(system: System, group_id: UUID) -> None:
    """Expenses of three members each, all posted, straight into the database."""
    with _database(system) as database:
        with database.reading() as session:
            members = list(session.scalars(select(GroupMember.id).order_by(GroupMember.id)))
        balances: dict[tuple[UUID, UUID], int] = {}
        for batch in _batches(range(LONG_HISTORY)):
            rows = [_posted_expense(group_id, members, number, balances) for number in batch]
            with database.transaction() as session:
                for table, part in zip(
                    (GroupExpense, GroupShare, Posting), zip(*rows, strict=True), strict=True
                ):
                    session.execute(insert(table_of(table)), list(itertools.chain.from_iterable(part)))
        with database.transaction() as session:
            session.execute(
                insert(table_of(PairBalance)),
                [
                    {
                        "group_id": group_id,
                        "member_id": one,
                        "counterparty_id": other,
                        "currency": "EUR",
                        "amount_minor": minor,
                    }
                    for (one, other), minor in balances.items()
                ],
            )
        if system.dialect == "postgresql":
            # As autovacuum would within a minute.
            with database.engine.begin() as connection:
                connection.execute(text("ANALYZE"))


def _posted_expense(
    group_id: UUID, members: list[UUID], number: int, balances: dict[tuple[UUID, UUID], int]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    expense_id, moment, share = new_id(), now(), 1_000 + number % 900
    payer, *others = (members[(number * 7 + step * (1 + number % 3)) % len(members)] for step in range(3))
    shares = {str(one): share for one in (payer, *others)}
    expense = {
        "group_id": group_id,
        "id": expense_id,
        "amount_minor": 3 * share,
        "currency": "EUR",
        "description": "Dinner",
        "category": "Eating out",
        "spent_on": (moment - timedelta(days=number % 1_000)).date(),
        "split": {"kind": "equal", "member_ids": list(shares)},
        "resolved": {"paid": {str(payer): 3 * share}, "shares": shares},
        "created_by": payer,
        "updated_by": payer,
        "version": 1,
        "posted_version": 1,
        "entry_count": 1,
        "created_at": moment,
        "updated_at": moment,
    }
    parts = [
        {
            "group_id": group_id,
            "expense_id": expense_id,
            "member_id": one,
            "paid_minor": 3 * share if one == payer else 0,
            "share_minor": share,
        }
        for one in (payer, *others)
    ]
    postings: list[dict[str, Any]] = []
    for other in others:
        for one, against, amount in ((payer, other, share), (other, payer, -share)):
            balances[one, against] = balances.get((one, against), 0) + amount
            postings.append(
                {
                    "group_id": group_id,
                    "source_id": expense_id,
                    "entry": 1,
                    "position": len(postings),
                    "source_kind": "expense",
                    "is_reversal": False,
                    "member_id": one,
                    "counterparty_id": against,
                    "currency": "EUR",
                    "amount_minor": amount,
                    "created_at": moment,
                }
            )
    return [expense], parts, postings


def _batches(numbers: range) -> Iterator[range]:
    for first in range(0, len(numbers), INSERT_BATCH):
        yield numbers[first : first + INSERT_BATCH]


@contextmanager
def _database(system: System) -> Iterator[Database]:
    database = Database(system.database_url, pool_size=1)
    try:
        yield database
    finally:
        database.close()
