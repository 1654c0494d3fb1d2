"""The charts of a report, drawn from its own figures, so that they show what it says."""

from collections.abc import Mapping, Sequence
from typing import Literal

from core.charts.budget_progress import BudgetFigures, budget_progress
from core.charts.dates import range_text
from core.charts.picture import Spec
from core.charts.spending_by_category import CategoryAmount, spending_by_category
from core.charts.spending_over_time import Interval, IntervalAmount, spending_over_time
from core.queries.charts import unconverted_note
from core.queries.report_documents import ReportFigures, Slice
from core.rules.report_periods import ReportKind

PictureName = Literal["over_time", "by_category", "budgets"]

DESCRIPTIONS: Mapping[PictureName, str] = {
    "over_time": "How spending went, a bar for each day or month; the sheet 'Over time' has the numbers.",
    "by_category": "Spending by category; the sheet 'Categories' has the numbers.",
    "budgets": "How far each budget is used; the table has the numbers.",
}
"""For those who cannot see them."""

INTERVALS: Mapping[ReportKind, Interval] = {"monthly": "day", "yearly": "month"}


def picture_specs(figures: ReportFigures) -> dict[PictureName, Spec]:
    """What is to be drawn; without budgets there is no chart of them."""
    specs: dict[PictureName, Spec] = {
        "over_time": spending_over_time(
            [IntervalAmount(one.start, one.minor) for one in _passed(figures)],
            currency=figures.currency,
            interval=INTERVALS[figures.kind],
            period=figures.period,
            note=unconverted_note(figures.unconverted),
        ),
        "by_category": spending_by_category(
            [CategoryAmount(one.label, one.minor) for one in figures.by_category],
            currency=figures.currency,
            period=figures.period,
        ),
    }
    if figures.budgets:
        specs["budgets"] = _budgets(figures)
    return specs


def _passed(figures: ReportFigures) -> Sequence[Slice]:
    """Without what is still to come, as far as nothing is dated there yet: an average of it would be none."""
    slices = list(figures.over_time)
    day = figures.running_on
    while day is not None and slices[-1].start > day and not slices[-1].count:
        slices.pop()
    return slices


def _budgets(figures: ReportFigures) -> Spec:
    """Each budget in its last period of the report's time."""
    return budget_progress(
        [
            BudgetFigures(budget.name, budget.currency, last.spent_minor, last.limit_minor, last.status)
            for budget in figures.budgets
            for last in budget.periods[-1:]
        ],
        subtitle=range_text(figures.period),
    )
