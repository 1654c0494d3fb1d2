"""A million expenses of one user as CSV and XLSX: rows a second from the request to the file, and memory.

Beside them floors of the same machine: Python's csv module writing prepared rows, PostgreSQL's COPY of the
same columns, and the two libraries that write workbooks row by row.
"""

import csv
import io
import itertools
import random
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

from sqlalchemy import text

from bench.measures import categories_of
from bench.report import Row
from bench.system import Dialect, System
from core.clock import now
from core.database import Database
from core.ids import new_id
from core.many_rows import insert_rows
from core.models import Expense, ExpenseLine, ExpenseTag, table_of

EXPENSES = 1_000_000
RUNS = 3
INSERT_BATCH = 20_000
SEED = 5
FIRST, DAYS = date(2016, 1, 1), 3_653
POLL_S = 0.2
PATIENCE_S = 600.0

FLOOR_ROWS = 200_000
LIBRARY_ROWS = 30_000
"""What the libraries do in a few seconds."""

PAYEES = [
    f"{first} {second} {number}"
    for number in range(50)
    for first in ("Corner", "Grand", "Old", "Café")
    for second in ("Bakery", "Market", "Station", "Pharmacy & Co", "Kino")
]
NOTES = (
    "With Grace",
    "a longer note on what was bought, and why",
    "für den Geburtstag",
    "=1+1",
    "two\nlines",
)
TAGS = ("holiday", "trip", "work", "kids", "sea, sand")
CURRENCIES = ("EUR",) * 16 + ("USD", "USD", "JPY", "KWD")

COPY = """
    COPY (SELECT id, spent_on, amount_minor, currency, category_id, payee, note, source, rate_currency, rate
          FROM expenses WHERE user_id = '{}' ORDER BY spent_on, id) TO STDOUT
"""


def exporting(dialect: Dialect) -> list[Row]:
    """Each file with a builder that has built nothing before, so that its memory is this file's."""
    with System(dialect, processes=("api", "builder")) as system:
        user_id, token = system.new_user("exporter")
        fill(system, UUID(user_id), [UUID(one) for one in categories_of(system, token)])
        rows = _floors() if dialect == "postgresql" else []
        if dialect == "postgresql":
            rows.append(Row("floor: COPY of the same columns TO STDOUT", _rate(_copy(system, user_id))))
        for kind in ("csv", "xlsx"):
            rates, peaks, size = [], [], 0
            for _ in range(RUNS):
                system.stop("builder")
                system.start("builder")
                rate, size = _build(system, token, kind)
                rates.append(rate)
                peaks.append(system.peak_mb("builder"))
            label = f"{kind.upper()} of {EXPENSES:,} expenses on {dialect}"
            rows.append(Row(f"{label}, {size / 1e6:.0f} MB", _rate(median(rates))))
            rows.append(Row("… most memory of the builder", f"{max(peaks):.0f} MB"))
        return rows


def fill(system: System, user_id: UUID, category_ids: list[UUID]) -> None:
    """Expenses of ten years, some with notes, tags, lines or a rate, in four currencies; without totals."""
    database = Database(system.database_url, pool_size=1)
    expenses = _expenses(user_id, category_ids)
    while batch := list(itertools.islice(expenses, INSERT_BATCH)):
        with database.transaction() as session:
            for model, position in ((Expense, 0), (ExpenseTag, 1), (ExpenseLine, 2)):
                found = [row for one in batch for row in one[position]]
                if found:
                    insert_rows(session, table_of(model), found)
    # As autovacuum would within a minute.
    if system.dialect == "postgresql":
        with database.engine.begin() as connection:
            connection.execute(text("ANALYZE"))
    database.close()


Rows = list[dict[str, Any]]


def _expenses(user_id: UUID, category_ids: list[UUID]) -> Iterator[tuple[Rows, Rows, Rows]]:
    """An expense, its tags and its lines."""
    chance, moment = random.Random(SEED), now()
    for number in range(EXPENSES):
        minor = chance.randrange(50, 20_000) * (-1 if chance.random() < 0.03 else 1)
        tags = chance.sample(TAGS, chance.choice((1, 1, 2, 3))) if chance.random() < 0.2 else []
        has_lines = chance.random() < 0.02
        currency, payee, id_ = chance.choice(CURRENCIES), chance.choice(PAYEES), new_id()
        has_rate = currency == "USD" and chance.random() < 0.2
        own = {"user_id": user_id, "expense_id": id_}
        expense = {
            "user_id": user_id,
            "id": id_,
            "amount_minor": minor,
            "currency": currency,
            "category_id": None if has_lines else chance.choice(category_ids),
            "spent_on": FIRST + timedelta(days=number * DAYS // EXPENSES),
            "payee": payee,
            "payee_key": payee.casefold(),
            "note": chance.choice(NOTES) if chance.random() < 0.4 else None,
            "search_text": payee.casefold(),
            "source": "manual",
            "line_count": 2 if has_lines else 0,
            "tag_count": len(tags),
            "version": 1,
            "numbered_version": 0,
            "created_at": moment,
            "updated_at": moment,
            "rate_currency": "EUR" if has_rate else None,
            "rate": 108_000_000 if has_rate else None,
        }
        halves = (minor // 2, minor - minor // 2) if has_lines else ()
        yield (
            [expense],
            [{**own, "tag": tag, "position": position} for position, tag in enumerate(tags)],
            [
                {
                    **own,
                    "position": position,
                    "category_id": chance.choice(category_ids),
                    "amount_minor": half,
                    "note": None,
                }
                for position, half in enumerate(halves)
            ],
        )


def _build(system: System, token: str, kind: str) -> tuple[float, int]:
    """Rows a second between the request and the file, and its bytes; the file is deleted."""
    path = f"/v1/exports/{system.call('POST', '/v1/exports', token, {'format': kind})['id']}"
    deadline = time.monotonic() + PATIENCE_S
    while (export := system.call("GET", path, token))["state"] in ("queued", "running"):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{kind} is not built")
        time.sleep(POLL_S)
    if export["state"] != "succeeded" or export["rows"] != EXPENSES:
        raise RuntimeError(f"{kind}: {export}")
    began, ended = (datetime.fromisoformat(export[name]) for name in ("created_at", "finished_at"))
    system.call("DELETE", path, token)
    return EXPENSES / (ended - began).total_seconds(), export["bytes"]


def _copy(system: System, user_id: str) -> float:
    database = Database(system.database_url, pool_size=1)

    def read() -> None:
        with database.reading_rows() as connection:
            driver: Any = connection.connection.driver_connection
            with driver.cursor() as cursor, cursor.copy(COPY.format(user_id)) as found:
                for _data in found:
                    pass

    rate = _timed(read, EXPENSES)
    database.close()
    return rate


def _floors() -> list[Row]:
    row = ("2026-05-04", "12.34", "EUR", "Food: Groceries", "Corner Bakery 12", "With Grace", "holiday, trip",
           "", "", "manual", "", "0198f3a5-6c1e-7d42-9b07-5e2f8a41c3d6")  # fmt: skip
    return [
        Row("floor: csv.writer, prepared rows", _rate(_timed(lambda: _write_csv(row), FLOOR_ROWS))),
        Row("floor: XlsxWriter in constant memory", _rate(_timed(lambda: _by_xlsxwriter(row), LIBRARY_ROWS))),
        Row("floor: openpyxl write-only", _rate(_timed(lambda: _by_openpyxl(row), LIBRARY_ROWS))),
    ]


def _write_csv(row: tuple[str, ...]) -> None:
    writer = csv.writer(io.StringIO(newline=""))
    for _ in range(FLOOR_ROWS):
        writer.writerow(row)


def _by_xlsxwriter(row: tuple[str, ...]) -> None:
    import xlsxwriter

    with TemporaryDirectory() as folder:
        book = xlsxwriter.Workbook(Path(folder) / "book.xlsx", {"constant_memory": True})
        day, amount = book.add_format({"num_format": "yyyy-mm-dd"}), book.add_format({"num_format": "0.00"})
        sheet = book.add_worksheet()
        for number in range(LIBRARY_ROWS):
            sheet.write_datetime(number, 0, FIRST, day)
            sheet.write_number(number, 1, 12.34, amount)
            for column, value in enumerate(row[2:], 2):
                sheet.write_string(number, column, value)
        book.close()


def _by_openpyxl(row: tuple[str, ...]) -> None:
    import openpyxl

    with TemporaryDirectory() as folder:
        book = openpyxl.Workbook(write_only=True)
        sheet = book.create_sheet()
        for _ in range(LIBRARY_ROWS):
            sheet.append((FIRST, 12.34, *row[2:]))
        book.save(Path(folder) / "book.xlsx")


def _timed(work: Callable[[], None], count: int) -> float:
    """Units of work a second, the median of some runs."""
    rates = []
    for _ in range(RUNS):
        started = time.perf_counter()
        work()
        rates.append(count / (time.perf_counter() - started))
    return median(rates)


def _rate(rate: float) -> str:
    return f"{rate:,.0f} rows/s"
