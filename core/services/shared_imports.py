"""Files of shared expenses, as a group's: everybody's balance afterwards is what the file says."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from core.errors import Conflict, Forbidden, NotFound, invalid
from core.queries.group_history import earlier_members, known_people, waiting_repayments, who_has_left
from core.queries.groups import GroupLock, GroupScope, groups_with_members, lock_groups, open_group
from core.queries.import_duplicates import Looks
from core.queries.imports import Findings, ImportMembers, ImportRecord, StoredRow, count_import_rows
from core.queries.shared_duplicates import shared_entries
from core.rules.people import match_people
from core.services.group_activity import note_activity
from core.services.group_history import PastEntry, record_history, take_back_history
from core.services.import_members import remove_unused_members, settle_members
from core.services.import_protocol import FINISHED, OpenedFile, Refusal
from core.services.locks import lock_users
from core.services.notifications import NewNotification
from core.services.shared_reading import SharedReading, new_person
from core.statements.formats import Format
from core.statements.limits import MAX_FILE_BYTES
from core.statements.shared import read_shared

RECORDED_AT_ONCE = 200
"""Rows in a transaction: the others of the group wait to post theirs meanwhile, for some hundredths of a
second."""

UNDONE_AT_ONCE = 20
"""Each is posted in the same transaction, to up to a hundred members' own expenses."""


class SharedImports:
    """The `ImportFormat` of files whose rows are expenses and repayments of a group."""

    max_bytes = MAX_FILE_BYTES
    has_categories = False
    recorded_at_once = RECORDED_AT_ONCE
    undone_at_once = UNDONE_AT_ONCE

    def __init__(self, file_format: Format) -> None:
        self._format = file_format

    def open(self, session: Session, record: ImportRecord, file: BinaryIO) -> OpenedFile:
        """With the members of the group whom the people in the file seem to be."""
        try:
            scope = _open_group(session, record)
        except (NotFound, Forbidden) as error:
            raise invalid("/group_id", error.detail) from error
        shared = read_shared(file, file_format=self._format, default_currency=scope.group.currency)
        members = match_people(
            shared.people,
            known_people(session, group_id=scope.group.id),
            earlier=earlier_members(session, record),
        )
        people = [new_person(scope, name, members.get(name)) for name in shared.people]
        reading = SharedReading(scope.group.id, people, shared.entries)
        return OpenedFile(None, Findings(people=tuple(people)), reading.rows(), reading.completed)

    def existing(self, rows: Connection, record: ImportRecord, looks: Looks) -> Iterator[tuple[int, UUID]]:
        return shared_entries(rows, record, looks)

    def lock(
        self,
        session: Session,
        record: ImportRecord,
        *,
        lock: GroupLock = GroupLock.LEDGER,
        with_users: bool = False,
    ) -> None:
        group_ids = [] if record.group_id is None else [record.group_id]
        lock_groups(session, group_ids, lock=lock)
        if with_users:
            for _group, members in groups_with_members(session, group_ids).values():
                lock_users(session, {one.user_id for one in members.values() if one.user_id is not None})

    def settle_members(
        self, session: Session, record: ImportRecord, wanted: Mapping[str, str]
    ) -> ImportMembers | None:
        return settle_members(session, _open_group(session, record), record.findings.people, wanted)

    def record_rows(
        self,
        session: Session,
        record: ImportRecord,
        rows: Sequence[StoredRow],
        category_ids: Mapping[str, UUID | None],  # noqa: ARG002
    ) -> Sequence[Refusal]:
        """Refused are rows of somebody who has left since, and all of them once the importer has."""
        try:
            scope = _open_group(session, record)
        except (NotFound, Forbidden) as error:
            return [Refusal(row, None, error.detail) for row in rows]
        ids = {} if record.members is None else record.members.ids
        people = [ids[one.name] for one in record.findings.people]
        entries, refusals = [], []
        for row in rows:
            entry = _entry(people, row)
            if left := _who_left(scope, entry):
                refusals.append(Refusal(row, None, f"{left} has left the group"))
            else:
                entries.append(entry)
        try:
            record_history(session, scope, entries)
        except Conflict as error:
            raise invalid("/amount", error.detail) from error
        return refusals

    def undo_rows(self, session: Session, record: ImportRecord, rows: Sequence[StoredRow]) -> None:
        ids = [row.expense_id for row in rows if row.expense_id is not None]
        take_back_history(session, _open_group(session, record), ids)

    def check_undoing(self, session: Session, record: ImportRecord) -> None:
        _open_group(session, record)
        if name := who_has_left(session, record):
            raise Conflict(f"{name} has left the group, and this would change their part")

    def finish_recording(self, session: Session, record: ImportRecord) -> Sequence[NewNotification]:
        """One note in the group's activity, and one notification to each member with an account."""
        try:
            scope = _open_group(session, record)
        except (NotFound, Forbidden):
            return ()  # nobody is left in whose name to say it
        waiting = waiting_repayments(session, record)
        _note(session, scope, record, "import.committed", record.committed_count)
        news = _news(scope, "committed", record.committed_count)
        return [
            NewNotification(user_id, FINISHED, {**news, "repayments_to_confirm": waiting.get(member_id, 0)})
            for member_id, user_id in _others(scope)
        ]

    def finish_undoing(self, session: Session, record: ImportRecord) -> Sequence[NewNotification]:
        """As `finish_recording`; and members who were made for it and have nothing left go."""
        try:
            scope = _open_group(session, record)
        except (NotFound, Forbidden):
            return ()
        if record.members is not None:
            remove_unused_members(session, scope, record.members.made)
        undone = count_import_rows(session, user_id=record.user_id, import_id=record.id, state="undone")
        if not undone:
            return ()
        _note(session, scope, record, "import.undone", undone)
        news = _news(scope, "undone", undone)
        return [NewNotification(user_id, FINISHED, news) for _member_id, user_id in _others(scope)]


def _open_group(session: Session, record: ImportRecord) -> GroupScope:
    if record.group_id is None:
        raise NotFound("no such group")
    return open_group(session, user_id=record.user_id, group_id=record.group_id, least="member")


def _entry(people: Sequence[UUID], row: StoredRow) -> PastEntry:
    """What the row says, of `people` in the order of the file."""
    details = row.details
    parts = details.shared
    if (
        parts is None
        or row.expense_id is None
        or row.day is None
        or row.amount_minor is None
        or row.currency is None
    ):
        raise ValueError(f"row {row.position} cannot be recorded")
    return PastEntry(
        id=row.expense_id,
        day=row.day,
        amount_minor=row.amount_minor,
        currency=row.currency,
        description=details.payee or "",
        category=details.category,
        note=details.note,
        paid={people[place]: minor for place, minor in parts.paid.items()},
        shares={people[place]: minor for place, minor in parts.shares.items()},
        is_repayment=parts.is_repayment,
    )


def _who_left(scope: GroupScope, entry: PastEntry) -> str | None:
    for member_id in (*entry.paid, *entry.shares):
        if scope.present(member_id) is None:
            return scope.members[member_id].display_name
    return None


def _others(scope: GroupScope) -> list[tuple[UUID, UUID]]:
    """Member and user ids of those who have an account, but for the importer."""
    return [
        (one.id, one.user_id)
        for one in scope.present_members()
        if one.user_id is not None and one.id != scope.me.id
    ]


def _news(scope: GroupScope, state: str, entries: int) -> dict[str, Any]:
    """What the others are told; the file and its name are the importer's own business."""
    return {
        "group_id": str(scope.group.id),
        "group_name": scope.group.name,
        "by_member_id": str(scope.me.id),
        "by": scope.me.display_name,
        "state": state,
        "entries": entries,
    }


def _note(session: Session, scope: GroupScope, record: ImportRecord, kind: str, entries: int) -> None:
    days = (record.first_day, record.last_day)
    note_activity(
        session,
        group_id=scope.group.id,
        actor_id=scope.me.id,
        kind=kind,
        data={
            "format": record.format,
            "entries": entries,
            "first_day": None if days[0] is None else days[0].isoformat(),
            "last_day": None if days[1] is None else days[1].isoformat(),
        },
    )
