"""A login from where the user never came is told to them; one from a known device is not."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import delete

from core import clock
from core.database import Database
from core.models import KnownDevice
from core.services.devices import REMEMBERED, Device, forget_devices
from core.services.sessions import open_session
from tests.api.accounts import count
from tests.api.calls import read
from tests.cast import PASSWORD, Cast, Person

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0"


def log_in(client: httpx.Client, user_agent: str) -> None:
    headers = {"User-Agent": user_agent}
    answer = client.post("/v1/auth/login", json={"login": "owner", "password": PASSWORD}, headers=headers)
    assert answer.status_code == 200


def told(person: Person) -> list[dict[str, Any]]:
    items = read(person.client, "/v1/notifications", kind="security.new_login")["items"]
    return [one["data"] for one in reversed(items)]


def test_a_login_from_a_new_device_is_told_once(cast: Cast, client: httpx.Client) -> None:
    assert told(cast.owner) == [], "the first of all is none to tell of"
    log_in(client, FIREFOX)
    log_in(client, FIREFOX)
    [one] = told(cast.owner)
    assert one["user_agent"] == FIREFOX
    assert one["ip_address"] == "127.0.0.1"
    assert one["session_id"] in {row["id"] for row in read(cast.owner.client, "/v1/me/sessions")["items"]}
    assert told(cast.member) == []


def test_an_update_of_the_client_makes_no_new_device(cast: Cast, client: httpx.Client) -> None:
    log_in(client, FIREFOX)
    log_in(client, FIREFOX.replace("150.0", "151.0.2"))
    assert len(told(cast.owner)) == 1


def test_who_has_a_login_is_told_of_another_though_all_devices_are_forgotten(
    cast: Cast, client: httpx.Client, database: Database
) -> None:
    """One login can be refreshed for years."""
    with database.transaction() as session:
        session.execute(delete(KnownDevice))
    log_in(client, FIREFOX)
    assert len(told(cast.owner)) == 1


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("192.0.2.7", "192.0.77.200", True),
        ("192.0.2.7", "198.51.100.1", False),
        ("2001:db8:1::1", "2001:db8:ffff::2", True),
        ("2001:db8::1", "2001:db9::1", False),
        ("192.0.2.7", None, False),
    ],
)
def test_another_address_of_the_same_network_is_the_same_place(
    one: str, other: str | None, is_same: bool
) -> None:
    assert (Device(FIREFOX, one).digest == Device(FIREFOX, other).digest) is is_same


def test_a_device_that_was_not_seen_for_half_a_year_is_forgotten(cast: Cast, database: Database) -> None:
    with database.transaction() as session:
        for address in ("192.0.2.1", "198.51.100.1"):
            open_session(session, user_id=cast.owner.id, user_agent=FIREFOX, ip_address=address)
        session.flush()  # written before it is aged below
        row = session.query(KnownDevice).first()
        assert row is not None
        row.seen_at = clock.now() - REMEMBERED - timedelta(seconds=1)
    before = count(database, KnownDevice)
    with database.transaction() as session:
        assert forget_devices(session) == 1
    assert count(database, KnownDevice) == before - 1
