"""The sheets of a report that list single expenses and charges that come back."""

from core.queries.report_documents import ReportFigures
from core.reports.book import Book, Header
from core.reports.cells import Count, Day, Money, Text

LARGEST, UNUSUAL, REPEATED = "Largest", "Unusual", "Repeated"

AMOUNT = 18


def add_largest(book: Book, figures: ReportFigures) -> None:
    sheet = book.sheet(LARGEST, "The largest expenses", book.title)
    headers = [Header("Day", 12, is_number=False), Header("Payee", 34, is_number=False)]
    table = sheet.table([*headers, Header("Amount", AMOUNT), Header(f"In {figures.currency}", AMOUNT)])
    for one in figures.largest:
        table.add(
            Day(one.spent_on),
            Text(one.payee or "No payee", is_muted=one.payee is None),
            Money(one.amount_minor, one.currency, has_code=True),
            Money(one.converted_minor, figures.currency),
        )


def add_unusual(book: Book, figures: ReportFigures) -> None:
    """Expenses that are out of the ordinary for their category, the furthest out first."""
    sheet = book.sheet(UNUSUAL, "Out of the ordinary", book.title, is_landscape=True)
    headers = [Header("Day", 12, is_number=False), Header("Amount", AMOUNT), Header("Usually", AMOUNT)]
    table = sheet.table([*headers, Header("In words", 90, is_number=False)])
    for one in figures.anomalies:
        table.add(
            Day(one.spent_on),
            Money(one.amount_minor, one.currency, has_code=True),
            Money(one.usual_minor, one.currency, has_code=True),
            Text(one.words),
        )


def add_repeated(book: Book, figures: ReportFigures) -> None:
    """Charges that come back, those that cost most in a year first."""
    sheet = book.sheet(REPEATED, "Charges that come back", book.title, is_landscape=True)
    headers = [Header("Payee", 30, is_number=False), Header("How often", 14, is_number=False)]
    headers += [Header("Amount", AMOUNT), Header("In a year", AMOUNT), Header("Times", 8)]
    table = sheet.table([*headers, *(Header(name, 12, is_number=False) for name in ("Last", "Next"))])
    for one in figures.subscriptions:
        table.add(
            Text(one.payee),
            Text(one.cadence),
            Money(one.amount_minor, one.currency, has_code=True),
            Money(one.yearly_minor, one.currency, has_code=True),
            Count(one.count),
            Day(one.last_on),
            Text("ended", is_muted=True) if one.is_ended else Day(one.next_on),
        )
