"""How trying to send a message may end, and when it is tried again."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

FIRST_DELAY = timedelta(seconds=5)
LONGEST_DELAY = timedelta(hours=8)
"""A receiver that was down over night hears of it in the morning."""

GIVEN_UP_AFTER = timedelta(days=3)
"""From the first try on: whoever's server breaks on a Friday evening can mend it on Monday."""

JITTER_PERCENT = 20
"""Of each delay on top: what failed together does not come back together."""

LONGEST_GAP = timedelta(hours=10)
"""Between two tries, where somebody tries: the longest delay with its fifth on top, and what many need that
wait for the same host. What goes beyond, nobody was there to try, or it was quiet."""


class Fate(StrEnum):
    """What became of a message."""

    SENT = "sent"
    FAILED = "failed"
    """It is tried again."""
    GONE = "gone"
    """The other end has said that it wants nothing any more: the channel is switched off."""
    MOOT = "moot"
    """There is nothing to be sent any more."""
    AWAY = "away"
    """What all messages of this kind go through is away. Nobody's message is given up for that."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one try: the HTTP status if there was an answer, and why it failed, without any secret."""

    fate: Fate
    status: int | None = None
    error: str = ""
    retry_after: timedelta | None = None


def tried_since(*, first_tried_at: datetime | None, attempted_at: datetime | None, now: datetime) -> datetime:
    """Since when a message that is tried now counts as tried: of a gap no more than the longest one counts.

    So a system that was off for days does not give up what it has tried once. Quiet hours make gaps as well,
    if shorter ones; as a part of each counts, they keep nothing alive for ever.
    """
    if first_tried_at is None or attempted_at is None:
        return now
    return first_tried_at + max(now - attempted_at - LONGEST_GAP, timedelta())


def next_try_at(
    *, first_tried_at: datetime, now: datetime, jitter_percent: int, retry_after: timedelta | None = None
) -> datetime | None:
    """When a message that has failed now is tried again; None: it is given up.

    Each delay is as long as all that went before, so it doubles, between the first and the longest one. What
    the receiver asks for (`Retry-After`, RFC 9110, section 10.2.3) is heeded up to the longest one. The last
    try is at the end of `GIVEN_UP_AFTER`.
    """
    end = first_tried_at + GIVEN_UP_AFTER
    if now >= end:
        return None
    delay = min(max(now - first_tried_at, FIRST_DELAY), LONGEST_DELAY)
    if retry_after is not None:
        delay = max(delay, min(retry_after, LONGEST_DELAY))
    return min(now + delay + delay * jitter_percent // 100, end)
