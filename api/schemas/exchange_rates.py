from typing import Annotated

import msgspec
from msgspec import Meta

from api.schemas.common import Amount, Currency, Day, Instant, OnlyPage
from core.queries.exchange_rates import Converted, CrossRate
from core.rules.conversion import EUR, format_rate
from core.rules.money import format_amount


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


class Unconverted(msgspec.Struct):
    """Spending in another currency on days without a rate; it does not count."""

    currency: Annotated[Currency, Meta(examples=["CHF"])]
    amount: Amount


class ConvertedOut(msgspec.Struct):
    """Spending in another currency, which counts at the rate of each expense's day."""

    currency: Annotated[Currency, Meta(examples=["USD"])]
    amount: Amount
    converted: Annotated[Amount, Meta(description="In the currency of the whole.", examples=["10.56"])]
    rate_day: Annotated[Day, Meta(description="Of the newest rate that was used.")]

    @classmethod
    def of(cls, part: Converted, currency: str) -> "ConvertedOut":
        return cls(
            part.currency,
            format_amount(part.amount_minor, part.currency),
            format_amount(part.converted_minor, currency),
            part.rate_day,
        )
