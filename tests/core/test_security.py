"""Passwords and tokens: what is accepted, and above all what is not."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
import msgspec
import pytest

from core.errors import Unauthenticated
from core.security import (
    ACCESS,
    ACCESS_TOKEN_LIFETIME,
    ALGORITHM,
    ISSUER,
    TICKET,
    TICKET_LIFETIME,
    Tokens,
    derive_key,
    derive_token,
    fingerprint,
    hash_password,
    hash_token,
    is_password,
)

SECRET = "a secret of the tests, long enough for HS256"
USER = UUID(int=1)
SESSION = UUID(int=2)
COST = 4


def now() -> datetime:
    return datetime.now(UTC)


def claims(**changes: Any) -> dict[str, Any]:
    issued_at = int(now().timestamp())
    valid = {
        "iss": ISSUER,
        "aud": ACCESS,
        "sub": str(USER),
        "sid": str(SESSION),
        "iat": issued_at,
        "exp": issued_at + 60,
        "jti": "one",
    }
    return {name: value for name, value in {**valid, **changes}.items() if value is not None}


def signed(
    payload: dict[str, Any], *, typ: str = ACCESS, algorithm: str = ALGORITHM, secret: str = SECRET
) -> str:
    return jwt.encode(payload, derive_key(secret, "tokens"), algorithm=algorithm, headers={"typ": typ})


def without_signature(payload: dict[str, Any], algorithm: str) -> str:
    parts = [{"alg": algorithm, "typ": ACCESS}, payload]
    encoded = [urlsafe_b64encode(msgspec.json.encode(part)).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, ""])


@pytest.fixture
def tokens() -> Tokens:
    return Tokens(SECRET)


def test_an_access_token_says_whose_it_is_and_of_which_session(tokens: Tokens) -> None:
    read = tokens.read(tokens.access_token(user_id=USER, session_id=SESSION, now=now()), ACCESS)
    assert (read.user_id, read.session_id) == (USER, SESSION)
    assert read.expires_at == pytest.approx((now() + timedelta(minutes=10)).timestamp(), abs=5)


def test_a_token_made_by_hand_with_the_right_key_is_accepted_so_that_the_refusals_below_mean_something(
    tokens: Tokens,
) -> None:
    assert tokens.read(signed(claims()), ACCESS).user_id == USER


def test_an_access_token_expires_after_ten_minutes_and_a_ticket_after_thirty_seconds(tokens: Tokens) -> None:
    long_ago, later = now() - ACCESS_TOKEN_LIFETIME, now() - TICKET_LIFETIME
    assert ACCESS_TOKEN_LIFETIME.total_seconds() == 600
    assert TICKET_LIFETIME.total_seconds() == 30
    with pytest.raises(Unauthenticated):
        tokens.read(tokens.access_token(user_id=USER, session_id=SESSION, now=long_ago), ACCESS)
    with pytest.raises(Unauthenticated):
        tokens.read(tokens.ticket(user_id=USER, session_id=SESSION, now=later), TICKET)


def test_a_ticket_is_no_access_token_and_an_access_token_is_no_ticket(tokens: Tokens) -> None:
    ticket = tokens.ticket(user_id=USER, session_id=SESSION, now=now())
    access_token = tokens.access_token(user_id=USER, session_id=SESSION, now=now())
    with pytest.raises(Unauthenticated):
        tokens.read(ticket, ACCESS)
    with pytest.raises(Unauthenticated):
        tokens.read(access_token, TICKET)
    assert tokens.read(ticket, ACCESS, TICKET).user_id == USER


def test_every_ticket_has_an_id_of_its_own(tokens: Tokens) -> None:
    made = [tokens.ticket(user_id=USER, session_id=SESSION, now=now()) for _ in range(100)]
    assert len({tokens.read(ticket, TICKET).id for ticket in made}) == 100


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "HS256"])
def test_a_token_without_a_signature_is_refused_whatever_it_calls_its_algorithm(
    tokens: Tokens, algorithm: str
) -> None:
    with pytest.raises(Unauthenticated):
        tokens.read(without_signature(claims(), algorithm), ACCESS)


@pytest.mark.filterwarnings("ignore::jwt.InsecureKeyLengthWarning")
@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_a_token_signed_by_another_algorithm_is_refused_though_the_key_is_right(
    tokens: Tokens, algorithm: str
) -> None:
    with pytest.raises(Unauthenticated):
        tokens.read(signed(claims(), algorithm=algorithm), ACCESS)


def test_a_token_signed_with_another_secret_is_refused(tokens: Tokens) -> None:
    with pytest.raises(Unauthenticated):
        tokens.read(signed(claims(), secret=SECRET + "!"), ACCESS)


def test_a_token_signed_with_the_bare_secret_is_refused_as_each_purpose_has_its_own_key(
    tokens: Tokens,
) -> None:
    token = jwt.encode(claims(), SECRET, algorithm=ALGORITHM, headers={"typ": ACCESS})
    with pytest.raises(Unauthenticated):
        tokens.read(token, ACCESS)


@pytest.mark.parametrize("typ", ["JWT", TICKET, "AT+JWT", ""])
def test_a_token_of_another_type_is_refused_though_all_else_is_right(tokens: Tokens, typ: str) -> None:
    with pytest.raises(Unauthenticated):
        tokens.read(signed(claims(), typ=typ), ACCESS)


@pytest.mark.parametrize("name", ["iss", "aud", "sub", "sid", "iat", "exp", "jti"])
def test_a_token_that_lacks_a_claim_is_refused(tokens: Tokens, name: str) -> None:
    with pytest.raises(Unauthenticated):
        tokens.read(signed(claims(**{name: None})), ACCESS)


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "somebody else"},
        {"aud": "somebody else"},
        {"aud": [ACCESS]},
        {"aud": [ACCESS, TICKET]},
        {"sub": "not a uuid"},
        {"sub": 1},
        {"sid": ["not a uuid"]},
        {"sid": 7},
        {"exp": 1},
        {"exp": "soon"},
        {"iat": "yesterday"},
        {"iat": 2**40},
        {"nbf": 2**40},
    ],
)
def test_a_token_with_a_wrong_claim_is_refused(tokens: Tokens, wrong: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        tokens.read(signed(claims(**wrong)), ACCESS)


@pytest.mark.parametrize(
    "text", ["", ".", "..", "a.b.c", "no token", "é.é.é", "\0", "e30.e30.e30", "x" * 10_000]
)
def test_text_that_is_no_token_at_all_is_refused(tokens: Tokens, text: str) -> None:
    with pytest.raises(Unauthenticated):
        tokens.read(text, ACCESS)


def test_a_password_fits_its_own_hash_only() -> None:
    password_hash = hash_password("correct horse battery", cost=COST)
    assert is_password("correct horse battery", password_hash)
    assert not is_password("correct horse batterY", password_hash)
    assert not is_password("", password_hash)


def test_the_same_password_is_hashed_differently_each_time() -> None:
    assert hash_password("correct horse battery", cost=COST) != hash_password(
        "correct horse battery", cost=COST
    )


@pytest.mark.parametrize("beyond", ["x", "\0", "€"])
def test_a_longer_password_never_passes_for_its_first_72_bytes(beyond: str) -> None:
    longest = "p" * 72
    password_hash = hash_password(longest, cost=COST)
    assert is_password(longest, password_hash)
    assert not is_password(longest + beyond, password_hash)


@pytest.mark.parametrize("candidate", ["correct horse battery\0", "\0correct", "\ud800" * 5, "x" * 100_000])
def test_what_bcrypt_cannot_hash_is_a_wrong_password_and_no_error(candidate: str) -> None:
    assert not is_password(candidate, hash_password("correct horse battery", cost=COST))


def test_fingerprints_tell_apart_where_one_part_ends_and_the_next_begins() -> None:
    key = derive_key(SECRET, "idempotency")
    assert fingerprint(key, b"ab", b"c") != fingerprint(key, b"a", b"bc")
    assert fingerprint(key, b"ab", b"c") == fingerprint(key, b"ab", b"c")
    assert fingerprint(key, b"ab") != fingerprint(derive_key(SECRET, "tokens"), b"ab")


def test_a_derived_token_is_the_same_again_and_another_for_anything_else() -> None:
    token = derive_token(SECRET, "invitation", "ab", "c")
    assert token == derive_token(SECRET, "invitation", "ab", "c")
    assert len(urlsafe_b64decode(f"{token}=")) == 32
    assert hash_token(token.encode()) != token.encode()
    others = {
        derive_token(SECRET + "x", "invitation", "ab", "c"),
        derive_token(SECRET, "verification", "ab", "c"),
        derive_token(SECRET, "invitation", "a", "bc"),
        derive_token(SECRET, "invitation", "abc"),
        derive_token(SECRET, "invitation", "ab", "c", ""),
    }
    assert len(others - {token}) == 5
