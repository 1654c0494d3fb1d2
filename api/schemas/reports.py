"""Reports as clients ask for them, follow them and read them."""

from typing import Annotated, Any, ClassVar
from urllib.parse import urlencode

import msgspec
from msgspec import Meta

from api.schemas.common import Currency, Cursor, Day, Id, Instant, Limit, NextCursor
from api.schemas.report_figures import ReportFiguresOut
from core.queries.report_documents import ReportFigures
from core.queries.reports import ReportRecord, ReportState
from core.rules.report_periods import ReportKind, report_period_text
from core.services.reports import NewReport

Kind = Annotated[ReportKind, Meta(examples=["monthly"])]
PeriodText = Annotated[str, Meta(description="A month, or a year as `2026`.", examples=["2026-05"])]

CHARTS = ("spending-by-category", "spending-over-time")
"""Those of `GET /v1/analytics/charts` that any range of days may be asked of."""


class ReportIn(msgspec.Struct, forbid_unknown_fields=True):
    """A month or a year that has begun."""

    kind: Kind
    period: PeriodText
    currency: (
        Annotated[Currency, Meta(description="What others are converted into; default: the user's.")] | None
    ) = None

    def to_report(self) -> NewReport:
        return NewReport(kind=self.kind, period=self.period, currency=self.currency)


class ReportOut(msgspec.Struct, kw_only=True):
    """A report and how far it is. What was built before stays while it is built anew."""

    HAS_ETAG: ClassVar = True

    id: Id
    kind: Kind
    period: PeriodText
    currency: Currency
    from_day: Day = msgspec.field(name="from")
    to_day: Day = msgspec.field(name="to")
    state: Annotated[
        ReportState,
        Meta(description="Of the latest building; an earlier one may be there.", examples=["succeeded"]),
    ]
    is_stale: Annotated[
        bool, Meta(description="It tells of what has changed since, and is built anew.", examples=[False])
    ]
    bytes: Annotated[int | None, Meta(description="Of the workbook.", examples=[48213])]
    sha256: Annotated[
        str | None, Meta(examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])
    ]
    created_at: Instant
    updated_at: Instant
    built_at: Annotated[Instant | None, Meta(description="Since when it has said what it says.")]
    download_url: Annotated[
        str | None,
        Meta(
            description="Of the workbook; needs no token, for an hour. Each look gives a new one.",
            examples=["https://outlay.example.com/v1/reports/…/download?expires=…&signature=…"],
        ),
    ]

    @classmethod
    def of(cls, report: ReportRecord, *, download_url: str | None) -> "ReportOut":
        return cls(**_fields(report), download_url=download_url)


class ReportPage(msgspec.Struct):
    items: list[ReportOut]
    next_cursor: NextCursor


class ChartLink(msgspec.Struct):
    """A picture of the same days, drawn when it is asked for; end it with `.png` or `.json` instead."""

    name: Annotated[str, Meta(examples=[CHARTS[0]])]
    href: Annotated[
        str,
        Meta(
            examples=[
                f"/v1/analytics/charts/{CHARTS[0]}.svg?from=2026-05-01&to=2026-05-31&currency=EUR",
            ]
        ),
    ]


class FullReportOut(ReportOut, kw_only=True):
    """A report with its figures; null until it was built for the first time."""

    figures: ReportFiguresOut | None
    charts: list[ChartLink]

    @classmethod
    def full(
        cls, report: ReportRecord, figures: ReportFigures | None, *, download_url: str | None
    ) -> "FullReportOut":
        shown = None if figures is None else ReportFiguresOut.of(figures)
        return cls(**_fields(report), download_url=download_url, figures=shown, charts=_charts(report))


class ReportQuery(msgspec.Struct, forbid_unknown_fields=True):
    kind: Kind | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


def _fields(report: ReportRecord) -> dict[str, Any]:
    period = report.period
    return {
        "id": report.id,
        "kind": report.kind,
        "period": report_period_text(report.kind, report.period_start),
        "currency": report.currency,
        "from_day": period.start,
        "to_day": period.last_day,
        "state": report.state,
        "is_stale": report.is_stale,
        "bytes": report.size,
        "sha256": report.sha256,
        "created_at": report.created_at,
        "updated_at": report.updated_at,
        "built_at": report.built_at,
    }


def _charts(report: ReportRecord) -> list[ChartLink]:
    days = {"from": report.period.start, "to": report.period.last_day, "currency": report.currency}
    return [ChartLink(name, f"/v1/analytics/charts/{name}.svg?{urlencode(days)}") for name in CHARTS]
