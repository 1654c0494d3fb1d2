"""A process that cleans up after its parent: when the parent is gone, its child processes and folders go too.

A parent that is killed with SIGKILL can do nothing itself any more, and its children would go on with its
ports and data. The watchdog reads a pipe from the parent; end of file means that the parent has ended,
however that came about. It signals whole process groups, so that children of the children (Celery's pool) end
as well, and it works from any thread and on any Unix, which Linux's PR_SET_PDEATHSIG does not.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

GRACE_S = 5.0
"""What a group gets to end by its own signal before SIGKILL."""
POLL_S = 0.02
"""Processes that are not our children cannot be waited for; ending takes them longer than this."""


class Watchdog:
    """The parent's side. Every watched process must lead its own group (`start_new_session=True`)."""

    def __init__(self, *, keep_open: IO[str] | None = None) -> None:
        """Start it; it holds the file `keep_open` (and so a lock on it) open until it has done its work."""
        read_end, write_end = os.pipe()
        self._orders = os.fdopen(write_end, "w", encoding="utf-8")
        self._process = subprocess.Popen(  # noqa: S603 - our own file
            [sys.executable, "-P", __file__],
            stdin=read_end,
            # It must not keep the parent's output open once the parent has ended.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=() if keep_open is None else (keep_open.fileno(),),
        )
        os.close(read_end)

    def watch(self, pid: int, ending: signal.Signals = signal.SIGKILL) -> None:
        """End the group of `pid` by the signal `ending` when this process is gone."""
        self._tell(f"watch {pid} {int(ending)}")

    def forget(self, pid: int) -> None:
        """The process has been waited for; its number may soon belong to another."""
        self._tell(f"forget {pid}")

    def remove(self, folder: Path) -> None:
        """Remove the folder, after the processes, when this process is gone."""
        self._tell(f"remove {folder}")

    def close(self) -> None:
        """Let the watchdog do now what is left to do, and wait for it."""
        with contextlib.suppress(OSError):
            self._orders.close()
        self._process.wait()

    def _tell(self, line: str) -> None:
        # When somebody killed the watchdog the parent still works; only its sudden death is not covered.
        with contextlib.suppress(OSError):
            self._orders.write(line + "\n")
            self._orders.flush()


def keep_watch(orders: IO[str]) -> None:
    """The watchdog's side: note the orders until the parent is gone, then carry them out."""
    endings: dict[int, int] = {}
    folders: list[Path] = []
    for order in orders:
        verb, _, rest = order.rstrip("\n").partition(" ")
        if verb == "watch":
            pid, ending = rest.split()
            endings[int(pid)] = int(ending)
        elif verb == "forget":
            endings.pop(int(rest), None)
        elif verb == "remove":
            folders.append(Path(rest))
    _end_groups(endings)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _end_groups(endings: dict[int, int]) -> None:
    for pid, ending in endings.items():
        _signal_group(pid, ending)
    deadline = time.monotonic() + GRACE_S
    while any(_is_running(pid) for pid in endings) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    for pid in endings:
        _signal_group(pid, signal.SIGKILL)


def _is_running(pid: int) -> bool:
    """Whether the head of the group runs. A zombie does not: it waits for an init that may take its time."""
    if not _signal_group(pid, 0):
        return False
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:  # it has just gone, or this is not Linux
        return not Path("/proc/self").exists()
    return state != "Z"


def _signal_group(pid: int, number: int) -> bool:
    try:
        os.killpg(pid, number)
    except OSError:  # nobody is left in the group, or only those of another user
        return False
    return True


if __name__ == "__main__":
    keep_watch(sys.stdin)
