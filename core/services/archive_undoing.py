"""The steps of the job that takes an archive out again: each is a part of one transaction.

What somebody has worked on since it was imported stays: an expense in the trash, a budget and a category as
they are.
"""

from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from sqlalchemy import delete, exists, select, update
from sqlalchemy.orm import Session

from core import clock
from core.errors import Conflict, NotFound
from core.models import Attachment, table_of
from core.queries.budgets import BUDGETS
from core.queries.categories import CATEGORIES
from core.queries.expenses import ExpenseRecord, expenses_by_id
from core.queries.imports import IMPORTS, ImportRecord
from core.queries.users import load_user
from core.services.accounts import change_profile
from core.services.archive_imports import begin_archive_commit
from core.services.archive_intake import TRACES
from core.services.categories import delete_category
from core.services.changes import delete_for_good, delete_many_for_good
from core.services.expense_removal import trash_expenses
from core.services.expense_rules import delete_rule
from core.services.expenses import spending_of
from core.services.import_reading import require_state
from core.services.locks import lock_users
from core.services.recurring_expenses import delete_recurring
from core.services.spending import add_spending

AT_ONCE = 2_000
"""A transaction's, some tenths of a second."""

ATTACHMENTS = table_of(Attachment)

Traces = Mapping[UUID, int]
"""Versions in which records were made, by their ids."""


def undo_some(session: Session, record: ImportRecord) -> bool:
    """Take out some of what was made, the last first; False when there was nothing left.

    Raises:
        ImportGone
    """
    lock_users(session, [record.user_id])
    require_state(session, record, "undoing")
    for kind, undo in STEPS.items():
        is_its = (TRACES.c.user_id == record.user_id, TRACES.c.import_id == record.id, TRACES.c.kind == kind)
        query = select(TRACES.c.id, TRACES.c.version).where(*is_its).order_by(TRACES.c.id.desc())
        traces = {row.id: row.version for row in session.execute(query.limit(AT_ONCE))}
        if not traces:
            continue
        undo(session, record, traces)
        session.execute(delete(TRACES).where(*is_its, TRACES.c.id.in_(traces)))
        session.execute(
            update(IMPORTS)
            .where(IMPORTS.c.user_id == record.user_id, IMPORTS.c.id == record.id)
            .values(committed_count=IMPORTS.c.committed_count - len(traces), updated_at=clock.now())
        )
        return True
    return False


def _undo_budgets(session: Session, record: ImportRecord, traces: Traces) -> None:
    """They go first, so that none of them tells that spending has gone down."""
    found = session.execute(
        select(BUDGETS.c.id, BUDGETS.c.version).where(
            BUDGETS.c.user_id == record.user_id, BUDGETS.c.id.in_(traces)
        )
    )
    untouched = [(record.user_id, row.id) for row in found if row.version == traces[row.id]]
    if untouched:
        delete_for_good(session, "budget", untouched)


def _undo_expenses(session: Session, record: ImportRecord, traces: Traces) -> None:
    found = expenses_by_id(session, user_id=record.user_id, expense_ids=list(traces), for_update=True)
    attached = _attached_since(session, record, traces)
    untouched = [one for one in found if one.version == traces[one.id] and one.id not in attached]
    gone = {one.id for one in untouched}
    touched = [one for one in found if one.id not in gone]
    _keep_attachments(session, record, touched)
    trash_expenses(session, [one for one in touched if one.deleted_at is None])
    delete_many_for_good(session, "expense", user_id=record.user_id, ids=list(gone))
    counted = (one for one in found if one.deleted_at is None)
    add_spending(session, (part.reversed() for one in counted for part in spending_of(one)))


def _attached_since(session: Session, record: ImportRecord, traces: Traces) -> set[UUID]:
    """Those of the expenses that have an attachment which did not come with the archive."""
    came_along = exists().where(
        TRACES.c.user_id == record.user_id,
        TRACES.c.import_id == record.id,
        TRACES.c.kind == "attachment",
        TRACES.c.id == ATTACHMENTS.c.id,
    )
    query = select(ATTACHMENTS.c.expense_id).where(
        ATTACHMENTS.c.user_id == record.user_id, ATTACHMENTS.c.expense_id.in_(traces), ~came_along
    )
    return set(session.scalars(query))


def _keep_attachments(session: Session, record: ImportRecord, expenses: Sequence[ExpenseRecord]) -> None:
    """What goes into the trash keeps its attachments."""
    theirs = select(ATTACHMENTS.c.id).where(
        ATTACHMENTS.c.user_id == record.user_id, ATTACHMENTS.c.expense_id.in_([one.id for one in expenses])
    )
    session.execute(
        delete(TRACES).where(
            TRACES.c.user_id == record.user_id,
            TRACES.c.import_id == record.id,
            TRACES.c.kind == "attachment",
            TRACES.c.id.in_(theirs),
        )
    )


def _undo_attachments(session: Session, record: ImportRecord, traces: Traces) -> None:
    """Of expenses that were there before."""
    session.execute(
        delete(ATTACHMENTS).where(ATTACHMENTS.c.user_id == record.user_id, ATTACHMENTS.c.id.in_(traces))
    )


def _undo_rules(session: Session, record: ImportRecord, traces: Traces) -> None:
    """Changed or not: their versions count how often they were moved, too."""
    for rule_id in traces:
        try:
            delete_rule(session, user_id=record.user_id, rule_id=rule_id)
        except NotFound:
            continue


def _undo_recurring(session: Session, record: ImportRecord, traces: Traces) -> None:
    """Changed or not: their versions count what they have posted, too. That stays."""
    for recurring_id in traces:
        try:
            delete_recurring(session, user_id=record.user_id, recurring_id=recurring_id)
        except NotFound:
            continue


def _undo_categories(session: Session, record: ImportRecord, traces: Traces) -> None:
    """As far as nothing uses them; those below others first."""
    columns = (CATEGORIES.c.id, CATEGORIES.c.version)
    query = select(*columns).where(CATEGORIES.c.user_id == record.user_id, CATEGORIES.c.id.in_(traces))
    for row in session.execute(query.order_by(CATEGORIES.c.parent_id.is_(None))).all():
        if row.version == traces[row.id]:
            try:
                delete_category(session, user_id=record.user_id, category_id=row.id)
            except (Conflict, NotFound):
                continue


def _undo_settings(session: Session, record: ImportRecord, _traces: Traces) -> None:
    """Those that are still as the archive had them."""
    choice = begin_archive_commit(session, record)
    now = load_user(session, user_id=record.user_id)
    changes = {
        name: choice.before[name] for name, value in choice.after.items() if getattr(now, name) == value
    }
    if changes:
        change_profile(session, user_id=record.user_id, changes=changes, expected_versions=None)


STEPS: Mapping[str, Callable[[Session, ImportRecord, Traces], None]] = {
    "settings": _undo_settings,
    "recurring": _undo_recurring,
    "budget": _undo_budgets,
    "expense": _undo_expenses,
    "attachment": _undo_attachments,
    "rule": _undo_rules,
    "category": _undo_categories,
}
