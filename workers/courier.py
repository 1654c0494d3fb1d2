"""Sends what is due: claims, sends with no transaction open, and settles at once.

It all runs in one event loop, for as long as a task lasts. Two threads beside it talk to the database, one
claims and the other one settles, so that no answer waits for a claim to be noted.
"""

import asyncio
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TypeVar

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from core import clock
from core.database import is_locked_out, is_retryable, is_unavailable
from core.job_names import SEND_DELIVERIES
from core.logging import get_logger
from core.queries.deliveries import is_any_due
from core.rules.deliveries import Fate, Outcome
from core.rules.messages import Message
from core.services.delivery_claims import Claim, claim_messages, give_back
from core.services.delivery_settling import AWAY_PAUSE, Settled, settle_messages
from workers.delivery_log import tell_dead, tell_tried
from workers.runtime import Runtime
from workers.senders import MAIL_THREADS, PUSH_THREADS, Sender, Senders

T = TypeVar("T")

AT_ONCE = {"webhook": 16, "push": 4, "email": 4}
"""Messages of a host that are under way at a time, by the kind of channel."""

AT_ONCE_WHEN_SLOW = 2
"""Of a host whose last message got no answer at all: a thousand such hosts must not take every place."""

MAX_AT_ONCE = 1_000
"""Messages under way in all; each has a socket."""

AT_ONCE_OF_KIND = {"webhook": MAX_AT_ONCE, "push": PUSH_THREADS, "email": MAIL_THREADS}
"""Of all hosts together. What would only wait for a thread is not begun, so that it can be given back."""

MAX_IN_HAND = 2 * MAX_AT_ONCE
"""Nothing more is claimed before some of these are done."""

CLAIMED_OF_A_HOST = 64
"""Deliveries at a time. As many again may be in hand already, so that a fast host never waits for a claim.
What has not been begun when the task ends is given back."""

CLAIMED_IN_ALL = 512

ROUND_S = 10.0
"""A task stops claiming after this, and the next one goes on at once. With the longest that a webhook or a
push takes it ends within the 25 seconds that a process is given which is told to end."""

POLL_S = 0.05
"""While something is under way: how late what has become due meanwhile is seen at most."""

PATIENCE_S = 40.0
"""From the start of the task, which is killed after a minute: so long messages that are under way are waited
for, and results are kept while the database is away. Then the lease has them sent again."""

RETRY_S = 0.1

CONNECTIONS = 3
"""Of a process to the database: one claims, one settles, one reads what goes into mails."""

log = get_logger(__name__)


@dataclass(slots=True)
class _Host:
    """What is in hand for a host."""

    at_once: int
    waiting: deque[Message] = field(default_factory=deque)
    running: int = 0
    is_slow: bool = False

    @property
    def in_hand(self) -> int:
        return len(self.waiting) + self.running

    @property
    def has_place(self) -> bool:
        return self.running < (AT_ONCE_WHEN_SLOW if self.is_slow else self.at_once)


class Courier:
    """One a process. It remembers which hosts are slow, which one is left alone until when, and whose turn
    it is."""

    def __init__(self, runtime: Runtime, sender: Sender | None = None) -> None:
        self._runtime = runtime
        self._sender = sender or Senders(runtime)
        self._left_alone: dict[str, datetime] = {}
        self._slow: set[str] = set()
        self._next_host: str | None = None

    def run(self) -> int:
        """Send until nothing is due or the time is over; answers how many messages got through."""
        this = _Round(self._runtime, self._sender, self._left_alone, self._slow, self._next_host)
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            sent = runner.run(this.run())
        self._next_host = this.next_host
        return sent


def _new_loop() -> asyncio.AbstractEventLoop:
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    import uvloop

    return uvloop.new_event_loop()


class _Round:
    """What a task does."""

    def __init__(
        self,
        runtime: Runtime,
        sender: Sender,
        left_alone: dict[str, datetime],
        slow: set[str],
        next_host: str | None,
    ) -> None:
        self._runtime = runtime
        self._sender = sender
        self._left_alone = left_alone
        self._slow = slow
        self._hosts: dict[str, _Host] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._running_of: Counter[str] = Counter()
        self._results: list[Settled] = []
        self._sent = 0
        self.next_host = next_host
        self._is_over = False
        self._has_all_results = False
        self._is_beginning = False
        started = time.monotonic()
        self._deadline = started + ROUND_S
        self._patience_end = started + PATIENCE_S

    async def run(self) -> int:
        self._wants_claim, self._has_results = asyncio.Event(), asyncio.Event()
        # On SQLite the two would only get in each other's way: there is one write lock.
        count = 1 if self._runtime.database.dialect == "sqlite" else 2
        with ThreadPoolExecutor(count, thread_name_prefix="courier") as threads:
            self._threads = threads
            async with self._sender:
                settling = asyncio.create_task(self._settle())
                try:
                    await self._claim_until_done()
                finally:
                    await self._finish(settling)
        return self._sent

    async def _claim_until_done(self) -> None:
        is_last = False
        while time.monotonic() < self._deadline:
            self._wants_claim.clear()
            if sum(host.in_hand for host in self._hosts.values()) > MAX_IN_HAND:
                await self._pause()
                continue
            claim = await self._in_thread(partial(self._claim, self._full_hosts(), is_last=is_last))
            self.next_host = claim.next_host
            for message in claim.messages:
                self._host_of(message).waiting.append(message)
            self._begin()
            if not (claim.looked_at or self._running):
                if is_last:
                    return
                is_last = True
                continue
            is_last = False
            if claim.next_host is None or not claim.messages:
                await self._pause()
        await self._in_thread(partial(self._runtime.lower_flag, SEND_DELIVERIES))
        self._runtime.wake([SEND_DELIVERIES])

    def _full_hosts(self) -> set[str]:
        """Those of which no more is to be claimed now."""
        full = {name for name, host in self._hosts.items() if host.in_hand > CLAIMED_OF_A_HOST}
        return full | {name for name in self._left_alone if self._is_left_alone(name)}

    def _claim(self, full_hosts: set[str], *, is_last: bool) -> Claim:
        """For a thread. While this keeps up nobody else is woken; before the last look they are again."""
        if is_last:
            self._runtime.lower_flag(SEND_DELIVERIES)
        else:
            self._runtime.hold_flag(SEND_DELIVERIES)
        first_host = self.next_host or ""
        try:
            if not self._may_find_any(first_host, full_hosts):
                return Claim((), 0, None)
            with self._runtime.database.transaction() as session:
                return claim_messages(
                    session,
                    first_host=first_host,
                    full_hosts=full_hosts,
                    of_a_host=CLAIMED_OF_A_HOST,
                    in_all=CLAIMED_IN_ALL,
                )
        except DBAPIError as error:
            if not (is_locked_out(error) or is_retryable(error)):
                raise
            # Somebody else was about the same channels: what is due then is claimed at the next look.
            log.warning("deliveries.not_claimed", error=error)
            return Claim((), 0, None)

    def _may_find_any(self, first_host: str, full_hosts: set[str]) -> bool:
        """For a thread. On SQLite a claim takes the one write lock, and mostly there is nothing to claim."""
        if self._runtime.database.dialect != "sqlite":
            return True
        with self._runtime.database.reading() as session:
            return is_any_due(session, now=clock.now(), first_host=first_host, full_hosts=full_hosts)

    def _host_of(self, message: Message) -> _Host:
        host = self._hosts.get(message.host)
        if host is None:
            host = _Host(AT_ONCE[message.receiver.kind], is_slow=message.host in self._slow)
            self._hosts[message.host] = host
        return host

    def _begin(self) -> None:
        self._is_beginning = False
        for name, host in self._hosts.items():
            if self._is_over or self._is_left_alone(name):
                continue
            while host.waiting and host.has_place and self._has_place(host.waiting[0]):
                self._start(name, host)

    def _has_place(self, message: Message) -> bool:
        kind = message.receiver.kind
        return len(self._running) < MAX_AT_ONCE and self._running_of[kind] < AT_ONCE_OF_KIND[kind]

    def _start(self, name: str, host: _Host) -> None:
        host.running += 1
        task = asyncio.create_task(self._send_on(name, host, self._taken_of(host)))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def _taken_of(self, host: _Host) -> Message:
        message = host.waiting.popleft()
        self._running_of[message.receiver.kind] += 1
        return message

    async def _send_on(self, name: str, host: _Host, first: Message) -> None:
        """Send this, and more of the host's messages one after the other for as long as it has a place."""
        message: Message | None = first
        try:
            while message is not None:
                self._take(message, await self._try(message))
                if host.in_hand == CLAIMED_OF_A_HOST:
                    self._wants_claim.set()
                message = self._taken_of(host) if self._may_go_on(name, host) else None
        finally:
            host.running -= 1
            self._has_ended(name, host)

    def _may_go_on(self, name: str, host: _Host) -> bool:
        if self._is_over or self._is_left_alone(name) or not host.waiting:
            return False
        if host.waiting[0].receiver.kind != "webhook":
            return False  # threads are few: other hosts come first
        return not host.is_slow or host.running <= AT_ONCE_WHEN_SLOW

    def _has_ended(self, name: str, host: _Host) -> None:
        del self._hosts[name]
        if host.in_hand:
            self._hosts[name] = host  # behind all others
        if not self._is_beginning:
            # Once for all that end at this moment: there may be thousands of hosts.
            self._is_beginning = True
            asyncio.get_running_loop().call_soon(self._begin)
        if len(self._running) <= 1:
            self._wants_claim.set()  # nothing is under way any more

    def _is_left_alone(self, name: str) -> bool:
        until = self._left_alone.get(name)
        return until is not None and clock.now() < until

    async def _try(self, message: Message) -> Outcome:
        began = time.perf_counter()
        outcome = await self._try_once(message)
        tell_tried(message, outcome, duration_s=time.perf_counter() - began)
        return outcome

    async def _try_once(self, message: Message) -> Outcome:
        try:
            return await self._sender.send(message)
        except Exception as error:
            if is_unavailable(error):
                return Outcome(Fate.AWAY, error="the database was away")
            log.exception("delivery.failed", channel_id=message.receiver.id, message_id=message.id)
            return Outcome(Fate.FAILED, error=f"an error of our own ({type(error).__name__})")
        finally:
            self._running_of[message.receiver.kind] -= 1

    def _take(self, message: Message, outcome: Outcome) -> None:
        self._results.append(Settled(message, outcome))
        self._has_results.set()
        host = self._hosts[message.host]
        host.is_slow = outcome.fate is Fate.FAILED and outcome.status is None
        (self._slow.add if host.is_slow else self._slow.discard)(message.host)
        if outcome.fate is Fate.AWAY:
            log.warning("deliveries.paused", kind=message.receiver.kind, error=outcome.error)
            self._left_alone[message.host] = clock.now() + AWAY_PAUSE

    async def _settle(self) -> None:
        """Note results as they come: those that come while others are noted are the next batch."""
        while self._results or not self._has_all_results:
            await self._has_results.wait()
            self._has_results.clear()
            batch, self._results = self._results, []
            if batch:
                await self._in_thread(partial(self._note, batch))

    def _note(self, batch: Sequence[Settled]) -> None:
        """For a thread. What cannot be noted is sent again after its lease."""
        while True:
            try:
                with self._runtime.writing() as session:
                    dead = settle_messages(session, batch)
            except Exception as error:
                may_pass = is_unavailable(error) or is_locked_out(error) or is_retryable(error)
                if may_pass and time.monotonic() < self._patience_end:
                    time.sleep(RETRY_S)
                elif may_pass or len(batch) == 1:
                    log.exception("deliveries.not_settled", count=len(batch))
                    return
                else:
                    log.warning("deliveries.split", count=len(batch), error=error)
                    for one in batch:
                        self._note([one])
                    return
            else:
                tell_dead(dead)
                self._sent += sum(one.outcome.fate is Fate.SENT for one in batch)
                return

    async def _finish(self, settling: asyncio.Task[None]) -> None:
        """Wait for what is under way, note it, and give back the rest."""
        self._is_over = True
        waiting = [message for host in self._hosts.values() for message in host.waiting]
        if waiting:
            await self._in_thread(partial(self._give_back, waiting))
        if self._running:
            _, left = await asyncio.wait(self._running, timeout=self._patience_end - time.monotonic())
            if left:
                log.warning("deliveries.left_to_their_leases", count=len(left))
        self._has_all_results = True
        self._has_results.set()
        await settling

    def _give_back(self, messages: Sequence[Message]) -> None:
        """For a thread."""
        now = clock.now()
        try:
            with self._runtime.database.transaction() as session:
                for name in {message.host for message in messages}:
                    until = self._left_alone.get(name, now)
                    of_host = [message for message in messages if message.host == name]
                    give_back(session, of_host, available_at=max(until, now))
        except SQLAlchemyError as error:
            # They are due again after their lease; what is under way must be noted all the same.
            log.warning("deliveries.not_given_back", count=len(messages), error=error)

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self._wants_claim.wait(), POLL_S)
        except TimeoutError:
            return

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
