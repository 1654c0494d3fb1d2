"""Checking what must always be true, user by user and group by group, and keeping what was found."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from uuid import UUID

from msgspec import MsgspecError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core import clock
from core.database import is_timed_out, is_unavailable
from core.logging import get_logger
from core.models import InvariantCheck, table_of
from core.queries.audit import NOBODY, audited_users, trails_of_nobody, verify_chain
from core.queries.invariants import conversion_differences, parts_differences, spending_differences
from core.queries.ledger_invariants import ledger_differences, list_group_ids
from core.queries.notifications import numbering_gaps
from core.queries.references import lost_references, referring_tables
from core.queries.users import list_user_ids
from core.services.dialects import insert_into

TABLE = table_of(InvariantCheck)

MAX_DETAILS = 20
"""Enough to see what is wrong. All of it is in the log."""

MAX_DETAIL_CHARACTERS = 500

UNREADABLE = (
    SQLAlchemyError,
    MsgspecError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)
"""What a check may raise of data that are not even of the right form. Not any exception: the time limit of a
worker is one too."""

log = get_logger(__name__)

Subjects = Iterator[tuple[str, Callable[[], Iterable[object]]]]
"""Each whose it is, and what finds the differences there. One statement over everybody would outlast its time
limit, and prove nothing."""


@dataclass(slots=True)
class Proof:
    """What a check has found: `failures` are differences, `unproved` those whose check took too long."""

    name: str
    checked_at: datetime
    failures: int = 0
    unproved: int = 0
    details: list[str] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        return not (self.failures or self.unproved)


def prove(session: Session, *, name: str) -> Proof:
    """Run one of the `CHECKS`; what is wrong is logged as well."""
    proof = Proof(name, clock.now())
    for subject, differences in _to_their_end(CHECKS[name](session)):
        try:
            found = differences()
        except UNREADABLE as error:
            # Millions of expenses or postings may take too long; all the others are proved all the same.
            if is_timed_out(error):
                log.error("invariant.not_proved", check=name, subject=subject, error=error)  # noqa: TRY400
                proof.unproved += 1
                continue
            if is_unavailable(error):
                raise
            # Its text may quote what it could not read.
            found = [type(error).__name__]
        for difference in found:
            # The difference itself holds amounts: it is stored, and `check` shows it.
            subject_id = getattr(difference, "subject_id", None)
            log.error("invariant.broken", check=name, subject=subject, subject_id=subject_id)
            proof.failures += 1
            if len(proof.details) < MAX_DETAILS:
                proof.details.append(f"{subject} {difference}"[:MAX_DETAIL_CHARACTERS])
    return proof


def _to_their_end(subjects: Subjects) -> Subjects:
    """The subjects; if the next one cannot be read, what was raised stands for it and all after it."""
    try:
        yield from subjects
    except UNREADABLE as error:
        if is_timed_out(error) or is_unavailable(error):
            raise
        unread = error

        def differences() -> Iterable[object]:
            raise unread

        yield "of all others", differences


def keep_proof(session: Session, proof: Proof) -> None:
    """Store what a check has found instead of what it found before; of two at once the later one counts."""
    values = {
        "checked_at": proof.checked_at,
        "finished_at": clock.now(),
        "failures": proof.failures,
        "unproved": proof.unproved,
        "details": proof.details,
    }
    row = insert_into(session, TABLE).values(name=proof.name, **values)
    session.execute(
        row.on_conflict_do_update(
            index_elements=["name"],
            set_={name: row.excluded[name] for name in values},
            where=TABLE.c.checked_at <= row.excluded.checked_at,
        )
    )


def _spending(session: Session) -> Subjects:
    for user_id in list_user_ids(session):
        yield f"user={user_id}", partial(spending_differences, session, user_id=user_id)


def _conversions(session: Session) -> Subjects:
    for user_id in list_user_ids(session):
        yield f"user={user_id}", partial(conversion_differences, session, user_id=user_id)


def _parts(session: Session) -> Subjects:
    for user_id in list_user_ids(session):
        yield f"user={user_id}", partial(parts_differences, session, user_id=user_id)


def _numbers(session: Session) -> Subjects:
    def gaps() -> list[UUID]:
        return list(numbering_gaps(session))

    yield "of all users", gaps


def _ledgers(session: Session) -> Subjects:
    for group_id in list_group_ids(session):
        yield f"group={group_id}", partial(ledger_differences, session, group_id=group_id)


def _audit_trails(session: Session) -> Subjects:
    def problem(user_id: UUID) -> list[str]:
        proof = verify_chain(session, user_id=user_id)
        return [] if proof.problem is None else [proof.problem]

    def problems_of_nobody() -> list[str | None]:
        return [proof.problem for proof in trails_of_nobody(session)]

    for user_id in audited_users(session):
        yield f"user={user_id}", partial(problem, user_id)
    yield f"user={NOBODY}", problems_of_nobody


def _references(session: Session) -> Subjects:
    for table in referring_tables(session):
        yield f"table={table}", partial(lost_references, session, table=table)


CHECKS: Mapping[str, Callable[[Session], Subjects]] = {
    "daily_spending": _spending,
    "daily_conversions": _conversions,
    "expense_parts": _parts,
    "notification_numbers": _numbers,
    "group_ledger": _ledgers,
    "audit_trail": _audit_trails,
    "references": _references,
}
"""The daily totals equal the expenses, so do the conversions; lines add up to their expenses; no number of a
notification is missing; the ledgers of groups are whole, and so are the audit trails; what a row refers to is
there. That no two alerts of a kind are open at once is held by the database.
"""
