"""Wakes the workers after a commit, outside the request.

A wake-up says only "there is work of this name"; the outbox says which. At most one per job is waiting at the
broker: a flag in Redis is set by whoever sends it, held by the worker as long as it finds work, and cleared
before that worker's last look at the outbox. A wake-up that is lost costs latency only, as the flag runs out
and beat sweeps every few seconds.
"""

import threading
from collections.abc import Iterable

from redis import Redis

from core.broker import SOCKET_TIMEOUT_S, new_celery
from core.config import Settings
from core.logging import get_logger

FLAG_LIFETIME_MS = 2_000
"""Longer than a batch takes or a wake-up waits at a healthy broker, shorter than the sweep that makes up for
one that is lost."""

EXPIRES_S = 30
"""Without workers wake-ups must not pile up at the broker; the sweep speaks for what they were sent for."""

INTERVAL_S = 0.01
"""Between two rounds of wake-ups. A lone write wakes at once; under load the workers find more rows at a time
instead of taking the processor from those who write them."""

RETRY_AFTER_S = 1.0
"""Pause after Redis failed: the sweep covers what is skipped meanwhile."""

log = get_logger(__name__)


class WakeUpFlags:
    """Which jobs have a wake-up waiting at the broker."""

    def __init__(self, settings: Settings) -> None:
        self._prefix = settings.redis_prefix
        self._redis = Redis.from_url(
            settings.redis, socket_timeout=SOCKET_TIMEOUT_S, socket_connect_timeout=SOCKET_TIMEOUT_S
        )

    def raise_flag(self, job: str) -> bool:
        """True for the one who is to send the wake-up."""
        return bool(self._redis.set(self._name(job), 1, nx=True, px=FLAG_LIFETIME_MS))

    def hold_flag(self, job: str) -> None:
        """Keep it raised: whoever holds it looks at the outbox again after lowering it."""
        self._redis.set(self._name(job), 1, px=FLAG_LIFETIME_MS)

    def lower_flag(self, job: str) -> None:
        """Before the outbox is read: who commits from now on sends a wake-up again."""
        self._redis.delete(self._name(job))

    def close(self) -> None:
        self._redis.close()

    def _name(self, job: str) -> str:
        return f"{self._prefix}:woken:{job}"


class WakeUps:
    """A thread that sends wake-ups for what the process has committed."""

    def __init__(self, settings: Settings) -> None:
        self._flags = WakeUpFlags(settings)
        self._celery = new_celery(settings, is_current=False)
        self._wanted: set[str] = set()
        self._condition = threading.Condition()
        self._is_closed = False
        self._is_failing = False
        self._thread = threading.Thread(target=self._run, name="wake-ups", daemon=True)
        self._thread.start()

    def request(self, jobs: Iterable[str]) -> None:
        """Have the workers look for these jobs. Returns at once and never fails."""
        with self._condition:
            self._wanted.update(jobs)
            if self._wanted:
                self._condition.notify()

    def close(self) -> None:
        with self._condition:
            self._is_closed = True
            self._condition.notify()
        self._thread.join(timeout=2 * SOCKET_TIMEOUT_S)
        self._celery.close()
        self._flags.close()

    def _run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._wanted or self._is_closed)
                if not self._wanted:
                    return
                jobs, self._wanted = self._wanted, set()
            self._send(jobs)
            self._pause(INTERVAL_S)

    def _send(self, jobs: set[str]) -> None:
        try:
            for job in sorted(jobs):
                if self._flags.raise_flag(job):
                    self._celery.send_task(job, expires=EXPIRES_S)
            if self._is_failing:
                log.warning("wake_ups.recovered")
                self._is_failing = False
        except Exception as error:  # noqa: BLE001 - the thread must live on, whatever the broker's client raises
            # The jobs are safe in the outbox, and the sweep finds them there.
            if not self._is_failing:
                log.warning("wake_ups.failing", jobs=",".join(sorted(jobs)), error=error)
                self._is_failing = True
            self._pause(RETRY_AFTER_S)

    def _pause(self, seconds: float) -> None:
        with self._condition:
            self._condition.wait_for(lambda: self._is_closed, timeout=seconds)
