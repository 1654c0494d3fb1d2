"""The steps of the job that undoes an import as a whole: each is a part of one transaction."""

from uuid import UUID

import msgspec
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core import clock
from core.queries.groups import GroupLock
from core.queries.imports import IMPORTS, Failure, ImportRecord, find_import, list_import_rows
from core.services.import_categories import remove_unused
from core.services.import_commits import mark_rows
from core.services.import_formats import destination_of, format_of
from core.services.import_reading import ImportGone, fail_import, require_state
from core.services.imports import change_state
from core.services.locks import lock_users
from core.services.notifications import notify
from core.services.spending import ask_for_evaluation

NOT_UNDONE = Failure("", "it could not be undone as a whole; try again, or ask your administrator")


def begin_undoing(session: Session, *, user_id: UUID, import_id: UUID) -> ImportRecord:
    """Raises:
    ImportGone: there is none, or it is not to be undone.
    """
    record = find_import(session, user_id=user_id, import_id=import_id)
    if record is None or record.state != "undoing":
        raise ImportGone(import_id)
    return record


def undo_rows(session: Session, record: ImportRecord) -> bool:
    """Take back some of what is recorded; False when there was nothing left.

    Raises:
        ImportGone
    """
    importer = format_of(record.format)
    importer.lock(session, record, with_users=True)
    require_state(session, record, "undoing")
    rows = list_import_rows(
        session,
        user_id=record.user_id,
        import_id=record.id,
        states=("committed",),
        after=-1,
        limit=importer.undone_at_once,
    )
    if not rows:
        return False
    importer.undo_rows(session, record, rows)
    mark_rows(session, record, rows, "undone")
    session.execute(
        update(IMPORTS)
        .where(IMPORTS.c.user_id == record.user_id, IMPORTS.c.id == record.id)
        .values(committed_count=IMPORTS.c.committed_count - len(rows), updated_at=clock.now())
    )
    return True


def finish_undoing(session: Session, record: ImportRecord) -> None:
    """Remove what was made for it and is not used, such as categories, and say that it is done.

    Raises:
        ImportGone
    """
    destination = destination_of(record.format)
    destination.lock(session, record, lock=GroupLock.MEMBERS)
    news = destination.finish_undoing(session, record)
    # Users before imports, as everywhere.
    users = lock_users(session, [record.user_id, *(one.user_id for one in news)])
    require_state(session, record, "undoing")
    notify(session, [one for one in news if one.user_id in users], users=users)
    settled = session.scalar(
        select(IMPORTS.c.category_ids).where(IMPORTS.c.user_id == record.user_id, IMPORTS.c.id == record.id)
    )
    made = msgspec.convert((settled or {}).get("made", []), list[UUID])
    remove_unused(session, user_id=record.user_id, category_ids=made)
    change_state(session, record, "undone", finished_at=clock.now(), sha256=None)
    # Whatever the days are to which its expenses have been moved since.
    ask_for_evaluation(session, user_id=record.user_id)


def give_up_undoing(
    session: Session, *, user_id: UUID, import_id: UUID, failure: Failure = NOT_UNDONE
) -> None:
    """Say that it is not going to be done now; what is left can be undone again."""
    record = find_import(session, user_id=user_id, import_id=import_id, for_update=True)
    if record is not None and record.state == "undoing":
        fail_import(session, record, failure, finished_at=clock.now())
        ask_for_evaluation(session, user_id=user_id)
