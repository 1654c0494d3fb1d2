"""Reading imports and their rows."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from sqlalchemy import bindparam, func, select

from core.database import Reader
from core.errors import NotFound
from core.logging import get_logger
from core.models import Category, Import, ImportMapping, ImportRow, table_of
from core.rules.category_names import CategoryName
from core.rules.duplicates import Reason
from core.statements.formats import Format
from core.statements.mapping import Mapping as ColumnMapping

State = Literal[
    "queued", "reading", "preview", "failed", "committing", "succeeded", "undoing", "undone", "expired"
]
RowState = Literal["ready", "duplicate", "problem", "committed", "undone"]

OPEN: frozenset[State] = frozenset(("queued", "reading", "preview", "failed"))
"""Their files are kept, and they wait for their users."""

UNDER_WAY: frozenset[State] = frozenset(("committing", "undoing"))

IMPORTS = table_of(Import)
ROWS = table_of(ImportRow)
MAPPINGS = table_of(ImportMapping)
CATEGORIES = table_of(Category)

log = get_logger(__name__)


class CurrencySum(msgspec.Struct, frozen=True):
    """What all readable rows in a currency come to; all sums are positive.

    What members of a group have repaid each other is neither spent nor received.
    """

    currency: str
    rows: int
    spent_minor: int
    received_minor: int
    repaid_minor: int = 0


class NamedCategory(msgspec.Struct, frozen=True):
    """A category by the name that the file has for it."""

    name: str
    rows: int


class NamedPerson(msgspec.Struct, frozen=True):
    """Somebody in a file of shared expenses, and who in the group that seems to be.

    `balances` is what the file comes to for them, in minor units by currency; who is even in one is missing.
    `repayments` counts those that they have received; with `is_asked` these wait for their word.
    """

    name: str
    member_id: UUID | None
    balances: dict[str, int]
    repayments: int
    is_asked: bool


class Problem(msgspec.Struct, frozen=True):
    """A row that cannot be read or recorded; `field` is None if it is all of it."""

    line: int
    field: str | None
    reason: str
    text: str


class ArchiveList(msgspec.Struct, frozen=True):
    """A list of an archive: how many of its records are new, and how many are there already."""

    name: str
    new: int
    known: int


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """What is in a file, beside its rows: see `core/statements/mapping.py`."""

    fingerprint: str | None = None
    headers: tuple[str, ...] = ()
    samples: tuple[tuple[str, ...], ...] = ()
    sheets: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    sums: tuple[CurrencySum, ...] = ()
    categories: tuple[NamedCategory, ...] = ()
    people: tuple[NamedPerson, ...] = ()
    """Of a file of shared expenses; its rows know them by their places here."""

    problems: tuple[Problem, ...] = ()
    """The first of them."""

    lists: tuple[ArchiveList, ...] = ()
    notes: tuple[str, ...] = ()
    """Of an archive: sentences for the user about what is not taken in as it is."""


class Failure(msgspec.Struct, frozen=True):
    """Why nothing, or nothing more, came of it."""

    pointer: str
    detail: str


class ImportMembers(msgspec.Struct, frozen=True):
    """Who in the group the people of the file are, by their names there; some were `made` members for it."""

    ids: dict[str, UUID]
    made: tuple[UUID, ...]


class ImportRecord(msgspec.Struct, frozen=True):
    """An import as it is kept, without what the user has chosen of it."""

    user_id: UUID
    id: UUID
    state: State
    format: Format | None
    name: str
    size: int
    sha256: str | None
    group_id: UUID | None
    mapping: ColumnMapping | None
    has_own_mapping: bool
    findings: Findings
    members: ImportMembers | None
    row_count: int
    problem_count: int
    duplicate_count: int
    credit_count: int
    chosen_count: int
    committed_count: int
    first_day: date | None
    last_day: date | None
    failure: Failure | None
    version: int
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None


class SharedParts(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who has paid what of a row of shared expenses, and whose it is: by places in `Findings.people`."""

    paid: dict[int, int]
    shares: dict[int, int]
    is_repayment: bool = False


class RowLine(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A part of a row under its own category, as far as a file has such."""

    amount_minor: int
    category: str | None = None
    note: str | None = None


class RowData(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What is kept of a row beside day and amount; `shared` of rows that are not the user's alone.

    `rate` is the user's own, as in `ExpenseRecord`.
    """

    payee: str | None = None
    note: str | None = None
    category: str | None = None
    tags: tuple[str, ...] = ()
    bank_id: str | None = None
    account: str | None = None
    lines: tuple[RowLine, ...] = ()
    rate_currency: str | None = None
    rate: int | None = None
    shared: SharedParts | None = None

    def category_names(self) -> list[str]:
        """All that the row names, in its order."""
        names = (self.category, *(line.category for line in self.lines))
        return [name for name in names if name is not None]


class StoredRow(msgspec.Struct, frozen=True, gc=False):
    """A row of an import; `data` is a `RowData` as JSON, or the `Problem` that it is."""

    position: int
    line: int
    state: RowState
    day: date | None
    amount_minor: int | None
    currency: str | None
    is_pending: bool
    data: str
    duplicate_reason: Reason | None
    duplicate_of: UUID | None
    expense_id: UUID | None

    @property
    def details(self) -> RowData:
        return ROW_DATA.decode(self.data)

    @property
    def problem(self) -> Problem:
        return PROBLEM.decode(self.data)


ROW_DATA = msgspec.json.Decoder(RowData)
PROBLEM = msgspec.json.Decoder(Problem)

COLUMNS = tuple(IMPORTS.c[name] for name in ImportRecord.__struct_fields__)
ROW_COLUMNS = tuple(ROWS.c[name] for name in StoredRow.__struct_fields__)
ONE = select(*COLUMNS).where(
    IMPORTS.c.user_id == bindparam("user_id"), IMPORTS.c.id == bindparam("import_id")
)
ONE_FOR_UPDATE = ONE.with_for_update(key_share=True)


def find_import(
    session: Reader, *, user_id: UUID, import_id: UUID, for_update: bool = False
) -> ImportRecord | None:
    """The user's import, if there is one; with `for_update` it stays as it is until the transaction ends."""
    query = ONE_FOR_UPDATE if for_update else ONE
    row = session.execute(query, {"user_id": user_id, "import_id": import_id}).first()
    return None if row is None else _record(dict(row._mapping))


def load_import(session: Reader, *, user_id: UUID, import_id: UUID, for_update: bool = False) -> ImportRecord:
    """As `find_import`.

    Raises:
        NotFound
    """
    found = find_import(session, user_id=user_id, import_id=import_id, for_update=for_update)
    if found is None:
        raise NotFound("no such import")
    return found


def list_imports(
    session: Reader, *, user_id: UUID, state: State | None, before: UUID | None, limit: int
) -> list[ImportRecord]:
    """A page, the newest first, beginning behind the id `before`."""
    query = select(*COLUMNS).where(IMPORTS.c.user_id == user_id)
    if state is not None:
        query = query.where(IMPORTS.c.state == state)
    if before is not None:
        query = query.where(IMPORTS.c.id < before)
    rows = session.execute(query.order_by(IMPORTS.c.id.desc()).limit(limit))
    return [_record(dict(row._mapping)) for row in rows]


def _record(row: dict[str, Any]) -> ImportRecord:
    values = {
        **row,
        "mapping": _mapping(row["mapping"]),
        "findings": msgspec.convert(row["findings"], Findings),
        "members": None if row["members"] is None else msgspec.convert(row["members"], ImportMembers),
        "failure": None if row["failure"] is None else msgspec.convert(row["failure"], Failure),
    }
    return ImportRecord(**values)


def _mapping(document: dict[str, Any] | None) -> ColumnMapping | None:
    if document is None:
        return None
    try:
        return msgspec.convert(document, ColumnMapping)
    except msgspec.ValidationError as error:
        # Of an earlier version of the program: it is found out anew.
        log.warning("import.mapping_unreadable", error=error)
        return None


def count_open_imports(session: Reader, *, user_id: UUID) -> int:
    query = select(func.count()).where(IMPORTS.c.user_id == user_id, IMPORTS.c.state.in_(OPEN))
    return session.scalar(query) or 0


def open_bytes(session: Reader, *, user_id: UUID) -> int:
    """Of the files of the user's imports that wait."""
    query = select(func.coalesce(func.sum(IMPORTS.c.size), 0))
    return int(session.scalar(query.where(IMPORTS.c.user_id == user_id, IMPORTS.c.state.in_(OPEN))) or 0)


def is_one_under_way(session: Reader, *, user_ids: Collection[UUID], group_id: UUID | None = None) -> bool:
    """Whether an import of these users, if asked so into a group, is being committed or undone.

    A user never has more than one such.
    """
    query = select(IMPORTS.c.id).where(IMPORTS.c.user_id.in_(user_ids), IMPORTS.c.state.in_(UNDER_WAY))
    if group_id is not None:
        query = query.where(IMPORTS.c.group_id == group_id)
    return session.execute(query.limit(1)).first() is not None


def list_import_rows(
    session: Reader,
    *,
    user_id: UUID,
    import_id: UUID,
    states: Sequence[RowState] = (),
    after: int,
    limit: int,
) -> list[StoredRow]:
    """Rows in the file's order, beginning behind a position; only those in some states, if any are given."""
    query = select(*ROW_COLUMNS).where(
        ROWS.c.user_id == user_id, ROWS.c.import_id == import_id, ROWS.c.position > after
    )
    if states:
        query = query.where(ROWS.c.state.in_(states))
    rows = session.execute(query.order_by(ROWS.c.position).limit(limit))
    return [StoredRow(*row) for row in rows]


def count_import_rows(session: Reader, *, user_id: UUID, import_id: UUID, state: RowState) -> int:
    query = select(func.count()).where(
        ROWS.c.user_id == user_id, ROWS.c.import_id == import_id, ROWS.c.state == state
    )
    return session.scalar(query) or 0


def kept_mapping(session: Reader, *, user_id: UUID, fingerprint: str) -> ColumnMapping | None:
    """How the user has had the last file of the same bank read."""
    query = select(MAPPINGS.c.mapping).where(
        MAPPINGS.c.user_id == user_id, MAPPINGS.c.fingerprint == fingerprint
    )
    return _mapping(session.scalar(query))


def category_names(session: Reader, *, user_id: UUID) -> list[CategoryName]:
    """All of the user's categories."""
    query = select(CATEGORIES.c.id, CATEGORIES.c.name, CATEGORIES.c.parent_id)
    return [CategoryName(*row) for row in session.execute(query.where(CATEGORIES.c.user_id == user_id))]
