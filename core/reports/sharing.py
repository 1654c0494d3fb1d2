"""The sheets of a report about budgets and groups, each in currencies of their own."""

from core.queries.budget_figures import BudgetFigures
from core.queries.report_documents import KeptBudget, ReportFigures
from core.queries.report_groups import GroupStanding
from core.reports.book import Book, Header, Sheet, Table
from core.reports.cells import Count, Day, Formula, Money, Share, Text
from core.reports.pictures import DESCRIPTIONS
from core.rules.thresholds import BudgetStatus, percent_tenths

BUDGETS, GROUPS = "Budgets", "Groups"

STATUS_WORDS: dict[BudgetStatus, str] = {"ok": "within", "warning": "close to the limit", "exceeded": "over"}

AMOUNT = 16


def add_budgets(book: Book, figures: ReportFigures, picture: bytes | None) -> None:
    """A row for each period of each budget; nothing is added up, as currencies and days differ."""
    sheet = book.sheet(BUDGETS, "Budgets", book.title)
    headers = [Header("Budget", 30, is_number=False), Header("From", 12, is_number=False)]
    headers += [Header("To", 12, is_number=False)]
    headers += [Header(name, AMOUNT) for name in ("Limit", "Spent", "Left")]
    table = sheet.table([*headers, Header("Used", 10), Header("State", 18, is_number=False)])
    for budget in figures.budgets:
        for period in budget.periods:
            _add_period(table, budget, period)
    sheet.mark_shares(table, 6)
    if picture is not None:
        sheet.picture(table.next_row + 1, picture, DESCRIPTIONS["budgets"])


def _add_period(table: Table, budget: KeptBudget, figures: BudgetFigures) -> None:
    limit, spent = figures.limit_minor, figures.spent_minor
    cells = [table.here(column) for column in range(5)]
    table.add(
        Text(budget.name),
        Day(figures.period.start),
        Day(figures.period.last_day),
        Money(limit, budget.currency, has_code=True),
        Money(spent, budget.currency, has_code=True),
        Formula(f"{cells[3]}-{cells[4]}", Money(limit - spent, budget.currency, has_code=True)),
        Formula(f'IF({cells[3]}>0,{cells[4]}/{cells[3]},"")', Share(percent_tenths(spent, limit))),
        Text(STATUS_WORDS[figures.status], is_alarming=figures.status == "exceeded"),
    )


def add_groups(book: Book, figures: ReportFigures) -> None:
    """How the balance before became that at the end, and who owes whom when the report was built."""
    sheet = book.sheet(GROUPS, "Groups", book.title, is_landscape=True)
    numbers = ("Balance before", "Paid", "Own share", "Sent", "Received", "Balance at the end")
    headers = [Header("Group", 28, is_number=False), Header("Expenses", 14)]
    table = sheet.table([*headers, *(Header(name, AMOUNT + 2) for name in numbers)])
    for standing in figures.groups:
        _add_standing(table, standing)
    row = table.next_row + 1
    sheet.remark(row, "Balances above zero are owed to you. Sent and received are confirmed payments.")
    if figures.debts:
        _add_debts(sheet, figures, row + 2)


def _add_standing(table: Table, one: GroupStanding) -> None:
    cells = [table.here(column) for column in range(7)]
    minors = (one.before_minor, one.paid_minor, one.share_minor, one.sent_minor, one.received_minor)
    after = f"{cells[2]}+{cells[3]}-{cells[4]}+{cells[5]}-{cells[6]}"
    table.add(
        Text(one.name),
        Count(one.expenses),
        *(Money(minor, one.currency, has_code=True) for minor in minors),
        Formula(after, Money(one.after_minor, one.currency, has_code=True)),
    )


def _add_debts(sheet: Sheet, figures: ReportFigures, row: int) -> None:
    headers = [
        Header("Debt in", 28, is_number=False),
        Header("Side", 14, is_number=False),
        Header("Amount", AMOUNT + 2),
    ]
    table = sheet.table([*headers, Header("With", AMOUNT + 2, is_number=False)], row=row, is_frozen=False)
    for debt in figures.debts:
        amount = Money(debt.amount_minor, debt.currency, has_code=True)
        side = "you owe" if debt.is_owed_by_me else "owed to you"
        table.add(Text(debt.group_name), Text(side, is_muted=True), amount, Text(debt.member_name))
