"""What is done once a night is done by day where nobody was there at night."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from core.rules.nights import is_due

NIGHT = datetime(2026, 5, 10, 3, 41, tzinfo=UTC)


def test_what_was_done_at_night_is_due_the_next_night_and_not_before() -> None:
    ticks = [NIGHT + timedelta(hours=hours) for hours in range(1, 49)]
    last_at, done = NIGHT, []
    for now in ticks:
        if is_due(last_at=last_at, now=now):
            done.append(now - NIGHT)
            last_at = now
    assert done == [timedelta(days=1), timedelta(days=2)]


@pytest.mark.parametrize("last_at", [None, NIGHT - timedelta(days=1), NIGHT + timedelta(days=300)])
def test_what_was_missed_or_is_of_a_time_to_come_is_due_at_once(last_at: datetime | None) -> None:
    for hours in range(24):
        assert is_due(last_at=last_at, now=NIGHT + timedelta(hours=hours))


def test_it_is_the_same_night_in_every_zone() -> None:
    now = (NIGHT + timedelta(minutes=1)).astimezone(timezone(timedelta(hours=-12)))
    assert not is_due(last_at=NIGHT, now=now)
    assert is_due(last_at=NIGHT - timedelta(hours=1), now=now)
