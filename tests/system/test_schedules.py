"""What comes by itself: a system that was off over the weekend makes up for it when it is back."""

import re
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx

from tests.cast import PASSWORD, http_client
from tests.mail_server import mails_in, text_of
from tests.servers import TestRedis
from tests.system.system import API, BEAT, BUILDER, COURIER, WORKER, System

ALL = (API, WORKER, BUILDER, COURIER, BEAT)

EARLY_S = -6 * 86_400
"""When everything is set up, and then switched off: six days ago."""


def test_rent_and_digest_of_days_off_come_once_when_the_system_is_back(
    tmp_path: Path, own_database_url: str, own_redis: TestRedis
) -> None:
    servers = {"database_url": own_database_url, "redis_url": own_redis.url()}
    mails = tmp_path / "data" / "mail"
    then = datetime.now(UTC) + timedelta(seconds=EARLY_S)
    due_on = (then + timedelta(days=2)).date()
    with System(tmp_path, **servers, clock_offset_s=EARLY_S) as system:
        system.start(*ALL)
        with system.client() as client:
            client.post("/v1/auth/register", json=ACCOUNT).raise_for_status()
            system.wait_until(lambda: len(mails_in(mails)) == 1, "the mail with the code")
            client.post(
                "/v1/auth/verify-email", json={"token": code_in(mails_in(mails)[0])}
            ).raise_for_status()
            with logged_in(client) as me:
                set_up(me, due_on.isoformat(), weekday=due_on.isoweekday())
    with System(tmp_path, **servers) as system:
        system.start(*ALL)
        with system.client() as client, logged_in(client) as me:
            system.wait_until(lambda: kinds(me) >= {"recurring.posted", "digest.ready"}, "both are told")
            system.wait_until(lambda: len(mails_in(mails)) == 2, "the mail of the digest")
            [rent] = items(me, "/v1/expenses", source="recurring")
            assert (rent["amount"], rent["spent_on"], rent["payee"]) == ("850.00", due_on.isoformat(), "Rent")
            assert sorted(one["kind"] for one in items(me, "/v1/notifications")) == [
                "digest.ready",
                "recurring.posted",
            ]
            [digest] = items(me, "/v1/digests")
            assert (digest["period_end"], digest["figures"]["spent"]) == (due_on.isoformat(), "12.30")
            [channel] = [one for one in items(me, "/v1/channels") if one["kind"] == "email"]
            sent = items(me, f"/v1/channels/{channel['id']}/deliveries")
            assert [one["state"] for one in sent] == ["sent"]
    mail = mails_in(mails)[1]
    assert mail["Subject"] == "Your week: €12.30 spent"
    page = mail.get_body(("html",))
    assert page is not None
    assert "Corner Bakery" in text_of(page)
    assert [part.get_content_type() for part in mail.walk()].count("image/png") == 1


ACCOUNT = {"username": "ada", "email": "ada@example.com", "password": PASSWORD}


def code_in(mail: EmailMessage) -> str:
    found = re.search(r"^ {4}(\S{60,})$", text_of(mail), re.MULTILINE)
    assert found is not None
    return found[1]


def logged_in(client: httpx.Client) -> httpx.Client:
    answer = client.post("/v1/auth/login", json={"login": "ada", "password": PASSWORD})
    return http_client(str(client.base_url), Authorization=f"Bearer {answer.json()['access_token']}")


def set_up(me: httpx.Client, due_on: str, *, weekday: int) -> None:
    """A rent and a digest that are due on that day, and something to tell of the days before it."""
    rent = {"amount": "850.00", "payee": "Rent", "every": 1, "unit": "month", "starts_on": due_on}
    digest = {"digest": {"frequency": "weekly", "hour": 0, "weekday": weekday}}
    for answer in (
        me.post("/v1/recurring-expenses", json=rent),
        me.put("/v1/me/notification-settings", json=digest),
        me.post("/v1/expenses", json={"amount": "12.30", "payee": "Corner Bakery"}),
    ):
        assert answer.is_success, answer.text


def items(me: httpx.Client, path: str, **query: str) -> list[dict[str, Any]]:
    answer = me.get(path, params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def kinds(me: httpx.Client) -> set[str]:
    return {one["kind"] for one in items(me, "/v1/notifications")}
