"""Exports as clients ask for them and follow them."""

from typing import Annotated

import msgspec
from msgspec import Meta

from api.schemas.common import Cursor, Id, Instant, Limit, NextCursor
from api.schemas.expenses import ExpenseFilters
from core.models import Export
from core.queries.expenses import Sort
from core.queries.exports import CsvDialect, ExportFormat, ExportState
from core.services.exports import ExportRequest

Format = Annotated[ExportFormat, Meta(examples=["csv"])]
Dialect = Annotated[
    CsvDialect,
    Meta(
        description="Of CSV: `spreadsheet` is for spreadsheet programs of countries with a comma as decimal "
        "sign. Default: `standard`.",
        examples=["standard"],
    ),
]


class ExportIn(ExpenseFilters, kw_only=True, rename={"from_day": "from", "to_day": "to"}):
    """A file to build, of the expenses that `GET /v1/expenses` would list with the same filters."""

    format: Format
    dialect: Dialect | None = None
    sort: Annotated[Sort, Meta(description="With `-` the largest or newest first.")] = "spent_on"

    def to_request(self) -> ExportRequest:
        return ExportRequest(
            format=self.format, dialect=self.dialect, filters=self.to_filter(), sort=self.sort
        )


class ExportOut(msgspec.Struct):
    """A file and how far it is."""

    id: Id
    format: Format
    dialect: Dialect | None
    name: Annotated[str, Meta(examples=["outlay-expenses-2026-11-28.csv"])]
    state: Annotated[ExportState, Meta(examples=["succeeded"])]
    progress: Annotated[int, Meta(ge=0, le=100, description="In percent.", examples=[100])]
    rows: Annotated[int | None, Meta(description="So far, or in all.", examples=[1204])]
    bytes: Annotated[int | None, Meta(examples=[118263])]
    sha256: Annotated[
        str | None, Meta(examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])
    ]
    created_at: Instant
    finished_at: Instant | None
    expires_at: Annotated[Instant | None, Meta(description="When the file goes.")]
    download_url: Annotated[
        str | None,
        Meta(
            description="Needs no token, for an hour, or until the file goes. Each look gives a new one.",
            examples=["https://outlay.example.com/v1/exports/…/download?expires=…&signature=…"],
        ),
    ]
    error: Annotated[str | None, Meta(description="Why it has failed.", examples=[None])]

    @classmethod
    def of(cls, export: Export, *, download_url: str | None) -> "ExportOut":
        """With a link where there is a file."""
        has_gone = export.state == "succeeded" and download_url is None
        return cls(
            export.id,
            export.format,  # type: ignore[arg-type] # the database holds no other one
            export.dialect,  # type: ignore[arg-type]
            export.name,
            "expired" if has_gone else export.state,  # type: ignore[arg-type]
            export.progress,
            export.row_count,
            export.size,
            None if has_gone else export.sha256,
            export.created_at,
            export.finished_at,
            export.expires_at,
            download_url,
            export.error,
        )


class ExportPage(msgspec.Struct):
    items: list[ExportOut]
    next_cursor: NextCursor


class ExportQuery(msgspec.Struct, forbid_unknown_fields=True):
    limit: Limit = 50
    cursor: Cursor | None = None


class DownloadQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Both or none: without them the bearer token says whose file it is."""

    expires: Annotated[str, Meta(description="Of a signed link.", examples=["1795878000"])] | None = None
    signature: Annotated[str, Meta(description="Of a signed link.")] | None = None
