"""All that the doctor looks at, in the order in which it is told; what cannot be looked at is told too."""

from collections.abc import Callable, Iterator, Mapping
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

OF_SETTINGS: tuple[Callable[[Settings], Finding], ...] = (
    secrets.secret,
    secrets.master_key,
    secrets.private_targets,
    addresses.public_url,
    addresses.allowed_origins,
    addresses.api_port,
    addresses.gateway_port,
    addresses.mail,
    folders.data_folder,
    folders.files_folder,
    folders.backup_folder,
)
OF_BACKUPS: tuple[Callable[[Settings], Finding], ...] = (
    secrets.backup_key,
    folders.newest_backup,
    folders.backup_device,
)
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
    for check in OF_SETTINGS:
        yield check(settings)
    yield secrets.trusted_proxies(settings)
    yield from folders.room(settings)
    yield from _database(settings)
    yield from redis_findings(settings)
    for check in OF_BACKUPS:
        yield check(settings)


def _database(settings: Settings) -> Iterator[Finding]:
    about = "OUTLAY_DATABASE_URL"
    try:
        url = make_url(settings.database)
        # Its query may have a password as well.
        shown = url.set(query={}).render_as_string(hide_password=True)
        if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
            # To look into it would make it.
            yield problem(
                about, f"there is no file at {url.database}", "make run, or outlay migrate, makes it"
            )
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
