"""Two years of recurring expenses in awkward time zones, with ticks that are late, doubled or killed.

Time jumps from one instant at which something is due to the next. In the end each occurrence must have
happened once, on its day and not before: the days are those of a walk day by day.
"""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine
from sqlalchemy import func, select

from core.database import Database
from core.models import RecurringExpense, RecurringOccurrence
from core.queries.invariants import spending_differences
from core.rules.periods import start_instant
from core.rules.recurrence_texts import read_rule
from core.rules.recurring_plans import newest_day
from core.services import recurring_posting
from tests.core.rules.test_recurrence import Walk
from tests.core.services.bookkeeper import Bookkeeper, tick

RULES = (
    ("FREQ=MONTHLY", 31),
    ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", 3),
    ("FREQ=WEEKLY;INTERVAL=2;BYDAY=FR,SU", 1),
    ("FREQ=DAILY;INTERVAL=13", 5),
    ("FREQ=YEARLY", 29),
)
"""And how many days before the simulation each one starts."""

OVERSHOOTS = tuple(timedelta(hours=hours) for hours in (0, 0, 1, 5, 48, 216))

YEARS = timedelta(days=730)

WORLDS = {
    "2026": ("2026-02-27T12:00:00", ("Australia/Lord_Howe", "Africa/Casablanca", "America/New_York")),
    # On 2011-12-30 there was no such day in Apia.
    "2011": ("2011-12-05T12:00:00", ("Pacific/Apia", "America/St_Johns")),
}

MOVES = ("Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Kathmandu", "America/Sao_Paulo")


class Killed(BaseException):
    """Nothing of ours catches it, as a worker that is killed does not go on."""


class World:
    def __init__(self, database: Database, zones: tuple[str, ...], chance: random.Random) -> None:
        self.database, self.chance = database, chance
        self.people = {Bookkeeper(database, timezone=zone): zone for zone in zones}
        self.mover = Bookkeeper(database)
        self.recurring: list[tuple[Bookkeeper, UUID, str, date]] = []

    def begin(self, today: date) -> None:
        for person in (*self.people, self.mover):
            for rule, days_before in RULES:
                starts_on = today - timedelta(days=days_before)
                is_variable = rule == "FREQ=DAILY;INTERVAL=13"
                made = person.recur(rule, starts_on=str(starts_on), is_variable=is_variable)
                self.recurring.append((person, made, rule, starts_on))

    def next_at(self) -> datetime:
        """When something is due for somebody; nobody else is here."""
        with self.database.reading() as session:
            found = session.scalar(select(func.min(RecurringExpense.next_at)))
        assert found is not None
        return found

    def live(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """One tick, of whatever kind, and then all are done."""
        match self.chance.randrange(8):
            case 0:
                with ThreadPoolExecutor(2) as pool:
                    list(pool.map(lambda _: tick(self.database), range(2)))
            case 1:
                self._kill(monkeypatch)
            case 2:
                self.mover.move_to(self.chance.choice(MOVES))
        tick(self.database)

    def _kill(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def die(*_args: Any, **_more: Any) -> None:
            raise Killed

        name = self.chance.choice(("draft_expenses", "insert_many_expenses", "notify"))
        with monkeypatch.context() as patch:
            patch.setattr(recurring_posting, name, die)
            try:
                tick(self.database)
            except Killed:
                return

    def assert_all_happened_once(self, first: date, end: datetime) -> None:
        for person, recurring_id, rule, starts_on in self.recurring:
            zone = self.people.get(person)
            states = person.states(recurring_id)
            last = max(map(date.fromisoformat, states)) if zone is None else newest_day(end, zone)
            walked = Walk(read_rule(rule).pattern, starts_on).days(last)
            assert list(states) == [str(day) for day in walked if day >= first], (rule, zone)
            assert set(states.values()) <= {"awaiting" if rule == "FREQ=DAILY;INTERVAL=13" else "posted"}
            if zone is not None:
                self._assert_in_time(person, zone)
        for person in (*self.people, self.mover):
            days = [
                day
                for owner, recurring_id, *_ in self.recurring
                for day, state in person.states(recurring_id).items()
                if owner is person and state == "posted"
            ]
            assert person.posted() == sorted(days)
            with self.database.reading() as session:
                assert spending_differences(session, user_id=person.id) == []

    def _assert_in_time(self, person: Bookkeeper, zone: str) -> None:
        own = select(RecurringOccurrence).where(RecurringOccurrence.user_id == person.id)
        with self.database.reading() as session:
            for one in session.scalars(own):
                late = one.created_at - start_instant(one.due_on, zone)
                # What is due on the day of the beginning is posted in its middle.
                assert timedelta(0) <= late <= max(OVERSHOOTS) + timedelta(days=1), one.due_on


@pytest.mark.parametrize("year", WORLDS)
def test_each_occurrence_happens_once_on_its_day_whatever_happens(
    database: Database, monkeypatch: pytest.MonkeyPatch, year: str
) -> None:
    begun, zones = WORLDS[year]
    now = datetime.fromisoformat(begun).replace(tzinfo=UTC)
    end = now + YEARS
    world = World(database, zones, random.Random(f"{year} {database.dialect}"))
    with time_machine.travel(now, tick=False):
        world.begin(now.date())
    while now < end:
        with time_machine.travel(now, tick=False):
            world.live(monkeypatch)
            following = world.next_at()
            assert following > now
        now = min(following + world.chance.choice(OVERSHOOTS), end)
    with time_machine.travel(end, tick=False):
        tick(database)
    world.assert_all_happened_once(datetime.fromisoformat(begun).date(), end)
