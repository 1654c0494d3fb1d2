"""Takes the records of an archive in, batch by batch, each list in a way of its own.

A trial does all but storing: so a preview says what an import would do, in the words of the import.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from core.archive.reading import AnyEntry, BadEntry, Entry
from core.archive.records import ExpenseItem, FilePart
from core.errors import InvalidInput
from core.many_rows import insert_rows
from core.models import ImportedRecord, table_of
from core.queries.expenses import ExpenseRecord
from core.queries.imports import RowData
from core.services.archived_attachments import ArchivedFiles, AttachmentDrafting, store_attachments
from core.services.archived_budgets import (
    AlertDrafting,
    draft_budgets,
    store_alerts,
    store_budgets,
    store_paces,
)
from core.services.archived_categories import draft_categories, store_categories
from core.services.archived_drafts import Drafts, items_of
from core.services.archived_expenses import ExpenseDrafting, store_expenses
from core.services.archived_recurring import (
    OccurrenceDrafting,
    draft_recurring,
    store_occurrences,
    store_recurring,
)
from core.services.archived_rules import draft_rules, store_rules
from core.services.import_protocol import NewRow
from core.services.import_reading import Tally

MAX_KEPT_PROBLEMS = 1_000
"""Of an archive. All are counted; whoever has more sees by these what is wrong with the rest."""

TRACES = table_of(ImportedRecord)
NO_DATA = RowData()


class ArchiveIntake:
    """What has become of an archive so far.

    By list, `made` counts the records that are new, `known` those that are there already, and `passed` those
    that are not taken in. Without an `import_id` it is a trial, which tallies the new expenses.
    """

    def __init__(self, *, user_id: UUID, import_id: UUID | None, files: ArchivedFiles) -> None:
        self.made, self.known, self.passed = Counter[str](), Counter[str](), Counter[str]()
        self.problem_count = 0
        self.problems: list[BadEntry] = []
        self.tally = Tally()
        self._user_id, self._import_id = user_id, import_id
        self._files = files
        self._attachments = AttachmentDrafting(user_id, files)
        self._alerts = AlertDrafting(user_id, ())
        self._occurrences = OccurrenceDrafting(user_id, ())
        self._category_ids: Mapping[UUID, UUID] = {}
        self._expenses = ExpenseDrafting(user_id, {})
        self._steps: Mapping[str, Callable[[Session, Sequence[Entry]], None]] = {
            "categories": self._take_categories,
            "rules": self._take_rules,
            "expenses": self._take_expenses,
            "attachments": self._take_attachments,
            "budgets": self._take_budgets,
            "alerts": self._take_alerts,
            "pace_alerts": self._take_paces,
            "recurring_expenses": self._take_recurring,
            "recurring_occurrences": self._take_occurrences,
        }

    def take(self, session: Session, section: str, batch: Iterable[AnyEntry]) -> None:
        """Take in entries of a list, all but parts of files. Unless in a trial, the user's row is locked."""
        self._steps[section](session, self._without_bad(batch))

    def take_files(self, batch: Iterable[AnyEntry]) -> None:
        """Put files together, which needs no transaction."""
        for entry in self._without_bad(batch):
            if isinstance(entry.record, FilePart):
                try:
                    self._files.add(entry.record)
                except InvalidInput as error:
                    self.note(BadEntry.of(entry, error))

    def pass_over(self, section: str, batch: Sequence[AnyEntry]) -> None:
        self.passed[section] += len(batch)

    def _without_bad(self, batch: Iterable[AnyEntry]) -> list[Entry]:
        entries = list[Entry]()
        for entry in batch:
            if isinstance(entry, BadEntry):
                self.note(entry)
            else:
                entries.append(entry)
        return entries

    def note(self, problem: BadEntry) -> None:
        self.problem_count += 1
        if len(self.problems) < MAX_KEPT_PROBLEMS:
            self.problems.append(problem)

    @property
    def mirrors(self) -> int:
        """How many of the new expenses were shares in groups."""
        return self._expenses.mirrors

    def _count(self, section: str, drafts: Drafts[Any]) -> bool:
        """Answers whether something is to be stored."""
        self.made[section] += len(drafts.new)
        self.known[section] += drafts.known
        for problem in drafts.problems:
            self.note(problem)
        return bool(drafts.new) and self._import_id is not None

    def trace(self, session: Session, kind: str, made: Iterable[tuple[UUID, int]]) -> None:
        """Keep what was made, and in which versions, for whoever undoes it."""
        key = {"user_id": self._user_id, "import_id": self._import_id, "kind": kind}
        insert_rows(session, TRACES, [{**key, "id": one, "version": version} for one, version in made])

    def _take_categories(self, session: Session, entries: Sequence[Entry]) -> None:
        drafts, ids = draft_categories(session, user_id=self._user_id, entries=entries)
        self._category_ids, self._expenses = ids, ExpenseDrafting(self._user_id, ids)
        if self._count("categories", drafts):
            store_categories(session, user_id=self._user_id, rows=drafts.new)
            self.trace(session, "category", ((row["id"], row["version"]) for row in drafts.new))

    def _take_rules(self, session: Session, entries: Sequence[Entry]) -> None:
        drafts = draft_rules(session, user_id=self._user_id, entries=entries, category_ids=self._category_ids)
        if self._count("rules", drafts):
            store_rules(session, drafts.new)
            self.trace(session, "rule", ((rule.id, rule.version) for rule in drafts.new))

    def _take_expenses(self, session: Session, entries: Sequence[Entry]) -> None:
        drafts = self._expenses.draft(session, entries)
        if self._import_id is None:
            for one in drafts.new:
                if one.deleted_at is None:
                    self.tally.add_row(NewRow(0, one.spent_on, one.amount_minor, one.currency, NO_DATA))
        else:
            self._store_expenses(session, entries, drafts)
        if self._count("expenses", drafts):
            self.trace(session, "expense", ((one.id, one.version) for one in drafts.new))

    def _store_expenses(
        self, session: Session, entries: Sequence[Entry], drafts: Drafts[ExpenseRecord]
    ) -> None:
        """Those that a day's total cannot take are found out one by one, and are problems."""
        if not drafts.new:
            return
        try:
            with session.begin_nested():
                store_expenses(session, user_id=self._user_id, expenses=drafts.new)
        except InvalidInput:
            drafts.new = self._store_one_by_one(session, entries, drafts)

    def _store_one_by_one(
        self, session: Session, entries: Sequence[Entry], drafts: Drafts[ExpenseRecord]
    ) -> list[ExpenseRecord]:
        entry_of = {item.id: entry for entry, item in items_of(entries, ExpenseItem)}
        stored = []
        for one in drafts.new:
            try:
                with session.begin_nested():
                    store_expenses(session, user_id=self._user_id, expenses=[one])
                stored.append(one)
            except InvalidInput as error:
                drafts.problems.append(BadEntry.of(entry_of[one.id], error))
        return stored

    def _take_attachments(self, session: Session, entries: Sequence[Entry]) -> None:
        drafts = self._attachments.draft(session, entries, is_trial=self._import_id is None)
        if self._count("attachments", drafts):
            store_attachments(session, drafts.new)
            self.trace(session, "attachment", ((row["id"], 1) for row in drafts.new))

    def _take_budgets(self, session: Session, entries: Sequence[Entry]) -> None:
        drafts = draft_budgets(
            session, user_id=self._user_id, entries=entries, category_ids=self._category_ids
        )
        rows = [budget.row for budget in drafts.new]
        self._alerts = AlertDrafting(self._user_id, (row["id"] for row in rows))
        if self._count("budgets", drafts):
            store_budgets(session, user_id=self._user_id, budgets=drafts.new)
            self.trace(session, "budget", ((row["id"], row["version"]) for row in rows))

    def _take_alerts(self, session: Session, entries: Sequence[Entry]) -> None:
        drafts = self._alerts.draft_alerts(session, entries)
        if self._count("alerts", drafts):
            store_alerts(session, drafts.new)

    def _take_paces(self, session: Session, entries: Sequence[Entry]) -> None:
        drafts = self._alerts.draft_paces(entries)
        if self._count("pace_alerts", drafts):
            store_paces(session, drafts.new)

    def _take_recurring(self, session: Session, entries: Sequence[Entry]) -> None:
        drafts = draft_recurring(
            session, user_id=self._user_id, entries=entries, category_ids=self._category_ids
        )
        self._occurrences = OccurrenceDrafting(self._user_id, (record.id for record in drafts.new))
        if self._count("recurring_expenses", drafts):
            store_recurring(session, user_id=self._user_id, records=drafts.new)
            self.trace(session, "recurring", ((record.id, record.version) for record in drafts.new))

    def _take_occurrences(self, session: Session, entries: Sequence[Entry]) -> None:
        drafts = self._occurrences.draft(entries)
        if self._count("recurring_occurrences", drafts):
            store_occurrences(session, user_id=self._user_id, rows=drafts.new)
