"""Imports as clients begin, correct, follow and commit them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.schemas.common import (
    TEXT,
    Amount,
    Currency,
    Cursor,
    Day,
    Id,
    Instant,
    Limit,
    NextCursor,
)
from api.schemas.import_people import PersonOut
from core.errors import invalid
from core.queries.imports import (
    CurrencySum,
    Failure,
    ImportRecord,
    NamedCategory,
    Problem,
    State,
)
from core.rules.money import format_amount
from core.services.import_categories import CREATE
from core.services.import_purge import PREVIEW_LIFETIME
from core.services.imports import Choice
from core.statements.formats import Format
from core.statements.limits import MAX_PEOPLE, MAX_ROWS
from core.statements.mapping import Mapping as ColumnMapping

MAX_NAME = 210
"""Of a category in a file, with its parent's name."""

Line = Annotated[
    int,
    Meta(ge=1, description="In the file: the line, the row of the sheet, or the entry.", examples=[7]),
]
ImportFormat = Annotated[Format, Meta(examples=["csv"])]
ImportState = Annotated[
    State,
    Meta(
        description="`queued`, `reading`, then `preview` or `failed`; committed it is `committing`, then "
        "`succeeded`; undone it is `undoing`, then `undone`. A preview is `expired` after a week.",
        examples=["preview"],
    ),
]
Lines = Annotated[list[Line], Meta(max_length=MAX_ROWS, examples=[[7, 12]])]


class SumOut(msgspec.Struct):
    """What all rows in a currency come to, to be compared with what the bank says."""

    currency: Currency
    rows: Annotated[int, Meta(examples=[57])]
    spent: Amount
    received: Annotated[Amount, Meta(description="Money that came in, such as refunds.", examples=["0.00"])]
    repaid: Annotated[Amount, Meta(description="Between the people of a shared file.", examples=["0.00"])]

    @classmethod
    def of(cls, one: CurrencySum) -> "SumOut":
        sums = (one.spent_minor, one.received_minor, one.repaid_minor)
        return cls(one.currency, one.rows, *(format_amount(minor, one.currency) for minor in sums))


class ImportCategoryOut(msgspec.Struct):
    """A category in the file, and what becomes of it unless the commit says otherwise."""

    name: Annotated[str, Meta(examples=["Food: Groceries"])]
    rows: Annotated[int, Meta(examples=[12])]
    category_id: Annotated[
        Id | None, Meta(description="The user's category that it means; null: one is created.")
    ]


class ProblemOut(msgspec.Struct):
    """Why a row is left out."""

    line: Line
    field: Annotated[
        str | None, Meta(description="What is wrong in it; null: all of it.", examples=["amount"])
    ]
    reason: Annotated[str, Meta(examples=["is not an amount"])]
    text: Annotated[str, Meta(description="What stands there, shortened.", examples=["12,3.4"])]

    @classmethod
    def of(cls, one: Problem) -> "ProblemOut":
        return cls(one.line, one.field, one.reason, one.text)


class ArchiveListOut(msgspec.Struct):
    """A list of an archive."""

    name: Annotated[str, Meta(examples=["expenses"])]
    new: Annotated[int, Meta(description="Records that a commit makes, or has made.", examples=[1204])]
    known: Annotated[int, Meta(description="Records that are there already.", examples=[0])]


class FailureOut(msgspec.Struct):
    """Why the file cannot be read or recorded."""

    pointer: Annotated[
        str,
        Meta(
            description="What is to be corrected: `/file`, `/group_id`, or below `/mapping`.",
            examples=["/mapping/columns/day"],
        ),
    ]
    detail: Annotated[str, Meta(examples=["no column has dates"])]


class ImportOut(msgspec.Struct, kw_only=True):
    """A file on its way into one's expenses."""

    HAS_ETAG: ClassVar = True

    id: Id
    state: ImportState
    format: Annotated[ImportFormat | None, Meta(description="null: not found out yet.")]
    name: Annotated[str, Meta(examples=["statement-may.csv"])]
    bytes: Annotated[int, Meta(examples=[18263])]
    group_id: Annotated[Id | None, Meta(description="The group that it goes to.", examples=[None])]
    progress: Annotated[int, Meta(ge=0, le=100, description="In percent, of this state.", examples=[100])]
    mapping: Annotated[
        ColumnMapping | None,
        Meta(
            description="How the file is read, as found out, kept from the last file of the same bank, or "
            "given.",
            examples=[{"currency": "EUR", "columns": {"day": 0, "payee": 1, "amount": 2}}],
        ),
    ]
    headers: Annotated[list[str], Meta(description="Names of the columns.", examples=[["Date", "Payee"]])]
    samples: Annotated[
        list[list[str]],
        Meta(description="The first rows as they stand.", examples=[[["2026-05-10", "Café"]]]),
    ]
    sheets: Annotated[list[str], Meta(description="Of an XLSX file.", examples=[[]])]
    missing: Annotated[
        list[str], Meta(description="What no column was found for: correct the mapping.", examples=[[]])
    ]
    doubts: Annotated[
        list[str], Meta(description="What can be read in two ways: look at the mapping.", examples=[[]])
    ]
    rows: Annotated[int, Meta(description="Rows that can be recorded.", examples=[57])]
    problems: Annotated[int, Meta(description="Rows that cannot.", examples=[1])]
    duplicates: Annotated[int, Meta(description="Rows that seem to be there already.", examples=[4])]
    credits: Annotated[int, Meta(description="Rows of money that came in.", examples=[2])]
    chosen: Annotated[int, Meta(description="Rows that a commit records, or was told to.", examples=[53])]
    committed: Annotated[int, Meta(description="Rows that are recorded.", examples=[0])]
    first_day: Day | None
    last_day: Day | None
    sums: list[SumOut]
    categories: list[ImportCategoryOut]
    lists: Annotated[list[ArchiveListOut], Meta(description="Of an archive, which is taken in as a whole.")]
    notes: Annotated[
        list[str],
        Meta(description="Of an archive: what of it is not taken in, or not as it is.", examples=[[]]),
    ]
    people: Annotated[list[PersonOut], Meta(description="Of a file of shared expenses.", examples=[[]])]
    first_problems: Annotated[list[ProblemOut], Meta(description="All of them are in the list of rows.")]
    error: Annotated[FailureOut | None, Meta(description="Why it has failed.", examples=[None])]
    created_at: Instant
    updated_at: Instant
    finished_at: Instant | None
    expires_at: Annotated[Instant | None, Meta(description="When the preview goes.")]

    @classmethod
    def of(cls, record: ImportRecord, categories: Mapping[str, UUID]) -> "ImportOut":
        """With those of the user's categories that the names in the file mean."""
        found = record.findings
        return cls(
            id=record.id,
            state=record.state,
            format=record.format,
            name=record.name,
            bytes=record.size,
            group_id=record.group_id,
            progress=_progress(record),
            mapping=record.mapping,
            headers=list(found.headers),
            samples=[list(sample) for sample in found.samples],
            sheets=list(found.sheets),
            missing=list(found.missing),
            doubts=list(found.doubts),
            rows=record.row_count,
            problems=record.problem_count,
            duplicates=record.duplicate_count,
            credits=record.credit_count,
            chosen=record.chosen_count,
            committed=record.committed_count,
            first_day=record.first_day,
            last_day=record.last_day,
            sums=[SumOut.of(one) for one in found.sums],
            categories=[_category(one, categories) for one in found.categories],
            lists=[ArchiveListOut(one.name, one.new, one.known) for one in found.lists],
            notes=list(found.notes),
            people=[PersonOut.of(one, record) for one in found.people],
            first_problems=[ProblemOut.of(one) for one in found.problems],
            error=_failure(record.failure),
            created_at=record.created_at,
            updated_at=record.updated_at,
            finished_at=record.finished_at,
            expires_at=_expiry(record),
        )


def _category(one: NamedCategory, categories: Mapping[str, UUID]) -> ImportCategoryOut:
    return ImportCategoryOut(one.name, one.rows, categories.get(one.name))


def _failure(failure: Failure | None) -> FailureOut | None:
    return None if failure is None else FailureOut(failure.pointer, failure.detail)


def _progress(record: ImportRecord) -> int:
    if record.state in ("queued", "reading"):
        return 0
    share = 100 * record.committed_count // max(record.chosen_count, 1)
    if record.state == "committing":
        return min(share, 99)
    # How many were recorded is not kept; of nearly all imports it is what was chosen.
    return max(0, min(100 - share, 99)) if record.state == "undoing" else 100


def _expiry(record: ImportRecord) -> datetime | None:
    is_waiting = record.state in ("preview", "failed") and not record.committed_count
    return record.updated_at + PREVIEW_LIFETIME if is_waiting else None


class ImportPage(msgspec.Struct):
    items: list[ImportOut]
    next_cursor: NextCursor


class ImportQuery(msgspec.Struct, forbid_unknown_fields=True):
    state: ImportState | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


class ImportPatch(msgspec.Struct, forbid_unknown_fields=True):
    """How the file is to be read instead, as a whole."""

    mapping: Annotated[
        ColumnMapping,
        Meta(examples=[{"currency": "EUR", "columns": {"day": 0, "payee": 1, "amount": 2}}]),
    ]


class RowChoice(msgspec.Struct, forbid_unknown_fields=True):
    """Either of the two."""

    only: Annotated[Lines, Meta(description="These lines and no others.")] | UnsetType = UNSET
    but: Annotated[Lines, Meta(description="All but these lines.")] | UnsetType = msgspec.field(
        default=UNSET, name="except"
    )


IdOrCreate = Annotated[
    str,
    Meta(pattern=r"^(create|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$(?!\n)", examples=[CREATE]),
]


class CommitIn(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be recorded; without a body, all that are ready."""

    IS_OPTIONAL: ClassVar = True

    rows: Annotated[RowChoice, Meta(examples=[{"except": [7, 12]}])] = msgspec.field(
        default_factory=RowChoice
    )
    include_duplicates: Annotated[
        bool | Lines,
        Meta(
            description="Rows that seem to be there already: all of them, or these lines.", examples=[False]
        ),
    ] = False
    categories: Annotated[
        dict[
            Annotated[str, Meta(max_length=MAX_NAME, pattern=TEXT)],
            IdOrCreate | None,
        ],
        Meta(
            max_length=500,
            description="By names in the file: a category's id, `create` for a new one, or null for none. "
            "Default: the category of that name, a new one where there is none.",
            examples=[{}],
        ),
    ] = {}
    members: Annotated[
        dict[Annotated[str, Meta(max_length=100, pattern=TEXT)], IdOrCreate],
        Meta(
            max_length=MAX_PEOPLE,
            description="Of a shared file, by names of people in it: the id of the member that it is, or "
            "`create` for a new one without an account. Default: `member_id` of the preview.",
            examples=[{}],
        ),
    ] = {}

    settings: Annotated[
        bool,
        Meta(
            description="Of an archive: take over its user's name, time zone and currency.", examples=[False]
        ),
    ] = False

    def to_choice(self) -> Choice:
        """Raises:
        InvalidInput
        """
        duplicates = self.include_duplicates
        if self.rows.only is not UNSET and self.rows.but is not UNSET:
            raise invalid("/rows", "either `only` or `except`")
        return Choice(
            only=None if isinstance(self.rows.only, UnsetType) else frozenset(self.rows.only),
            but=frozenset() if isinstance(self.rows.but, UnsetType) else frozenset(self.rows.but),
            duplicates=duplicates if isinstance(duplicates, bool) else frozenset(duplicates),
            categories={
                name: wanted if wanted in (None, CREATE) else str(UUID(wanted))
                for name, wanted in self.categories.items()
            },
            settings=self.settings,
            members={
                name: wanted if wanted == CREATE else str(UUID(wanted))
                for name, wanted in self.members.items()
            },
        )
