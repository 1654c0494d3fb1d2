"""What the database holds, asked directly, beside the processes that work on it."""

from collections import Counter
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import func, select, update

from core import clock
from core.database import Database
from core.models import Alert, Expense, Notification, OutboxRow
from core.queries.invariants import SpendingDifference, spending_differences
from core.queries.notifications import numbering_gaps


@dataclass(frozen=True)
class Stored:
    database: Database

    def outbox_depth(self) -> int:
        with self.database.reading() as session:
            return session.scalar(select(func.count()).select_from(OutboxRow)) or 0

    def oldest_outbox_id(self) -> int:
        """The lowest number that waits in the outbox; beyond all of them when it is empty."""
        with self.database.reading() as session:
            oldest: int | None = session.scalar(select(func.min(OutboxRow.id)))
        return 2**63 if oldest is None else oldest

    def newest_outbox_id(self) -> int:
        with self.database.reading() as session:
            return session.scalar(select(func.max(OutboxRow.id))) or 0

    def dead_rows(self) -> list[tuple[str, str | None]]:
        with self.database.reading() as session:
            query = select(OutboxRow.job, OutboxRow.last_error).where(OutboxRow.dead_at.is_not(None))
            return [(job, error) for job, error in session.execute(query)]

    def end_leases(self, job: str) -> None:
        """Of whoever works on the job, as half a minute after their death would."""
        with self.database.transaction() as session:
            leased = update(OutboxRow).where(OutboxRow.job == job)
            session.execute(leased.values(available_at=clock.now()))

    def expenses_by_payee(self) -> Counter[str]:
        with self.database.reading() as session:
            rows = session.execute(select(Expense.payee, func.count()).group_by(Expense.payee))
            return Counter({payee or "": count for payee, count in rows})

    def alerts(self) -> list[Alert]:
        with self.database.reading() as session:
            return list(session.scalars(select(Alert)))

    def open_alerts(self) -> Counter[tuple[UUID, date, int]]:
        """How many are open, by budget, start of the period and threshold."""
        return Counter(
            (alert.budget_id, alert.period_start, alert.threshold)
            for alert in self.alerts()
            if alert.resolved_at is None
        )

    def seqs(self, user_id: UUID) -> list[int]:
        with self.database.reading() as session:
            query = select(Notification.seq).where(Notification.user_id == user_id)
            return list(session.scalars(query.order_by(Notification.seq)))

    def spending_differences(self) -> list[SpendingDifference]:
        with self.database.reading() as session:
            return spending_differences(session)

    def numbering_gaps(self) -> list[UUID]:
        with self.database.reading() as session:
            return list(numbering_gaps(session))
