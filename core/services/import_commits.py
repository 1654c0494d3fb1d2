"""The steps of the job that records what was chosen of a file: each is a part of one transaction.

The first settles what is recorded and under which categories; once that is done the job goes on where it was,
whoever is killed. A row that is recorded is marked in the same transaction, and has had the id of its expense
since it was read, so nothing is recorded twice.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import msgspec
from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from core import clock
from core.errors import InvalidInput
from core.queries.imports import (
    IMPORTS,
    ROWS,
    Failure,
    ImportRecord,
    Problem,
    RowState,
    StoredRow,
    find_import,
    list_import_rows,
    load_import,
)
from core.services.import_categories import settle_categories
from core.services.import_formats import destination_of, format_of
from core.services.import_protocol import FINISHED, ImportFormat, Refusal
from core.services.import_reading import ENCODER, ImportGone, fail_import, require_state
from core.services.imports import change_state
from core.services.locks import LockedUser, lock_users
from core.services.notifications import NewNotification, notify
from core.services.spending import ask_for_evaluations

ROWS_READ_AT_ONCE = 2_000
"""When they are only counted."""

NOT_FINISHED = Failure("", "it could not be recorded as a whole; undo it, or ask your administrator")

MARK = (
    update(ROWS)
    .where(
        ROWS.c.user_id == bindparam("owner"),
        ROWS.c.import_id == bindparam("its_import"),
        ROWS.c.position.between(bindparam("first"), bindparam("last")),
        ROWS.c.state == bindparam("old_state"),
    )
    .values(state=bindparam("new_state"))
)


class StoredChoice(msgspec.Struct, frozen=True):
    """A `core.services.imports.Choice` as it is kept."""

    only: frozenset[int] | None
    but: frozenset[int]
    duplicates: bool | frozenset[int]
    categories: dict[str, str | None]

    def takes(self, line: int, state: str) -> bool:
        if line in self.but or (self.only is not None and line not in self.only):
            return False
        if state == "ready" or isinstance(self.duplicates, bool):
            return state == "ready" or self.duplicates is True
        return line in self.duplicates

    @property
    def takes_all(self) -> bool:
        """Of the rows that are no duplicates."""
        return not self.but and self.only is None


class Plan(msgspec.Struct, frozen=True):
    """What is recorded, and where: settled once for all batches."""

    choice: StoredChoice
    category_ids: dict[str, UUID | None]


def begin_commit(session: Session, *, user_id: UUID, import_id: UUID) -> tuple[ImportRecord, Plan | None]:
    """The import that is to be committed, with its plan if that is settled already.

    Raises:
        ImportGone: there is none, or it is not to be committed.
    """
    record = find_import(session, user_id=user_id, import_id=import_id)
    if record is None or record.state != "committing":
        raise ImportGone(import_id)
    choice, settled = session.execute(
        select(IMPORTS.c.choice, IMPORTS.c.category_ids).where(
            IMPORTS.c.user_id == user_id, IMPORTS.c.id == import_id
        )
    ).one()
    if settled is None:
        return record, None
    return record, msgspec.convert({"choice": choice, "category_ids": settled["ids"]}, Plan)


def settle_plan(session: Session, record: ImportRecord) -> Plan:
    """Settle what is recorded and where, once it is known what is there already.

    Raises:
        ImportGone
    """
    # The user first, as everywhere.
    lock_users(session, [record.user_id])
    require_state(session, record, "committing")
    is_its = (IMPORTS.c.user_id == record.user_id, IMPORTS.c.id == record.id)
    choice = msgspec.convert(session.scalar(select(IMPORTS.c.choice).where(*is_its)), StoredChoice)
    chosen, duplicates, names = _count_chosen(session, record, choice)
    ids: dict[str, UUID | None] = {}
    made: list[UUID] = []
    if format_of(record.format).has_categories:
        ids, made = settle_categories(session, user_id=record.user_id, names=names, wanted=choice.categories)
    settled = msgspec.to_builtins({"ids": ids, "made": made})
    counts = {"chosen_count": chosen, "duplicate_count": duplicates}
    session.execute(update(IMPORTS).where(*is_its).values(category_ids=settled, **counts))
    return Plan(choice, ids)


def _count_chosen(session: Session, record: ImportRecord, choice: StoredChoice) -> tuple[int, int, list[str]]:
    """How many rows are chosen, how many are duplicates, and the categories' names of those chosen."""
    known = {one.name for one in record.findings.categories}
    if choice.takes_all and not has_duplicates(session, record):
        return record.row_count, 0, [one.name for one in record.findings.categories]
    chosen = duplicates = 0
    names: dict[str, None] = {}
    after, rows = -1, list[StoredRow]()
    while rows := recordable_rows(session, record, after=after, limit=ROWS_READ_AT_ONCE):
        for row in rows:
            duplicates += row.state == "duplicate"
            if choice.takes(row.line, row.state):
                chosen += 1
                names |= dict.fromkeys(name for name in row.details.category_names() if name in known)
        after = rows[-1].position
    return chosen, duplicates, list(names)


def has_duplicates(session: Session, record: ImportRecord) -> bool:
    query = select(ROWS.c.position).where(
        ROWS.c.user_id == record.user_id, ROWS.c.import_id == record.id, ROWS.c.state == "duplicate"
    )
    return session.execute(query.limit(1)).first() is not None


def recordable_rows(session: Session, record: ImportRecord, *, after: int, limit: int) -> list[StoredRow]:
    """The next rows that are not recorded, behind a position."""
    return list_import_rows(
        session,
        user_id=record.user_id,
        import_id=record.id,
        states=("ready", "duplicate"),
        after=after,
        limit=limit,
    )


@dataclass(frozen=True, slots=True)
class Step:
    """Up to which position rows have been looked at, None when there were no more, and whether any of them
    were chosen."""

    position: int | None
    has_recorded: bool


def commit_rows(session: Session, record: ImportRecord, plan: Plan, *, after: int) -> Step:
    """Record the next rows behind a position.

    Raises:
        ImportGone
    """
    importer = format_of(record.format)
    importer.lock(session, record)
    require_state(session, record, "committing")
    rows = recordable_rows(session, record, after=after, limit=importer.recorded_at_once)
    if not rows:
        return Step(None, has_recorded=False)
    chosen = [row for row in rows if plan.choice.takes(row.line, row.state)]
    if chosen:
        refusals = _record(session, record, chosen, plan)
        mark_rows(session, record, chosen, "committed")
        _keep_refusals(session, record, refusals)
        _count(session, record, recorded=len(chosen) - len(refusals), refused=len(refusals))
    return Step(rows[-1].position, has_recorded=bool(chosen))


def _record(session: Session, record: ImportRecord, rows: Sequence[StoredRow], plan: Plan) -> list[Refusal]:
    """Have the format record the rows; answers those that cannot be."""
    importer = format_of(record.format)
    try:
        with session.begin_nested():
            return list(importer.record_rows(session, record, rows, plan.category_ids))
    except InvalidInput:
        return _record_one_by_one(session, importer, record, rows, plan)


def _record_one_by_one(
    session: Session, importer: ImportFormat, record: ImportRecord, rows: Sequence[StoredRow], plan: Plan
) -> list[Refusal]:
    refusals: list[Refusal] = []
    for row in rows:
        try:
            with session.begin_nested():
                refusals += importer.record_rows(session, record, [row], plan.category_ids)
        except InvalidInput as error:
            field = error.fields[0]
            refusals.append(Refusal(row, field.pointer.removeprefix("/") or None, field.detail))
    return refusals


def mark_rows(session: Session, record: ImportRecord, rows: Sequence[StoredRow], state: RowState) -> None:
    """Lead rows, which are in the file's order, into another state."""
    values = [
        {"owner": record.user_id, "its_import": record.id, "old_state": old, "new_state": state, **run}
        for old, run in _runs(rows)
    ]
    if values:
        session.execute(MARK, values)


def _runs(rows: Sequence[StoredRow]) -> Iterator[tuple[RowState, dict[str, int]]]:
    """Stretches of rows in one state that stand one after the other in the file: mostly there is one."""
    start = 0
    for end, row in enumerate(rows, 1):
        after = rows[end] if end < len(rows) else None
        if after is None or after.position != row.position + 1 or after.state != row.state:
            yield row.state, {"first": rows[start].position, "last": row.position}
            start = end


def _keep_refusals(session: Session, record: ImportRecord, refusals: Sequence[Refusal]) -> None:
    for one in refusals:
        problem = Problem(one.row.line, one.field, one.reason, one.row.details.payee or "")
        session.execute(
            update(ROWS)
            .where(
                ROWS.c.user_id == record.user_id,
                ROWS.c.import_id == record.id,
                ROWS.c.position == one.row.position,
            )
            .values(state="problem", data=ENCODER.encode(problem).decode(), match_key=None, bank_key=None)
        )


def _count(session: Session, record: ImportRecord, *, recorded: int, refused: int) -> None:
    session.execute(
        update(IMPORTS)
        .where(IMPORTS.c.user_id == record.user_id, IMPORTS.c.id == record.id)
        .values(
            committed_count=IMPORTS.c.committed_count + recorded,
            problem_count=IMPORTS.c.problem_count + refused,
            row_count=IMPORTS.c.row_count - refused,
            updated_at=clock.now(),
        )
    )


def finish_commit(session: Session, record: ImportRecord) -> None:
    """Say that it is done, to the user, the group and the budgets; the file is not needed any more.

    Raises:
        ImportGone
    """
    news = _finish_recording(session, record)
    users = lock_users(session, [record.user_id, *(one.user_id for one in news)])
    require_state(session, record, "committing")
    change_state(session, record, "succeeded", finished_at=clock.now(), sha256=None, choice=None)
    tell_user(session, record, users, news)


def give_up_commit(
    session: Session, *, user_id: UUID, import_id: UUID, failure: Failure = NOT_FINISHED
) -> None:
    """Say that it is not going to be done; what is recorded stays until the user undoes it."""
    seen = find_import(session, user_id=user_id, import_id=import_id)
    if seen is None or seen.state != "committing":
        return
    news = _finish_recording(session, seen)
    users = lock_users(session, [user_id, *(one.user_id for one in news)])
    record = find_import(session, user_id=user_id, import_id=import_id, for_update=True)
    if record is not None and record.state == "committing":
        fail_import(session, record, failure, finished_at=clock.now(), sha256=None)
        tell_user(session, record, users, news)


def _finish_recording(session: Session, record: ImportRecord) -> Sequence[NewNotification]:
    """What others than the user are told, if there is anything to tell."""
    destination = destination_of(record.format)
    destination.lock(session, record)
    now = load_import(session, user_id=record.user_id, import_id=record.id)
    return destination.finish_recording(session, now) if now.committed_count else ()


def tell_user(
    session: Session,
    record: ImportRecord,
    users: Mapping[UUID, LockedUser],
    news: Sequence[NewNotification] = (),
) -> None:
    """Notify the user, and others with `news`, and have all days of the file evaluated."""
    now = load_import(session, user_id=record.user_id, import_id=record.id)
    data = {
        "import_id": str(now.id),
        "name": now.name,
        "state": now.state,
        "committed": now.committed_count,
        "duplicates": now.duplicate_count,
        "problems": now.problem_count,
    }
    reachable = [one for one in news if one.user_id in users]
    notify(session, [NewNotification(now.user_id, FINISHED, data), *reachable], users=users)
    ask_for_evaluations(session, {now.user_id: now.first_day})
