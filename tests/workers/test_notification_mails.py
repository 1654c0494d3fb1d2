"""Mails of notifications and digests, as a real mail server takes them."""

import re
from contextlib import AbstractContextManager
from datetime import date
from email.message import EmailMessage
from uuid import UUID

import httpx
import pytest
from sqlalchemy import update

from core import clock
from core.config import Settings
from core.database import Database
from core.job_names import DELIVER_NOTIFICATIONS
from core.models import User
from core.queries.notification_settings import load_settings_of
from core.rules.notification_kinds import is_wanted
from core.services.channels import add_mail_channel
from core.services.outbox import claim_rows, settle_rows
from tests.api.calls import new_digest
from tests.core.services.spender import Spender, at
from tests.mail_server import MAIL_FROM, MailServer, text_of
from tests.workers.digest_desk import DigestDesk
from tests.workers.outgoing import channel, courier, states, tell, user_with_mail
from workers.courier import Courier
from workers.tasks.notifications import apply_delivery


def page_of(mail: EmailMessage) -> str:
    found = mail.get_body(("html",))
    assert found is not None
    return text_of(found)


def plain_of(mail: EmailMessage) -> str:
    found = mail.get_body(("plain",))
    assert found is not None
    return text_of(found)


def visible(page: str) -> str:
    """The words of a page, without its tags and styles."""
    body = re.sub(r"<(style|title)>.*?</\1>", "", page, flags=re.DOTALL)
    words = re.sub(r"<[^>]+>", " ", body).replace("&amp;", "&").replace("&lt;", "<").replace("&#39;", "'")
    return " ".join(words.replace("&nbsp;", " ").replace("&middot;", "·").split())


def test_a_notification_comes_as_text_and_as_page(settings: Settings, database: Database) -> None:
    server = MailServer()
    with server.running(), courier(settings, mail_url=server.url, mail_from=MAIL_FROM) as here:
        user_id = user_with_mail(database)
        tell(database, user_id, budget_name='Food & <b>"Wine"</b>')
        assert here.run() == 1
    [mail] = server.received
    assert server.recipients == ["ada@example.com"]
    assert mail["Subject"] == 'Budget Food & <b>"Wine"</b> is above 80 %'
    assert plain_of(mail).startswith('Budget Food & <b>"Wine"</b> is above 80 %\n81.50 of 100.00 EUR spent')
    page = page_of(mail)
    assert "<b>" not in page
    assert "81.50 of 100.00 EUR spent (81.5 %)" in visible(page)
    assert [part.get_content_type() for part in mail.walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]


def test_a_burst_is_one_mail_with_all_of_it(settings: Settings, database: Database) -> None:
    server = MailServer()
    with server.running(), courier(settings, mail_url=server.url, mail_from=MAIL_FROM) as here:
        user_id = user_with_mail(database)
        tell(database, user_id, *["budget.threshold"] * 3)
        assert here.run() == 1
    [mail] = server.received
    assert mail["Subject"] == "3 notifications"
    assert plain_of(mail).count("Budget Food is above 80 %") == 3
    assert visible(page_of(mail)).count("Budget Food is above 80 %") == 4  # the first one is the preview too
    assert states(database) == ["sent"] * 3


def test_a_mail_has_a_link_that_ends_its_kind(
    settings: Settings, database: Database, client: httpx.Client
) -> None:
    server, public = MailServer(), str(client.base_url).rstrip("/")
    with server.running(), sending(settings, server, public_url=public) as here:
        user_id = user_with_mail(database)
        tell(database, user_id)
        here.run()
        [mail] = server.received
        # One click wants an encrypted connection, which there is none in tests.
        assert mail["List-Unsubscribe-Post"] is None
        url = mail["List-Unsubscribe"].strip("<>")
        assert url in page_of(mail)
        assert url in plain_of(mail)
        assert client.post(url, data={"List-Unsubscribe": "One-Click"}).status_code == 200
        tell(database, user_id)
        here.run()
    assert len(server.received) == 1
    assert wants_mails(database, user_id, "budget.threshold", "digest.ready") == [False, True]


def test_a_mail_of_several_kinds_has_a_link_that_ends_all_but_those_of_security(
    settings: Settings, database: Database, client: httpx.Client
) -> None:
    server, public = MailServer(), str(client.base_url).rstrip("/")
    with server.running(), sending(settings, server, public_url=public) as here:
        user_id = user_with_mail(database)
        tell(database, user_id, "debt.reminder", "budget.threshold", "security.new_login")
        here.run()
        url = server.received[0]["List-Unsubscribe"].strip("<>")
        tell(database, user_id, "debt.reminder")  # it waits for the channel's rest
        assert client.post(url).status_code == 200
        tell(database, user_id, "security.new_login")
        for words in (visible(page_of(server.received[0])), " ".join(plain_of(server.received[0]).split())):
            assert "you get mails about budgets that reach a threshold; debts that somebody reminds" in words
    kinds = ("debt.reminder", "budget.threshold", "security.new_login", "digest.ready")
    assert wants_mails(database, user_id, *kinds) == [False, False, True, True]
    assert states(database) == ["sent", "sent", "sent", "dead", "pending"]


def test_over_https_one_click_is_enough_and_the_header_is_read_as_it_is(
    settings: Settings, database: Database
) -> None:
    server = MailServer()
    with server.running(), sending(settings, server, public_url="https://outlay.example.org") as here:
        tell(database, user_with_mail(database))
        here.run()
    [raw] = server.raw
    [header] = [line for line in raw.split(b"\r\n") if line.startswith(b"List-Unsubscribe:")]
    assert re.fullmatch(
        rb"List-Unsubscribe: <https://outlay\.example\.org/v1/unsubscribe/[\w-]{40,}\.[\w-]{43}>", header
    )
    assert server.received[0]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def sending(settings: Settings, server: MailServer, *, public_url: str) -> AbstractContextManager[Courier]:
    return courier(settings, mail_url=server.url, mail_from=MAIL_FROM, public_url=public_url)


def wants_mails(database: Database, user_id: UUID, *kinds: str) -> list[bool]:
    with database.reading() as session:
        choices = load_settings_of(session, user_id=user_id).choices
    return [is_wanted(kind, "email", choices) for kind in kinds]


def test_a_mail_that_is_refused_for_its_content_leaves_the_channel_on(
    settings: Settings, database: Database
) -> None:
    server = MailServer(data_reply="554 5.7.1 this looks like spam")
    with server.running(), courier(settings, mail_url=server.url, mail_from=MAIL_FROM) as here:
        user_id = user_with_mail(database)
        tell(database, user_id)
        here.run()
    assert states(database) == ["dead"]
    assert channel(database, user_id).state == "active"


@pytest.fixture
def desk(settings: Settings, database: Database) -> DigestDesk:
    return DigestDesk(settings, database)


def with_mail(database: Database, me: Spender) -> None:
    """A verified address, and the channel that a registration makes."""
    with database.transaction() as session:
        session.execute(update(User).where(User.id == me.id).values(email_verified_at=clock.now()))
        add_mail_channel(session, user_id=me.id, now=clock.now())


def test_a_weekly_digest_comes_with_its_figures_and_its_chart(
    settings: Settings, database: Database, desk: DigestDesk
) -> None:
    me, server = Spender(database, timezone="Europe/Berlin"), MailServer()
    with_mail(database, me)
    with at("2026-05-10T12:00:00"):
        desk.plan(me, "weekly")
        me.budget("100.00", categories=["food"])
        me.spend("10.00", "2026-05-03", category="travel")
        me.spend("90.00", "2026-05-04", category="groceries", payee="Market & Sons")
        me.spend("20.00", "2026-05-10", category="dining")
        me.spend("7.00", "2026-05-02", currency="USD")  # of which there is no rate
    with at("2026-05-11T06:10:00"):
        desk.run()
        publish(desk)
        with server.running(), courier(settings, mail_url=server.url, mail_from=MAIL_FROM) as here:
            assert here.run() == 1
    [mail] = server.received
    assert mail["Subject"] == "Your week: €110.00 spent"
    [image] = [part for part in mail.walk() if part.get_content_type() == "image/png"]
    assert image["Content-ID"] == "<spending>"
    assert image.get_content().startswith(b"\x89PNG")
    assert 'src="cid:spending"' in page_of(mail)
    for words in (visible(page_of(mail)), " ".join(plain_of(mail).split())):
        assert "4\N{EN DASH}10 May 2026" in words
        assert "€100.00 more than the week before (€10.00); $7.00 the week before had no" in words
        assert "food / groceries" in words
        assert "€110.00 of €100.00 in May 2026" in words
        assert "€10.00 over" in words
        assert "Market & Sons" in words
    assert states(database) == ["sent"]
    [run] = desk.runs(me)
    assert run.period_end == date(2026, 5, 11)


def publish(desk: DigestDesk) -> None:
    """As the worker does with new notifications."""
    with desk.database.transaction() as session:
        rows = claim_rows(session, job=DELIVER_NOTIFICATIONS)
        apply_delivery(desk.runtime, session, {row.key: [row] for row in rows})
        settle_rows(session, rows)


def test_a_digest_that_comes_with_others_shows_them_above(settings: Settings, database: Database) -> None:
    server = MailServer()
    with server.running(), courier(settings, mail_url=server.url, mail_from=MAIL_FROM) as here:
        user_id = user_with_mail(database)
        digest_id = new_digest(database, user_id)
        tell(database, user_id, "budget.threshold", "digest.ready", digest_id=str(digest_id))
        assert here.run() == 1
    [mail] = server.received
    assert mail["Subject"] == "Your day: €0.00 spent"
    words = visible(page_of(mail))
    assert words.index("Budget Food is above 80 %") < words.index("€0.00", words.index("Your day"))
    assert "Budget Food is above 80 %" in plain_of(mail)


def test_a_digest_that_is_forgotten_is_told_in_short(settings: Settings, database: Database) -> None:
    server = MailServer()
    with server.running(), courier(settings, mail_url=server.url, mail_from=MAIL_FROM) as here:
        user_id = user_with_mail(database)
        missing = "018f0000-0000-7000-8000-000000000000"
        tell(database, user_id, "digest.ready", digest_id=missing)
        assert here.run() == 1
    assert server.received[0]["Subject"] == "Your summary is ready"
