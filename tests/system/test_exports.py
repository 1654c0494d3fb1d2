"""A file is built by a process that is killed in the middle of it."""

import csv
import hashlib
import io
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import text

from core.database import Database
from core.files import DRAFTS, FileStore
from core.job_names import BUILD_EXPORT
from tests.cast import Person, register
from tests.core.test_files import make_old
from tests.system.stored import Stored
from tests.system.system import API, BEAT, BUILDER, WORKER, System
from workers.tasks.files import sweep_files

EXPENSES = 40_000
"""Take half a second to be written, in which they are seen coming."""

HALF_WAY_BYTES = 200_000

NUMBERS = {
    "postgresql": "SELECT generate_series(1, :count) AS n",
    "sqlite": "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count) "
    "SELECT n FROM numbers",
}
NEW_IDS = {"postgresql": "gen_random_uuid()", "sqlite": "lower(hex(randomblob(16)))"}
USERS = {"postgresql": ":user_id", "sqlite": "replace(:user_id, '-', '')"}


def spend_much(database: Database, person: Person) -> None:
    """Expenses of 0.01, 0.02, … all at once, and without their totals."""
    dialect = database.dialect
    insertion = f"""
        INSERT INTO expenses (user_id, id, amount_minor, currency, spent_on, payee, search_text, source,
                              line_count, tag_count, version, numbered_version, created_at, updated_at)
        SELECT {USERS[dialect]}, {NEW_IDS[dialect]}, n, 'EUR', '2026-05-04', 'Corner Bakery', '', 'manual',
               0, 0, 1, 1, '2026-05-04 12:00:00', '2026-05-04 12:00:00'
        FROM ({NUMBERS[dialect]}) AS numbers
    """
    with database.transaction() as session:
        session.execute(text(insertion), {"user_id": str(person.id), "count": EXPENSES})


def draft_sizes(files: FileStore) -> list[int]:
    return [path.stat().st_size for path in (files.folder / DRAFTS).glob("*")]


def test_a_builder_that_is_killed_is_followed_by_one_that_starts_over(
    system: System, stored: Stored, tmp_path: Path
) -> None:
    files = FileStore(tmp_path / "data" / "files")
    system.start(API, BUILDER, WORKER)
    with system.client() as client, register(client, "owner") as owner:
        spend_much(stored.database, owner)
        path = owner.client.post("/v1/exports", json={"format": "csv"}).headers["Location"]
        system.wait_until(
            lambda: max(draft_sizes(files), default=0) > HALF_WAY_BYTES, "a part of the file is written"
        )
        system.kill(BUILDER)
        half = owner.client.get(path).json()
        assert (half["state"], half["download_url"]) == ("running", None)
        assert len(draft_sizes(files)) == 1
        stored.end_leases(BUILD_EXPORT)
        system.start(BUILDER, BEAT)
        system.wait_until(
            lambda: owner.client.get(path).json()["state"] == "succeeded", "it is built", within_s=120
        )
        done = owner.client.get(path).json()
        assert done["rows"] == EXPENSES
        assert_file_is_whole(owner, done)
        system.wait_until(lambda: stored.seqs(owner.id) == [1], "the owner is told once")
        assert stored.dead_rows() == []
    for draft in (files.folder / DRAFTS).glob("*"):
        make_old(draft)
    assert sweep_files(stored.database, files) == 1, "the half that was left behind"
    assert draft_sizes(files) == []
    assert [*files.kept()] == [done["sha256"]]


def assert_file_is_whole(owner: Person, done: dict[str, Any]) -> None:
    url = urlsplit(done["download_url"])
    content = owner.client.get(f"{url.path}?{url.query}").content
    assert hashlib.sha256(content).hexdigest() == done["sha256"]
    rows = [*csv.DictReader(io.StringIO(content.decode(), newline=""))]
    assert len({row["id"] for row in rows}) == len(rows) == EXPENSES
    assert sum(round(100 * float(row["amount"])) for row in rows) == EXPENSES * (EXPENSES + 1) // 2
