"""What beat asks for exists, and what must be asked for is."""

from pathlib import Path

import pytest
from celery import Celery
from celery.schedules import crontab

from core.config import Settings
from core.job_names import CLAIMED_JOBS, LONG_JOBS, OUTBOX_JOBS, Tick
from workers.app import JOBS, LEASED_JOBS, create_app
from workers.scheduler import CalmScheduler
from workers.schedules import SWEEP_S, beat_schedule

TABLE = Path(__file__).parents[2] / "docs" / "schedules.md"

CRONTAB_MIN_S = 3_600
"""What is due at a time of day comes every hour at most."""


@pytest.fixture
def app() -> Celery:
    app = create_app(Settings())
    app.finalize()
    return app


def test_every_scheduled_task_exists(app: Celery) -> None:
    assert {entry["task"] for entry in beat_schedule().values()} <= set(app.tasks)


def test_every_job_has_a_task_an_effect_and_a_sweep(app: Celery) -> None:
    sweeps = {entry["task"] for entry in beat_schedule().values() if entry["schedule"] == SWEEP_S}
    assert set(OUTBOX_JOBS) == {*JOBS, *LEASED_JOBS, *LONG_JOBS}
    assert sweeps == {*OUTBOX_JOBS, *CLAIMED_JOBS} <= set(app.tasks)


def test_every_task_of_ours_is_a_job_or_scheduled(app: Celery) -> None:
    scheduled = {entry["task"] for entry in beat_schedule().values()}
    own = {name for name in app.tasks if not name.startswith("celery.")}
    assert own == scheduled | {*OUTBOX_JOBS, *CLAIMED_JOBS}


def test_every_tick_is_asked_for_and_has_a_task(app: Celery) -> None:
    ticks = {value for name, value in vars(Tick).items() if name.isupper()}
    scheduled = {entry["task"] for entry in beat_schedule().values()}
    assert ticks == scheduled - {*OUTBOX_JOBS, *CLAIMED_JOBS}
    assert ticks <= set(app.tasks)


def test_the_table_of_ticks_tells_of_all_of_them_and_of_their_times() -> None:
    rows = [line.split("|")[1:3] for line in TABLE.read_text().splitlines() if line.startswith("| `")]
    told = {task.strip().strip("`"): when.strip() for task, when in rows}
    schedules = {entry["task"]: entry["schedule"] for entry in beat_schedule().values()}
    assert told == {task: when(one) for task, one in schedules.items() if task not in OUTBOX_JOBS}


def when(schedule: float | crontab) -> str:
    """As the table has it."""
    if isinstance(schedule, float):
        return f"every {schedule:g} s"
    [minute] = schedule.minute
    assert len(schedule.hour) == 24, "what comes once a day is missed by whoever is off at that hour"
    return f"hourly at :{minute:02}"


def test_beat_asks_at_once_for_what_fell_due_while_it_was_off(app: Celery) -> None:
    entries = CalmScheduler(app, lazy=False).schedule.values()
    at_once = {entry.task: entry for entry in entries if entry.is_due().is_due}
    assert set(at_once) >= {*OUTBOX_JOBS, *CLAIMED_JOBS, Tick.POST_RECURRING, Tick.STAGE_DIGESTS}
    again = [task for task, entry in at_once.items() if entry.next().is_due().is_due]
    assert not again, "from then on at their times"


def test_ticks_that_nobody_takes_do_not_pile_up() -> None:
    for name, entry in beat_schedule().items():
        every_s = entry["schedule"] if isinstance(entry["schedule"], float) else CRONTAB_MIN_S
        assert entry["options"]["expires"] <= every_s, name


def test_what_takes_longer_than_the_broker_waits_is_acknowledged_as_it_begins(app: Celery) -> None:
    wait_s = app.conf.broker_transport_options["visibility_timeout"]
    for name, task in app.tasks.items():
        limit_s = task.time_limit or app.conf.task_time_limit
        assert name.startswith("celery.") or limit_s < wait_s or not task.acks_late, name
    assert not app.tasks[Tick.CHECK_INVARIANTS].acks_late
    assert app.conf.task_acks_late


def test_results_are_not_kept_and_messages_are_json(app: Celery) -> None:
    assert app.conf.task_ignore_result
    assert app.conf.accept_content == ["json"]
    assert app.conf.task_serializer == "json"
    assert app.conf.task_time_limit > app.conf.task_soft_time_limit > 0
