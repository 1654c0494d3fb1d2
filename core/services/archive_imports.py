"""The steps of the jobs that import an archive: each is a part of one transaction.

A commit goes through the whole file, whoever was killed before: what it has made already is known by its id.
"""

from collections.abc import Sequence

import msgspec
from msgspec import structs
from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session

from core import clock
from core.archive.parsing import shown
from core.archive.reading import AnyEntry, BadEntry
from core.archive.records import Profile
from core.errors import InvalidInput
from core.queries.imports import IMPORTS, ROWS, ArchiveList, ImportRecord, Problem
from core.queries.users import load_user
from core.services.accounts import change_profile
from core.services.archive_intake import TRACES, ArchiveIntake
from core.services.import_commits import tell_user
from core.services.import_reading import MAX_SHOWN_PROBLEMS, require_state, store_rows
from core.services.imports import change_state
from core.services.locks import lock_users
from core.services.spending import ask_for_evaluation
from core.statements.formats import ARCHIVE

COUNTED = ("categories", "rules", "expenses", "attachments", "budgets", "recurring_expenses")
"""Lists whose records count as rows: files come with their attachments, alerts with their budgets, and
occurrences with their recurring expenses."""

KINDS = ("category", "rule", "expense", "attachment", "budget", "recurring")
"""What a record of each is called where it is noted for undoing."""

SETTINGS = ("display_name", "timezone", "currency")


class ArchiveChoice(msgspec.Struct):
    """A `core.services.imports.Choice` as it is kept; once they are changed, with the settings before and
    after."""

    settings: bool = False
    before: dict[str, str] = {}
    after: dict[str, str] = {}


def finish_archive_reading(
    session: Session, record: ImportRecord, intake: ArchiveIntake, *, user: Profile
) -> None:
    """Show the preview.

    Raises:
        ImportGone
    """
    require_state(session, record, "reading")
    new, known = _count_rows(intake)
    findings = structs.replace(
        intake.tally.completed(record.findings),
        problems=_keep_problems(session, record, intake),
        lists=_lists(intake),
        notes=tuple(_notes(session, record, intake, user)),
    )
    change_state(
        session,
        record,
        "preview",
        format=ARCHIVE,
        findings=msgspec.to_builtins(findings),
        row_count=new + known,
        problem_count=intake.problem_count,
        credit_count=intake.tally.credits,
        duplicate_count=known,
        chosen_count=new,
        first_day=intake.tally.first_day,
        last_day=intake.tally.last_day,
        failure=None,
    )


def begin_archive_commit(session: Session, record: ImportRecord) -> ArchiveChoice:
    """What the user wants of it."""
    return msgspec.convert(session.scalar(select(IMPORTS.c.choice).where(*_is(record))) or {}, ArchiveChoice)


def take_batch(
    session: Session, record: ImportRecord, intake: ArchiveIntake, section: str, batch: Sequence[AnyEntry]
) -> int:
    """Take in entries of a list; answers how many rows are made.

    Raises:
        ImportGone
    """
    # The user first, as everywhere: no category goes away, and nobody else makes the same meanwhile.
    lock_users(session, [record.user_id])
    require_state(session, record, "committing")
    before = _count_rows(intake)[0]
    intake.take(session, section, batch)
    made = _count_rows(intake)[0] - before
    if made:
        session.execute(
            update(IMPORTS)
            .where(*_is(record))
            .values(committed_count=IMPORTS.c.committed_count + made, updated_at=clock.now())
        )
    return made


def finish_archive_commit(
    session: Session, record: ImportRecord, intake: ArchiveIntake, *, user: Profile, choice: ArchiveChoice
) -> None:
    """Take over the settings if they are wanted, and say that it is done.

    Raises:
        ImportGone
    """
    users = lock_users(session, [record.user_id])
    require_state(session, record, "committing")
    if choice.settings:
        choice = _take_settings(session, record, intake, user, choice)
    _count_what_was_made_before(session, record, intake)
    made, known = _count_rows(intake)
    findings = structs.replace(
        record.findings, problems=_keep_problems(session, record, intake), lists=_lists(intake)
    )
    change_state(
        session,
        record,
        "succeeded",
        findings=msgspec.to_builtins(findings),
        choice=msgspec.to_builtins(choice),
        row_count=made + known,
        duplicate_count=known,
        chosen_count=made,
        committed_count=made + bool(choice.after),
        problem_count=intake.problem_count,
        finished_at=clock.now(),
        sha256=None,
    )
    tell_user(session, record, users)
    ask_for_evaluation(session, user_id=record.user_id)


def _count_what_was_made_before(session: Session, record: ImportRecord, intake: ArchiveIntake) -> None:
    """To this attempt, what an earlier one has made is known; to the user it is new."""
    query = select(TRACES.c.kind, func.count()).where(
        TRACES.c.user_id == record.user_id, TRACES.c.import_id == record.id
    )
    made = {row[0]: row[1] for row in session.execute(query.group_by(TRACES.c.kind))}
    for name, kind in zip(COUNTED, KINDS, strict=True):
        before = made.get(kind, 0) - intake.made[name]
        intake.made[name] += before
        intake.known[name] -= before


def _take_settings(
    session: Session, record: ImportRecord, intake: ArchiveIntake, user: Profile, choice: ArchiveChoice
) -> ArchiveChoice:
    now = load_user(session, user_id=record.user_id)
    after = {name: wanted for name in SETTINGS if (wanted := getattr(user, name)) != getattr(now, name)}
    before = {name: getattr(now, name) for name in after}
    if not after:
        return choice
    try:
        change_profile(session, user_id=record.user_id, changes=after, expected_versions=None)
    except InvalidInput as error:
        intake.note(BadEntry("user", 0, error.below("/user").fields[0]))
        return choice
    intake.trace(session, "settings", [(record.user_id, now.version)])
    return structs.replace(choice, before=before, after=after)


def _is(record: ImportRecord) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return IMPORTS.c.user_id == record.user_id, IMPORTS.c.id == record.id


def _count_rows(intake: ArchiveIntake) -> tuple[int, int]:
    """How many rows are new, and how many are there already."""
    return sum(intake.made[name] for name in COUNTED), sum(intake.known[name] for name in COUNTED)


def _lists(intake: ArchiveIntake) -> tuple[ArchiveList, ...]:
    names = (*COUNTED, "alerts", "pace_alerts", "recurring_occurrences")
    return tuple(ArchiveList(name, intake.made[name], intake.known[name]) for name in names)


def _keep_problems(session: Session, record: ImportRecord, intake: ArchiveIntake) -> tuple[Problem, ...]:
    """Keep problems as rows of the import, instead of those there were; answers the first of them."""
    session.execute(delete(ROWS).where(ROWS.c.user_id == record.user_id, ROWS.c.import_id == record.id))
    problems = [
        Problem(bad.position + 1, shown(bad.error.pointer), shown(bad.error.detail), "")
        for bad in intake.problems
    ]
    store_rows(session, record, problems, first=0, tally=intake.tally)
    return tuple(problems[:MAX_SHOWN_PROBLEMS])


def _notes(session: Session, record: ImportRecord, intake: ArchiveIntake, user: Profile) -> list[str]:
    """What becomes of that which is not simply recorded, in sentences."""
    notes = []
    passed = [f"{count} {name.replace('_', ' ')}" for name, count in intake.passed.items() if count]
    if passed:
        notes.append(f"{', '.join(passed)} are in the file for reading and are not imported")
    if intake.passed["groups"]:
        notes.append("groups are not one person's and are not made anew")
    if intake.mirrors:
        notes.append(f"{intake.mirrors} expenses were shares in groups and become ordinary ones")
    now = load_user(session, user_id=record.user_id)
    different = [name for name in SETTINGS if getattr(now, name) != getattr(user, name)]
    if different:
        values = ", ".join(f"{name} {getattr(user, name)}" for name in different)
        notes.append(f"the settings ({shown(values)}) are taken over only if the commit says so")
    return notes
