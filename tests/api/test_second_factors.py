"""One-time codes at logins, and the recovery codes that stand in for them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pyotp
import pytest
import time_machine
from sqlalchemy import select

from core import clock
from core.database import Database
from core.models import Challenge, RecoveryCode, SecondFactor
from core.services.challenges import LIFETIME, MAX_ATTEMPTS, purge_challenges
from tests.api.accounts import count, deactivate, status_with
from tests.api.calls import another, problem, read, wrong_fields
from tests.cast import PASSWORD, Cast, Person

FACTOR = "/v1/me/second-factor"


def begin(person: Person, password: str = PASSWORD) -> httpx.Response:
    return person.client.post(FACTOR, json={"password": password})


def enable(person: Person) -> tuple[pyotp.TOTP, list[str]]:
    """The authenticator app and the recovery codes; the app's next code is another one than was confirmed."""
    totp = pyotp.TOTP(begin(person).json()["secret"])
    answer = person.client.post(
        f"{FACTOR}/confirm", json={"code": totp.at(clock.now() - timedelta(seconds=30))}
    )
    assert answer.status_code == 200, answer.text
    return totp, answer.json()["recovery_codes"]


def first_factor(client: httpx.Client, login: str = "owner") -> str:
    """The challenge of a login."""
    answer = problem(client.post("/v1/auth/login", json={"login": login, "password": PASSWORD}), 401)
    assert answer["error"] == "second_factor_required"
    challenge: str = answer["challenge"]
    return challenge


def answer_with(client: httpx.Client, challenge: str, code: str) -> httpx.Response:
    return client.post("/v1/auth/second-factor", json={"challenge": challenge, "code": code})


def changes(person: Person) -> list[Any]:
    items = read(person.client, "/v1/notifications")["items"]
    return [one["data"].get("change") for one in reversed(items)]


def test_logins_ask_for_a_code_once_one_was_confirmed(cast: Cast, client: httpx.Client) -> None:
    new = begin(cast.owner).json()
    assert new["uri"] == f"otpauth://totp/Outlay:owner?secret={new['secret']}&issuer=Outlay"
    login = client.post("/v1/auth/login", json={"login": "owner", "password": PASSWORD})
    assert login.status_code == 200, "what was not confirmed locks nobody out"
    assert read(cast.owner.client, FACTOR) == {
        "is_enabled": False, "confirmed_at": None, "recovery_codes_left": 0,
    }  # fmt: skip
    totp, codes = enable(cast.owner)
    state = read(cast.owner.client, FACTOR)
    assert (state["is_enabled"], state["recovery_codes_left"]) == (True, 10)
    assert len(set(codes)) == 10
    tokens = answer_with(client, first_factor(client), totp.at(clock.now()))
    assert tokens.headers["Cache-Control"] == "no-store"
    assert status_with(client, tokens.json()["access_token"]) == 200
    assert changes(cast.owner) == ["second_factor_on"]
    assert cast.member.client.get(FACTOR).json()["is_enabled"] is False


def test_the_password_grant_asks_as_well(cast: Cast, client: httpx.Client) -> None:
    totp, _ = enable(cast.owner)
    form = {"grant_type": "password", "username": "owner", "password": PASSWORD}
    answer = problem(client.post("/v1/auth/token", data=form), 401)
    assert answer_with(client, answer["challenge"], totp.at(clock.now())).status_code == 200


def test_who_does_not_know_the_password_learns_nothing_of_the_second_factor(
    cast: Cast, client: httpx.Client
) -> None:
    enable(cast.owner)
    answers = [
        client.post("/v1/auth/login", json={"login": login, "password": "not my password"}).content
        for login in ("owner", "member", "nobody")
    ]
    assert len(set(answers)) == 1


def test_a_code_counts_once(cast: Cast, client: httpx.Client) -> None:
    totp, _ = enable(cast.owner)
    code = totp.at(clock.now())
    assert answer_with(client, first_factor(client), code).status_code == 200
    assert answer_with(client, first_factor(client), code).status_code == 401


def test_of_many_who_send_the_code_at_once_one_gets_in(cast: Cast, client: httpx.Client) -> None:
    totp, _ = enable(cast.owner)
    challenges = [first_factor(client) for _ in range(4)]
    clients = [another(cast.stranger.client) for _ in challenges]
    code = totp.at(clock.now())
    with ThreadPoolExecutor(4) as threads:
        answers = threads.map(
            lambda pair: answer_with(*pair, code).status_code, zip(clients, challenges, strict=True)
        )
        assert sorted(answers) == [200, 401, 401, 401]
    for one in clients:
        one.close()


def test_a_challenge_allows_five_attempts_and_five_minutes(
    cast: Cast, client: httpx.Client, database: Database
) -> None:
    totp, _ = enable(cast.owner)
    challenge = first_factor(client)
    for _ in range(MAX_ATTEMPTS):
        assert answer_with(client, challenge, "000000").status_code == 401
    assert answer_with(client, challenge, totp.at(clock.now())).status_code == 401
    late = first_factor(client)
    with time_machine.travel(clock.now() + LIFETIME + timedelta(seconds=1)):
        assert answer_with(client, late, totp.at(clock.now())).status_code == 401
        with database.transaction() as session:
            assert purge_challenges(session) == 2
    assert count(database, Challenge) == 0


@pytest.mark.parametrize("code", ["", "0", "00000000", "١٢٣٤٥٦", "abc", "-1", " "])
def test_what_is_no_code_is_wrong_like_any_other(cast: Cast, client: httpx.Client, code: str) -> None:
    enable(cast.owner)
    assert answer_with(client, first_factor(client), code).status_code == 401
    assert answer_with(client, "no challenge", code).status_code == 401


def test_a_code_may_be_half_a_minute_old_and_no_more(cast: Cast, client: httpx.Client) -> None:
    totp, _ = enable(cast.owner)
    now = clock.now()
    with time_machine.travel(now + timedelta(minutes=5), tick=False):
        late = totp.at(clock.now() - timedelta(seconds=60))
        assert answer_with(client, first_factor(client), late).status_code == 401
        just = totp.at(clock.now() - timedelta(seconds=30))
        assert answer_with(client, first_factor(client), f"{just[:3]} {just[3:]}").status_code == 200


def test_a_recovery_code_stands_in_once_however_it_is_typed(
    cast: Cast, client: httpx.Client, database: Database
) -> None:
    _, codes = enable(cast.owner)
    typed = codes[0].upper().replace("-", " ")
    assert answer_with(client, first_factor(client), typed).status_code == 200
    assert answer_with(client, first_factor(client), codes[0]).status_code == 401
    assert answer_with(client, first_factor(client), codes[1]).status_code == 200
    assert read(cast.owner.client, FACTOR)["recovery_codes_left"] == 8
    with database.reading() as session:
        stored = b"".join(session.scalars(select(RecoveryCode.code_hash)))
    assert codes[2].replace("-", "").encode() not in stored


def test_new_recovery_codes_void_the_old_ones(cast: Cast, client: httpx.Client) -> None:
    totp, old = enable(cast.owner)
    body = {"password": PASSWORD, "code": totp.at(clock.now())}
    answer = cast.owner.client.post(f"{FACTOR}/recovery-codes", json=body)
    new = answer.json()["recovery_codes"]
    assert not set(new) & set(old)
    assert answer_with(client, first_factor(client), old[0]).status_code == 401
    assert answer_with(client, first_factor(client), new[0]).status_code == 200
    assert changes(cast.owner) == ["second_factor_on", "recovery_codes"]


def test_it_ends_with_the_password_and_a_code_only(
    cast: Cast, client: httpx.Client, database: Database
) -> None:
    totp, codes = enable(cast.owner)

    def end(password: str, code: str) -> httpx.Response:
        return cast.owner.client.request("DELETE", FACTOR, json={"password": password, "code": code})

    assert problem(end("not my password", totp.at(clock.now())), 403)
    assert wrong_fields(end(PASSWORD, "000000")) == ["/code"]
    assert end(PASSWORD, codes[0]).status_code == 204
    assert client.post("/v1/auth/login", json={"login": "owner", "password": PASSWORD}).status_code == 200
    assert problem(end(PASSWORD, codes[1]), 404)
    assert (count(database, SecondFactor), count(database, RecoveryCode)) == (0, 0)
    assert changes(cast.owner) == ["second_factor_on", "second_factor_off"]


def test_it_is_begun_with_the_password_and_confirmed_with_the_right_code(cast: Cast) -> None:
    assert problem(begin(cast.owner, "not my password"), 403)
    assert problem(cast.owner.client.post(f"{FACTOR}/confirm", json={"code": "000000"}), 404)
    first, second = (begin(cast.owner).json()["secret"] for _ in range(2))
    assert first != second
    now = clock.now()
    old = cast.owner.client.post(f"{FACTOR}/confirm", json={"code": pyotp.TOTP(first).at(now)})
    assert wrong_fields(old) == ["/code"]
    assert cast.owner.client.post(f"{FACTOR}/confirm", json={"code": pyotp.TOTP(second).at(now)}).is_success
    assert problem(begin(cast.owner), 409)
    assert problem(cast.owner.client.post(f"{FACTOR}/confirm", json={"code": "000000"}), 409)


def test_who_is_deactivated_half_way_does_not_get_in(
    cast: Cast, client: httpx.Client, database: Database
) -> None:
    totp, _ = enable(cast.owner)
    challenge = first_factor(client)
    deactivate(database, cast.owner.id)
    assert answer_with(client, challenge, totp.at(clock.now())).status_code == 401


def test_the_secret_is_in_no_table(cast: Cast, database: Database) -> None:
    secret = begin(cast.owner).json()["secret"]
    with database.reading() as session:
        row = session.scalars(select(SecondFactor)).one()
    assert secret not in str({column.name: getattr(row, column.name) for column in row.__table__.columns})
