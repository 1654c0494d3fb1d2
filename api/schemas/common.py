"""Pieces that the request and answer structs share."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

MAX_PAGE = 200
"""Items a page; a client that wants more asks again with the cursor."""

AMOUNT_PATTERN = r"^-?[0-9]+(\.[0-9]+)?$"

Amount = Annotated[
    str,
    Meta(
        description="Decimal string in the currency's own decimals.",
        examples=["12.34"],
        pattern=AMOUNT_PATTERN,
    ),
]

AmountInput = Annotated[
    msgspec.Raw,
    Meta(
        description="A decimal string; a JSON number is read exactly as it is written.",
        examples=["12.34"],
        extra_json_schema={
            "anyOf": [{"type": "string", "pattern": AMOUNT_PATTERN, "maxLength": 30}, {"type": "number"}]
        },
    ),
]

Currency = Annotated[str, Meta(description="ISO 4217 code.", examples=["EUR"], pattern="^[A-Z]{3}$")]

PLAIN = r"^[^\x00-\x1f\x7f]*$(?!\n)"
"""One line of text without control characters. Python's `$` would let a line feed at the end pass."""

TEXT = r"^[^\x00]*$"
"""PostgreSQL's text cannot hold NUL."""

ID_EXAMPLE = "0198f3a5-6c1e-7d42-9b07-5e2f8a41c3d6"

Id = Annotated[UUID, Meta(examples=[ID_EXAMPLE])]
Instant = Annotated[datetime, Meta(tz=True, examples=["2026-05-10T09:30:00.123456Z"])]
Day = Annotated[date, Meta(examples=["2026-05-10"])]

CURSOR_EXAMPLE = "WyIwMTk4ZjNhNS02YzFlLTdkNDItOWIwNy01ZTJmOGE0MWMzZDYiXQ"

Limit = Annotated[int, Meta(ge=1, le=MAX_PAGE, description="Items a page.")]
AnyCursor = Annotated[
    str,
    Meta(
        pattern=TEXT,
        description="`next_cursor` of the page before; the other parameters must stay the same.",
        examples=[CURSOR_EXAMPLE],
    ),
]
Cursor = Annotated[AnyCursor, Meta(max_length=300)]
NextCursor = Annotated[
    str | None,
    Meta(description="The `cursor` of the next page; null on the last one.", examples=[CURSOR_EXAMPLE]),
]
OnlyPage = Annotated[str | None, Meta(description="Always null: this list has one page.", examples=[None])]


def amount_text(raw: msgspec.Raw) -> str:
    """What was written as an amount, without the quotes if it was a string; anything else stays as it is."""
    text = bytes(raw).decode(errors="replace")
    return text[1:-1] if text[:1] == text[-1:] == '"' and len(text) > 1 else text


DecimalParameter = Annotated[str, Meta(pattern=r"^-?[0-9]{1,15}(\.[0-9]{1,4})?$(?!\n)", examples=["9.99"])]
"""An amount of whatever currency in a query string; four decimals are the most that any currency has."""


MAX_TEN_THOUSANDTHS = 2**62
"""Beyond any amount, yet within what a database compares a number with."""


def ten_thousandths(text: str) -> int:
    """A `DecimalParameter` in ten-thousandths of a major unit, capped at `MAX_TEN_THOUSANDTHS`."""
    whole, _, fraction = text.lstrip("-").partition(".")
    value = min(int(whole + fraction.ljust(4, "0")), MAX_TEN_THOUSANDTHS)
    return -value if text.startswith("-") else value
