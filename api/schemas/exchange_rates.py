from typing import Annotated

import msgspec
from msgspec import Meta

from api.schemas.common import Currency, Day, Instant, OnlyPage
from core.queries.exchange_rates import CrossRate
from core.rules.conversion import EUR, format_rate


class RatesQuery(msgspec.Struct, forbid_unknown_fields=True):
    day: Annotated[Day, Meta(description="Default: today.")] | None = None
    base: Annotated[Currency, Meta(description="What one unit of is converted.")] = EUR


class RateOut(msgspec.Struct):
    """Units of a currency for one of the base."""

    currency: Annotated[Currency, Meta(examples=["USD"])]
    rate: Annotated[str, Meta(examples=["1.1684"])]
    day: Annotated[
        Day, Meta(description="Of the rate: the asked one, or the last one with a rate in the week before.")
    ]
    source: Annotated[
        str, Meta(examples=["https://www.ecb.europa.eu/stats/eurofxref/eurofxref-hist-90d.xml"])
    ]
    fetched_at: Instant

    @classmethod
    def of(cls, rate: CrossRate) -> "RateOut":
        return cls(rate.currency, format_rate(rate.rate), rate.day, rate.source, rate.fetched_at)


class RatePage(msgspec.Struct):
    items: list[RateOut]
    next_cursor: OnlyPage = None
