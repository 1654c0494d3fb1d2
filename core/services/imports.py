"""What a user does with imports: begin, correct, commit, drop and undo them.

The work is done by jobs: `import_reading.py`, `import_commits.py` and `import_undoing.py` are their steps. A
state has one job at most, and leads on in the transaction that settles it:

    queued → reading → preview | failed      preview → committing → succeeded → undoing → undone
       ↖ corrected ──────┴────────┘             └→ expired
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from core import clock
from core.archive.sections import MAX_ARCHIVE_BYTES
from core.errors import Conflict, NotFound, invalid
from core.files import StoredFile
from core.ids import new_id
from core.job_names import COMMIT_IMPORT, READ_IMPORT, UNDO_IMPORT
from core.queries.categories import categories_by_id
from core.queries.groups import GroupLock, open_group
from core.queries.imports import (
    IMPORTS,
    MAPPINGS,
    ImportRecord,
    State,
    count_open_imports,
    is_one_under_way,
    load_import,
    open_bytes,
)
from core.services.dialects import insert_into
from core.services.import_categories import CREATE
from core.services.import_formats import check_destination, check_size, destination_of, find_format
from core.services.locks import lock_user
from core.services.outbox import Job, stage_jobs
from core.services.versions import check_version
from core.statements.formats import ARCHIVE, STATEMENTS, Format
from core.statements.limits import MAX_FILE_BYTES
from core.statements.mapping import Mapping as ColumnMapping

MAX_OPEN_IMPORTS = 20
"""Of a user: each keeps a file of up to 32 MB and as many rows for a week."""

MAX_OPEN_BYTES = MAX_ARCHIVE_BYTES + MAX_OPEN_IMPORTS * MAX_FILE_BYTES
"""Of the files of a user's imports that wait: one archive of the largest size. One user must not fill
everybody's disk."""

MAX_KEPT_MAPPINGS = 100
"""Of a user, one for each kind of file; beyond it the one goes that was not used for longest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewImport:
    """A file that is stored already; without a format it is found out."""

    file: StoredFile
    name: str
    format: Format | None = None
    mapping: ColumnMapping | None = None
    group_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What of a file is to be recorded: `only` these lines or all `but` those; suspected duplicates only as
    far as `duplicates` says, all or some lines. `categories` say otherwise than the preview under what names
    in the file are to be filed: a category's id, `CREATE`, or None for nothing. `members` say so of who the
    people of a shared file are: a member's id, or `CREATE`. An archive is taken in as a whole, with the
    `settings` of its user if they are wanted."""

    only: frozenset[int] | None = None
    but: frozenset[int] = frozenset()
    duplicates: bool | frozenset[int] = False
    categories: Mapping[str, str | None] = field(default_factory=dict)
    settings: bool = False
    members: Mapping[str, str] = field(default_factory=dict)


def request_import(session: Session, *, user_id: UUID, new: NewImport) -> ImportRecord:
    """Have the file read by a job, for a preview.

    Raises:
        NotFound, Forbidden: the group.
        InvalidInput: its format cannot be imported, the file is too large for it, or the group does not fit.
        Conflict: the user has `MAX_OPEN_IMPORTS` that wait.
    """
    # Two at once must not both be the last one.
    _lock(session, user_id)
    if new.format is not None:
        check_size(new.format, new.file.size)
        check_destination(new.format, new.group_id)
    if new.group_id is not None:
        open_group(session, user_id=user_id, group_id=new.group_id, least="member")
    if count_open_imports(session, user_id=user_id) >= MAX_OPEN_IMPORTS:
        raise Conflict(f"{MAX_OPEN_IMPORTS} imports wait already; commit or delete one first")
    if open_bytes(session, user_id=user_id) + new.file.size > MAX_OPEN_BYTES:
        raise Conflict(f"imports that wait may have {MAX_OPEN_BYTES} bytes; commit or delete one first")
    import_id, now = new_id(), clock.now()
    counts = ("row", "problem", "duplicate", "credit", "chosen", "committed")
    values: dict[str, Any] = {
        "user_id": user_id,
        "id": import_id,
        "state": "queued",
        "format": new.format,
        "name": new.name,
        "size": new.file.size,
        "sha256": new.file.sha256,
        "group_id": new.group_id,
        "mapping": None if new.mapping is None else msgspec.to_builtins(new.mapping),
        "has_own_mapping": new.mapping is not None,
        "findings": {},
        **{f"{name}_count": 0 for name in counts},
        "version": 1,
        "created_at": now,
        "updated_at": now,
    }
    session.execute(insert(IMPORTS).values(values))
    _stage(session, READ_IMPORT, user_id, import_id)
    return load_import(session, user_id=user_id, import_id=import_id)


def correct_import(
    session: Session,
    *,
    user_id: UUID,
    import_id: UUID,
    mapping: ColumnMapping,
    expected_versions: Set[int] | None = None,
) -> ImportRecord:
    """Have the file read anew, by a mapping of the user's.

    Raises:
        NotFound, StaleVersion
        Conflict: it is being read, or is past its preview.
    """
    record = load_import(session, user_id=user_id, import_id=import_id, for_update=True)
    check_version(record.version, expected_versions)
    if record.state not in ("preview", "failed") or record.committed_count:
        raise Conflict(f"it is {record.state}; only a preview can be read anew")
    change_state(
        session,
        record,
        "queued",
        mapping=msgspec.to_builtins(mapping),
        has_own_mapping=True,
        failure=None,
    )
    _stage(session, READ_IMPORT, user_id, import_id)
    return load_import(session, user_id=user_id, import_id=import_id)


def commit_import(session: Session, *, user_id: UUID, import_id: UUID, choice: Choice) -> ImportRecord:
    """Have what is chosen recorded by a job, and keep the mapping for the next file of the bank.

    Raises:
        NotFound, Forbidden: the import, or the group that it goes to.
        InvalidInput: a category is not the user's, a member not in the group, or a name not in the file.
        Conflict: it is no preview, another import of the user's is under way, or the group is full.
    """
    record = load_import(session, user_id=user_id, import_id=import_id)
    _check_preview(record)
    destination = destination_of(record.format)
    destination.lock(session, record, lock=GroupLock.MEMBERS)
    # What one commits, the next must know of.
    _lock(session, user_id)
    record = load_import(session, user_id=user_id, import_id=import_id, for_update=True)
    _check_preview(record)
    _check_nothing_under_way(session, user_id)
    _check_whole(record, choice)
    _check_categories(session, record, choice)
    _keep_mapping(session, record)
    members = destination.settle_members(session, record, choice.members)
    change_state(
        session,
        record,
        "committing",
        choice=_document(choice),
        members=None if members is None else msgspec.to_builtins(members),
        chosen_count=0,
    )
    _stage(session, COMMIT_IMPORT, user_id, import_id)
    return load_import(session, user_id=user_id, import_id=import_id)


def drop_import(
    session: Session, *, user_id: UUID, import_id: UUID, expected_versions: Set[int] | None = None
) -> ImportRecord | None:
    """Forget an import of which nothing is recorded; have one that is recorded undone by a job.

    Answers the import that is being undone, None for one that is gone.

    Raises:
        NotFound, Forbidden, StaleVersion
        Conflict: it is being committed, another import of the user's is under way, or somebody who has left
            the group has a part in it.
    """
    record = load_import(session, user_id=user_id, import_id=import_id)
    # Not known while it is queued: then nothing has been made for it.
    importer = find_format(record.format)
    if importer is not None:
        importer.lock(session, record, lock=GroupLock.MEMBERS)
    _lock(session, user_id)
    record = load_import(session, user_id=user_id, import_id=import_id, for_update=True)
    check_version(record.version, expected_versions)
    if record.state == "undoing":
        return record
    if record.state == "committing":
        raise Conflict("it is being committed; undo it when that is done")
    if not record.committed_count:
        if importer is not None and record.members is not None and record.state != "undone":
            # Nothing was recorded, but there are members who were made for it.
            importer.finish_undoing(session, record)
        session.execute(delete(IMPORTS).where(IMPORTS.c.user_id == user_id, IMPORTS.c.id == import_id))
        return None
    _check_nothing_under_way(session, user_id)
    destination_of(record.format).check_undoing(session, record)
    change_state(session, record, "undoing")
    _stage(session, UNDO_IMPORT, user_id, import_id)
    return load_import(session, user_id=user_id, import_id=import_id)


def change_state(session: Session, record: ImportRecord, state: State, **values: Any) -> None:
    """Lead the import, whose row is locked, into another state: a new version of it."""
    session.execute(
        update(IMPORTS)
        .where(IMPORTS.c.user_id == record.user_id, IMPORTS.c.id == record.id)
        .values(state=state, version=IMPORTS.c.version + 1, updated_at=clock.now(), **values)
    )


def job_key(user_id: UUID, import_id: UUID) -> str:
    return f"{user_id}:{import_id}"


def _stage(session: Session, job: str, user_id: UUID, import_id: UUID) -> None:
    stage_jobs(session, [Job(job, job_key(user_id, import_id), {})])


def _lock(session: Session, user_id: UUID) -> None:
    if lock_user(session, user_id=user_id) is None:
        raise NotFound("no such user")


def _check_preview(record: ImportRecord) -> None:
    if record.state != "preview":
        raise Conflict(f"it is {record.state}; only a preview can be committed")


def _check_nothing_under_way(session: Session, user_id: UUID) -> None:
    if is_one_under_way(session, user_ids=[user_id]):
        raise Conflict("another import is being committed or undone; try again when that is done")


def _check_whole(record: ImportRecord, choice: Choice) -> None:
    """An archive is taken in as a whole, and nothing else has settings."""
    if record.format != ARCHIVE and choice.settings:
        raise invalid("/settings", "only an archive has settings")
    if record.format == ARCHIVE and replace(choice, settings=False) != Choice():
        raise invalid("", "an archive is taken in as a whole; of it only settings can be chosen")


def _check_categories(session: Session, record: ImportRecord, choice: Choice) -> None:
    in_file = {one.name for one in record.findings.categories}
    ids = [UUID(one) for one in choice.categories.values() if one not in (None, CREATE)]
    there = {str(one.id) for one in categories_by_id(session, user_id=record.user_id, category_ids=ids)}
    for name, wanted in choice.categories.items():
        pointer = "/categories/" + name.replace("~", "~0").replace("/", "~1")
        if name not in in_file:
            raise invalid(pointer, "the file has no such category")
        if wanted not in (None, CREATE, *there):
            raise invalid(pointer, "no such category")


def _document(choice: Choice) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(
        {
            "only": None if choice.only is None else sorted(choice.only),
            "but": sorted(choice.but),
            "duplicates": (
                choice.duplicates if isinstance(choice.duplicates, bool) else sorted(choice.duplicates)
            ),
            "categories": choice.categories,
            "settings": choice.settings,
        }
    )
    return document


def _keep_mapping(session: Session, record: ImportRecord) -> None:
    """For the next file of the same bank."""
    fingerprint = record.findings.fingerprint
    if record.mapping is None or fingerprint is None or record.format not in STATEMENTS:
        return
    kept = {"mapping": msgspec.to_builtins(record.mapping), "used_at": clock.now()}
    row = {"user_id": record.user_id, "fingerprint": fingerprint, **kept}
    insertion = insert_into(session, MAPPINGS).values(row)
    session.execute(insertion.on_conflict_do_update(index_elements=["user_id", "fingerprint"], set_=kept))
    oldest = (
        select(MAPPINGS.c.fingerprint)
        .where(MAPPINGS.c.user_id == record.user_id)
        .order_by(MAPPINGS.c.used_at.desc())
        .offset(MAX_KEPT_MAPPINGS)
    )
    session.execute(
        delete(MAPPINGS).where(MAPPINGS.c.user_id == record.user_id, MAPPINGS.c.fingerprint.in_(oldest))
    )
