"""The rules of the source, held by reading it: who imports whom, who may do what, and how long it gets.

Needs no server and no fixture, so that it can run before every commit.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from core import job_names
from core.config import Settings
from core.models import Base
from core.queries.files import NAMES
from tests.outsiders import OUTSIDERS
from workers.app import JOBS, LEASED_JOBS, create_app
from workers.schedules import beat_schedule

REPOSITORY = Path(__file__).parents[1]

PROCESSES = ("api", "workers", "ws_gateway")
PRODUCT = ("core", *PROCESSES)
LAYERS = (
    "core.rules",
    "core.charts",
    "core.sheets",
    "core.models",
    "core.queries",
    "core.services",
    "core.reports",
    "core.mails",
    "core.commands",
)

LEAVES = {
    "archive", "backup", "clock", "config", "database", "downloads", "engines", "errors", "field_errors",
    "files", "ids", "job_names", "log_context", "log_files", "log_redaction", "logging", "mail_messages",
    "mail_tokens", "mailer", "many_rows", "migrations", "oidc", "oidc_metadata", "oidc_settings", "outgoing",
    "passwords", "rate_files", "security", "statements", "throttling", "unsubscribing",
}  # fmt: skip
"""Modules of core that import none of its layers but the rules; every layer above the models may use them."""

CORE_OF_PROCESSES = {"core", *LAYERS, "leaf"} - {"core.commands"}

MAY_IMPORT = {
    "core.rules": {"core.rules"},
    "core.charts": {"core.rules", "core.charts", "leaf"},
    "core.sheets": {"core.rules", "core.charts", "core.sheets"},
    "core.models": {"core.rules", "core.models"},
    "core.queries": {"core.rules", "core.charts", "core.sheets", "core.models", "core.queries", "leaf"},
    "core.services": {
        "core.rules",
        "core.charts",
        "core.sheets",
        "core.models",
        "core.queries",
        "core.services",
        "leaf",
    },
    "core.reports": {
        "core.rules",
        "core.charts",
        "core.sheets",
        "core.queries",
        "core.reports",
        "leaf",
    },
    "core.mails": {"core.rules", "core.charts", "core.queries", "core.mails", "leaf"},
    "leaf": {"core.rules", "leaf"},
    # How notifications travel and workers are woken: for the processes, never for a service.
    "core": {"core", "core.models", "leaf"},
    "core.commands": {"core", *LAYERS, "leaf"},
    "api": {"api", *CORE_OF_PROCESSES},
    "workers": {"workers", *CORE_OF_PROCESSES},
    "ws_gateway": {"ws_gateway", "core", "core.queries", "leaf"},
    "migrations": {"core.models", "leaf"},
}

RULES_LIBRARIES = {"dateutil"}

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 70

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    path: Path

    def __str__(self) -> str:
        return str(self.path.relative_to(REPOSITORY))

    @property
    def module(self) -> str:
        """The dotted name; a package's `__init__.py` has the package's."""
        return ".".join(self.path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def imports(self) -> set[str]:
        """Every module that is imported anywhere in the file, also within functions."""
        found = set[str]()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found |= {name.name for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self} imports relatively"
                module = node.module or ""
                # `from core import clock` imports core.clock; what is no module is taken for its parent.
                found |= {f"{module}.{name.name}" if _is_package(module) else module for name in node.names}
        return found

    def calls(self, name: str) -> Iterator[ast.Call]:
        """The calls of a method of this name, whatever it is called on."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == name:
                yield node


def sources(*folders: str) -> list[Source]:
    return [source for folder in folders for source in _sources_in(folder)]


@cache
def _sources_in(folder: str) -> list[Source]:
    return [_source(path) for path in sorted((REPOSITORY / folder).rglob("*.py"))]


@cache
def _source(path: Path) -> Source:
    """Each is read and parsed once for all the tests here."""
    return Source(path)


@cache
def _is_package(module: str) -> bool:
    return module in PRODUCT or (REPOSITORY / module.replace(".", "/") / "__init__.py").exists()


def part_of(module: str) -> str:
    """The part of the system that a module of ours belongs to, in the words of `MAY_IMPORT`."""
    parts = module.split(".")
    if parts[0] != "core":
        return parts[0]
    layer = ".".join(parts[:2])
    if layer in LAYERS:
        return layer
    return "leaf" if len(parts) > 1 and parts[1] in LEAVES else "core"


def is_ours(module: str) -> bool:
    return module.split(".")[0] in (*PRODUCT, "tests", "bench", "migrations")


def test_imports_point_one_way() -> None:
    wrong = [
        f"{source} imports {module}"
        for source in sources(*PRODUCT, "migrations")
        if source.module != "core.__main__"
        for module in sorted(source.imports)
        if is_ours(module) and part_of(module) not in MAY_IMPORT[part_of(source.module)]
    ]
    assert wrong == []


def test_rules_know_only_the_standard_library() -> None:
    wrong = [
        f"{source} imports {module}"
        for source in sources("core/rules")
        for module in sorted(source.imports)
        if not is_ours(module)
        if module.split(".")[0] not in RULES_LIBRARIES | sys.stdlib_module_names
    ]
    assert wrong == []


def test_each_library_is_known_only_where_it_belongs() -> None:
    wrong = [
        f"{source} imports {module}"
        for source in sources(*PRODUCT)
        for module in sorted(source.imports)
        for allowed in [OUTSIDERS.get(module.split(".")[0])]
        if allowed is not None
        if not any(source.module == name or source.module.startswith(f"{name}.") for name in allowed)
    ]
    assert wrong == []


def test_services_and_queries_speak_neither_to_redis_nor_to_the_environment() -> None:
    wrong = [
        f"{source} imports {module}"
        for source in sources("core/rules", "core/models", "core/queries", "core/services")
        for module in sorted(source.imports)
        if module.split(".")[0] in {"asyncio", "httpx", "os", "redis", "socket", "threading", "urllib"}
    ]
    assert wrong == []


def test_heavy_libraries_are_imported_only_by_the_jobs_that_need_them() -> None:
    """Each takes tens of megabytes of every process that imports it, so never when a module is loaded."""
    wrong = [
        f"{source}:{node.lineno}"
        for source in sources(*PRODUCT)
        for node in source.tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""] if isinstance(node, ast.ImportFrom) else [n.name for n in node.names]
        )
        if name.split(".")[0] in {"apprise", "pandas", "openpyxl", "numpy", "opentelemetry", "vl_convert"}
    ]
    assert wrong == []


def test_nothing_in_core_commits_but_what_opens_transactions() -> None:
    wrong = {str(source) for source in sources("core") if any(source.calls("commit"))}
    assert wrong == {"core/database.py"}


def test_what_clients_keep_copies_of_is_deleted_in_one_place() -> None:
    """Elsewhere nobody would leave word of it for them."""
    copied = {"Budget", "BUDGETS", "Category", "CATEGORIES", "Expense", "EXPENSES", "RECURRING"}
    wrong = [
        f"{source}:{node.lineno}"
        for source in sources("core")
        # Groups have expenses of their own, which nobody copies.
        if not source.path.name.startswith("group_")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "delete"
        if isinstance(node.args[0], ast.Name) and node.args[0].id in copied
    ]
    assert wrong == []


def test_the_sweep_of_files_knows_every_column_that_names_them() -> None:
    """One that it does not know would lose its files the next night."""
    columns = {table.c.sha256 for table in Base.metadata.tables.values() if "sha256" in table.c}
    assert columns == set(NAMES)


def test_every_flush_says_why() -> None:
    def is_explained(source: Source, call: ast.Call) -> bool:
        lines = source.text.splitlines()
        return "#" in lines[call.lineno - 1] or lines[call.lineno - 2].lstrip().startswith("#")

    wrong = [
        f"{source}:{call.lineno}"
        for source in sources("core/services", "core/queries", *PROCESSES)
        for call in source.calls("flush")
        if not is_explained(source, call)
    ]
    assert wrong == []


def test_only_the_clock_reads_the_time() -> None:
    wrong = [
        f"{source}:{call.lineno}"
        for source in sources(*PRODUCT)
        # The commands are clients and a launcher; they stand outside of the system's time.
        if source.module != "core.clock" and part_of(source.module) != "core.commands"
        for name in ("now", "today", "utcnow")
        for call in source.calls(name)
        if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name)
        if call.func.value.id in ("date", "datetime")
    ]
    assert wrong == []


def test_the_time_of_the_system_is_for_its_files_only() -> None:
    """Everything else goes by our own clock, which may be set ahead."""
    wrong = [
        f"{source}:{call.lineno}"
        for source in sources(*PRODUCT)
        if source.module != "core.files"
        for call in source.calls("time")
        if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name)
        if call.func.value.id == "time"
    ]
    assert wrong == []


def test_money_is_never_a_float() -> None:
    wrong = [
        f"{source}:{getattr(node, 'lineno', '?')}"
        for source in sources("core/rules", "core/services", "core/queries", "core/models")
        for node in ast.walk(source.tree)
        if (isinstance(node, ast.Name) and node.id in ("float", "Float"))
        or (isinstance(node, ast.Constant) and isinstance(node.value, float))
        or (
            isinstance(node, ast.BinOp)
            and isinstance(node.op, ast.Div)
            and part_of(source.module) == "core.rules"
        )
    ]
    assert wrong == []


def test_files_and_functions_stay_short() -> None:
    wrong = []
    for source in sources(*PRODUCT, "migrations", "tests", "bench"):
        if (lines := len(source.text.splitlines())) > MAX_FILE_LINES:
            wrong.append(f"{source}: {lines} lines")
        if source.path.parent.name == "versions":
            continue  # Alembic writes one function for all the tables of a revision
        for node in ast.walk(source.tree):
            if isinstance(node, Function):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > MAX_FUNCTION_LINES:
                    wrong.append(f"{source}:{node.lineno}: {node.name} has {length} lines")
    assert wrong == []


def test_every_job_name_has_a_task_and_a_sweep() -> None:
    names = {value for name, value in vars(job_names).items() if name.isupper() and isinstance(value, str)}
    assert set(job_names.OUTBOX_JOBS) == {*JOBS, *LEASED_JOBS, *job_names.LONG_JOBS}
    assert names == {*job_names.OUTBOX_JOBS, *job_names.CLAIMED_JOBS}
    assert len(job_names.OUTBOX_JOBS) == len(JOBS) + len(LEASED_JOBS) + len(job_names.LONG_JOBS)
    app = create_app(Settings())
    app.finalize()
    scheduled = {entry["task"] for entry in beat_schedule().values()}
    assert names <= scheduled <= set(app.tasks)


IMPORT_ALL = """
import importlib, os, sys, threading
import wsgiref.handlers  # copies the whole environment; prometheus_client imports it

class Forbidden(BaseException):
    pass

def forbid(what):
    def call(*args, **kwargs):
        raise Forbidden(f"{what} at import")
    return call

read = os._Environ.__getitem__
def read_environment(self, name):
    if isinstance(name, str) and name.startswith("OUTLAY_"):
        raise Forbidden(f"{name} is read at import")
    return read(self, name)
os._Environ.__getitem__ = read_environment

import redis, redis.asyncio, sqlalchemy, sqlalchemy.engine
sqlalchemy.create_engine = sqlalchemy.engine.create_engine = forbid("an engine is made")
for client in (redis.Redis, redis.asyncio.Redis, redis.ConnectionPool, redis.asyncio.ConnectionPool):
    client.__init__ = forbid("a Redis client is made")
threading.Thread.start = forbid("a thread is started")

for module in sys.argv[1:]:
    try:
        importlib.import_module(module)
    except Forbidden as error:
        sys.exit(f"{module}: {error}")
"""


def test_importing_makes_no_connection_starts_nothing_and_reads_no_setting() -> None:
    modules = [source.module for source in sources(*PRODUCT)]
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, *modules],
        cwd=REPOSITORY,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
