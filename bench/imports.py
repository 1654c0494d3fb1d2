"""Importing a file of 100,000 rows: until its preview, from commit to done, a second time, and undone.

Beside it two floors: Python's csv module reading the same file, and as many expenses copied (on SQLite,
inserted) into their table in one transaction, with its indexes and nothing else.
"""

import csv
import io
import json
import time
import urllib.request
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from statistics import median
from typing import Any
from uuid import UUID

from bench.report import Row
from bench.system import Dialect, System
from core.database import Database
from core.ids import new_id
from core.many_rows import insert_rows
from core.models import Expense, table_of

ROWS = 100_000
RUNS = 3
DAYS = 3_650
PAYEES = 1_000
CATEGORIES = (
    "Groceries", "Eating out", "Transport: Fuel", "Leisure", "Household", "Health", "Clothing", "Travel",
)  # fmt: skip

FIRST_DAY = date(2016, 1, 1)
POLL_S = 0.05
BOUNDARY = "outlay-bench"


def importing(dialect: Dialect) -> list[Row]:
    """Each run is another user's, with a budget; the rules of one more user take part in a last one."""
    content = file_of(ROWS)
    floors = [
        _row("floor: csv.reader reads the file", [_seconds(lambda: _read(content)) for _ in range(RUNS)])
    ]
    with System(dialect) as system:
        owner = UUID(system.new_user("floor")[0])
        inserted = [_seconds(lambda: _insert(system, owner)) for _ in range(RUNS)]
        floors.append(_row(f"floor: as many expenses inserted on {dialect}", inserted))
        read, commits, again, undone = [], [], [], []
        for run in range(RUNS):
            _user_id, token = system.new_user(f"importer-{run}")
            system.call("POST", "/v1/budgets", token, {"name": "All", "amount": "100000000"})
            import_id, seconds = _preview(system, token, content)
            read.append(seconds)
            commits.append(_commit(system, token, import_id))
            _, seconds = _preview(system, token, content)
            again.append(seconds)
            undone.append(_undo(system, token, import_id))
        peak = system.peak_mb("builder")
        ruled = _with_rules(system, content)
    label = f"{ROWS:,} rows of CSV on {dialect}"
    return [
        *floors,
        _row(f"{label}: upload until the preview", read),
        _row(f"{label}: from commit to done", commits),
        _row("… with 20 rules of the user's", [ruled]),
        _row(f"{label}: the same file once more, each row found to be there", again),
        _row(f"{label}: from undoing to undone", undone),
        Row(f"most memory of the builder on {dialect}", f"{peak:.0f} MB"),
    ]


def file_of(rows: int) -> bytes:
    """A bank's statement over ten years, the oldest row first."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("Date", "Amount", "Payee", "Note", "Category"))
    for number in range(rows):
        day = FIRST_DAY + timedelta(days=number * DAYS // rows)
        minor = 100 + number * 37 % 20_000
        sign = "" if number % 40 == 0 else "-"
        payee = f"Café Straße {number * 7 % PAYEES}"
        category = CATEGORIES[number * 13 % len(CATEGORIES)]
        writer.writerow(
            (day, f"{sign}{minor // 100}.{minor % 100:02d}", payee, f"Card payment {number}", category)
        )
    return text.getvalue().encode()


def _row(name: str, seconds: list[float]) -> Row:
    middle = median(seconds)
    return Row(name, f"{ROWS / middle:,.0f} rows/s", f"{middle:.1f} s", f"{max(seconds):.1f} s")


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _read(content: bytes) -> int:
    return sum(1 for _ in csv.reader(io.StringIO(content.decode())))


def _insert(system: System, user_id: UUID) -> None:
    """The expenses alone: no totals, no rows of an import, no look for duplicates."""
    now = datetime.now(UTC)
    rows = [
        {
            "user_id": user_id,
            "id": new_id(),
            "amount_minor": 100 + number % 20_000,
            "currency": "EUR",
            "spent_on": FIRST_DAY + timedelta(days=number * DAYS // ROWS),
            "payee": f"Café Straße {number % PAYEES}",
            "payee_key": f"café strasse {number % PAYEES}",
            "note": f"Card payment {number}",
            "search_text": f"café strasse {number % PAYEES}\ncard payment {number}",
            "source": "import",
            "line_count": 0,
            "tag_count": 0,
            "version": 1,
            "created_at": now,
            "updated_at": now,
        }
        for number in range(ROWS)
    ]
    database = Database(system.database_url, pool_size=1)
    with database.transaction() as session:
        insert_rows(session, table_of(Expense), rows)
    database.close()


def _preview(system: System, token: str, content: bytes) -> tuple[str, float]:
    started = time.perf_counter()
    import_id = _upload(system, token, content)
    _wait_for(system, token, import_id, "preview")
    return import_id, time.perf_counter() - started


def _upload(system: System, token: str, content: bytes) -> str:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="bank.csv"\r\n\r\n'
    body = head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{system.api_port}/v1/imports",
        data=body,
        headers={
            "Authorization": f"Bearer {token}",
            "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
        },
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return str(json.loads(answer.read())["id"])


def _commit(system: System, token: str, import_id: str) -> float:
    started = time.perf_counter()
    system.call("POST", f"/v1/imports/{import_id}/commit", token, {})
    done = _wait_for(system, token, import_id, "succeeded")
    seconds = time.perf_counter() - started
    if done["committed"] != ROWS:
        raise RuntimeError(f"{done['committed']} rows of {ROWS} were recorded")
    return seconds


def _undo(system: System, token: str, import_id: str) -> float:
    started = time.perf_counter()
    system.call("DELETE", f"/v1/imports/{import_id}", token)
    _wait_for(system, token, import_id, "undone")
    return time.perf_counter() - started


def _with_rules(system: System, content: bytes) -> float:
    _user_id, token = system.new_user("ruler")
    for number in range(20):
        conditions = [{"payee": {"contains": f"strasse {number}"}}, {"note": {"contains": f"{number}7"}}]
        body = {"name": "Rule", "when": {"any": conditions}, "then": {"add_tags": [f"tag {number}"]}}
        system.call("POST", "/v1/rules", token, body)
    import_id, _seconds = _preview(system, token, content)
    return _commit(system, token, import_id)


def _wait_for(system: System, token: str, import_id: str, state: str) -> Any:
    while True:
        found = system.call("GET", f"/v1/imports/{import_id}", token)
        if found["state"] == state:
            return found
        if found["state"] == "failed":
            raise RuntimeError(found["error"])
        time.sleep(POLL_S)
