from falcon.asgi import Request, Response
from sqlalchemy import Connection

from api.answers import Answer, ok
from api.collaborators import Collaborators
from api.openapi import endpoint
from api.schemas.exchange_rates import RateOut, RatePage, RatesQuery
from core.queries.exchange_rates import rates_of_day
from core.queries.users import local_today

TAG = "Exchange rates"


class ExchangeRates:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, query=RatesQuery, answers={200: RatePage})
    async def on_get(self, req: Request, resp: Response) -> None:
        """List the rates that serve on a day; those between two other currencies go through the euro."""
        query: RatesQuery = req.context.query
        user_id = req.context.principal.user_id

        def page(rows: Connection) -> Answer:
            day = query.day or local_today(rows, user_id=user_id)
            return ok(RatePage([RateOut.of(rate) for rate in rates_of_day(rows, day=day, base=query.base)]))

        (await self._transactions.read_rows(page)).send(resp)
