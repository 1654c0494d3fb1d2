"""When a message is tried again."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from core.rules.deliveries import (
    FIRST_DELAY,
    GIVEN_UP_AFTER,
    JITTER_PERCENT,
    LONGEST_DELAY,
    LONGEST_GAP,
    next_try_at,
    tried_since,
)

BEGAN = datetime(2026, 5, 10, tzinfo=UTC)


def tries(jitter: int) -> list[timedelta]:
    """How long after the first one each try is."""
    found, now = [timedelta()], BEGAN
    while (again := next_try_at(first_tried_at=BEGAN, now=now, jitter_percent=jitter)) is not None:
        found.append(again - BEGAN)
        now = again
    return found


def test_delays_double_up_to_the_longest_and_end_after_three_days() -> None:
    seconds = [one.total_seconds() for one in tries(0)]
    assert seconds[:6] == [0, 5, 10, 20, 40, 80]
    assert seconds[-1] == GIVEN_UP_AFTER.total_seconds()
    assert max(b - a for a, b in pairwise(seconds)) == LONGEST_DELAY.total_seconds()
    assert 15 < len(seconds) < 30
    assert 15 < len(tries(JITTER_PERCENT)) <= len(seconds)


@given(
    st.timedeltas(timedelta(), timedelta(days=4)),
    st.integers(0, JITTER_PERCENT),
    st.none() | st.timedeltas(timedelta(), timedelta(days=1_000)),
)
def test_the_next_try_is_within_bounds(
    elapsed: timedelta, jitter: int, retry_after: timedelta | None
) -> None:
    now = BEGAN + elapsed
    again = next_try_at(first_tried_at=BEGAN, now=now, jitter_percent=jitter, retry_after=retry_after)
    if elapsed >= GIVEN_UP_AFTER:
        assert again is None
        return
    assert again is not None
    end = BEGAN + GIVEN_UP_AFTER
    assert min(now + FIRST_DELAY, end) <= again <= min(now + LONGEST_DELAY * 1.2, end)
    if retry_after is not None:
        assert again >= min(now + min(retry_after, LONGEST_DELAY), end)


def test_gaps_of_a_courier_that_runs_count_and_longer_ones_up_to_the_longest() -> None:
    for gap in (timedelta(), LONGEST_DELAY * (100 + JITTER_PERCENT) / 100, LONGEST_GAP):
        assert tried_since(first_tried_at=BEGAN, attempted_at=BEGAN, now=BEGAN + gap) == BEGAN
    later = BEGAN + timedelta(days=30)
    assert tried_since(first_tried_at=BEGAN, attempted_at=BEGAN, now=later) == later - LONGEST_GAP
    assert tried_since(first_tried_at=None, attempted_at=BEGAN, now=later) == later
    before = BEGAN - timedelta(days=1)
    assert tried_since(first_tried_at=BEGAN, attempted_at=BEGAN, now=before) == BEGAN, (
        "the clock was put back"
    )


def test_who_is_asked_once_a_day_is_given_up_all_the_same() -> None:
    """As with quiet hours that last all day but for a minute."""
    since, now, count = BEGAN, BEGAN, 1
    while next_try_at(first_tried_at=since, now=now, jitter_percent=0) is not None:
        now += timedelta(days=1)
        since = tried_since(first_tried_at=since, attempted_at=now - timedelta(days=1), now=now)
        count += 1
    assert count == 1 + -(-GIVEN_UP_AFTER // LONGEST_GAP)
