"""A user with digests, and the worker that ticks for them, at times of the tests' choice."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import select

from core.config import Settings
from core.database import Database
from core.models import DigestRun
from core.queries.notification_settings import SettingsRecord
from core.rules.digests import Frequency
from core.services.notification_settings import SettingsInput, set_settings
from tests.core.services.spender import Spender
from workers.long_jobs import CONNECTIONS
from workers.runtime import Runtime
from workers.tasks.digests import build_digests, stage_digests


class DigestDesk:
    def __init__(self, settings: Settings, database: Database) -> None:
        self.database = database
        self.runtime = Runtime(settings, {}, connections=CONNECTIONS)

    def plan(self, me: Spender, frequency: Frequency | None, **given: Any) -> SettingsRecord:
        fields: dict[str, Any] = {
            "kinds": {},
            "quiet_hours": None,
            "hour": 8,
            "weekday": 1,
            "day": 1,
            "has_empty_digests": True,
        }
        with self.database.transaction() as session:
            return set_settings(
                session, user_id=me.id, given=SettingsInput(frequency=frequency, **(fields | given))
            )

    def tick(self) -> None:
        stage_digests(self.database)

    def build(self) -> int:
        return build_digests(self.runtime)

    def run(self) -> None:
        self.tick()
        self.build()

    def runs(self, me: Spender) -> Sequence[DigestRun]:
        """In the order in which they were staged."""
        with self.database.reading() as session:
            query = select(DigestRun).where(DigestRun.user_id == me.id).order_by(DigestRun.id)
            return session.scalars(query).all()

    def periods(self, me: Spender) -> list[tuple[date, date]]:
        return [(run.period_start, run.period_end) for run in self.runs(me)]
