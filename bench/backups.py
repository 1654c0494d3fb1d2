"""A backup of a million expenses: written, tried out and put back, by the commands as they are called.

Beside it floors of the same run: on PostgreSQL bare COPY of the same tables into a file, and from it into the
tables of a migrated database as they are; on SQLite its own online backup, and a copy of that file.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from uuid import UUID

import psycopg
from sqlalchemy import make_url

from bench.exports import EXPENSES, fill
from bench.measures import categories_of
from bench.report import Row
from bench.system import Dialect, System
from core.backup.folder import list_backups
from tests.migrating import migrate

RUNS = 3
KEY = "measured-with-a-key-of-enough-bytes"
LARGE_TABLES = ("expenses", "expense_lines", "expense_tags")
"""All of what there is but for some hundred rows, in an order in which they can be inserted."""


def backing_up(dialect: Dialect) -> list[Row]:
    with System(dialect, processes=("api",)) as system, TemporaryDirectory(prefix="outlay-bench-") as name:
        user_id, token = system.new_user("keeper")
        fill(system, UUID(user_id), [UUID(one) for one in categories_of(system, token)])
        folder = Path(name)
        copied, put_back = _floors(system, folder)
        plain = [_seconds(lambda: _outlay(system, folder, "backup", "--no-verify")) for _ in range(RUNS)]
        encrypted = [
            _seconds(lambda: _outlay(system, folder, "backup", "--no-verify", key=KEY)) for _ in range(RUNS)
        ]
        path = list_backups(folder)[-1].path
        tried = [
            _seconds(lambda: _outlay(system, folder, "restore", str(path), "--verify-only", key=KEY))
            for _ in range(RUNS)
        ]
        restored = [_restored(system, folder, path, number) for number in range(RUNS)]
        size = path.stat().st_size / 1e6
    label = f"of {EXPENSES:,} expenses on {dialect}"
    return [
        _row(f"floor: bare copy {label}", copied),
        _row(f"outlay backup {label}, {size:.0f} MB", plain, floor=copied),
        _row("… encrypted", encrypted, floor=copied),
        _row(f"floor: bare copy back {label}", put_back),
        _row(f"outlay restore {label}", restored, floor=put_back),
        _row("… --verify-only", tried, floor=put_back),
    ]


def _row(name: str, seconds: list[float], *, floor: list[float] | None = None) -> Row:
    """The ratio is of times: twice the floor's is 2."""
    ratio = "" if floor is None else f"{median(seconds) / median(floor):.1f}"
    return Row(name, f"{median(seconds):.1f} s ({', '.join(f'{one:.1f}' for one in seconds)})", ratio=ratio)


def _outlay(system: System, folder: Path, *arguments: str, key: str = "", **environ: str) -> None:
    own = {"OUTLAY_BACKUP_DIR": str(folder), "OUTLAY_BACKUP_KEY": key, **environ}
    subprocess.run(
        [sys.executable, "-m", "core", *arguments],
        env=system.environment | own,
        stdout=subprocess.DEVNULL,
        check=True,
    )


def _restored(system: System, folder: Path, path: Path, number: int) -> float:
    url = _empty(system, folder, f"restored_{number}")
    seconds = _seconds(
        lambda: _outlay(
            system,
            folder,
            "restore",
            str(path),
            key=KEY,
            OUTLAY_DATABASE_URL=url,
            OUTLAY_DATA_DIR=str(folder),
        )
    )
    _remove(system, folder, f"restored_{number}")
    return seconds


def _floors(system: System, folder: Path) -> tuple[list[float], list[float]]:
    """The seconds of copying out, and in again."""
    out, back = [], []
    for number in range(RUNS):
        name = f"floor_{number}"
        url = _empty(system, folder, name)
        if system.dialect == "sqlite":
            source, copy, again = (
                make_url(system.database_url).database,
                folder / "copy",
                folder / f"{name}.db",
            )
            assert source is not None
            out.append(_seconds(lambda source=source, copy=copy: _sqlite_backup(source, copy)))  # type: ignore[misc]
            back.append(_seconds(lambda copy=copy, again=again: _copied(copy, again)))  # type: ignore[misc]
            copy.unlink()
        else:
            migrate(url)
            out.append(_seconds(lambda: _copy(system.database_url, folder, is_in=False)))
            back.append(_seconds(lambda url=url: _copy(url, folder, is_in=True)))  # type: ignore[misc]
        _remove(system, folder, name)
    return out, back


def _sqlite_backup(source: str, target: Path) -> None:
    with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target)) as other:
        one.backup(other)


def _copied(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    with target.open("rb") as file:
        os.fsync(file.fileno())


def _copy(url: str, folder: Path, *, is_in: bool) -> None:
    """All tables but those that a copy of these does without, in one transaction."""
    with psycopg.connect(_address(url)) as connection, connection.cursor() as cursor:
        for name in ("users", "categories", *LARGE_TABLES):
            path = folder / f"{name}.copy"
            if is_in:
                with path.open("rb") as file, cursor.copy(f"COPY {name} FROM STDIN (FORMAT BINARY)") as copy:
                    while part := file.read(1 << 20):
                        copy.write(part)
            else:
                with path.open("wb") as file, cursor.copy(f"COPY {name} TO STDOUT (FORMAT BINARY)") as copy:
                    for row in copy:
                        file.write(row)


def _empty(system: System, folder: Path, name: str) -> str:
    if system.dialect == "sqlite":
        return f"sqlite:///{folder / name}.db"
    _administer(system, f"CREATE DATABASE {name}")
    return make_url(system.database_url).set(database=name).render_as_string(hide_password=False)


def _remove(system: System, folder: Path, name: str) -> None:
    if system.dialect == "sqlite":
        for path in folder.glob(f"{name}.db*"):
            path.unlink()
    else:
        _administer(system, f"DROP DATABASE {name} WITH (FORCE)")


def _administer(system: System, statement: str) -> None:
    with psycopg.connect(_address(system.database_url), autocommit=True) as connection:
        connection.execute(statement)


def _address(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _seconds(act: Callable[[], None]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started
