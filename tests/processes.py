"""What tests of real processes ask: is it still there, and has it happened yet."""

import os
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

POLL_S = 0.02


def is_alive(pid: int) -> bool:
    """Whether the process runs. A zombie, which only waits for somebody to ask how it ended, does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:  # it has just ended, or this system has no such files
        return not Path("/proc/self").exists()
    return state != "Z"


@contextmanager
def many_files() -> Iterator[None]:
    """This process may open as many files, so connections, as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def eventually(condition: Callable[[], bool], *, within_s: float = 10.0) -> bool:
    """Wait until the condition holds; False when it does not in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True
