"""Mails over a real SMTP server and into a folder: what arrives, and what is said when it does not."""

import logging
import shutil
import stat
import subprocess
from dataclasses import replace
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from core import clock
from core.errors import OutlayError
from core.mail_messages import AddressRefused, Mail, MailRefused, message_line, parse_address
from core.mailer import FolderMailer, MailBroken, MailDeferred, MailUnavailable, SmtpMailer, new_mailer
from tests.mail_server import (
    MAIL_FROM,
    MailServer,
    authenticator,
    mails_in,
    silent_server,
    text_of,
    tls_context,
)

MAIL = Mail("ada@example.com", "Hello", "Dear Ada,\n\n    aZ_-09\n", "0198f3a5-6c1e")


def send(server: MailServer, mail: Mail = MAIL, query: str = "") -> None:
    new_mailer(f"{server.url}{query}", MAIL_FROM).send(mail)


def failure(server: MailServer, mail: Mail = MAIL, query: str = "") -> OutlayError:
    with pytest.raises(OutlayError) as failed:
        send(server, mail, query)
    return failed.value


def test_what_arrives_is_what_was_sent() -> None:
    with MailServer().running() as server:
        send(server)
    [message] = server.received
    assert {name: value for name, value in message.items() if name != "Date"} == {
        "Message-ID": "<0198f3a5-6c1e@example.org>",
        "Auto-Submitted": "auto-generated",
        "From": MAIL_FROM,
        "To": "ada@example.com",
        "Subject": "Hello",
        "Content-Type": 'text/plain; charset="utf-8"',
        "Content-Transfer-Encoding": "7bit",
        "MIME-Version": "1.0",
    }
    assert text_of(message) == MAIL.text
    assert abs(parsedate_to_datetime(message["Date"]) - clock.now()) < timedelta(minutes=1)
    assert (server.senders, server.recipients) == (["outlay@example.org"], ["ada@example.com"])


def test_letters_of_every_language_arrive() -> None:
    text = "Žluťoučký kůň, 家計簿 🧾\n" + "ö" * 2_000 + "\n"
    with MailServer().running() as server:
        send(server, replace(MAIL, subject="Grüße, 田中 🧾", text=text))
    [message] = server.received
    assert (message["Subject"], text_of(message)) == ("Grüße, 田中 🧾", text)


def test_long_lines_are_not_sent_as_they_are() -> None:
    text = "x" * 5_000 + "\n"
    with MailServer().running() as server:
        send(server, replace(MAIL, text=text))
    [message] = server.received
    assert text_of(message) == text


@pytest.mark.parametrize("breaks", ["\r\n", "\n", "\r", "\r\n\r\n", "\x0b", "\x0c", "\x85", "\u2028", "\0"])
def test_nobody_writes_a_header_by_a_name(breaks: str) -> None:
    with MailServer().running() as server:
        send(server, replace(MAIL, subject=f"Trip{breaks}Bcc: eve@example.com"))
    [message] = server.received
    assert message["Subject"] == "Trip Bcc: eve@example.com"
    assert message["Bcc"] is None
    assert text_of(message) == MAIL.text
    assert server.recipients == ["ada@example.com"]


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ada",
        "@example.com",
        "ada@",
        "ada@example.com\r\nBcc: eve@example.com",
        "ada@example.com\nRCPT TO:<eve@example.com>",
        "ada@example.com, eve@example.com",
        "ada@example.com> SIZE=1 <eve@example.com",
        "Ada <ada@example.com>",
        "a,b@example.com",
        "ada.@example.com",
        "ada@-example.com",
        "ada@exa_mple.com",
        "ada@example..com",
        "ada@" + "ü" * 70 + ".com",
        "ada\u2028@example.com",
        "ada@example.com\0",
    ],
)
def test_a_malformed_address_is_refused_before_anybody_is_asked(address: str) -> None:
    with pytest.raises(MailRefused):
        new_mailer("smtp://127.0.0.1:1", MAIL_FROM).send(replace(MAIL, to=address))


def test_a_domain_in_other_letters_is_sent_in_ascii() -> None:
    with MailServer().running() as server:
        send(server, replace(MAIL, to="ada@bücher.example"))
    assert server.recipients == ["ada@xn--bcher-kva.example"]
    assert parse_address("ada@BÜCHER.example").addr_spec == "ada@xn--bcher-kva.example"
    with pytest.raises(MailRefused, match="ambiguously"):
        parse_address("ada@faß.example")


def test_a_name_in_other_letters_needs_a_server_that_takes_it() -> None:
    mail = replace(MAIL, to="äda@example.com")
    with MailServer().running(enable_SMTPUTF8=False) as server:
        assert "ASCII" in failure(server, mail).detail
    with MailServer().running(enable_SMTPUTF8=True) as server:
        send(server, mail)
    assert server.recipients == ["äda@example.com"]
    assert server.received[0]["To"] == "äda@example.com"


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        ("552 5.2.2 the mailbox is full", MailRefused),
        ("450 4.2.0 greylisted, come again", MailDeferred),
        ("421 4.3.2 shutting down", MailBroken),
        ("530 5.7.0 log in first", MailBroken),
    ],
)
def test_what_the_server_says_of_a_recipient_or_of_the_text(reply: str, error: type[Exception]) -> None:
    for server in (MailServer(refusals={MAIL.to: reply}), MailServer(data_reply=reply)):
        with server.running():
            failed = failure(server)
        assert type(failed) is error
        assert reply.partition(" ")[2] in failed.detail
        assert server.received == []


def test_only_an_address_that_nobody_has_is_refused_for_all_mails() -> None:
    reply = "550 5.1.1 nobody here"
    with MailServer(refusals={MAIL.to: reply}).running() as server:
        assert type(failure(server)) is AddressRefused
    with MailServer(data_reply=reply).running() as server:
        assert type(failure(server)) is MailRefused


def test_a_sender_that_may_not_send_is_no_fault_of_the_mail() -> None:
    with MailServer(mail_reply="553 not yours").running() as server:
        failed = failure(server)
    assert type(failed) is MailUnavailable
    assert "outlay@example.org may not send" in failed.detail


@pytest.mark.parametrize(
    ("reply", "to"), [("552 5.3.4 too large", MAIL.to), ("550 no such letters", "äda@example.com")]
)
def test_what_the_server_says_of_a_sender_may_be_due_to_the_mail(reply: str, to: str) -> None:
    with MailServer(mail_reply=reply).running(enable_SMTPUTF8=True) as server:
        assert type(failure(server, replace(MAIL, to=to))) is MailDeferred


def test_a_server_that_hangs_up_in_the_middle_may_do_so_for_this_mail() -> None:
    with MailServer(dropped={MAIL.to}).running() as server:
        assert type(failure(server)) is MailBroken


def test_a_server_that_does_not_answer_in_the_middle_may_do_so_for_this_mail() -> None:
    with MailServer(ignored={MAIL.to}).running() as server:
        mailer = new_mailer(server.url, MAIL_FROM)
        assert isinstance(mailer, SmtpMailer)
        with pytest.raises(MailBroken, match="timed out"):
            replace(mailer, timeout_s=0.5).send(MAIL)


def test_a_server_that_is_slow_with_every_answer_is_given_up() -> None:
    with MailServer(thinks_for_s=1.5).running() as server:
        mailer = new_mailer(server.url, MAIL_FROM)
        assert isinstance(mailer, SmtpMailer)
        with pytest.raises(MailBroken, match="takes too long"):
            replace(mailer, steps_time_s=1.0).send(MAIL)
    assert server.received == []


def test_what_a_slow_server_has_said_counts() -> None:
    with MailServer(thinks_for_s=1.5, mail_reply="550 nobody may").running() as server:
        mailer = new_mailer(server.url, MAIL_FROM)
        assert isinstance(mailer, SmtpMailer)
        with pytest.raises(MailUnavailable, match="nobody may"):
            replace(mailer, steps_time_s=1.0).send(MAIL)


def test_a_server_that_is_not_there_is_unavailable() -> None:
    assert type(failure(MailServer())) is MailUnavailable


def test_a_server_that_says_nothing_is_given_up() -> None:
    with silent_server() as listener:
        mailer = new_mailer(f"smtp://127.0.0.1:{listener.getsockname()[1]}", MAIL_FROM)
        assert isinstance(mailer, SmtpMailer)
        with pytest.raises(MailUnavailable, match="timed out"):
            replace(mailer, timeout_s=0.2).send(MAIL)


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_it_logs_in() -> None:
    options = {
        "authenticator": authenticator("ada", "p@ss"),
        "auth_required": True,
        "auth_require_tls": False,
    }
    server = MailServer()
    signed_in = new_mailer(f"smtp://ada:p%40ss@127.0.0.1:{server.port}?tls=offered", MAIL_FROM)
    wrong = new_mailer(f"smtp://ada:pass@127.0.0.1:{server.port}?tls=offered", MAIL_FROM)
    with server.running(**options):
        signed_in.send(MAIL)
        with pytest.raises(MailUnavailable) as failed:
            wrong.send(MAIL)
        assert type(failure(server)) is MailUnavailable
    assert len(server.received) == 1
    assert "pass" not in repr(wrong).replace("password", "")
    assert "535" in failed.value.detail


def test_a_password_is_not_sent_in_the_clear_unless_one_says_so() -> None:
    options = {"authenticator": authenticator("ada", "p@ss"), "auth_require_tls": False}
    with MailServer().running(**options) as server:
        mailer = new_mailer(f"smtp://ada:p%40ss@127.0.0.1:{server.port}", MAIL_FROM)
        with pytest.raises(MailUnavailable, match="STARTTLS"):
            mailer.send(MAIL)
        assert "STARTTLS" in failure(server, query="?tls=required").detail
    assert server.received == []


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate")
def test_tls_is_used_when_it_is_offered_and_checked_when_it_is_required(tmp_path: Path) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subject = ["-subj", "/CN=localhost", "-days", "2", "-nodes"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", *subject, *files], check=True, capture_output=True
    )
    options = {"tls_context": tls_context(certificate, key), "require_starttls": True}
    with MailServer().running(**options) as server:
        send(server)
        assert "certificate" in failure(server, query="?tls=required").detail
    assert len(server.received) == 1
    with MailServer().running(ssl_context=tls_context(certificate, key)) as server:
        mailer = new_mailer(server.url.replace("smtp:", "smtps:"), MAIL_FROM)
        with pytest.raises(MailUnavailable, match="certificate"):
            mailer.send(MAIL)


def test_ports_are_those_of_submission_unless_they_are_named() -> None:
    ports = {}
    for url in ("smtp://mail.example.com", "smtps://mail.example.com", "smtp://mail.example.com:25/"):
        mailer = new_mailer(url, MAIL_FROM)
        assert isinstance(mailer, SmtpMailer)
        ports[url] = (mailer.port, mailer.security)
    assert list(ports.values()) == [(587, "offered"), (465, "implicit"), (25, "offered")]


def test_a_folder_holds_each_mail_as_a_private_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    folder = tmp_path / "two words" / "mail"
    mailer = new_mailer(folder.as_uri(), MAIL_FROM)
    assert isinstance(mailer, FolderMailer)
    mailer.send(MAIL)
    mailer.send(replace(MAIL, to="Zoë@bücher.example", subject="Grüße\r\nX: 1", text="ö\n", message_id="two"))
    first, second = sorted(folder.iterdir())
    assert [path.name.partition("-")[2] for path in (first, second)] == ["0198f3a5-6c1e.eml", "two.eml"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, first)] == [0o700, 0o600]
    assert "    aZ_-09" in first.read_text().splitlines(), "what is to be copied can be"
    mails = mails_in(folder)
    assert [mail["Message-ID"] for mail in mails] == ["<0198f3a5-6c1e@example.org>", "<two@example.org>"]
    assert mails[1]["To"] == "Zoë@xn--bcher-kva.example"
    assert (mails[1]["Subject"], text_of(mails[1])) == ("Grüße X: 1", "ö\n")
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [
        f"mail.written message_id=0198f3a5-6c1e file={first.name}",
        f"mail.written message_id=two file={second.name}",
    ]


def test_a_folder_that_cannot_be_written_to_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MailUnavailable):
        new_mailer((tmp_path / "file").as_uri(), MAIL_FROM).send(MAIL)


@pytest.mark.parametrize("message_id", ["", "a b", "a>\r\nBcc: x@y", "ü"])
def test_a_message_id_is_ours_to_choose_well(message_id: str) -> None:
    with pytest.raises(ValueError, match="Message-ID"):
        new_mailer("smtp://127.0.0.1:1", MAIL_FROM).send(replace(MAIL, message_id=message_id))


def test_a_line_of_a_mail_has_only_what_can_be_seen() -> None:
    assert message_line(" Trip\t\x1b[31m to\u202eRome\n") == "Trip [31m to Rome"
