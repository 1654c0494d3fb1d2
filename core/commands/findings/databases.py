"""The database: is it there, at the right schema, fit for its work, and does it agree on the time."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, text

from core import clock
from core.backup.schema import current_revision
from core.commands.findings.finding import Finding, ok, problem, warning
from core.config import Settings
from core.database import READER_ROLE, WRITER_ROLE
from core.migrations import Migrations

OLDEST_POSTGRES = 15
"""Older ones get no more fixes (postgresql.org/support/versioning)."""

MAX_SKEW = timedelta(seconds=2)
"""Tokens and due times are compared across processes; machines that keep time differ by milliseconds."""

NETWORK_FILE_SYSTEMS = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "gluster", "fuse.sshfs", "fuse.rclone")
"""Their locks do not hold, or not always: sqlite.org/wal.html and faq.html."""

BECOMES = text("""
SELECT rolname FROM pg_roles WHERE rolname = ANY (:names) AND pg_has_role(oid,
    CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END)
""")
"""Since version 16 there are members who may not."""

API_EXTRA, GATEWAY, BUILDER, COURIER = 3, 5, 3, 3
"""Connections beyond a thread's own, as the README has them."""


def schema(connection: Connection, settings: Settings) -> Finding:  # noqa: ARG001
    about, migrations, found = "schema", Migrations(), current_revision(connection)
    if found is None:
        return problem(about, "the database has never been migrated", "outlay migrate")
    if not migrations.knows(found):
        return problem(
            about, f"{found} is of a newer Outlay than this one", "run that one, or restore an older backup"
        )
    if found != migrations.newest:
        return problem(about, f"{found}, and the newest is {migrations.newest}", "outlay migrate")
    return ok(about, f"{found}, the newest")


def version(connection: Connection, settings: Settings) -> Finding:  # noqa: ARG001
    number = int(connection.scalar(text("SHOW server_version_num")) or 0) // 10_000
    about, detail = "PostgreSQL", f"version {number}"
    if number < OLDEST_POSTGRES:
        return warning(about, f"{detail} gets no more fixes", f"{OLDEST_POSTGRES} or newer")
    return ok(about, detail)


def roles(connection: Connection, settings: Settings) -> Finding:  # noqa: ARG001
    """Whether the API may become what confines it: the copy of a database has no roles of its server."""
    about = "roles"
    found = set(connection.scalars(BECOMES, {"names": [READER_ROLE, WRITER_ROLE]}))
    missing = " and ".join(name for name in (READER_ROLE, WRITER_ROLE) if name not in found)
    if missing:
        advice = "outlay migrate makes them; for a copy of a database a superuser makes and grants them"
        return problem(about, f"the API cannot become {missing}", advice)
    return ok(about, "the API reads and writes as roles that reach one user's rows")


def encoding(connection: Connection, settings: Settings) -> Finding:  # noqa: ARG001
    about, found = "encoding", str(connection.scalar(text("SHOW server_encoding")))
    if found != "UTF8":
        return problem(
            about, f"{found}: not every name can be stored", "make the database with ENCODING 'UTF8'"
        )
    return ok(about, "UTF8; days and times are in UTC, whatever the server's time zone")


def postgres_clock(connection: Connection, settings: Settings) -> Finding:
    theirs: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    return agreement("clock of the database", theirs, settings)


def agreement(about: str, theirs: datetime, settings: Settings) -> Finding:
    """Whether another machine has the time that this one has, its own offset aside."""
    skew = theirs.astimezone(UTC) - (clock.now() - timedelta(seconds=settings.clock_offset_s))
    detail = f"{abs(skew).total_seconds():.1f} s {'ahead' if skew > timedelta() else 'behind'}"
    if abs(skew) > MAX_SKEW:
        return problem(about, detail, "have both machines keep time by NTP")
    return ok(about, "the same as here")


def connections(connection: Connection, settings: Settings) -> Finding:
    """Whether one of each process fits in; how many there are of each, nobody knows here."""
    needed = (
        # A thread of the API reads over one connection and writes over another.
        settings.api_processes * (2 * settings.api_threads + API_EXTRA)
        + GATEWAY
        + settings.worker_processes
        + settings.builder_processes * BUILDER
        + settings.courier_processes * COURIER
    )
    most, reserved = (
        int(connection.scalar(text(f"SHOW {name}")) or 0)
        for name in ("max_connections", "superuser_reserved_connections")
    )
    about, detail = "max_connections", f"{most}; one of each process may hold {needed}"
    if needed > most - reserved:
        return problem(about, detail, "raise max_connections, or take fewer threads and processes")
    if needed * 2 > most - reserved:
        return warning(about, detail, "raise it before you start more of any process")
    return ok(about, detail)


def journal(connection: Connection, settings: Settings) -> Finding:  # noqa: ARG001
    about, mode = "SQLite", str(connection.exec_driver_sql("PRAGMA journal_mode").scalar())
    if mode != "wal":
        return problem(
            about,
            f"its journal is {mode}: readers and writers wait for each other",
            "a local disk allows WAL",
        )
    return ok(about, "readers and writers do not wait for each other (WAL)")


def file_system(connection: Connection, settings: Settings) -> Finding:  # noqa: ARG001
    about, path = "SQLite", Path(connection.engine.url.database or "").resolve()
    kind = file_system_of(path, _mounts())
    if kind.startswith(NETWORK_FILE_SYSTEMS):
        return problem(
            about,
            f"{path} is on a network file system ({kind}), whose locks may fail",
            "move it to a local disk",
        )
    return ok(about, f"on a local file system ({kind or 'unknown'})")


def file_system_of(path: Path, mounts: str) -> str:
    """The kind of what is mounted nearest above the path, by the lines of `/proc/mounts`."""
    kinds = {}
    for line in mounts.splitlines():
        _, place, kind, *_ = line.split(" ")
        kinds[Path(place.replace("\\040", " "))] = kind
    return next((kinds[one] for one in (path, *path.parents) if one in kinds), "")


def _mounts() -> str:
    try:
        return Path("/proc/mounts").read_text()
    except OSError:
        return ""


DatabaseCheck = Callable[[Connection, Settings], Finding]

CHECKS: dict[str, tuple[DatabaseCheck, ...]] = {
    "postgresql": (version, encoding, postgres_clock, connections, roles, schema),
    "sqlite": (journal, file_system, schema),
}
