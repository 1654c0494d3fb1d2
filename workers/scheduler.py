"""Beat's scheduler, which takes a Redis that is away calmly."""

import logging
from typing import Any

from celery.beat import ScheduleEntry, Scheduler, SchedulingError

log = logging.getLogger(__name__)


class CalmScheduler(Scheduler):  # type: ignore[misc] # Celery brings no types
    """A tick that cannot be sent is dropped, as the next one asks for the same; it is said once an outage.

    Celery's own writes some fifty lines of tracebacks for each tick.
    """

    _is_failing = False

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
        try:
            self.apply_async(entry, producer=producer, advance=False)
        except SchedulingError as error:
            if not self._is_failing:
                log.warning("beat.failing task=%s error=%s", entry.task, error)
            self._is_failing = True
            return
        if self._is_failing:
            log.warning("beat.recovered")
            self._is_failing = False
