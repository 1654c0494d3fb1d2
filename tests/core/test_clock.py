"""A clock that is set ahead or back: for a look at what comes later, in development only."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from core import clock
from core.config import DEVELOPMENT_SECRET, MAX_CLOCK_OFFSET_S, MIN_SECRET_BYTES, Settings, load_settings
from core.errors import ConfigurationError, Unauthenticated
from core.security import ACCESS, ACCESS_TOKEN_LIFETIME, Tokens

A_WEEK = timedelta(days=7)
PRODUCTION = {"OUTLAY_ENVIRONMENT": "production", "OUTLAY_SECRET": "s" * MIN_SECRET_BYTES}


@pytest.fixture(autouse=True)
def _set_right_again() -> Iterator[None]:
    yield
    clock.shift(seconds=0)


def set_clock(offset: timedelta) -> None:
    load_settings({"OUTLAY_CLOCK_OFFSET_S": str(int(offset.total_seconds()))})


def read(token: str) -> UUID:
    return Tokens(DEVELOPMENT_SECRET).read(token, ACCESS).user_id


def token() -> str:
    made = Tokens(DEVELOPMENT_SECRET)
    return made.access_token(user_id=UUID(int=1), session_id=UUID(int=2), now=clock.now())


@pytest.mark.parametrize("offset", [A_WEEK, -A_WEEK])
def test_whoever_reads_the_settings_goes_by_their_clock(offset: timedelta) -> None:
    set_clock(offset)
    assert abs(clock.now() - datetime.now(UTC) - offset) < timedelta(seconds=5)
    load_settings({})
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)


@pytest.mark.parametrize("offset", [A_WEEK, -A_WEEK])
def test_a_token_lives_as_long_as_ever(offset: timedelta) -> None:
    set_clock(offset)
    made = token()
    assert read(made) == UUID(int=1)
    set_clock(offset + ACCESS_TOKEN_LIFETIME)
    with pytest.raises(Unauthenticated):
        read(made)


def test_a_token_of_next_week_is_none_yet() -> None:
    set_clock(A_WEEK)
    made = token()
    set_clock(timedelta())
    with pytest.raises(Unauthenticated):
        read(made)


def test_production_goes_by_the_real_time() -> None:
    with pytest.raises(ConfigurationError, match="OUTLAY_CLOCK_OFFSET_S: production"):
        load_settings({**PRODUCTION, "OUTLAY_CLOCK_OFFSET_S": "60"})
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)
    assert load_settings({**PRODUCTION, "OUTLAY_CLOCK_OFFSET_S": "0"}).is_production


@pytest.mark.parametrize("value", ["soon", "1.5", str(MAX_CLOCK_OFFSET_S + 1), str(-MAX_CLOCK_OFFSET_S - 1)])
def test_what_is_no_offset_is_refused(value: str) -> None:
    with pytest.raises(ConfigurationError, match="OUTLAY_CLOCK_OFFSET_S: "):
        load_settings({"OUTLAY_CLOCK_OFFSET_S": value})


def test_settings_by_themselves_leave_the_clock_alone() -> None:
    Settings(clock_offset_s=60)
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)
