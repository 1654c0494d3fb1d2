"""The sheets of a report that cut up its spending."""

from collections.abc import Sequence

from core.charts.theme import LIGHT
from core.queries.analytics import WEEKDAYS, Group
from core.queries.report_documents import Named, ReportFigures, Slice
from core.reports.book import AXIS, FIRST_ROW, Book, Header, Sheet, Table
from core.reports.cells import Count, Day, Formula, Money, Rate, Share, Text
from core.rules.series import share_tenths

CATEGORIES, OVER_TIME = "Categories", "Over time"
PAYEES_AND_TAGS, CURRENCIES = "Payees and tags", "Currencies"

MAX_CHARTED = 15
"""Categories in the chart beside the table; of more the bars are too thin."""

CHART_WIDTH = 520
"""Pixels."""

CHART_LINES, CHART_MARGIN = 17, 3
"""Rows of the sheet: of the chart over time, and of what stands around the bars of the categories."""

AMOUNT, ENTRIES = 14, 10
"""Widths of columns."""

BESIDE = 6
"""The column in which begins what stands beside the table of days or months."""

MONTH_PATTERN = "mmm yyyy"


def category_total(figures: ReportFigures) -> str:
    """The cell with the sum of the categories, for formulas elsewhere."""
    return f"{CATEGORIES}!$B${FIRST_ROW + 2 + len(figures.by_category)}"


def add_categories(book: Book, figures: ReportFigures) -> None:
    sheet = book.sheet(CATEGORIES, "Spending by category", book.title, is_landscape=True)
    table = sheet.table(_part_headers("Category", figures.currency, 34))
    groups = figures.by_category
    _add_parts(table, groups, figures, total=category_total(figures))
    if groups:
        _add_category_chart(sheet, table, figures)
    _add_total(table, groups, figures.currency)


def add_over_time(book: Book, figures: ReportFigures, *, total: str) -> None:
    """With the sum of all so far beside each day or month."""
    is_monthly = figures.kind == "monthly"
    sheet = book.sheet(
        OVER_TIME, f"Spending by {'day' if is_monthly else 'month'}", book.title, is_landscape=True
    )
    amounts = [Header(figures.currency, AMOUNT), Header("Entries", ENTRIES), Header("So far", AMOUNT)]
    days = [Header("Day", 12, is_number=False), Header("Weekday", 12, is_number=False)]
    months = [Header("Month", 12, is_number=False), Header("Quarter", 10, is_number=False)]
    table = sheet.table([*(days if is_monthly else months), *amounts])
    so_far = 0
    for one in figures.over_time:
        so_far += one.minor
        running = Formula(f"SUM({table.until_here(2)})", Money(so_far, figures.currency))
        if is_monthly:
            when = (Day(one.start), Text(WEEKDAYS[one.start.weekday()], is_muted=True))
        else:
            when = (Day(one.start, MONTH_PATTERN), Text(f"Q{(one.start.month + 2) // 3}", is_muted=True))
        table.add(*when, Money(one.minor, figures.currency), Count(one.count), running)
    _add_time_chart(sheet, table, figures)
    table.add(
        Text("Total"),
        None,
        Formula(f"SUM({table.range(2)})", Money(so_far, figures.currency)),
        Formula(f"SUM({table.range(3)})", Count(sum(one.count for one in figures.over_time))),
        None,
        is_total=True,
    )
    _add_weeks(sheet, figures, total=total)


def _add_weeks(sheet: Sheet, figures: ReportFigures, *, total: str) -> None:
    """Below the chart: weeks, and beside them the days of the week."""
    row = FIRST_ROW + CHART_LINES + 1
    amounts = [Header(figures.currency, AMOUNT), Header("Entries", ENTRIES)]
    headers = [Header("Week from", 14, is_number=False), *amounts]
    weeks = sheet.table(headers, row=row, column=BESIDE, is_frozen=False)
    for one in figures.by_week:
        weeks.add(Day(one.start), Money(one.minor, figures.currency), Count(one.count))
    _add_slice_total(weeks, figures.by_week, figures.currency)
    headers = _part_headers("Weekday", figures.currency, 14)
    weekdays = sheet.table(headers, row=row, column=BESIDE + 4, is_frozen=False)
    _add_parts(weekdays, figures.by_weekday, figures, total=total)


def add_payees_and_tags(book: Book, figures: ReportFigures, *, total: str) -> None:
    sheet = book.sheet(PAYEES_AND_TAGS, "Payees and tags", book.title, is_landscape=True)
    payees = sheet.table(_part_headers("Payee", figures.currency, 34))
    _add_parts(payees, _with_rest(figures.by_payee, "Other payees"), figures, total=total)
    tags = sheet.table(_part_headers("Tag (an expense counts under each)", figures.currency, 34), column=5)
    _add_parts(tags, _with_rest(figures.by_tag, "Other tags"), figures, total=total)


def add_currencies(book: Book, figures: ReportFigures) -> None:
    """What was spent in other currencies, and what became of it."""
    sheet = book.sheet(CURRENCIES, "Other currencies", book.title)
    headers = [Header("Currency", 12, is_number=False), Header("Spent", 20)]
    headers += [Header(f"In {figures.currency}", 16), Header("Rate on average", 16)]
    table = sheet.table([*headers, Header("Newest rate of", 32, is_number=False)])
    for one in figures.converted:
        spent = Money(one.amount_minor, one.currency, has_code=True)
        becomes = Money(one.converted_minor, figures.currency)
        cells = table.here(1), table.here(2)
        rate = Rate(becomes.number / spent.number if spent.minor else 0)
        average = Formula(f"IF({cells[0]}<>0,{cells[1]}/{cells[0]},0)", rate)
        table.add(Text(one.currency), spent, becomes, average, Day(one.rate_day))
    for currency, missing in figures.unconverted.items():
        spent = Money(missing.minor, currency, has_code=True)
        words = Text("not counted, as there is no rate", is_alarming=True)
        table.add(Text(currency), spent, None, None, words)


def _part_headers(name: str, currency: str, width: int) -> list[Header]:
    amounts = (Header(currency, AMOUNT), Header("Share", ENTRIES), Header("Entries", ENTRIES))
    return [Header(name, width, is_number=False), *amounts]


def _add_parts(table: Table, groups: Sequence[Group], figures: ReportFigures, *, total: str) -> None:
    """A row for each part, with its share of the total."""
    for group in groups:
        share = Share(share_tenths(group.minor, figures.whole.minor))
        table.add(
            Text(group.label),
            Money(group.minor, figures.currency),
            Formula(f'IF({total}>0,{table.here(1)}/{total},"")', share),
            Count(group.count),
        )


def _add_total(table: Table, groups: Sequence[Group], currency: str) -> None:
    amount = Money(sum(group.minor for group in groups), currency)
    entries = Count(sum(group.count for group in groups))
    sums: list[Money | Formula | Count] = [amount, entries]
    if groups:
        sums = [Formula(f"SUM({table.range(1)})", amount), Formula(f"SUM({table.range(3)})", entries)]
    table.add(Text("Total"), sums[0], None, sums[1], is_total=True)


def _add_slice_total(table: Table, slices: Sequence[Slice], currency: str) -> None:
    amount = Money(sum(one.minor for one in slices), currency)
    entries = Count(sum(one.count for one in slices))
    table.add(
        Text("Total"),
        Formula(f"SUM({table.range(1)})", amount),
        Formula(f"SUM({table.range(2)})", entries),
        is_total=True,
    )


def _with_rest(named: Named, label: str) -> list[Group]:
    rest = named.rest
    return [*named.groups, *([Group(None, label, rest.minor, rest.count)] if rest.count else [])]


def _add_category_chart(sheet: Sheet, table: Table, figures: ReportFigures) -> None:
    charted = min(len(figures.by_category), MAX_CHARTED)
    chart = sheet.book.chart("bar")
    chart.add_series(
        {
            "name": figures.currency,
            "categories": table.reference(0, charted),
            "values": table.reference(1, charted),
            "fill": {"color": LIGHT.bar},
            "gap": 40,
        }
    )
    # The largest at the top, and the amounts at the bottom all the same.
    names = {"reverse": True, "crossing": "max", "label_position": "low"}
    chart.set_y_axis({**AXIS, **names, "major_gridlines": {"visible": False}})
    chart.set_x_axis(AXIS)
    sheet.add_chart(chart, column=5, width=CHART_WIDTH, lines=charted + CHART_MARGIN)


def _add_time_chart(sheet: Sheet, table: Table, figures: ReportFigures) -> None:
    """Columns, and the sum so far as a line with an axis of its own."""
    chart = sheet.book.chart("column")
    count = len(figures.over_time)
    dates = table.reference(0, count)
    name = {"categories": dates}
    columns = {"name": figures.currency, "values": table.reference(2, count), "fill": {"color": LIGHT.bar}}
    chart.add_series({**name, **columns, "gap": 40})
    line = sheet.book.chart("line")
    style = {"color": LIGHT.average, "width": 2}
    line.add_series(
        {**name, "name": "So far", "values": table.reference(4, count), "line": style, "y2_axis": True}
    )
    chart.combine(line)
    line.set_y2_axis({**AXIS, "name": "So far", "major_gridlines": {"visible": False}})
    dated = {"num_format": "d" if figures.kind == "monthly" else "mmm", "label_position": "low"}
    chart.set_x_axis({**AXIS, **dated, "text_axis": True, "major_gridlines": {"visible": False}})
    chart.set_y_axis({**AXIS, "name": f"Each {'day' if figures.kind == 'monthly' else 'month'}"})
    sheet.add_chart(chart, column=BESIDE, width=CHART_WIDTH + 80, lines=CHART_LINES)
