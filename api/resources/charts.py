from typing import get_args
from uuid import UUID

from falcon.asgi import Request, Response
from sqlalchemy import Connection

from api.answers import JSON
from api.collaborators import Collaborators
from api.openapi import Media, endpoint
from api.problems import InvalidParameter
from api.resources.analytics import TAG, currency_of, scope_of
from api.schemas.charts import ChartName, ChartQuery
from core.charts.picture import Spec
from core.charts.theme import THEMES
from core.database import Reader
from core.errors import FieldError, NotFound
from core.queries.analytics import load_home
from core.queries.charts import MAX_CHART_DAYS, balance_chart, budget_chart, category_chart, time_chart

NAMES = frozenset(get_args(ChartName))

SVG = Media("image/svg+xml", "<svg …>…</svg>")
PNG = Media("image/png", "\x89PNG …")
SPECIFICATION = Media(
    "application/json", {"$schema": "https://vega.github.io/schema/vega-lite/v6.json", "layer": []}
)

# A picture opened by itself runs nothing and loads nothing, whatever a name in it says.
PICTURE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "Cache-Control": "private, no-cache",
}


class _Chart:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions
        self._charts = collaborators.charts

    async def _spec(self, req: Request, name: str) -> Spec:
        if name not in NAMES:
            raise NotFound("no such chart")
        query: ChartQuery = req.context.query
        user_id = req.context.principal.user_id

        def spec(rows: Connection) -> Spec:
            return _chart(rows, name, user_id, query)

        return await self._transactions.read_snapshot(spec)


class SvgChart(_Chart):
    @endpoint(TAG, query=ChartQuery, answers={200: SVG})
    async def on_get(self, req: Request, resp: Response, name: str) -> None:
        """Draw a chart as SVG.

        `spending-by-category`, `spending-over-time`, `budget-progress` or `group-balances`.
        """
        resp.data = await self._charts.draw(await self._spec(req, name), "svg")
        resp.content_type = SVG.media_type
        resp.set_headers(PICTURE_HEADERS)


class PngChart(_Chart):
    @endpoint(TAG, query=ChartQuery, answers={200: PNG})
    async def on_get(self, req: Request, resp: Response, name: str) -> None:
        """Draw a chart as PNG, 1,280 pixels wide."""
        resp.data = await self._charts.draw(await self._spec(req, name), "png")
        resp.content_type = PNG.media_type
        resp.set_headers(PICTURE_HEADERS)


class ChartSpecification(_Chart):
    @endpoint(TAG, query=ChartQuery, answers={200: SPECIFICATION})
    async def on_get(self, req: Request, resp: Response, name: str) -> None:
        """Give a chart's Vega-Lite specification, with its data."""
        resp.media = await self._spec(req, name)
        resp.content_type = JSON


def _chart(rows: Reader, name: str, user_id: UUID, query: ChartQuery) -> Spec:
    theme = THEMES[query.theme]
    home = load_home(rows, user_id=user_id)
    match name:
        case "budget-progress":
            return budget_chart(rows, user_id=user_id, today=home.today, theme=theme)
        case "group-balances":
            if query.group_id is None:
                raise InvalidParameter(FieldError("group_id", "this chart needs it"))
            currency = None if query.currency is None else currency_of(query.currency, home)
            return balance_chart(
                rows, user_id=user_id, group_id=query.group_id, currency=currency, theme=theme
            )
    scope = scope_of(query, user_id, home)
    if (scope.last_day - scope.first_day).days >= MAX_CHART_DAYS:
        raise InvalidParameter(FieldError("from", f"a chart may show {MAX_CHART_DAYS} days at most"))
    return (category_chart if name == "spending-by-category" else time_chart)(rows, scope, theme)
