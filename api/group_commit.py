"""Group commit: requests that arrive while a commit is under way share the next transaction.

A commit costs a disk flush and a few round trips, whether it carries one expense or a hundred. One thread
takes whatever has queued up meanwhile; so a lone request waits for nobody, and under load the cost is shared.
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy.orm import Session

from api.measures import measures
from core.database import is_unavailable
from core.errors import OutlayError, Overloaded
from core.logging import get_logger

T = TypeVar("T")
R = TypeVar("R")

Outcomes = Sequence[R | OutlayError]
"""Of items, each in its item's place."""

MAX_BATCH = 256
"""Past this the flush is well shared, and a larger batch would only let its first items wait longer."""

MAX_WAITING = 2_000
"""About a second's work; whoever comes later is better off trying again."""

LONE_THREADS = 2
"""For items that cannot share a transaction. They may have to wait for somebody's lock, so they must not take
the threads that serve everybody else."""

MAX_ALONE = 2 * MAX_BATCH
"""A batch that failed whole fits twice; whoever comes later is better off trying again."""

log = get_logger(__name__)


class NotTogether(OutlayError):
    """The item cannot share this transaction; it gets its own."""


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[T, R]):
    item: T
    future: "asyncio.Future[R]"


class GroupCommit(Generic[T, R]):
    """Applies items in shared transactions.

    `apply(session, items)` gives each item's result or, if the item is unacceptable, its `OutlayError`; such
    an item must have written nothing. An item whose outcome is `NotTogether`, and each item of a batch for
    which it raises, is tried again in a transaction of its own, away from the thread that serves the others;
    so one bad item never takes them down. `transact(items, work)` opens a transaction for the
    items, commits and retries.
    """

    def __init__(
        self,
        apply: Callable[[Session, Sequence[T]], Outcomes[R]],
        transact: Callable[[Sequence[T], Callable[[Session], Outcomes[R]]], Outcomes[R]],
    ) -> None:
        self._apply = apply
        self._transact = transact
        self._lone_threads = ThreadPoolExecutor(LONE_THREADS, thread_name_prefix="lone-commit")
        self._alone: set[asyncio.Task[None]] = set()
        self._queue: queue.SimpleQueue[_Waiting[T, R] | None] = queue.SimpleQueue()
        self._loop: asyncio.AbstractEventLoop
        self._thread = threading.Thread(target=self._run, name="group-commit", daemon=True)

    def start(self) -> None:
        """Begin to work for the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def submit(self, item: T) -> R:
        """The item's result, once it has been committed."""
        if self._queue.qsize() >= MAX_WAITING:
            raise Overloaded("too many writes are waiting")
        future: asyncio.Future[R] = self._loop.create_future()
        self._queue.put(_Waiting(item, future))
        return await future

    async def close(self) -> None:
        """Finish what is waiting, then stop."""
        self._queue.put(None)
        await self._loop.run_in_executor(None, self._thread.join)
        # The thread's last outcomes have been handed over to the loop, but not dealt out yet.
        await asyncio.sleep(0)
        await asyncio.gather(*self._alone)
        self._lone_threads.shutdown()

    def _run(self) -> None:
        is_open = True
        while is_open:
            batch, is_open = self._take()
            if batch:
                measures().commits.observe(len(batch))
                outcomes = self._commit([waiting.item for waiting in batch])
                self._loop.call_soon_threadsafe(self._deal_out, batch, outcomes)

    def _take(self) -> tuple[list[_Waiting[T, R]], bool]:
        batch: list[_Waiting[T, R]] = []
        waiting = self._queue.get()
        while waiting is not None:
            batch.append(waiting)
            if len(batch) == MAX_BATCH:
                return batch, True
            try:
                waiting = self._queue.get_nowait()
            except queue.Empty:
                return batch, True
        return batch, False

    def _commit(self, items: list[T]) -> Sequence[R | Exception]:
        try:
            return self._transact(items, lambda session: self._apply(session, items))
        except Exception as error:  # noqa: BLE001 - every waiting request must get its answer
            if is_unavailable(error):
                return [error] * len(items)
            log.warning("group_commit.split", items=len(items), error=error)
            return [NotTogether(repr(error))] * len(items)

    def _deal_out(self, batch: Sequence[_Waiting[T, R]], outcomes: Sequence[R | Exception]) -> None:
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, NotTogether) and len(self._alone) >= MAX_ALONE:
                _resolve(waiting, Overloaded("too many writes wait for others to end"))
            elif isinstance(outcome, NotTogether):
                measures().lone_commits.inc()
                task = self._loop.create_task(self._commit_alone(waiting))
                self._alone.add(task)
                task.add_done_callback(self._alone.discard)
            else:
                _resolve(waiting, outcome)

    async def _commit_alone(self, waiting: _Waiting[T, R]) -> None:
        """In a transaction and a thread of its own: whatever it waits for, the next batch need not."""

        def commit() -> Outcomes[R]:
            if waiting.future.cancelled():  # nobody waits for it any more
                return [Overloaded("the client hung up")]
            return self._transact([waiting.item], lambda session: self._apply(session, [waiting.item]))

        try:
            outcome: R | Exception = (await self._loop.run_in_executor(self._lone_threads, commit))[0]
        except Exception as error:  # noqa: BLE001 - likewise
            outcome = error
        _resolve(waiting, outcome)


def _resolve(waiting: "_Waiting[T, R]", outcome: R | Exception) -> None:
    if waiting.future.cancelled():  # the client hung up; what was written stays written
        return
    if isinstance(outcome, Exception):
        waiting.future.set_exception(outcome)
    else:
        waiting.future.set_result(outcome)
