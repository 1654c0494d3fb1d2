"""A report as a workbook for spreadsheet programs."""

from collections.abc import Mapping
from datetime import datetime

from core.charts.dates import range_text
from core.queries.report_documents import ReportFigures
from core.reports.book import Book
from core.reports.notable import add_largest, add_repeated, add_unusual
from core.reports.overview import add_overview
from core.reports.pictures import PictureName
from core.reports.sharing import add_budgets, add_groups
from core.reports.spending import (
    add_categories,
    add_currencies,
    add_over_time,
    add_payees_and_tags,
    category_total,
)


def build_workbook(
    figures: ReportFigures, pictures: Mapping[PictureName, bytes], *, built_at: datetime
) -> bytes:
    """The file's content; sheets that would be empty are left out.

    Args:
        pictures: PNGs of `picture_specs`, as far as there are any.
    """
    book = Book(title=f"Report for {range_text(figures.period)}", created_at=built_at)
    total = category_total(figures)
    add_overview(book, figures, pictures, total=total)
    add_categories(book, figures)
    add_over_time(book, figures, total=total)
    if figures.by_payee.groups:
        add_payees_and_tags(book, figures, total=total)
    if figures.converted or figures.unconverted:
        add_currencies(book, figures)
    if figures.budgets:
        add_budgets(book, figures, pictures.get("budgets"))
    if figures.groups or figures.debts:
        add_groups(book, figures)
    if figures.largest:
        add_largest(book, figures)
    if figures.anomalies:
        add_unusual(book, figures)
    if figures.subscriptions:
        add_repeated(book, figures)
    return book.finish()
