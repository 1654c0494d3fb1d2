"""The runtime of this worker process."""

from core.config import Settings
from workers.runtime import ApplyJob, Runtime

_runtime: Runtime | None = None


def start_runtime(settings: Settings, jobs: dict[str, ApplyJob], *, connections: int) -> None:
    """Connect this process; after a fork, as connections cannot be shared."""
    global _runtime
    _runtime = Runtime(settings, jobs, connections=connections)


def stop_runtime() -> None:
    global _runtime
    if _runtime is not None:
        _runtime.close()
        _runtime = None


def current_runtime() -> Runtime:
    if _runtime is None:
        raise RuntimeError("the worker process has not started its runtime")
    return _runtime
