"""An address is verified by the code that is mailed to it, and by nothing else."""

import re
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import msgspec
import pytest
from sqlalchemy import select, update

from core import clock
from core.config import Settings
from core.database import Database
from core.ids import new_id
from core.job_names import SEND_MAIL
from core.mail_tokens import PAUSE, TOKEN_CHARACTERS, VERIFY_EMAIL, mail_token
from core.models import OutboxRow, User
from core.queries.users import account_key
from core.security import VERIFICATION_LIFETIME, Tokens
from tests.api.accounts import deactivate
from tests.api.calls import problem, read, wrong_fields
from tests.api.mailbox import code_in, mails_to
from tests.cast import Cast, Person
from tests.mail_server import mails_in, text_of
from workers.runtime import Runtime


def token_for(person: Person, settings: Settings, **changes: object) -> str:
    values = {
        "secret": settings.secret,
        "user_id": person.id,
        "covers": account_key(f"{person.username}@example.com"),
        "expires_at": clock.now() + VERIFICATION_LIFETIME,
        **changes,
    }
    return mail_token(values.pop("secret"), VERIFY_EMAIL, **values)  # type: ignore[arg-type]


def verify(client: httpx.Client, token: str) -> httpx.Response:
    return client.post("/v1/auth/verify-email", json={"token": token})


def is_verified(person: Person) -> bool:
    found: bool = read(person.client, "/v1/me")["email_verified"]
    return found


def asked_at(database: Database, person: Person, at: datetime) -> None:
    with database.transaction() as session:
        session.execute(update(User).where(User.id == person.id).values(verification_asked_at=at))


def test_whoever_registers_is_sent_a_code_that_verifies_the_address(
    cast: Cast, client: httpx.Client, mail_worker: Runtime, tmp_path: Path
) -> None:
    assert mails_in(tmp_path) == [], "the answer to a registration has not waited for a mail"
    assert not is_verified(cast.owner)
    [mail] = mails_to(mail_worker, tmp_path, "owner@example.com")
    answer = verify(client, code_in(mail))
    assert (answer.status_code, answer.content) == (204, b"")
    assert is_verified(cast.owner)
    assert not is_verified(cast.member)


def test_the_mail_says_whose_it_is_and_how_to_send_the_code(
    cast: Cast, mail_worker: Runtime, tmp_path: Path
) -> None:
    [mail] = mails_to(mail_worker, tmp_path, "owner@example.com")
    text, code = text_of(mail), code_in(mail)
    assert '"owner"' in text
    command = text.partition("curl ")[2].partition("\n\n")[0]
    assert "-X POST https://outlay.example.org/v1/auth/verify-email" in command
    assert f"""-d '{{"token": "{code}"}}'""" in command
    assert max(map(len, text.splitlines())) < 100


def test_the_same_code_may_be_sent_again(cast: Cast, client: httpx.Client, settings: Settings) -> None:
    token = token_for(cast.owner, settings)
    assert [verify(client, token).status_code for _ in range(2)] == [204, 204]
    me = cast.owner.client.get("/v1/me")
    assert (me.json()["email_verified"], me.headers["ETag"]) == (True, '"2"'), "it was one change"


def test_a_code_may_be_sent_under_an_idempotency_key(
    cast: Cast, client: httpx.Client, settings: Settings
) -> None:
    headers = {"Idempotency-Key": "verify-1"}
    body = {"token": token_for(cast.owner, settings)}
    for _ in range(2):
        assert client.post("/v1/auth/verify-email", json=body, headers=headers).status_code == 204
    other = {"token": token_for(cast.member, settings)}
    assert problem(client.post("/v1/auth/verify-email", json=other, headers=headers), 409)


def test_a_code_that_is_no_good_is_named_and_changes_nothing(
    cast: Cast, client: httpx.Client, settings: Settings
) -> None:
    good, owner = token_for(cast.owner, settings), cast.owner
    claims, _, proof = good.partition(".")
    stranger_claims, _, stranger_proof = token_for(cast.stranger, settings).partition(".")
    session = Tokens(settings.secret).access_token(user_id=owner.id, session_id=new_id(), now=clock.now())
    for token in (
        "",
        "x",
        "ü",
        ".",
        good[:-1],
        good + "A",
        good + "=",
        good.swapcase(),
        claims,
        f"{claims}.",
        f".{proof}",
        f"{stranger_claims}.{proof}",
        f"{claims}.{stranger_proof}",
        f"{claims}={'.' + proof}",
        f"{claims}AAAA.{proof}",
        "A" * 2 * TOKEN_CHARACTERS,
        "A" * 3 * TOKEN_CHARACTERS,
        session,
        token_for(owner, settings, secret="another secret that is long enough"),
        token_for(owner, settings, covers="somebody@example.com"),
        token_for(owner, settings, user_id=new_id()),
        token_for(owner, settings, expires_at=clock.now()),
        token_for(owner, settings, expires_at=clock.now() - timedelta(days=400)),
    ):
        assert wrong_fields(verify(client, token)) == ["/token"], token
    assert not any(map(is_verified, (cast.owner, cast.member, cast.stranger)))


@pytest.mark.parametrize("token", [None, 1, ["x"], {}, "a\0b", "\ud800"])
def test_what_is_no_text_is_no_code(client: httpx.Client, token: object) -> None:
    body = msgspec.json.encode({"token": token}) if token != "\ud800" else b'{"token": "\\ud800"}'
    headers = {"Content-Type": "application/json"}
    assert wrong_fields(client.post("/v1/auth/verify-email", content=body, headers=headers)) == ["/token"]


def test_a_code_is_void_once_the_address_is_another(
    cast: Cast, client: httpx.Client, database: Database, settings: Settings
) -> None:
    token = token_for(cast.owner, settings)
    with database.transaction() as session:
        session.execute(update(User).where(User.id == cast.owner.id).values(email_key="new@example.com"))
    assert wrong_fields(verify(client, token)) == ["/token"]
    assert not is_verified(cast.owner)


def test_who_is_deactivated_or_deleted_verifies_nothing(
    cast: Cast, client: httpx.Client, database: Database, settings: Settings
) -> None:
    deactivate(database, cast.owner.id)
    with database.transaction() as session:
        session.delete(session.get_one(User, cast.member.id))
    for person in (cast.owner, cast.member):
        assert wrong_fields(verify(client, token_for(person, settings))) == ["/token"]


def test_the_mail_is_sent_again_but_not_within_a_minute(
    cast: Cast, client: httpx.Client, database: Database, mail_worker: Runtime, tmp_path: Path
) -> None:
    me = cast.owner
    too_soon = problem(me.client.post("/v1/me/verify-email"), 409)
    assert re.search(r"in \d+ seconds", too_soon["detail"])
    asked_at(database, me, clock.now() - PAUSE)
    again = me.client.post("/v1/me/verify-email")
    assert (again.status_code, again.content) == (202, b"")
    assert me.client.post("/v1/me/verify-email").status_code == 409
    first, second = mails_to(mail_worker, tmp_path, "owner@example.com")
    assert first["Message-ID"] != second["Message-ID"]
    assert verify(client, code_in(second)).status_code == 204
    assert "verified already" in problem(me.client.post("/v1/me/verify-email"), 409)["detail"]


def test_asking_twice_under_one_key_sends_one_mail(cast: Cast, database: Database) -> None:
    asked_at(database, cast.owner, clock.now() - PAUSE)
    headers = {"Idempotency-Key": "again"}
    for _ in range(2):
        assert cast.owner.client.post("/v1/me/verify-email", headers=headers).status_code == 202
    with database.reading() as session:
        staged = session.scalars(
            select(OutboxRow).where(OutboxRow.job == SEND_MAIL, OutboxRow.key == str(cast.owner.id))
        ).all()
    assert len(staged) == 2, "the one of the registration, and this"


def test_the_code_of_an_earlier_mail_is_good_for_three_days(
    cast: Cast, client: httpx.Client, database: Database, mail_worker: Runtime, tmp_path: Path
) -> None:
    asked_at(database, cast.owner, clock.now() - VERIFICATION_LIFETIME + timedelta(minutes=1))
    [mail] = mails_to(mail_worker, tmp_path, "owner@example.com")
    assert verify(client, code_in(mail)).status_code == 204
