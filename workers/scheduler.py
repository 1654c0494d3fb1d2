"""Beat's scheduler, which takes a Redis that is away calmly."""

from typing import Any

from celery.beat import ScheduleEntry, Scheduler, SchedulingError

from core.logging import get_logger
from workers.measures import beat_measures

log = get_logger(__name__)


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
                log.warning("beat.failing", task=entry.task, error=error)
            self._is_failing = True
            beat_measures().ticks.labels(entry.task, "failed").inc()
            return
        beat_measures().ticks.labels(entry.task, "sent").inc()
        beat_measures().last_tick.set_to_current_time()
        if self._is_failing:
            log.warning("beat.recovered")
            self._is_failing = False
