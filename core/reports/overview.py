"""The first sheet of a report: what matters, and its charts."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

from core.charts.dates import range_text
from core.charts.money_text import money_text
from core.queries.charts import unconverted_note
from core.queries.report_documents import Comparison, KeptBudget, ReportFigures
from core.queries.report_groups import GroupStanding
from core.reports.book import Book, Header, Sheet, Table
from core.reports.cells import Count, Formula, Money, Share, Text
from core.reports.pictures import DESCRIPTIONS, PictureName
from core.rules.periods import Period
from core.rules.series import share_tenths

OVERVIEW = "Overview"

FIRST_WIDTH, OTHER_WIDTH, LAST_COLUMN = 31, 14, 4
WIDTH = 640
"""Pixels of the five columns, as of a chart."""

MAX_UNUSUAL = 3
"""On the overview; a sheet of their own has all."""


def add_overview(
    book: Book, figures: ReportFigures, pictures: Mapping[PictureName, bytes], *, total: str
) -> None:
    """`total` is the cell that adds up the categories."""
    sheet = book.sheet(OVERVIEW, book.title, _subtitle(figures), is_one_page=True)
    row = _add_key_figures(sheet, figures, total) + 1
    if figures.comparisons:
        row = _add_comparisons(sheet, figures, row) + 1
    row = _add_words(sheet, figures, row) + 1
    for name in ("over_time", "by_category"):
        if name in pictures:
            row = sheet.picture(row, pictures[name], DESCRIPTIONS[name])


def _subtitle(figures: ReportFigures) -> str:
    words = f"Amounts are in {figures.currency} where no other currency is named."
    if figures.running_on is None:
        return words
    day = range_text(Period(figures.running_on, figures.running_on + timedelta(days=1)))
    return f"As of {day}, so not the whole time. {words}"


def _headers(*names: str) -> list[Header]:
    return [Header(names[0], FIRST_WIDTH, is_number=False), *(Header(one, OTHER_WIDTH) for one in names[1:])]


def _add_key_figures(sheet: Sheet, figures: ReportFigures, total: str) -> int:
    """Answers the row that comes after them."""
    currency = figures.currency
    table = sheet.table(_headers("In short", currency), is_frozen=False)
    spent = table.here(1)
    table.add(Text("Spent in all"), Formula(total, Money(figures.whole.minor, currency)))
    count = table.here(1)
    table.add(Text("Expenses"), Count(figures.whole.count))
    if (average := figures.average_minor) is not None:
        table.add(Text("An expense, on average"), Formula(f"{spent}/{count}", Money(average, currency)))
    table.add(Text("A day, on average"), Money(figures.daily_minor, currency))
    if figures.largest:
        largest = figures.largest[0]
        payee = f": {largest.payee}" if largest.payee else ""
        table.add(Text(f"The largest expense{payee}"), Money(largest.converted_minor, currency))
    return table.next_row


def _add_comparisons(sheet: Sheet, figures: ReportFigures, row: int) -> int:
    headers = _headers("Beside", "Then", "Now", "Change", "Change in %")
    table = sheet.table(headers, row=row, is_frozen=False)
    for one in figures.comparisons:
        _compare(table, one, figures.currency)
    return table.next_row


def _compare(table: Table, comparison: Comparison, currency: str) -> None:
    days, then, own = comparison.days, comparison.then.minor, comparison.own.minor
    change = own - then
    cells = [table.here(column) for column in range(4)]
    table.add(
        Text(range_text(Period(days.first_day, days.last_day + timedelta(days=1)))),
        Money(then, currency),
        Money(own, currency),
        Formula(f"{cells[2]}-{cells[1]}", Money(change, currency)),
        Formula(f'IF({cells[1]}>0,{cells[3]}/{cells[1]},"")', Share(share_tenths(change, then))),
    )


def _add_words(sheet: Sheet, figures: ReportFigures, row: int) -> int:
    told = list(_told(figures))
    if not told:
        return row
    sheet.heading(row, "Worth knowing")
    for words, is_alarming in told:
        row += 1
        sheet.note(row, words, last_column=LAST_COLUMN, width=WIDTH, is_alarming=is_alarming)
    return row + 1


def _told(figures: ReportFigures) -> Iterator[tuple[str, bool]]:
    """Sentences, and whether each is a warning."""
    if figures.unconverted:
        yield unconverted_note(figures.unconverted), True
    for budget in figures.budgets:
        if budget.exceeded:
            yield _exceeded(budget), True
    for standing in figures.groups:
        if standing.after_minor:
            yield _standing(standing), False
    for anomaly in figures.anomalies[:MAX_UNUSUAL]:
        yield anomaly.words, False
    beyond = len(figures.anomalies) - MAX_UNUSUAL
    if beyond > 0:
        yield f"The sheet 'Unusual' has {beyond} more that are out of the ordinary.", False


def _exceeded(budget: KeptBudget) -> str:
    periods = budget.kept + budget.exceeded
    if periods > 1:
        return f"{budget.name}: over the limit in {budget.exceeded} of {periods} periods."
    last = budget.periods[-1]
    over = money_text(last.spent_minor - last.limit_minor, budget.currency)
    return f"{budget.name}: {over} over the limit of {money_text(last.limit_minor, budget.currency)}."


def _standing(standing: GroupStanding) -> str:
    amount = money_text(abs(standing.after_minor), standing.currency)
    verb = "you are owed" if standing.after_minor > 0 else "you owe"
    return f"{standing.name}: {verb} {amount} at the end."
