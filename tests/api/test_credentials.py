"""Changing passwords and addresses, and getting back in without a password."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import bcrypt
import httpx
import pytest
import time_machine
from sqlalchemy import select, update

from core import clock
from core.config import Settings
from core.database import Database
from core.mail_tokens import PAUSE, RESET_PASSWORD, mail_token, reset_cover
from core.models import (
    ApiKey,
    Identity,
    LoginSession,
    OutboxRow,
    Passkey,
    RecoveryCode,
    SecondFactor,
    User,
)
from core.security import NO_PASSWORD, RESET_LIFETIME
from core.services.credentials import RESET, set_password
from tests.api.accounts import NEW_PASSWORD, deactivate, status_with
from tests.api.calls import another, new_webhook, problem, read, wrong_fields
from tests.api.every_table import add_one_of_everything
from tests.api.mailbox import code_in, mails_to
from tests.api.test_second_factors import enable
from tests.cast import PASSWORD, Cast, Person
from tests.mail_server import mails_in, text_of
from workers.runtime import Runtime

OTHER_HASH = bcrypt.hashpw(b"somebody else's password", bcrypt.gensalt(4)).decode()


def log_in(client: httpx.Client, password: str, login: str = "owner") -> httpx.Response:
    return client.post("/v1/auth/login", json={"login": login, "password": password})


def ask(client: httpx.Client, email: str = "owner@example.com") -> httpx.Response:
    return client.post("/v1/auth/password-reset", json={"email": email})


def confirm(client: httpx.Client, token: str, password: str = NEW_PASSWORD) -> httpx.Response:
    return client.post("/v1/auth/password-reset/confirm", json={"token": token, "password": password})


def change_password(person: Person, current: str = PASSWORD, new: str = NEW_PASSWORD) -> httpx.Response:
    body = {"current_password": current, "password": new}
    return person.client.post("/v1/me/password", json=body)


def ask_for_email(person: Person, email: str, password: str = PASSWORD) -> httpx.Response:
    return person.client.post("/v1/me/email", json={"email": email, "password": password})


def verify(client: httpx.Client, token: str) -> httpx.Response:
    return client.post("/v1/auth/verify-email", json={"token": token})


def reset_code(
    client: httpx.Client, mail_worker: Runtime, folder: Path, email: str = "owner@example.com"
) -> str:
    assert ask(client, email).status_code == 202
    return code_in(mails_to(mail_worker, folder, email)[-1])


def kinds(person: Person) -> list[str]:
    return [one["kind"] for one in read(person.client, "/v1/notifications")["items"]]


def user_row(database: Database, person: Person) -> Any:
    with database.reading() as session:
        return session.execute(select(User).where(User.id == person.id)).scalar_one()


def test_the_code_of_the_mail_sets_a_new_password_once_and_ends_all_logins(
    cast: Cast, client: httpx.Client, mail_worker: Runtime, tmp_path: Path
) -> None:
    code = reset_code(client, mail_worker, tmp_path)
    assert confirm(client, code).status_code == 204
    assert status_with(client, cast.owner.tokens["access_token"]) == 401
    refreshed = client.post("/v1/auth/refresh", json={"refresh_token": cast.owner.tokens["refresh_token"]})
    assert refreshed.status_code == 401
    assert log_in(client, PASSWORD).status_code == 401
    tokens = log_in(client, NEW_PASSWORD).json()
    assert wrong_fields(confirm(client, code, "yet another horse")) == ["/token"]
    mine = {"Authorization": f"Bearer {tokens['access_token']}"}
    me = client.get("/v1/me", headers=mine).json()
    assert me["email_verified"], "who has the mail's code has read what came to the address"
    [told] = client.get("/v1/notifications", headers=mine).json()["items"]
    assert told["kind"] == "security.password_changed"
    assert status_with(client, cast.member.tokens["access_token"]) == 200


def test_whether_an_address_has_an_account_no_answer_and_no_mail_tells(
    cast: Cast, client: httpx.Client, database: Database, mail_worker: Runtime, tmp_path: Path
) -> None:
    deactivate(database, cast.member.id)
    mails_to(mail_worker, tmp_path, "")
    before = len(mails_in(tmp_path))
    answers = [ask(client, f"{name}@example.com") for name in ("owner", "member", "nobody")]
    assert [answer.status_code for answer in answers] == [202] * 3
    assert len({tuple(sorted(answer.headers)) for answer in answers}) == 1
    with database.reading() as session:
        assert len(session.scalars(select(OutboxRow.id)).all()) == 3, "each asks for a mail"
    mails_to(mail_worker, tmp_path, "")
    assert len(mails_in(tmp_path)) == before + 1
    with database.reading() as session:
        assert session.scalars(select(OutboxRow.id)).all() == []


def test_the_mail_names_the_account_and_is_not_sent_twice_within_a_minute(
    cast: Cast, client: httpx.Client, mail_worker: Runtime, tmp_path: Path
) -> None:
    mails_to(mail_worker, tmp_path, "")
    ask(client)
    ask(client, "Owner@EXAMPLE.com")
    sent = mails_to(mail_worker, tmp_path, "owner@example.com")[1:]
    assert [mail["Subject"] for mail in sent] == ["Set a new password"]
    text = text_of(sent[0])
    assert "Hello owner," in text
    assert "https://outlay.example.org/v1/auth/password-reset/confirm" in text
    with time_machine.travel(clock.now() + PAUSE + timedelta(seconds=1)):
        ask(client)
        assert len(mails_to(mail_worker, tmp_path, "owner@example.com")) == 3


def test_a_code_lives_an_hour_and_dies_with_the_password_and_the_address(
    cast: Cast, client: httpx.Client, database: Database, settings: Settings
) -> None:
    user = user_row(database, cast.owner)

    def code(**changes: Any) -> str:
        values = {
            "user_id": user.id,
            "covers": reset_cover(user.password_hash, user.email_key),
            "expires_at": clock.now() + RESET_LIFETIME,
            **changes,
        }
        return mail_token(settings.secret, changes.pop("purpose", RESET_PASSWORD), **values)

    valid = code()
    assert wrong_fields(confirm(client, code(expires_at=clock.now()))) == ["/token"]
    assert wrong_fields(confirm(client, code(user_id=cast.member.id))) == ["/token"]
    assert wrong_fields(confirm(client, code(covers=user.email_key))) == ["/token"]
    assert wrong_fields(confirm(client, valid[:-1] + ("A" if valid[-1] != "A" else "B"))) == ["/token"]
    assert wrong_fields(confirm(client, "nonsense")) == ["/token"]
    assert change_password(cast.owner).status_code == 204
    assert wrong_fields(confirm(client, valid, "yet another horse")) == ["/token"]
    user = user_row(database, cast.owner)
    valid = code()
    with database.transaction() as session:
        session.execute(update(User).where(User.id == user.id).values(email_key="elsewhere@example.com"))
    assert wrong_fields(confirm(client, valid, "yet another horse")) == ["/token"]


def test_of_two_who_use_a_code_at_once_one_sets_the_password(
    cast: Cast, client: httpx.Client, mail_worker: Runtime, tmp_path: Path
) -> None:
    code = reset_code(client, mail_worker, tmp_path)
    clients = [another(cast.stranger.client) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda n: confirm(clients[n], code, f"horse number {n} is it"), range(4)))
    for one in clients:
        one.close()
    assert sorted(answer.status_code for answer in answers) == [204, 422, 422, 422]
    [winner] = [n for n in range(4) if answers[n].status_code == 204]
    assert log_in(client, f"horse number {winner} is it").status_code == 200


@pytest.mark.parametrize("password", ["short", "password1234", "owner@example.com", "p" * 73])
def test_a_new_password_must_be_as_good_as_the_first(
    cast: Cast, client: httpx.Client, mail_worker: Runtime, tmp_path: Path, password: str
) -> None:
    assert wrong_fields(change_password(cast.owner, new=password)) == ["/password"]
    code = reset_code(client, mail_worker, tmp_path)
    assert wrong_fields(confirm(client, code, password)) == ["/password"]
    assert log_in(client, PASSWORD).status_code == 200
    assert confirm(client, code).status_code == 204, "a refused password has not used the code up"


def test_who_changes_the_password_stays_and_all_other_devices_are_logged_out(
    cast: Cast, client: httpx.Client
) -> None:
    other = log_in(client, PASSWORD).json()
    assert change_password(cast.owner).status_code == 204
    assert cast.owner.client.get("/v1/me").status_code == 200
    assert status_with(client, other["access_token"]) == 401
    assert log_in(client, PASSWORD).status_code == 401
    assert log_in(client, NEW_PASSWORD).status_code == 200
    assert kinds(cast.owner) == ["security.password_changed"]


def test_a_password_is_changed_only_by_who_knows_it(cast: Cast, client: httpx.Client) -> None:
    assert "password" in problem(change_password(cast.owner, current=NEW_PASSWORD), 403)["detail"]
    assert problem(ask_for_email(cast.owner, "new@example.com", NEW_PASSWORD), 403)
    assert log_in(client, PASSWORD).status_code == 200
    assert kinds(cast.owner) == []


def test_who_has_no_password_gets_in_by_none_and_can_set_one_by_mail(
    cast: Cast, client: httpx.Client, database: Database, mail_worker: Runtime, tmp_path: Path
) -> None:
    with database.transaction() as session:
        session.execute(update(User).where(User.id == cast.owner.id).values(password_hash=NO_PASSWORD))
    for guess in (NO_PASSWORD, "", PASSWORD):
        assert log_in(client, guess).status_code == 401
    assert problem(change_password(cast.owner, current=NO_PASSWORD), 403)
    assert confirm(client, reset_code(client, mail_worker, tmp_path)).status_code == 204
    assert log_in(client, NEW_PASSWORD).status_code == 200


def test_a_new_address_counts_once_its_code_was_taken_and_the_former_one_is_told(
    cast: Cast, client: httpx.Client, mail_worker: Runtime, tmp_path: Path
) -> None:
    assert ask_for_email(cast.owner, "New@Example.com").status_code == 202
    assert read(cast.owner.client, "/v1/me")["email"] == "owner@example.com"
    [mail] = mails_to(mail_worker, tmp_path, "New@Example.com")
    assert verify(client, code_in(mail)).status_code == 204
    me = read(cast.owner.client, "/v1/me")
    assert (me["email"], me["email_verified"]) == ("New@Example.com", True)
    told = mails_to(mail_worker, tmp_path, "owner@example.com")[-1]
    assert told["Subject"] == "Your e-mail address was changed"
    assert "New@Example.com" in text_of(told)
    told_of = [one["data"]["change"] for one in read(cast.owner.client, "/v1/notifications")["items"]]
    assert told_of == ["email", "email_asked"]
    assert verify(client, code_in(mail)).status_code == 204, "twice is fine"
    assert log_in(client, PASSWORD, "new@example.com").status_code == 200
    assert log_in(client, PASSWORD, "owner@example.com").status_code == 401


def test_the_newest_change_counts_and_none_is_asked_for_twice_within_a_minute(
    cast: Cast, client: httpx.Client, mail_worker: Runtime, tmp_path: Path
) -> None:
    assert ask_for_email(cast.owner, "first@example.com").status_code == 202
    assert "seconds" in problem(ask_for_email(cast.owner, "second@example.com"), 409)["detail"]
    first = code_in(mails_to(mail_worker, tmp_path, "first@example.com")[0])
    with time_machine.travel(clock.now() + PAUSE + timedelta(seconds=1)):
        assert ask_for_email(cast.owner, "second@example.com").status_code == 202
        assert wrong_fields(verify(client, first)) == ["/token"]
        second = code_in(mails_to(mail_worker, tmp_path, "second@example.com")[0])
        assert verify(client, second).status_code == 204
    assert read(cast.owner.client, "/v1/me")["email"] == "second@example.com"


def test_an_address_that_another_account_has_is_refused_only_to_who_reads_its_mail(
    cast: Cast, client: httpx.Client, mail_worker: Runtime, tmp_path: Path
) -> None:
    assert ask_for_email(cast.owner, "member@example.com").status_code == 202
    mails = [
        mail for mail in mails_to(mail_worker, tmp_path, "member@example.com") if "new" in mail["Subject"]
    ]
    assert "taken" in problem(verify(client, code_in(mails[0])), 409)["detail"]
    assert read(cast.owner.client, "/v1/me")["email"] == "owner@example.com"
    assert "already" in problem(ask_for_email(cast.owner, "OWNER@example.com"), 409)["detail"]
    assert wrong_fields(ask_for_email(cast.owner, "no address")) == ["/email"]


def test_the_code_of_a_former_address_resets_nothing_any_more(
    cast: Cast, client: httpx.Client, mail_worker: Runtime, tmp_path: Path
) -> None:
    code = reset_code(client, mail_worker, tmp_path)
    assert ask_for_email(cast.owner, "new@example.com").status_code == 202
    verify(client, code_in(mails_to(mail_worker, tmp_path, "new@example.com")[0]))
    assert wrong_fields(confirm(client, code)) == ["/token"]


def test_a_new_password_takes_along_what_was_begun_with_the_old_one(
    cast: Cast, client: httpx.Client, mail_worker: Runtime, tmp_path: Path
) -> None:
    """Whoever had the old one may have asked for an address of theirs."""
    assert ask_for_email(cast.owner, "thief@example.com").status_code == 202
    [mail] = mails_to(mail_worker, tmp_path, "thief@example.com")
    assert confirm(client, reset_code(client, mail_worker, tmp_path)).status_code == 204
    assert wrong_fields(verify(client, code_in(mail))) == ["/token"]


def test_a_reset_ends_api_keys_and_of_an_unverified_address_every_other_way_in(
    cast: Cast, client: httpx.Client, database: Database, mail_worker: Runtime, tmp_path: Path
) -> None:
    """Somebody may have registered an address that is not theirs, and wait for its owner."""
    with database.transaction() as session:
        verified = update(User).where(User.id == cast.member.id)
        session.execute(verified.values(email_verified_at=clock.now()))
    ways = (ApiKey, Passkey, Identity, SecondFactor, RecoveryCode)
    for person in (cast.owner, cast.member):
        add_one_of_everything(database, person.id, seq=1_000)
        code = reset_code(client, mail_worker, tmp_path, f"{person.username}@example.com")
        assert confirm(client, code).status_code == 204
    with database.reading() as session:
        left = {way.__name__: set(session.scalars(select(way.user_id))) for way in ways}
    assert left == {way.__name__: set() if way is ApiKey else {cast.member.id} for way in ways}


def test_a_reset_switches_off_what_somebody_else_may_have_sent_to_themselves(
    cast: Cast, client: httpx.Client, mail_worker: Runtime, tmp_path: Path
) -> None:
    webhook = new_webhook(cast.owner.client)
    [told] = [one["data"] for one in read(cast.owner.client, "/v1/notifications")["items"]]
    assert told == {"change": "channel", "name": "example.com"}
    path = f"/v1/webhooks/{webhook['id']}"
    assert cast.owner.client.patch(path, json={"url": "https://example.net/hook"}).status_code == 200
    assert read(cast.owner.client, "/v1/notifications")["items"][0]["data"]["name"] == "example.net"
    assert cast.owner.client.patch(path, json={"name": "Mine"}).status_code == 200
    assert len(kinds(cast.owner)) == 2, "its name is nobody's business"
    assert confirm(client, reset_code(client, mail_worker, tmp_path)).status_code == 204
    mine = {"Authorization": f"Bearer {log_in(client, NEW_PASSWORD).json()['access_token']}"}
    [found] = client.get("/v1/webhooks", headers=mine).json()["items"]
    assert (found["is_active"], found["off_reason"]) == (False, RESET)
    [mail] = client.get("/v1/channels", headers=mine).json()["items"]
    assert (mail["kind"], mail["is_active"]) == ("email", True), "the address is that of the owner"
    assert client.patch(path, json={"is_active": True}, headers=mine).json()["is_active"]


@pytest.mark.parametrize("has_second_factor", [False, True])
def test_a_login_with_a_password_that_is_changed_while_it_is_checked_is_refused(
    cast: Cast,
    client: httpx.Client,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    has_second_factor: bool,
) -> None:
    if has_second_factor:
        enable(cast.owner)
    change_while_checking(database, cast.owner, monkeypatch)
    answer = problem(log_in(client, PASSWORD), 401)
    assert answer["error"] == "invalid_grant"
    with database.reading() as session:
        live = select(LoginSession).where(
            LoginSession.user_id == cast.owner.id, LoginSession.revoked_at.is_(None)
        )
        assert session.scalars(live).all() == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/me/password", {"current_password": PASSWORD, "password": NEW_PASSWORD}),
        ("POST", "/v1/me/email", {"email": "new@example.com", "password": PASSWORD}),
        ("POST", "/v1/me/second-factor", {"password": PASSWORD}),
        ("POST", "/v1/me/passkeys/options", {"password": PASSWORD}),
        ("DELETE", "/v1/me", {"password": PASSWORD}),
    ],
)
def test_what_needs_the_password_is_refused_if_it_is_changed_while_it_is_checked(
    cast: Cast,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    path: str,
    body: dict[str, str],
) -> None:
    change_while_checking(database, cast.owner, monkeypatch)
    refused = problem(cast.owner.client.request(method, path, json=body), 403)
    assert "meanwhile" in refused["detail"]
    assert user_row(database, cast.owner).password_hash == OTHER_HASH


def change_while_checking(database: Database, person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else sets a password right after bcrypt has said yes to the old one."""
    check = bcrypt.checkpw

    def checked(password: bytes, hashed: bytes) -> bool:
        is_right = check(password, hashed)
        with database.transaction() as session:
            set_password(session, user_id=person.id, password_hash=OTHER_HASH)
        return is_right

    monkeypatch.setattr(bcrypt, "checkpw", checked)
