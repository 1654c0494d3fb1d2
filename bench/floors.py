"""What the machine can do at best: the same inserts without us, an API that only decodes and answers."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb
from sqlalchemy import make_url

from bench.load import Outcome
from bench.system import await_port
from core.commands.ports import free_port
from core.ids import new_id

EXPENSE = """
INSERT INTO expenses (user_id, id, amount_minor, currency, category_id, spent_on, payee, payee_key,
  search_text, source, line_count, tag_count, version, created_at, updated_at)
VALUES (%s, %s, 1234, 'EUR', %s, %s, 'Corner Bakery', 'corner bakery', 'corner bakery', 'manual', 0, 0, 1,
  %s, %s)
"""
TOTAL = """
INSERT INTO daily_spending (user_id, day, category_id, currency, amount_minor, count)
VALUES (%s, %s, %s, 'EUR', 1234, 1)
ON CONFLICT (user_id, day, category_id, currency)
DO UPDATE SET amount_minor = daily_spending.amount_minor + 1234, count = daily_spending.count + 1
"""
JOB = """
INSERT INTO outbox (job, key, payload, attempts, created_at, available_at)
VALUES ('floor', %s, %s, 0, %s, %s)
"""


def insert_load(
    database_url: str, user_id: UUID, category_ids: list[UUID], *, connections: int, seconds: float
) -> Outcome:
    """The three inserts of an expense by bare psycopg, pipelined, a transaction each, in so many threads."""
    outcome = Outcome(seconds=seconds)
    address = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    end = time.perf_counter() + seconds

    def insert() -> None:
        with psycopg.connect(address) as connection:
            number = 0
            while time.perf_counter() < end:
                number += 1
                started = time.perf_counter()
                now = datetime.now(UTC)
                category_id = category_ids[number % len(category_ids)]
                with connection.pipeline(), connection.transaction():
                    connection.execute(EXPENSE, (user_id, new_id(), category_id, now.date(), now, now))
                    connection.execute(TOTAL, (user_id, now.date(), category_id))
                    connection.execute(JOB, (str(user_id), Jsonb({"from": None}), now, now))
                outcome.latencies_ms.append((time.perf_counter() - started) * 1000)

    threads = [threading.Thread(target=insert) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcome


@contextmanager
def decoding_api() -> Iterator[int]:
    """The port of a Falcon application under uvicorn that decodes an expense and answers it, no more."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "bench.decoding_api", str(port)])
    try:
        await_port(port)
        yield port
    finally:
        process.terminate()
        process.wait()
