"""Where a login came from: nobody can write that down but a proxy of ours."""

import pytest
from sqlalchemy import select

from core.config import Settings, load_settings
from core.database import Database
from core.errors import ConfigurationError
from core.logging import AUDIT
from core.models import AuditEvent
from tests.api.throttling import client_from, limited_api, log_in
from tests.cast import register


@pytest.mark.parametrize(
    ("trusted", "forwarded_for", "address"),
    [
        ("192.0.2.99", "203.0.113.9", "127.0.0.1"),  # nobody we trust says so
        ("", "203.0.113.9", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "6.6.6.6, 203.0.113.9", "203.0.113.9"),
        ("127.0.0.1,10.0.0.0/8", "6.6.6.6, 203.0.113.9, 10.9.8.7", "203.0.113.9"),
        ("127.0.0.1", "2001:db8::7", "2001:db8::7"),
        ("127.0.0.1", "[2001:db8::7]:4711", "2001:db8::7"),
        ("127.0.0.1", "203.0.113.9:4711", "203.0.113.9"),
        ("127.0.0.1", "203.0.113.9, who knows", None),
        ("127.0.0.1", "'; drop table users; --" * 20, None),
    ],
)
def test_a_session_shows_the_last_address_that_is_no_proxy_of_ours(
    settings: Settings, database: Database, trusted: str, forwarded_for: str, address: str | None
) -> None:
    with (
        limited_api(settings, trusted_proxies=trusted) as api,
        client_from(api, forwarded_for) as client,
        register(client, "ada") as person,
    ):
        [session] = person.client.get("/v1/me/sessions").json()["items"]
        assert session["ip_address"] == address


@pytest.mark.parametrize("junk", ["who knows", "fe80::1%who knows", "1.2.3 action=who knows"])
def test_the_log_of_failed_logins_has_addresses_only(
    settings: Settings, database: Database, caplog: pytest.LogCaptureFixture, junk: str
) -> None:
    caplog.set_level("INFO", logger=AUDIT)
    with limited_api(settings) as api, client_from(api, f"192.0.2.1, {junk}") as client:
        assert log_in(client, "nobody", "a wrong password").status_code == 401
    [line] = [record.getMessage() for record in caplog.records if "login.failed" in record.getMessage()]
    assert "who knows" not in line


def test_the_trail_has_addresses_only(settings: Settings, database: Database) -> None:
    with (
        limited_api(settings) as api,
        client_from(api, "192.0.2.1, who knows") as client,
        register(client, "ada") as person,
    ):
        assert person.client.post("/v1/categories", json={"name": "Tools"}).status_code == 201
    with database.reading() as session:
        told = [event.details for event in session.scalars(select(AuditEvent))]
    assert told
    assert not [details for details in told if "who knows" in str(details)]


@pytest.mark.parametrize(
    "wrong",
    [
        "*", "example.org", "10.0.0.1/8", "10.0.0.0/8 127.0.0.1", "0.0.0.0/0", "::/0", "0.0.0.0/1",
        "2000::/3",
    ],
)  # fmt: skip
def test_who_is_trusted_must_be_addresses(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="OUTLAY_TRUSTED_PROXIES"):
        load_settings({"OUTLAY_TRUSTED_PROXIES": wrong})


@pytest.mark.parametrize("wrong", ["*", "null", "app.example", "https://app.example/", "https://App.example"])
def test_who_may_call_must_be_origins(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="OUTLAY_CORS_ORIGINS"):
        load_settings({"OUTLAY_CORS_ORIGINS": wrong})


def test_production_refuses_limits_that_are_none() -> None:
    production = {"OUTLAY_ENVIRONMENT": "production", "OUTLAY_SECRET": "s" * 32}
    with pytest.raises(ConfigurationError, match="OUTLAY_LIMIT_FACTOR"):
        load_settings({**production, "OUTLAY_LIMIT_FACTOR": "21"})
