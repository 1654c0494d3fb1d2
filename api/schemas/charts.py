from typing import Annotated, Literal

from msgspec import Meta

from api.schemas.analytics import SummaryQuery
from api.schemas.common import Id
from core.charts.theme import ThemeName

ChartName = Literal["spending-by-category", "spending-over-time", "budget-progress", "group-balances"]


class ChartQuery(SummaryQuery):
    """`from` and `to` are for charts of spending; budgets and balances are shown as they are now."""

    theme: ThemeName = "light"
    group_id: Annotated[Id, Meta(description="Whose balances; needed for those only.")] | None = None
