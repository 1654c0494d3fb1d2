"""All that the doctor looks at, in the order in which it is told; what cannot be looked at is told too."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import Session

from core.commands.findings import addresses, databases, folders, secrets, work
from core.commands.findings.finding import Finding, Level, ok, problem
from core.commands.findings.redis_server import redis_findings
from core.config import Settings, load_settings
from core.database import Database
from core.errors import ConfigurationError

Check = Callable[[Settings], Finding]

OF_SETTINGS: tuple[tuple[str, Check], ...] = (
    ("OUTLAY_SECRET", secrets.secret),
    ("OUTLAY_MASTER_KEY", secrets.master_key),
    ("OUTLAY_PRIVATE_TARGETS", secrets.private_targets),
    ("OUTLAY_PUBLIC_URL", addresses.public_url),
    ("OUTLAY_WS_ALLOWED_ORIGINS", addresses.allowed_origins),
    ("OUTLAY_API_PORT", addresses.api_port),
    ("OUTLAY_WS_PORT", addresses.gateway_port),
    ("OUTLAY_MAIL_URL", addresses.mail),
    ("OUTLAY_DATA_DIR", folders.data_folder),
    ("OUTLAY_FILES_DIR", folders.files_folder),
    ("OUTLAY_BACKUP_DIR", folders.backup_folder),
    ("OUTLAY_LOG_DIR", folders.log_folder),
    ("OUTLAY_TRUSTED_PROXIES", secrets.trusted_proxies),
)
OF_BACKUPS: tuple[tuple[str, Check], ...] = (
    ("OUTLAY_BACKUP_KEY", secrets.backup_key),
    ("OUTLAY_BACKUP_DIR", folders.newest_backup),
    ("OUTLAY_BACKUP_DIR", folders.backup_device),
)
"""Each with the setting that is the first to look at when it cannot be made."""

OF_WORK: tuple[Callable[[Session], Finding], ...] = (
    work.waiting_jobs,
    work.dead_jobs,
    work.late_deliveries,
)


def examine(environ: Mapping[str, str]) -> Iterator[Finding]:
    try:
        settings = load_settings(environ)
    except ConfigurationError as error:
        # Without settings there is nothing else to look at.
        yield problem("settings", error.detail, "see .env.example")
        return
    yield ok("settings", f"all can be read; {settings.environment}")
    for about, check in OF_SETTINGS:
        yield from _made(about, _alone(check), settings)
    yield from _made("OUTLAY_DATA_DIR", folders.room, settings)
    yield from _made("OUTLAY_DATABASE_URL", _database, settings)
    yield from _made("OUTLAY_REDIS_URL", redis_findings, settings)
    for about, check in OF_BACKUPS:
        yield from _made(about, _alone(check), settings)


def _alone(check: Check) -> Callable[[Settings], list[Finding]]:
    return lambda settings: [check(settings)]


def _made(
    about: str, check: Callable[[Settings], Iterable[Finding]], settings: Settings
) -> Iterator[Finding]:
    """What the check finds; one that breaks down is a problem, and the others are made all the same."""
    try:
        yield from check(settings)
    except Exception as error:  # noqa: BLE001 - whatever somebody has written into a setting
        # What an error says might quote the setting, password and all.
        reason = error.strerror if isinstance(error, OSError) else None
        yield problem(about, f"cannot be looked at: {reason or type(error).__name__}", "see its value")


def _database(settings: Settings) -> Iterator[Finding]:
    about = "OUTLAY_DATABASE_URL"
    try:
        url = make_url(settings.database)
        # Its query may have a password as well.
        shown = url.set(query={}).render_as_string(hide_password=True)
        if url.get_backend_name() == "sqlite" and not (url.database and Path(url.database).exists()):
            # To look into it would make it; and one that is in memory no two processes share.
            detail = f"there is no file at {url.database}" if url.database else "names no file"
            yield problem(about, detail, "make run, or outlay migrate, makes it")
            return
        database = Database(settings.database, pool_size=1)
    except (ArgumentError, ImportError, ValueError):
        # The reason might quote the address, password and all.
        yield problem(about, "is no address of a database", "postgresql+psycopg://user:password@host/name")
        return
    try:
        with database.reading_rows() as connection:
            yield ok(about, shown)
            found = [check(connection, settings) for check in databases.CHECKS[database.dialect]]
        yield from found
        # Its tables may not be there, or not as they are looked into.
        if all(one.level is not Level.PROBLEM for one in found if one.about == "schema"):
            with database.reading() as session:
                yield from (check(session) for check in OF_WORK)
                yield from work.invariants(session)
    except SQLAlchemyError as error:
        reason = " ".join(str(getattr(error, "orig", None) or error).split())
        yield problem(about, f"{shown}: {reason}", "start the database, and see its address and password")
    finally:
        database.close()
