"""What a process counts and measures for Prometheus, and how processes that belong together do so as one.

Labels are few and known: jobs, routes, kinds of channels. Never a user, a key or an address.
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Gauge,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
    values,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from sqlalchemy import Engine, event

from core.database import Database
from core.logging import get_logger

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of what is measured in seconds: from a query to the longest that anybody waits."""

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""The library's own: whoever finds it set keeps its figures in files of that folder."""

FOLDER_PREFIX = "outlay-metrics-"

METRICS_TYPE = CONTENT_TYPE_PLAIN_0_0_4
"""Of what `metrics_text` answers."""

# It would be a second series for each, which nobody asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]

registry = CollectorRegistry()
"""Of this process. The library's own one would be shared with whatever else uses it."""

log = get_logger(__name__)


def share_metrics(*, process_identifier: Callable[[], object] = os.getpid) -> None:
    """Keep the figures in files that the processes begotten by this one share; before anything is counted.

    Args:
        process_identifier: differs between processes that run at the same time. Each has its own files, and
            they stay: so it had better be a place that the next process takes over than a number that is new
            each time.
    """
    _remove_stale_folders()
    folder = tempfile.mkdtemp(prefix=f"{FOLDER_PREFIX}{os.getpid()}-")
    os.environ[FOLDER_VARIABLE] = folder
    values.ValueClass = values.MultiProcessValue(process_identifier)  # type: ignore[no-untyped-call]
    owner = os.getpid()
    atexit.register(lambda: shutil.rmtree(folder, ignore_errors=True) if os.getpid() == owner else None)


def metrics_text() -> bytes:
    """What this process and those beside it have counted, in Prometheus' text format; may read files."""
    return generate_latest(_whole_registry())


def serve_metrics(host: str, port: int) -> None:
    """Answer Prometheus from a thread of this process; for those that do not listen anyway."""
    try:
        start_http_server(port, host, _whole_registry())
    except OSError as error:
        # Whoever has its port: the work must be done all the same.
        log.warning("metrics.not_served", host=host, port=port, error=error)
        return
    log.info("metrics.served", host=host, port=port)


def measure_process() -> None:
    """Tell of this process's memory, files and time too; only where it is the only one."""
    ProcessCollector(registry=registry)


def watch_pool(database: Database, name: str, *, size: int) -> None:
    """Tell of the connections that are in use; those of confined readers are a pool of their own."""
    _watch_engine(database.engine, name, size=size)
    if database.confined_engine is not None:
        _watch_engine(database.confined_engine, f"{name}_reader", size=size)


def _watch_engine(engine: Engine, name: str, *, size: int) -> None:
    in_use, most = _pool_gauges()
    used, known_size = in_use.labels(pool=name), most.labels(pool=name)
    known_size.set(size)
    # A process that was killed may have left some in the file that this one goes on with.
    used.set(0)
    event.listen(engine, "checkout", lambda *_: used.inc())
    event.listen(engine, "checkin", lambda *_: used.dec())


def _whole_registry() -> CollectorRegistry:
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder is None:
        return registry
    whole = CollectorRegistry()
    _Files(whole, folder)  # type: ignore[no-untyped-call]
    return whole


class _Files(MultiProcessCollector):
    """Of all processes that share a folder; those that have ended hold nothing any more."""

    def collect(self):  # type: ignore[no-untyped-def] # the library's has no types
        for path in Path(self._path).glob("gauge_live*_*.db"):
            pid = path.stem.rpartition("_")[2]
            if pid.isdigit() and not _is_alive(int(pid)):
                mark_process_dead(int(pid), self._path)  # type: ignore[no-untyped-call]
        return super().collect()  # type: ignore[no-untyped-call]


def _remove_stale_folders() -> None:
    """Of processes that were killed; the number of this one is a new process's now."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*"):
        pid = folder.name.removeprefix(FOLDER_PREFIX).partition("-")[0]
        if pid.isdigit() and (int(pid) == os.getpid() or not _is_alive(int(pid))):
            shutil.rmtree(folder, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


_pools: list[tuple[Gauge, Gauge]] = []


def _pool_gauges() -> tuple[Gauge, Gauge]:
    """Made when they are first needed: then it is known whether figures are shared."""
    if not _pools:
        _pools.append(
            (
                Gauge(
                    "outlay_database_connections_in_use",
                    "Connections to the database that are in use.",
                    ["pool"],
                    registry=registry,
                    multiprocess_mode="livesum",
                ),
                Gauge(
                    "outlay_database_connections_max",
                    "Connections to the database that may be in use at a time.",
                    ["pool"],
                    registry=registry,
                    multiprocess_mode="livesum",
                ),
            )
        )
    return _pools[0]
