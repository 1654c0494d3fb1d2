"""Kinds of values in an archive: what a database holds of them, and so what may be read back."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from core.statements.limits import MAX_CATEGORY_CHARS, MAX_NOTE_CHARS, MAX_PAYEE_CHARS, MAX_TAG_CHARS

PLAIN = r"^[^\x00-\x1f\x7f]*$(?!\n)"
"""One line of text without control characters. Python's `$` would let a line feed at the end pass."""

TEXT = r"^[^\x00]*$"
"""PostgreSQL's text cannot hold NUL."""

NOTHING = UUID(int=0)
"""No id: totals stand for "no category" with it."""

FIRST_INSTANT = datetime(1970, 1, 1, tzinfo=UTC)
LAST_INSTANT = datetime(2200, 12, 31, tzinfo=UTC)
"""Between these every clock is that has ever stamped a record, however wrong. Beyond, the arithmetic of time
zones leaves the calendar."""

MAX_VERSION = 10**9
"""Of a record: it can be changed as many times again before the column overflows."""

MAX_AMOUNT_CHARS = 30
"""The longest sum of 64 bits has twenty."""

Amount = Annotated[str, Meta(max_length=MAX_AMOUNT_CHARS)]
"""A decimal string in the currency's own decimals."""

Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}$(?!\n)")]
Rate = Annotated[str, Meta(max_length=MAX_AMOUNT_CHARS)]
Instant = Annotated[datetime, Meta(tz=True)]
Version = Annotated[int, Meta(ge=1, le=MAX_VERSION)]
Hash = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
Count = Annotated[int, Meta(ge=0, le=2**62)]

Payee = Annotated[str, Meta(max_length=MAX_PAYEE_CHARS, pattern=PLAIN)]
Note = Annotated[str, Meta(max_length=MAX_NOTE_CHARS, pattern=TEXT)]
Tag = Annotated[str, Meta(min_length=1, max_length=MAX_TAG_CHARS, pattern=PLAIN)]
Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=PLAIN)]
CategoryName = Annotated[str, Meta(min_length=1, max_length=MAX_CATEGORY_CHARS, pattern=PLAIN)]
Color = Annotated[str, Meta(pattern=r"^#[0-9a-fA-F]{6}$(?!\n)")]
Icon = Annotated[str, Meta(max_length=40, pattern=PLAIN)]
Source = Annotated[str, Meta(min_length=1, max_length=20, pattern=PLAIN)]


def is_plausible(at: datetime | None) -> bool:
    """Whether it is an instant that can be stored and reckoned with; none at all is."""
    return at is None or FIRST_INSTANT <= at < LAST_INSTANT
